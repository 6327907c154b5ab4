"""The circuit breaker: when it opens, what it waits for, and what a real role does about it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.breaker import Breaker, Halt, halts, resume
from pipeline.metrics import HALTED
from schemas.outcome import Rejected
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Line
from tests.pipeline.line_story import RULES
from tests.pipeline.test_line import produce_posts

BAD = Rejected("json", "not valid JSON: here")


class Person:
    """Resumes the role after it was asked to wait some times."""

    def __init__(self, folder: Path, after: int = 3, accept: int = 0) -> None:
        self.folder, self.after, self.accept = folder, after, accept
        self.waits = 0

    async def __call__(self, seconds: float) -> None:
        self.waits += 1
        if self.waits % self.after == 0:
            assert resume(self.folder, "index", self.accept) == 1


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "halted" / "index-1.json"


def test_a_halt_is_never_seen_half_written(note: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The role that waits takes a note that it can't read for one that was lifted."""
    halt = Halt(role="index", at=datetime(2026, 1, 1, tzinfo=UTC), sentence="halted")
    note.parent.mkdir()
    note.write_text(halt.model_dump_json())

    def slowly(path: Path, content: str) -> None:
        with path.open("w") as file:
            file.write(content[:9])
            file.flush()
            assert halts(note.parents[1]) == [(note, halt)]
            file.write(content[9:])

    monkeypatch.setattr(Path, "write_text", slowly)

    assert resume(note.parents[1], "index", 7) == 1
    assert Halt.model_validate_json(note.read_text()).accept == 7


async def feed(breaker: Breaker, *batches: tuple[int, int]) -> None:
    """Batches of so many lines, so many of them bad."""
    for lines, refused in batches:
        breaker.passed(lines)
        await breaker.refuse([BAD] * refused)


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([(1_000, 200)], id="a fifth"),
        pytest.param([(100, 100), (100, 100)], id="all of the first two hundred"),
        pytest.param([(1_000, 190), (1_000, 0), (1_000, 190)], id="not of the same thousand"),
        pytest.param([(50, 9)] * 200, id="18 % for long"),
        pytest.param([(3_000, 600)], id="a fifth of a large batch"),
    ],
)
async def test_it_lets_pass(tmp_path: Path, note: Path, batches: list[tuple[int, int]]) -> None:
    person = Person(tmp_path)

    await feed(Breaker("index", note, person), *batches)

    assert person.waits == 0
    assert not halts(tmp_path)


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([(1_000, 201)], id="more than a fifth"),
        pytest.param([(100, 100), (100, 100), (1, 1)], id="201 of the first 201"),
        pytest.param([(5_000, 0), *[(10, 3)] * 67], id="all was well before"),
        pytest.param([(3_000, 601)], id="of a large batch"),
    ],
)
async def test_it_halts(tmp_path: Path, note: Path, batches: list[tuple[int, int]]) -> None:
    person = Person(tmp_path)

    await feed(Breaker("index", note, person), *batches)

    assert person.waits == 3
    assert not note.exists(), "lifted"


async def test_the_sentence_says_what_why_and_what_to_do(tmp_path: Path, note: Path) -> None:
    sentences: list[str] = []

    async def look(seconds: float) -> None:
        sentences.extend(halt.sentence for _, halt in halts(tmp_path))
        assert HALTED.labels("index")._value.get() == 1
        resume(tmp_path, "index", 0)

    await feed(Breaker("index", note, look), (500, 300))

    [sentence] = sentences
    for part in ("index", "300", "500", "json 300", BAD.message, "tingchao resume index"):
        assert part in sentence
    assert HALTED.labels("index")._value.get() == 0


async def test_a_halt_outlives_the_process(tmp_path: Path, note: Path) -> None:
    class Killed(BaseException):
        pass

    async def kill(seconds: float) -> None:
        raise Killed

    with pytest.raises(Killed):
        await feed(Breaker("index", note, kill), (300, 300))
    person = Person(tmp_path)
    again = Breaker("index", note, person)

    await again.start()

    assert person.waits == 3, "the next process waited too"
    await Breaker("index", note, person).start()
    assert person.waits == 3, "and the one after it did not"


async def test_it_counts_anew_after_it_was_resumed(tmp_path: Path, note: Path) -> None:
    person = Person(tmp_path, after=1)
    breaker = Breaker("index", note, person)

    await feed(breaker, (300, 300), (200, 200))
    assert person.waits == 1
    await feed(breaker, (1, 1))
    assert person.waits == 2


async def test_accept_lets_so_many_more_through(tmp_path: Path, note: Path) -> None:
    person = Person(tmp_path, after=1, accept=1_000)
    breaker = Breaker("index", note, person)

    await feed(breaker, (300, 300), (1_000, 1_000))
    assert person.waits == 1
    await feed(breaker, (300, 300))
    assert person.waits == 2


def test_another_role_stays_halted(tmp_path: Path, note: Path) -> None:
    assert resume(tmp_path, "enrich", 0) == 0


@pytest.mark.services
def test_a_real_role_halts_and_goes_on(make_line: MakeLine) -> None:
    line: Line = make_line(partitions=1)
    rules = line.folder / "rules.toml"
    rules.write_text(RULES, encoding="utf-8")
    line.ok("topics", "create")
    line.ok("rules", "push", rules)
    bad = 500

    # Given a producer of another version, and a role that halts at its lines
    line.produce("posts.raw", *[b"\n".join([b'{"version":2}'] * 50)] * (bad // 50))
    good = produce_posts(line, 1, 200)
    enrich, index = line.start("enrich"), line.start("index")
    line.until(lambda: "tingchao resume enrich" in enrich.said(), "enrich halts")
    assert len(line.ok("dead-letters", "list", "--limit", "1000", "--json").data) <= 200
    assert line.ok("status").out.count("tingchao resume enrich") == 1

    # When it is killed and started again, it is still halted
    enrich.kill()
    again = line.start("enrich", 1)
    line.until(lambda: "tingchao resume enrich" in again.said(), "it says so again")
    assert line.behind("enrich")

    # When a person lets the lines through
    line.ok("resume", "enrich", "--accept", str(bad))

    # Then everything has its end
    line.until_drained("enrich", "index")
    assert len(line.ok("dead-letters", "list", "--limit", "1000", "--json").data) == bad
    assert set(line.indexed()) == good
    assert line.ok("audit", "--json").data["holds"]
    assert line.cli("resume", "enrich").code == 1
    index.ask_to_end()
