"""WeCom (企业微信): callbacks about customer contacts, pushed by WeCom.

::

    [sources.our-wecom]
    use = "wecom"
    corp_id = "ww1234567890abcdef"
    token = { file = "wecom.token" }
    encoding_aes_key = { file = "wecom.aes" }
    id_secret = { env = "ID_SECRET" }     # a long random text of your own
    port = 8090
    path = "/wecom"

The address belongs into the console's 客户联系 (接收事件服务器), a proxy with TLS in front of it.

Delivery: at least once. WeCom gets its ``success`` when the broker has what it sent, or after 3
seconds a file of the work folder has; else 503 within 4.5 seconds, and it sends again. Repetitions
are told by sender, time, event and contact, over a restart too.
Limits: it yields no posts. Contacts that come and go are acts of a customer, not something that was
said: each becomes a CustomerEvent in ``customer.events``. Anything else (messages to an app, other
events) becomes a dead letter, people's ids hashed. When all pushes are refused, that is told as the
source's trouble, as with ``wechat``.
It cannot see: conversations with customers; WeCom gives them to the paid archive only.
Quotas: none for being called.
Terms: an external user id is personal information; only its keyed hash is handed on.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from pydantic import Field

from connectors.base import Batch, Context, Cursor, Way
from connectors.wechat_crypto import AesKey, Crypto
from connectors.wechat_events import CONTACT_ACTS, contact_event
from connectors.wechat_messages import Pushed, read_xml
from connectors.wechat_push import PushConfig, Pushes, Refused, WrongSettingError, open_sealed
from schemas.customer_event import CustomerEvent
from schemas.errors import RejectedError
from schemas.language import say
from schemas.source_status import Backfill

__all__ = ["Wecom"]


class Wecom:
    """Serves the callback address of one corporation's customer contacts."""

    way: Way = "pushed"
    backfill: Backfill = "sender"
    every_seconds: float | None = None

    class Config(PushConfig):
        """Options of ``wecom``."""

        corp_id: str = Field(pattern=r"^\S{1,64}$", description="The corporation's id, as in ww….")
        encoding_aes_key: AesKey = Field(
            description="EncodingAESKey of the callback settings, 43 characters."
        )

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._id_secret = config.id_secret
        self._pushes = Pushes(name, config, context, _Door(config), self._sort)

    def total(self) -> int | None:
        """Unknown: contacts come and go for ever."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Serve, and yield what comes.

        Raises:
            FatalError: the port can't be listened on.
        """
        return self._pushes.batches(cursor)

    def _sort(self, pushed: Pushed, now: datetime) -> CustomerEvent:
        change = pushed.fields.get("ChangeType", "")
        if pushed.event == "change_external_contact" and change in CONTACT_ACTS:
            return contact_event(pushed, self._name, self._id_secret, now)
        kind = f"{pushed.event or pushed.type} {change}".strip()[:60]
        raise RejectedError(
            "mapping", say(f"不认识的回调类型 {kind!r}", f"a callback of unknown type {kind!r}")
        )


class _Door:
    """The corporation's signatures: everything is encrypted, also the check of the address."""

    def __init__(self, config: Wecom.Config) -> None:
        self._token = config.token.get_secret_value()
        self._crypto = Crypto(config.encoding_aes_key.get_secret_value(), config.corp_id)

    def greet(self, query: Mapping[str, str]) -> str:
        try:
            word = open_sealed(self._crypto, self._token, query, query.get("echostr", ""))
        except WrongSettingError as error:
            raise Refused(403, str(error), check=str(error)) from error
        return word.decode(errors="replace")

    def open(self, query: Mapping[str, str], body: bytes) -> bytes:
        try:
            sealed = read_xml(body).get("Encrypt", "")
        except RejectedError as error:
            raise Refused(400, "no XML") from error
        return open_sealed(self._crypto, self._token, query, sealed)
