"""The launch, the flood and the crisis. When each step happens stands in generate.py's story."""

from collections.abc import Mapping, Sequence
from typing import Any

from accounts import FORUMS, Account
from entries import Entry
from everyday import DAY, HOUR
from writer import Model, Writer

from schemas.post import PostKind

__all__ = ["Crisis", "flood", "launch"]

# ---------------------------------------------------------------- launch

_LAUNCH_AT = 5 * DAY + 18 * HOUR
# Posts by the hour from 18:00 on; the doors open at 19:30, the price is said at 20:12.
_LAUNCH_HOURS = (
    40, 150, 430, 380, 270, 190, 100, 45, 20, 10, 6, 6, 14, 34, 62,
    74, 78, 74, 68, 70, 72, 66, 58, 52, 50, 56, 62, 60, 48, 34,
)  # fmt: skip
_LAUNCH_WAYS = {"post": 38, "comment": 27, "repost": 16, "forum": 8, "reply": 9, "article": 2}


def launch(material: Mapping[str, Any], writer: Writer, official: Account) -> list[Entry]:
    """A new car is shown: loud, happy, and by many different people."""
    part, draws, people = material["launch"], writer.draws, writer.people
    model = writer.models[part["model"]["name"]]
    opened, priced, thanked = (_LAUNCH_AT + minutes * 60 for minutes in (0, 132, 270))

    def entry(at: int, platform: str, kind: PostKind, who: Account, text: str, mood: str) -> Entry:
        return Entry(at, platform, kind, who, text, "launch", model.brand, model.name, mood)

    entries = [
        entry(opened, "weibo", "post", official, part["opening"], "positive"),
        entry(priced, "weibo", "post", official, part["reveal"], "positive"),
        entry(thanked, "weibo", "post", official, part["thanks"], "positive"),
    ]
    hubs = {"weibo": entries[:], **{forum: [] for forum in FORUMS}}
    for at in _moments(_LAUNCH_AT, _LAUNCH_HOURS, writer):
        way = draws.weighted(_LAUNCH_WAYS)
        mood = draws.weighted({"excited": 70, "asking": 24, "sceptical": 5})
        feeling = {"excited": "positive", "asking": "neutral", "sceptical": "negative"}[mood]
        platform = draws.pick(FORUMS) if way in ("forum", "reply") else "weibo"
        roots = [root for root in hubs[platform][-12:] if root.at < at]
        if way == "article":
            new = entry(at, "wechat", "article", people.anyone("wechat"), "", "positive")
            facts = writer.facts(new.account, model)
            new.title, new.text = writer.article(part["article"], facts, 5)
        elif way == "post" and draws.chance(0.04):
            who = draws.pick(people.media)
            text = writer.line(part["news"]["words"], writer.facts(who, model))
            new = entry(at, "weibo", "post", who, text, "neutral")
            hubs["weibo"].append(new)
        elif way in ("post", "forum") or not roots:
            who = people.anyone(platform)
            text = _unsaid(writer, who, feeling, part[mood], model, draws.whole(1, 2))
            if not writer.names(text, model):
                text += f" #{model.full}#"
            new = entry(at, platform, "post", who, text, feeling)
            if platform in FORUMS:
                new.title = writer.line(part["topics"]["title"], writer.facts(who, model))
                hubs[platform].append(new)
        else:
            who, parent = people.anyone(platform), draws.pick(roots)
            text = ""
            if way != "repost" or draws.chance(0.7):
                cell = part["cheer"] if mood == "excited" else part[mood]
                text = _unsaid(writer, who, feeling, cell, model)
            kind: PostKind = "reply" if platform in FORUMS else "comment"
            if way == "repost":
                kind, text = "repost", writer.passed_on(text, parent)
            new = entry(at, platform, kind, who, text, feeling)
            new.parent = parent
        entries.append(new)
    return entries


# ---------------------------------------------------------------- flood

_FLOOD_AT = 8 * DAY + 15 * HOUR
_ADVERTS, _SMEARS = 1_500, 200


def flood(material: Mapping[str, Any], writer: Writer) -> list[Entry]:
    """One advert and one smear, copied by a rented crowd: many posts, two voices."""
    part, draws = material["flood"], writer.draws
    crowd = writer.people.crowd(1_000)
    model = writer.brands[part["brand"]].models[-1]

    def copy(at: int, text: str, mood: str) -> Entry:
        account = draws.pick(crowd)
        changing = {
            "mark": part["marks"],
            "link": [f"https://t.example/{draws.whole(10**6, 10**7)}"],
            "at": [" ".join(f"@{writer.people.anyone('weibo').name}" for _ in range(3))],
        }
        words = writer.line(text, {**writer.facts(account, model), **changing})
        return Entry(at, "weibo", "post", account, words, "flood", model.brand, model.name, mood)

    adverts = [
        copy(
            _FLOOD_AT + int(3 * HOUR * (draws.unit() + draws.unit()) / 2),
            draws.pick(part["advert_reworded"]) if draws.chance(0.04) else part["advert"],
            "positive",
        )
        for _ in range(_ADVERTS)
    ]
    smears = [
        copy(_FLOOD_AT + 40 * 60 + draws.whole(0, 90 * 60), part["smear"], "negative")
        for _ in range(_SMEARS)
    ]
    return adverts + smears


# ---------------------------------------------------------------- crisis

_CRISIS_DAY = 10 * DAY


def _clock(day: int, hour: int, minute: int) -> int:
    """A time of the crisis: day 0 is the day of the first complaint."""
    return _CRISIS_DAY + day * DAY + hour * HOUR + minute * 60


_FIRST = _clock(0, 9, 41) + 17
_SECOND = _clock(0, 12, 4) + 52
_SPARK = _clock(0, 13, 19) + 8
_MEDIA = _clock(0, 16, 3) + 31
_STATEMENT = _clock(1, 10, 0)
_UPDATE = _clock(2, 10, 0)

# Posts by the hour, from 09:00 of the first day to midnight of the third.
_CRISIS_HOURS = (
    *(0, 3, 3, 28, 84, 115, 165, 250, 245, 205, 200, 205, 170, 110, 76),
    *(56, 42, 34, 28, 14, 9, 16, 36, 46, 48),
    *(100, 70, 50, 36, 30, 28, 24, 22, 20, 20, 22, 18, 10, 6),
    *(2, 1, 0, 0, 0, 1, 2, 5, 7, 8, 14, 9, 7, 6, 5, 5, 4, 4, 4, 4, 5, 4, 2, 1),
)  # fmt: skip

# What people do, before and after the maker's statement.
_OUTRAGE = {
    "story": 23, "anger": 24, "fear": 13, "answer": 19, "repost": 10,
    "bare": 4, "asking": 4, "defend": 2, "article": 1,
}  # fmt: skip
_AFTERMATH = {
    "distrust": 26, "calm": 28, "story": 6, "anger": 8, "fear": 4, "asking": 11,
    "answer": 6, "repost": 5, "bare": 3, "defend": 2, "article": 1,
}  # fmt: skip
_MOODS = {
    "asking": "neutral",
    "defend": "neutral",
    "calm": "neutral",
    "early": "neutral",
    "bare": "neutral",
}
_ANSWERS = ("answer", "repost", "bare", "early")


class Crisis:
    """One complaint on a forum becomes the talk of the country; everybody in their own words."""

    def __init__(self, material: Mapping[str, Any], writer: Writer, official: Account) -> None:
        self._part = material["crisis"]
        self._writer = writer
        self._draws = writer.draws
        self._people = writer.people
        self._model = writer.models[self._part["model"]]
        part, named = self._part, writer.people.named
        teller = named("lunji", part["first_author"], None, False, "重庆")
        second = named("lunji", part["second_author"], None, False, "江苏")
        spark = named("weibo", part["spark_author"], 48_600, True, "浙江")
        press = writer.people.media[0]
        self.first = self._new(_FIRST, teller, part["first_text"], part["first_title"])
        self.second = self._new(_SECOND, second, part["second_text"], None, "lunji")
        self.second.kind, self.second.parent = "reply", self.first
        self.spark = self._new(_SPARK, spark, part["spark_text"])
        self.media = self._new(_MEDIA, press, part["media_text"])
        self.statement = self._new(_STATEMENT, official, part["statement"])
        self.update = self._new(_UPDATE, official, part["statement_update"])
        self.media.mood = self.statement.mood = self.update.mood = "neutral"
        self._heard = [
            self.first, self.second, self.spark, self.media, self.statement, self.update
        ]  # fmt: skip

    @property
    def milestones(self) -> dict[str, Entry]:
        """The posts that turned the story."""
        return {
            "first_complaint": self.first,
            "second_owner": self.second,
            "weibo": self.spark,
            "media": self.media,
            "statement": self.statement,
        }

    def posts(self) -> list[Entry]:
        """All of it."""
        entries = list(self._heard)
        for at in _moments(_clock(0, 9, 0), _CRISIS_HOURS, self._writer):
            if at > _FIRST + 300:
                entries.append(self._next(at))
        return entries

    def _next(self, at: int) -> Entry:
        """What somebody does at this moment, of what is possible by then."""
        if at < _SECOND:
            return self._respond("early" if self._draws.chance(0.85) else "answer", "lunji", at)
        if at < _SPARK:
            way = self._draws.weighted({"answer": 8, "early": 1, "fear": 3})
            return self._respond(way, "lunji", at)
        way = self._draws.weighted(_OUTRAGE if at < _STATEMENT else _AFTERMATH)
        platform = self._draws.weighted({"weibo": 76, "lunji": 14, "baili": 10})
        if way == "article":
            return self._article(at)
        if way in ("repost", "bare"):
            platform = "weibo"
        if way in _ANSWERS:
            return self._respond(way, platform, at)
        # Much of the outrage is said under somebody else's post.
        if way != "story" and self._draws.chance(0.3):
            return self._respond(way, platform, at)
        return self._speak(way, platform, at)

    def _speak(self, way: str, platform: str, at: int) -> Entry:
        """A post or forum topic of one's own."""
        who, mood = self._people.stranger(platform), _MOODS.get(way, "negative")
        new = self._new(at, who, "", None, platform, mood)
        if platform in FORUMS:
            facts = self._writer.facts(who, self._model)
            title = "title" if mood == "negative" else "calm_title"
            new.title = self._writer.line(self._part["topics"][title], facts)
        new.text = self._text(who, way, mood)
        if not self._writer.names(f"{new.title} {new.text}", self._model):
            new.text += " #启澜QL6刹车#"
        if way == "story" or platform in FORUMS:
            self._heard.append(new)
        return new

    def _respond(self, way: str, platform: str, at: int) -> Entry:
        """A comment, reply or repost: under the turning posts, or under a fresh story."""
        who, mood = self._people.stranger(platform), _MOODS.get(way, "negative")
        known = [root for root in self._heard if root.platform == platform and root.at < at - 20]
        known = [root for root in known if root.parent is None or way in ("answer", "early")]
        if not known:
            return self._speak("anger" if way in _ANSWERS else way, platform, at)
        turning = [root for root in known if root in self.milestones.values()]
        near = turning[-2:] if turning and self._draws.chance(0.55) else known[-25:]
        parent = self._draws.pick(near)
        kind: PostKind = "reply" if platform in FORUMS else "comment"
        if way in ("repost", "bare"):
            kind = "repost"
        words = "" if way == "bare" else self._text(who, way, mood)
        text = self._writer.passed_on(words, parent) if kind == "repost" else words
        new = self._new(at, who, text, None, platform, mood)
        new.kind, new.parent = kind, parent
        return new

    def _text(self, who: Account, way: str, mood: str) -> str:
        """What nobody has said yet: in the crisis every voice is independent."""
        for _ in range(500):
            text = self._draft(who, way, mood)
            if self._writer.claim(text):
                return text
        raise RuntimeError(f"incidents.toml has too few phrases for [crisis.{way}]")

    def _draft(self, who: Account, way: str, mood: str) -> str:
        cell = self._part[way]
        facts = self._writer.facts(who, self._model)
        if way == "story":
            return self._writer.story(who, cell, facts)
        if way in _ANSWERS:
            return self._writer.answer(who, mood, cell, facts)
        return self._writer.say(who, mood, cell, facts, 1 + self._draws.chance(0.4))

    def _article(self, at: int) -> Entry:
        who = self._draws.pick([*self._people.journals, self._people.anyone("wechat")])
        new = self._new(at, who, "", None, "wechat", "negative")
        new.kind = "article"
        for _ in range(500):
            facts = self._writer.facts(who, self._model)
            # An article speaks of many towns, not of its writer's.
            facts["city"] = self._writer.towns
            new.title, new.text = self._writer.article(self._part["article"], facts, 5)
            if self._writer.claim(new.text):
                break
        return new

    def _new(
        self,
        at: int,
        who: Account,
        text: str,
        title: str | None = None,
        platform: str | None = None,
        mood: str = "negative",
    ) -> Entry:
        where = platform or ("lunji" if title else "weibo")
        return Entry(
            at,
            where,
            "post",
            who,
            text,
            "crisis",
            self._model.brand,
            self._model.name,
            mood,
            title,
        )


def _moments(start: int, by_hour: Sequence[int], writer: Writer) -> list[int]:
    """So many moments in each hour from the start on, in order."""
    return sorted(
        start + hour * HOUR + writer.draws.whole(0, HOUR - 1)
        for hour, count in enumerate(by_hour)
        for _ in range(count)
    )


def _unsaid(
    writer: Writer,
    who: Account,
    mood: str,
    cell: Mapping[str, str],
    model: Model,
    bodies: int = 1,
) -> str:
    """A text that nobody has written before, if a few attempts find one."""
    for _ in range(8):
        facts = writer.facts(who, model)
        text = (
            writer.answer(who, mood, cell, facts)
            if "lead" in cell
            else writer.say(who, mood, cell, facts, bodies)
        )
        if writer.claim(text):
            break
    return text
