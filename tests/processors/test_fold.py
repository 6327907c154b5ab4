import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.fold import INVISIBLE, fold, fold_ahead


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", ""),
        ("BYD Seal", "byd seal"),
        ("ＢＹＤ　海豹：５Ｇ！", "byd 海豹:5g!"),
        ("比亞迪發佈新車", "比亚迪发布新车"),
        ("裝衞", "装卫"),
        ("為什麼這麼貴", "为什么这么贵"),
        ("乾隆", "干隆"),
        ("𝐁𝐘𝐃 ①", "byd 1"),
        ("𠮷野家😀", "𠮷野家😀"),
        ("㎏ ½ ﬁ", "㎏ ½ ﬁ"),
        ("İstanbul", "İstanbul"),
        ("比\u200b亚\ufeff迪", f"比{INVISIBLE}亚{INVISIBLE}迪"),
        ("❤\ufe0f", f"❤{INVISIBLE}"),
        ("#" * 1000, "#" * 1000),
        ("像床吃著", "像床吃著"),
    ],
)
def test_one_spelling_for_many(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_texts_folded_together_are_the_same_as_alone() -> None:
    # Given texts whose borders fall between the halves of a surrogate pair, and a long one
    texts = ["ＢＹＤ一起", "", "尾\ud83d", "\ude00頭", "Plain ABC", "長" * 3_000, "比亞迪一起"]

    # When they are folded ahead, among more texts than are remembered
    fold_ahead([*(f"Nr{number}" for number in range(2_000)), *texts])
    fold_ahead(f"No{number}" for number in range(100))
    fold_ahead(texts)

    # Then each is what it is alone
    assert [fold(text) for text in texts] == [
        "byd一起",
        "",
        "尾\ud83d",
        "\ude00头",
        "plain abc",
        "长" * 3_000,
        "比亚迪一起",
    ]


def test_every_code_point_folds_to_one_that_stays() -> None:
    # Given every code point, lone surrogates included
    points = "".join(chr(point) for point in range(sys.maxunicode + 1))

    # When they are folded, and the result once more
    once = fold(points)

    # Then no length changes, and nothing folds twice
    assert len(once) == len(points)
    assert fold(once) == once


@given(st.text())
def test_folding_is_by_character(text: str) -> None:
    folded = fold(text)

    assert len(folded) == len(text)
    assert folded == "".join(fold(character) for character in text)


@given(st.text())
def test_case_and_width_fold_as_unicode_does_where_that_is_one_character(text: str) -> None:
    for character, folded in zip(text, fold(text), strict=True):
        plain = unicodedata.normalize("NFKC", character).lower()
        if len(plain) == 1 and folded != INVISIBLE:
            assert folded == fold(plain)


def test_a_hundred_thousand_characters() -> None:
    assert fold("車Ａ" * 50_000) == "车a" * 50_000
