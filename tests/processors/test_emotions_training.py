import json
from pathlib import Path

import pytest

from processors.emotions import EMOTIONS, HEAD
from processors.emotions_training import LABELS, OWN, read_rows, seeds, train, train_files
from processors.features import text_features
from processors.labelled import Labelled
from processors.linear import LinearModel
from processors.linear_training import distinct
from tests.processors.emotion_cases import CHOSEN, HELD_BACK

THINGS = "车机 座椅 空调 音响 方向盘 后备箱 轮胎 车门".split()


@pytest.fixture
def scikit_learn() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn (the extra 'train') is not installed")


def test_our_sentences_have_every_feeling_and_none_is_a_test_case() -> None:
    assert {row.label for row in seeds()} == set(EMOTIONS)
    cases = {text for text, _ in (*CHOSEN, *HELD_BACK)}
    assert not cases & {row.text for row in seeds()}


def test_rows_are_moods_or_feelings(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    lines = [{"text": "好", "label": 1}, {"text": "怕", "label": "fear", "weight": 5}]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert read_rows(path) == [Labelled("好", 1, "mine"), Labelled("怕", "fear", "mine", 5.0)]
    assert set(EMOTIONS) < set(LABELS)


@pytest.mark.usefixtures("scikit_learn")
def test_negative_texts_find_their_feeling_by_words_and_what_stands_around_them(
    tmp_path: Path,
) -> None:
    # Given negative texts with a word of anger or fear beside an unlisted one
    rows = [
        {"text": f"{thing}呱呱呱，{word}", "label": -1}
        for thing in THINGS
        for word in ("气死了", "太过分", "骗子")
    ] + [
        {"text": f"{thing}咕咕咕，{word}", "label": -1}
        for thing in THINGS
        for word in ("害怕", "吓死了", "好慌")
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    # When trained
    steps: list[int] = []
    out = tmp_path / "own.npz"
    trained = train_files([path], out, lambda done, total: steps.append(total - done))

    # Then the unlisted one alone tells, and every fit was told
    model = LinearModel.load(out, "train", [HEAD])
    scores = model.scores(text_features(["导航呱呱呱", "导航咕咕咕"]))
    assert [EMOTIONS[place] for place in scores.argmax(axis=1)] == ["anger", "fear"]
    assert steps == list(range(len(steps)))[::-1]
    assert trained.rows == len(rows) + len(distinct(seeds()))


@pytest.mark.usefixtures("scikit_learn")
def test_negative_texts_are_split_as_those_with_a_feeling_say() -> None:
    # Given texts with a feeling that no listed word tells, and negative ones like them
    named = {"anger": "呱呱呱", "fear": "咕咕咕"}
    other = {"anger": "嘟嘟嘟", "fear": "叭叭叭"}
    rows = [
        Labelled(f"{thing}{sound}", name, "mine", 5.0)
        for thing in THINGS
        for name, sound in named.items()
    ] + [
        Labelled(f"{thing}{sound}，{other[name]}", -1, "mine")
        for thing in THINGS
        for name, sound in named.items()
    ]

    # When trained
    trained = train(rows)

    # Then what stands only in the negative ones leans to the feeling too
    scores = trained.model.scores(text_features(["导航嘟嘟嘟", "导航叭叭叭"]))
    anger, fear = (scores[:, EMOTIONS.index(name)] for name in named)
    [of_anger, of_fear] = (anger - fear).tolist()
    assert of_anger > of_fear + 0.3

    # And every row was judged by models that never saw it; words weigh less and are not counted
    judged = [row for row, _ in trained.held_out]
    assert [row for row in judged if row.set == "mine"] == rows
    assert {row.label for row in judged if row.set == OWN} == set(EMOTIONS)
    assert all(row.weight >= 1 for row in judged)
    right = [said == row.label for row, said in trained.held_out if row.label in named]
    assert sum(right) > 0.7 * len(right)


@pytest.mark.usefixtures("scikit_learn")
def test_two_runs_give_the_same_bytes() -> None:
    rows = [Labelled(f"{thing}坏了", -1, "mine") for thing in THINGS]
    assert train(rows).model.to_bytes() == train(rows).model.to_bytes()
