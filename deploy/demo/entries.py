"""From what people said to what a connector would have seen: ids, links, counters, order."""

import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from accounts import FORUMS, Account
from wording import Draws

from schemas.post import Engagement, PostDraft, PostKind

__all__ = ["BARE_REPOST", "DAYS", "START", "Entry", "publish", "save"]

START = datetime(2026, 10, 5, tzinfo=timezone(timedelta(hours=8)))
"""Monday, midnight in China."""
DAYS = 14
BARE_REPOST = "转发微博"


@dataclass(eq=False, slots=True)
class Entry:
    """One post before it has an id; its parent is the object itself."""

    at: int
    """Seconds since the recording's start."""
    platform: str
    kind: PostKind
    account: Account
    text: str
    chapter: str
    """everyday, launch, flood or crisis."""
    brand: str | None = None
    model: str | None = None
    mood: str = "neutral"
    title: str | None = None
    topic: str | None = None
    """What an everyday thread is about."""
    parent: "Entry | None" = None

    @property
    def root(self) -> "Entry":
        """The post that started the thread."""
        return self.parent.root if self.parent else self

    @property
    def own_words(self) -> str:
        """What this writer added: without the quoted ``//@name:`` tail, empty when nothing."""
        words = self.text.split("//@")[0].strip()
        return "" if words == BARE_REPOST else words


def publish(entries: Sequence[Entry], draws: Draws) -> tuple[list[Entry], list[PostDraft]]:
    """Sort by time and turn each entry into a draft; parents always stand before children."""
    ordered = sorted(entries, key=lambda entry: (entry.at, _depth(entry)))
    ids = _ids(ordered, draws)
    children = Counter((id(entry.parent), entry.kind) for entry in ordered if entry.parent)
    return ordered, [_draft(entry, ids, children, draws) for entry in ordered]


def save(drafts: Sequence[PostDraft], path: Path) -> None:
    """Write one line a draft; no time and no name in the gzip header, so equal input is equal."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        for draft in drafts:
            packed.write(draft.to_line() + b"\n")


def _depth(entry: Entry) -> int:
    return 1 + _depth(entry.parent) if entry.parent else 0


def _ids(ordered: Sequence[Entry], draws: Draws) -> dict[int, str]:
    """Platform ids in the order of time, as each platform shapes them."""
    ids: dict[int, str] = {}
    topics: Counter[str] = Counter()
    floors: Counter[int] = Counter()
    for number, entry in enumerate(ordered):
        if entry.platform in FORUMS and entry.parent is None:
            topics[entry.platform] += draws.whole(1, 4)
            native = str(830_000 + topics[entry.platform])
        elif entry.platform in FORUMS:
            floors[id(entry.root)] += 1
            native = f"{ids[id(entry.root)].split(':')[1]}-{1 + floors[id(entry.root)]}"
        elif entry.kind == "article":
            native = f"{entry.account.author.id}_{2_650_000_000 + number}_1"
        else:
            native = str(5_200_000_000_000_000 + entry.at * 10_000_000 + number)
        ids[id(entry)] = f"{entry.platform}:{native}"
    return ids


def _draft(
    entry: Entry, ids: dict[int, str], children: "Counter[tuple[int, PostKind]]", draws: Draws
) -> PostDraft:
    root = entry.root
    native = ids[id(root if entry.platform in FORUMS else entry)].split(":")[1]
    return PostDraft(
        id=ids[id(entry)],
        platform=entry.platform,
        kind=entry.kind,
        text=entry.text,
        title=entry.title,
        author=entry.account.author,
        published_at=START + timedelta(seconds=entry.at),
        parent_id=ids[id(entry.parent)] if entry.parent else None,
        root_id=ids[id(root)] if entry.parent else None,
        root_text=(root.title or root.text) if entry.parent else None,
        engagement=_engagement(entry, children, draws),
        region=None if entry.kind == "article" else entry.account.region,
        url=f"https://{entry.platform}.example/{native}",
        source="demo",
    )


def _engagement(
    entry: Entry, children: "Counter[tuple[int, PostKind]]", draws: Draws
) -> Engagement | None:
    """Counters as seen once: what the recording holds of the thread, and silent readers."""
    if entry.parent:
        return Engagement(likes=draws.heavy(1, 900)) if draws.chance(0.25) else None
    talk = sum(children[id(entry), kind] for kind in ("comment", "reply"))
    if entry.platform == "weibo":
        likes = draws.heavy(2 + talk, 90_000)
        return Engagement(reposts=children[id(entry), "repost"], comments=talk, likes=likes)
    return Engagement(comments=talk, reads=40 + draws.heavy(120 * (1 + talk), 100_001))
