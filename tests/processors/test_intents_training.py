"""Rated texts become complaints and praise where customers speak, and nothing elsewhere."""

import json
from pathlib import Path

import pytest

from processors.features import text_features
from processors.intents import HEAD, LEARNT
from processors.intents_training import train, train_files
from processors.labelled import Labelled
from processors.linear import LinearModel
from schemas.errors import FatalError

THINGS = "车机 座椅 空调 音响 方向盘 后备箱 轮胎 车门".split()


def test_bad_texts_of_customers_are_complaints(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn (the extra 'train') is not installed")
    # Given a shop's ratings, and moods of people who buy nothing
    mine = [{"text": f"{thing}呱呱呱", "label": -1} for thing in THINGS]
    mine += [{"text": f"{thing}咕咕咕", "label": 1} for thing in THINGS]
    lives = [{"text": f"{thing}嘎嘎嘎", "label": -1} for thing in THINGS]
    for name, rows in (("shop", mine), ("lives", lives)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    # When trained
    out = tmp_path / "own.npz"
    paths = [tmp_path / "shop.jsonl", tmp_path / "lives.jsonl"]
    trained = train_files(paths, out, {"shop": "reviews"})

    # Then each text has what it says, and no mood of lives is a complaint
    model = LinearModel.load(out, "train", [HEAD])
    complaint, praise = model.scores(text_features(["导航呱呱呱", "导航咕咕咕", "导航嘎嘎嘎"])).T
    assert LEARNT == ("complaint", "praise")
    assert complaint.argmax() == 0
    assert praise.argmax() == 1
    assert complaint[2] < complaint[0] - 1
    assert trained.rows == 24
    assert set(trained.f1) == set(LEARNT)


def test_corrections_of_intents_win_over_ratings() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn (the extra 'train') is not installed")
    rows = [Labelled(f"{thing}呱呱呱", -1, "shop") for thing in THINGS]
    rows += [Labelled(f"{thing}咕咕咕", 1, "shop") for thing in THINGS]
    rows += [Labelled(f"{thing}嘎嘎嘎", 0, "shop") for thing in THINGS]
    corrected = [(f"{thing}嘎嘎嘎", ["complaint", "churn"]) for thing in THINGS]

    trained = train(rows, {"shop": "reviews"}, corrected=corrected)

    assert trained.rows == 24
    complaint, _ = trained.model.scores(text_features(["导航嘎嘎嘎", "导航咕咕咕"])).T
    assert complaint[0] > 0 > complaint[1]


def test_rows_that_no_customer_wrote_are_one_sentence() -> None:
    rows = [Labelled(f"周{number}发货", -1, "weibo") for number in range(20)]
    with pytest.raises(FatalError, match="--domain"):
        train(rows)
