"""An incident made once more, from the signals that made it and from the posts behind them.

``Remake`` hears the lines of one partition of ``signals`` through the code that ``watch`` runs,
until the revision in question is there. ``differences`` says where it is not the same. ``recount``
counts the evidence's window anew, from mentions of which the caller vouches that they are those of
the stored posts.

Limits: where the topic has forgotten its beginning the history was learned otherwise, and so may
the baseline be. Only a window of posts is recounted, not topics on boards. Pure: no I/O, no clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processors.brand_state import Counters
from processors.buckets import Bucket, Tally
from processors.watching import Detector, SignalLine, Watching
from schemas.checkpoint import WatchPosition
from schemas.incident import Incident, Numbers
from schemas.post import PostId
from schemas.signals import Mention

__all__ = ["Difference", "Remake", "differences", "named_posts", "recount"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not the same."""

    field: str
    """Its path, as in ``evidence.numbers.voices``."""
    told: str
    """What the incident says, as JSON would write it."""
    found: str


class Remake:
    """Applies a partition's lines until one revision of one incident of a brand is made."""

    def __init__(
        self, detector: Detector, incident: Incident, partitions: int, number: int
    ) -> None:
        position = WatchPosition(topic="signals", partitions=partitions)
        self._watching = Watching(detector, number, position)
        self._wanted = incident
        self.found: Incident | None = None
        """The revision with the same number, once it was made; of a smaller one, the newest."""
        self.window: list[Mention] = []
        """What was counted in the evidence's window until then, in order."""

    @property
    def done(self) -> bool:
        """Nothing that comes changes the answer."""
        return self.found is not None and self.found.revision >= self._wanted.revision

    def hear(self, line: SignalLine) -> None:
        """The next line; those of other brands change nothing here."""
        wanted = self._wanted
        if self.done or getattr(line, "brand", wanted.brand) != wanted.brand:
            return
        before = self._counted()
        self._watching.hear(line)
        if isinstance(line, Mention) and self._counted() > before:
            evidence = wanted.evidence
            if evidence.window_start <= line.event_at < evidence.window_end:
                self.window.append(line)
        for made in self._watching.incidents:
            if made.kind != "source" and made.id == wanted.id and not self.done:
                self.found = made
        self._watching.settled()

    def _counted(self) -> int:
        state = self._watching.brands.get(self._wanted.brand)
        counters = state.counters if state is not None else Counters()
        return counters.voices + counters.copies + counters.echoes + counters.unchecked


def differences(told: Incident, found: Incident) -> list[Difference]:
    """Every field in which the two differ, by path; none when their lines are the same bytes."""
    if told.to_line() == found.to_line():
        return []
    return list(_differing("", told.model_dump(mode="json"), found.model_dump(mode="json")))


def _differing(path: str, told: Any, found: Any) -> Iterable[Difference]:
    if isinstance(told, dict) and isinstance(found, dict):
        for name in sorted({*told, *found}):
            inner = f"{path}.{name}" if path else name
            yield from _differing(inner, told.get(name), found.get(name))
    elif isinstance(told, list) and isinstance(found, list) and len(told) == len(found):
        for place, (one, other) in enumerate(zip(told, found, strict=True)):
            yield from _differing(f"{path}[{place}]", one, other)
    elif told != found:
        yield Difference(path, _short(told), _short(found))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def recount(
    window: Sequence[Mention], stored: Mapping[PostId, Mention | None], max_ids: int
) -> Numbers:
    """The numbers of a window, in the recorded order, from the mentions of the stored posts.

    A post that is not stored any more, or no longer speaks of the brand, counts for nothing.
    """
    found = [mention for one in window if (mention := stored.get(one.post_id)) is not None]
    if not found:
        return Tally().numbers()
    bucket = Bucket(newest=found[0].event_at)
    for mention in found:
        bucket.add(mention, max_ids)
    return bucket.tally.numbers()


def named_posts(incident: Incident) -> tuple[PostId, ...]:
    """The posts that the incident shows as its evidence, each once."""
    shown = [incident.first_post.post_id, *incident.evidence.posts]
    shown += [quote.post_id for quote in incident.quotes]
    shown += [copied.post_id for copied in incident.evidence.copied]
    return tuple(dict.fromkeys(shown))
