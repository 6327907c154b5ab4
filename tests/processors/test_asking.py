"""What the shape of sentences says of a question."""

import pytest

from processors.asking import asking_of


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("保养要提前约", "保养要提前约吗"),
        ("保养要提前约吗", "保养要提前约吗?"),
        ("今天出门了 ??", "今天出门了?"),  # an emoji that was lost
        ("真的吗!!", "真的吗!"),
    ],
)
def test_one_asks_more_than_the_other(less: str, more: str) -> None:
    assert asking_of(less, by_word=False) < asking_of(more, by_word=False)


def test_a_lost_emoji_asks_nothing() -> None:
    assert asking_of("今天出门了 ??", by_word=False) == 0


def test_words_of_questions_count_less_in_long_statements() -> None:
    assert asking_of("说明" * 60, by_word=True) < 0 < asking_of("说明", by_word=True)


@pytest.mark.parametrize("text", ["不知道这款耐不耐用,值不值得换", "不清楚保修期是否包括电池"])
def test_who_wonders_asks_without_a_question_mark(text: str) -> None:
    assert asking_of(text, False) >= asking_of("这款很耐用,值得换", False) + 300
