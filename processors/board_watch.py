"""Hot-search boards: a brand's topics there tell a crisis when enough of them speak of trouble.

A sighting of a topic (a post of kind ``hot``) is nobody's voice and its heat is no count, so boards
are judged by *topics*: distinct titles that a board showed within the last ``window_hours``, each
with its share of trouble (``processors/trouble.py``). A crisis holds while

* the trouble of these topics adds up to ``least_trouble`` or more, which takes two topics,
* that is ``trouble_share`` of all the brand's topics or more: a launch brings more topics than a
  crisis does, and a single cross one among them is none,
* and it is ``rise`` times what a day of the last ``USUAL_DAYS`` brings this brand, or more.

It opens with the sighting that completes this, and is over when it has not held for ``calm_hours``.
A topic whose title is a name alone counts as a topic without trouble.

Delivery: a function of the sightings in the order given; event time, no clock. A sighting that
comes twice, or is older than the window, changes nothing.
Limits: at most ``MAX_TOPICS`` topics of a brand are remembered, of more the longest silent ones are
forgotten; who is to blame is not known: a firm that sues and one that is sued look alike.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from processors.canonical import by_key
from processors.trouble import TROUBLED
from schemas.post import PostId
from schemas.signals import Mention

__all__ = ["MAX_TOPICS", "USUAL_DAYS", "BoardRule", "Boards", "BoardsNow", "Topic"]

MAX_TOPICS = 60
USUAL_DAYS = 28
_DAY = timedelta(days=1)


@dataclass(slots=True)
class Topic:
    """A title that a board showed."""

    post_id: PostId
    """Its first sighting."""
    platform: str
    first_at: datetime
    last_at: datetime
    trouble: float
    positive: bool
    url: str | None = None


class BoardsNow(NamedTuple):
    """What the boards of the window say."""

    topics: int
    troubled: int
    """Topics that tell of trouble rather than not."""
    positive: int
    trouble: float
    """The sum over the topics."""
    usual: float
    """The same on a usual day of this brand."""
    usual_topics: float


@dataclass(slots=True)
class Boards:
    """One brand's topics; plain data, part of its state."""

    newest: datetime | None = None
    topics: Annotated[dict[str, Topic], by_key] = field(default_factory=dict)
    """By title: those of the window."""
    days: Annotated[dict[int, tuple[int, float]], by_key] = field(default_factory=dict)
    """Day, in UTC, to topics first seen then and their trouble."""
    since: datetime | None = None
    """The crisis that holds began then."""
    held_at: datetime | None = None
    """When it was last seen to hold."""

    def troubled(self) -> list[tuple[str, Topic]]:
        """Title and topic of all that tell of trouble, the first seen first."""
        worst = [(title, one) for title, one in self.topics.items() if one.trouble >= TROUBLED]
        return sorted(worst, key=lambda entry: (entry[1].first_at, entry[0]))


@dataclass(frozen=True, slots=True)
class BoardRule:
    """When the boards tell a crisis; see the module."""

    least_trouble: float = 2.0
    trouble_share: float = 0.45
    rise: float = 3.0
    window_hours: int = 24
    calm_hours: int = 12

    def sighted(self, boards: Boards, mention: Mention) -> bool:
        """Take a sighting in; whether a crisis holds with it."""
        at, window = mention.event_at, timedelta(hours=self.window_hours)
        now = at if boards.newest is None else max(at, boards.newest)
        boards.newest = now
        if at <= now - window:
            return False
        self._see(boards, mention)
        _forget(boards, now - window)
        return self.holds(boards)

    def holds(self, boards: Boards) -> bool:
        """The topics of the window are a crisis."""
        seen = self.now(boards)
        return (
            seen.trouble >= self.least_trouble
            and seen.trouble >= self.trouble_share * seen.topics
            and seen.trouble >= self.rise * seen.usual
        )

    def is_over(self, boards: Boards, now: datetime) -> bool:
        """The crisis has not held for so long."""
        return boards.held_at is not None and now - boards.held_at >= timedelta(
            hours=self.calm_hours
        )

    def now(self, boards: Boards) -> BoardsNow:
        """The window counted; the usual is that of the days before it."""
        topics = boards.topics.values()
        # A window of 24 hours touches two days: neither may raise what is usual.
        before = _day_of(boards.newest) - 1 if boards.newest is not None else 0
        past = [seen for day, seen in boards.days.items() if day < before]
        return BoardsNow(
            topics=len(boards.topics),
            troubled=sum(topic.trouble >= TROUBLED for topic in topics),
            positive=sum(topic.positive for topic in topics),
            trouble=round(sum(topic.trouble for topic in topics), 3),
            usual=round(sum(trouble for _, trouble in past) / USUAL_DAYS, 3),
            usual_topics=round(sum(count for count, _ in past) / USUAL_DAYS, 3),
        )

    def _see(self, boards: Boards, mention: Mention) -> None:
        title, at = mention.excerpt, mention.event_at
        topic = boards.topics.get(title)
        if topic is not None:
            topic.last_at = max(topic.last_at, at)
            if at < topic.first_at:
                topic.first_at, topic.post_id, topic.url = at, mention.post_id, mention.url
            return
        boards.topics[title] = Topic(
            post_id=mention.post_id,
            platform=mention.platform,
            first_at=at,
            last_at=at,
            trouble=mention.trouble,
            positive=mention.mood == "positive",
            url=mention.url,
        )
        count, trouble = boards.days.get(_day_of(at), (0, 0.0))
        boards.days[_day_of(at)] = (count + 1, round(trouble + mention.trouble, 3))


def _forget(boards: Boards, before: datetime) -> None:
    for title in [title for title, topic in boards.topics.items() if topic.last_at <= before]:
        del boards.topics[title]
    while len(boards.topics) > MAX_TOPICS:
        del boards.topics[min(boards.topics, key=lambda one: (boards.topics[one].last_at, one))]
    oldest = _day_of(before) - USUAL_DAYS
    for day in [day for day in boards.days if day < oldest]:
        del boards.days[day]


def _day_of(at: datetime) -> int:
    return int(at.timestamp() // _DAY.total_seconds())
