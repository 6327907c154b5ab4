from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sinks.base import Notice
from sinks.dingtalk import DingTalk, sign
from tests.sinks.service import NOW, Service

MakeNotice = Callable[..., Notice]
OK = {"errcode": 0, "errmsg": "ok"}


def test_the_signature_equals_the_vector() -> None:
    at = datetime.fromtimestamp(1_700_000_000, UTC)

    assert sign("SECtest", at) == (
        "timestamp=1700000000000&sign=aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D"
    )


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, "access_token=t0ken"),
        ({"secret": "SECtest"}, f"access_token=t0ken&{sign('SECtest', NOW)}"),
    ],
)
async def test_the_address_is_signed_where_the_robot_wants_it(
    make_notice: MakeNotice, options: dict[str, Any], query: str
) -> None:
    service = Service(OK)

    await service.channel(DingTalk, token="t0ken", **options).deliver(make_notice())

    [request] = service.requests
    assert str(request.url) == f"https://oapi.dingtalk.com/robot/send?{query}"


async def test_it_is_markdown_with_lines_of_its_own(make_notice: MakeNotice) -> None:
    service = Service(OK)

    await service.channel(DingTalk, token="t0ken").deliver(make_notice())

    [message] = service.messages
    assert message["msgtype"] == "markdown"
    assert message["markdown"]["title"].startswith("【危机·已确认】海鸥")
    lines = message["markdown"]["text"].split("  \n  ")
    assert lines[0].startswith("### 【危机·已确认】海鸥")
    assert (
        "> “海鸥手机充电时鼓包，差点着火”（小林，12000 粉丝，微博，2024-03-05 12:01，负面）"
        in lines
    )
    assert "[查看原帖 weibo.example](https://weibo.example/1)" in lines
    assert "**首帖：**" in lines
    assert lines[-1] == "通知编号：seagull-20240305T0400-1.confirmed"


async def test_mobiles_ids_and_everybody_are_called_each_in_its_way(
    make_notice: MakeNotice,
) -> None:
    service = Service(OK)
    people = ["13812345678", "+86-13812345678", "manager42", "20260301", "all"]

    await service.channel(DingTalk, token="t0ken", mention=people).deliver(make_notice())

    [message] = service.messages
    assert message["at"] == {
        "atMobiles": ["13812345678", "+86-13812345678"],
        "atUserIds": ["manager42", "20260301"],
        "isAtAll": True,
    }
    assert message["markdown"]["text"].endswith(" ".join(f"@{person}" for person in people))


async def test_the_word_that_the_robot_asks_for_stands_in_every_notice(
    make_notice: MakeNotice,
) -> None:
    service = Service(OK)

    await service.channel(DingTalk, token="t0ken", keyword="听潮警报").deliver(make_notice())

    assert service.messages[0]["markdown"]["text"].endswith("听潮警报")
