"""The last net behind ``SecretStr``: no secret of the settings leaves this process in a log line.

Records, settings and errors of ours hold no secret in the clear. What other people's code puts into
an exception or a log line is not ours to decide, so every line is searched for the known secrets,
in the forms in which they travel, before it is written.
"""

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "SHORTEST", "hide", "masked"]

MASK = "**********"
#: A shorter one would blot out innocent words; nothing that short keeps a secret.
SHORTEST = 6


class _Known:
    """The secrets of the settings in force."""

    forms: tuple[str, ...] = ()


def hide(secrets: Iterable[str]) -> None:
    """From now on these, and only these, are masked."""
    forms = {form for one in secrets if len(one) >= SHORTEST for form in _forms(one)}
    # The longest first: one form may hold another.
    _Known.forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))


def masked(text: str) -> str:
    """The text without any known secret."""
    for form in _Known.forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def _forms(secret: str) -> set[str]:
    raw = secret.encode(errors="surrogatepass")
    return {
        secret,
        repr(secret)[1:-1],
        repr(raw)[2:-1],
        json.dumps(secret)[1:-1],
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
    }
