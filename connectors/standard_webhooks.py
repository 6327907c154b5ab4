"""Signatures of Standard Webhooks 1.0, on the receiving side.

The signed text is ``<webhook-id>.<webhook-timestamp>.<raw body>``, the key the base64 part of a
``whsec_`` secret. Of the signatures of a request (several while a key is changed) one has to fit.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from schemas.language import say

__all__ = ["TOLERANCE_SECONDS", "is_fresh", "is_signed", "key_of"]

TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)


def key_of(secret: str) -> bytes:
    """The key within a secret.

    Raises:
        ValueError: it is no such secret; the message does not show it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise ValueError(
            say(
                "要写成 whsec_ 加 24 到 64 字节的 base64，例如 "
                "python -c \"import base64, os; print('whsec_' + "
                'base64.b64encode(os.urandom(32)).decode())"',
                "must be whsec_ and the base64 of 24 to 64 bytes; make one with "
                "python -c \"import base64, os; print('whsec_' + "
                'base64.b64encode(os.urandom(32)).decode())"',
            )
        ) from None  # the cause would show the secret
    return key


def is_fresh(headers: Mapping[str, str], now: datetime) -> bool:
    """Whether a request names its id and a time within five minutes of ours."""
    sent = headers.get("webhook-timestamp", "")
    if not headers.get("webhook-id") or not (sent.isascii() and sent.isdigit()) or len(sent) > 12:
        return False
    return abs(now.timestamp() - int(sent)) <= TOLERANCE_SECONDS


def is_signed(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes]) -> bool:
    """Whether one of the signatures is by one of the keys; compares in constant time."""
    head = f"{headers.get('webhook-id', '')}.{headers.get('webhook-timestamp', '')}."
    text = head.encode(errors="surrogateescape") + body
    given = [
        signature.removeprefix("v1,").encode(errors="surrogateescape")
        for signature in headers.get("webhook-signature", "").split()
        if signature.startswith("v1,")
    ]
    fits = False
    for key in keys:
        expected = base64.b64encode(hmac.digest(key, text, hashlib.sha256))
        for signature in given:
            fits |= hmac.compare_digest(expected, signature)
    return fits
