"""Hot lists: places and heats of topics at one moment, as newsnow and its kin answer them.

Each look gives one sighting for each topic, with the id that ``deploy/mappings/hot_search.toml``
gives to recorded ones: second, place and the title's hash.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from connectors.answer import raw_bytes
from connectors.base import Seen, Unreadable
from connectors.cells import as_count, as_number
from connectors.feed_entry import Entry
from connectors.html_text import html_to_text
from connectors.trouble import SourceError
from connectors.web import Answer
from schemas.language import say
from schemas.post import Author, Engagement, PostDraft
from schemas.record import explain

__all__ = ["MAX_ROWS", "Board", "Row", "board_of_entries", "read_board", "sightings"]

MAX_ROWS = 500
_LISTS = ("items", "data", "list", "result")
_TITLES = ("title", "word", "name", "keyword", "note")
_HEATS = ("heat", "hot", "hotValue", "hot_value", "heat_score", "score", "num", "raw_hot")
_LINKS = ("url", "link", "mobileUrl", "mobil_url")
_TIMES = ("updatedTime", "updateTime", "update_time")
_NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*(万|亿|[wWkK](?![A-Za-z]))?")
_UNITS = {"万": 1e4, "w": 1e4, "亿": 1e8, "k": 1e3, "": 1.0}
_MOST_SECONDS = 100_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a board."""

    rank: int
    title: str
    heat: float | None
    url: str | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Board:
    """A board at one moment."""

    at: datetime
    rows: list[Row]
    unreadable: list[Unreadable]


def read_board(answer: Answer, host: str) -> Board:
    """Read a list of topics out of JSON, whatever its keys are called.

    Raises:
        SourceError: there is no such list.
    """
    top = answer.json()
    listed = _list_in(top)
    if listed is None:
        raise SourceError(
            "format",
            say(
                f"{host} 的回答里没有热榜列表；请检查 boards 的地址。",
                f"the answer of {host} holds no hot list; check the address in boards.",
            ),
        )
    rows: list[Row] = []
    unreadable: list[Unreadable] = []
    for place, item in enumerate(listed[:MAX_ROWS], 1):
        row = _row(item, place)
        if row is not None:
            rows.append(row)
        else:
            message = say("热榜条目没有标题", "a topic without a title")
            unreadable.append(Unreadable(place, raw_bytes(item), "schema", message))
    return Board(_moment(top, answer.at), rows, unreadable)


def board_of_entries(entries: Sequence[Entry], at: datetime) -> Board:
    """A board that a bridge tells as a feed: its places are the order."""
    rows = [
        Row(place, title, None, entry.link, entry.raw)
        for place, entry in enumerate(entries[:MAX_ROWS], 1)
        if entry.title is not None and (title := entry.title.plain())
    ]
    return Board(at, rows, [])


def sightings(board: Board, platform: str, source: str) -> tuple[list[Seen], list[Unreadable]]:
    """The posts of kind ``hot`` of one look at a board."""
    seen: list[Seen] = []
    unreadable = list(board.unreadable)
    second = int(board.at.timestamp())
    for row in board.rows:
        digest = hashlib.sha256(row.title.encode(errors="surrogatepass")).hexdigest()[:12]
        is_web = row.url is not None and re.fullmatch(r"https?://\S{1,2000}", row.url)
        try:
            draft = PostDraft(
                id=f"{platform}:{second}-{row.rank}-{digest}",
                platform=platform,
                kind="hot",
                text=row.title,
                author=Author(id="board"),
                published_at=board.at,
                engagement=Engagement(rank=row.rank, heat=row.heat),
                url=row.url if is_web else None,
                source=source,
            )
        except ValidationError as error:
            unreadable.append(Unreadable(row.rank, row.raw, *explain(error)))
            continue
        seen.append(Seen(draft, board.at))
    return seen, unreadable


def _list_in(top: Any) -> list[Any] | None:
    if isinstance(top, list):
        return top
    if not isinstance(top, dict):
        return None
    for key in _LISTS:
        inner = top.get(key)
        if isinstance(inner, list):
            return inner
        if isinstance(inner, dict) and (found := _first(inner, _LISTS, list)) is not None:
            return list(found)
    return None


def _row(item: Any, place: int) -> Row | None:
    if not isinstance(item, dict):
        return None
    title = html_to_text(str(_first(item, _TITLES, str) or ""))
    if not title:
        return None
    extra = item.get("extra")
    heat = _heat(_first(item, _HEATS, int, float, str))
    if heat is None and isinstance(extra, dict):
        heat = _heat(extra.get("info"))
    link = _first(item, _LINKS, str)
    return Row(_rank(item, place), title, heat, str(link) if link else None, raw_bytes(item))


def _first(item: dict[str, Any], keys: Sequence[str], *kinds: type) -> Any:
    for key in keys:
        value = item.get(key)
        if isinstance(value, kinds) and not isinstance(value, bool) and value != "":
            return value
    return None


def _rank(item: dict[str, Any], place: int) -> int:
    try:
        return max(1, as_count(item["rank"]))
    except (KeyError, ValueError):
        return place


def _heat(value: Any) -> float | None:
    """1234567, "123万", "热度 1.2亿"; None for words without a number."""
    if isinstance(value, str):
        found = _NUMBER.search(value)
        if found is None:
            return None
        return as_number(found.group(1)) * _UNITS[(found.group(2) or "").lower()]
    try:
        return max(0.0, as_number(value))
    except ValueError:
        return None


def _moment(top: Any, received: datetime) -> datetime:
    """When the list was made: a server that answers from its cache says so."""
    value = _first(top, _TIMES, int, float, str) if isinstance(top, dict) else None
    try:
        seconds = as_number(value)
        seconds = seconds / 1000 if seconds > _MOST_SECONDS else seconds
        made = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return received
    # A clock that is ahead, or a list of days ago, is no time of a sighting.
    return made if 0 <= (received - made).total_seconds() < 86_400 else received
