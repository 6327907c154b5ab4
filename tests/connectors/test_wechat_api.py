from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connectors.base import Context
from connectors.quota import Limit, Quota
from connectors.trouble import SourceError
from connectors.web import Web
from connectors.wechat_api import NotGranted, UsedUp, WechatApi, list_of, whole
from schemas.errors import FatalError
from tests.connectors.wechat_server import APP_ID, Account, answer

LIST = "/cgi-bin/comment/list"
STABLE = "/cgi-bin/stable_token"
PAGE = {"msg_data_id": 1, "index": 0, "begin": 0, "count": 49, "type": 0}


@pytest.fixture
def account(clock: Any) -> Account:
    return Account(clock.now)


@pytest.fixture
def connect(context: Context, account: Account) -> Callable[..., WechatApi]:
    def connect(handle: Any = None, secret: str = account.secret, app: str = APP_ID) -> WechatApi:
        transport = httpx.MockTransport(handle or account.handle)
        given = replace(context, client=httpx.AsyncClient(transport=transport))
        quota = Quota([Limit(100, 60)], context.now, context.sleep)
        web = Web(given, quota=quota)
        return WechatApi(web, given, "https://api.weixin.qq.com/", app, SecretStr(secret))

    return connect


async def test_one_token_serves_until_it_ends(
    connect: Callable[..., WechatApi], account: Account, clock: Any
) -> None:
    api = connect()
    for _ in range(3):
        await api.call(LIST, PAGE)
    assert account.asked(STABLE) == [
        {
            "grant_type": "client_credential",
            "appid": APP_ID,
            "secret": account.secret,
            "force_refresh": False,
        }
    ]

    clock.at += timedelta(hours=2)
    await api.call(LIST, PAGE)

    assert len(account.asked(STABLE)) == 2


async def test_short_lives_are_kept_up_with(
    connect: Callable[..., WechatApi], account: Account, clock: Any
) -> None:
    account.lifetime_seconds = 10
    api = connect()

    for _ in range(60):
        assert (await api.call(LIST, PAGE))["total"] == 0
        clock.at += timedelta(seconds=1)

    assert 6 <= len(account.asked(STABLE)) <= 12


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_refused_token_is_renewed_once(
    connect: Callable[..., WechatApi], account: Account, code: int
) -> None:
    api = connect()
    await api.call(LIST, PAGE)
    account.failing[LIST] = [code]

    assert (await api.call(LIST, PAGE))["total"] == 0

    # The same token came again, so a new one was forced
    assert [one["force_refresh"] for one in account.asked(STABLE)] == [False, False, True]


async def test_a_token_that_ended_elsewhere_is_renewed_without_force(
    connect: Callable[..., WechatApi], account: Account
) -> None:
    api = connect()
    await api.call(LIST, PAGE)
    account.expire()

    await api.call(LIST, PAGE)

    assert [one["force_refresh"] for one in account.asked(STABLE)] == [False, False]


async def test_force_is_used_sparingly(
    connect: Callable[..., WechatApi], account: Account, clock: Any
) -> None:
    # Given an API that refuses every token
    api = connect()
    account.refused_for_ever[LIST] = 42001

    # When it is asked every ten seconds
    for _ in range(6):
        with pytest.raises(SourceError, match="42001") as caught:
            await api.call(LIST, PAGE)
        assert caught.value.trouble == "login"
        clock.at += timedelta(seconds=10)

    # Then new tokens are forced half a minute apart, as WeChat wants it
    assert sum(one["force_refresh"] for one in account.asked(STABLE)) == 2
    assert len(account.asked(LIST)) == 12


@pytest.mark.parametrize(
    ("code", "trouble", "says"),
    [
        (-1, "server", "系统繁忙"),
        (40164, "forbidden", "白名单"),
        (61004, "forbidden", "白名单"),
        (45009, "quota", "今天"),
        (45011, "quota", "一分钟"),
        (41001, "format", "报告"),
        (43002, "format", "报告"),
        (44002, "format", "报告"),
        (47001, "format", "报告"),
        (88010, "format", "没有记载"),
        (48001, "forbidden", "权限"),
        (48004, "forbidden", "权限"),
        (50002, "forbidden", "权限"),
        (88000, "forbidden", "权限"),
    ],
)
async def test_error_numbers_say_what_to_do(
    connect: Callable[..., WechatApi], account: Account, code: int, trouble: str, says: str
) -> None:
    account.failing[LIST] = [code]

    with pytest.raises(SourceError, match=says) as caught:
        await connect().call(LIST, PAGE)

    assert caught.value.trouble == trouble
    assert str(code) in str(caught.value)
    granted = code not in (48001, 48004, 50002, 88000)
    assert isinstance(caught.value, NotGranted) is not granted


async def test_a_used_up_quota_ends_at_midnight_in_beijing(
    connect: Callable[..., WechatApi], account: Account, clock: Any
) -> None:
    # Given noon in Beijing
    api = connect()
    account.failing[LIST] = [45009, 45011]
    with pytest.raises(SourceError) as caught:
        await api.call(LIST, PAGE)
    assert caught.value.retry_after_seconds == 12 * 3_600

    # When it is asked again an hour later, then nobody asks or sleeps; till midnight
    clock.at += timedelta(hours=1)
    with pytest.raises(UsedUp) as caught:
        await api.call(LIST, PAGE)
    assert caught.value.retry_after_seconds == 11 * 3_600
    assert (len(account.asked(LIST)), clock.slept) == (1, [])
    clock.at += timedelta(hours=11)
    with pytest.raises(SourceError) as caught:
        await api.call(LIST, PAGE)
    assert caught.value.retry_after_seconds == 60


@pytest.mark.parametrize(("app", "secret"), [("wx-of-another", None), (APP_ID, "wrong")])
async def test_wrong_settings_end_it(
    connect: Callable[..., WechatApi], account: Account, app: str, secret: str | None
) -> None:
    with pytest.raises(FatalError, match="app_secret") as caught:
        await connect(app=app, secret=secret or account.secret).call(LIST, PAGE)

    assert (secret or account.secret) not in str(caught.value)


@pytest.mark.parametrize(
    "told",
    [
        b"<html>gateway</html>",
        [],
        {"errcode": "busy"},
        {"access_token": 1},
        {"access_token": ""},
    ],
)
async def test_other_answers_than_documented_are_a_format_trouble(
    connect: Callable[..., WechatApi], told: Any
) -> None:
    with pytest.raises(SourceError) as caught:
        await connect(lambda request: answer(told)).call(LIST, PAGE)
    assert caught.value.trouble == "format"


async def test_numbers_may_come_as_strings(connect: Callable[..., WechatApi]) -> None:
    told = {"errcode": "0", "access_token": "t", "expires_in": "7200", "total": "3"}

    got = await connect(lambda request: answer(told)).call(LIST, PAGE)

    assert whole(got, "total") == 3
    assert whole(got, "missing") == 0
    assert list_of({"errcode": 0}, "missing") == []
    assert list_of(got | {"total": "0"}, "missing") == []
    for bad in ("errmsg", "total", "missing"):  # three, and none of them there
        with pytest.raises(SourceError):
            list_of(got | {"errmsg": "ok"}, bad)
    with pytest.raises(SourceError):
        whole({"total": "many"}, "total")


async def test_the_other_kind_of_token_of_the_stand_in_is_separate(account: Account) -> None:
    client = httpx.AsyncClient(transport=httpx.MockTransport(account.handle))
    query = {"grant_type": "client_credential", "appid": APP_ID, "secret": account.secret}
    token = "https://api.weixin.qq.com/cgi-bin/token"

    first, second = [(await client.get(token, params=query)).json() for _ in range(2)]

    assert first["access_token"] != second["access_token"]
    assert first["expires_in"] == 7_200
    refused = await client.get(token, params=query | {"secret": "wrong"})
    assert refused.json()["errcode"] == 40125
