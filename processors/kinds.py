"""What kind of wave it is, and why: facts in, a kind and the deciding facts out.

``surge.py`` says *that* something is unusual, in negative voices, voices or mentions; what it is:

**Far more negative voices than usual**, negative by more than the brand's usual share

* **campaign**, if half of the mentions advertise and hardly a voice complains, is afraid or speaks
  of trouble: a mood that was misread;
* **rumour**, if ``RUMOUR_SHARE`` of the voices pass on hearsay and no authority speaks;
* **complaint**, if half of the negative voices complain and nothing makes a crisis of it: strangers
  repeat one grievance with a product or a service;
* **crisis** otherwise. It is made by any of these: authorities that speak of trouble, fear, words
  of harm, law or misconduct from ``GRAVE_SHARE`` of the negative voices, a crowd of
  ``CROWD`` times the floor, or nothing that calms;
* **competitor_crisis** instead of a crisis where the brand is not one's own.

**Most mentions are copies**: **campaign** if they advertise and half are reposts, else
**copy_flood**.

**Far more voices than usual otherwise**: **rumour**, **campaign** (half of the mentions advertise),
**praise_surge** (many positive, few negative), else **surge**.

Limits: words and findings of single posts; that a campaign was bought, or a rumour is wrong, is not
known here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from processors.facts import Facts
from processors.severity import is_fearful
from schemas.incident import BLAMING, IncidentKind, Reason, ReasonFact

__all__ = [
    "CROWD",
    "Limits",
    "is_crisis",
    "kind_of_blame",
    "kind_of_copies",
    "kind_of_voices",
    "reasons",
]

RUMOUR_SHARE = 0.35
LEAST_RUMOURS = 4
COMPLAINT_SHARE = 0.5
GRAVE_SHARE = 0.3
LEAST_GRAVE = 3
CROWD = 3
"""Times the floor: no longer a few people's case."""
CALLING_SHARE = 0.5
REPOSTED_SHARE = 0.5
"""A campaign is reposted; who posts its text as his own is paid or a machine."""
CALM_SHARE = 0.15
"""With less than this of the voices complaining, afraid or in trouble nothing is wrong."""
MAX_REASONS = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares of the voices; settings of the detector."""

    praise: float
    """Least positive share of a praise surge."""
    blame: float
    """A praise surge or campaign has a smaller negative share."""


def kind_of_blame(facts: Facts, excess: float, floor: int) -> IncidentKind:
    """Far more negative voices than usual."""
    if _calls(facts) and not _is_cross(facts):
        return "campaign"
    if _is_rumour(facts) and not facts.authorities:
        return "rumour"
    complains = facts.complaining >= COMPLAINT_SHARE * facts.negative
    if complains and not is_crisis(facts, excess, floor):
        return "complaint"
    return "crisis" if facts.role == "own" else "competitor_crisis"


def kind_of_copies(facts: Facts, limits: Limits) -> IncidentKind:
    """Most mentions carry a text that others carry too."""
    reposted = facts.reposted >= REPOSTED_SHARE * facts.mentions
    return "campaign" if reposted and _is_campaign(facts, limits) else "copy_flood"


def kind_of_voices(facts: Facts, limits: Limits) -> IncidentKind:
    """Far more voices, or bare reposts, than usual, and no trouble in the mood."""
    if _is_rumour(facts):
        return "rumour"
    if _is_campaign(facts, limits):
        return "campaign"
    praised = facts.positive >= limits.praise * facts.voices > 0
    blamed = facts.negative >= limits.blame * facts.voices
    return "praise_surge" if praised and not blamed else "surge"


def is_crisis(facts: Facts, excess: float, floor: int) -> bool:
    """Something makes more of it than a complaint."""
    return (
        facts.authorities > 0
        or is_fearful(facts)
        or facts.grave >= max(LEAST_GRAVE, GRAVE_SHARE * facts.negative)
        or excess >= CROWD * floor
    )


def reasons(kind: IncidentKind, facts: Facts, excess: float, floor: int) -> tuple[Reason, ...]:
    """The facts that speak for this kind, the deciding ones first; at most ``MAX_REASONS``."""
    found = [Reason(fact="role", count=1, text=facts.role)] if facts.role != "own" else []
    if kind in BLAMING:
        found += _of_blame(kind, facts)
        if excess >= CROWD * floor:
            found.append(Reason(fact="crowd", count=int(excess // floor)))
        if facts.platforms > 1:
            found.append(Reason(fact="platforms", count=facts.platforms))
    else:
        found += _of_the_rest(kind, facts)
    return tuple(found[:MAX_REASONS])


def _of_blame(kind: IncidentKind, facts: Facts) -> Iterator[Reason]:
    yield _negative(facts)
    if kind == "rumour":
        yield _voices("rumours", facts.rumours, facts)
    if kind == "complaint":
        yield _voices("complaints", facts.complaining, facts)
    if facts.fault is not None and facts.fault_voices > 1:
        yield Reason(fact="same_fault", count=facts.fault_voices, of=facts.voices, text=facts.fault)
    worse: tuple[tuple[ReasonFact, int], ...] = (
        ("media", facts.media),
        ("officials", facts.officials),
        ("staff", facts.staff),
        ("grave", facts.grave),
        ("fear", facts.fearful),
    )
    yield from (_voices(fact, count, facts) for fact, count in worse if count)


def _of_the_rest(kind: IncidentKind, facts: Facts) -> Iterator[Reason]:
    if kind in ("campaign", "copy_flood"):
        copies = facts.mentions - facts.voices - facts.echoes
        if facts.calling:
            yield Reason(fact="calls", count=facts.calling, of=facts.mentions)
        if copies > 0:
            yield Reason(fact="copies", count=copies, of=facts.mentions)
    if facts.positive:
        yield _voices("positive", facts.positive, facts)
    if facts.echoes:
        yield Reason(fact="reposts", count=facts.echoes, of=facts.mentions)
    yield _negative(facts)
    if facts.media:
        yield _voices("media", facts.media, facts)


def _negative(facts: Facts) -> Reason:
    usual = round(facts.usual_negative, 3)
    return Reason(fact="negative", count=facts.negative, of=facts.voices, usual=usual)


def _voices(fact: ReasonFact, count: int, facts: Facts) -> Reason:
    return Reason(fact=fact, count=count, of=facts.voices)


def _calls(facts: Facts) -> bool:
    return facts.calling >= CALLING_SHARE * facts.mentions > 0


def _is_cross(facts: Facts) -> bool:
    upset = max(facts.complaining, facts.fearful, facts.troubled)
    return upset >= CALM_SHARE * facts.voices


def _is_rumour(facts: Facts) -> bool:
    return facts.rumours >= max(LEAST_RUMOURS, RUMOUR_SHARE * facts.voices)


def _is_campaign(facts: Facts, limits: Limits) -> bool:
    blamed = facts.voices > 0 and facts.negative >= limits.blame * facts.voices
    return _calls(facts) and not blamed and not _is_cross(facts)
