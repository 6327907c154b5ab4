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
from collections.abc import Sequence
from typing import NamedTuple

from processors.clauses import CLAUSES_VERSION, Verdict, judged
from processors.cues import Cue, cues_version, find_cues

__all__ = ["UNITS_VERSION", "Reason", "Unit", "compares", "weigh"]

UNITS_VERSION = f"1.{CLAUSES_VERSION}.{cues_version('comparison')}"

_COMPARING = frozenset(["than", "beside", "worse", "better", "not_as", "switch", "rather", "still"])
#: Groups that set one thing against another even where only one is named.
_ALONE = frozenset(["than", "beside", "worse", "better", "not_as", "switch"])
_JOINT = re.compile(r"\s*(?:和|跟|与|、|及|以及|还有|同|或者?|vs\.?|/|&)\s*", re.IGNORECASE)
_NEAR = 4


class Unit(NamedTuple):
    """A place where something is named: [start, end), and whose it is."""

    start: int
    end: int
    key: int


class Reason(NamedTuple):
    """What speaks for (+1) or against (-1) a key, and where it stands."""

    key: int
    sign: int
    start: int
    end: int


def compares(own: str) -> bool:
    """Whether a text may set what it names against something else."""
    return any(cue[2] in _ALONE for cue in find_cues("comparison", own))


def weigh(own: str, units: Sequence[Unit]) -> list[Reason]:
    """All that speaks for or against each unit's key; ``units`` by place, not overlapping."""
    text = _Text(own, units)
    for cue in text.cues:
        text.compare(cue)
    text.attribute()
    return text.reasons


class _Text:
    """One text while it is weighed."""

    def __init__(self, own: str, units: Sequence[Unit]) -> None:
        self.own = own
        self.units = units
        self.breaks, self.verdicts = judged(own)
        found = find_cues("comparison", own)
        harmless = [cue for cue in found if cue.group == "no_than"]
        self.cues = _longest_comparing(
            [
                cue
                for cue in found
                if cue.group in _COMPARING and not any(_holds(other, cue) for other in harmless)
            ]
        )
        self.verbs = {cue.start: cue.end for cue in found if cue.group == "verb"}
        self.reasons: list[Reason] = []
        self.used: set[Verdict] = set()

    def clause(self, place: int) -> int:
        """The number of the clause that a place is in."""
        return next(number for number, end in enumerate(self.breaks) if place <= end)

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
            self.reasons += [Reason(unit.key, sign, start, end) for start, end in places]

    def against(
        self, one: Unit | None, other: Unit | None, sign: int, *places: tuple[int, int]
    ) -> None:
        """``one`` is better (+1) or worse (-1) than ``other``."""
        if one is not None and other is not None and one.key == other.key:
            return
        self.say(one, sign, *places)
        self.say(other, -sign, *places)

    def compare(self, cue: Cue) -> None:
        """Judge by one comparison, if it is one."""
        clause = self.clause(cue.start)
        begin, close = self.bounds(clause)
        here = (cue.start, cue.end)
        first = self.before(cue.start, begin) or self.before(cue.start)
        second = self.behind(cue.end, close)
        match cue.group:
            case "than":
                self._than(cue, begin, close, first, second)
            case "beside":
                self._beside(cue, clause, second)
            case "worse":
                self._ordered(begin, here, first, second, -1)
            case "better":
                self._ordered(begin, here, first, second, 1)
            case "not_as" if second is not None and second.start - cue.end <= 1:
                self._not_as(cue, close, first, second)
            case "switch" if second is not None and second.start - cue.end <= _NEAR:
                self.against(second, first, 1, here)
            case "rather" if second is not None:
                self.against(second, self.behind(second.end, len(self.own)), 1, here)
            case "still" if second is not None and second.start - cue.end <= 1:
                verdict = self.verdict(second.end, close)
                if verdict is not None and self.before(cue.start, begin) is None:
                    self.used.add(verdict)
                    self.say(second, verdict[2], here, verdict[:2])

    def _than(
        self, cue: Cue, begin: int, close: int, first: Unit | None, second: Unit | None
    ) -> None:
        verdict = self.verdict(second.end if second else cue.end, close)
        if second is None and (inside := self._joined_before(cue.start, begin)):
            first, second = inside  # A 跟 B 比
            verdict = verdict or self.verdict(cue.end, self._next_close(close))
        if verdict is None or second is None:
            return  # 比以前好: an ordinary word of praise
        self.used.add(verdict)
        self.against(first, second, verdict[2], (cue.start, cue.end), verdict[:2])

    def _beside(self, cue: Cue, clause: int, second: Unit | None) -> None:
        if second is None:
            return
        close = self._next_close(self.breaks[clause])
        first = self.behind(second.end, close) or self.before(cue.start)
        verdict = self.verdict(max(second.end, first.end if first else 0), close)
        if verdict is None and first is not None and first.start > second.end:
            verdict = self.verdict(second.end, close)
        if verdict is not None:
            self.used.add(verdict)
            self.against(first, second, verdict[2], (cue.start, cue.end), verdict[:2])

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
        for one in self.verdicts:  # the word itself may be listed as praise
            if one[0] < here[1] and here[0] < one[1]:
                self.used.add(one)
        self.against(first, second, sign, here)

    def _not_as(self, cue: Cue, close: int, first: Unit | None, second: Unit) -> None:
        verdict = self.verdict(cue.start, close)
        if verdict is None:
            return
        sign = -verdict[2] if verdict[0] <= cue.start else verdict[2]
        self.used.add(verdict)
        self.against(first, second, -sign, (cue.start, cue.end), verdict[:2])

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

    def attribute(self) -> None:
        """Give each other word of praise and blame to the units that it speaks of."""
        for verdict in self.verdicts:
            if verdict not in self.used:
                for unit in self._meant(verdict):
                    self.say(unit, verdict[2], verdict[:2])

    def _meant(self, verdict: Verdict) -> list[Unit]:
        start, end, _ = verdict
        begin, close = self.bounds(self.clause(start))
        object_ = self.behind(end, close)
        is_verb = any(start <= verb < end for verb in self.verbs)
        if is_verb and object_ is not None and object_.start - end <= 2:
            return self._with_joined(object_, forward=True)
        unit = self.before(start, begin)
        if unit is None and object_ is not None:
            return self._with_joined(object_, forward=True)
        unit = unit or self.before(start)
        return self._with_joined(unit, forward=False) if unit is not None else []

    def _with_joined(self, unit: Unit, *, forward: bool) -> list[Unit]:
        """The unit and those joined to it: A 和 B 都好."""
        number = self.units.index(unit)
        joined = [unit]
        step = 1 if forward else -1
        while 0 <= number + step < len(self.units):
            left, right = sorted((self.units[number], self.units[number + step]))
            if not _JOINT.fullmatch(self.own, left.end, right.start):
                break
            number += step
            joined.append(self.units[number])
        return joined


def _holds(outer: Cue, inner: Cue) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _longest_comparing(cues: Sequence[Cue]) -> list[Cue]:
    """Without those that lie inside a longer one."""
    return [
        cue
        for cue in cues
        if not any(
            other is not cue and _holds(other, cue) and other[:2] != cue[:2] for other in cues
        )
    ]
