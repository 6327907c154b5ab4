import json
import sys
from pathlib import Path

import numpy as np
import pytest

from processors.corrections import CORRECTIONS
from processors.sentiment import MoodModel
from processors.sentiment_training import (
    FOLDS,
    Row,
    macro_f1,
    out_of_fold,
    read_rows,
    train,
    train_files,
)
from schemas.errors import FatalError

THINGS = "车机 座椅 空调 音响 方向盘 后备箱 轮胎 车门 导航 雨刷 大灯 天窗".split()
TEMPLATES = {
    -1: ["{}太差了，很失望", "{}总坏，真垃圾", "后悔买了，{}难用"],
    0: ["请问{}在哪里设置", "{}的型号是多少", "{}下周上市"],
    1: ["{}很好用，喜欢", "{}太棒了，点赞", "对{}非常满意"],
}


def rows(name: str = "demo", labels: tuple[int, ...] = (-1, 0, 1)) -> list[Row]:
    return [
        (template.format(thing), label, name)
        for thing in THINGS
        for label in labels
        for template in TEMPLATES[label]
    ]


def write(path: Path, given: list[Row]) -> Path:
    lines = [json.dumps({"text": text, "label": label}) for text, label, _ in given]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def scikit_learn() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn (the extra 'train') is not installed")


@pytest.mark.usefixtures("scikit_learn")
def test_files_become_a_model_that_judges_new_texts(tmp_path: Path) -> None:
    # Given two labelled sets, one without neutral texts
    files = [
        write(tmp_path / "cars.jsonl", rows()),
        write(tmp_path / "shop.jsonl", [(f"快递：{t}", n, s) for t, n, s in rows(labels=(-1, 1))]),
    ]
    steps: list[tuple[int, int]] = []

    # When trained
    out = tmp_path / "own.npz"
    trained = train_files(files, out, lambda done, total: steps.append((done, total)))

    # Then the file judges what it never saw, and the report tells rows and held-out figures
    model = MoodModel.load(out)
    shares = model.shares(["这个遥控太差了，很失望", "请问遥控在哪里设置", "遥控很好用，喜欢"])
    assert shares.argmax(axis=1).tolist() == [0, 1, 2]
    assert model.version == trained.model.version
    assert [(one.name, one.rows, one.repeated) for one in trained.sets] == [
        ("cars", 108, 0),
        ("shop", 72, 0),
    ]
    assert all(one.macro_f1 > 0.9 for one in trained.sets)
    assert steps == [(done, FOLDS + 1) for done in range(1, FOLDS + 2)]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


@pytest.mark.usefixtures("scikit_learn")
def test_two_runs_give_the_same_bytes() -> None:
    first, second = train(rows()), train(rows())
    assert first.model.to_bytes() == second.model.to_bytes()
    assert first.sets == second.sets


@pytest.mark.usefixtures("scikit_learn")
def test_held_out_figures_tell_when_nothing_can_be_learnt() -> None:
    # Given labels that have nothing to do with the texts
    texts = [text for text, _, _ in rows()]
    shuffled = np.random.default_rng(3).permutation([label for _, label, _ in rows()]).tolist()
    noise = [(text, label, "noise") for text, label in zip(texts, shuffled, strict=True)]

    # Then the figure is that of guessing, though the model could learn every row by heart
    [report] = train(noise).sets
    assert report.macro_f1 < 0.55


@pytest.mark.usefixtures("scikit_learn")
def test_equal_texts_count_once_across_sets() -> None:
    # Given a second set that repeats the first but for signs, and adds one text
    copies = [(f" {text}！", label, "copy") for text, label, _ in rows()]
    given = [*rows(), *copies, ("新来的一句，很好用", 1, "copy")]

    # When trained
    trained = train(given)

    # Then copies are left out and counted
    assert [(one.rows, one.repeated) for one in trained.sets] == [(108, 0), (1, 108)]
    places, shares = out_of_fold(given)
    assert places == [*range(108), 216]
    assert shares.shape == (109, 3)
    assert shares.sum(axis=1) == pytest.approx(1)


@pytest.mark.usefixtures("scikit_learn")
@pytest.mark.parametrize("first", [True, False])
def test_a_correction_wins_over_equal_texts_wherever_it_stands(first: bool) -> None:
    # Given a row of a set whose label a person corrected
    text, label, _ = rows()[0]
    corrected = [(f"{text}！", -label, CORRECTIONS)]

    # When trained
    trained = train([*corrected, *rows()] if first else [*rows(), *corrected])

    # Then the corrected row is used, and the set's own is not
    assert {(one.name, one.rows, one.repeated) for one in trained.sets} == {
        ("demo", 107, 1),
        (CORRECTIONS, 1, 0),
    }


@pytest.mark.usefixtures("scikit_learn")
def test_a_correction_weighs_more_than_a_row() -> None:
    # Given praise that is none, as one row among others and as a correction
    text = "座椅很好用，真喜欢"
    row, correction = ((text, -1, name) for name in ("demo", CORRECTIONS))

    # When trained
    doubted, learnt = (train([*rows(), one]).model.shares([text])[0] for one in (row, correction))

    # Then only the correction is learnt
    assert doubted.argmax() == 2
    assert learnt.argmax() == 0


@pytest.mark.parametrize(
    ("labels", "shares", "figure"),
    [
        ([-1, 0, 1], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], 1),
        # negative: 1 of 1 found, said twice: 2/3; neutral never said: 0; positive: 1
        ([-1, 0, 1], [[1, 0, 0], [1, 0, 0], [0, 0, 1]], (2 / 3 + 0 + 1) / 3),
        # no neutral class: the larger of the other two is the answer
        ([-1, 1], [[0.3, 0.6, 0.1], [0.1, 0.8, 0.1001]], 1),
        ([], np.zeros((0, 3)), 0),
    ],
)
def test_macro_f1(labels: list[int], shares: list[list[float]], figure: float) -> None:
    assert macro_f1(np.array(labels, int), np.array(shares, float)) == pytest.approx(figure)


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"text": "好", "label": 1}\n\n{"text": "差", "label": -1, "id": 7}\n', "utf-8")
    assert read_rows(path) == [("好", 1, "mine"), ("差", -1, "mine")]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "不是 JSON"),
        ("[]", "没有文字字段 text"),
        ('{"label": 1}', "没有文字字段 text"),
        ('{"text": 5, "label": 1}', "没有文字字段 text"),
        ('{"text": "好"}', "label 不是"),
        ('{"text": "好", "label": 2}', "label 不是"),
        ('{"text": "好", "label": "1"}', "label 不是"),
        ('{"text": "好", "label": true}', "label 不是"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"text": "好", "label": 1}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(FatalError, match=rf"mine\.jsonl 第 2 行.*{wrong}"):
        read_rows(path)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gbk.jsonl"
    path.write_bytes('{"text": "好", "label": 1}'.encode("gbk"))
    with pytest.raises(FatalError, match=r"gbk\.jsonl 不是 UTF-8"):
        read_rows(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"absent\.jsonl"):
        read_rows(tmp_path / "absent.jsonl")


def test_too_few_rows_of_a_class_are_told() -> None:
    with pytest.raises(FatalError, match="label 为 0 的只有 0 条"):
        train(rows(labels=(-1, 1)))


def test_a_missing_folder_is_told_before_the_work(tmp_path: Path) -> None:
    steps: list[int] = []
    with pytest.raises(FatalError, match="不存在"):
        train_files(
            [write(tmp_path / "cars.jsonl", rows())],
            tmp_path / "absent" / "own.npz",
            lambda done, total: steps.append(done),
        )
    assert steps == []


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(FatalError, match="scikit-learn"):
        train(rows())
