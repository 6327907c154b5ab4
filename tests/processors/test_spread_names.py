"""Weibo's chain of names in the text of a repost."""

import pytest

from processors.spread_names import MAX_NAMES, chain_of_names


@pytest.mark.parametrize(
    ("kind", "text", "names"),
    [
        ("repost", "同意//@小林:转给大家//@老周:看", ("小林", "老周")),
        ("repost", "转发微博", ()),
        ("repost", "//@小林：全角冒号", ("小林",)),
        ("repost", "// @小林 : 有空格", ("小林",)),
        ("repost", "看 https://a.example//@小林 没有冒号", ()),
        ("repost", "@小林:不是链", ()),
        ("repost", "//@a_b-1:x//@a_b-1:y", ("a_b-1", "a_b-1")),  # reposted their own repost
        ("repost", "回复@老周:好//@小林:看", ("小林",)),  # whom they answer is not whose they took
        ("reply", "回复@小林:同意", ("小林",)),
        ("comment", " 回覆@小林: 同意", ("小林",)),
        ("comment", "我回复@小林:了", ()),
        ("comment", "同意//@小林:转给大家", ()),
        ("post", "//@小林:自己打的", ()),
        ("repost", "//@" + "长" * 41 + ":不是名字", ()),
    ],
)
def test_names_stand_in_order_of_nearness(kind: str, text: str, names: tuple[str, ...]) -> None:
    assert chain_of_names("weibo", kind, text) == names


def test_other_platforms_have_no_chain() -> None:
    assert chain_of_names("lunji", "repost", "//@小林:转") == ()


def test_a_chain_is_bounded() -> None:
    assert len(chain_of_names("weibo", "repost", "//@小林:转" * 5_000)) == MAX_NAMES
