"""Mood of a post by counting words of praise and blame: the plainest baseline.

The words of ``cues_mood.toml`` are counted, denied ones on the other side (不喜欢 is blame), emoji
and [emoticons] like words. Nothing is trained, so every answer can be read from the words.

Limits: what the list does not hold is neutral, and all words weigh alike; far behind the linear
model on real posts. For comparison, and where no trained weights may be used.
"""

from collections.abc import Sequence

import numpy as np

from processors.cues import find_cues
from processors.features import MAX_CHARACTERS
from processors.mood_marks import MARKS_VERSION, opinions
from processors.prepare import prepare
from processors.sentiment import judged_text, to_sentiments
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost
from schemas.rules import RuleSet

__all__ = ["LexiconSentiment"]

#: What neutral counts: less than a word, so that one word decides.
_NEUTRAL = 0.5
_SIGNS = {"good_sign": 1, "bad_sign": -1}


class LexiconSentiment:
    """Adds the mood; judges the same posts as ``LinearSentiment``. Shares are no probabilities."""

    class Config(ComponentConfig):
        """The lexicon baseline has no options."""

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"lexicon-{MARKS_VERSION}"

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """Set ``sentiment`` of each post; drops none."""
        judged = [judged_text(post) for post in posts]
        counts = np.array([_counts(text) for text in judged if text]).reshape(-1, 3)
        moods = iter(to_sentiments(counts / counts.sum(axis=1, keepdims=True)))
        return [
            post.replaced(sentiment=next(moods) if text else None)
            for post, text in zip(posts, judged, strict=True)
        ]


def _counts(text: str) -> tuple[float, float, float]:
    """Words of blame, what neutral counts, words of praise."""
    own = prepare(text[:MAX_CHARACTERS]).own
    found = [one.meant for one in opinions(own)]
    found += [_SIGNS[cue.group] for cue in find_cues("mood", own) if cue.group in _SIGNS]
    bad, good = float(found.count(-1)), float(found.count(1))
    # as much of both is mixed, which is neither
    return bad, _NEUTRAL + (bad if bad == good else 0.0), good
