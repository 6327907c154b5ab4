import pytest

from sinks.notice_markup import cut, fit, harmless, link_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("刹车踩不住，客服还推脱 100%", "刹车踩不住，客服还推脱 100%"),
        ("[领奖](https://evil.example/x)", "［领奖］(https：//evil．example/x)"),
        ("<@all> @所有人", "＜＠all＞ ＠所有人"),
        ("**a** _b_ ~c~ `d`", "＊＊a＊＊ ＿b＿ ～c～ ｀d｀"),
        ("www.evil.example", "www．evil．example"),
        ("&lt;font&gt; a\\*b|c", "＆lt;font＆gt; a＼＊b｜c"),
        ("3.5 折，v2.0，1.2.3.4", "3.5 折，v2.0，1.2.3.4"),
    ],
)
def test_what_could_be_markup_becomes_its_twin(text: str, shown: str) -> None:
    assert harmless(text) == shown
    assert harmless(shown) == shown


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://weibo.example/1?a=b#c", ("weibo.example", "https://weibo.example/1?a=b#c")),
        (
            "https://Weibo.example:8443/帖",
            ("weibo.example", "https://Weibo.example:8443/%E5%B8%96"),
        ),
        (
            "https://a.example/x)[y](z|<w> '\"",
            ("a.example", "https://a.example/x%29%5By%5D%28z%7C%3Cw%3E%20%27%22"),
        ),
        ("weibo:1", None),
        ("javascript:alert(1)", None),
        ("ftp://a.example/", None),
        ("https://bank.example@evil.example/", None),
        ("https:///x", None),
        ("https://[::1/", None),
        ("https://汽车.example/", None),
        ("https://a.example/" + "x" * 500, None),
        ("", None),
    ],
)
def test_only_a_plain_address_becomes_a_link(text: str, found: tuple[str, str] | None) -> None:
    assert link_of(text) == found


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("潮水", 6, "潮水"),
        ("潮水", 5, "…"),
        ("潮水上涨", 11, "潮水…"),
        ("潮水上涨", 10, "潮水…"),
        ("ab潮😀c", 9, "ab潮…"),
    ],
)
def test_a_cut_falls_between_characters(text: str, most: int, shown: str) -> None:
    assert cut(text, most) == shown
    assert len(cut(text, most).encode()) <= most


def test_lines_that_do_not_fit_are_left_out_whole_and_the_last_ones_stay() -> None:
    lines = ["标题", "第一行", "第二行", "第三行"]

    assert fit(lines, ["去处"], "\n", 100) == "标题\n第一行\n第二行\n第三行\n去处"
    assert fit(lines, ["去处"], "\n", 38) == "标题\n第一行\n第二行\n…\n去处"
    assert fit(lines, ["去处"], "\n", 20) == "标题\n…\n去处"
