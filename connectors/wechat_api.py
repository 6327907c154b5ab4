"""Calls of WeChat's API: the access token, and what its error numbers mean.

WeChat answers 200 whatever happens; ``errcode`` in the body decides.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from pydantic import SecretStr

from connectors.answer import shown
from connectors.base import Context
from connectors.cells import as_count
from connectors.quota import used_up
from connectors.trouble import SourceError, Trouble
from connectors.web import Web
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["BEIJING", "FunctionError", "NotGranted", "UsedUp", "WechatApi", "list_of", "whole"]

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
"""WeChat's days: quotas and statistics change at its midnight."""

_STALE_TOKEN = (40001, 40014, 42001)
_NOT_GRANTED = (48001, 48004, 50002, 88000)
_WRONG_SETTINGS = (40013, 40125)
_ADDRESS = (40164, 61004)
_OUR_MISTAKE = (41001, 43002, 44002, 47001)
_DAY_USED_UP = 45009
_FORCE_SECONDS = 30.0
_TOTALS = ("total", "total_count")
MOST_WAIT_SECONDS = 60.0
"""A longer wait for the quota is told as trouble instead of sitting it out in silence."""


class FunctionError(SourceError):
    """One function of the API can't be used; the others may be."""


class NotGranted(FunctionError):
    """The account has no right to the function."""


class UsedUp(FunctionError):
    """The day's calls of the function are used up."""


class WechatApi:
    """The API of one account, asked with its stable token.

    Stable, since fetching the other kind ends the one that the company's own systems use.
    """

    def __init__(
        self, web: Web, context: Context, base: str, app_id: str, app_secret: SecretStr
    ) -> None:
        self._web = web
        self._context = context
        self._base = base.rstrip("/")
        self._app_id = app_id
        self._app_secret = app_secret
        self._token = ""
        self._renew_at: datetime | None = None
        self._forced_at: datetime | None = None
        self._used_up: dict[str, datetime] = {}

    async def call(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST and return the answer; a token that is refused is renewed once.

        Raises:
            FunctionError: the account has no right to this function, or its calls of the day are
                used up; until midnight it is not asked again then.
            SourceError: any other trouble.
            FatalError: the app id or secret is wrong.
        """
        now = self._context.now()
        if (until := self._used_up.get(path, now)) > now:
            raise _used_up_today(path, (until - now).total_seconds())
        self._spend()
        if not self._token or self._renew_at is None or self._context.now() >= self._renew_at:
            await self._renew()
        answer = await self._post(path, body)
        if _code(answer) in _STALE_TOKEN:
            refused = self._token
            await self._renew()
            if self._token == refused and self._may_force():
                await self._renew(force=True)
            answer = await self._post(path, body)
        if _code(answer) == _DAY_USED_UP:
            wait = self._until_midnight()
            self._used_up[path] = self._context.now() + timedelta(seconds=wait)
            raise _used_up_today(path, wait)
        self._check(answer)
        return answer

    def _spend(self) -> None:
        wait = self._web.quota.wait_seconds()
        if wait > MOST_WAIT_SECONDS:
            raise SourceError("quota", used_up(wait), retry_after_seconds=wait)

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        params = {"access_token": self._token}
        return _object(
            (await self._web.post(self._base + path, params=params, body=dict(body)))
            .checked()
            .json()
        )

    async def _renew(self, *, force: bool = False) -> None:
        if force:
            self._forced_at = self._context.now()
        body = {
            "grant_type": "client_credential",
            "appid": self._app_id,
            "secret": self._app_secret.get_secret_value(),
            "force_refresh": force,
        }
        answer = await self._web.post(self._base + "/cgi-bin/stable_token", body=body)
        told = _object(answer.checked().json())
        self._check(told)
        token = told.get("access_token")
        if not isinstance(token, str) or not token:
            raise _unexpected(say("没有 access_token", "there is no access_token"))
        self._token = token
        try:
            lifetime = as_count(told.get("expires_in", 0))
        except ValueError:
            lifetime = 0
        # A tenth early: the same token is answered until its last minutes.
        self._renew_at = self._context.now() + timedelta(seconds=0.9 * min(lifetime, 86_400))

    def _may_force(self) -> bool:
        """WeChat allows 20 a day, half a minute apart."""
        last = self._forced_at
        return last is None or (self._context.now() - last).total_seconds() >= _FORCE_SECONDS

    def _check(self, answer: Mapping[str, Any]) -> None:
        code = _code(answer)
        if code == 0:
            return
        told = f"{code} {shown(answer.get('errmsg', ''))}"[:200]
        if code in _WRONG_SETTINGS:
            raise FatalError(
                say(
                    f"微信不接受 app_id 或 app_secret（{told}）；请从公众平台复制正确的值。",
                    f"WeChat refuses the app_id or app_secret ({told}); copy them anew.",
                )
            )
        if code in _NOT_GRANTED:
            raise NotGranted(
                "forbidden",
                say(
                    f"公众号没有这个接口的权限（{told}）；请申请权限，或在设置中关闭该功能。",
                    f"the account is not granted this function ({told}); apply for it or switch "
                    "it off in the settings.",
                ),
            )
        trouble, what, wait = self._meaning(code)
        raise SourceError(
            trouble,
            say(f"微信接口出错（{told}）：{what[0]}", f"WeChat's API ({told}): {what[1]}"),
            retry_after_seconds=wait,
        )

    def _meaning(self, code: int) -> tuple[Trouble, tuple[str, str], float | None]:
        if code in _STALE_TOKEN:
            return (
                "login",
                (
                    "令牌刚取得就失效；是否有别的程序在强制刷新？",
                    "a fresh token is refused; does another program force new ones?",
                ),
                None,
            )
        if code in _ADDRESS:
            return (
                "forbidden",
                (
                    "请把本机出口 IP 加入公众号的 IP 白名单。",
                    "put our address on the account's IP whitelist.",
                ),
                None,
            )
        if code == _DAY_USED_UP:  # of the token, without which nothing can be asked
            wait = self._until_midnight()
            self._web.quota.empty(wait)
            return (
                "quota",
                (
                    "今天取令牌的次数已用完，北京时间零点后自动继续；是否有别的程序在频繁取令牌？",
                    "today's calls for a token are used up; it goes on after midnight in Beijing. "
                    "Does another program fetch tokens all the time?",
                ),
                wait,
            )
        if code == 45011:
            self._web.quota.empty(60.0)
            return (
                "quota",
                ("调用太频繁，一分钟后自动继续。", "called too often; it goes on in a minute."),
                60.0,
            )
        if code == -1:
            return "server", ("系统繁忙，会自动重试。", "it is busy; it is tried again."), None
        if code in _OUR_MISTAKE:
            return (
                "format",
                (
                    "请求不符合接口要求，请报告这个问题。",
                    "the request is not what it wants; please report this.",
                ),
                None,
            )
        return (
            "format",
            (
                "没有记载的错误码；会自动重试，若一直如此请升级听潮或报告这句话。",
                "an error number that is not documented; it is tried again. If that lasts, update "
                "Tingchao or report this.",
            ),
            None,
        )

    def _until_midnight(self) -> float:
        now = self._context.now().astimezone(BEIJING)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - now).total_seconds()


def _used_up_today(path: str, wait_seconds: float) -> UsedUp:
    return UsedUp(
        "quota",
        say(
            f"微信接口 {path} 今天的调用次数已用完（45009），北京时间零点后自动继续；"
            "常出现请调大 every_seconds，或在公众平台申请更多次数。",
            f"today's calls of WeChat's {path} are used up (45009); it goes on by itself after "
            "midnight in Beijing. If that comes often, raise every_seconds, or ask WeChat for more "
            "calls.",
        ),
        retry_after_seconds=wait_seconds,
    )


def list_of(answer: Mapping[str, Any], name: str) -> list[Any]:
    """A list of an answer; none is an empty one, where the answer counts nothing either.

    Raises:
        SourceError: it is something else.
    """
    found = answer.get(name)
    if found is None and answer and not any(whole(answer, total) for total in _TOTALS):
        return []
    if not isinstance(found, list):
        raise _unexpected(f"{name}: {type(found).__name__}")
    return found


def whole(answer: Mapping[str, Any], name: str) -> int:
    """A whole number of an answer; none is 0.

    Raises:
        SourceError: it is something else.
    """
    try:
        return max(0, as_count(answer.get(name) or 0))
    except ValueError as error:
        raise _unexpected(f"{name}: {shown(answer.get(name))}") from error


def _code(answer: Mapping[str, Any]) -> int:
    try:
        return as_count(answer.get("errcode", 0))
    except ValueError as error:
        raise _unexpected(f"errcode {shown(answer.get('errcode'))}") from error


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise _unexpected(say("不是 JSON 对象", "no JSON object"))
    return answer


def _unexpected(what: str) -> SourceError:
    return SourceError(
        "format",
        say(
            f"微信接口的回答与文档不符：{what[:100]}；接口可能变了，请升级听潮或报告这句话。",
            f"WeChat's API answered other than documented: {what[:100]}; it may have changed: "
            "update Tingchao or report this.",
        ),
    )
