"""A Faust worker that reads in several ways at once and writes down what it sees.

Run as a process of its own, with the broker's address, a prefix, a folder and options as JSON. It
has our app's settings, and one agent for each topic of the options, which say how it reads, how
many at most and how long it waits for so many. The values that it reads tell it what to do:

``ack``    acknowledge this event by hand
``keep``   do nothing with it
``raise``  let an exception escape from the agent's body
``hold``   go on when the file ``go`` stands in the folder
``stale``  wait until more events are queued, then let a new generation begin
"""

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faust
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.events import Event

from pipeline.faust_agent import _record, _settings
from pipeline.kafka import Kafka
from pipeline.settings import KafkaSettings

Way = Callable[[Any, str, int, float], Awaitable[None]]


class Child:
    """The app, its agents and the file of its observations."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path, options: dict[str, Any]) -> None:
        self.folder = folder
        self.options = options
        self.prefix = prefix
        self.lock = threading.Lock()  # the consumer has a thread of its own
        kafka = Kafka(KafkaSettings(prefix=prefix), bootstrap)
        settings = _settings(kafka, folder) | {"broker_commit_interval": 0.2}
        self.app = faust.App(kafka.group("enrich"), **settings | options.get("settings", {}))
        for topic, (way, most, within) in options["topics"].items():
            source = self.app.topic(
                prefix + topic,
                key_type=bytes,
                value_type=bytes,
                key_serializer="raw",
                value_serializer="raw",
                partitions=options.get("partitions", 1),
            )
            read: Way = {
                "each": self.each,
                "taken": self.taken,
                "byhand": self.byhand,
                "whole": self.whole,
            }[way]
            self.app.agent(source, name=topic, concurrency=1)(
                self.reading(topic, read, most, within)
            )
        self.app.on_partitions_revoked.connect(self.revoked, weak=False)
        self.app.on_partitions_assigned.connect(self.assigned, weak=False)
        self.app.on_before_shutdown.connect(self.before_shutdown, weak=False)

    def note(self, what: str, **more: Any) -> None:
        with self.lock, (self.folder / "notes").open("a") as file:
            file.write(json.dumps({"what": what, **more}) + "\n")

    # -- ways of reading

    def reading(
        self, topic: str, way: Way, most: int, within: float
    ) -> Callable[[Any], Awaitable[None]]:
        async def read(stream: Any) -> None:
            self.note("agent starts", topic=topic)
            try:
                await way(stream, topic, most, within)
            except asyncio.CancelledError:
                self.note("agent cancelled", topic=topic)
                raise

        return read

    async def each(self, stream: Any, topic: str, most: int, within: float) -> None:
        async for event in stream.events():
            self.note("got", topic=topic, offsets=[event.message.offset])
            await self.obey(stream, event)

    async def taken(self, stream: Any, topic: str, most: int, within: float) -> None:
        async for values in stream.take(most, within=within):
            self.note("got", topic=topic, values=[value.decode() for value in values])
            for value in values:
                if value == b"raise":
                    raise ZeroDivisionError
                if value == b"hold":
                    await self.released()

    async def byhand(self, stream: Any, topic: str, most: int, within: float) -> None:
        async for events in stream.noack_take(most, within=within):
            self.note("got", topic=topic, offsets=[event.message.offset for event in events])
            for event in events:
                self.note("event", topic=topic, **_shape(event))
                await self.obey(stream, event)

    async def whole(self, stream: Any, topic: str, most: int, within: float) -> None:
        """As our own agent: a batch (here of a known size) is held, then acknowledged in order."""
        batch: list[Any] = []
        async for events in stream.noack_take(most, within=within):
            batch += events
            places = [[event.message.partition, event.message.offset] for event in events]
            self.note("got", topic=topic, places=places)
            if len(batch) >= self.options.get("batch", 1):
                await self.released()
                for event in batch:
                    await stream.ack(event)
                self.note("acked", places=[[e.message.partition, e.message.offset] for e in batch])
                batch.clear()

    async def obey(self, stream: Any, event: Any) -> None:
        if event.value == b"ack":
            await stream.ack(event)
        elif event.value == b"raise":
            raise ZeroDivisionError
        elif event.value == b"hold":
            await self.released()
        elif event.value == b"stale":
            while stream.channel.queue.qsize() < 3:
                await asyncio.sleep(0)
            await stream.ack(event)
            self.app.consumer_generation_id += 1
            self.note("new generation")

    async def released(self) -> None:
        while not (self.folder / "go").exists():
            await asyncio.sleep(0.02)

    # -- what else is seen

    async def revoked(self, *_: Any, **__: Any) -> None:
        self.note("revoked")

    async def assigned(self, *_: Any, **__: Any) -> None:
        places = sorted([tp.topic, tp.partition] for tp in self.app.consumer.assignment())
        self.note("assigned", places=places, settings=self.consumer_settings())

    async def before_shutdown(self, *_: Any, **__: Any) -> None:
        self.note("before shutdown")

    def consumer_settings(self) -> dict[str, Any]:
        consumer = self.app.consumer._thread._consumer
        return {
            "max_poll_interval_seconds": consumer._coordinator._max_poll_interval,
            "session_timeout_ms": consumer._session_timeout_ms,
            "enable_auto_commit": consumer._enable_auto_commit,
            "auto_offset_reset": consumer._auto_offset_reset,
            "isolation_level": consumer._isolation_level,
            "group": consumer._group_id,
        }

    def watch_flow(self) -> None:
        """Note when streams seek and when their flow is resumed."""
        consumer_class = self.app.transport.Consumer
        perform_seek, resume_flow = consumer_class.perform_seek, consumer_class.resume_flow

        async def seeking(consumer: Any) -> None:
            await perform_seek(consumer)
            self.note("has sought")

        def resuming(consumer: Any) -> None:
            self.note("resumes")
            resume_flow(consumer)

        consumer_class.perform_seek, consumer_class.resume_flow = seeking, resuming

    def watch_joins(self) -> None:
        """Note each try to join the group, and whether it was made."""
        ensure = GroupCoordinator.ensure_active_group

        async def noting(coordinator: Any, *arguments: Any) -> Any:
            joined = await ensure(coordinator, *arguments)
            self.note("join", made=joined is not None)
            return joined

        GroupCoordinator.ensure_active_group = noting

    def run(self) -> None:
        self.note("web", port=self.app.conf.web_port)
        self.watch_flow()
        self.watch_joins()
        worker = faust.Worker(self.app, quiet=True, redirect_stdouts=False, override_logging=False)
        worker.spinner = None
        worker.execute_from_commandline()


def _shape(event: Any) -> dict[str, Any]:
    """What our own reading makes of an event."""
    record = _record(event, "t")
    return {
        "is_event": isinstance(event, Event),
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": record.key and record.key.decode(),
        "value": None if record.value is None else record.value.decode(),
        "headers": [[name, value.decode()] for name, value in record.headers],
    }


if __name__ == "__main__":
    address, prefix, folder, options = sys.argv[1:]
    Child(address, prefix, Path(folder), json.loads(options)).run()
