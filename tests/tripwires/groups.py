"""Topics and consumer groups as the broker sees them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from pipeline.kafka import Kafka

__all__ = ["committed", "members", "new_topics", "until"]


async def until(holds: Callable[[], Awaitable[Any]], what: str, seconds: float = 120.0) -> None:
    """Wait until something holds; fail with its name."""
    try:
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:.0f} s: {what}") from None


async def new_topics(kafka: Kafka, *names: str, partitions: int = 1, **config: str) -> list[str]:
    """Create topics; returns their real names when they can be written to."""
    real = [kafka.settings.prefix + name for name in names]
    async with kafka.admin() as admin:
        await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs=config) for name in real]
        )
        while any(topic["error_code"] for topic in await admin.describe_topics(real)):
            await asyncio.sleep(0.02)  # a broker knows a new topic a moment after it was created
    return real


async def committed(kafka: Kafka, group: str) -> dict[tuple[str, int], int]:
    """(topic, partition) to what the group committed, where it did."""
    async with kafka.admin() as admin:
        while True:
            try:
                found = await admin.list_consumer_group_offsets(group)
                break
            except KafkaError as error:  # a young broker still looks for its coordinator
                if not error.retriable:
                    raise
                await asyncio.sleep(0.05)
    return {(tp.topic, tp.partition): one.offset for tp, one in found.items() if one.offset >= 0}


async def members(kafka: Kafka, group: str) -> int:
    """How many consumers are in a group."""
    async with kafka.admin() as admin:
        answers = await admin.describe_consumer_groups([group])
    [(_, _, _, _, _, found, *_)] = answers[0].groups
    return len(found)
