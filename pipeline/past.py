"""The past as a backtest reads it: the ``signals`` topic, a file, or the index.

All give portions of lines in the order in which they are to be applied, and keep no more than one
portion in memory. The topic is read partition by partition, each from the first record that it
still holds. A file of signals is one partition, in its own order. Posts, of a file or the index,
come in order of event time (ties by id), however they stand there.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Literal, Protocol, cast

import orjson

from connectors.base import Unreadable
from connectors.rows import Row
from connectors.sheet import is_workbook, open_rows
from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.kafka import Kafka
from pipeline.mappings import needed_mapping
from pipeline.past_posts import PostKind, post_kind, posts_in_order
from pipeline.record import Record
from pipeline.settings import Settings
from processors.watching import SignalLine
from schemas.envelope import split
from schemas.errors import FatalError, RejectedError
from schemas.language import say
from schemas.post import Post
from schemas.signals import parse_signal

__all__ = [
    "FilePast",
    "IndexPast",
    "Past",
    "Portion",
    "PostsPast",
    "TopicPast",
    "file_past",
    "refuse_all_broken",
]

Holds = Literal["signals"] | PostKind

_TOGETHER = 2_000
_LOOKED_AT = 100
"""Lines of a file that are looked at to tell what it holds."""
_SIGNALS = {"mention", "command", "tick", "gap"}


@dataclass(frozen=True, slots=True)
class Portion:
    """Some lines of one partition, and those among them that are none."""

    partition: int
    lines: Sequence[SignalLine | Post]
    unreadable: Sequence[Unreadable] = ()
    whole: bool = True
    """The partition is known from its beginning: nothing before was forgotten."""


class Past(Protocol):
    """Where a replay's lines come from."""

    name: str
    """As people call it."""
    holds: Holds

    async def partitions(self) -> int:
        """How many there are."""

    def portions(self) -> AsyncGenerator[Portion, None]:
        """All lines, one partition after the other.

        Raises:
            FatalError, RetryableError: it can't be read.
        """


class TopicPast:
    """What ``signals`` still holds."""

    holds: Holds = "signals"

    def __init__(self, settings: Settings) -> None:
        self._kafka: Kafka = kafka_of(settings)
        self.name = self._kafka.topic("signals")

    async def partitions(self) -> int:
        """Those of the topic."""
        async with self._kafka.reader("signals") as (_, found):
            return len(found)

    async def portions(self, only: int | None = None) -> AsyncGenerator[Portion, None]:
        """Partition by partition; lines that ``watch`` could not read are left out as it did."""
        for number in range(await self.partitions()) if only is None else (only,):
            lines: list[SignalLine | Post] = []
            bad: list[Unreadable] = []
            whole: bool | None = None
            reading = cast(
                AsyncGenerator[Record, None], self._kafka.read_all("signals", only=number)
            )
            async with aclosing(reading) as records:
                async for record in records:
                    whole = record.offset == 0 if whole is None else whole
                    for raw in split(record.value or b""):
                        try:
                            lines.append(parse_signal(raw))
                        except RejectedError as error:
                            bad.append(Unreadable(record.offset, raw, error.kind, str(error)))
                    if len(lines) >= _TOGETHER:
                        yield Portion(number, lines, bad, bool(whole))
                        lines, bad = [], []
            if lines or bad:
                yield Portion(number, lines, bad, bool(whole))


class FilePast:
    """A file of signal lines, one partition."""

    holds: Holds = "signals"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    async def partitions(self) -> int:
        """One: a file has one order."""
        return 1

    async def portions(self) -> AsyncGenerator[Portion, None]:
        """The lines in the file's order."""
        with closing(open_rows(self._path, None)) as rows:
            for some in _in_parts(iter(rows)):
                lines: list[SignalLine | Post] = []
                bad: list[Unreadable] = []
                for row in some:
                    try:
                        lines.append(_signal(row))
                    except RejectedError as error:
                        bad.append(Unreadable(row.line, row.raw, error.kind, str(error)))
                yield Portion(0, lines, bad)


class PostsPast:
    """A file of posts, sorted by event time."""

    def __init__(self, path: Path, mapping: Path | None, kind: PostKind) -> None:
        self._path, self._mapping = path, mapping
        self.holds: Holds = kind
        self.name = str(path)

    async def partitions(self) -> int:
        """One."""
        return 1

    async def portions(self) -> AsyncGenerator[Portion, None]:
        """The posts, oldest first."""
        assert self.holds != "signals"
        with closing(posts_in_order(self._path, self._mapping, self.holds)) as parts:
            for posts, bad in parts:
                yield Portion(0, posts, bad)


class IndexPast:
    """The posts of the index."""

    holds: Holds = "enriched"

    def __init__(
        self, settings: Settings, until: datetime | None, brand: str | None, *, retagged: bool
    ) -> None:
        """``brand``: only its posts; where posts are tagged again, any may turn out to be one."""
        self._settings = settings
        self._until, self._brand = until, None if retagged else brand
        self.name = say("索引", "the index")

    async def partitions(self) -> int:
        """One."""
        return 1

    async def portions(self) -> AsyncGenerator[Portion, None]:
        """The posts as they were enriched then, oldest first."""
        from sinks.search import Search

        index = elasticsearch_client(self._settings)
        try:
            pages = Search(index).posts_in_order(until=self._until, brand=self._brand)
            async with aclosing(pages):
                async for posts in pages:
                    yield Portion(0, posts)
        finally:
            await index.close()


def file_past(path: Path, mapping: Path | None) -> Past:
    """The past in a file: signals where its lines are signals, else posts.

    Raises:
        FatalError: the file can't be read, holds neither, or is a table without a mapping.
    """
    if mapping is None and not is_workbook(path):
        found = _first_keys(path)
        if found.get("type") in _SIGNALS:
            return FilePast(path)
        if (kind := post_kind(found)) is not None:
            return PostsPast(path, None, kind)
    return PostsPast(path, mapping or needed_mapping(path), "draft")


def _first_keys(path: Path) -> dict[str, object]:
    """The first JSON object among the first lines."""
    with closing(open_rows(path, None)) as rows:
        for row in islice(rows, _LOOKED_AT):
            try:
                found = orjson.loads(row.raw)
            except orjson.JSONDecodeError:
                continue
            if isinstance(found, dict):
                return found
    return {}


def _signal(row: Row) -> SignalLine:
    if row.fault is not None:
        raise row.fault
    return parse_signal(row.raw)


def _in_parts(rows: Iterator[Row]) -> Iterator[Iterator[Row]]:
    for first in rows:
        yield chain([first], islice(rows, _TOGETHER - 1))


def refuse_all_broken(name: str, good: int, bad: int, first: Unreadable | None) -> None:
    """Let a past pass unless nothing in it could be read.

    Raises:
        FatalError: not one line; names the first.
    """
    if good or first is None:
        return
    why = first.message.rstrip("。.")
    raise FatalError(
        say(
            f"{name} 的 {bad} 行没有一行能读；第 {first.line} 行：{why}。",
            f"None of the {bad} lines of {name} can be read; line {first.line}: {why}.",
        )
    )
