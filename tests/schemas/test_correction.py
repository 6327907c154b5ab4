"""What a correction may hold, and what is left of a withdrawn one."""

import json
from typing import Any

import pytest

from schemas.correction import Correction
from schemas.errors import RejectedError

GOOD: dict[str, Any] = {
    "id": "0123456789abcdef01234567",
    "field": "sentiment",
    "post_id": "weibo:1",
    "platform": "weibo",
    "text": "这车机真行，开机三分钟",
    "labels": ["negative"],
    "said": {"labels": ["positive"], "model": "linear/1"},
    "by": "王",
    "at": "2026-03-05T04:00:00Z",
    "reason": "反话",
}


def line(**changes: Any) -> bytes:
    tree = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return json.dumps(tree, ensure_ascii=False).encode()


def test_a_correction_is_one_line_and_back() -> None:
    found = Correction.from_line(line())

    assert Correction.from_line(found.to_line()) == found
    assert found.said is not None and found.said.model == "linear/1"


@pytest.mark.parametrize(
    "changes",
    [
        {"field": "intents", "labels": ["complaint", "churn"]},
        {"field": "intents", "labels": []},
        {"field": "aspects", "labels": ["price:negative", "safety:positive"]},
        {"field": "departments", "labels": ["经销商-上海"]},
        {"post_id": None, "platform": None, "said": None, "reason": None},
        {"deleted": True, "text": "", "labels": [], "said": None, "reason": None},
    ],
)
def test_what_it_may_hold(changes: dict[str, Any]) -> None:
    assert Correction.from_line(line(**changes)).by == "王"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": ["angry"]}, "one of negative"),
        ({"labels": []}, "exactly one"),
        ({"labels": ["negative", "neutral"]}, "exactly one"),
        ({"field": "intents", "labels": ["churn", "churn"]}, "twice"),
        ({"field": "intents", "labels": ["a b"]}, "labels"),
        ({"field": "aspects", "labels": ["a:b:c"]}, "labels"),
        ({"field": "mood"}, "field"),
        ({"text": " \n"}, "text"),
        ({"text": "x" * 101_002}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"by": ""}, "by"),
        ({"id": "weibo:1"}, "id"),
        ({"at": "2026-03-05T04:00:00"}, "at"),
        ({"deleted": True}, "withdrawn"),
        ({"deleted": True, "labels": [], "said": None, "reason": None}, "withdrawn"),
    ],
)
def test_what_it_may_not(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RejectedError, match=told):
        Correction.from_line(line(**changes))
