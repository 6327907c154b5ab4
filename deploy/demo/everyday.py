"""Fourteen ordinary days: what people say about cars when nothing happens."""

from collections.abc import Iterator, Mapping
from typing import Any

from accounts import FORUMS, Account
from entries import DAYS, Entry
from writer import Model, Writer

from schemas.post import PostKind

__all__ = ["Everyday"]

DAY, HOUR = 86_400, 3_600
END = DAYS * DAY

# Relative number of posts by the hour of the day: quiet nights, peaks at lunch and after dinner.
_WORKDAY = (9, 5, 3, 2, 2, 3, 8, 22, 36, 42, 46, 52, 66, 54, 44, 44, 46, 50, 54, 62, 76, 78, 60, 28)
_WEEKEND = (
    14,
    8,
    5,
    3,
    2,
    2,
    4,
    10,
    22,
    38,
    52,
    58,
    60,
    56,
    60,
    64,
    66,
    62,
    56,
    60,
    72,
    74,
    64,
    36,
)
_PEAK = max(_WORKDAY)

_ROOTS = {"weibo": 74, "lunji": 12, "baili": 9, "wechat": 5}
_NEW_MODEL_DAY = 7
"""From this day on the launched car is a topic like any other."""


class Everyday:
    """Writes threads until there are enough posts."""

    def __init__(self, material: Mapping[str, Any], writer: Writer, new_model: Model) -> None:
        self._material = material
        self._writer = writer
        self._new_model = new_model
        self._draws = writer.draws
        self._answers = {topic["name"]: topic["answers"] for topic in material["topic"]}
        self._answers["news"] = material["news"]["answers"]
        self._officials = {
            brand.id: writer.people.named("weibo", brand.official, 1_200_000, True)
            for brand in writer.brands.values()
        }

    def official(self, brand: str) -> Account:
        """The brand's own account."""
        return self._officials[brand]

    def posts(self, count: int) -> list[Entry]:
        """Exactly this many posts, in whole threads but for the last."""
        entries: list[Entry] = []
        while len(entries) < count:
            entries.extend(self._thread())
        return entries[:count]

    def _thread(self) -> list[Entry]:
        draws = self._draws
        platform = draws.weighted(_ROOTS)
        at = self._moment()
        if platform == "weibo" and draws.chance(0.05):
            root = self._announcement(at)
        elif platform == "wechat":
            root = self._article(at)
        else:
            root = self._opening(platform, at)
        # A post that forty people answer within the hour would be an incident of its own.
        most = 6 if root.mood == "negative" else 12
        size = draws.heavy(1.8 if platform in FORUMS else 0.5, most, 0.9)
        thread = [root]
        for at in sorted(self._delays(root.at, size)):
            thread.append(self._answer(thread, at))
        return thread

    def _moment(self) -> int:
        """A second of the two weeks, as people are awake."""
        draws = self._draws
        while True:
            day, hour = draws.whole(0, DAYS - 1), draws.whole(0, 23)
            if draws.unit() * _PEAK < _hours(day)[hour]:
                return day * DAY + hour * HOUR + draws.whole(0, HOUR - 1)

    def _delays(self, start: int, count: int) -> Iterator[int]:
        """When the answers come: most within the hour, some days later, few at night."""
        draws = self._draws
        for _ in range(count):
            for _ in range(6):
                at = start + 25 + draws.heavy(2_700, 3 * DAY, 1.1)
                if at < END and draws.unit() * _PEAK < 8 + _hours(at // DAY)[at % DAY // HOUR]:
                    yield at
                    break

    def _car(self, account: Account, at: int, topic: Mapping[str, Any]) -> Model:
        """Mostly the own car, else any; of the right kind for the topic."""
        models, draws = self._writer.models, self._draws
        owned = {name: 1.0 for name in (account.model,)}
        for _ in range(50):
            everything = {
                model.name: self._writer.brands[model.brand].share for model in models.values()
            }
            model = models[draws.weighted(owned if draws.chance(0.5) else everything)]
            too_early = model is self._new_model and at < _NEW_MODEL_DAY * DAY
            if not too_early and topic.get("energy", model.energy) == model.energy:
                break
        return model

    def _opening(self, platform: str, at: int) -> Entry:
        writer, draws = self._writer, self._draws
        account = writer.people.anyone(platform)
        topic = draws.pick(self._material["topic"])
        while draws.unit() * 12 > topic["weight"]:
            topic = draws.pick(self._material["topic"])
        model = self._car(account, at, topic)
        mood = draws.weighted(topic["moods"])
        brandless = topic.get("brandless", False)
        title, longer = None, not brandless and draws.chance(0.35)
        for _ in range(20):
            facts = writer.facts(account, model)
            if platform in FORUMS:
                title = writer.line(topic["complaint" if mood == "negative" else "title"], facts)
                bodies = 1 if brandless else draws.whole(2, 3)
                text = writer.say(account, mood, topic[mood], facts, bodies)
            else:
                text = writer.say(account, mood, topic[mood], facts, 1 + longer)
            if not brandless and not writer.names(f"{title} {text}", model):
                text += f" #{model.full}#"
            if writer.claim(text):
                break
        brand = None if brandless else model.brand
        return Entry(
            at,
            platform,
            "post",
            account,
            text,
            "everyday",
            brand,
            None if brandless else model.name,
            mood,
            title,
            topic["name"],
        )

    def _announcement(self, at: int) -> Entry:
        writer, draws = self._writer, self._draws
        news = draws.chance(0.45)
        model = self._car(draws.pick(writer.people.media), at, {})
        account = draws.pick(writer.people.media) if news else self.official(model.brand)
        block = self._material["news" if news else "official"]["words"]
        text = writer.line(block, writer.facts(account, model))
        return Entry(
            at,
            "weibo",
            "post",
            account,
            text,
            "everyday",
            model.brand,
            model.name,
            "neutral",
            topic="news",
        )

    def _article(self, at: int) -> Entry:
        writer, draws = self._writer, self._draws
        account = writer.people.anyone("wechat")
        model = self._car(account, at, {})
        articles = self._material["article"]
        cell = articles[draws.weighted({n: row["weight"] for n, row in enumerate(articles)})]
        title, text = writer.article(cell, writer.facts(account, model), 7)
        return Entry(
            at,
            "wechat",
            "article",
            account,
            text,
            "everyday",
            model.brand,
            model.name,
            cell["mood"],
            title,
            "news",
        )

    def _answer(self, thread: list[Entry], at: int) -> Entry:
        """A reply, comment or repost; mostly of the root, now and then of another answer."""
        writer, draws = self._writer, self._draws
        root = thread[0]
        account = writer.people.anyone(root.platform)
        model = writer.models[root.model or account.model]
        repost = root.platform == "weibo" and draws.chance(0.4)
        kind: PostKind = "repost" if repost else "comment"
        if root.platform in FORUMS:
            kind = "reply"
        parent = self._parent(thread, kind)
        cell = self._way_to_answer(root, "repost" if repost else "reply")
        if repost and draws.chance(0.25):
            words = ""
        else:
            for _ in range(6):
                words = writer.answer(account, cell["mood"], cell, writer.facts(account, model))
                if writer.claim(words):
                    break
        return Entry(
            at,
            root.platform,
            kind,
            account,
            writer.passed_on(words, parent) if repost else words,
            "everyday",
            root.brand,
            root.model,
            cell["mood"],
            topic=root.topic,
            parent=parent,
        )

    def _way_to_answer(self, root: Entry, which: str) -> Mapping[str, Any]:
        """A row of the phrase file that fits the root's mood and topic."""
        rows: list[dict[str, Any]] = self._material[which]
        fitting = {
            n: row["weight"]
            for n, row in enumerate(rows)
            if row.get("to", root.mood) == root.mood
            and root.topic in row.get("topics", [root.topic])
            and root.topic not in row.get("not_topics", [])
        }
        row = rows[self._draws.weighted(fitting)]
        if which == "repost" or "tail" in row:
            return row
        return {**row, "tail": self._answers[root.topic]}

    def _parent(self, thread: list[Entry], kind: PostKind) -> Entry:
        """The root, or an answer of the same kind: nobody comments a repost here."""
        others = [entry for entry in thread[1:] if entry.kind == kind]
        if others and self._draws.chance(0.25):
            return self._draws.pick(others)
        return thread[0]


def _hours(day: int) -> tuple[int, ...]:
    return _WEEKEND if day % 7 >= 5 else _WORKDAY
