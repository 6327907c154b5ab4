"""Incidents in their topic: read by one bounded scan, and changed by commands in ``signals``.

The topic is compacted by id and always there, also while Elasticsearch is away; of each id the
highest revision counts.

Delivery: a command is written once, acknowledged by all replicas, into the partition of its brand,
and obeyed by watch as it comes along there. Its id is new for each call, so a call that is repeated
is a second command; one that makes no sense any more changes nothing.
"""

import asyncio
from collections.abc import Iterable

import structlog

from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.record import Record
from schemas.errors import FatalError, RejectedError
from schemas.incident import Incident
from schemas.incidents import AnyIncident, parse_incident
from schemas.language import say
from schemas.signals import Command
from schemas.topics import partition_of

__all__ = ["chosen", "give", "obstacle_to", "read_incidents"]

_LEAST_PREFIX = 4
_POLL_MS = 200

log = structlog.get_logger()


async def read_incidents(kafka: Kafka) -> dict[str, AnyIncident]:
    """The newest revision of every incident by id.

    A line that is no incident is logged and left out: it must not keep the others from people.
    """
    newest: dict[str, AnyIncident] = {}
    async for record in kafka.read_all("incidents"):
        if (incident := _parsed(record)) is not None:
            known = newest.get(incident.id)
            if known is None or incident.revision >= known.revision:
                newest[incident.id] = incident
    return newest


def chosen(known: Iterable[AnyIncident], written: str) -> AnyIncident:
    """The incident of an id, or of the beginning of one.

    Raises:
        FatalError: there is none, or more than one begins so.
    """
    found = [one for one in known if one.id == written] or [
        one for one in known if one.id.startswith(written) and len(written) >= _LEAST_PREFIX
    ]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(one.id for one in found)[:5])
        raise FatalError(
            say(
                f"以 {written} 开头的事件不止一个（{ids}）；请多写几位。",
                f"More than one incident begins with {written} ({ids}); write more of the id.",
            )
        )
    raise FatalError(
        say(
            f"没有事件 {written}；用 tingchao incidents list --all 查看。",
            f"There is no incident {written}; see `tingchao incidents list --all`.",
        )
    )


def obstacle_to(action: str, incident: AnyIncident) -> str | None:
    """Why a command can't be given about this incident, in one sentence."""
    name, state = incident.id, incident.state
    if incident.kind == "source":
        return say(
            f"事件 {name} 说的是信源 {incident.source} 中断，它自己会结束，不接受命令。",
            f"Incident {name} is about the source {incident.source}, which is not heard: it ends "
            "by itself and takes no commands.",
        )
    if state == "closed" and action in ("acknowledge", "silence", "close"):
        return say(
            f"事件 {name} 已经结束；要继续处理，先用 tingchao incidents reopen {name}。",
            f"Incident {name} is closed; to go on with it, `tingchao incidents reopen {name}`.",
        )
    if action == "acknowledge" and state == "handled":
        owner = incident.owner or "–"
        return say(
            f"事件 {name} 已经有人在处理（{owner}）。",
            f"Incident {name} is being handled already ({owner}).",
        )
    if action == "reopen" and state in ("suspected", "confirmed"):
        return say(f"事件 {name} 还没有结束。", f"Incident {name} is open.")
    return None


async def give(kafka: Kafka, command: Command, wait_seconds: float) -> Incident | None:
    """Write a command and wait for the revision that obeys it; None when it did not come in time.

    Raises:
        FatalError, RetryableError: it could not be written.
    """
    async with kafka.reader("incidents") as (consumer, partitions):
        # From before it is written on, so that its answer cannot be missed.
        await consumer.seek_to_end(*partitions)
        for place in partitions:
            await consumer.position(place)
        await _write(kafka, command)
        end = asyncio.get_running_loop().time() + wait_seconds
        while asyncio.get_running_loop().time() < end:
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            for messages in batches.values():
                for message in messages:
                    found = _answer(message.value, command)
                    if found is not None:
                        return found
    return None


def _answer(line: bytes | None, command: Command) -> Incident | None:
    try:
        incident = parse_incident(line or b"")
    except RejectedError:
        return None
    if incident.kind == "source" or incident.id != command.incident_id:
        return None
    obeyed = any(entry.command == command.id for entry in incident.timeline)
    return incident if obeyed else None


async def _write(kafka: Kafka, command: Command) -> None:
    writer = LineWriter(kafka)
    await writer.start()
    try:
        partition = partition_of(command.brand, await writer.partitions("signals"))
        await writer.write({"signals": [Entry(partition, command.to_line())]})
    finally:
        await writer.stop()


def _parsed(record: Record) -> AnyIncident | None:
    try:
        return parse_incident(record.value) if record.value else None
    except RejectedError as error:
        place = f"{record.partition}:{record.offset}"
        log.error("incident refused", place=place, reason=str(error))
        return None
