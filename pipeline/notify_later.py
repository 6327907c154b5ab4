"""What a channel tells later: notices that wait for a team's hours, incidents that nobody took.

Both are decided by the wall clock, so here and not in watch. What waits stands in the journal
before its offset is committed, so no restart loses it, and no quiet team holds up another: the
channel goes on with the next incident at once.

**Hours.** Outside the hours of every team that the channel tells of a brand, a notice below
``notify.urgent_severity`` waits. When hours begin, the channel gets one notice of the newest
revision, however many steps came meanwhile. An urgent step tells at once, and nothing is left to
wait. A silence goes on holding it back.

**Nobody took it.** When a channel has told of an incident and ``escalate_after_minutes`` later the
newest revision shows neither owner nor acknowledgement, silence, verdict or end, ``escalate_to`` is
told, once; once more when the incident was reopened or its silence ended. Its own hours count.

Delivery: at least once, recognisable by the key. The newest revision is read from the topic itself
at that moment, so a process that is behind, or was away, calls nobody for what is taken by now.
Limits: looked for every ``look_seconds``, and once a minute as long as nothing comes of it, since
each time the topic is read; of a channel, 1,000 may wait at a time. A notice that the
channel refuses for good is marked in the journal and logged, and told by the fallback, if any.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from pipeline import metrics
from pipeline.settings import NotifySettings
from schemas.errors import RejectedError, TingchaoError
from schemas.incidents import AnyIncident
from sinks.base import Channel, Notice, NoticeReason
from sinks.journal import Journal, Waiting, WaitsFor

__all__ = ["Escalation", "IsAtWork", "Later", "Newest", "is_taken"]

#: What begins the wait for an owner once more.
_ANEW: frozenset[NoticeReason] = frozenset({"opened", "reopened", "unsilenced"})

_PAUSE = timedelta(minutes=1)

log = structlog.get_logger()

IsAtWork = Callable[[str, str | None, datetime], bool]
"""Channel, brand (None: a source) and time: whether somebody who is told is at work."""
Newest = Callable[[], Awaitable[Mapping[str, AnyIncident]]]
"""The newest revision of every incident."""
Teller = Callable[[Notice], Awaitable[None]]
"""Tells one notice, or raises why it can't be told now."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """The channel that is told when nobody took an incident."""

    name: str
    channel: Channel


class Later:
    """The waiting notices of one channel."""

    def __init__(
        self,
        channel_name: str,
        journal: Journal,
        settings: NotifySettings,
        is_at_work: IsAtWork,
        newest: Newest,
        notice_of: Callable[[AnyIncident, NoticeReason], Notice],
        escalation: Escalation | None,
    ) -> None:
        self._channel_name = channel_name
        self._journal = journal
        self._settings = settings
        self._is_at_work = is_at_work
        self._newest = newest
        self._notice_of = notice_of
        self._escalation = escalation
        self._left: list[Waiting] = []
        self._left_at = datetime.min.replace(tzinfo=UTC)

    async def takes(self, incident: AnyIncident, reason: NoticeReason, at: datetime) -> bool:
        """Whether a step need not be told now: it waits, or was told with a newer one."""
        known = await self._journal.waiting("hours", self._channel_name, incident.id)
        if known is not None and known.over and known.revision >= incident.revision:
            return True
        if self._may_tell(self._channel_name, incident, at):
            return False
        if known is None or known.over:
            known = self._waiting("hours", incident, reason, at)
        elif incident.revision < known.revision:
            return True
        await self._journal.put_waiting(
            replace(known, revision=incident.revision, reason=_together(known.reason, reason))
        )
        return True

    async def told(self, notice: Notice, at: datetime) -> None:
        """The channel (or the one that stands in) told this: nothing of it is left to wait."""
        incident = notice.incident
        known = await self._journal.waiting("hours", self._channel_name, incident.id)
        if known is not None and not known.over and known.revision <= incident.revision:
            await self._over(known, incident.revision)
        if self._escalation is None or is_taken(incident, at):
            return
        before = await self._journal.waiting("owner", self._channel_name, incident.id)
        anew = notice.reason in _ANEW and before is not None and incident.revision > before.revision
        if before is None or (before.over and anew):
            await self._journal.put_waiting(self._waiting("owner", incident, notice.reason, at))

    async def tell_due(self, now: Callable[[], datetime], tell: Teller, escalate: Teller) -> None:
        """Tell what waited long enough; what can't be told now is left for the next time."""
        at = now()
        waiting = await self._journal.all_waiting(self._channel_name)
        due = [one for one in waiting if self._is_due(one, at)]
        if not due or (due == self._left and at - self._left_at < _PAUSE):
            return
        self._left, self._left_at = due, at
        newest = await self._newest()
        failed = set()
        for one in due:
            incident = newest.get(one.incident_id)
            if incident is None or one.waits_for in failed:
                continue  # a channel that is away need not be asked for each of them
            try:
                if one.waits_for == "hours":
                    await self._hours_began(incident, now(), tell)
                else:
                    await self._nobody_came(one, incident, now(), escalate)
            except RejectedError as error:
                metrics.ERRORS.labels("notify", "channel").inc()
                log.error("refused for good", incident=incident.id, reason=str(error))
                await self._over(one, incident.revision)
            except TingchaoError as error:
                failed.add(one.waits_for)
                log.warning("waits on", incident=incident.id, reason=str(error))

    async def _hours_began(self, incident: AnyIncident, at: datetime, tell: Teller) -> None:
        if _is_silenced(incident, at) or not self._may_tell(self._channel_name, incident, at):
            return
        known = await self._journal.waiting("hours", self._channel_name, incident.id)
        if known is None or known.over:
            return  # what was searched lags behind
        reason = "closed" if incident.state == "closed" else _while_open(known.reason)
        notice = self._notice_of(incident, reason)
        await tell(replace(notice, held_since=known.since))
        await self._over(known, incident.revision)

    async def _nobody_came(
        self, waiting: Waiting, incident: AnyIncident, at: datetime, escalate: Teller
    ) -> None:
        if self._escalation is None or is_taken(incident, at):
            await self._over(waiting, waiting.revision)
            return
        if not self._may_tell(self._escalation.name, incident, at):
            return
        known = await self._journal.waiting("owner", self._channel_name, incident.id)
        if known is None or known.over or known.revision != waiting.revision:
            return
        notice = self._notice_of(incident, "unclaimed")
        key = f"{incident.id}-{waiting.revision}-unclaimed"
        await escalate(replace(notice, key=key, told_at=waiting.since))
        await self._over(known, known.revision)

    def _waiting(
        self, waits_for: WaitsFor, incident: AnyIncident, reason: NoticeReason, at: datetime
    ) -> Waiting:
        return Waiting(
            waits_for,
            self._channel_name,
            incident.id,
            incident.revision,
            reason,
            at,
            _brand_of(incident),
        )

    def _is_due(self, waiting: Waiting, at: datetime) -> bool:
        if waiting.waits_for == "hours":
            return self._is_at_work(self._channel_name, waiting.brand, at)
        return at - waiting.since >= timedelta(minutes=self._settings.escalate_after_minutes)

    def _may_tell(self, channel: str, incident: AnyIncident, at: datetime) -> bool:
        if incident.severity >= self._settings.urgent_severity:
            return True
        return self._is_at_work(channel, _brand_of(incident), at)

    async def _over(self, waiting: Waiting, revision: int) -> None:
        await self._journal.put_waiting(replace(waiting, revision=revision, over=True))


def is_taken(incident: AnyIncident, at: datetime) -> bool:
    """Whether a person has it, or nobody needs to: nobody can take a source's."""
    if incident.kind == "source" or incident.state in ("handled", "closed"):
        return True
    return incident.owner is not None or incident.verdict is not None or _is_silenced(incident, at)


def _brand_of(incident: AnyIncident) -> str | None:
    return None if incident.kind == "source" else incident.brand


def _is_silenced(incident: AnyIncident, at: datetime) -> bool:
    if incident.kind == "source" or incident.silenced_until is None:
        return False
    return at < incident.silenced_until


def _together(before: NoticeReason, reason: NoticeReason) -> NoticeReason:
    """What one notice of several steps is called: new, as long as it is open and was not told."""
    return before if before == "opened" and reason != "closed" else reason


def _while_open(reason: NoticeReason) -> NoticeReason:
    return "reopened" if reason == "closed" else reason
