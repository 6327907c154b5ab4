"""Listed words at their places."""

import pytest

from processors.cues import Cue, cues_version, find_cues, groups_of
from processors.fold import fold


def test_words_are_found_with_place_and_group() -> None:
    assert find_cues("negation", "并不好")[0] == Cue(0, 2, "negation", "并不")


def test_invisible_characters_hide_nothing() -> None:
    text = "并\u200b不好"
    first = find_cues("negation", fold(text))[0]
    assert text[first.start : first.end] == "并\u200b不"


@pytest.mark.parametrize("text", ["", "好车", "好" * 5000])
def test_nothing_found_is_an_empty_sequence(text: str) -> None:
    assert not find_cues("negation", text)


def test_versions_and_groups_come_from_the_file() -> None:
    assert len(cues_version("negation")) == 8
    assert "double_negation" in groups_of("negation")
