"""Where Kafka and Elasticsearch are: configured, or the local services of the work folder.

The Elasticsearch client is imported where it is asked for: it takes longer to import than all the
rest, and ``enrich``, ``watch`` and most commands never need it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.components import configure
from pipeline.kafka import Kafka
from pipeline.services import ServicesConfig, status
from pipeline.settings import Settings
from schemas.errors import FatalError
from schemas.language import say

if TYPE_CHECKING:
    from sinks.elasticsearch import Elasticsearch

__all__ = ["elasticsearch_client", "elasticsearch_config", "kafka_of", "services_config"]


def services_config(settings: Settings) -> ServicesConfig:
    """The local services that these settings need: those without a configured address."""
    services = settings.services
    return ServicesConfig(
        folder=settings.folder,
        artefacts=services.artefacts,
        kafka=settings.kafka.bootstrap is None,
        elasticsearch=settings.elasticsearch.url is None,
        kafka_port=services.kafka_port,
        kafka_heap=services.kafka_heap,
        elasticsearch_port=services.elasticsearch_port,
        elasticsearch_heap=services.elasticsearch_heap,
        elasticsearch_user=services.elasticsearch_user,
    )


def kafka_of(settings: Settings) -> Kafka:
    """Kafka as configured, or the running local one.

    Raises:
        FatalError: neither; says how to start it.
    """
    if settings.kafka.bootstrap:
        return Kafka(settings.kafka, settings.kafka.bootstrap)
    return Kafka(settings.kafka, _local(settings, "kafka"))


def elasticsearch_client(settings: Settings) -> "Elasticsearch":
    """Elasticsearch as configured, or the running local one.

    Raises:
        FatalError: neither, or an option is wrong; says what to do.
    """
    from sinks.elasticsearch import Elasticsearch

    url = settings.elasticsearch.url or _local(settings, "elasticsearch")
    return Elasticsearch(elasticsearch_config(settings, url))


def elasticsearch_config(settings: Settings, url: str) -> "Elasticsearch.Config":
    """The settings as the client wants them.

    Raises:
        FatalError: an option is wrong.
    """
    from sinks.elasticsearch import Elasticsearch

    section = settings.elasticsearch
    options = {
        "url": url,
        "prefix": section.prefix,
        "api_key": section.api_key,
        "username": section.username,
        "password": section.password,
        "ca_certs": section.ca_file,
        "request_timeout_seconds": section.request_timeout_seconds,
        "shards": section.shards,
        "replicas": section.replicas,
    }
    config: Elasticsearch.Config = configure("elasticsearch", Elasticsearch.Config, options)
    return config


def _local(settings: Settings, service: str) -> str:
    for found in status(services_config(settings)):
        if found.name == service and found.running and found.address:
            return found.address
    name = {"kafka": "Kafka", "elasticsearch": "Elasticsearch"}[service]
    folder: Path = settings.folder
    raise FatalError(
        say(
            f"{name} 没有在运行（工作目录 {folder}）；请运行 tingchao services start，"
            f"或在设置里写上已有集群的地址。",
            f"{name} is not running (work folder {folder}); run `tingchao services start`, or "
            "write the address of an existing cluster into the settings.",
        )
    )
