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
    """The facts that speak for this kind, the deciding ones first."""
    voices, found = facts.voices, []
    if facts.role != "own":
        found.append(Reason(fact="role", count=1, text=facts.role))
    if kind in BLAMING:
        found.append(_of("negative", facts.negative, voices, usual=round(facts.usual_negative, 3)))
        if kind == "rumour":
            found.append(_of("rumours", facts.rumours, voices))
        if kind == "complaint" and facts.complaining:
            found.append(_of("complaints", facts.complaining, voices))
        if facts.fault is not None and facts.fault_voices > 1:
            found.append(_of("same_fault", facts.fault_voices, voices, text=facts.fault))
        worse: tuple[tuple[ReasonFact, int], ...] = (
            ("media", facts.media),
            ("officials", facts.officials),
            ("staff", facts.staff),
            ("grave", facts.grave),
            ("fear", facts.fearful),
        )
        found += [_of(fact, count, voices) for fact, count in worse if count]
        if excess >= CROWD * floor:
            found.append(Reason(fact="crowd", count=int(excess // floor)))
        if facts.platforms > 1:
            found.append(Reason(fact="platforms", count=facts.platforms))
        if kind == "crisis" and facts.complaining:
            found.append(_of("complaints", facts.complaining, voices))
    else:
        if kind in ("campaign", "copy_flood"):
            if facts.calling:
                found.append(_of("calls", facts.calling, facts.mentions))
            copies = facts.mentions - facts.voices - facts.echoes
            if copies > 0:
                found.append(_of("copies", copies, facts.mentions))
        if facts.positive:
            found.append(_of("positive", facts.positive, voices))
        if facts.echoes:
            found.append(_of("reposts", facts.echoes, facts.mentions))
        found.append(_of("negative", facts.negative, voices, usual=round(facts.usual_negative, 3)))
        if facts.media:
            found.append(_of("media", facts.media, voices))
    return tuple(found[:MAX_REASONS])


def _of(
    fact: ReasonFact, count: int, of: int, *, usual: float | None = None, text: str | None = None
) -> Reason:
    return Reason(fact=fact, count=count, of=of, usual=usual, text=text)


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
