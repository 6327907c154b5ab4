"""Mood of a post by SnowNLP: the baseline that the linear model is measured against.

SnowNLP's naive Bayes score (0 negative to 1 positive, trained on shop reviews) is cut at two
thresholds. The shares are drawn on straight lines between 0, the thresholds and 1, so that the
largest names the label; they are no probabilities.

Limits: about 20 ms a post in its own segmenter and some 400 MB of memory; it knows no neutral, so
most posts end at one side. Hence never a default: SnowNLP is imported when this is constructed.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Self, cast

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from processors.explained import Explained, explained_mood, unsaid_mood
from processors.features import MAX_CHARACTERS, own_words
from processors.linear import Floats
from processors.sentiment import judged_text, to_sentiments
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost
from schemas.rules import RuleSet

__all__ = ["SnownlpSentiment"]


class SnownlpSentiment:
    """Adds the mood; judges the same posts as ``LinearSentiment``, by the writer's own words."""

    class Config(ComponentConfig):
        """Options of the SnowNLP baseline."""

        negative_below: float = Field(
            0.4, gt=0, lt=1, description="Scores below this are negative (SnowNLP: 0 to 1)."
        )
        positive_above: float = Field(
            0.6, gt=0, lt=1, description="Scores above this are positive; between: neutral."
        )

        @model_validator(mode="after")
        def _in_order(self) -> Self:
            if self.negative_below >= self.positive_above:
                raise PydanticCustomError(
                    "thresholds", "negative_below must be less than positive_above"
                )
            return self

    def __init__(self, config: Config, rules: RuleSet) -> None:
        low, high = config.negative_below, config.positive_above
        self.version = f"snownlp-{version('snownlp')}-{low:g}-{high:g}"
        self._score = _scorer()
        self._corners = [0.0, low, (low + high) / 2, high, 1.0]

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """Set ``sentiment`` of each post; drops none."""
        judged = [judged_text(post) for post in posts]
        moods = iter(to_sentiments(self._shares([text for text in judged if text])))
        return [
            post.replaced(sentiment=next(moods) if text else None)
            for post, text in zip(posts, judged, strict=True)
        ]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """The mood alone: SnowNLP does not tell which words decided."""
        return [explained_mood(post.sentiment) if post.sentiment else unsaid_mood()]

    def _shares(self, texts: Sequence[str]) -> Floats:
        scores = [self._score((own_words(text) or text)[:MAX_CHARACTERS]) for text in texts]
        negative = np.interp(scores, self._corners, [1, 0.5, 0, 0, 0])
        positive = np.interp(scores, self._corners, [0, 0, 0, 0.5, 1])
        neutral = 1 - negative - positive
        # A score on a threshold draws level, and is neutral.
        neutral += 1e-9
        return np.stack([negative, neutral, positive], axis=1)


@cache
def _scorer() -> Callable[[str], float]:
    with warnings.catch_warnings():
        # Old code: its escapes and unclosed files warn, and warnings may be errors here.
        warnings.simplefilter("ignore")
        from snownlp import sentiment
    return cast("Callable[[str], float]", sentiment.classify)
