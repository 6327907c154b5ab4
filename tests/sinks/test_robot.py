"""What holds for every robot of a chat; what is one's own stands in its own file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.incident import Incident
from schemas.language import use_language
from sinks.base import Notice
from sinks.dingtalk import DingTalk
from sinks.feishu import Feishu
from sinks.slack import Slack
from sinks.wecom import WeCom
from tests.sinks.service import ACTIVE, NASTY, Service

MakeNotice = Callable[..., Notice]
MakeIncident = Callable[..., Incident]

TOKEN = "t0ken/T0KEN-secret"
SECRET = "SECtest"


@dataclass(frozen=True)
class Kind:
    """One service and how it answers."""

    channel: Any
    ok: Any
    code: Callable[[Any], Any]
    """A body that holds a code."""
    later: Any
    """None: it says so by a status."""
    broken: Any
    refused: Any
    limits: tuple[tuple[int, float], ...]
    most_bytes: int
    has_secret: bool = False

    def service(self) -> Service:
        return Service(self.ok)

    def options(self) -> dict[str, Any]:
        return {"token": TOKEN} | ({"secret": SECRET} if self.has_secret else {})


def errcode(code: Any) -> Any:
    return {"errcode": code, "errmsg": f"no: {TOKEN}\n\x1b[2J"}


KINDS = {
    "dingtalk": Kind(
        DingTalk,
        {"errcode": 0, "errmsg": "ok"},
        errcode,
        130101,
        310000,
        430102,
        ((20, 60),),
        20_000,
        True,
    ),
    "wecom": Kind(
        WeCom,
        {"errcode": 0, "errmsg": "ok"},
        errcode,
        45009,
        93000,
        40058,
        ((20, 60),),
        5_000,
    ),
    "feishu": Kind(
        Feishu,
        {"code": 0, "msg": "success", "data": {}},
        lambda code: {"code": code, "msg": f"no: {TOKEN}\n\x1b[2J"},
        11232,
        19021,
        9499,
        ((5, 1), (100, 60)),
        20_000,
        True,
    ),
    "slack": Kind(Slack, "ok", str, None, "no_service", "invalid_payload", ((1, 1),), 5_000),
}


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    use_language("zh")
    yield
    use_language(None)


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def text_of(request: httpx.Request) -> str:
    return request.content.decode()


async def test_a_notice_is_one_post_with_title_size_first_post_and_key(
    kind: Kind, make_notice: MakeNotice
) -> None:
    service = kind.service()

    await service.channel(kind.channel, **kind.options()).deliver(make_notice())

    [request] = service.requests
    text = text_of(request)
    assert request.method == "POST"
    assert request.headers["content-type"].startswith("application/json")
    for part in (
        "【危机·已确认】海鸥：鼓包、着火",
        "2024-03-05 12:00 起",
        "88 条提及 = 52 个独立声音 + 36 条转抄或重复；声音中 85% 负面",
        "平时这个时段中位数 2 个独立声音",
        "海鸥手机充电时鼓包，差点着火",
        "https://weibo.example/1",
        "客服不理人",
        "tingchao incidents show seagull-20240305T0400-1",
        "seagull-20240305T0400-1.confirmed",
    ):
        assert part in text


@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name].later is not None])
async def test_a_code_for_busy_is_tried_again_though_the_status_is_200(
    make_notice: MakeNotice, name: str
) -> None:
    kind = KINDS[name]
    service = kind.service()
    channel = service.channel(kind.channel, **kind.options())
    service.answers(kind.code(kind.later))

    with pytest.raises(RetryableError, match=str(kind.later)) as caught:
        await channel.deliver(make_notice())

    assert caught.value.retry_after_seconds and caught.value.retry_after_seconds >= 60
    await channel.deliver(make_notice())


@pytest.mark.parametrize("status", [200, 400, 403])
async def test_a_refused_robot_waits_for_a_person_and_a_refused_notice_does_not(
    kind: Kind, make_notice: MakeNotice, status: int
) -> None:
    service = kind.service()
    channel = service.channel(kind.channel, **kind.options())

    service.answers(kind.code(kind.broken), status)
    with pytest.raises(FatalError, match=str(kind.broken)):
        await channel.deliver(make_notice())
    service.time.go(60)
    service.answers(kind.code(kind.refused), status)
    with pytest.raises(RejectedError, match=str(kind.refused)):
        await channel.deliver(make_notice())


async def test_an_unknown_code_is_tried_once_more_and_then_refused(
    kind: Kind, make_notice: MakeNotice
) -> None:
    service = kind.service()
    channel = service.channel(kind.channel, **kind.options())
    for _ in range(3):
        service.answers(kind.code(77777))

    with pytest.raises(RetryableError, match="77777"):
        await channel.deliver(make_notice())
    service.time.go(60)
    with pytest.raises(RejectedError, match="77777"):
        await channel.deliver(make_notice())
    service.time.go(60)
    with pytest.raises(RetryableError):  # another notice has its own second try
        await channel.deliver(make_notice(key="other"))


@pytest.mark.parametrize(
    "strange", ["", "<html>登录</html>", [], {}, {"errcode": None}, {"errcode": [0]}, "null"]
)
@pytest.mark.parametrize("more", [{}, {"errcode": False, "code": False}])
async def test_a_200_without_a_code_is_no_success(
    kind: Kind, make_notice: MakeNotice, strange: Any, more: dict[str, Any]
) -> None:
    service = kind.service()
    service.answers({**strange, **more} if isinstance(strange, dict) else strange)

    with pytest.raises(RetryableError):
        await service.channel(kind.channel, **kind.options()).deliver(make_notice())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, RetryableError),
        (401, FatalError),
        (404, FatalError),
        (413, RejectedError),
        (429, RetryableError),
        (500, RetryableError),
        (503, RetryableError),
    ],
)
async def test_a_status_says_how_to_go_on(
    kind: Kind, make_notice: MakeNotice, status: int, error: type[Exception]
) -> None:
    service = kind.service()
    service.answers("<html>", status, {"retry-after": "9"})

    with pytest.raises(error, match=str(status)) as caught:
        await service.channel(kind.channel, **kind.options()).deliver(make_notice())

    if status in (429, 503):
        assert isinstance(caught.value, RetryableError)
        assert caught.value.retry_after_seconds == 9


async def test_no_answer_is_tried_again(kind: Kind, make_notice: MakeNotice) -> None:
    service = kind.service()
    service.fault = httpx.ConnectError("refused")

    with pytest.raises(RetryableError, match="refused"):
        await service.channel(kind.channel, **kind.options()).deliver(make_notice())


async def test_the_limit_of_the_robot_is_kept(kind: Kind, make_notice: MakeNotice) -> None:
    service = kind.service()
    channel = service.channel(kind.channel, **kind.options())
    calls, seconds = kind.limits[0]
    for _ in range(calls):
        await channel.deliver(make_notice())

    with pytest.raises(RetryableError) as caught:
        await channel.deliver(make_notice())

    assert caught.value.retry_after_seconds == seconds
    assert len(service.requests) == calls
    service.time.go(seconds)
    await channel.deliver(make_notice())
    assert len(service.requests) == calls + 1


async def test_a_stranger_can_neither_link_nor_call_nor_paint(
    kind: Kind, make_notice: MakeNotice, make_incident: MakeIncident
) -> None:
    # Given markup wherever a stranger's words stand
    service, incident = kind.service(), make_incident()
    quote = incident.first_post.model_copy(
        update={"excerpt": NASTY, "author_name": NASTY, "url": "javascript:alert(1)"}
    )
    step = incident.timeline[0].model_copy(update={"note": NASTY, "by": NASTY})
    changed = incident.model_copy(
        update={
            "first_post": quote,
            "quotes": (quote,),
            "timeline": (step,),
            "statement": NASTY,
            "owner": NASTY,
        }
    )
    names = {"weibo": NASTY}

    # When it is told
    channel = service.channel(kind.channel, **kind.options())
    await channel.deliver(make_notice(incident=changed, platform_names=names, brand_name=NASTY))

    # Then nothing of it means anything to the chat
    text = str(service.messages[0])
    assert "点我领奖" in text
    assert [one for one in ACTIVE if one in text] == []
    assert "evil.example" not in text


@pytest.mark.parametrize(
    "address",
    [
        "https://weibo.example/1)[x](https://evil.example/",
        "https://weibo.example/1|x>",
        'https://weibo.example/1"><b>',
        "https://weibo.example/\u202e1",
    ],
)
async def test_the_address_of_a_post_can_not_end_its_link(
    kind: Kind, make_notice: MakeNotice, make_incident: MakeIncident, address: str
) -> None:
    service, incident = kind.service(), make_incident(quotes=())
    quote = incident.first_post.model_copy(update={"url": address})

    channel = service.channel(kind.channel, **kind.options())
    await channel.deliver(make_notice(incident=incident.model_copy(update={"first_post": quote})))

    text = str(service.messages[0])
    assert text.count("](") + text.count("'href'") + text.count("<https") == 1
    assert "[x]" not in text
    assert "<b>" not in text


async def test_a_long_notice_is_cut_to_the_limit_and_keeps_where_to_look(
    kind: Kind, make_notice: MakeNotice, make_incident: MakeIncident
) -> None:
    service, incident = kind.service(), make_incident()
    quote = incident.first_post.model_copy(
        update={
            "excerpt": "鼓" * 5_000,
            "author_name": "林" * 5_000,
            "url": "https://a.b/" + "x" * 900,
        }
    )
    long = incident.model_copy(
        update={
            "first_post": quote,
            "quotes": (quote,) * 30,
            "owner": "王" * 9_000,
            "totals": incident.totals.model_copy(
                update={"platforms": {f"p{n}": n for n in range(3_000)}}
            ),
        }
    )

    channel = service.channel(kind.channel, **kind.options())
    await channel.deliver(make_notice(incident=long, brand_name="海" * 2_000))

    [request] = service.requests
    assert len(request.content) <= kind.most_bytes
    text = text_of(request)
    assert "…" in text
    assert "tingchao incidents show seagull-20240305T0400-1" in text
    assert "�" not in text


async def test_a_repeat_is_the_same_message(kind: Kind, make_notice: MakeNotice) -> None:
    service = kind.service()
    channel = service.channel(kind.channel, **kind.options())
    await channel.deliver(make_notice())
    service.time.go(0 if kind.has_secret else 60)
    service.time.seconds += 60
    await channel.deliver(make_notice())

    first, second = service.messages
    assert first == second


@pytest.mark.parametrize(
    ("changes", "called"),
    [
        ({}, True),
        ({"reason": "closed"}, False),
        ({"trial": True}, False),
    ],
)
async def test_people_are_called_by_name_when_it_is_bad(
    kind: Kind, make_notice: MakeNotice, changes: dict[str, Any], called: bool
) -> None:
    service = kind.service()
    channel = service.channel(kind.channel, mention=["U0WANG"], **kind.options())

    await channel.deliver(make_notice(**changes))

    assert ("U0WANG" in str(service.messages[0])) is called


async def test_below_the_severity_nobody_is_called(
    kind: Kind, make_notice: MakeNotice, make_incident: MakeIncident
) -> None:
    service = kind.service()
    options = {"mention": ["U0WANG"], "mention_from_severity": 5, **kind.options()}

    await service.channel(kind.channel, **options).deliver(make_notice())

    assert "U0WANG" not in str(service.messages[0])


async def test_a_stand_in_says_for_whom_it_speaks(kind: Kind, make_notice: MakeNotice) -> None:
    service = kind.service()

    await service.channel(kind.channel, **kind.options()).deliver(make_notice(instead_of="mail"))

    assert "通道 mail 送不到，由本通道代为告知" in str(service.messages[0])


class TestSecrets:
    async def test_no_error_shows_one(self, kind: Kind, make_notice: MakeNotice) -> None:
        # Given a service that repeats the token, with signs that repaint a terminal
        service = kind.service()
        channel = service.channel(kind.channel, **kind.options())
        service.answers(f"bad token {TOKEN} \x1b[2J", 500)

        with pytest.raises(RetryableError) as caught:
            await channel.deliver(make_notice())

        shown = str(caught.value) + repr(caught.value)
        assert "duty" in shown
        assert TOKEN not in shown and SECRET not in shown and "\x1b" not in shown

    async def test_no_failure_below_shows_one(self, kind: Kind, make_notice: MakeNotice) -> None:
        service = kind.service()
        service.fault = httpx.ConnectError(f"no route to /{TOKEN}")
        with pytest.raises(RetryableError) as caught:
            await service.channel(kind.channel, **kind.options()).deliver(make_notice())
        assert TOKEN not in str(caught.value)

    def test_no_repr_shows_one(self, kind: Kind) -> None:
        channel = kind.service().channel(kind.channel, **kind.options())
        config = channel._config
        shown = repr(config) + str(config) + config.model_dump_json() + repr(channel)
        shown += repr(vars(channel)) + repr(vars(channel._poster))
        assert TOKEN not in shown and SECRET not in shown

    @pytest.mark.parametrize("token", ["https://x.example/y?key=1234", "a b", "", "令牌令牌"])
    def test_a_token_that_is_an_address_is_refused_without_being_shown(
        self, kind: Kind, token: str
    ) -> None:
        with pytest.raises(ValidationError) as caught:
            kind.channel.Config.model_validate({**kind.options(), "token": token})
        [problem] = caught.value.errors(include_input=False)
        assert not token or token not in problem["msg"]

    def test_a_token_does_not_travel_in_the_clear(self, kind: Kind) -> None:
        with pytest.raises(ValidationError, match="https"):
            kind.channel.Config.model_validate({**kind.options(), "url": "http://robot.example/x"})
        kind.channel.Config.model_validate({**kind.options(), "url": "http://127.0.0.1:80/x"})
