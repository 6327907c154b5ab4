"""Bad lines through the real line: exactly they become dead letters, their neighbours pass, and a
corrected line comes in once.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from processors.brand_state import BrandState
from schemas.enriched import EnrichedPost
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Line, Receiver
from tests.pipeline.line_story import RULES, post

pytestmark = pytest.mark.services

LINES = 100
PLACES = {"first": 1, "middle": 50, "last": LINES}
NOW = datetime.now(UTC).replace(microsecond=0)


def raw(number: int, text: str = "云帆水壶的说明书有三页", **more: Any) -> bytes:
    """A good line of posts.raw."""
    return orjson.dumps(post(number, text, NOW, **{"observed_at": NOW.isoformat()} | more))


def draft(number: int, text: str = "云帆水壶的说明书有三页", **more: Any) -> bytes:
    """A good line of a recording."""
    return orjson.dumps(post(number, text, NOW, **more))


def broken(line: bytes) -> bytes:
    return line[: len(line) // 2]


def no_utf8(line: bytes) -> bytes:
    return line.replace("云帆".encode(), "云帆".encode("gb18030"))


def lone_surrogate(line: bytes) -> bytes:
    return line.replace("云帆".encode(), b"\\ud83d")


def nul(line: bytes) -> bytes:
    return line.replace("云帆".encode(), b"\\u0000")


def unknown_field(line: bytes) -> bytes:
    return line[:-1] + b',"likes":3}'


def two_mebibytes(line: bytes) -> bytes:
    return line.replace("云帆".encode(), b"x" * (2 << 20))


def hashtags(line: bytes) -> bytes:
    return line.replace("云帆".encode(), b"#a" * 10_000)


@dataclass(frozen=True)
class Fault:
    """A way in which a line can be bad, and what its dead letter must say."""

    spoil: Callable[[bytes], bytes]
    kinds: set[str]
    says: str


FAULTS = {
    "broken json": Fault(broken, {"json"}, "JSON"),
    "no utf-8": Fault(no_utf8, {"json", "encoding"}, "not valid|invalid unicode"),
    "lone surrogate": Fault(lone_surrogate, {"json"}, "not valid JSON"),
    "nul": Fault(nul, {"schema"}, "'text'"),
    "unknown field": Fault(unknown_field, {"schema"}, "unknown field 'likes'"),
    "2 MiB": Fault(two_mebibytes, {"schema", "too_large"}, "100000 characters"),
    "10,000 hashtags": Fault(hashtags, {"schema"}, "more than 1000 '#'"),
}


@dataclass
class Case:
    """One spoiled line and its place."""

    name: str
    fault: Fault
    number: int
    """Number of its post."""
    line: int
    spoiled: bytes
    partition: int = 0
    offset: int = 0

    @property
    def post_id(self) -> str:
        return f"weibo:{self.number}"


@dataclass
class Rig:
    """A line with all its readers."""

    line: Line
    receiver: Receiver
    cases: list[Case] = field(default_factory=list)
    good: set[str] = field(default_factory=set)
    """Ids of the posts that must be indexed."""
    indexed_first: set[str] = field(default_factory=set)
    """What was indexed before any test brought more in."""

    def letters(self, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.line.ok(
            "dead-letters", "list", "--limit", "10000", "--json", *options
        ).data
        return found

    def settle(self) -> None:
        self.line.until_drained("enrich", "watch", "index", "notify-duty")


@pytest.fixture(scope="module")
def rig(make_module_line: MakeLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    receiver = Receiver()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DUTY_SECRET", "whsec_" + "A" * 40)
            channel = {"use": "webhook", "url": receiver.url, "secrets": [{"env": "DUTY_SECRET"}]}
            line = make_module_line(partitions=2, channels={"duty": channel})
            rules = tmp_path_factory.mktemp("rules") / "rules.toml"
            rules.write_text(RULES, encoding="utf-8")
            line.ok("topics", "create")
            line.ok("rules", "push", rules)
            rig = Rig(line, receiver)
            produce_envelopes(rig)
            for role in ("enrich", "watch", "index", "notify"):
                line.start(role)
            rig.settle()
            rig.indexed_first = set(line.indexed())
            yield rig
            line.close()
    finally:
        receiver.close()


def produce_envelopes(rig: Rig) -> None:
    """For each fault and place an envelope of 100 lines with one bad one in it."""
    number = 0
    for name, fault in FAULTS.items():
        for place, line in PLACES.items():
            lines = [raw(number + one) for one in range(1, LINES + 1)]
            case = Case(
                f"{name}, {place}", fault, number + line, line, fault.spoil(lines[line - 1])
            )
            lines[line - 1] = case.spoiled
            rig.line.produce("posts.raw", b"\n".join(lines), partition=len(rig.cases) % 2)
            case.offset, case.partition = divmod(len(rig.cases), 2)
            rig.cases.append(case)
            numbers = range(number + 1, number + LINES + 1)
            rig.good |= {f"weibo:{one}" for one in numbers if one != case.number}
            number += LINES


def letter_of(rig: Rig, case: Case) -> dict[str, Any]:
    """The one dead letter of the case's place; it holds the case's bytes."""
    place = ("posts.raw", case.partition, case.offset, case.line)
    [letter] = [
        letter
        for letter in (one["letter"] for one in rig.letters("--all"))
        if place == tuple(letter.get(key) for key in ("source", "partition", "offset", "line"))
    ]
    assert letter["value"] == b64encode(case.spoiled).decode(), case.name
    return dict(letter)


# --- posts.raw --------------------------------------------------------------------------------


def test_exactly_the_bad_lines_are_dead_letters_and_their_neighbours_are_indexed(rig: Rig) -> None:
    assert {case.post_id for case in rig.cases}.isdisjoint(rig.indexed_first)
    assert rig.good <= set(rig.line.indexed())
    for case in rig.cases:
        letter = letter_of(rig, case)
        assert (letter["stage"], letter["source"]) == ("enrich", "posts.raw"), case.name
        assert (letter["partition"], letter["line"]) == (case.partition, case.line), case.name
        assert letter["kind"] in case.fault.kinds, case.name
        assert re.search(case.fault.says, letter["message"]), case.name
        assert letter["size"] == len(case.spoiled), case.name


def test_show_tells_why_in_one_sentence(rig: Rig) -> None:
    for case in rig.cases:
        letter = letter_of(rig, case)
        shown = rig.line.ok("dead-letters", "show", letter["id"]).out
        why = shown.splitlines()[0]
        place = f"posts.raw:{letter['partition']}:{letter['offset']}:{case.line}"
        assert why.startswith(f"enrich refused {place}: ") and why.endswith(")."), case.name
        assert letter["message"] in why
        assert len(why) < 400
        assert "Traceback" not in shown


@pytest.mark.parametrize("value", [None, b"", b" \n\n"], ids=["null", "empty", "blank"])
def test_a_record_without_lines_is_one_dead_letter(rig: Rig, value: bytes | None) -> None:
    known = {one["letter"]["id"] for one in rig.letters("--all")}

    rig.line.produce("posts.raw", value)
    rig.line.until_drained("enrich")

    [letter] = [o["letter"] for o in rig.letters("--all") if o["letter"]["id"] not in known]
    assert (letter["kind"], letter["line"], letter["stage"]) == ("empty", 0, "enrich")
    assert letter.get("value") == (None if value is None else b64encode(value).decode())
    shown = rig.line.ok("dead-letters", "show", letter["id"]).out
    assert f"the record {'has no value' if value is None else 'is empty'} (empty)." in shown
    assert rig.line.ok("audit", "--json").data["holds"]


@pytest.mark.parametrize(
    ("said", "clamped"),
    [
        ("1970-01-01T00:00:00Z", NOW - timedelta(days=30)),
        ("2099-12-31T23:59:59Z", NOW + timedelta(minutes=5)),
        ("0001-01-01T00:00:00Z", NOW - timedelta(days=30)),
    ],
)
def test_an_absurd_date_is_clamped_and_flagged(rig: Rig, said: str, clamped: datetime) -> None:
    number = 900_000 + int(said[:4])
    rig.line.produce("posts.raw", raw(number, published_at=said))
    rig.settle()

    found = rig.line.post(f"weibo:{number}")

    assert found.event_at == clamped
    assert found.event_clamped
    assert found.published_at == datetime.fromisoformat(said)
    rig.good.add(f"weibo:{number}")


def test_a_line_from_the_future_is_a_dead_letter(rig: Rig) -> None:
    ahead = (NOW + timedelta(hours=3)).isoformat()
    rig.line.produce("posts.raw", raw(910_000, observed_at=ahead))
    rig.settle()

    [letter] = [one["letter"] for one in rig.letters("--kind", "future")]
    assert letter["post_id"] == "weibo:910000"
    assert "observed_at" in letter["message"]


# --- retry ------------------------------------------------------------------------------------


def test_retry_after_a_fix_brings_the_post_in_once(rig: Rig, tmp_path: Path) -> None:
    fixed = [case for case in rig.cases if case.name.endswith("middle")]
    for case in fixed:
        file = tmp_path / "fixed.json"
        file.write_bytes(raw(case.number, "云帆水壶修好了"))
        letter = letter_of(rig, case)
        rig.line.ok("dead-letters", "retry", letter["id"], "--with", file)
    rig.settle()

    indexed = rig.line.indexed()
    still_open = {one["letter"]["id"] for one in rig.letters()}
    for case in fixed:
        assert indexed.count(case.post_id) == 1, case.name
        assert rig.line.post(case.post_id).text == "云帆水壶修好了"
        assert letter_of(rig, case)["id"] not in still_open
    report = rig.line.ok("audit", "--json").data
    assert report["holds"]
    assert report["twice"] == []


def test_retry_without_a_fix_comes_back_as_a_new_dead_letter(rig: Rig) -> None:
    case = next(case for case in rig.cases if case.name == "unknown field, first")
    letter = letter_of(rig, case)

    rig.line.ok("dead-letters", "retry", letter["id"])
    rig.settle()

    again = [
        one["letter"]
        for one in rig.letters()
        if one["letter"].get("post_id") == case.post_id and one["letter"]["id"] != letter["id"]
    ]
    assert [one["message"] for one in again] == [letter["message"]]
    assert rig.line.ok("audit", "--json").data["holds"]


# --- the other topics -------------------------------------------------------------------------


def test_bad_lines_in_signals(rig: Rig) -> None:
    def mention(number: int) -> bytes:
        return orjson.dumps(
            {
                "type": "mention", "brand": "jug", "role": "own", "post_id": f"weibo:{number}",
                "root_id": f"weibo:{number}", "platform": "weibo", "kind": "post",
                "author_id": "a", "event_at": NOW.isoformat(),
            }
        )  # fmt: skip

    bad = [b'{"type":"mention"', b'{"type":"rumour"}', mention(1)[:-1] + b',"x":1}', b"\xff\xfe"]
    lines = b"\n".join([mention(920_001), *bad, mention(920_002)])
    rig.line.produce("signals", lines, None, b"{", mention(920_003))
    rig.line.until_drained("watch")

    letters = sorted(
        (one["letter"] for one in rig.letters("--stage", "watch")),
        key=lambda letter: (letter["offset"], letter["line"]),
    )
    assert [one["line"] for one in letters] == [2, 3, 4, 5, 0, 1]
    assert [one["kind"] for one in letters] == ["json", "schema", "schema", "json", "empty", "json"]
    [state] = [
        BrandState.from_line(record.value)
        for record in rig.line.records("watch.checkpoints")
        if record.key == b"jug" and record.value
    ][-1:]
    assert state.counters.ahead == 3, "no tick came, so all three mentions stand ahead of the clock"


def test_bad_lines_in_posts_enriched(rig: Rig) -> None:
    good = EnrichedPost.from_line(raw(930_001)).to_line()
    another = EnrichedPost.from_line(raw(930_005)).to_line()
    bad = {
        b"not json": "json",
        raw(930_002)[:-1] + b',"surprise":1}': "",  # no such field in the index
        b"[]": "",
        b'{"id":"weibo:930003"}': "",  # says nothing of its time or revision
        raw(930_004).replace(NOW.isoformat().encode(), b"yesterday"): "",
    }
    rig.line.produce("posts.enriched", good, *bad, None, another, key=b"k")
    rig.line.until_drained("index")

    letters = [
        o["letter"]
        for o in rig.letters("--stage", "index")
        if o["letter"]["source"] == "posts.enriched"
    ]
    assert {b64decode(one["value"]) if "value" in one else None for one in letters} == {*bad, None}
    for one in letters:
        shown = rig.line.ok("dead-letters", "show", one["id"]).out.splitlines()[0]
        assert "refused posts.enriched:" in shown and len(one["message"]) > 5
    assert {"weibo:930001", "weibo:930005"} <= set(rig.line.indexed())
    assert {f"weibo:93000{n}" for n in (2, 3, 4)}.isdisjoint(rig.line.indexed())


def test_bad_lines_in_incidents(rig: Rig) -> None:
    told = len(rig.receiver.deliveries)
    bad = [b"not json", b'{"id":"x","revision":0}', b'{"id":"y"}']
    for number, value in enumerate(bad):
        rig.line.produce("incidents", value, key=f"bad-{number}".encode())
    rig.line.until_drained("index", "notify-duty")

    # Both read the same record, and each has a letter of its own.
    letters = [o["letter"] for o in rig.letters() if o["letter"]["source"] == "incidents"]
    stages = sorted(one["stage"] for one in letters)
    assert stages == ["index"] * len(bad) + ["notify"] * len(bad)
    assert len(rig.receiver.deliveries) == told


# --- the same rows in a file ------------------------------------------------------------------


def test_bad_rows_of_a_file_are_dead_letters_and_their_neighbours_are_indexed(
    rig: Rig, tmp_path: Path
) -> None:
    cases: list[Case] = []
    lines: list[bytes] = []
    for name, fault in FAULTS.items():
        for line in PLACES.values():
            number = 950_001 + len(lines)
            lines += [draft(number + one) for one in range(LINES)]
            place = len(lines) - LINES + line - 1
            lines[place] = fault.spoil(lines[place])
            cases.append(Case(name, fault, number + line - 1, place + 1, lines[place]))
    dated = len(lines) + 950_001
    lines += [
        draft(dated, published_at="1970-01-01T00:00:00Z"),
        draft(dated + 1, published_at="2099-01-01T00:00:00Z"),
    ]
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")

    done = rig.line.ok("import", file, "--json").data
    rig.settle()

    assert done == {"posts": len(lines) - len(cases), "rejected": len(cases)}
    letters = {o["letter"]["line"]: o["letter"] for o in rig.letters("--stage", "ingest")}
    assert sorted(letters) == sorted(case.line for case in cases)
    for case in cases:
        letter = letters[case.line]
        assert letter["source"] == "import:rows.jsonl"
        assert letter["kind"] in case.fault.kinds, case.name
        shown = rig.line.ok("dead-letters", "show", letter["id"]).out.splitlines()[0]
        assert shown.startswith(f"ingest refused import:rows.jsonl:{case.line}: "), case.name
    bad = {case.post_id for case in cases}
    expected = {f"weibo:{950_001 + place}" for place in range(len(lines))} - bad
    indexed = rig.line.indexed()
    assert expected <= set(indexed) and bad.isdisjoint(indexed)
    for number in (dated, dated + 1):
        assert rig.line.post(f"weibo:{number}").event_clamped

    # When a line is corrected as it stands in the file, it comes in, once
    fixed = tmp_path / "fixed.json"
    fixed.write_bytes(draft(cases[0].number, "云帆水壶的新行"))
    rig.line.ok("dead-letters", "retry", letters[cases[0].line]["id"], "--with", fixed)
    rig.settle()
    assert rig.line.indexed().count(cases[0].post_id) == 1
    assert rig.line.ok("audit", "--json").data["holds"]


def test_the_audit_adds_up_after_all_that(rig: Rig) -> None:
    answer = rig.line.cli("audit", "--json")

    assert answer.code == 0
    report = json.loads(answer.out)
    assert report["missing"] == report["unreadable_missing"] == report["twice"] == []
    assert report["unreadable"] > 0
