"""Posts of a file in order of event time, however many there are and however they stand there.

Sorted on disk: runs of ``MAX_RUN_POSTS`` are sorted in memory and put aside in a temporary file
each, then merged. Memory: one run, and a line of each.
"""

import heapq
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Literal, NamedTuple

from connectors.base import Unreadable
from connectors.drafts import EARLIEST, DraftReader
from connectors.mapping_file import read_mapping
from connectors.sheet import open_rows
from schemas.enriched import EnrichedPost
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import Post, PostDraft

__all__ = ["PostKind", "post_kind", "posts_in_order"]

PostKind = Literal["draft", "post", "enriched"]
"""As connectors write them, as ingest does (``posts.raw``), as enrich does (``posts.enriched``)."""

MAX_RUN_POSTS = 100_000
MAX_RUN_BYTES = 128 * 1024 * 1024
_TOGETHER = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Entry(NamedTuple):
    """A line by what it is sorted by."""

    at: int
    """Event time in microseconds since 1970."""
    id: str
    number: int
    raw: bytes


def post_kind(fields: dict[str, object]) -> PostKind | None:
    """What a JSON object is that has these fields; None: no post of ours."""
    if not {"id", "platform", "published_at"} <= fields.keys():
        return None
    if "models" in fields:
        return "enriched"
    return "post" if "observed_at" in fields else "draft"


def posts_in_order(
    path: Path, mapping: Path | None, kind: PostKind
) -> Generator[tuple[list[Post], list[Unreadable]], None, None]:
    """The posts, oldest first, some at a time; first of all the rows that are none.

    A draft counts as seen when it was published.

    Raises:
        FatalError: the file or the mapping can't be used.
    """
    bad: list[Unreadable] = []
    with ExitStack() as stack:
        runs: list[Iterator[_Entry]] = []
        for run in _runs(_entries(path, mapping, kind, bad)):
            if bad:
                yield [], list(bad)
                bad.clear()
            run.sort()
            if runs or len(run) >= MAX_RUN_POSTS:
                file = stack.enter_context(tempfile.TemporaryFile())
                _put_aside(run, file)
                runs.append(_read_back(file))
            else:
                runs.append(iter(run))
        if bad:
            yield [], bad
        merged = heapq.merge(*runs)
        while some := list(islice(merged, _TOGETHER)):
            yield [_post(entry.raw, kind) for entry in some], []


def _runs(entries: Iterator[_Entry]) -> Iterator[list[_Entry]]:
    run: list[_Entry] = []
    size = 0
    for entry in entries:
        run.append(entry)
        size += len(entry.raw)
        if len(run) >= MAX_RUN_POSTS or size >= MAX_RUN_BYTES:
            yield run
            run, size = [], 0
    if run:
        yield run


def _put_aside(run: list[_Entry], file: IO[bytes]) -> None:
    for at, id, number, raw in run:
        file.write(b"%d\t%b\t%d\t%b\n" % (at, id.encode(), number, raw))
    file.seek(0)


def _read_back(file: IO[bytes]) -> Iterator[_Entry]:
    for line in file:
        at, id, number, raw = line[:-1].split(b"\t", 3)
        yield _Entry(int(at), id.decode(), int(number), raw)


def _entries(
    path: Path, mapping: Path | None, kind: PostKind, bad: list[Unreadable]
) -> Iterator[_Entry]:
    for number, (line, raw, found) in enumerate(_read(path, mapping, kind)):
        if isinstance(found, Unreadable):
            bad.append(found)
            continue
        at = found.event_at if isinstance(found, Post) else found.published_at
        if at < EARLIEST:
            message = say(
                f"时间 {at.isoformat()} 早于任何平台",
                f"its time, {at.isoformat()}, is before there was any platform",
            )
            bad.append(Unreadable(line, raw, "time", message))
            continue
        kept = raw if mapping is None else found.to_line()
        yield _Entry((at - _EPOCH) // _MICROSECOND, found.id, number, kept)


def _read(
    path: Path, mapping: Path | None, kind: PostKind
) -> Iterator[tuple[int, bytes, PostDraft | Unreadable]]:
    if kind == "draft":
        columns = read_mapping(mapping) if mapping is not None else None
        with closing(DraftReader(path, columns, "backtest")) as items:
            for row, draft in items:
                if draft is not None:
                    yield row.line, row.raw, draft
        return
    with closing(open_rows(path, None)) as rows:
        for row in rows:
            try:
                if row.fault is not None:
                    raise row.fault
                yield row.line, row.raw, _post(row.raw, kind)
            except RejectedError as error:
                yield row.line, row.raw, Unreadable(row.line, row.raw, error.kind, str(error))


def _post(raw: bytes, kind: PostKind) -> Post:
    if kind == "enriched":
        return EnrichedPost.from_line(raw)
    if kind == "post":
        return Post.from_line(raw)
    draft = PostDraft.from_line(raw)
    return Post(**dict(draft), observed_at=draft.published_at)
