import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.errors import RejectedError
from schemas.signals import Command, Mention, SourceGap, Tick, parse_signal

AT = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)

MENTION: dict[str, Any] = {
    "type": "mention",
    "brand": "lantu",
    "role": "own",
    "post_id": "weibo:1",
    "root_id": "weibo:1",
    "platform": "weibo",
    "kind": "post",
    "author_id": "u1",
    "event_at": "2026-03-05T04:00:00Z",
    "mood": "negative",
    "negative": 0.9,
    "matches": ["刹车"],
    "excerpt": "刹车异响",
}
COMMAND: dict[str, Any] = {
    "type": "command",
    "id": "c1",
    "brand": "lantu",
    "action": "silence",
    "at": "2026-03-05T04:00:00Z",
    "by": "王",
    "until": "2026-03-05T06:00:00Z",
}
TICK: dict[str, Any] = {"type": "tick", "at": "2026-03-05T12:00:00+08:00", "lane": 1, "lanes": 4}
GAP: dict[str, Any] = {
    "type": "gap",
    "source": "weibo-main",
    "platform": "weibo",
    "started_at": "2026-03-05T04:00:00Z",
    "reason": "接口没有回应",
    "at": "2026-03-05T04:01:00Z",
    "trouble": "unreachable",
    "backfill": "listed",
}


@pytest.mark.parametrize(
    ("tree", "kind"), [(MENTION, Mention), (COMMAND, Command), (TICK, Tick), (GAP, SourceGap)]
)
def test_each_kind_is_told_by_its_type_and_comes_back_as_the_same_bytes(
    tree: dict[str, Any], kind: type
) -> None:
    signal = parse_signal(json.dumps(tree).encode())

    assert type(signal) is kind
    assert parse_signal(signal.to_line()) == signal
    assert parse_signal(signal.to_line()).to_line() == signal.to_line()
    assert signal.to_line().startswith(b'{"type":"' + tree["type"].encode() + b'"')


def test_times_are_kept_in_utc() -> None:
    tick = parse_signal(json.dumps(TICK).encode())

    assert isinstance(tick, Tick)
    assert tick.at == AT
    assert tick.at.utcoffset() == AT.utcoffset()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (json.dumps(TICK | {"type": "tock"}), "schema"),
        (json.dumps({k: v for k, v in TICK.items() if k != "type"}), "schema"),
        (json.dumps(TICK | {"lane": -1}), "schema"),
        (json.dumps(TICK | {"lanes": 0}), "schema"),
        (json.dumps(TICK | {"at": "2026-03-05T04:00:00"}), "schema"),
        (json.dumps(TICK | {"brand": "lantu"}), "schema"),
        (json.dumps(MENTION | {"mood": "angry"}), "schema"),
        (json.dumps(MENTION | {"negative": 1.1}), "schema"),
        (json.dumps(MENTION | {"post_id": "4711"}), "schema"),
        (json.dumps(MENTION | {"excerpt": "字" * 142}), "schema"),
        (json.dumps(COMMAND | {"action": "delete"}), "schema"),
        (json.dumps(GAP | {"ended_at": "soon"}), "schema"),
        ("[]", "schema"),
        ("null", "schema"),
        ('{"type":"tick"', "json"),
        ("", "json"),
    ],
)
def test_anything_else_is_rejected(line: str, kind: str) -> None:
    with pytest.raises(RejectedError) as caught:
        parse_signal(line.encode())

    assert caught.value.kind == kind
