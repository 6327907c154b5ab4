"""Linear models on hashed character n-grams: one matrix of weights for all outputs of a model.

A model has *heads*. A head is one question with its labels: mood in car forums, emotion, is it a
complaint. All heads of all models read the same sparse features (``features.text_features``), so
a batch is hashed once, whoever asks.

A file holds the weights in 16 bits, the biases, the heads and the version of the features; equal
models give equal bytes.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from processors.features import FEATURES_VERSION, MOST_BITS, NGRAMS_VERSION, fewer_bits
from schemas.errors import FatalError
from schemas.language import say
from schemas.small_file import read_small

__all__ = ["Floats", "Head", "LinearModel", "sigmoid", "softmax"]

#: Of a model file, packed and unpacked.
MAX_MODEL_BYTES = 256 * 1024 * 1024

Floats = npt.NDArray[np.float64]


class Head(NamedTuple):
    """One question: ``one`` of its labels holds, or any number of them (``many``)."""

    name: str
    labels: tuple[str, ...]
    kind: Literal["one", "many"] = "one"
    temperature: float = 1.0
    """Divides the scores; above 1 the shares are drawn towards each other, so that they fit
    held-out texts."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Trained weights: ``features @ weights + bias``, a column per label, head after head."""

    heads: tuple[Head, ...]
    weights: npt.NDArray[np.float32]
    """A row per hash bucket, a column per label of each head."""
    bias: npt.NDArray[np.float32]

    @property
    def bits(self) -> int:
        """Size of the hash that the weights were trained with."""
        return len(self.weights).bit_length() - 1

    @property
    def version(self) -> str:
        """Changes with the features, the heads and any weight, not with how the file is packed."""
        content = hashlib.sha256(f"{NGRAMS_VERSION} {self.heads!r}".encode())
        content.update(self.bias.astype("<f4").tobytes())
        content.update(self.weights.astype("<f2").tobytes())
        return f"linear-{content.hexdigest()[:8]}"

    def columns(self, name: str) -> slice:
        """Where the labels of a head stand among the outputs."""
        place = 0
        for head in self.heads:
            if head.name == name:
                return slice(place, place + len(head.labels))
            place += len(head.labels)
        raise KeyError(name)

    def head(self, name: str) -> Head:
        """The head of that name."""
        return next(head for head in self.heads if head.name == name)

    def scores(self, features: csr_matrix) -> Floats:
        """A row per text, a column per label of each head; ``features`` of ``MOST_BITS`` bits."""
        scores: Floats = fewer_bits(features, self.bits) @ self.weights + self.bias
        return scores.astype(np.float64)

    def shares(self, name: str, scores: Floats) -> Floats:
        """Shares of a head's labels, of rows of ``scores``."""
        head = self.head(name)
        tempered = scores[:, self.columns(name)] / head.temperature
        return softmax(tempered) if head.kind == "one" else sigmoid(tempered)

    def to_bytes(self) -> bytes:
        """The file."""
        file = io.BytesIO()
        np.savez_compressed(
            file,
            features=np.int64(FEATURES_VERSION),
            heads=np.array(json.dumps(self.heads, ensure_ascii=False)),
            weights=self.weights.astype(np.float16),
            bias=self.bias,
        )
        return file.getvalue()

    @classmethod
    def load(cls, path: Path, command: str, heads: Sequence[str] | None = None) -> Self:
        """Read a file that ``to_bytes`` made.

        Args:
            path: the file.
            command: what trains such a file, for the message: ``tingchao train sentiment``.
            heads: names that it must have.

        Raises:
            FatalError: no such file, or not one of these models.
        """
        try:
            # Read here: given a path, np.load leaks a broken file.
            content = io.BytesIO(read_small(path, MAX_MODEL_BYTES))
            with zipfile.ZipFile(content) as parts:
                if sum(part.file_size for part in parts.infolist()) > MAX_MODEL_BYTES:
                    raise _no_model(path, command)
            with np.load(content, allow_pickle=False) as file:
                features = int(file["features"])
                if features != FEATURES_VERSION:
                    raise _other_features(path, features, command)
                read = tuple(
                    Head(name, tuple(labels), kind, float(temperature))
                    for name, labels, kind, temperature in json.loads(str(file["heads"]))
                )
                weights, bias = file["weights"], file["bias"]
        except OSError as error:
            raise FatalError(
                say(
                    f"读不到模型 {path}：{error.strerror or error}。请检查路径。",
                    f"Cannot read the model {path}: {error.strerror or error}. Check the path.",
                )
            ) from error
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise _no_model(path, command) from error
        if not _fits(read, weights, bias) or not {head.name for head in read} >= set(heads or ()):
            raise _no_model(path, command)
        return cls(read, weights.astype(np.float32), bias.astype(np.float32))


def softmax(scores: Floats) -> Floats:
    """Scores to shares, each row by itself."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def sigmoid(scores: Floats) -> Floats:
    """Scores to shares, each by itself."""
    shares: Floats = 1 / (1 + np.exp(-np.clip(scores, -60, 60)))
    return shares


def _fits(heads: Sequence[Head], weights: npt.NDArray[Any], bias: npt.NDArray[Any]) -> bool:
    rows = len(weights) if weights.ndim else 0
    outputs = sum(len(head.labels) for head in heads)
    return (
        outputs > 0
        and all(head.kind in ("one", "many") for head in heads)
        and all(0 < head.temperature < float("inf") for head in heads)
        and weights.shape == (rows, outputs)
        and 2 <= rows <= 2**MOST_BITS
        and rows.bit_count() == 1
        and bias.shape == (outputs,)
        and weights.dtype.kind == bias.dtype.kind == "f"
        and bool(np.isfinite(weights).all() and np.isfinite(bias).all())
    )


def _no_model(path: Path, command: str) -> FatalError:
    return FatalError(
        say(
            f"{path} 不是这里要的模型文件。请用 {command} 训练一个，"
            "或去掉 model 设置以使用内置模型。",
            f"{path} is no model of the kind that is wanted here. Train one with {command}, "
            "or leave the model option out to use the built-in one.",
        )
    )


def _other_features(path: Path, features: int, command: str) -> FatalError:
    return FatalError(
        say(
            f"模型 {path} 是为第 {features} 版特征训练的，本程序用第 {FEATURES_VERSION} 版。"
            f"请用 {command} 重新训练。",
            f"The model {path} was trained for features version {features}, "
            f"this program has {FEATURES_VERSION}. Train it again with {command}.",
        )
    )
