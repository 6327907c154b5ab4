from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from schemas.errors import RetryableError
from sinks.base import Notice
from sinks.feishu import Feishu, sign
from tests.sinks.service import Service

MakeNotice = Callable[..., Notice]
OK = {"code": 0, "msg": "success", "data": {}}


def test_the_signature_equals_the_vector() -> None:
    assert sign("SECtest", datetime.fromtimestamp(1_700_000_000, UTC)) == {
        "timestamp": "1700000000",
        "sign": "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk=",
    }


async def test_it_is_a_post_whose_texts_are_no_markup(make_notice: MakeNotice) -> None:
    service = Service(OK)

    await service.channel(Feishu, token="t0ken", secret="SECtest").deliver(make_notice())

    [request] = service.requests
    assert str(request.url) == "https://open.feishu.cn/open-apis/bot/v2/hook/t0ken"
    [message] = service.messages
    assert message["timestamp"] == "1700000000"
    assert message["sign"] == "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk="
    assert message["msg_type"] == "post"
    post = message["content"]["post"]["zh_cn"]
    assert post["title"].startswith("【危机·已确认】海鸥")
    rows = post["content"]
    assert [{"tag": "text", "text": "首帖：", "style": ["bold"]}] in rows
    link = {"tag": "a", "text": "查看原帖 weibo.example", "href": "https://weibo.example/1"}
    assert [link] in rows


async def test_without_a_secret_nothing_is_signed(make_notice: MakeNotice) -> None:
    service = Service(OK)
    await service.channel(Feishu, token="t0ken").deliver(make_notice())
    assert "sign" not in service.messages[0]


async def test_people_and_the_word_asked_for_stand_at_the_end(make_notice: MakeNotice) -> None:
    service = Service(OK)
    options = {"token": "t0ken", "keyword": "听潮警报", "mention": ["ou_1", "all"]}

    await service.channel(Feishu, **options).deliver(make_notice())

    rows = service.messages[0]["content"]["post"]["zh_cn"]["content"]
    assert rows[-2:] == [
        [{"tag": "text", "text": "听潮警报"}],
        [{"tag": "at", "user_id": "ou_1"}, {"tag": "at", "user_id": "all"}],
    ]


async def test_the_older_form_of_a_success_counts(make_notice: MakeNotice) -> None:
    service = Service({"StatusCode": 0, "StatusMessage": "success"})
    await service.channel(Feishu, token="t0ken").deliver(make_notice())


async def test_the_window_of_a_minute_holds_too(make_notice: MakeNotice) -> None:
    service = Service(OK)
    channel = service.channel(Feishu, token="t0ken")
    for number in range(100):
        service.time.go(0.25)
        await channel.deliver(make_notice(key=str(number)))

    service.time.go(0.25)
    with pytest.raises(RetryableError) as caught:
        await channel.deliver(make_notice())

    assert caught.value.retry_after_seconds == pytest.approx(35)
