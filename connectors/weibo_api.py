"""Calls to Weibo's Open API: addresses, quotas, the token's life, and what each error code means.

Weibo decides by ``error_code`` in the body, a number or a string of digits; the HTTP status comes
second. Each code has a reach: some concern the whole source, some one endpoint, some one target.
What can't heal soon is not asked again for a while, so that it does not eat the quota.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson

from connectors.answer import shown
from connectors.base import Context
from connectors.feed_text import as_utf8
from connectors.quota import Limit, Quota, used_up
from connectors.trouble import SourceError, Trouble
from connectors.web import Answer, Web
from schemas.language import say

__all__ = ["ApiError", "WeiboApi", "parse_json", "refusal", "seconds_left"]

log = logging.getLogger(__name__)

HELD_SECONDS = 3_600.0
"""How long an endpoint or target that was refused is left alone."""
MOST_WAIT_SECONDS = 60.0
"""A longer wait for the quota is told as trouble instead of sitting it out in silence."""
TOKEN_CHECK_SECONDS = 6 * 3_600.0

Reach = Literal["source", "endpoint", "target"]
Until = Literal["soon", "hour", "held"]


@dataclass(frozen=True, slots=True)
class _Reaction:
    trouble: Trouble
    reach: Reach
    until: Until
    zh: str
    en: str


_RENEW_ZH = "重新授权，换上新的 access_token（tingchao weibo-token），然后重启 ingest"
_RENEW_EN = (
    "authorise again, put the new access_token in place (tingchao weibo-token), restart ingest"
)

_BUSY = _Reaction("server", "source", "soon", "微博系统繁忙", "Weibo's systems are busy")
_LOGIN = _Reaction(
    "login",
    "source",
    "held",
    f"授权已失效，请{_RENEW_ZH}",
    f"the authorisation ended; {_RENEW_EN}",
)
_RIGHTS = _Reaction(
    "forbidden",
    "endpoint",
    "held",
    "应用没有这个接口的权限，请向微博申请，或从 watch 中去掉",
    "the app has no right to this endpoint; apply for it, or take it out of watch",
)
_WRONG = _Reaction(
    "format",
    "target",
    "held",
    "微博不接受这个请求，请检查 watch 的内容",
    "Weibo does not accept the request; check what watch says",
)
_NOTHING = _Reaction(
    "gone",
    "target",
    "held",
    "目标不存在或不可读，请检查 watch 的内容",
    "the target does not exist or can't be read; check what watch says",
)
_OAUTH = _Reaction(
    "login",
    "source",
    "held",
    f"授权设置有误，请检查应用的设置，{_RENEW_ZH}",
    f"the authorisation is set up wrongly; check the app's settings, {_RENEW_EN}",
)

_REACTIONS: dict[int, _Reaction] = {
    **dict.fromkeys((10001, 10002, 10003, 10009, 10010, 10011, 21331), _BUSY),
    10004: _Reaction(
        "forbidden",
        "source",
        "held",
        "微博不允许本机的 IP 访问，请联系微博登记 IP",
        "Weibo refuses the address we call from; have it registered with Weibo",
    ),
    **dict.fromkeys((10005, 10014), _RIGHTS),
    **dict.fromkeys(
        (10006, 10007, 10008, 10012, 10013, 10015, 10016, 10017, 10018, 10020, 10021), _WRONG
    ),
    10022: _Reaction(
        "quota",
        "source",
        "hour",
        "本机 IP 的调用次数已用完，到下个整点自动继续",
        "the calls of our address are used up; it goes on by itself at the full hour",
    ),
    10023: _Reaction(
        "quota",
        "source",
        "hour",
        "账号的调用次数已用完，到下个整点自动继续",
        "the calls of the account are used up; it goes on by itself at the full hour",
    ),
    10024: _Reaction(
        "quota",
        "endpoint",
        "hour",
        "这个接口的调用次数已用完，到下个整点自动继续",
        "the calls of this endpoint are used up; it goes on by itself at the full hour",
    ),
    **dict.fromkeys((21314, 21315, 21316, 21317, 21327, 21332), _LOGIN),
    **dict.fromkeys((21322, 21323, 21324, 21325, 21326, 21328, 21329, 21330), _OAUTH),
}
_REFUSED_ADDRESS = re.compile(r"\bip\b.{0,20}\blimit", re.IGNORECASE)


class ApiError(SourceError):
    """An error that the API told; ``reach`` says how much of the source it concerns."""

    def __init__(
        self, trouble: Trouble, message: str, reach: Reach, *, retry_after_seconds: float | None
    ) -> None:
        super().__init__(trouble, message, retry_after_seconds=retry_after_seconds)
        self.reach = reach


def refusal(payload: Any, now: datetime) -> ApiError | None:
    """The error that an answer tells; None for an answer that is none."""
    if not isinstance(payload, dict):
        return None
    told = payload.get("error_code")
    if not told and not (isinstance(payload.get("error"), str) and payload["error"]):
        return None
    code = _code(told)
    words = shown(payload.get("error") or "")
    reaction = _REACTIONS.get(code)
    if reaction is None and 20_000 <= code < 21_000:
        reaction = _NOTHING
    if reaction is None and _REFUSED_ADDRESS.search(words):
        reaction = _REACTIONS[10004]
    if reaction is None:
        return ApiError(
            "format",
            say(
                f"微博返回未知的错误 {code}：{words!r}。",
                f"Weibo answered with an unknown error {code}: {words!r}.",
            ),
            "target",
            retry_after_seconds=None,
        )
    wait = {"soon": None, "hour": _to_the_hour(now), "held": HELD_SECONDS}[reaction.until]
    return ApiError(
        reaction.trouble,
        say(f"{reaction.zh}（{code} {words}）。", f"{reaction.en} ({code} {words})."),
        reaction.reach,
        retry_after_seconds=wait,
    )


def parse_json(body: bytes) -> Any:
    """JSON, also where half a character or a bare control character is in a text.

    Raises:
        ValueError: it is no JSON at all, or nested beyond reason.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(as_utf8(body).decode("utf-8-sig"), strict=False)
        except (ValueError, RecursionError):
            raise error from None


class WeiboApi:
    """Calls with one token; keeps its quotas and remembers what was refused."""

    def __init__(
        self,
        context: Context,
        *,
        token: str,
        host: str,
        business_host: str,
        calls_per_day: int,
        calls_per_hour: int,
        warn_days: float,
        contact: str,
        allow_private: bool,
    ) -> None:
        limits = [Limit(calls_per_day, 86_400), Limit(calls_per_hour, 3_600)]
        self.quota = Quota([one for one in limits if one.calls], context.now, context.sleep)
        self._web = Web(context, contact=contact, quota=self.quota, allow_private=allow_private)
        self._context = context
        self._token = token
        self._host = host.rstrip("/")
        self._business_host = business_host.rstrip("/")
        self._warn = timedelta(days=warn_days)
        self._held: dict[str, tuple[datetime, ApiError]] = {}
        self._check_at: datetime | None = None
        self.calls = 0
        """How many were made so far."""
        self.warning: str | None = None
        """What a person has to do soon."""

    async def get(
        self,
        path: str,
        params: Mapping[str, str | int],
        *,
        target: str = "",
        business: bool = False,
    ) -> Any:
        """The answer of one endpoint; ``target`` names what is asked for, in errors too.

        Raises:
            SourceError: no answer that can be used; an ``ApiError`` where the API told why.
        """
        now = self._context.now()
        for key in (path, f"{path} {target}"):
            until, error = self._held.get(key, (now, None))
            if error is not None and until > now:
                wait = (until - now).total_seconds()
                raise ApiError(error.trouble, str(error), error.reach, retry_after_seconds=wait)
        host = self._business_host if business else self._host
        self._spend()
        answer = await self._web.get(
            f"{host}/2/{path}.json", params={"access_token": self._token, **params}
        )
        try:
            return self._read(answer)
        except ApiError as error:
            raise self._kept(error, path, target) from error

    async def check_token(self) -> None:
        """Ask now and then how long the token lives, and warn in time.

        Raises:
            SourceError: ``login`` when it has ended, else as ``get``.
        """
        now = self._context.now()
        if self._check_at is not None and now < self._check_at:
            return
        self._spend()
        answer = await self._web.post(
            f"{self._host}/oauth2/get_token_info", form={"access_token": self._token}
        )
        try:
            told = self._read(answer)
        except ApiError as error:
            if error.trouble in ("login", "quota", "server") or error.reach == "source":
                raise self._kept(error, "oauth2/get_token_info", "") from error
            told = {}  # an app without the right to ask may still read
        self._check_at = now + timedelta(seconds=TOKEN_CHECK_SECONDS)
        left = seconds_left(told)
        if left is None:
            return
        if left <= 0:
            self._check_at = None
            raise ApiError(
                "login",
                say(
                    f"微博的 access_token 已过期，请{_RENEW_ZH}。",
                    f"the access_token of Weibo has expired; {_RENEW_EN}.",
                ),
                "source",
                retry_after_seconds=HELD_SECONDS,
            )
        ends = now + timedelta(seconds=left)
        # It may end before the next look.
        self._check_at = min(self._check_at, ends)
        self.warning = None
        if ends - now <= self._warn:
            self.warning = say(
                f"微博的 access_token 将在 {left / 86_400:.1f} 天后过期"
                f"（{ends:%Y-%m-%d %H:%M} UTC）；请在那之前{_RENEW_ZH}。",
                f"The access_token of Weibo expires in {left / 86_400:.1f} days "
                f"({ends:%Y-%m-%d %H:%M} UTC); before that, {_RENEW_EN}.",
            )
            log.warning(self.warning)

    async def wait_for(self, calls: int, most_seconds: float) -> None:
        """Wait until so many calls are left: a look that is cut short reads its first lists only.

        Raises:
            SourceError: ``quota``: that takes longer than ``most_seconds``, and than a moment.
        """
        wait = self._wait_seconds(calls, max(MOST_WAIT_SECONDS, most_seconds))
        if wait > 0:
            await self._context.sleep(wait)

    def _spend(self) -> None:
        self._wait_seconds(1, MOST_WAIT_SECONDS)  # a shorter wait is sat out by the call itself
        self.calls += 1

    def _wait_seconds(self, calls: int, most_seconds: float) -> float:
        wait = self.quota.wait_seconds(calls)
        if wait > most_seconds:
            raise ApiError(
                "quota",
                used_up(wait),
                "source",
                retry_after_seconds=wait,
            )
        return wait

    def _read(self, answer: Answer) -> Any:
        try:
            payload = parse_json(answer.body)
        except ValueError:
            answer.checked()  # what a 502 with a page of HTML means is in its status
            payload = answer.json()  # raises, in words
        error = refusal(payload, self._context.now())
        if error is not None and not (error.trouble == "format" and answer.status >= 500):
            raise error
        answer.checked()
        return payload

    def _kept(self, error: ApiError, path: str, target: str) -> ApiError:
        """The error with its target named; what it says about later calls is remembered."""
        wait = error.retry_after_seconds
        if error.reach == "source":
            if error.trouble == "quota" and wait is not None:
                self.quota.empty(wait)
            if error.trouble == "login":
                self._check_at = None
            return error
        named = ApiError(
            error.trouble,
            f"{path} {target}".strip() + say("：", ": ") + str(error),
            error.reach,
            retry_after_seconds=wait,
        )
        if wait is not None:
            key = path if error.reach == "endpoint" else f"{path} {target}"
            self._held[key] = (self._context.now() + timedelta(seconds=wait), named)
        return named


def seconds_left(told: Any) -> float | None:
    """How long a token lives, where an answer tells."""
    for name in ("expire_in", "expires_in"):
        value = told.get(name) if isinstance(told, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            # A token of a million years is one that does not end.
            return min(float(value), 1e9)
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}", value):
            return min(float(value), 1e9)
    return None


def _code(value: Any) -> int:
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else 0


def _to_the_hour(now: datetime) -> float:
    return 3_600.0 - (now.minute * 60 + now.second + now.microsecond / 1e6)
