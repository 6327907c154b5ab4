"""Rule sets: read from a file, published once, followed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.rules import RuleFollower, live_rules, no_rules, publish_rules, read_rule_file
from pipeline.settings import KafkaSettings
from schemas.errors import FatalError
from schemas.rules import RuleSet

GOOD = """
id = "main"
version = 2
author = "王"
reason = "上市"
changed_at = 2026-03-05T12:00:00+08:00
[[brands]]
id = "lantu"
name = "岚图"
role = "own"
aliases = ["岚图"]
"""


def rules(version: int, reason: str = "上市", **changes: Any) -> RuleSet:
    tree = {
        "id": "main",
        "version": version,
        "author": "王",
        "reason": reason,
        "changed_at": "2026-03-05T04:00:00Z",
    }
    return RuleSet.from_line(json.dumps(tree | changes).encode())


def test_a_file_becomes_a_rule_set(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(GOOD, encoding="utf-8")

    found = read_rule_file(path)

    assert found.label == "main@2"
    assert RuleSet.from_line(found.to_line()) == found


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "rules.toml"),
        (b"id = ", "rules.toml"),
        (b"\xff\xfe", "rules.toml"),
        (GOOD.replace("aliases", "alias").encode(), "alias"),
        (GOOD.replace("version = 2", "version = 0").encode(), "version"),
        (GOOD.replace("+08:00", "").encode(), "changed_at"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(
    tmp_path: Path, content: bytes | None, named: str
) -> None:
    path = tmp_path / "rules.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(FatalError) as caught:
        read_rule_file(path)

    assert str(path) in str(caught.value)
    assert named in str(caught.value)


def test_before_anybody_published_nothing_is_listened_for() -> None:
    nothing = no_rules("main")

    assert (nothing.id, nothing.brands, nothing.keywords) == ("main", (), ())


# --- with a broker ----------------------------------------------------------------------------


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


@pytest.mark.services
async def test_publishing_the_same_again_changes_nothing(kafka: Kafka) -> None:
    assert await live_rules(kafka, "main") is None
    assert await publish_rules(kafka, rules(1)) is True
    assert await publish_rules(kafka, rules(1)) is False

    assert await live_rules(kafka, "main") == rules(1)
    assert len([record async for record in kafka.read_all("rules")]) == 1


@pytest.mark.services
async def test_a_newer_version_replaces_the_live_one(kafka: Kafka) -> None:
    await publish_rules(kafka, rules(1))

    assert await publish_rules(kafka, rules(3, "改")) is True
    assert await live_rules(kafka, "main") == rules(3, "改")


@pytest.mark.services
@pytest.mark.parametrize("version", [1, 2])
async def test_an_older_version_or_other_content_under_the_same_is_refused(
    kafka: Kafka, version: int
) -> None:
    await publish_rules(kafka, rules(2))

    with pytest.raises(FatalError, match=r"main@2.*\b3\b"):
        await publish_rules(kafka, rules(version, "别的"))

    assert await live_rules(kafka, "main") == rules(2)


@pytest.mark.services
async def test_rule_sets_do_not_touch_each_other(kafka: Kafka) -> None:
    await publish_rules(kafka, rules(5))
    await publish_rules(kafka, rules(1, id="other"))

    assert await live_rules(kafka, "main") == rules(5)
    assert await live_rules(kafka, "other") == rules(1, id="other")


@pytest.mark.services
async def test_lines_that_are_no_rules_are_ignored(kafka: Kafka) -> None:
    older = rules(1).to_line()
    await put(kafka, rules(2).to_line(), b"{broken", older, None, b"", b'{"id":"main"}')
    await put(kafka, rules(9).to_line(), key=b"another key")

    assert await live_rules(kafka, "main") == rules(2)


class Used(list[str]):
    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def use(self, found: RuleSet) -> None:
        self.append(found.label)
        self._news.set()
        if found.reason == "不能用":
            raise ValueError("a word that does not compile")

    async def until(self, label: str) -> None:
        async with asyncio.timeout(30):
            while label not in self:
                self._news.clear()
                await self._news.wait()


@pytest.mark.services
async def test_a_follower_starts_with_what_is_live_and_sees_changes(kafka: Kafka) -> None:
    used = Used()
    follower = RuleFollower(kafka, "main", used.use)
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
    follower = RuleFollower(kafka, "main", used.use)
    await follower.start()

    await put(kafka, rules(2, "不能用").to_line())
    await used.until("main@2")
    await put(kafka, rules(3).to_line())
    await used.until("main@3")
    await follower.stop()

    assert used == ["main@1", "main@2", "main@3"]


@pytest.mark.services
async def test_a_follower_that_starts_later_uses_the_newest_at_once(kafka: Kafka) -> None:
    for version in (1, 2, 3):
        await publish_rules(kafka, rules(version))
    used = Used()
    follower = RuleFollower(kafka, "main", used.use)

    await follower.start()
    await follower.stop()

    assert used == ["main@3"]
