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
