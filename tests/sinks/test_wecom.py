from collections.abc import Callable

from schemas.incident import Incident
from sinks.base import Notice
from sinks.wecom import MAX_BYTES, WeCom
from tests.sinks.service import Service

MakeNotice = Callable[..., Notice]
MakeIncident = Callable[..., Incident]
OK = {"errcode": 0, "errmsg": "ok"}


async def test_it_is_markdown_to_the_robot_of_the_key(make_notice: MakeNotice) -> None:
    service = Service(OK)

    await service.channel(WeCom, token="693a91f6-7xxx").deliver(make_notice())

    [request] = service.requests
    assert str(request.url) == (
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx"
    )
    [message] = service.messages
    assert message["msgtype"] == "markdown"
    lines = message["markdown"]["content"].splitlines()
    assert lines[0].startswith("**【危机·已确认】海鸥")
    assert "[查看原帖 weibo.example](https://weibo.example/1)" in lines


async def test_users_are_called_in_the_text(make_notice: MakeNotice) -> None:
    service = Service(OK)

    await service.channel(WeCom, token="693a91f6", mention=["wang", "li"]).deliver(make_notice())

    assert service.messages[0]["markdown"]["content"].endswith("\n<@wang> <@li>")


async def test_bytes_are_counted_not_characters(
    make_notice: MakeNotice, make_incident: MakeIncident
) -> None:
    # Given more lines than 4,096 bytes of Chinese hold
    service, incident = Service(OK), make_incident()
    note = incident.timeline[0].model_copy(update={"note": "扩" * 100, "by": "王" * 200})
    long = incident.model_copy(update={"timeline": (note,) * 4, "statement": "声" * 90})

    await service.channel(WeCom, token="693a91f6", mention=["wang"]).deliver(
        make_notice(incident=long)
    )

    text = service.messages[0]["markdown"]["content"]
    assert MAX_BYTES - 1_000 < len(text.encode()) <= MAX_BYTES
    assert text.splitlines()[-4:] == [
        "…",
        "详情：tingchao incidents show seagull-20240305T0400-1",
        "通知编号：seagull-20240305T0400-1.confirmed",
        "<@wang>",
    ]
