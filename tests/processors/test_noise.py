import pytest

from processors.noise import without_noise


@pytest.mark.parametrize(
    ("folded", "plain"),
    [
        ("", ""),
        ("看https://t.cn/a6xy?x=1#y很好", "看 很好"),
        ("看www.example.org/a，好", "看 ，好"),
        ("@张三 你好", "  你好"),
        ("回复@张三·李-四:你好", " 你好"),
        ("好[doge][允悲]", "好  "),
        ("[一个比八个字还要长的括号]", "[一个比八个字还要长的括号]"),
        ("a[ b ]", "a[ b ]"),
        ("@", "@"),
    ],
)
def test_what_is_no_word_of_the_writer_becomes_a_space(folded: str, plain: str) -> None:
    assert without_noise(folded) == plain
