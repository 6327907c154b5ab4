"""What is said of each of several things in one text: clauses, comparisons, contrasts.

``weigh(own, units)`` gives every unit (a place where a brand is named) its words of praise and
blame. In this order:

* comparisons: A 比 B 好, A 不如 B, A 没有 B 好, A 吊打 B, 比起 B A 更好,
  从 A 换到 B, 宁可 A 也不 B, 还是 A 好;
* verbs that judge what stands behind them: 推荐 A 不推荐 B;
* any other word: the last unit before it in its clause, else the first behind it there, else what
  the clauses before spoke of last. Units joined by 和, 跟, 与 or 、 share what is said of them.

Limits: grammar is guessed from the order of words; what a pronoun means is not known.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from processors.clauses import CLAUSES_VERSION, Judged, Verdict, judged
from processors.cues import Place, cues_version, find_places

__all__ = ["UNITS_VERSION", "Reason", "Unit", "compares", "weigh"]

UNITS_VERSION = f"1.{CLAUSES_VERSION}.{cues_version('comparison')}"

#: Groups of words that judge nothing by themselves.
_NO_COMPARISON = frozenset(["no_than", "verb"])
_JOINT = re.compile(r"\s*(?:和|跟|与|、|及|以及|还有|同|或者?|vs\.?|/|&)\s*")
_LONGEST_JOINT = 6
#: So far behind a word stands what it sets something against: 没有 B 好, 换成了 B.
_NEAR = 4


class Unit(NamedTuple):
    """A place where something is named: [start, end), and whose it is."""

    start: int
    end: int
    key: int


Reason = tuple[int, int, int, int]
"""A unit's key, what speaks for (+1) or against (-1) it, and where that stands."""


def compares(own: str, starts: Callable[[], Iterable[int]]) -> bool:
    """Whether a text sets something that it does not name against a unit: 还不如 B.

    ``starts`` tells where units begin; it is only asked where the text compares at all.
    """
    ends = [cue[1] for cue in find_places("comparison", own) if cue[2] not in _NO_COMPARISON]
    return bool(ends) and any([0 <= start - end <= _NEAR for start in starts() for end in ends])


def weigh(own: str, units: Sequence[Unit]) -> list[Reason]:
    """All that speaks for or against each unit's key; ``units`` by place, not overlapping."""
    text = judged(own)
    cues = find_places("comparison", own)
    starts = [unit[0] for unit in units]
    reasons: list[Reason] = []
    used: set[Verdict] = set()
    comparing = [
        cue
        for cue in cues
        if cue[2] not in _NO_COMPARISON and _has_another(cue, units, bisect_left(starts, cue[1]))
    ]
    if comparing:
        comparisons = _Comparisons(own, units, text)
        harmless = [cue for cue in cues if cue[2] == "no_than"]
        for cue in _outermost(comparing, harmless):
            comparisons.judge(cue)
        reasons, used = comparisons.reasons, comparisons.used
    verbs = {cue[0] for cue in cues if cue[2] == "verb"}
    for verdict in text.verdicts:
        if used and verdict in used:
            continue
        start, end, sign = verdict
        for unit in _meant(own, units, starts, text.breaks, verdict, verbs):
            reasons.append((unit[2], sign, start, end))
    return reasons


def _has_another(cue: Place, units: Sequence[Unit], behind: int) -> bool:
    """Whether a unit stands where the comparison's other side is; cheap, for most texts have none.

    ``behind``: the first unit behind the cue.
    """
    start, end, group, _ = cue
    if group in ("not_as", "switch", "still"):
        return behind < len(units) and units[behind][0] - end <= _NEAR
    if group == "than" and behind == len(units):
        return behind > 1 and start - units[behind - 1][1] <= 1
    return behind < len(units) or group in ("worse", "better")


def _meant(
    own: str,
    units: Sequence[Unit],
    starts: Sequence[int],
    breaks: Sequence[int],
    verdict: Verdict,
    verbs: set[int],
) -> Sequence[Unit]:
    """What a word of praise or blame speaks of."""
    start, end, _ = verdict
    number = bisect_left(starts, start)  # the first unit behind
    clause = bisect_left(breaks, start)
    begin = breaks[clause - 1] if clause else -1
    behind = number < len(units) and starts[number] < breaks[clause]
    if behind and verbs and starts[number] - end <= 2 and not verbs.isdisjoint(range(start, end)):
        return _with_joined(own, units, number, 1)
    if number and starts[number - 1] > begin:
        return _with_joined(own, units, number - 1, -1)
    if behind:
        return _with_joined(own, units, number, 1)
    return _with_joined(own, units, number - 1, -1) if number else ()


def _with_joined(own: str, units: Sequence[Unit], number: int, step: int) -> Sequence[Unit]:
    """A unit and those joined to it: A 和 B 都好."""
    joined = [units[number]]
    while 0 <= number + step < len(units):
        left, right = (number, number + 1) if step > 0 else (number - 1, number)
        end, start = units[left][1], units[right][0]
        if start - end > _LONGEST_JOINT or not _JOINT.fullmatch(own, end, start):
            break
        number += step
        joined.append(units[number])
    return joined


class _Comparisons:
    """What the comparisons of one text say."""

    def __init__(self, own: str, units: Sequence[Unit], text: Judged) -> None:
        self.own = own
        self.units = units
        self.breaks, self.verdicts = text
        self.reasons: list[Reason] = []
        self.used: set[Verdict] = set()

    def bounds(self, clause: int) -> tuple[int, int]:
        return (self.breaks[clause - 1] + 1 if clause else 0), self.breaks[clause]

    def before(self, place: int, least: int = 0) -> Unit | None:
        """The last unit that ends before a place."""
        found = [unit for unit in self.units if least <= unit.start and unit.end <= place]
        return found[-1] if found else None

    def behind(self, place: int, most: int) -> Unit | None:
        """The first unit that begins at a place or behind it."""
        return next((unit for unit in self.units if place <= unit.start < most), None)

    def verdict(self, place: int, most: int) -> Verdict | None:
        """The first word of praise or blame that ends behind a place."""
        return next(
            (one for one in self.verdicts if place < one[1] and one[0] < most and place <= one[0]),
            None,
        )

    def say(self, unit: Unit | None, sign: int, *places: tuple[int, int]) -> None:
        if unit is not None and sign:
            self.reasons += [(unit.key, sign, start, end) for start, end in places]

    def against(
        self, one: Unit | None, other: Unit | None, sign: int, *places: tuple[int, int]
    ) -> None:
        """``one`` is better (+1) or worse (-1) than ``other``."""
        if one is not None and other is not None and one.key == other.key:
            return
        self.say(one, sign, *places)
        self.say(other, -sign, *places)

    def judge(self, cue: Place) -> None:
        """Judge by one comparison, if it is one."""
        start, end, group, _ = cue
        begin, close = self.bounds(bisect_left(self.breaks, start))
        here = (start, end)
        second = self.behind(end, close)
        if second is None and group not in ("than", "worse", "better"):
            return
        first = self.before(start, begin)
        if first is None and not (group == "than" and second is not None):
            first = self.before(start)
        match group:
            case "than":
                self._than(here, begin, close, first, second)
            case "beside":
                self._beside(here, close, second)
            case "worse":
                self._ordered(begin, here, first, second, -1)
            case "better":
                self._ordered(begin, here, first, second, 1)
            case "not_as" if second is not None and second.start - end <= 1:
                self._not_as(here, close, first, second)
            case "switch" if second is not None and second.start - end <= _NEAR:
                self.against(second, first, 1, here)
            case "rather" if second is not None:
                self.against(second, self.behind(second.end, len(self.own)), 1, here)
            case "still" if second is not None and second.start - end <= 1:
                verdict = self.verdict(second.end, close)
                if verdict is not None and self.before(start, begin) is None:
                    self.used.add(verdict)
                    self.say(second, verdict[2], here, verdict[:2])

    def _than(
        self, here: tuple[int, int], begin: int, close: int, first: Unit | None, second: Unit | None
    ) -> None:
        verdict = self.verdict(second.end if second else here[1], close)
        if second is None and (inside := self._joined_before(here[0], begin)):
            first, second = inside  # A 跟 B 比
            verdict = verdict or self.verdict(here[1], self._next_close(close))
        if second is not None and first is None and verdict is not None:
            first = self.behind(verdict[1], close) or self.before(here[0])  # 比 B 强的是 A
        if verdict is None or second is None:
            return  # 比以前好: an ordinary word of praise
        self.used.add(verdict)
        self.against(first, second, verdict[2], here, verdict[:2])

    def _beside(self, here: tuple[int, int], close: int, second: Unit | None) -> None:
        if second is None:
            return
        close = self._next_close(close)
        first = self.behind(second.end, close) or self.before(here[0])
        verdict = self.verdict(max(second.end, first.end if first else 0), close)
        if verdict is None and first is not None and first.start > second.end:
            verdict = self.verdict(second.end, close)
        if verdict is not None:
            self.used.add(verdict)
            self.against(first, second, verdict[2], here, verdict[:2])

    def _ordered(
        self,
        begin: int,
        here: tuple[int, int],
        first: Unit | None,
        second: Unit | None,
        sign: int,
    ) -> None:
        if second is None and (inside := self._passive(here[0], begin)):
            first, second = inside  # A 被 B 吊打
            sign = -sign
        close = self.breaks[bisect_left(self.breaks, here[0])]
        told = second.end if second is not None and first is not None else here[1]
        for one in self.verdicts:  # the word itself, and what it is better in
            if here[0] < one[1] and one[0] < (close if told > here[1] else here[1]):
                self.used.add(one)
        self.against(first, second, sign, here)

    def _not_as(self, here: tuple[int, int], close: int, first: Unit | None, second: Unit) -> None:
        verdict = self.verdict(here[0], close)
        if verdict is None:
            return
        sign = -verdict[2] if verdict[0] <= here[0] else verdict[2]
        self.used.add(verdict)
        self.against(first, second, -sign, here, verdict[:2])

    def _next_close(self, close: int) -> int:
        later = [end for end in self.breaks if end > close]
        return later[0] if later else close

    def _joined_before(self, place: int, begin: int) -> tuple[Unit, Unit] | None:
        inside = [unit for unit in self.units if begin <= unit.start and unit.end <= place]
        if len(inside) < 2 or place - inside[-1].end > 1:
            return None
        between = self.own[inside[-2].end : inside[-1].start]
        return (inside[-2], inside[-1]) if re.search("和|跟|与|同", between) else None

    def _passive(self, place: int, begin: int) -> tuple[Unit, Unit] | None:
        inside = [unit for unit in self.units if begin <= unit.start and unit.end <= place]
        if len(inside) < 2 or "被" not in self.own[inside[-2].end : inside[-1].start]:
            return None
        return inside[-2], inside[-1]


def _outermost(cues: Sequence[Place], harmless: Sequence[Place]) -> list[Place]:
    """Without those that lie inside a longer one."""
    longer = [*cues, *harmless]
    return [
        cue
        for cue in cues
        if not any(
            one[0] <= cue[0] and cue[1] <= one[1] and len(one[3]) > len(cue[3]) for one in longer
        )
    ]
