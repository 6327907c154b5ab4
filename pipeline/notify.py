"""Role ``notify``: incidents to people; one consumer group for each channel.

A group a channel keeps a dead webhook from holding up the others. Each step of an incident has one
key, and a journal in Elasticsearch says what became of it, so a notice is delivered at least once
and a repeat is recognisable by its key.

A channel is tried for ever, unless another one is its fallback: when it has not been reached for
some minutes, that one tells the notice instead and says for whom, and the channel goes on with the
next. Both write the journal under their own names, so what the fallback told by itself already is
not told again.

What waits for a team's hours, or for somebody to take an incident, is told later
(``pipeline/notify_later.py``): it holds up nothing here.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from pipeline import metrics
from pipeline.notify_later import Escalation, IsAtWork, Later, Newest
from pipeline.record import RETRY_HEADER, Item, Record
from pipeline.settings import NotifySettings
from pipeline.vitals import Reader
from schemas.dead_letter import Stage as StageName
from schemas.errors import FatalError, RejectedError, RetryableError, TingchaoError, TooSoonError
from schemas.incident import TimelineEvent
from schemas.incidents import AnyIncident, parse_incident
from schemas.outcome import Done, Outcome, Rejected, Retry
from schemas.source_incident import SourceIncident
from sinks.base import Channel, Notice, NoticeReason
from sinks.journal import Journal

__all__ = ["Fallback", "NotifyStage", "reason_for"]

#: How often a channel that only a person can mend is tried again; its notices wait meanwhile.
BROKEN_CHANNEL_SECONDS = 60.0

UNHEARD_TOLD_AFTER = timedelta(minutes=10)

log = structlog.get_logger()


def reason_for(incident: AnyIncident) -> NoticeReason | None:
    """Why this revision is worth a notice; None when it is not."""
    if incident.kind == "source":
        return _reason_for_source(incident)
    # Not by time: a peak is often found at the very time of the step before, and is no news.
    events = {entry.event for entry in incident.timeline if entry.revision == incident.revision}
    if incident.state == "closed" and "closed" in events:
        return "closed"
    if incident.revision == 1:
        return "opened"
    return next((reason for event, reason in _REASONS if event in events), None)


_REASONS: tuple[tuple[TimelineEvent, NoticeReason], ...] = (
    ("reopened", "reopened"),
    ("unsilenced", "unsilenced"),
    ("confirmed", "confirmed"),
    ("grown", "worse"),
    ("media", "media"),
)
"""The weightiest first: one revision may take several steps."""


def _reason_for_source(incident: SourceIncident) -> NoticeReason | None:
    if incident.state == "closed":
        # What is told only when it is over: a restart is no news, a night without ears is.
        lasted = incident.updated_at - incident.gap_started_at
        return "closed" if incident.revision > 1 or lasted >= UNHEARD_TOLD_AFTER else None
    return "opened" if incident.revision == 1 else "worse"


def _was_put_back(record: Record) -> bool:
    """A person asked for another try, after the channel had refused it for good."""
    return record.header(RETRY_HEADER) is not None


async def _nothing() -> Mapping[str, AnyIncident]:
    return {}


@dataclass(frozen=True, slots=True)
class Fallback:
    """The channel that stands in, and how long the other one is tried first."""

    name: str
    channel: Channel
    after_seconds: float


class NotifyStage:
    """Delivers notices to one channel, in order, each as often as it takes."""

    name: StageName = "notify"

    def __init__(
        self,
        channel_name: str,
        channel: Channel,
        journal: Journal,
        settings: NotifySettings,
        brand_names: Callable[[], Mapping[str, str]],
        platform_names: Mapping[str, str],
        is_told: Callable[[str], bool] = lambda brand: True,
        now: Callable[[], float] = time.time,
        vitals: Reader | None = None,
        fallback: Fallback | None = None,
        is_at_work: IsAtWork = lambda channel, brand, at: True,
        newest: Newest = _nothing,
        escalation: Escalation | None = None,
    ) -> None:
        self._channel_name = channel_name
        self._channel = channel
        self._journal = journal
        self._settings = settings
        self._brand_names = brand_names
        self._platform_names = platform_names
        self._is_told = is_told
        self._now = now
        self._vitals = vitals or Reader(self.name)
        self._fallback = fallback
        self._failing_since: float | None = None
        self._escalation = escalation
        self._later = Later(
            channel_name,
            journal,
            settings,
            is_at_work,
            newest,
            self._notice_of,
            escalation,
        )
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """The index role puts the journal's template; a claim waits for it."""

    async def stop(self) -> None:
        """Disconnect."""

    async def recover(self) -> None:
        """Nothing is kept between batches."""

    def decode(self, raw: bytes, record: Record) -> AnyIncident:
        """One incident."""
        return parse_incident(raw)

    async def apply(self, items: Sequence[Item[AnyIncident]]) -> Sequence[Outcome]:
        """Tell them one after the other; the first that has to wait holds up those behind it."""
        outcomes: list[Outcome] = []
        for item in items:
            try:
                async with self._turn:
                    await self._tell(item)
                outcomes.append(Done())
                self._vitals.alive()  # fifty slow deliveries may outlast the watchdog's patience
            except RejectedError as error:
                outcomes.append(Rejected(error.kind, str(error)))
            except RetryableError as error:
                wait = Retry(str(error), self._wait(error.retry_after_seconds))
                outcomes += [wait] * (len(items) - len(outcomes))
                break
            except FatalError as error:
                # A person has to act on this channel; the others, in this process, go on.
                log.error("channel needs a person", channel=self._channel_name, reason=str(error))
                metrics.ERRORS.labels(self.name, "channel").inc()
                wait = Retry(str(error), self._wait(BROKEN_CHANNEL_SECONDS))
                outcomes += [wait] * (len(items) - len(outcomes))
                break
        return outcomes

    async def _tell(self, item: Item[AnyIncident]) -> None:
        incident = item.value
        reason = reason_for(incident)
        if reason is None or not self._wanted(item.record, incident):
            return
        if await self._later.takes(incident, reason, self._utc()):
            return
        waited_since = item.record.timestamp_ms / 1000
        await self._deliver(
            self._notice_of(incident, reason), waited_since, again=_was_put_back(item.record)
        )

    def _notice_of(self, incident: AnyIncident, reason: NoticeReason) -> Notice:
        return Notice(
            key=f"{incident.id}-{incident.revision}",
            reason=reason,
            incident=incident,
            brand_name=self._name_of(incident),
            platform_names=self._platform_names,
        )

    async def look(self) -> None:
        """Tell what waited long enough.

        Raises:
            RetryableError, FatalError: the journal or Kafka is away; nothing is lost by that.
        """

        async def tell(notice: Notice) -> None:
            await self._deliver(notice, self._now())

        async with self._turn:
            await self._later.tell_due(self._utc, tell, self._escalate)

    async def _escalate(self, notice: Notice) -> None:
        other = self._escalation
        if other is None:
            return
        claim = await self._journal.claim(notice, other.name, self._utc())
        if claim not in ("new", "pending"):
            return
        try:
            await other.channel.deliver(notice)
        except RejectedError as error:
            await self._journal.mark_rejected(notice.key, other.name, str(error))
            raise
        await self._journal.mark_sent(notice.key, other.name, self._utc())
        metrics.NOTICES.labels(other.name).inc()
        log.info("escalated", key=notice.key, channel=self._channel_name, to=other.name)

    async def _deliver(self, notice: Notice, since: float, *, again: bool = False) -> None:
        """Tell one notice; ``since``: when its waiting began."""
        claim = await self._journal.claim(notice, self._channel_name, self._utc())
        if claim in ("sent", "elsewhere"):
            await self._later.told(notice, self._utc())
            return
        if claim == "rejected" and not again:
            return
        try:
            await self._channel.deliver(notice)
        except TooSoonError:
            raise  # the channel is well
        except RejectedError as error:
            self._failing_since = None
            if await self._tell_instead(notice, str(error)):
                await self._later.told(notice, self._utc())
            await self._journal.mark_rejected(notice.key, self._channel_name, str(error))
            raise
        except (RetryableError, FatalError) as error:
            if not self._is_given_up(since) or not await self._tell_instead(notice, str(error)):
                raise
            await self._journal.mark_elsewhere(
                notice.key, self._channel_name, self._fallback.name if self._fallback else ""
            )
            await self._later.told(notice, self._utc())
            return
        self._failing_since = None
        await self._journal.mark_sent(notice.key, self._channel_name, self._utc())
        await self._later.told(notice, self._utc())
        metrics.NOTICES.labels(self._channel_name).inc()
        log.info(
            "notice delivered", key=notice.key, channel=self._channel_name, reason=notice.reason
        )

    def _is_given_up(self, waited_since: float) -> bool:
        """Whether the fallback is due; notes when the channel began to fail.

        Or the notice itself has waited for so long: a restart begins nobody's patience anew.
        """
        now = self._now()
        if self._failing_since is None:
            self._failing_since = now
        since = min(self._failing_since, waited_since)
        return self._fallback is not None and now - since >= self._fallback.after_seconds

    async def _tell_instead(self, notice: Notice, why: str) -> bool:
        """Let the fallback tell it; whether somebody knows now."""
        other = self._fallback
        if other is None:
            return False
        try:
            claim = await self._journal.claim(notice, other.name, self._utc())
            if claim == "rejected":
                return False
            if claim in ("new", "pending"):
                await other.channel.deliver(replace(notice, instead_of=self._channel_name))
                await self._journal.mark_sent(notice.key, other.name, self._utc())
                metrics.NOTICES.labels(other.name).inc()
        except TingchaoError as error:
            log.error("fallback failed", key=notice.key, channel=other.name, reason=str(error))
            return False
        metrics.ERRORS.labels(self.name, "channel").inc()
        log.error(
            "told by the fallback",
            key=notice.key,
            channel=self._channel_name,
            fallback=other.name,
            reason=why,
        )
        return True

    def _wait(self, asked: float | None) -> float | None:
        """No longer than until the fallback is due."""
        if asked is None or self._fallback is None or self._failing_since is None:
            return asked
        due = self._failing_since + self._fallback.after_seconds - self._now()
        return min(asked, due) if due > 0 else asked

    def _name_of(self, incident: AnyIncident) -> str:
        if incident.kind == "source":
            return incident.source
        return self._brand_names().get(incident.brand, incident.brand)

    def _utc(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    def _wanted(self, record: Record, incident: AnyIncident) -> bool:
        settings = self._settings
        if incident.kind not in settings.kinds or incident.severity < settings.min_severity:
            return _left_out("not_wanted")
        if incident.kind != "source" and not self._is_told(incident.brand):
            return _left_out("other_team")
        if (
            incident.kind != "source"
            and incident.silenced_until is not None
            and incident.updated_at < incident.silenced_until
        ):
            return _left_out("silenced")
        age_hours = (self._now() - record.timestamp_ms / 1000) / 3600
        if age_hours > settings.max_age_hours:
            log.warning("notice too old to tell", incident=incident.id, hours=round(age_hours))
            return _left_out("too_old", intentional="false")
        return True


def _left_out(reason: str, intentional: str = "true") -> bool:
    metrics.DISCARDED.labels("notify", reason, intentional).inc()
    return False
