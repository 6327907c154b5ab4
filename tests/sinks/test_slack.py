from collections.abc import Callable

import pytest

from schemas.errors import FatalError, RetryableError
from sinks.base import Notice
from sinks.slack import MAX_BYTES, Slack
from tests.sinks.service import Service

MakeNotice = Callable[..., Notice]


async def test_it_is_a_section_that_slack_does_not_search_for_links(
    make_notice: MakeNotice,
) -> None:
    service = Service("ok")

    await service.channel(Slack, token="T00/B00/XXXX").deliver(make_notice())

    [request] = service.requests
    assert str(request.url) == "https://hooks.slack.com/services/T00/B00/XXXX"
    [message] = service.messages
    assert message["text"].startswith("【危机·已确认】海鸥")
    [block] = message["blocks"]
    assert block["type"] == "section"
    assert block["text"]["verbatim"] is True
    assert len(block["text"]["text"]) <= MAX_BYTES
    assert "<https://weibo.example/1|查看原帖 weibo.example>" in block["text"]["text"]


@pytest.mark.parametrize(
    ("person", "written"), [("U024", "<@U024>"), ("all", "<!channel>"), ("here", "<!here>")]
)
async def test_people_are_called_by_their_ids(
    make_notice: MakeNotice, person: str, written: str
) -> None:
    service = Service("ok")
    await service.channel(Slack, token="T00/B00/XXXX", mention=[person]).deliver(make_notice())
    assert service.messages[0]["blocks"][0]["text"]["text"].endswith(f"\n{written}")


@pytest.mark.parametrize(
    ("status", "text"),
    [(403, "action_prohibited"), (404, "channel_not_found"), (410, "channel_is_archived")],
)
async def test_its_errors_are_plain_text(make_notice: MakeNotice, status: int, text: str) -> None:
    service = Service("ok")
    service.answers(text, status)
    with pytest.raises(FatalError, match=text):
        await service.channel(Slack, token="T00/B00/XXXX").deliver(make_notice())


async def test_the_wait_it_asks_for_is_kept(make_notice: MakeNotice) -> None:
    service = Service("ok")
    service.answers("rate_limited", 429, {"retry-after": "30"})
    with pytest.raises(RetryableError) as caught:
        await service.channel(Slack, token="T00/B00/XXXX").deliver(make_notice())
    assert caught.value.retry_after_seconds == 30
