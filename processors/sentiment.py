"""Mood of a post: negative, neutral or positive, by a linear model on character n-grams.

One sparse matrix times one dense one judges a whole batch (see ``features.py``); the weights come
from ``sentiment_training.py``. The built-in ones are described in ``sentiment_weibo.md``.

Judged is the title and the text; in a chain of reposts the writer's own words before ``//@name:``
count most. ``None`` where nothing was said: no text at all, or a repost without own words.

Limits: irony and what only a picture shows; kinds of text that the model was not trained on lose
much (train on your own with ``tingchao train sentiment``). The shares are scores of the training
mix, good for ranking and thresholds, not frequencies of a live stream.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import numpy.typing as npt
from pydantic import Field

from processors.explained import Explained, explained_mood, unsaid_mood
from processors.features import (
    FEATURES_VERSION,
    MAX_CHARACTERS,
    NGRAMS_VERSION,
    hashed_ngrams,
    own_words,
    parts_of,
)
from processors.fold import INVISIBLE, fold
from processors.linear_evidence import clues_of, for_label
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost, Mood, Sentiment
from schemas.errors import FatalError
from schemas.language import say
from schemas.rules import RuleSet
from schemas.small_file import read_small

__all__ = ["BUILT_IN", "MOODS", "LinearSentiment", "MoodModel", "judged_text"]

MOODS: tuple[Mood, ...] = get_args(Mood)
"""In the order of the weights' columns."""

#: Of a model file, packed and unpacked; the built-in one has 1.5 MB.
MAX_MODEL_BYTES = 256 * 1024 * 1024
BUILT_IN = Path(__file__).with_name("sentiment_weibo.npz")

#: What platforms themselves write into a repost whose writer wrote nothing.
_NO_WORDS = frozenset({"", "转发微博", "轉發微博", "转发", "repost", "reposted"})
_UNITS = 10_000  # shares have four digits

Floats = npt.NDArray[np.float64]


def judged_text(post: EnrichedPost) -> str | None:
    """The text whose mood is the post's, or ``None`` where nothing was said."""
    if post.kind == "repost" and own_words(post.text).casefold() in _NO_WORDS:
        return None
    text = f"{post.title}\n{post.text}" if post.title else post.text
    visible = fold(text[:MAX_CHARACTERS]).replace(INVISIBLE, "").strip()
    return text if visible else None


@dataclass(frozen=True, eq=False)
class MoodModel:
    """Trained weights: ``softmax((features @ weights + bias) / temperature)``."""

    weights: npt.NDArray[np.float32]
    """A row per hash bucket, a column per mood; the file keeps them in 16 bits."""
    bias: npt.NDArray[np.float32]
    temperature: float
    """Above 1: the shares are drawn towards each other, so that they fit held-out texts."""

    @property
    def bits(self) -> int:
        """Size of the hash that the weights were trained with."""
        return len(self.weights).bit_length() - 1

    @property
    def version(self) -> str:
        """Changes with the features and with any weight, not with how the file was packed."""
        content = hashlib.sha256(f"{NGRAMS_VERSION} {self.temperature!r}".encode())
        content.update(self.bias.astype("<f4").tobytes())
        content.update(self.weights.astype("<f2").tobytes())
        return f"linear-{content.hexdigest()[:8]}"

    def shares(self, texts: Sequence[str]) -> Floats:
        """A row per text: shares of negative, neutral, positive."""
        parts, mix = parts_of(texts)
        scores = mix @ (hashed_ngrams(parts, self.bits) @ self.weights) + self.bias
        return softmax(scores.astype(np.float64) / self.temperature)

    def to_bytes(self) -> bytes:
        """The file: equal models give equal bytes."""
        file = io.BytesIO()
        np.savez_compressed(
            file,
            features=np.int64(FEATURES_VERSION),
            weights=self.weights.astype(np.float16),
            bias=self.bias,
            temperature=np.float64(self.temperature),
        )
        return file.getvalue()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that ``to_bytes`` made.

        Raises:
            FatalError: no such file, or not one of these models.
        """
        try:
            # Read here: given a path, np.load leaks a broken file.
            content = io.BytesIO(read_small(path, MAX_MODEL_BYTES))
            with zipfile.ZipFile(content) as parts:
                if sum(part.file_size for part in parts.infolist()) > MAX_MODEL_BYTES:
                    raise _no_model(path)
            with np.load(content, allow_pickle=False) as file:
                features, temperature = int(file["features"]), float(file["temperature"])
                weights, bias = file["weights"], file["bias"]
        except OSError as error:
            raise FatalError(
                say(
                    f"读不到情感模型 {path}：{error.strerror or error}。请检查路径。",
                    f"Cannot read the sentiment model {path}: {error.strerror or error}. "
                    "Check the path.",
                )
            ) from error
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise _no_model(path) from error
        if features != FEATURES_VERSION:
            raise FatalError(
                say(
                    f"情感模型 {path} 是为第 {features} 版特征训练的，本程序用第 "
                    f"{FEATURES_VERSION} 版。请用 tingchao train sentiment 重新训练。",
                    f"The sentiment model {path} was trained for features version {features}, "
                    f"this program has {FEATURES_VERSION}. "
                    "Train it again with tingchao train sentiment.",
                )
            )
        if not _fits(weights, bias, temperature):
            raise _no_model(path)
        return cls(weights.astype(np.float32), bias.astype(np.float32), temperature)


class LinearSentiment:
    """Adds the mood; see the module for what is judged and its limits."""

    class Config(ComponentConfig):
        """Options of the linear sentiment model."""

        model: Path | None = Field(
            None,
            description="Weights from `tingchao train sentiment`; none: the built-in Weibo model.",
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self._model = MoodModel.load(config.model or BUILT_IN)
        self.version = self._model.version

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """Set ``sentiment`` of each post; drops none."""
        judged = [judged_text(post) for post in posts]
        moods = iter(to_sentiments(self._model.shares([text for text in judged if text])))
        return [
            post.replaced(sentiment=next(moods) if text else None)
            for post, text in zip(posts, judged, strict=True)
        ]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """The mood, and the words that spoke most for it against the others."""
        text = judged_text(post)
        if text is None or post.sentiment is None:
            return [unsaid_mood()]
        label = MOODS.index(post.sentiment.label)
        clues = clues_of(post, text, for_label(self._model.weights, label))
        return [explained_mood(post.sentiment)._replace(evidence=clues)]


def softmax(scores: Floats) -> Floats:
    """Scores to shares, each row by itself."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
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
        Sentiment(label=MOODS[label], negative=negative, neutral=neutral, positive=positive)
        for label, (negative, neutral, positive) in zip(
            labels, (units / _UNITS).tolist(), strict=True
        )
    ]


def _fits(weights: npt.NDArray[Any], bias: npt.NDArray[Any], temperature: float) -> bool:
    rows = len(weights) if weights.ndim else 0
    return (
        weights.shape == (rows, len(MOODS))
        and rows >= 2
        and rows.bit_count() == 1
        and bias.shape == (len(MOODS),)
        and weights.dtype.kind == bias.dtype.kind == "f"
        and bool(np.isfinite(weights).all() and np.isfinite(bias).all())
        and 0 < temperature < float("inf")
    )


def _no_model(path: Path) -> FatalError:
    return FatalError(
        say(
            f"{path} 不是情感模型文件。请用 tingchao train sentiment 训练一个，"
            "或去掉 model 设置以使用内置模型。",
            f"{path} is no sentiment model. Train one with tingchao train sentiment, "
            "or leave the model option out to use the built-in one.",
        )
    )
