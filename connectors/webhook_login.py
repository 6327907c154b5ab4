"""Who may send to ``webhook``: a bearer token, a Standard Webhooks signature, or a Discourse's."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from connectors.discourse_push import SIGNATURE, is_discourse_signed
from connectors.proofs import wrong_clock
from connectors.standard_webhooks import is_fresh, is_signed
from schemas.language import say

__all__ = ["Login"]

_DISCOURSE = re.compile(r"sha256=[0-9a-f]{64}")


class Login:
    """The ways in that are open."""

    def __init__(
        self,
        *,
        token: str | None,
        keys: Sequence[bytes],
        discourse_secret: str | None,
        anybody: bool,
    ) -> None:
        self._token = token
        self._keys = keys
        self._discourse_secret = discourse_secret
        self._anybody = anybody

    def may_pass(self, headers: Mapping[str, str], now: datetime) -> bool:
        """Before a body is read: whether it can still prove who sends it."""
        if self._anybody or self._has_token(headers):
            return True
        if self._discourse_secret is not None and SIGNATURE in headers:
            return True
        return bool(self._keys) and "webhook-signature" in headers and is_fresh(headers, now)

    def sender(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Literal["discourse", "any"] | None:
        """Whose request it is: nobody's we know, a Discourse's, or that of any other system."""
        if self._anybody or self._has_token(headers):
            return "any"
        if is_fresh(headers, now) and is_signed(headers, body, self._keys):
            return "any"
        secret = self._discourse_secret
        return "discourse" if secret and is_discourse_signed(headers, body, secret) else None

    def why_not(self, headers: Mapping[str, str], now: datetime) -> tuple[str, str] | None:
        """Which setting to check, of a request that is not let in; None: it proves nothing at all.

        The first is the setting's name.
        """
        if _bearer(headers):
            return "token", _wrong("token")
        sent = headers.get("webhook-timestamp", "")
        if "webhook-signature" in headers and re.fullmatch(r"[0-9]{1,12}", sent):
            if self._keys and not is_fresh(headers, now):
                return "clock", wrong_clock(now.timestamp() - int(sent))
            return "secret", _wrong("secret")
        if _DISCOURSE.fullmatch(headers.get(SIGNATURE, "")):
            return "discourse_secret", _wrong("discourse_secret")
        return None

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        given = _bearer(headers)
        if self._token is None or given is None:
            return False
        return hmac.compare_digest(_digest(given), _digest(self._token))


def _bearer(headers: Mapping[str, str]) -> str | None:
    kind, _, given = headers.get("Authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else None


def _digest(text: str) -> bytes:
    """Of one length for every text, so that a comparison tells nothing."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


def _wrong(setting: str) -> str:
    return say(
        f"收到的请求通不过验证，已拒收；请检查 {setting} 是否与发送方一致（也可能有外人试探）。",
        f"requests are refused because they prove nothing; check that {setting} is the same as the "
        "sender's (or strangers probe).",
    )
