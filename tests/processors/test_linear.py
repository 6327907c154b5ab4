import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processors.features import FEATURES_VERSION, text_features
from processors.linear import Head, LinearModel
from schemas.errors import FatalError

HEADS = (
    Head("mood", ("negative", "neutral", "positive"), "one", 1.5),
    Head("needs", ("help", "price"), "many", 1.0),
)
SMALL = '[["mood", ["bad", "good"], "one", 1.0]]'


def model(seed: int = 1, heads: tuple[Head, ...] = HEADS) -> LinearModel:
    outputs = sum(len(head.labels) for head in heads)
    weights = np.random.default_rng(seed).normal(size=(1024, outputs)).astype(np.float16)
    return LinearModel(heads, weights.astype(np.float32), np.arange(outputs).astype(np.float32))


def load(path: Path, *heads: str) -> LinearModel:
    return LinearModel.load(path, "tingchao train mood", heads)


def test_a_model_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(model().to_bytes())

    loaded = load(path, "needs")

    features = text_features(["好", "差"])
    assert loaded.heads == HEADS
    assert loaded.scores(features).tolist() == model().scores(features).tolist()
    assert loaded.version == model().version
    assert loaded.to_bytes() == path.read_bytes()


def test_the_version_names_weights_and_heads() -> None:
    hotter = (HEADS[0]._replace(temperature=2.0), HEADS[1])
    versions = {one.version for one in (model(), model(seed=2), model(heads=hotter))}
    assert len(versions) == 3


def test_heads_have_their_columns_side_by_side() -> None:
    assert [model().columns(head.name) for head in HEADS] == [slice(0, 3), slice(3, 5)]
    with pytest.raises(KeyError, match="absent"):
        model().columns("absent")


def test_one_label_of_a_head_holds_or_any_number() -> None:
    # Given scores of both heads
    scores = np.array([[0.0, 0.0, 0.0, 2.0, -2.0]])

    # Then the shares of the one add up to 1, those of the other stand by themselves
    assert model().shares("mood", scores) == pytest.approx(np.full((1, 3), 1 / 3))
    assert model().shares("needs", scores) == pytest.approx(np.array([[0.8808, 0.1192]]), abs=1e-4)


def test_a_higher_temperature_draws_shares_together() -> None:
    scores = np.array([[0.0, 1.0, 2.0, 0.0, 0.0]])
    cold, hot = (
        model(heads=(HEADS[0]._replace(temperature=one), HEADS[1])).shares("mood", scores)
        for one in (0.5, 5.0)
    )
    assert cold.max() > hot.max()
    assert cold.argmax() == hot.argmax() == 2


def packed(**changes: Any) -> bytes:
    content: dict[str, Any] = {
        "features": np.int64(FEATURES_VERSION),
        "heads": np.array(SMALL),
        "weights": np.zeros((4, 2), np.float16),
        "bias": np.zeros(2, np.float32),
    }
    file = io.BytesIO()
    np.savez(
        file, **{name: value for name, value in (content | changes).items() if value is not ...}
    )
    return file.getvalue()


def test_the_smallest_sound_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(packed())
    assert load(path, "mood").bits == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no model",
        b"PK\x03\x04 cut",
        packed()[:-30],
        packed(weights=...),
        packed(heads=...),
        packed(heads=np.array("no JSON")),
        packed(heads=np.array("[]")),
        packed(heads=np.array(SMALL.replace("one", "some"))),
        packed(heads=np.array(SMALL.replace("1.0", "0.0"))),
        packed(heads=np.array(SMALL.replace("1.0", "NaN"))),
        packed(heads=np.array(SMALL.replace("mood", "other"))),
        packed(weights=np.zeros((4, 3), np.float16)),
        packed(weights=np.zeros((5, 2), np.float16)),
        packed(weights=np.zeros(8, np.float16)),
        packed(weights=np.zeros((4, 2), np.int8)),
        packed(weights=np.full((4, 2), np.nan, np.float16)),
        packed(weights=np.array([None])),
        packed(bias=np.zeros(3, np.float32)),
    ],
)
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(FatalError, match=r"model\.npz 不是.*tingchao train mood"):
        load(path, "mood")


def test_weights_of_other_features_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(packed(features=np.int64(FEATURES_VERSION + 1)))
    with pytest.raises(FatalError, match="重新训练"):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"absent\.npz"):
        load(tmp_path / "absent.npz")
