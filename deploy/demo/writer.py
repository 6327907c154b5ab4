"""Puts phrases into people's mouths: which car, which town, how long, in whose voice."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accounts import Account, People
from entries import BARE_REPOST, Entry
from wording import Draws, expand, lines

__all__ = ["Brand", "Facts", "Model", "Writer", "read_brands", "read_model"]

Facts = dict[str, Sequence[str]]

_CODE = re.compile(r"\[\w+\]")
_NO_LETTERS = re.compile(r"[\W\d_]+")


@dataclass(frozen=True, slots=True)
class Model:
    """A car that can be bought."""

    brand: str
    name: str
    full: str
    energy: str
    price: tuple[int, int]
    """What people pay, in 10,000 yuan."""


@dataclass(frozen=True, slots=True)
class Brand:
    """A car maker and what people call it."""

    id: str
    share: float
    call: tuple[str, ...]
    official: str
    models: tuple[Model, ...]


def read_brands(material: Mapping[str, Any]) -> dict[str, Brand]:
    """The brands of the phrase file, by id."""
    return {
        row["id"]: Brand(
            row["id"],
            row["share"],
            tuple(row["call"]),
            row["official"],
            tuple(read_model(row["id"], model) for model in row["models"]),
        )
        for row in material["brand"]
    }


def read_model(brand: str, row: Mapping[str, Any]) -> Model:
    """A car as the phrase files write it."""
    low, high = row["price"]
    return Model(brand, row["name"], row["full"], row["energy"], (low, high))


class Writer:
    """Composes texts; keeps what was already said, so that nobody repeats it by chance."""

    def __init__(
        self, material: Mapping[str, Any], brands: dict[str, Brand], people: People, draws: Draws
    ) -> None:
        self.brands = brands
        self.people = people
        self.draws = draws
        self.models = {model.name: model for brand in brands.values() for model in brand.models}
        self.towns = people.towns
        self._slots = {name: lines(block) for name, block in material["slots"].items()}
        self._emoji = material["emoji"]
        self._said: set[str] = set()

    def add_model(self, model: Model) -> None:
        """A car that was not there before: people may speak of it, nobody owns it yet."""
        self.models[model.name] = model

    def facts(self, account: Account, model: Model) -> Facts:
        """What the slots of one text stand for; car, rival, town and colour stay the same in it."""
        rivals = [other for other in self.models.values() if other.brand != model.brand]
        rival = self.draws.pick(rivals)
        brand = self.brands[model.brand]
        return {
            **self._slots,
            "car": (model.full, model.full, model.name, model.name, model.name, model.name.lower()),
            "full": (model.full,),
            "brand": brand.call,
            "rival": (rival.full, rival.name),
            "city": (self.draws.pick(account.cities),),
            "colour": (self.draws.pick(self._slots["colour"]),),
            "price": [self._price(model) for _ in range(3)],
        }

    def names(self, text: str, model: Model) -> bool:
        """Whether a text can be seen to speak of the model's brand."""
        words = (model.name, *self.brands[model.brand].call)
        return any(word.lower() in text.lower() for word in words)

    def say(
        self,
        account: Account,
        mood: str,
        cell: Mapping[str, str],
        facts: Facts,
        bodies: int = 1,
    ) -> str:
        """An opening, one or more bodies, and half of the time a close."""
        draws = self.draws
        parts = [
            draws.pick(lines(cell["open"])),
            *draws.some(lines(cell["body"]), bodies),
            *([draws.pick(lines(cell["close"]))] if draws.chance(0.5) else []),
        ]
        return self._voiced(account, mood, parts, facts)

    def answer(self, account: Account, mood: str, cell: Mapping[str, str], facts: Facts) -> str:
        """A short reaction, a longer one, or both; or one of ready ``words``."""
        draws = self.draws
        if "words" in cell:
            return self._voiced(account, mood, [draws.pick(lines(cell["words"]))], facts)
        parts = [draws.pick(lines(cell["lead"])), draws.pick(lines(cell["tail"]))]
        shape = draws.unit()
        if shape < 0.05 and mood != "neutral":  # a bare feeling says enough, a bare 路过 does not
            parts.pop()
        elif shape < 0.3:
            parts.pop(0)
        return self._voiced(account, mood, parts, facts)

    def story(self, account: Account, cell: Mapping[str, str], facts: Facts) -> str:
        """What happened to an owner: when, what, how close, how it felt, what came after."""
        draws = self.draws
        order = ["when", "hit"]
        order += [
            step for step, share in (("close_call", 0.7), ("feel", 0.85)) if draws.chance(share)
        ]
        if "feel" not in order or draws.chance(0.5):
            order.append("after")
        if draws.chance(0.45):
            order.append("demand")
        parts = [draws.pick(lines(cell[step])) for step in order]
        parts[:2] = ["，".join(parts[:2])]
        return self._voiced(account, "negative", parts, facts)

    def line(self, block: str, facts: Facts) -> str:
        """One phrase of a block in nobody's voice: titles, offices, news."""
        return expand(self.draws.pick(lines(block)), facts, self.draws)

    def article(self, cell: Mapping[str, str], facts: Facts, most: int) -> tuple[str, str]:
        """Title and text of an article."""
        body = self.draws.some(lines(cell["body"]), self.draws.whole(4, most))
        paragraphs = [
            self.line(cell["open"], facts),
            *(expand(paragraph, facts, self.draws) for paragraph in body),
            self.line(cell["close"], facts),
        ]
        return self.line(cell["title"], facts), "\n".join(paragraphs)

    def passed_on(self, words: str, parent: Entry) -> str:
        """A repost's text: own words, then what the people in between said."""
        if parent.kind != "repost":
            return words or BARE_REPOST
        tail = f"//@{parent.account.name}:{parent.text}"
        return (words or BARE_REPOST) + (tail if len(tail) <= 120 else tail[:119] + "…")

    def claim(self, text: str) -> bool:
        """False when somebody said this before; figures, signs and emoji make no difference."""
        letters = _NO_LETTERS.sub("", _CODE.sub("", text)).lower()
        if letters in self._said:
            return False
        self._said.add(letters)
        return True

    def _price(self, model: Model) -> str:
        low, high = model.price
        return f"{self.draws.whole(low, high - 1)}.{self.draws.whole(1, 9)}"

    def _voiced(self, account: Account, mood: str, parts: Sequence[str], facts: Facts) -> str:
        spoken = [expand(part, facts, self.draws) for part in parts]
        return account.voice.write(spoken, mood, self._emoji, self.draws)
