"""Rule sets: read from a file, published once, found again with all their versions."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.rules import (
    Version,
    configured_rules,
    live_rules,
    newest_fit,
    no_rules,
    publish_rules,
    read_rule_file,
    rule_lines,
    version_of,
)
from pipeline.settings import KafkaSettings, RulesSettings, Settings
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


BROKEN_RULE = """
[[rules]]
id = "brake"
name = "刹车"
query = "刹车 AND"
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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "rules.toml 用不了：没有这个文件，请检查路径。"),
        (GOOD.replace('"main"', '"main'), "用不了：第 2 行第 11 个字不合 TOML 的写法"),
        (GOOD.replace("version = 2", 'version = "2"'), "version: 要写成整数"),
    ],
)
def test_a_common_slip_is_told_in_chinese(tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "rules.toml"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    with pytest.raises(FatalError) as caught:
        read_rule_file(path)

    assert told in str(caught.value)


def test_an_older_version_is_used_whatever_is_wrong_with_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def judged(found: RuleSet) -> None:
        if found.version == 2:
            raise ValueError("out of range")

    monkeypatch.setattr("pipeline.rules.refuse_broken", judged)
    lines = {version: rules(version).to_line() for version in (1, 2)}

    found, refused = newest_fit("main", lines)

    assert found == rules(1)
    assert refused == "main@2: out of range"


def test_a_rule_file_of_a_set_that_nobody_follows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(GOOD, encoding="utf-8")

    for section in (RulesSettings(file=path), RulesSettings(file=path, sets=("pr", "main"))):
        found = configured_rules(Settings(rules=section))
        assert found is not None and found.label == "main@2"
    with pytest.raises(FatalError, match=r"pr, service"):
        configured_rules(Settings(rules=RulesSettings(file=path, sets=("pr", "service"))))


def test_a_rule_file_with_a_broken_query_is_not_configured(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(GOOD + BROKEN_RULE, encoding="utf-8")

    with pytest.raises(FatalError, match="brake"):
        configured_rules(Settings(rules=RulesSettings(file=path)))


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        (b"main", Version("main", None)),
        (b"main@12", Version("main", 12)),
        (b"main@1000000000", Version("main", 1_000_000_000)),
        (b"main@1000000001", None),
        (b"main@0", None),
        (b"main@01", None),
        (b"main@", None),
        ("main@１".encode(), None),
        (b"Main", None),
        (b"another key", None),
        (b"", None),
        (None, None),
    ],
)
def test_a_key_says_which_version_of_which_set(key: bytes | None, meaning: Version | None) -> None:
    assert version_of(key) == meaning


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
    keys = [record.key async for record in kafka.read_all("rules")]
    assert keys == [b"main@1", b"main"]


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


@pytest.mark.services
async def test_every_version_is_kept_and_the_later_line_of_one_counts(kafka: Kafka) -> None:
    for version in (1, 2, 3):
        await publish_rules(kafka, rules(version))
    await publish_rules(kafka, rules(1, id="other"))
    await put(kafka, rules(2, "另外写的").to_line(), key=b"main@2")

    lines = (await rule_lines(kafka, ["main"]))["main"]
    newest = (await rule_lines(kafka, ["main"], most=1))["main"]

    assert {version: RuleSet.from_line(line).reason for version, line in lines.items()} == {
        1: "上市",
        2: "另外写的",
        3: "上市",
    }
    assert list(newest) == [3]


@pytest.mark.services
async def test_a_broken_set_is_not_published(kafka: Kafka) -> None:
    await publish_rules(kafka, rules(1))
    bad = [
        {"id": "one", "name": "一", "query": "甲 AND"},
        {"id": "two", "name": "二", "query": ")"},
    ]

    with pytest.raises(FatalError) as caught:
        await publish_rules(kafka, rules(2, rules=bad))

    assert "one" in str(caught.value) and "two" in str(caught.value)
    assert await live_rules(kafka, "main") == rules(1)


@pytest.mark.services
async def test_a_broken_set_that_came_another_way_is_not_live_but_counts(kafka: Kafka) -> None:
    await publish_rules(kafka, rules(1))
    bad = rules(7, rules=[{"id": "one", "name": "一", "query": "甲 AND"}])
    await put(kafka, bad.to_line())
    await put(kafka, b"{broken", key=b"main@8")

    assert await live_rules(kafka, "main") == rules(1)
    with pytest.raises(FatalError, match=r"version.*\b8\b"):
        await publish_rules(kafka, rules(7))
    assert await publish_rules(kafka, rules(8)) is True
    assert await live_rules(kafka, "main") == rules(8)


@pytest.mark.services
async def test_of_two_who_push_one_version_at_once_one_is_told(kafka: Kafka) -> None:
    for version in (1, 2, 3):
        both = await asyncio.gather(
            *(publish_rules(kafka, rules(version, reason)) for reason in ("甲", "乙")),
            return_exceptions=True,
        )

        assert any(isinstance(one, FatalError) for one in both), both
        assert all(isinstance(one, FatalError | bool) for one in both), both
        assert any(str(version + 1) in str(one) for one in both)
