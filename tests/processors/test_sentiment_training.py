import json
import sys
from pathlib import Path

import numpy as np
import pytest

from processors.features import text_features
from processors.labelled import Labelled
from processors.linear import LinearModel
from processors.linear_training import FOLDS
from processors.sentiment_training import train, train_files
from schemas.errors import FatalError

THINGS = "车机 座椅 空调 音响 方向盘 后备箱 轮胎 车门 导航 雨刷 大灯 天窗".split()
TEMPLATES = {
    -1: ["{}太差了，很失望", "{}总坏，真垃圾", "后悔买了，{}难用"],
    0: ["请问{}在哪里设置", "{}的型号是多少", "{}下周上市"],
    1: ["{}很好用，喜欢", "{}太棒了，点赞", "对{}非常满意"],
}


def rows(name: str = "demo", labels: tuple[int, ...] = (-1, 0, 1)) -> list[Labelled]:
    return [
        Labelled(template.format(thing), label, name)
        for thing in THINGS
        for label in labels
        for template in TEMPLATES[label]
    ]


def write(path: Path, given: list[Labelled]) -> Path:
    lines = [json.dumps({"text": text, "label": label}) for text, label, *_ in given]
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
        write(
            tmp_path / "shop.jsonl",
            [row._replace(text=f"快递：{row.text}") for row in rows(labels=(-1, 1))],
        ),
    ]
    steps: list[tuple[int, int]] = []

    # When trained
    out = tmp_path / "own.npz"
    trained = train_files(files, out, progress=lambda done, total: steps.append((done, total)))

    # Then the file judges what it never saw, and the report tells rows and held-out figures
    model = LinearModel.load(out, "train", ["general"])
    new = text_features(["这个遥控太差了，很失望", "请问遥控在哪里设置", "遥控很好用，喜欢"])
    assert model.shares("general", model.scores(new)).argmax(axis=1).tolist() == [0, 1, 2]
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
    shuffled = np.random.default_rng(3).permutation([row.label for row in rows()]).tolist()
    noise = [row._replace(label=label) for row, label in zip(rows("noise"), shuffled, strict=True)]

    # Then the figure is that of guessing, though the model could learn every row by heart
    [report] = train(noise).sets
    assert report.macro_f1 < 0.55


@pytest.mark.usefixtures("scikit_learn")
def test_equal_texts_count_once_across_sets() -> None:
    # Given a second set that repeats the first but for signs, and adds one text
    copies = [row._replace(text=f" {row.text}！") for row in rows("copy")]
    given = [*rows(), *copies, Labelled("新来的一句，很好用", 1, "copy")]

    # When trained
    trained = train(given)

    # Then copies are left out and counted
    assert [(one.rows, one.repeated) for one in trained.sets] == [(108, 0), (1, 108)]


@pytest.mark.usefixtures("scikit_learn")
def test_a_correction_wins_over_the_row_that_it_corrects() -> None:
    # Given rows of one word, and one of them corrected
    given = [*rows(), *[Labelled(f"{thing}绝了", -1, "demo") for thing in THINGS]]
    corrected = [Labelled(f"{thing}绝了", 1, "own", 20.0) for thing in THINGS]
    asked = text_features(["遥控绝了"])

    # Then the model answers as corrected
    for extra, answer in (([], 0), (corrected, 2)):
        model = train([*given, *extra]).model
        assert model.scores(asked)[0, model.columns("general")].argmax() == answer


@pytest.mark.usefixtures("scikit_learn")
def test_each_domain_with_a_set_has_a_head_that_answers_as_its_set() -> None:
    # Given two domains that mean different things by one phrase
    cars = [Labelled(f"{thing}很硬", -1, "cars") for thing in THINGS]
    phones = [Labelled(f"{thing}很硬", 1, "phones") for thing in THINGS]

    # When trained with both
    given = [
        *rows("cars"),
        *cars,
        *rows("phones"),
        *[r._replace(text=f"新{r.text}") for r in phones],
    ]
    trained = train(given, {"cars": "cars"})

    # Then each head answers as its own set does
    scores = trained.model.scores(text_features(["遥控很硬"]))
    answers = {
        head.name: int(scores[0, trained.model.columns(head.name)].argmax())
        for head in trained.model.heads
    }
    assert answers == {"general": 2, "cars": 0}
    assert [one.domain for one in trained.sets] == ["cars", "general"]


def test_too_few_rows_of_a_class_are_told() -> None:
    with pytest.raises(FatalError, match="label 为 0 的只有 0 条"):
        train(rows(labels=(-1, 1)))


def test_a_missing_folder_is_told_before_the_work(tmp_path: Path) -> None:
    steps: list[int] = []
    with pytest.raises(FatalError, match="不存在"):
        train_files(
            [write(tmp_path / "cars.jsonl", rows())],
            tmp_path / "absent" / "own.npz",
            progress=lambda done, total: steps.append(done),
        )
    assert steps == []


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(FatalError, match="scikit-learn"):
        train(rows())
