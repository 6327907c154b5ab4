"""Workers follow the rule sets."""

import asyncio
import gc
import json
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.rule_follower import RuleFollower, uncollected
from pipeline.rules import publish_rules
from pipeline.settings import KafkaSettings
from schemas.rules import RuleSet

BROKEN = [{"id": "brake", "name": "刹车", "query": "刹车 AND"}]


def rules(version: int, reason: str = "上市", **changes: Any) -> RuleSet:
    tree = {
        "id": "main",
        "version": version,
        "author": "王",
        "reason": reason,
        "changed_at": "2026-03-05T04:00:00Z",
    }
    return RuleSet.from_line(json.dumps(tree | changes).encode())


@pytest.fixture
async def kafka(kafka_bootstrap: str, unique_prefix: str) -> Kafka:
    settings = KafkaSettings(prefix=unique_prefix.replace("-", "."), partitions=2)
    kafka = Kafka(settings, kafka_bootstrap)
    await kafka.create_topics()
    return kafka


async def put(kafka: Kafka, *lines: bytes | None, key: bytes = b"main") -> None:
    writer = LineWriter(kafka)
    await writer.start()
    await writer.write({"rules": [Entry(0, line, key) for line in lines]})
    await writer.stop()


class Used(list[str]):
    """The labels of what was used, and what was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str | None] = []
        self._news = asyncio.Event()

    async def use(self, sets: Sequence[RuleSet]) -> None:
        self.append("+".join(found.label for found in sets))
        self._news.set()
        if any(found.reason == "不能用" for found in sets):
            raise ValueError("a word that does not compile")

    def tell(self, reason: str | None) -> None:
        self.told.append(reason)
        self._news.set()

    async def until(self, label: str) -> None:
        async with asyncio.timeout(30):
            while label not in self:
                self._news.clear()
                await self._news.wait()

    async def until_told(self, part: str) -> None:
        async with asyncio.timeout(30):
            while not any(part in (reason or "") for reason in self.told):
                self._news.clear()
                await self._news.wait()


@pytest.mark.services
async def test_a_follower_starts_with_what_is_live_and_sees_changes(kafka: Kafka) -> None:
    used = Used()
    follower = RuleFollower(kafka, ["main"], used.use, used.tell)
    await follower.start()
    assert used == ["main@1"], "nothing yet: the empty set"

    await publish_rules(kafka, rules(1))
    await used.until("main@1")
    await publish_rules(kafka, rules(2))
    await used.until("main@2")
    await put(kafka, b"{broken", rules(1).to_line())
    await publish_rules(kafka, rules(3))
    await used.until("main@3")
    await follower.stop()

    assert used == ["main@1", "main@1", "main@2", "main@3"], "each once, none backwards"


@pytest.mark.services
async def test_a_rule_set_that_the_callback_refuses_leaves_the_old_one(kafka: Kafka) -> None:
    await publish_rules(kafka, rules(1))
    used = Used()
    follower = RuleFollower(kafka, ["main"], used.use, used.tell)
    await follower.start()

    await put(kafka, rules(2, "不能用").to_line())
    await used.until("main@2")
    await put(kafka, rules(3).to_line())
    await used.until("main@3")
    await follower.stop()

    assert used == ["main@1", "main@2", "main@3"]
    assert used.told[-1] is None


@pytest.mark.services
async def test_a_follower_that_starts_later_uses_the_newest_at_once(kafka: Kafka) -> None:
    for version in (1, 2, 3):
        await publish_rules(kafka, rules(version))
    used = Used()
    follower = RuleFollower(kafka, ["main"], used.use, used.tell)

    await follower.start()
    await follower.stop()

    assert used == ["main@3"]


@pytest.mark.services
async def test_a_broken_set_is_told_and_the_old_one_stays_until_a_good_one_comes(
    kafka: Kafka,
) -> None:
    await publish_rules(kafka, rules(1))
    used = Used()
    follower = RuleFollower(kafka, ["main"], used.use, used.tell)
    await follower.start()

    await put(kafka, rules(2, rules=BROKEN).to_line())
    await used.until_told("brake")
    await put(kafka, b"{broken", key=b"main@3")
    await used.until_told("JSON")
    await publish_rules(kafka, rules(4))
    await used.until("main@4")
    await follower.stop()

    assert used == ["main@1", "main@4"]
    assert used.told[-1] is None


@pytest.mark.services
async def test_a_worker_that_starts_behind_a_broken_set_uses_the_newest_that_is_fit(
    kafka: Kafka,
) -> None:
    await publish_rules(kafka, rules(1))
    await publish_rules(kafka, rules(2))
    await put(kafka, rules(3, rules=BROKEN).to_line())
    await put(kafka, rules(9, id="other").to_line(), key=b"main@9")
    used = Used()
    follower = RuleFollower(kafka, ["main"], used.use, used.tell)

    await follower.start()
    first = used.told[-1]
    await publish_rules(kafka, rules(10))
    await used.until("main@10")
    await follower.stop()

    assert used == ["main@2", "main@10"]
    assert first is not None and "main@9" in first


@pytest.mark.services
async def test_several_sets_are_followed_as_one(kafka: Kafka) -> None:
    await publish_rules(kafka, rules(3))
    used = Used()
    follower = RuleFollower(kafka, ["main", "pr"], used.use, used.tell)
    await follower.start()

    await publish_rules(kafka, rules(5, id="pr"))
    await used.until("main@3+pr@5")
    await put(kafka, rules(6, id="pr", rules=BROKEN).to_line(), key=b"pr")
    await used.until_told("brake")
    await publish_rules(kafka, rules(4))
    await used.until("main@4+pr@5")
    await publish_rules(kafka, rules(9, id="nobody"))
    await follower.stop()

    assert used == ["main@3+pr@1", "main@3+pr@5", "main@4+pr@5"]
    assert "pr@6" in (used.told[-1] or ""), "still refused"


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_left_as_it_was(was_on: bool) -> None:
    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(ValueError), uncollected():
            assert not gc.isenabled()
            raise ValueError
        assert gc.isenabled() is was_on
    finally:
        gc.enable()
