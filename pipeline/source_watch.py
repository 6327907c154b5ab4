"""Whether a source is heard: failing, silent, hanging or well; decided without any I/O.

``ingest`` tells a ``SourceWatch`` what happens and asks it every few seconds. It answers with the
``SourceGap`` line to be written, if any: one when a source stops being heard, one when what is
wrong turns out to need a person, one when it is heard again. From these lines ``watch`` makes the
incident, and learns nothing of that time.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import get_args

from connectors.base import Connector
from connectors.trouble import SourceError, Trouble
from processors import habit
from processors.source_incidents import severity
from schemas.errors import FatalError, RetryableError
from schemas.language import say
from schemas.signals import SourceGap
from schemas.source_status import Backfill, Habit, SourceStatus, SourceTrouble

__all__ = ["GAP_AFTER", "TROUBLES", "SourceWatch", "trouble_of"]

GAP_AFTER = timedelta(minutes=1)
"""A source that fails for shorter only stumbles (or for shorter than three polls)."""
POLLS = 3
LEAST_SILENCE = timedelta(minutes=5)
STALLED_AFTER = timedelta(minutes=5)
"""Neither batch nor error for so long, or for three polls if that is longer."""

TROUBLES: tuple[SourceTrouble, ...] = (*get_args(Trouble), "settings")
"""What an attempt to read may end with."""
#: Troubles that may be over at the next try; the others need a person and are told at once.
_PASSING = ("unreachable", "server", "quota")


@dataclass(frozen=True)
class _Trouble:
    since: datetime
    kind: SourceTrouble
    message: str


class SourceWatch:
    """Watches one live source. ``silent_after`` replaces what it learns; zero judges no silence."""

    def __init__(
        self,
        name: str,
        kind: str,
        now: datetime,
        *,
        every: timedelta | None = None,
        backfill: Backfill = "listed",
        silent_after: timedelta | None = None,
        status: SourceStatus | None = None,
    ) -> None:
        self._name = name
        self._kind = kind
        self._every = every
        self._backfill = backfill
        self._silent_after = silent_after
        self._answered_at = self._quiet_since = now
        self._success_at: datetime | None = None
        self._failing: _Trouble | None = None
        self._gap: _Trouble | None = None
        self._away_since: datetime | None = None
        self.heard_at: datetime | None = None
        self.habit = Habit()
        if status is not None:
            self._go_on(status, now)

    @classmethod
    def over(
        cls,
        name: str,
        kind: str,
        connector: Connector,
        now: datetime,
        *,
        silent_after: timedelta | None = None,
        status: SourceStatus | None = None,
    ) -> "SourceWatch":
        """The watch over a connector."""
        seconds = connector.every_seconds
        return cls(
            name,
            kind,
            now,
            every=None if seconds is None else timedelta(seconds=seconds),
            backfill=connector.backfill,
            silent_after=silent_after,
            status=status,
        )

    @property
    def gap_since(self) -> datetime | None:
        """Since when it is not heard, once that was told."""
        return self._gap.since if self._gap else None

    @property
    def away_since(self) -> datetime | None:
        """Since when nobody listened, until it is heard again or that is told."""
        return self._away_since

    @property
    def trouble(self) -> SourceTrouble | None:
        """What is wrong just now, whether or not it was told already."""
        told = self._failing or self._gap
        return told.kind if told else None

    @property
    def message(self) -> str | None:
        """What is wrong and what to do."""
        told = self._failing or self._gap
        return told.message if told else None

    def read(self, posts: int, now: datetime, *, whole: bool = True) -> SourceGap | None:
        """It brought so many new posts; returns the end of a gap.

        With ``whole`` it was read without trouble; else in part, which does not end a trouble.
        """
        self._answered_at = now
        if whole:
            self._failing = None
            self._success_at = now
        gap, since = self._gap, self._away_since
        if posts:
            if since is None and (gap is None or gap.kind == "silent"):
                self.habit = habit.heard(self.habit, self._quiet_since, now)
            self.heard_at = self._quiet_since = now
        if gap is None and since is not None:
            gap = _Trouble(since, "unheard", _unheard())
        self._away_since = None
        if gap is None or (gap.kind == "silent" and not posts):
            return None
        if gap.kind in TROUBLES and not whole:
            return None
        self._gap = None
        self._quiet_since = now
        return self._line(gap, now, ended=True)

    def failed(self, error: RetryableError | FatalError, now: datetime) -> SourceGap | None:
        """It could not be read; returns a gap that begins with that, or grows worse."""
        since = self._failing.since if self._failing else now
        self._answered_at = now
        self._failing = _Trouble(since, trouble_of(error), str(error))
        return self.look(now)

    def look(self, now: datetime) -> SourceGap | None:
        """Time passed; returns a gap that begins with that, or grows worse."""
        found = self._found(now)
        if found is None:
            return None
        if self._gap is not None:
            if severity(found.kind) <= severity(self._gap.kind):
                return None
            found = replace(found, since=self._gap.since)
        self._gap, self._away_since = found, None
        return self._line(found, now, ended=False)

    def _found(self, now: datetime) -> _Trouble | None:
        """What is wrong, if it is more than a hiccup."""
        since = self._away_since or self._success_at
        if self._failing is not None:
            lasts = now - self._failing.since
            if self._failing.kind in _PASSING and lasts < self._patience():
                return None
            return replace(self._failing, since=since or self._failing.since)
        if self._every is not None and now - self._answered_at > self._stalled_after(self._every):
            return _Trouble(since or self._answered_at, "stalled", self._hangs(now))
        if self._success_at is None or self._gap is not None:
            return None
        silence = now - self._quiet_since
        allowed = self._allowed(now)
        if allowed is None or silence <= allowed:
            return None
        return _Trouble(self._quiet_since, "silent", self._is_silent(silence, now))

    def _go_on(self, status: SourceStatus, now: datetime) -> None:
        """Take over from an earlier process."""
        self._success_at = status.last_success_at
        self.heard_at = status.heard_at
        self.habit = status.habit or self.habit
        if status.gap_since is not None:  # noted before it was told, so it may be told twice
            kind, message = status.trouble or "unheard", status.error or _unheard()
            self._gap = _Trouble(status.gap_since, kind, message)
        elif status.state in ("running", "failing") and now - status.at > GAP_AFTER:
            self._away_since = status.at
        elif status.heard_at is not None:
            self._quiet_since = status.heard_at

    def _patience(self) -> timedelta:
        return GAP_AFTER if self._every is None else min(GAP_AFTER, POLLS * self._every)

    def _stalled_after(self, every: timedelta) -> timedelta:
        return max(STALLED_AFTER, POLLS * every)

    def _allowed(self, now: datetime) -> timedelta | None:
        if self._silent_after is not None:
            return self._silent_after or None
        seconds = habit.allowed_seconds(self.habit, now)
        if seconds is None:
            return None
        polls = POLLS * self._every if self._every else timedelta(0)
        return max(timedelta(seconds=seconds), polls, LEAST_SILENCE)

    def _line(self, gap: _Trouble, now: datetime, *, ended: bool) -> SourceGap:
        return SourceGap(
            source=self._name,
            platform=self._kind,
            started_at=gap.since,
            ended_at=now if ended else None,
            at=now,
            trouble=gap.kind,
            reason=gap.message[:500],
            backfill=self._backfill,
        )

    def _hangs(self, now: datetime) -> str:
        minutes = _minutes(now - self._answered_at)
        return say(
            f"{minutes} 分钟既没有应答也没有报错：可能在等自己的配额（tingchao sources 可见），"
            f"否则请用 tingchao connect {self._name} --check 试读，再重启 ingest。",
            f"Neither an answer nor an error for {minutes} minutes: perhaps it waits for its own "
            f"quota (see `tingchao sources`); else try `tingchao connect {self._name} --check`, "
            "then restart ingest.",
        )

    def _is_silent(self, silence: timedelta, now: datetime) -> str:
        minutes = _minutes(silence)
        usual = habit.usual_seconds(self.habit, now)
        if self._silent_after is not None or usual is None:
            limit = _minutes(self._silent_after or silence)
            why = say(f"设定的上限是 {limit} 分钟", f"the limit that was set is {limit}")
        else:
            longest = _minutes(timedelta(seconds=usual))
            why = say(
                f"往周这个时段最长 {longest} 分钟",
                f"the longest at this time of the week used to be {longest}",
            )
        return say(
            f"能读，但 {minutes} 分钟没有新帖（{why}）。请到平台上看看是否真的没有人发帖；"
            f"若有，多半是权限或格式变了：tingchao connect {self._name} --check。",
            f"It can be read, but brought no post for {minutes} minutes ({why}). Look at the "
            "platform whether nobody posts; if somebody does, a right or the format has probably "
            f"changed: `tingchao connect {self._name} --check`.",
        )


def trouble_of(error: RetryableError | FatalError) -> SourceTrouble:
    """The kind of trouble that an error tells of."""
    if isinstance(error, SourceError):
        return error.trouble
    return "settings" if isinstance(error, FatalError) else "unreachable"


def _unheard() -> str:
    return say(
        "这段时间 ingest 没有运行；请用 tingchao status 看看它为什么停了。",
        "ingest did not run in that time; see `tingchao status` for why it stopped.",
    )


def _minutes(length: timedelta) -> int:
    return round(length.total_seconds() / 60)
