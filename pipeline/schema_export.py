"""JSON Schema of every record, and one AsyncAPI 3 document of all topics."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from processors.brand_state import BrandState
from schemas.checkpoint import WatchPosition
from schemas.correction import Correction
from schemas.customer_event import CustomerEvent
from schemas.dead_letter import DeadLetter, Drop, Retry
from schemas.enriched import EnrichedPost
from schemas.incident import Incident
from schemas.post import Post, PostDraft
from schemas.record import SCHEMA_VERSION
from schemas.rules import RuleSet
from schemas.signals import Command, Mention, SourceGap, Tick
from schemas.source_incident import SourceIncident
from schemas.source_status import SourceStatus
from schemas.thread import Thread
from schemas.topics import TOPICS, Topic

__all__ = ["RECORDS", "asyncapi", "json_schema", "write_schemas"]

RECORDS: dict[str, type[BaseModel]] = {
    record.__name__: record
    for record in (
        PostDraft,
        Post,
        EnrichedPost,
        CustomerEvent,
        Mention,
        Command,
        Tick,
        SourceGap,
        Incident,
        SourceIncident,
        RuleSet,
        Correction,
        SourceStatus,
        Thread,
        DeadLetter,
        Retry,
        Drop,
        WatchPosition,
    )
}
"""Every record that stands in a topic, but for the detector's own state."""

_INTERNAL = {BrandState.__name__}


def json_schema(record: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema 2020-12 of a record as it is written."""
    schema = record.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tingchao:{record.__name__}:{SCHEMA_VERSION}",
        **schema,
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: channels (topics), messages, who sends and who receives."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tingchao",
            "version": str(SCHEMA_VERSION),
            "description": "Every Kafka value is NDJSON: one or more JSON lines, each one of the "
            "messages of its channel. Public channels carry exactly one line a record.",
        },
        "defaultContentType": "application/x-ndjson",
        "channels": {_id(topic): _channel(topic) for topic in TOPICS.values()},
        "operations": _operations(),
        "components": {
            "messages": {
                name: {
                    "name": name,
                    "summary": (record.__doc__ or "").strip().split("\n")[0],
                    "contentType": "application/json",
                    "payload": {
                        "schemaFormat": "application/schema+json;version=draft-2020-12",
                        "schema": {"$ref": f"./{name}.schema.json"},
                    },
                }
                for name, record in RECORDS.items()
            }
        },
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write all documents into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = {f"{name}.schema.json": json_schema(record) for name, record in RECORDS.items()}
    documents["asyncapi.json"] = asyncapi()
    paths = []
    for name, document in documents.items():
        path = folder / name
        path.write_text(json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
        paths.append(path)
    return paths


def _id(topic: Topic) -> str:
    return topic.name.replace(".", "-")


def _channel(topic: Topic) -> dict[str, Any]:
    config: dict[str, Any] = {
        "cleanup.policy": [topic.cleanup],
        "max.message.bytes": topic.max_message_bytes,
    }
    if topic.cleanup == "delete":
        config["retention.ms"] = topic.retention_seconds * 1000
    return {
        "address": topic.name,
        "summary": topic.summary,
        "description": f"Key: {topic.key}. "
        + ("Public: one line a record." if topic.public else "Internal: many lines a record."),
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"}
            for name in topic.records
            if name not in _INTERNAL
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": config,
                "bindingVersion": "0.5.0",
            }
        },
    }


_WRITERS: dict[str, tuple[str, ...]] = {
    "ingest": ("posts.raw", "customer.events", "sources", "dead-letters"),
    "enrich": ("posts.enriched", "posts.dropped", "signals", "threads", "dead-letters"),
    "index": ("dead-letters",),
    "watch": ("incidents", "watch.checkpoints", "dead-letters"),
    "notify": ("dead-letters",),
}
_READERS: dict[str, tuple[str, ...]] = {
    "enrich": ("posts.raw", "threads", "rules"),
    "index": ("posts.enriched", "incidents"),
    "watch": ("signals", "watch.checkpoints"),
    "notify": ("incidents", "rules"),
}


def _operations() -> dict[str, Any]:
    operations = {}
    for action, table in (("send", _WRITERS), ("receive", _READERS)):
        for role, topics in table.items():
            for topic in topics:
                operations[f"{role}-{action}s-{_id(TOPICS[topic])}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{_id(TOPICS[topic])}"},
                }
    return operations
