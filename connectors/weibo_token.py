"""How an app gets its access token: a person authorises it, and the code is exchanged."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from connectors.base import Context
from connectors.trouble import SourceError
from connectors.web import Web
from connectors.weibo_api import refusal, seconds_left
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["HOST", "Token", "authorise_at", "exchange"]

HOST = "https://api.weibo.com"


@dataclass(frozen=True, slots=True)
class Token:
    """What Weibo gave for a code."""

    access_token: str
    ends_at: datetime | None
    """None where Weibo did not say."""

    def __repr__(self) -> str:
        return f"Token(ends_at={self.ends_at!r})"


def authorise_at(host: str, client_id: str, redirect_uri: str) -> str:
    """The page on which the owner of the account authorises the app."""
    query = {"client_id": client_id, "redirect_uri": redirect_uri, "response_type": "code"}
    return f"{host.rstrip('/')}/oauth2/authorize?{urlencode(query)}"


async def exchange(
    context: Context,
    *,
    host: str,
    client_id: str,
    client_secret: str,
    redirect_uri: str,
    code: str,
) -> Token:
    """The token for a code; a code is good for one exchange.

    Raises:
        FatalError: Weibo gave none; the message says why.
        SourceError: no answer.
    """
    form = {
        "client_id": client_id,
        "client_secret": client_secret,
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
    }
    answer = await Web(context).post(f"{host.rstrip('/')}/oauth2/access_token", form=form)
    try:
        told = answer.json()
    except SourceError:
        answer.checked()  # what a 502 with a page of HTML means is in its status
        raise
    if refusal(told, answer.at) is not None:
        raise FatalError(_refused(str(told.get("error_code", "")), str(told.get("error", ""))))
    answer.checked()
    token = told.get("access_token") if isinstance(told, dict) else None
    if not isinstance(token, str) or not token:
        raise FatalError(_refused("", "access_token?"))
    left = seconds_left(told)
    return Token(token, None if left is None else answer.at + timedelta(seconds=left))


def _refused(code: str, words: str) -> str:
    said = f"{code} {words}".strip()[:200]
    return say(
        f"微博没有给出令牌（{said}）。code 只能用一次，很快过期：请重新打开授权页取一个；"
        "并检查 client_id、应用密钥，以及 redirect_uri 是否与应用设置完全一致。",
        f"Weibo gave no token ({said}). A code is good once and not for long: authorise again for "
        "a new one; check client_id, the app's secret, and that redirect_uri is the app's to the "
        "letter.",
    )
