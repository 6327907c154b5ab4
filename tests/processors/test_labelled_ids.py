"""Labels whose texts stand beside the project: their files, and how they join."""

import re
from pathlib import Path

import pytest

from benchmarks.emotions import FILES, figures, joined, write
from benchmarks.intents import real_cases
from benchmarks.labelled_ids import SETS, SHARED, read_labels, text_id, texts_of
from processors.emotions_training import read_rows
from processors.labelled import Labelled

HERE = (SHARED / "data" / SETS[FILES[0]]).exists()


def test_an_id_is_of_the_text_whatever_its_blanks() -> None:
    assert text_id(" 好 车\r\n吗 ") == text_id("好 车 吗") != text_id("好车吗")
    assert re.fullmatch("[0-9a-f]{16}", text_id("\ud800"))


def test_the_label_files_have_ids_and_known_labels_and_no_text() -> None:
    emotions, intents = read_labels("emotions"), read_labels("intents")
    assert len(emotions) == 2_200
    assert {label for (label,) in emotions.values()} == {"anger", "fear", "sadness"}
    assert {half for _, half, _ in intents.values()} == {"dev", "test"}
    assert {name for name, _, _ in intents.values()} == set(SETS)
    known = {"complaint", "enquiry", "purchase", "praise", "-"}
    assert {one for *_, said in intents.values() for one in said.split(",")} == known
    assert all(re.fullmatch("[0-9a-f]{16}", key) for key in (*emotions, *intents))


@pytest.mark.skipif(not HERE, reason=f"no development data in {SHARED}")
def test_every_label_finds_its_text_and_feelings_become_rows_of_a_training(tmp_path: Path) -> None:
    assert sum(map(len, real_cases(SHARED).values())) == len(read_labels("intents"))
    paths = write(joined(SHARED), tmp_path)
    rows = [row for path in paths for row in read_rows(path)]
    assert len(rows) == sum(len(list(texts_of(name, SHARED))) for name in FILES)
    named = {text_id(row.text) for row in rows if isinstance(row.label, str)}
    assert named == set(read_labels("emotions"))


def test_negative_rows_with_a_feeling_stand_for_those_without() -> None:
    # Given a labelled angry text beside one that is only negative, and glad and neutral ones
    name = FILES[0]
    held_out = [
        (Labelled("甲", "anger", name), "anger"),
        (Labelled("乙", -1, name), "fear"),
        (Labelled("丙", 1, name), "anger"),
        (Labelled("丁", 1, name), "joy"),
        (Labelled("戊", 0, name), "surprise"),
        (Labelled("己", "anger", FILES[1]), "disappointment"),
    ]

    # Then precision of anger is 2 of 3, the unlabelled counts for its mood, and surprise is missing
    usual, virus = (line.split(" | ") for line in figures(held_out, "angry").splitlines())
    assert usual[2:4] == ["67", "80"]
    assert usual[6] == "0"
    assert usual[1].startswith("48.9 (")
    assert virus[1].startswith("100.0 (")
    assert figures(held_out, "sad").splitlines()[1].split(" | ")[1].startswith("0.0 (")
