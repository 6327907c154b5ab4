"""The words that decided add up to what the model saw, and stand where they stand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.features import MOST_BITS, hashed_ngrams, normalised, placed_ngrams, text_features
from processors.linear_evidence import clues_of, decisive, for_label, parts_in
from tests.processors.test_sentiment import LINEAR, post

COLUMN = np.random.default_rng(7).normal(size=2**MOST_BITS).astype(np.float32)
PIECES = [
    "好",
    "太差了",
    " ",
    "\n",
    "//@甲:",
    "https://t.cn/Ab1",
    "@小王 ",
    "哈" * 6,
    "\u200b",
    "𠮷",
    "Ａ",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


def only(word: str) -> np.ndarray:
    """Weights that know one word."""
    column = np.zeros(2**MOST_BITS, np.float32)
    for ngram in placed_ngrams(word):
        if ngram.end - ngram.start == len(word):
            column[ngram.bucket] = 1
    return column


# --- places ---------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_placed_ngrams_are_the_features(text: str) -> None:
    placed = placed_ngrams(text)

    assert {ngram.bucket for ngram in placed} == set(text_features([text]).indices.tolist())
    assert all(0 <= ngram.start < ngram.end <= len(text) for ngram in placed)


@pytest.mark.parametrize(
    "text",
    [
        "刹车太差",
        "  刹车太差",
        "@小王 刹车太差",
        "看https://t.cn/A1刹车太差",
        "剎車太差",
        "刹\u200b车太差",
        "真的真的@甲 刹车太差//@乙:刹车太差",
    ],
)
def test_an_ngram_stands_where_it_is_written(text: str) -> None:
    [bucket] = {n.bucket for n in placed_ngrams("太差") if n.end - n.start == 2}

    places = [(n.start, n.end) for n in placed_ngrams(text) if n.bucket == bucket]

    assert [text[start:end] for start, end in places] == ["太差"] * text.count("太差")


def test_a_run_is_squeezed_and_a_link_is_one_sign() -> None:
    text = "哈哈哈哈哈哈 https://t.cn/A1"

    ends = {ngram.end for ngram in placed_ngrams(text) if ngram.start == 0}

    assert ends == {1, 2, 3}
    assert max(ngram.end for ngram in placed_ngrams(text)) == len(text)
    assert len(normalised(text)) == 5


def test_fewer_bits_are_the_upper_ones() -> None:
    buckets = {ngram.bucket for ngram in placed_ngrams("太差了", 12)}

    assert buckets == set(hashed_ngrams(["太差了"], 12).indices.tolist())


# --- what decided ---------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from([MOST_BITS, 12]))
def test_parts_add_up_to_what_the_model_sees(text: str, bits: int) -> None:
    column = COLUMN[: 2**bits]
    features = text_features([text])
    spare = MOST_BITS - bits
    expected = sum(
        value * column[index >> spare]
        for index, value in zip(features.indices, features.data, strict=True)
    )

    assert sum(part for _, _, part in parts_in(text, column)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("客服太差劲", ["太差"]),
        ("太差，真的太差。", ["太差", "太差"]),
        ("太好", []),
        ("", []),
    ],
)
def test_the_word_that_decided_is_named(text: str, found: list[str]) -> None:
    pieces = decisive(text, only("太差"))

    assert [text[piece.start : piece.end] for piece in pieces] == found
    assert sum(piece.share for piece in pieces) == pytest.approx(1 if found else 0)


def test_words_that_overlap_are_joined_and_marks_are_cut_off() -> None:
    column = only("太差") + only("差了，")

    [piece] = decisive("真是太差了，唉", column)

    assert "真是太差了，唉"[piece.start : piece.end] == "太差了"


def test_a_label_is_held_against_the_others() -> None:
    weights = np.array([[1, 0, 0], [1, 1, 1]], np.float32)

    assert for_label(weights, 0).tolist() == [1, 0]
    assert for_label(weights, 1).tolist() == [-0.5, 0]


@pytest.mark.parametrize(
    ("title", "judged", "places"),
    [
        (None, "太差劲", [("text", 0, 2)]),
        ("又太差", "又太差\n太差劲", [("text", 0, 2), ("title", 1, 3)]),
        (None, "a text that was judged otherwise", []),
    ],
)
def test_places_are_those_of_the_fields(
    title: str | None, judged: str, places: list[tuple[str, int, int]]
) -> None:
    clues = clues_of(post("太差劲", title=title), judged, only("太差"))

    assert sorted(clue[:3] for clue in clues) == places


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("刹车有异响，去了三次，太失望了", "失望"),
        ("师傅很耐心，这次体验太棒了", "太棒"),
        ("开心//@甲:真垃圾", "开心"),
    ],
)
def test_the_built_in_model_names_the_word_that_a_reader_would(text: str, word: str) -> None:
    [found] = LINEAR.enrich([post(text)])
    assert found is not None

    [one] = LINEAR.explain(found)

    first = one.evidence[0]
    assert word in text[first.start : first.end]
