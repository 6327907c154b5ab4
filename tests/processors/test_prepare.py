"""What is the writer's own, and where."""

import pytest

from processors.prepare import pieces, prepare


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("刹车很好用", "刹车很好用"),
        ("气死//@阿强:我觉得挺好", "气死"),
        ("我说：//@阿强:挺好的", "我说:"),
        ("同意 RT @someone 太差了", "同意"),
        ("回复@小李:还行吧", "还行吧"),
        ("看这里https://t.cn/A6xYz就知道了", "看这里 就知道了"),
        ("客服说:“这个问题我们无法处理的”，无语", "客服说 ,无语"),
        ("什么“豪华”，笑话", "什么“豪华”,笑话"),
        ("[quote]原来那楼说得很好[/quote]我不信", "我不信"),
        ("> 上一楼的话\n我的话", "我的话"),
        ("氣死，#星河汽車# [怒]", "气死,#星河汽车# [怒]"),
        ("", ""),
    ],
)
def test_own_words_stand_where_they_stood(text: str, own: str) -> None:
    prepared = prepare(text)
    assert " ".join(prepared.own.split()) == own
    assert len(prepared.own) == len(prepared.folded) == len(text)
    assert all(a in (b, " ") for a, b in zip(prepared.own, prepared.folded, strict=True))


def test_pieces_have_kinds_and_exact_places() -> None:
    text = "🚗#试驾#完 [允悲] @星河 http://a.cn //@乙:好#话题#"
    assert [(piece.kind, text[piece.start : piece.end]) for piece in pieces(text)] == [
        ("emoji", "🚗"),
        ("hashtag", "#试驾#"),
        ("emoticon", "[允悲]"),
        ("mention", "@星河"),
        ("link", "http://a.cn"),
        ("tail", "//@乙:好#话题#"),
    ]


def test_long_texts_are_prepared_alike() -> None:
    text = "刹车软，" * 1000 + "//@甲:不软"
    assert prepare(text).own.rstrip().endswith("刹车软,")
    assert len(prepare(text).own) == len(text)
