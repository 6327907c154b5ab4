"""Role ``notify``: incidents to people; one consumer group for each channel.

A group a channel keeps a dead webhook from holding up the others. Each step of an incident has one
key, and a journal in Elasticsearch says what became of it, so a notice is delivered at least once
and a repeat is recognisable by its key.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from pipeline import metrics
from pipeline.record import RETRY_HEADER, Item, Record
from pipeline.settings import NotifySettings
from pipeline.vitals import Reader
from schemas.dead_letter import Stage as StageName
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.incidents import AnyIncident, parse_incident
from schemas.outcome import Done, Outcome, Rejected, Retry
from schemas.source_incident import SourceIncident
from sinks.base import Channel, Notice, NoticeReason
from sinks.journal import Journal

__all__ = ["NotifyStage", "reason_for"]

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
    if "confirmed" in events:
        return "confirmed"
    if "grown" in events:
        return "worse"
    return None


def _reason_for_source(incident: SourceIncident) -> NoticeReason | None:
    if incident.state == "closed":
        # What is told only when it is over: a restart is no news, a night without ears is.
        lasted = incident.updated_at - incident.gap_started_at
        return "closed" if incident.revision > 1 or lasted >= UNHEARD_TOLD_AFTER else None
    return "opened" if incident.revision == 1 else "worse"


def _was_put_back(record: Record) -> bool:
    """A person asked for another try, after the channel had refused it for good."""
    return record.header(RETRY_HEADER) is not None


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
                await self._tell(item)
                outcomes.append(Done())
                self._vitals.alive()  # fifty slow deliveries may outlast the watchdog's patience
            except RejectedError as error:
                outcomes.append(Rejected(error.kind, str(error)))
            except RetryableError as error:
                wait = Retry(str(error), error.retry_after_seconds)
                outcomes += [wait] * (len(items) - len(outcomes))
                break
            except FatalError as error:
                # A person has to act on this channel; the others, in this process, go on.
                log.error("channel needs a person", channel=self._channel_name, reason=str(error))
                metrics.ERRORS.labels(self.name, "channel").inc()
                wait = Retry(str(error), BROKEN_CHANNEL_SECONDS)
                outcomes += [wait] * (len(items) - len(outcomes))
                break
        return outcomes

    async def _tell(self, item: Item[AnyIncident]) -> None:
        incident = item.value
        reason = reason_for(incident)
        if reason is None or not self._wanted(item.record, incident):
            return
        notice = Notice(
            key=f"{incident.id}-{incident.revision}",
            reason=reason,
            incident=incident,
            brand_name=self._name_of(incident),
            platform_names=self._platform_names,
        )
        claim = await self._journal.claim(notice, self._channel_name, self._utc())
        if claim == "sent" or (claim == "rejected" and not _was_put_back(item.record)):
            return
        try:
            await self._channel.deliver(notice)
        except RejectedError as error:
            await self._journal.mark_rejected(notice.key, self._channel_name, str(error))
            raise
        await self._journal.mark_sent(notice.key, self._channel_name, self._utc())
        metrics.NOTICES.labels(self._channel_name).inc()
        log.info("notice delivered", key=notice.key, channel=self._channel_name, reason=reason)

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
