"""The lists that Weibo's API offers, and how one is read from its newest item downwards.

``since_id`` is exclusive and ``max_id`` inclusive. Most lists go down by id, which no new post can
shift; a search goes down by time or, where it knows none, by page number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from connectors.trouble import SourceError
from connectors.weibo_api import WeiboApi
from connectors.weibo_posts import native_id, read_time
from schemas.component import ComponentConfig
from schemas.language import say

__all__ = [
    "ALL_NEW",
    "ENDPOINTS",
    "Endpoint",
    "Mark",
    "Walk",
    "Watch",
    "items_of",
    "place_of",
    "walk",
]

MAX_GAPS = 20

What = Literal[
    "home",
    "user",
    "mentions",
    "comment-mentions",
    "comments-to-me",
    "comments",
    "reposts",
    "topic",
    "search",
]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One list of the API."""

    path: str
    key: str
    count: int
    """Items per page."""
    target: str = ""
    """Parameter that takes ``of``; empty: the list of the logged-in account."""
    down: Literal["id", "time", "page"] = "id"
    business: str = ""
    """Path on the business host; empty: there is none."""
    business_count: int = 0
    only_business: bool = False
    fixed: Mapping[str, str | int] = field(default_factory=dict)


ENDPOINTS: dict[str, Endpoint] = {
    "home": Endpoint("statuses/home_timeline", "statuses", 100),
    "user": Endpoint(
        "statuses/user_timeline",
        "statuses",
        100,
        target="uid",
        business="statuses/user_timeline/other",
        business_count=25,
    ),
    "mentions": Endpoint("statuses/mentions", "statuses", 200, business="statuses/mentions/biz"),
    "comment-mentions": Endpoint(
        "comments/mentions", "comments", 50, business="comments/mentions/biz"
    ),
    "comments-to-me": Endpoint("comments/to_me", "comments", 50, business="comments/to_me/biz"),
    "comments": Endpoint("comments/show", "comments", 50, target="id"),
    "reposts": Endpoint(
        "statuses/repost_timeline",
        "reposts",
        200,
        target="id",
        business="statuses/repost_timeline/biz",
    ),
    "topic": Endpoint("search/topics", "statuses", 50, target="q", down="page"),
    "search": Endpoint(
        "search/statuses/limited",
        "statuses",
        50,
        target="q",
        down="time",
        business="search/statuses/limited",
        only_business=True,
        fixed={"sort": "time"},
    ),
}


class Watch(ComponentConfig):
    """One list to read."""

    what: What = Field(description="Which list.")
    of: str = Field(
        "",
        max_length=200,
        pattern=r"^[^\x00-\x1f]*$",
        description="Of whom or what: uid or screen name (user), id of a post (comments, reposts), "
        "words (topic, search). Nothing for lists of the logged-in account.",
    )
    comments: bool = Field(
        False, description="For user: also the comments of the account's most recent posts."
    )

    @model_validator(mode="after")
    def _check_of(self) -> "Watch":
        wants = ENDPOINTS[self.what].target
        if bool(wants) != bool(self.of.strip()):
            raise ValueError(
                say(
                    f"what = {self.what!r} 需要填 of" if wants else f"what = {self.what!r} 不用 of",
                    f"what = {self.what!r} {'needs' if wants else 'takes no'} of",
                )
            )
        if wants == "id" and not (self.of.isascii() and self.of.isdigit()):
            raise ValueError(say("of 应是微博的数字 id", "of must be the number of a post"))
        if self.comments and self.what != "user":
            raise ValueError(say("comments 只用于 user", "comments goes with user only"))
        return self

    @property
    def key(self) -> str:
        """Its name in a cursor."""
        return f"{self.what}:{self.of}"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a list was read, as places in it: ids, or seconds where it goes by time."""

    since: int = 0
    """Everything up to here was told, and is old enough not to be looked at again."""
    newest: int = 0
    """The newest that was told; 0 before the first look."""
    gaps: tuple[tuple[int, int], ...] = ()
    """Not read yet, since walks were cut short: places above the first, up to the second."""

    @classmethod
    def of(cls, kept: str | int | None) -> "Mark":
        """From a cursor; what is no mark is the very beginning."""
        parts = str(kept or "").split()
        if len(parts) < 2 or len(parts) % 2 or not all(map(_is_place, parts)):
            return cls()
        since, newest, *ends = map(int, parts)
        return cls(since, newest, tuple(zip(ends[::2], ends[1::2], strict=True)))

    def kept(self) -> str:
        """For the cursor."""
        ends = (str(end) for gap in self.gaps for end in gap)
        return " ".join((str(self.since), str(self.newest), *ends))

    def with_gap(self, low: int, high: int) -> "Mark":
        """With one more gap, if there is something in it; the oldest ones become one."""
        if low >= high:
            return self
        gaps = sorted((*self.gaps, (low, high)))
        while len(gaps) > MAX_GAPS:
            gaps[:2] = [(gaps[0][0], gaps[1][1])]
        return replace(self, gaps=tuple(gaps))

    def without_gap(self, gap: tuple[int, int]) -> "Mark":
        """Without a gap that was filled."""
        return replace(self, gaps=tuple(one for one in self.gaps if one != gap))


ALL_NEW = Mark(0, newest=1)
"""Of a list that began after the source did: whatever it holds, or will hold, is news."""


class Walk(NamedTuple):
    """What one walk down a list found, newest first."""

    items: list[Any]
    lowest: int
    """Place of the last item, the lowest but for pinned posts; 0 when there is none."""
    finished: bool
    """Whether it came down to where it should; else there is a gap below ``lowest``."""
    trouble: SourceError | None
    """Why it was cut short, if not by the number of pages."""


async def walk(
    api: WeiboApi,
    watch: Watch,
    *,
    low: int,
    high: int,
    stop_at: int,
    pages: int,
    business: bool,
) -> Walk:
    """Read from ``high`` (0: the newest) down to above ``low``; ``stop_at`` was told before.

    Raises:
        SourceError: the first page can't be had. Later, what was read is returned with it.
    """
    endpoint = ENDPOINTS[watch.what]
    business = bool(endpoint.business) and (business or endpoint.only_business)
    path = endpoint.business if business else endpoint.path
    count = (business and endpoint.business_count) or endpoint.count
    items: list[Any] = []
    seen: set[str] = set()
    lowest, page = 0, 1
    for number in range(pages):
        params = _params(watch, endpoint, count, low, high, page)
        try:
            payload = await api.get(path, params, target=watch.of, business=business)
            found = items_of(payload, endpoint.key)
        except SourceError as error:
            if number == 0:
                raise
            return Walk(items, lowest, False, error)
        fresh = [one for one in found if _name(one) not in seen]
        seen.update(map(_name, fresh))
        # The last one, not the lowest: a pinned post stands first, however old it is.
        places = [place for one in found if (place := place_of(one, endpoint))]
        above = [one for one in fresh if not 0 < place_of(one, endpoint) <= low]
        items += above
        lowest = places[-1] if places else lowest
        passed = endpoint.down == "page" and bool(places) and max(places) <= low
        if not found or passed or (not fresh and endpoint.down == "id"):
            return Walk(items, lowest, True, None)
        if len(found) < count and 0 < lowest <= stop_at:
            return Walk(items, lowest, True, None)
        if endpoint.down == "id":
            if not places:  # nothing to go down by
                return Walk(items, lowest, True, None)
            high = lowest - 1
        elif endpoint.down == "time" and fresh and places and lowest != high:
            high, page = lowest, 1
        else:
            page += 1
    return Walk(items, lowest, False, None)


def items_of(payload: Any, key: str) -> list[Any]:
    """The items of an answer: the list under its key, or a bare array; ids alone are no items.

    Raises:
        SourceError: ``format``: there is no such list.
    """
    found = payload.get(key) if isinstance(payload, dict) else payload
    if found is None and isinstance(payload, dict) and payload.get("total_number") == 0:
        found = []
    if not isinstance(found, list):
        raise SourceError(
            "format",
            say(
                f"微博的回答里没有列表 {key}；平台可能改了接口。",
                f"Weibo's answer has no list {key}; the platform may have changed.",
            ),
        )
    return [one for one in found if not isinstance(one, str | int)]


def place_of(item: Any, endpoint: Endpoint) -> int:
    """Where an item stands in its list; 0 when it does not tell."""
    if not isinstance(item, dict):
        return 0
    if endpoint.down == "id":
        native = native_id(item)
        return int(native) if native.isascii() and native.isdigit() else 0
    try:
        return max(0, int(read_time(item.get("created_at")).timestamp()))
    except ValueError:
        return 0


def _is_place(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 64


def _name(item: Any) -> str:
    return (native_id(item) if isinstance(item, dict) else "") or f"object {id(item)}"


def _params(
    watch: Watch, endpoint: Endpoint, count: int, low: int, high: int, page: int
) -> dict[str, str | int]:
    params: dict[str, str | int] = {**endpoint.fixed, "count": count}
    if endpoint.target:
        name = endpoint.target
        if name == "uid" and not (watch.of.isascii() and watch.of.isdigit()):
            name = "screen_name"
        params[name] = watch.of
    if page > 1 or endpoint.down == "page":
        params["page"] = page
    lower, upper = {
        "id": ("since_id", "max_id"),
        "time": ("starttime", "endtime"),
        "page": ("", ""),
    }[endpoint.down]
    if lower and low:
        params[lower] = low
    if upper and high:
        params[upper] = high
    return params
