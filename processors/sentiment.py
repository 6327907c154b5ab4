"""Mood of a post: negative, neutral or positive, by a linear model on character n-grams.

One sparse matrix times one dense one judges a whole batch (see ``features.py``); the weights come
from ``sentiment_training.py``. The built-in ones are described in ``sentiment_weibo.md``. Denials,
scorn and emoji move the scores a little on top (``mood_marks.py``).

A model has a head per domain, since the same words weigh differently in a car forum: ``general``,
``crisis`` (epidemics, disasters, scandals), ``cars``, ``reviews``. Which one judges a post is set,
for all posts or by brand; where it is not, posts on brands of the car trade are judged as ``cars``,
but for those of Weibo, whose talk the general head has learnt.

Judged is the title and the text; in a chain of reposts the writer's own words before ``//@name:``
count most, and ``[quote]`` in forums not at all; other people's speech in quotation marks counts.
``None`` where nothing was said: no text at all, or a repost without own words.

Limits: irony without the usual phrases and what only a picture shows; kinds of text that the model
was not trained on lose much (train on your own with ``tingchao train sentiment``). The shares are
scores of the training mix, good for ranking and thresholds, not frequencies of a live stream.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydantic import Field

from processors.brand_tree import trades
from processors.explained import Explained, explained_mood, unsaid_mood
from processors.features import MAX_CHARACTERS, own_words, text_features
from processors.fold import INVISIBLE, fold
from processors.linear import Floats, LinearModel
from processors.linear_evidence import clues_of, for_label
from processors.mood_marks import MARKS_VERSION, mood_offsets
from processors.prepare import prepare
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost, Mood, Sentiment
from schemas.rules import RuleSet

__all__ = [
    "BUILT_IN",
    "DOMAINS",
    "MOODS",
    "TRAIN",
    "Domain",
    "LinearSentiment",
    "judged_text",
    "to_sentiments",
]

MOODS: tuple[Mood, ...] = get_args(Mood)
"""In the order of a head's columns."""

Domain = Literal["general", "crisis", "cars", "reviews"]
DOMAINS: tuple[Domain, ...] = get_args(Domain)
"""The heads of the built-in model."""

BUILT_IN = Path(__file__).with_name("sentiment_weibo.npz")
TRAIN = "tingchao train sentiment"

#: What platforms themselves write into a repost whose writer wrote nothing.
_NO_WORDS = frozenset({"", "转发微博", "轉發微博", "转发", "repost", "reposted"})
#: The domain of a brand's trade, where it has one of its own.
_TRADES: dict[str, Domain] = {"car": "cars"}
#: The general head learnt from such posts, the heads of trades from forums and shops.
_SHORT_TALK = frozenset({"weibo"})
_UNITS = 10_000  # shares have four digits


def judged_text(post: EnrichedPost) -> str | None:
    """The text whose mood is the post's, or ``None`` where nothing was said."""
    if post.kind == "repost" and own_words(post.text).casefold() in _NO_WORDS:
        return None
    text = f"{post.title}\n{post.text}" if post.title else post.text
    if "[quote" in text or "[QUOTE" in text:  # a forum's way to repeat what somebody else wrote
        text = prepare(text).own
    if text[:1].isalnum():  # usual, and no need to fold it
        return text
    visible = fold(text[:MAX_CHARACTERS]).replace(INVISIBLE, "").strip()
    return text if visible else None


class LinearSentiment:
    """Adds the mood; see the module for what is judged and its limits."""

    class Config(ComponentConfig):
        """Options of the linear sentiment model."""

        model: Path | None = Field(
            None, description="Weights from `tingchao train sentiment`; none: the built-in ones."
        )
        domain: Domain = Field(
            "general", description="Kind of text that posts are, unless their brand says otherwise."
        )
        brands: dict[str, Domain] = Field(
            {},
            description="Kind of text by brand id; takes effect behind the step `brands`.",
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        wanted = {config.domain, *config.brands.values()}
        self._model = LinearModel.load(config.model or BUILT_IN, TRAIN, sorted(wanted))
        self._domain = config.domain
        self._brands = config.brands
        self._by_trade = self._domains_by_trade(rules)
        chosen = f"{config.domain} {sorted(config.brands.items())} {sorted(self._by_trade.items())}"
        digest = hashlib.sha256(chosen.encode()).hexdigest()[:8]
        self.version = f"{self._model.version}-{MARKS_VERSION}/{config.domain}-{digest}"

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """Set ``sentiment`` of each post; drops none."""
        judged = [judged_text(post) for post in posts]
        texts = [text for text in judged if text]
        domains = [self._domain_of(post) for post, text in zip(posts, judged, strict=True) if text]
        moods = iter(to_sentiments(self._shares(texts, domains)))
        return [
            post.replaced(sentiment=next(moods) if text else None)
            for post, text in zip(posts, judged, strict=True)
        ]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """The mood, and the words that spoke most for it against the others."""
        text = judged_text(post)
        if text is None or post.sentiment is None:
            return [unsaid_mood()]
        weights = self._model.weights[:, self._model.columns(self._domain_of(post))]
        column = for_label(weights, MOODS.index(post.sentiment.label))
        return [explained_mood(post.sentiment)._replace(evidence=clues_of(post, text, column))]

    def shares(self, text: str, domain: Domain | None = None) -> Floats:
        """Shares of negative, neutral, positive of one text."""
        found: Floats = self._shares([text], [domain or self._domain])[0]
        return found

    def _domains_by_trade(self, rules: RuleSet) -> dict[str, Domain]:
        """The domain of each brand whose trade has a head of its own."""
        heads = {head.name for head in self._model.heads}
        by_brand = {id: _TRADES.get(trade or "") for id, trade in trades(rules.brands).items()}
        return {id: domain for id, domain in by_brand.items() if domain in heads}

    def _domain_of(self, post: EnrichedPost) -> Domain:
        known = self._brands or self._by_trade
        if not known:
            return self._domain
        # Our own brands first: a post about us and a rival is about us.
        tags = sorted(post.brands, key=lambda tag: tag.role != "own") if post.brands else ()
        for tag in tags:
            if tag.brand in self._brands:
                return self._brands[tag.brand]
        if post.platform not in _SHORT_TALK:
            for tag in tags:
                if tag.brand in self._by_trade:
                    return self._by_trade[tag.brand]
        return self._domain

    def _shares(self, texts: Sequence[str], domains: Sequence[Domain]) -> Floats:
        scores = self._model.scores(text_features(texts))
        marked = [(row, found) for row, text in enumerate(texts) if (found := mood_offsets(text))]
        rows, offsets = [row for row, _ in marked], [found for _, found in marked]
        shares = np.zeros((len(texts), len(MOODS)))
        for domain in set(domains):
            if rows:
                scores[rows, self._model.columns(domain)] += offsets
            shares_here = self._model.shares(domain, scores)
            chosen = np.array([one == domain for one in domains])
            shares[chosen] = shares_here[chosen]
        return shares


def to_sentiments(shares: Floats) -> list[Sentiment]:
    """Round rows of shares to four digits that still add up to 1 (largest remainders first)."""
    units = np.floor(shares * _UNITS)
    order = np.argsort(units - shares * _UNITS, axis=1, kind="stable")
    missing = _UNITS - units.sum(axis=1, keepdims=True)
    np.put_along_axis(
        units, order, np.take_along_axis(units, order, axis=1) + (np.arange(3) < missing), axis=1
    )
    labels = shares.argmax(axis=1).tolist()
    return [
        Sentiment.unchecked(
            label=MOODS[label], negative=negative, neutral=neutral, positive=positive
        )
        for label, (negative, neutral, positive) in zip(
            labels, (units / _UNITS).tolist(), strict=True
        )
    ]
