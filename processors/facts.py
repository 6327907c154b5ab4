"""What is counted of a stretch of time that tells one kind of wave from another.

All counts are of *voices*, so a text that is copied a thousand times counts once, except where
``Heard`` says *mentions*.
"""

from collections.abc import Set
from dataclasses import dataclass, field

from processors.canonical import Counts
from processors.trouble import TROUBLED
from schemas.enriched import BrandRole
from schemas.signals import Mention

__all__ = ["CALLS", "GRAVE", "Facts", "Heard"]

MAX_FAULTS = 100
"""Different faults counted; later ones are left out."""
GRAVE: Set[str] = frozenset({"harm", "law", "conduct"})
"""Signs of trouble that is more than a bad product."""
CALLS: Set[str] = frozenset({"launch", "giveaway"})
_AUTHORITIES: Set[str] = frozenset({"media", "official"})


@dataclass(slots=True)
class Heard:
    """Counts that add up over buckets, part of a tally."""

    fearful: int = 0
    complaining: int = 0
    rumours: int = 0
    troubled: int = 0
    grave: int = 0
    authorities: int = 0
    """Media and officials that speak of trouble, or ill."""
    media: int = 0
    officials: int = 0
    staff: int = 0
    calling: int = 0
    """*Mentions* that advertise or give away, without trouble, copies and bare reposts included."""
    reposted: int = 0
    """*Mentions* that repost, with or without own words."""
    faults: Counts = field(default_factory=dict)
    """Negative or complaining voices by what they complain of."""

    def carry(self, mention: Mention) -> None:
        """A mention, whatever it counts as."""
        if mention.trouble < TROUBLED and not CALLS.isdisjoint(mention.signs):
            self.calling += 1
        self.reposted += mention.kind == "repost"

    def hear(self, mention: Mention) -> None:
        """A voice."""
        negative = mention.mood == "negative"
        complaining = "complaint" in mention.intents
        troubled = mention.trouble >= TROUBLED
        kind = mention.author_kind
        self.fearful += "fear" in mention.emotions and mention.mood != "positive"
        self.complaining += complaining
        self.rumours += "rumour" in mention.intents
        self.troubled += troubled
        self.grave += troubled and not GRAVE.isdisjoint(mention.signs)
        self.media += kind == "media"
        self.officials += kind == "official"
        self.staff += kind == "staff"
        self.authorities += kind in _AUTHORITIES and (negative or troubled)
        if negative or complaining:
            for fault in dict.fromkeys(mention.faults):
                if fault in self.faults or len(self.faults) < MAX_FAULTS:
                    self.faults[fault] = self.faults.get(fault, 0) + 1

    def add(self, other: "Heard") -> None:
        """Count the other in."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        # Sorted: which faults still find room must not depend on the order of a dict.
        for fault, count in sorted(other.faults.items()):
            if fault in self.faults or len(self.faults) < MAX_FAULTS:
                self.faults[fault] = self.faults.get(fault, 0) + count


_NUMBERS = tuple(name for name in Heard.__dataclass_fields__ if name != "faults")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the kind of a wave is told from; see ``Heard`` for the counts."""

    role: BrandRole = "own"
    mentions: int = 0
    voices: int = 0
    negative: int = 0
    positive: int = 0
    echoes: int = 0
    platforms: int = 0
    usual_negative: float = 0.0
    """The brand's usual share of negative voices."""
    fearful: int = 0
    complaining: int = 0
    rumours: int = 0
    troubled: int = 0
    grave: int = 0
    authorities: int = 0
    media: int = 0
    officials: int = 0
    staff: int = 0
    calling: int = 0
    reposted: int = 0
    fault: str | None = None
    """What most complain of."""
    fault_voices: int = 0
