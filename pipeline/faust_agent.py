"""Reads for ``enrich`` and ``watch``: one Faust agent that loses nothing.

Faust acknowledges an event when the body of its loop raises, takes batches back only halfway and
keeps tables that lose data on a rebalance. So: raw bytes, ``noack_take``, no tables, one agent a
process, ``concurrency=1``, acknowledgements by hand and in order, and a hard exit on anything
unexpected. Scale = partitions x processes.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faust
import faust.streams
import structlog
from faust.types import EventT

from pipeline import metrics
from pipeline.faust_consumer import SeekingConsumer
from pipeline.guard import Guard
from pipeline.kafka import MAX_POLL_INTERVAL_MS, Kafka
from pipeline.loop import SafeLoop
from pipeline.record import Record
from pipeline.vitals import Membership, Reader
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["create_app", "owns"]

MAX_RECORDS = 64
WITHIN_SECONDS = 0.1

log = structlog.get_logger()


def create_app(
    kafka: Kafka,
    role: str,
    topic: str,
    folder: Path,
    loop: SafeLoop[Any],
    guard: Guard,
    vitals: Reader,
    prepare: Callable[[], Awaitable[None]] | None = None,
) -> faust.App:
    """A Faust app whose only agent feeds ``loop``.

    ``prepare`` is awaited before the first line, on Faust's event loop; ``vitals`` are those of
    this role in ``guard``.
    ``partitions`` is the topic's real number: Faust declares nothing itself.

    Raises:
        FatalError: Faust does not use its compiled streams; the pure Python ones acknowledge
            events of partitions that were already taken away.
    """
    # The compiled module may be there and switched off: NO_CYTHON.
    if faust.streams._CStreamIterator is None:  # type: ignore[attr-defined]
        raise FatalError(
            say(
                "Faust 没有使用编译好的 stream，会丢数据；请取消环境变量 NO_CYTHON，"
                "并安装带编译模块的 faust-streaming。",
                "Faust does not use its compiled streams and would lose lines: unset the "
                "environment variable NO_CYTHON, and install faust-streaming with its compiled "
                "modules.",
            )
        )
    app = faust.App(kafka.group(role), **_settings(kafka, folder))
    app.transport.Consumer = SeekingConsumer  # type: ignore[misc] # of this app alone
    source = app.topic(
        kafka.topic(topic),
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=asyncio.run(_partition_count(kafka, topic)),
    )

    vitals.begin("joining")

    async def begin() -> None:
        await asyncio.to_thread(guard.start)  # the plain faust command has nobody else to do it
        if prepare is not None:
            await prepare()

    async def work(stream: Any) -> None:
        guard.vitals.runs_on(asyncio.get_running_loop())
        await loop.start(begin)
        async for events in stream.noack_take(MAX_RECORDS, within=WITHIN_SECONDS):
            await loop.handle([_record(event, topic) for event in events])
            if loop.stage.name != "watch":  # watch commits its offsets in its own transactions
                for event in events:
                    await stream.ack(event)

    app.agent(source, name=f"tingchao.{role}", concurrency=1)(work)

    async def disconnect(*_: Any, **__: Any) -> None:
        guard.vitals.stopping = True
        await loop.stop()

    async def count(*_: Any, assigned: Any = (), **__: Any) -> None:
        partitions = len(app.consumer.assignment())
        metrics.ASSIGNED.labels(role).set(partitions)
        vitals.joined(_membership(app))
        guard.vitals.runs_on(_thread(app).thread_loop, "consumer")
        log.info("reading", group=role, topic=topic, partitions=partitions)

    app.on_partitions_assigned.connect(count, weak=False)
    app.on_before_shutdown.connect(disconnect, weak=False)
    return app


def owns(app: faust.App, topic: str, partition: int) -> bool:
    """Whether a partition of a topic (its real name) is this process's own now."""
    assigned = app.consumer.assignment()
    return any(tp.topic == topic and tp.partition == partition for tp in assigned)


def _thread(app: faust.App) -> Any:
    """The thread of Faust's consumer; there is no public way to it."""
    consumer: Any = app.consumer
    return consumer._thread


def _membership(app: faust.App) -> Membership:
    """What Faust's client, which lives in a thread of its own, believes."""
    return Membership(
        member_id=lambda: _thread(app)._consumer._coordinator.member_id,
        assigned=app.consumer.assignment,
        rebalancing=lambda: app.rebalancing,
    )


async def _partition_count(kafka: Kafka, topic: str) -> int:
    """The topic's real number of partitions: Faust declares nothing itself, but wants to know."""
    async with kafka.reader(topic) as (_, partitions):
        return len(partitions)


def _record(event: EventT[bytes], topic: str) -> Record:
    message = event.message
    headers: Any = message.headers or ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Record(
        topic=topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=int(message.timestamp * 1000),
        key=message.key,
        value=message.value,
        headers=tuple(pairs),
    )


def _settings(kafka: Kafka, folder: Path) -> dict[str, Any]:
    """Each value has its reason in Faust's behaviour; see the comments."""
    return {
        "broker": [f"kafka://{address}" for address in kafka.address.split(",")],
        "broker_credentials": _credentials(kafka),
        # A stalled sink must not make the group leave: aiokafka refuses to rejoin while idle.
        "broker_max_poll_interval": MAX_POLL_INTERVAL_MS / 1000,
        # With noack_take nothing is lost by not waiting; waiting would block the whole group.
        "stream_wait_empty": False,
        "broker_session_timeout": kafka.settings.session_timeout_seconds,
        "broker_heartbeat_interval": kafka.heartbeat_seconds,
        # Not shorter than the session, which a join may wait for.
        "broker_request_timeout": max(60, kafka.settings.session_timeout_seconds),
        "broker_rebalance_timeout": 60,
        "broker_commit_interval": 1.0,
        "broker_commit_every": 5_000,
        "broker_max_poll_records": 64,
        # In records; each carries up to 200 posts, so this bounds memory.
        "stream_buffer_maxsize": 128,
        "consumer_max_fetch_size": 4 * 1024 * 1024,
        "consumer_auto_offset_reset": "earliest",
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "store": "memory://",
        "processing_guarantee": "at_least_once",
        "web_enabled": False,
        # The plain faust command turns the web server on again: then here, on any free port.
        "web_bind": "127.0.0.1",
        "web_port": _free_port(),
        "datadir": str(folder / "faust"),
        "cython_optimizations": False,
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _credentials(kafka: Kafka) -> Any:
    settings = kafka.settings
    if settings.security == "PLAINTEXT":
        return None
    context: ssl.SSLContext | None = None
    if settings.security.endswith("SSL"):
        context = kafka.ssl_context()
    if settings.security == "SSL":
        return faust.SSLCredentials(context)
    password = settings.sasl_password
    return faust.SASLCredentials(
        mechanism=settings.sasl_mechanism,
        username=settings.sasl_username,
        password=password.get_secret_value() if password else None,
        ssl_context=context,
    )
