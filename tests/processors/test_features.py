import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.features import (
    MAX_CHARACTERS,
    MOST_BITS,
    TAIL_WEIGHT,
    hashed_ngrams,
    normalised,
    own_words,
    parts_of,
    text_features,
)

BITS = 18
TEXTS = [
    "客服很耐心",
    "",
    "发动机异响！！！",
    "👍👍",
    "a",
    "很好 //@张三: 支持",
    "\ud83d",
    "客服很耐心",
]


def columns(text: str) -> set[int]:
    return set(hashed_ngrams([text], BITS).indices.tolist())


@pytest.mark.parametrize(
    ("text", "distinct"),
    [("", 0), ("好", 1), ("很好", 3), ("真的好", 6), ("好好好", 3), ("很好很好", 2 + 2 + 2)],
)
def test_a_text_has_its_distinct_one_to_three_grams(text: str, distinct: int) -> None:
    assert len(columns(text)) == distinct


def test_the_grams_of_a_text_hold_those_of_its_parts_and_order_matters() -> None:
    assert columns("质量") < columns("质量差")
    assert columns("量质") != columns("质量")
    assert columns("量质") & columns("质量") == columns("量") | columns("质")


def test_no_gram_crosses_the_border_between_two_texts() -> None:
    # Given two texts whose seam would make a word
    apart = hashed_ngrams(["太失", "望了"], BITS)

    # Then the word of the seam is in neither
    seam = columns("失望") - columns("失") - columns("望")
    assert seam
    assert not seam & set(apart.indices.tolist())


@given(st.lists(st.text(max_size=40), max_size=12), st.text(max_size=40))
def test_a_row_is_the_same_whatever_stands_beside_it(neighbours: list[str], text: str) -> None:
    alone = hashed_ngrams([text], BITS)
    for place in (0, len(neighbours)):
        batch = hashed_ngrams([*neighbours[:place], text, *neighbours[place:]], BITS)
        row = batch[place]
        assert row.indices.tolist() == alone.indices.tolist()
        assert row.data.tolist() == alone.data.tolist()


def test_a_large_batch_with_wide_keys_has_the_rows_of_a_small_one() -> None:
    # Given more rows than fit beside the bucket in 32 bits
    many = [f"第{number}条" for number in range(2 ** (32 - BITS))]

    # When hashed together
    rows = hashed_ngrams([*many, *TEXTS], BITS)[-len(TEXTS) :]

    # Then nothing changes
    assert (rows != hashed_ngrams(TEXTS, BITS)).nnz == 0


def test_rows_have_length_one_or_nothing() -> None:
    rows = hashed_ngrams(TEXTS, BITS)
    lengths = np.sqrt(rows.multiply(rows).sum(axis=1)).A1
    assert lengths == pytest.approx([0 if not text else 1 for text in TEXTS], abs=1e-6)
    assert rows.shape == (len(TEXTS), 2**BITS)
    assert rows.has_canonical_format


def test_an_empty_batch_has_no_rows() -> None:
    assert hashed_ngrams([], BITS).shape == (0, 2**BITS)


def test_the_buckets_never_change() -> None:
    # Trained weights lie in these buckets: raise FEATURES_VERSION when this has to change.
    assert sorted(columns("好车")) == [70673, 76447, 174301]


def test_the_hash_spreads_evenly() -> None:
    # Given 20,000 pairs of characters in 2**18 buckets
    pairs = [chr(0x4E00 + place % 100) + chr(0xAC00 + place // 100) for place in range(20_000)]
    singles = set(hashed_ngrams(sorted(set("".join(pairs))), BITS).indices.tolist())

    # When those of the pairs alone are counted
    used = set(hashed_ngrams(pairs, BITS).indices.tolist()) - singles

    # Then about as many share a bucket as chance has it (about 760, standard deviation 27)
    expected = len({normalised(pair) for pair in pairs})
    assert 600 < expected - len(used) < 900


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("TeslaModel", "teslamodel"),
        ("質量很好", "质量很好"),
        ("哈哈哈哈哈哈哈", "哈哈哈"),
        ("好！！！！！", "好!!!"),
        ("一  二\n\n三\u3000\t四", "一 二 三 四"),
        ("看https://t.cn/A6xY2b这里", "看\ue000这里"),
        ("http://a.cn/x?y=1 和 https://b.cn", "\ue000 和 \ue000"),
        ("@小明_2020 你好 @Bob", "\ue001 你好 \ue001"),
        ("回复@张三:好", "回复\ue001:好"),
        ("a\x00b", "a b"),
        ("星\u200b河\ufe0f", "星河"),
        ("", ""),
    ],
)
def test_light_normalisation(text: str, seen: str) -> None:
    assert normalised(text) == seen


def test_a_text_counts_by_its_first_characters() -> None:
    start = "".join(chr(0x4E00 + place) for place in range(MAX_CHARACTERS))
    assert columns(start + "太失望了") == columns(start)


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("说得对//@张三:支持", "说得对"),
        ("说得对 //@张三:支持//@李四:反对", "说得对"),
        ("//@张三:支持", ""),
        ("  ", ""),
        ("没有转发 http://a.cn/b", "没有转发 http://a.cn/b"),
    ],
)
def test_own_words_stand_before_the_first_repost(text: str, own: str) -> None:
    assert own_words(text) == own


def test_the_mix_puts_own_words_before_the_tail() -> None:
    # Given own words only, both, a tail only, nothing
    parts, mix = parts_of(["很好", "赞//@张三:支持", "//@张三:反对", ""])

    # Then tails follow, light beside own words and full without
    assert parts == ["很好", "赞", "", "", "张三:支持", "张三:反对"]
    assert mix.toarray().tolist() == pytest.approx(
        np.array(
            [
                [1, 0, 0, 0, 0, 0],
                [0, 1, 0, 0, TAIL_WEIGHT, 0],
                [0, 0, 1, 0, 0, 1],
                [0, 0, 0, 1, 0, 0],
            ]
        )
    )


def test_a_row_does_not_depend_on_reposts_beside_it() -> None:
    # Given texts alone, and with a repost among them
    texts = [f"第{number}次返修，刹车还是软，客服说再看看" for number in range(50)]
    weights = np.random.default_rng(1).normal(size=(2**MOST_BITS, 3)).astype(np.float32)

    # When both are scored
    alone = text_features(texts) @ weights
    beside = text_features([*texts, "气死//@甲:真的"]) @ weights

    # Then to the last bit the scores are the same
    assert (alone == beside[:-1]).all()
