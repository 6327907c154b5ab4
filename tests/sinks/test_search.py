import pytest

from sinks.search import _spans


@pytest.mark.parametrize(
    ("marked", "original", "expected"),
    [
        ("[电][池]鼓包", "电池鼓包", [(0, 2)]),  # neighbours are one
        ("😡 [鼓][包]！又[鼓][包]", "😡 鼓包！又鼓包", [(2, 4), (6, 8)]),
        ("前[中]后", "前中后", [(1, 2)]),
        ("[全]", "全", [(0, 1)]),
        ("没有", "没有", []),
        ("[别]的", "不同", []),  # not this text: no mark is better than a wrong one
    ],
)
def test_marks_become_places(marked: str, original: str, expected: list[tuple[int, int]]) -> None:
    signs = marked.replace("[", "\ue000").replace("]", "\ue001")
    spans = list(_spans("text", signs, original))
    assert [(span.start, span.end) for span in spans] == expected
    assert all(span.field == "text" for span in spans)


def test_a_text_with_our_own_signs_gets_no_marks() -> None:
    assert list(_spans("text", "\ue000鼓\ue001\ue000包", "鼓\ue000包")) == []
