"""Training of the aspect model."""

import json
from pathlib import Path

import numpy as np
import pytest

from processors.aspect_model import MOODS, AspectModel
from processors.aspects_training import Row, read_rows, train, train_files
from processors.features import text_features
from processors.linear_training import micro_f1
from schemas.errors import FatalError

WORDS = {"油耗": "百公里 油箱 加油站", "空间": "后备箱 第三排 腿部"}
JUDGED = {-1: "太差劲了", 0: "是多少呢", 1: "非常满意"}


def rows() -> list[Row]:
    return [
        (f"{before}{word}{after}{number}", {aspect: mood})
        for aspect, words in WORDS.items()
        for word in words.split()
        for mood, after in JUDGED.items()
        for before in ("昨天", "朋友说", "这台车", "")
        for number in range(6)
    ]


@pytest.fixture
def scikit_learn() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn (the extra 'train') is not installed")


def write(path: Path, given: list[Row]) -> Path:
    lines = [json.dumps({"text": text, "aspects": aspects}) for text, aspects in given]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.usefixtures("scikit_learn")
def test_files_become_a_model_that_judges_new_texts(tmp_path: Path) -> None:
    # Given
    file, out = write(tmp_path / "cars.jsonl", [*rows(), *rows()]), tmp_path / "own.npz"
    steps: list[tuple[int, int]] = []

    # When
    trained = train_files([file], out, lambda done, total: steps.append((done, total)))

    # Then
    assert trained.texts == len(rows())
    assert trained.f1 > 0.9 and trained.pair_f1 > 0.9
    assert steps[-1] == (6, 6)
    model = AspectModel.load(out)
    [found] = model.judge(text_features(["他的后备箱太差劲了"]))
    assert [(model.aspects[aspect], MOODS[mood]) for aspect, mood in found] == [
        ("空间", "negative")
    ]
    assert not out.with_name("own.npz.part").exists()


@pytest.mark.usefixtures("scikit_learn")
def test_the_same_rows_give_the_same_bytes() -> None:
    assert train(rows()).model.to_bytes() == train(rows()).model.to_bytes()


@pytest.mark.usefixtures("scikit_learn")
def test_corrections_win_over_equal_texts_and_teach() -> None:
    # Given people who mean the contrary of what the file says, under the aspect's id
    files = rows()
    corrected: list[Row] = [(f"{before}油箱很迷你", {"fuel": -1}) for before in "甲乙丙丁戊己庚辛"]
    corrected += [(files[0][0], {}), ("座椅太差劲了", {"comfort": -1})]

    # When
    plain, taught = train(files), train(files, corrected=corrected)

    # Then an equal text counts once, an aspect that only corrections name is left out
    assert taught.texts == plain.texts + len(corrected) - 1
    texts, before = ({one.aspect: one.texts for one in of.aspects} for of in (taught, plain))
    assert texts == {**before, "油耗": before["油耗"] + 8 - 1}
    assert AspectModel(taught.model, ("油耗", "空间")).judge(text_features(["油箱很迷你"])) == [
        [(0, MOODS.index("negative"))]
    ]
    assert train(files, corrected=[]).model.to_bytes() == plain.model.to_bytes()


@pytest.mark.usefixtures("scikit_learn")
@pytest.mark.parametrize(
    "given",
    [
        [],
        rows()[:10],
        [(text, dict.fromkeys(aspects, 0)) for text, aspects in rows()],
        [(text, {"油耗": 1}) for text, _ in rows()],
    ],
)
def test_too_few_rows_are_refused(given: list[Row]) -> None:
    with pytest.raises(FatalError):
        train(given)


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"text": 1, "aspects": {}}', '{"text": "a", "aspects": {"b": 2}}', "null"]
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "a", "aspects": {{}}}}\n{line}\n', encoding="utf-8")

    with pytest.raises(FatalError, match="2"):
        read_rows(path)


def test_a_missing_folder_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="absent"):
        train_files([], tmp_path / "absent" / "own.npz")


def test_micro_f1_counts_all_places_together() -> None:
    said = np.array([[True, True], [False, False]])
    true = np.array([[True, False], [True, False]])

    assert micro_f1(said, true) == pytest.approx(0.5)
    assert micro_f1(said, true, np.zeros((2, 2), np.bool_)) == 0
