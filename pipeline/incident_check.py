"""Looks up what ``tingchao incidents verify`` and ``effect`` compare: signals and stored posts."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline.components import configure
from pipeline.corrections import indexed_posts
from pipeline.past import TopicPast
from pipeline.settings import Settings
from processors.incident_check import Difference, Remake, differences, named_posts, recount
from processors.mentions import mentions
from processors.quarters import QUARTER, DayHours, Quarters
from processors.statement_effect import MAX_QUARTERS, Effect, effect
from processors.watch_settings import BrandDetectors, WatchSettings
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from schemas.incident import Incident, Numbers
from schemas.language import say
from schemas.post import Post, PostId
from schemas.signals import Mention, Tick
from schemas.topics import partition_of

__all__ = ["Check", "Stated", "check_incident", "effects_of"]

MAX_WINDOW = 20_000
"""Posts of a window that are looked up one by one."""


@dataclass(frozen=True, slots=True)
class Check:
    """What came of making an incident once more."""

    incident: Incident
    differences: tuple[Difference, ...]
    """Of the incident against what the signals make."""
    reaches_back_to: datetime | None
    """The topic has forgotten what was before; None: it is whole."""
    posts: int
    """Posts that the incident names or counts in its window."""
    missing: tuple[PostId, ...]
    """Of them, those that the index does not hold."""
    changed: tuple[PostId, ...]
    """Those whose stored form says something else than it did then."""
    recounted: Numbers | None
    """The window, from the stored posts; None for topics on boards."""

    @property
    def holds(self) -> bool:
        """Every number was found again, in the signals and in the posts."""
        same = self.recounted is None or self.recounted == self.incident.evidence.numbers
        return not self.differences and not self.missing and same


async def check_incident(settings: Settings, incident: Incident) -> Check:
    """Make the incident's newest revision once more.

    Raises:
        FatalError: the topic does not make it (any more), Kafka or the index can't be read.
        RetryableError: one of them is away.
    """
    watch = configure("watch", WatchSettings, settings.watch)
    past = TopicPast(settings)
    partitions = await past.partitions()
    number = partition_of(incident.brand, partitions)
    remake = Remake(BrandDetectors(watch), incident, partitions, number)
    begins: datetime | None = None
    async with aclosing(past.portions(number)) as portions:
        async for portion in portions:
            for line in portion.lines:
                if isinstance(line, Tick) and not portion.whole and begins is None:
                    begins = line.at
                if not isinstance(line, Post):  # a topic holds none
                    remake.hear(line)
            if remake.done:
                break
    if remake.found is None:
        raise FatalError(_not_made(past.name, incident, begins))
    boards = incident.evidence.measured == "topics"
    ids = tuple(dict.fromkeys([*named_posts(incident), *(one.post_id for one in remake.window)]))
    if len(ids) > MAX_WINDOW:
        raise FatalError(
            say(
                f"这个窗口有 {len(ids):,} 条帖子，逐条核对最多 {MAX_WINDOW:,} 条。",
                f"The window has {len(ids):,} posts; at most {MAX_WINDOW:,} are looked up.",
            )
        )
    stored = await indexed_posts(settings, ids)
    said = {post_id: _mention(stored, post_id, incident.brand) for post_id in ids}
    recorded: dict[PostId, list[Mention]] = {}
    for one in remake.window:
        recorded.setdefault(one.post_id, []).append(one)
    return Check(
        incident=incident,
        differences=tuple(differences(incident, remake.found)),
        reaches_back_to=begins,
        posts=len(ids),
        missing=tuple(post_id for post_id in ids if post_id not in stored),
        changed=tuple(
            post_id
            for post_id, then in recorded.items()
            if post_id in stored and said[post_id] not in then
        ),
        recounted=None
        if boards
        else recount(remake.window, said, watch.of(incident.brand).ids_per_bucket),
    )


def _mention(stored: Mapping[str, EnrichedPost], post_id: PostId, brand: str) -> Mention | None:
    post = stored.get(post_id)
    found = mentions(post) if post is not None else []
    return next((one for one in found if one.brand == brand), None)


def _not_made(topic: str, incident: Incident, begins: datetime | None) -> str:
    if begins is not None:
        return say(
            f"{topic} 只留有 {begins:%Y-%m-%d %H:%M} UTC 以来的内容，重放不出事件 {incident.id}；"
            "请延长它的保留时间，或早些核对。",
            f"{topic} reaches back to {begins:%Y-%m-%d %H:%M} UTC only and does not make incident "
            f"{incident.id} any more; keep it longer, or verify earlier.",
        )
    return say(
        f"重放 {topic} 得不到事件 {incident.id}：[watch] 的设置是否改过？"
        "请用当时的设置（--settings）再试。",
        f"Replaying {topic} does not make incident {incident.id}: have the settings of [watch] "
        "changed? Try again with those of that time (--settings).",
    )


@dataclass(frozen=True, slots=True)
class Stated:
    """One statement and what followed it."""

    at: datetime
    text: str | None
    effect: Effect | str
    """Or why there is none: ``few_posts``, ``too_short``."""


async def effects_of(settings: Settings, incident: Incident) -> list[Stated]:
    """What followed each statement of the incident, in order of time.

    Raises:
        FatalError: nobody made a statement, or Kafka can't be read.
        RetryableError: Kafka is away.
    """
    stated = [(one.at, one.note) for one in incident.timeline if one.event == "statement"]
    if not stated:
        raise FatalError(
            say(
                f"事件 {incident.id} 还没有声明；发布后用 tingchao incidents statement "
                f"{incident.id} 记下。",
                f"Incident {incident.id} has no statement yet; note one with `tingchao incidents "
                f"statement {incident.id}`.",
            )
        )
    watch = configure("watch", WatchSettings, settings.watch)
    reach: timedelta = QUARTER * (MAX_QUARTERS + 1)
    max_ids = watch.of(incident.brand).ids_per_bucket
    counted = [Quarters(at - reach, at + reach, max_ids) for at, _ in stated]
    spans = [(at - reach, at + reach) for at, _ in stated]
    hours = DayHours(ZoneInfo(settings.time_zone))
    past = TopicPast(settings)
    number = partition_of(incident.brand, await past.partitions())
    heard: datetime | None = None
    async with aclosing(past.portions(number)) as portions:
        async for portion in portions:
            for line in portion.lines:
                if isinstance(line, Tick):
                    heard = max(heard or line.at, line.at)
                elif isinstance(line, Mention) and line.brand == incident.brand:
                    for one in counted:
                        one.hear(line)
                    if not any(start <= line.event_at < until for start, until in spans):
                        hours.hear(line)
    found = []
    for quarters, (at, text) in zip(counted, stated, strict=True):
        # The quarter in which it was made counts on neither side.
        end = min(at + reach, heard or at)
        start = at - QUARTER * MAX_QUARTERS
        before, after = quarters.counts(start, at), quarters.counts(at, end)
        usual = hours.shares(start, len(before)), hours.shares(at, len(after))
        found.append(Stated(at, text, effect(before, after, usual)))
    return found
