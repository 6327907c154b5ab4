"""What became of one item that was handed on: the currency between loops, stages and sinks."""

from dataclasses import dataclass

__all__ = ["Done", "Outcome", "Rejected", "Retry"]


@dataclass(frozen=True, slots=True)
class Done:
    """Delivered; ``stale`` when the other side already held this or a newer version."""

    stale: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """A passing fault: hand in the same item again, not before ``after_seconds``."""

    reason: str
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The item can never pass: ``kind`` is a word of a small vocabulary, ``message`` a sentence."""

    kind: str
    message: str


Outcome = Done | Retry | Rejected
