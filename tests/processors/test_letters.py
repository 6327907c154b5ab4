import re

import numpy as np
import pytest

from processors.letters import BORDER, letters, split

ANY = "".join(map(chr, [*range(0x20), *range(0x7F, 0x3000, 7), 0x4E00, 0x323AF, 0xE0100, 0x10FFFF]))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("刹车 fade，2026！", "刹车fade"),
        ("https://t.cn/A6xY看 www.example.org", "看"),
        ("回复@李四:好@王五 嗯[允悲]", "好嗯"),
        ("#星河汽车#不错", "星河汽车不错"),
        ("\x1e隔\x1e开", "隔开"),
        ("𠮷野家\ud800", "𠮷野家"),
    ],
)
def test_only_letters_are_left(text: str, kept: str) -> None:
    assert split(letters([text])[0]) == [kept]


def test_letters_are_what_a_pattern_calls_letters() -> None:
    text = ANY.replace("@", "").replace("[", "")

    assert split(letters([text])[0]) == [re.sub(r"[\W\d_]+", "", text)]


def test_texts_keep_to_themselves() -> None:
    texts = ["一@", "二", "", "[三", "四]", "#五", "六#"]

    codes, tagged = letters(texts)

    assert split(codes) == ["一", "二", "", "三", "四", "五", "六"]
    assert not tagged.any()


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("前#中间#后", "中间"),
        ("#一##二#三", "一二"),
        ("#一# 二 #三", "一"),
        ("第#一名", ""),
        (f"#{'长' * 41}#尾", ""),
        (f"#{'长' * 40}#尾", "长" * 40),
        ("##", ""),
    ],
)
def test_tags_are_marked(text: str, inside: str) -> None:
    codes, tagged = letters(["#别的", text])

    assert "".join(map(chr, codes[tagged])) == inside
    assert np.count_nonzero(codes == BORDER) == 2
