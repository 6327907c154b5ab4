from collections.abc import Awaitable, Callable

import pytest

from pipeline.kafka import Kafka
from pipeline.settings import KafkaSettings
from tests.tripwires.groups import new_topics

MakeTopic = Callable[..., Awaitable[str]]


@pytest.fixture
def kafka(kafka_bootstrap: str, unique_prefix: str) -> Kafka:
    """A prefix of its own, without topics."""
    return Kafka(KafkaSettings(prefix=unique_prefix.replace("-", ".")), kafka_bootstrap)


@pytest.fixture
def make_topic(kafka: Kafka) -> MakeTopic:
    """Creates topics under the prefix; returns their real names when they can be written to."""

    async def make(name: str = "t", partitions: int = 1, **config: str) -> str:
        return (await new_topics(kafka, name, partitions=partitions, **config))[0]

    return make
