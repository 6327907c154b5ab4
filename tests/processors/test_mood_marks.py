import pytest

from processors.mood_marks import marks, mood_offsets, opinions
from processors.prepare import prepare


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("喜欢", [("喜欢", 1)]),
        ("我不喜欢", [("喜欢", -1)]),
        ("一点都不失望", [("失望", 1)]),
        ("没有不喜欢的理由", [("喜欢", 1)]),
        ("不得不佩服", [("佩服", 1)]),
        ("不是不好", [("好", 1)]),
        ("質量不夠穩定", [("稳定", -1)]),
        ("从来没有这么满意过", [("满意", 1)]),
        # no denial: part of another word, another clause, too far away
        ("不错", [("不错", 1)]),
        ("特别喜欢", [("喜欢", 1)]),
        ("不说了，喜欢", [("喜欢", 1)]),
        ("不管你们怎么想反正我喜欢", [("喜欢", 1)]),
        # no opinion
        ("差不多三点", []),
        ("最好早点来", []),
    ],
)
def test_polarity_words_and_what_denies_them(text: str, meant: list[tuple[str, int]]) -> None:
    own = prepare(text).own
    assert [(own[one.start : one.end], one.meant) for one in opinions(own)] == meant


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("质量可真好啊，洗一次就破了", [("可真", "scorn")]),
        ("666，退款退了一个月", [("666", "scorn")]),
        ("666，太帅了", []),
        ("等到了[爱你]", [("[爱你]", "good sign")]),
        ("就这👎", [("👎", "bad sign")]),
        ("外观漂亮，但是垃圾", [("垃圾", "behind but bad")]),
        ("虽然贵，但好用", [("好用", "behind but good")]),
        ("漂亮，但推荐", []),
        ("刚收到//@路人甲:不喜欢", []),
        ("", []),
    ],
)
def test_marks_name_what_they_saw_and_where(text: str, found: list[tuple[str, str]]) -> None:
    assert [(text[one.start : one.end], one.kind) for one in marks(text)] == found


def test_offsets_lean_the_way_the_mark_does_and_less_in_a_long_text() -> None:
    short, long = mood_offsets("不喜欢"), mood_offsets("不喜欢" + "，今天去了公园又去了超市" * 10)
    assert short is not None
    assert long is not None
    assert short[0] > long[0] > 0 > long[2] > short[2]
    assert mood_offsets("今天去了公园") is None


def test_a_repeated_mark_is_no_stronger() -> None:
    assert mood_offsets("来了👍") == mood_offsets("来了👍👍👍")
