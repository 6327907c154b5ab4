"""Which aspects of a product a post speaks of, and the mood towards each.

Two ways, by the trade of the post's brands (``Brand.trade``), the option ``trade``, or else words
of a trade in the text:

* cars: a linear model on character n-grams (``aspect_model.py``, described in ``aspects.md``) for
  ten aspects, because people speak of them without their names (上坡没劲 is power);
* the other trades, and the other aspects of cars: listed words (``cues_aspects.toml``), judged by
  the words of praise and blame beside them (``clauses.py``); where a text has none of these, the
  mood is the post's if that is clear.

Spans are the words that name the aspect and the nearest judging ones that agree with the mood; of
an aspect that only the model sees, the characters that weigh most. Judged are the title and the
writer's own words (``prepare.py``).

Limits: the car model knows car forums, nearly all of one model; the lists know some 30 aspects. An
aspect that is praised and blamed alike is neutral. Its brand is known only where the post speaks
of one.
"""

from collections.abc import Container, Sequence
from functools import cache
from pathlib import Path
from typing import get_args

from pydantic import Field

from processors.aspect_lists import id_of, listed_aspects
from processors.aspect_model import MOODS, AspectModel
from processors.brand_tree import trades
from processors.clauses import CLAUSES_VERSION, Verdict, judged
from processors.cues import Place, cues_version, find_places
from processors.features import text_features
from processors.fold import fold
from processors.prepare import PREPARE_VERSION, prepare
from processors.sentiment import judged_text
from processors.spans import span_at
from schemas.component import ComponentConfig
from schemas.enriched import Aspect, BrandTag, EnrichedPost, Mood, Span, TextField
from schemas.rules import RuleSet, Trade

__all__ = ["BUILT_IN", "Aspects"]

BUILT_IN = Path(__file__).with_name("aspects_cars.npz")

#: Words that one aspect keeps: a text that recites one shows nothing more by the fifth.
_MOST_WORDS = 4
#: From this share on the post's mood stands in where no word judges.
_CLEAR_MOOD = 0.6
_SIGNS: dict[Mood, int] = {"negative": -1, "neutral": 0, "positive": 1}
_TRADE_GROUP = "trade_"
_NO_TRADES: frozenset[Trade] = frozenset()

#: Stands behind the last word of praise or blame.
_NOTHING: Verdict = (1 << 60, 1 << 60, 0)

_Word = tuple[TextField, int, int, Verdict | None]
"""A listed word at its place, and what judges it."""
_Words = dict[str, list[_Word]]
"""By aspect, in order of appearance."""


class Aspects:
    """Writes ``aspects``; see the module for what is judged and its limits."""

    behind = ("brands", "sentiment")

    class Config(ComponentConfig):
        """Options of the aspects step."""

        trade: Trade | None = Field(
            None,
            description="Trade of posts whose brands have none; none: as words in the text tell.",
        )
        model: Path | None = Field(
            None,
            description="Car model from `tingchao train aspects`; none: the built-in one.",
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self._model = AspectModel.load(config.model or BUILT_IN)
        self._ids = tuple(map(id_of, self._model.aspects))
        self._trades = trades(rules.brands)
        self._default = frozenset([config.trade]) if config.trade else _NO_TRADES
        self._by_list: dict[frozenset[Trade], frozenset[str]] = {}
        lists = f"{cues_version('aspects')}.{CLAUSES_VERSION}.{PREPARE_VERSION}"
        self.version = f"{self._model.model.version}.{lists}/{rules.label}"

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """Set ``aspects`` of each post; drops none."""
        own = [prepare(post.text).own for post in posts]
        cues = [find_places("aspects", text) for text in own]
        sold = [self._sold(post, found) for post, found in zip(posts, cues, strict=True)]
        moods = self._moods(posts, own, sold)
        words = [
            self._words(*of_post) for of_post in zip(posts, own, cues, sold, moods, strict=True)
        ]
        self._add_shown(posts, own, words)
        return [
            post.replaced(aspects=_aspects(post, text, of_post, by_model))
            if of_post or post.aspects
            else post
            for post, text, of_post, by_model in zip(posts, own, words, moods, strict=True)
        ]

    def _sold(self, post: EnrichedPost, cues: Sequence[Place]) -> frozenset[Trade]:
        """The trades whose aspects are looked for."""
        known = self._trades
        if known and post.brands:
            of_brands = [known[tag.brand] for tag in post.brands if tag.brand in known]
            if of_brands:
                return _trades(*of_brands)
        if self._default:
            return self._default
        told = [cue[2] for cue in cues if cue[2].startswith(_TRADE_GROUP)]
        return _told(*told) if told else _NO_TRADES

    def _moods(
        self, posts: Sequence[EnrichedPost], own: Sequence[str], sold: Sequence[frozenset[Trade]]
    ) -> list[dict[str, Mood]]:
        """What the car model finds in each post."""
        found: list[dict[str, Mood]] = [{}] * len(posts)
        if not any("car" in trades for trades in sold):
            return found
        texts: list[str] = []
        rows: list[int] = []
        places: list[int] = []
        for place, post in enumerate(posts):
            if text := judged_text(post):
                if "car" in sold[place] and (post.title or own[place].strip()):
                    rows.append(len(texts))
                    places.append(place)
                texts.append(text)
        if not rows:
            return found
        features = text_features(texts)  # as other models ask, so it is hashed once for all
        judged = self._model.judge(features if len(rows) == len(texts) else features[rows])
        for place, of_row in zip(places, judged, strict=True):
            if of_row:
                found[place] = {self._ids[aspect]: MOODS[mood] for aspect, mood in of_row}
        return found

    def _words(
        self,
        post: EnrichedPost,
        own: str,
        cues: Sequence[Place],
        sold: frozenset[Trade],
        by_model: dict[str, Mood],
    ) -> _Words:
        """Every aspect of a post with its listed words; the model's may have none."""
        words: _Words = {}
        if cues or post.title:
            listed = self._beside_model(sold) if "car" in sold else _listed(sold)
            if post.title:
                title = fold(post.title)
                _gather(words, "title", title, find_places("aspects", title), listed, by_model)
            if cues:
                _gather(words, "text", own, cues, listed, by_model)
        for aspect in by_model:
            if aspect not in words:
                words[aspect] = []
        return words

    def _beside_model(self, sold: frozenset[Trade]) -> frozenset[str]:
        """What the lists find where the model judges too."""
        if sold not in self._by_list:
            self._by_list[sold] = _listed(sold) - set(self._ids)
        return self._by_list[sold]

    def _add_shown(
        self, posts: Sequence[EnrichedPost], own: Sequence[str], words: Sequence[_Words]
    ) -> None:
        """Give aspects without a listed word the characters that weigh most."""
        wordless = [
            (place, aspect)
            for place, of_post in enumerate(words)
            for aspect, found in of_post.items()
            if not found
        ]
        if not wordless:
            return
        fields: list[tuple[TextField, str]] = [
            ("title", fold(posts[place].title or ""))
            if posts[place].title and not own[place].strip()
            else ("text", own[place])
            for place, _ in wordless
        ]
        numbers = [self._ids.index(aspect) for _, aspect in wordless]
        shown = self._model.weightiest([text for _, text in fields], numbers)
        for (place, aspect), (field, text), gram in zip(wordless, fields, shown, strict=True):
            start = text.find(gram) if gram else -1  # squeezed runs stand nowhere as such
            if start >= 0:
                words[place][aspect].append((field, start, start + len(gram), None))


def _gather(
    words: _Words,
    field: TextField,
    own: str,
    cues: Sequence[Place],
    listed: Container[str],
    by_model: Container[str],
) -> None:
    """Add the listed words of a text, each with what judges it.

    That is in its clause the first behind it, before the next aspect's word; else the last before
    it; else any behind it; else the first of the next clause, when no other aspect stands there.
    """
    places: list[Place] = []
    last: tuple[int, str] | None = None
    for cue in cues:  # by start, shorter first
        start, end, aspect, _ = cue
        if aspect in listed or aspect in by_model:
            if last == (start, aspect):
                places[-1] = cue
            else:
                places.append(cue)
                last = start, aspect
    if not places:
        return
    breaks, verdicts = judged(own)
    verdicts = [*verdicts, _NOTHING]
    clause = number = 0
    for place, (start, end, aspect, _) in enumerate(places, 1):
        found = words.get(aspect)
        if found is None:
            found = words[aspect] = []
        elif len(found) == _MOST_WORDS or (found[-1][2] > start and found[-1][0] == field):
            continue
        while verdicts[number][1] <= start:
            number += 1
        while breaks[clause] <= start:
            clause += 1
        close = breaks[clause]
        following = places[place][0] if place < len(places) else len(own)
        verdict: Verdict | None = verdicts[number]
        behind = verdicts[number][0]
        if behind >= close or (behind >= following and behind >= end):
            if number and (not clause or verdicts[number - 1][0] > breaks[clause - 1]):
                verdict = verdicts[number - 1]
            elif behind >= close and not (
                clause + 1 < len(breaks) and behind < breaks[clause + 1] <= following
            ):
                verdict = None
        found.append((field, start, end, verdict))


def _aspects(
    post: EnrichedPost, own: str, words: _Words, by_model: dict[str, Mood]
) -> tuple[Aspect, ...]:
    brand = _only_brand(post.brands)
    aspects = []
    for aspect, found in words.items():
        mood = by_model.get(aspect) or _mood(found, post, own)
        sign = _SIGNS[mood]
        spans: list[Span] = []
        shown: Verdict | None = None
        for field, start, end, verdict in found:
            spans.append(span_at(field, start, end))
            if verdict is not None and verdict[2] == sign and verdict is not shown:
                shown = verdict
                if not start <= verdict[0] < end:  # the word judges itself: 便宜
                    spans.append(span_at(field, verdict[0], verdict[1]))
        aspects.append(Aspect.unchecked(aspect=aspect, mood=mood, spans=tuple(spans), brand=brand))
    return tuple(aspects)


def _only_brand(tags: Sequence[BrandTag]) -> str | None:
    """The brand that the text names, if it is one."""
    if len(tags) == 1:
        return tags[0].brand if tags[0].aliases else None
    named = [tag.brand for tag in tags if tag.aliases]
    return named[0] if len(named) == 1 else None


def _mood(words: Sequence[_Word], post: EnrichedPost, own: str) -> Mood:
    """The balance of what judges; in a text without praise or blame the post's mood, if clear."""
    total, judging = 0, False
    for word in words:
        if word[3] is not None:
            total, judging = total + word[3][2], True
    if judging:
        return "positive" if total > 0 else "negative" if total < 0 else "neutral"
    sentiment = post.sentiment
    if sentiment is None or (sentiment.negative < _CLEAR_MOOD and sentiment.positive < _CLEAR_MOOD):
        return "neutral"
    return "neutral" if judged(own).verdicts else sentiment.label


@cache
def _trades(*sold: Trade) -> frozenset[Trade]:
    return frozenset(sold)


def _told(*groups: str) -> frozenset[Trade]:
    """The trade that most words speak for; several where they are even."""
    counts = {group: groups.count(group) for group in groups}
    most = max(counts.values())
    return _named(*(group for group, count in counts.items() if count == most))


@cache
def _named(*groups: str) -> frozenset[Trade]:
    known: tuple[Trade, ...] = get_args(Trade)
    return frozenset(trade for trade in known if f"{_TRADE_GROUP}{trade}" in groups)


@cache
def _listed(sold: frozenset[Trade]) -> frozenset[str]:
    return frozenset(
        one.id for one in listed_aspects().values() if not one.trades or one.trades & sold
    )
