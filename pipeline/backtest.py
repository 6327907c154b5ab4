"""Replays the past under one or several versions of the rules, in one reading of it.

Every version hears the same lines through the code that ``watch`` runs
(``processors/watching.py``). So on a topic that watch read from its beginning, the incidents are
those that it wrote, byte for byte; where the topic has forgotten its beginning, the brands' history
is learned anew.
What lies before ``since`` is heard too, and learned from; only alarms from then on are told. At
``until`` the clock stops.
"""

import difflib
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from connectors.base import Unreadable
from pipeline.past import Past, Portion, refuse_all_broken
from pipeline.rulings import Ruling, Tagger, present_rules
from pipeline.settings import Settings
from processors.alarms import Alarm
from processors.backtest import Replay, Volume
from processors.mentions import mentions
from processors.post_ticks import PostTicks
from processors.watch_settings import BrandDetectors
from processors.watching import SignalLine
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from schemas.incidents import AnyIncident
from schemas.language import say
from schemas.post import Post
from schemas.rules import RuleSet
from schemas.signals import Tick

__all__ = ["Asked", "Backtest", "Result", "Told", "run_backtest"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of the past."""

    since: datetime | None = None
    until: datetime | None = None
    brand: str | None = None


@dataclass(slots=True)
class Told:
    """What one version raised in the stretch that was asked for."""

    ruling: Ruling
    alarms: list[Alarm]
    silent_sources: int


@dataclass(slots=True)
class Result:
    """What there was, and what each version made of it."""

    past: str
    told: list[Told]
    volume: Volume
    unreadable: int = 0
    first_unreadable: Unreadable | None = None
    asked: Asked = field(default_factory=Asked)
    begins: dict[int, datetime] = field(default_factory=dict)
    """Of each partition that has forgotten its beginning, from when on it is known."""

    @property
    def reach(self) -> datetime | None:
        """From when on all partitions are known; None: nothing is forgotten."""
        return max(self.begins.values(), default=None)

    @property
    def weeks(self) -> float:
        """How many weeks of the stretch were heard."""
        return self.volume.weeks(self.asked.since, self.asked.until)


@dataclass(slots=True)
class _Version:
    ruling: Ruling
    replay: Replay
    tagger: int
    """Which of the taggings it hears; versions that tag alike share one."""


class Backtest:
    """The versions, hearing one portion after the other."""

    def __init__(
        self,
        settings: Settings,
        rulings: Sequence[Ruling],
        asked: Asked,
        *,
        partitions: int = 1,
        rules: RuleSet | None = None,
        tell: Callable[[AnyIncident], None] | None = None,
    ) -> None:
        """``rules``: for posts of versions that name none; None leaves them as they are tagged.
        ``tell`` hears of every revision of the first version.
        """
        self.volume = Volume(asked.brand)
        self._asked = asked
        self._ticks = PostTicks()
        sets: list[RuleSet | None] = []
        self._versions: list[_Version] = []
        for ruling in rulings:
            wanted = ruling.rules if ruling.rules is not None else rules
            if wanted not in sets:
                sets.append(wanted)
            more = {"tell": tell} if tell is not None and not self._versions else {}
            replay = Replay(
                BrandDetectors(ruling.watch), partitions=partitions, brand=asked.brand, **more
            )
            self._versions.append(_Version(ruling, replay, sets.index(wanted)))
        self._taggers = [Tagger(settings, one) if one is not None else None for one in sets]
        self._partition = -1
        self._over = False
        self._lanes_over: set[int] = set()

    def take(self, portion: Portion) -> None:
        """The next lines, unless the clock of their partition has stopped."""
        if portion.partition != self._partition:
            self._partition, self._over = portion.partition, False
            self._lanes_over.clear()
        if self._over or not portion.lines:
            return
        if isinstance(portion.lines[0], Post):
            variants = self._tagged([one for one in portion.lines if isinstance(one, Post)])
        else:
            lines = [one for one in portion.lines if not isinstance(one, Post)]
            variants = [self._before_end(lines)] * len(self._taggers)
        self.volume.count(variants[0])
        for version in self._versions:
            version.replay.hear(portion.partition, variants[version.tagger])

    def _before_end(self, lines: Sequence[SignalLine]) -> Sequence[SignalLine]:
        """The lines up to the tick by which every lane has reached the end, that tick included."""
        if (until := self._asked.until) is None:
            return lines
        for place, line in enumerate(lines):
            if isinstance(line, Tick) and line.at >= until:
                self._lanes_over.add(line.lane)
                if len(self._lanes_over) >= line.lanes:
                    self._over = True
                    return lines[: place + 1]
        return lines

    def _tagged(self, posts: Sequence[Post]) -> list[Sequence[SignalLine]]:
        """The posts' mentions with the ticks before them, once for each tagging."""
        until = self._asked.until
        last: list[SignalLine] = []
        if until is not None and posts[-1].event_at >= until:
            self._over = True
            posts = [post for post in posts if post.event_at < until]
        ticks = [list(self._ticks.before(post.event_at)) for post in posts]
        if until is not None and self._over:
            last += self._ticks.before(until)
        variants: list[Sequence[SignalLine]] = []
        for tagger in self._taggers:
            found: Sequence[object] = tagger.tag(posts) if tagger is not None else posts
            lines: list[SignalLine] = []
            for before, post in zip(ticks, found, strict=True):
                lines += before
                if isinstance(post, EnrichedPost):
                    lines += mentions(post)
            variants.append(lines + last)
        return variants

    def told(self) -> list[Told]:
        """What each version raised."""
        asked = self._asked
        return [
            Told(
                version.ruling,
                version.replay.log.alarms(asked.since, asked.until),
                version.replay.log.silent_sources,
            )
            for version in self._versions
        ]


async def run_backtest(
    settings: Settings,
    past: Past,
    rulings: Sequence[Ruling],
    asked: Asked,
    *,
    tell: Callable[[AnyIncident], None] | None = None,
    progress: Callable[[int], None] = lambda mentions: None,
) -> Result:
    """Replay the past; ``progress`` hears how many mentions there were so far.

    Raises:
        FatalError: the past can't be read, holds nothing in the stretch or of the brand, begins
            after it, or can't be tagged; the message says what to do.
        RetryableError: Kafka or the index is away.
    """
    if past.holds == "signals" and any(ruling.rules is not None for ruling in rulings):
        raise FatalError(
            say(
                f"{past.name} 里是已经标好品牌的信号，规则集改不了它；规则集请在帖子上试："
                "--index 或 --file 帖子文件。",
                f"{past.name} holds signals, which are tagged already: a rule set changes nothing "
                "there. Try it on posts, with --index or --file.",
            )
        )
    rules: RuleSet | None = None
    untagged = past.holds in ("draft", "post")
    if untagged and any(ruling.rules is None for ruling in rulings):
        rules = await present_rules(settings)
    backtest = Backtest(
        settings, rulings, asked, partitions=await past.partitions(), rules=rules, tell=tell
    )
    result = Result(past.name, [], backtest.volume, asked=asked)
    good = 0
    async with aclosing(past.portions()) as portions:
        async for portion in portions:
            backtest.take(portion)
            good += len(portion.lines)
            result.unreadable += len(portion.unreadable)
            if not portion.whole and portion.partition not in result.begins:
                ticks = (line.at for line in portion.lines if isinstance(line, Tick))
                if (first := next(ticks, None)) is not None:
                    result.begins[portion.partition] = first
            if result.first_unreadable is None and portion.unreadable:
                result.first_unreadable = portion.unreadable[0]
            progress(backtest.volume.mentions)
    refuse_all_broken(past.name, good, result.unreadable, result.first_unreadable)
    _refuse_empty(result)
    result.told = backtest.told()
    return result


def _refuse_empty(result: Result) -> None:
    volume, asked, past = result.volume, result.asked, result.past
    others = sorted(volume.brands - {asked.brand})
    if asked.brand is not None and not volume.mentions and others:
        shown = difflib.get_close_matches(asked.brand, others, n=1) or others[:10]
        raise FatalError(
            say(
                f"{past} 里没有提到品牌 {asked.brand}；有 {'、'.join(shown)}。",
                f"{past} does not mention the brand {asked.brand}; it has {', '.join(shown)}.",
            )
        )
    if volume.mentions and volume.first_at is None:
        raise FatalError(
            say(
                f"{past} 里只有提及，没有时间刻（tick），时间不走就什么也判断不了；"
                "请从 signals 原样导出，或给出帖子文件。",
                f"{past} holds mentions but no ticks: where no time passes nothing is judged. Take "
                "the lines of signals as they stand, or give a file of posts.",
            )
        )
    if asked.since is not None and result.reach is not None and asked.since < result.reach:
        start = f"{result.reach.astimezone(asked.since.tzinfo):%Y-%m-%d %H:%M}"
        raise FatalError(
            say(
                f"{past} 只留有 {start} 以来的内容，--from 比它早；请改到那以后，或去掉。",
                f"{past} reaches back to {start} only, and --from is before that; move --from "
                "behind it, or leave it out.",
            )
        )
    if not volume.within(asked.since, asked.until):
        raise FatalError(
            say(
                f"{past} 在所问的时间里没有提及；请检查 --from、--to、--brand 和来源。",
                f"{past} has no mention in the time that was asked for; check --from, --to, "
                "--brand and the source.",
            )
        )
