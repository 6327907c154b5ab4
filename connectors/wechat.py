"""WeChat Official Account: what followers write to the account, pushed by WeChat.

::

    [sources.our-account]
    use = "wechat"
    app_id = "wx1234567890abcdef"
    token = { file = "wechat.token" }
    encoding_aes_key = { file = "wechat.aes" }
    id_secret = { env = "ID_SECRET" }     # a long random text of your own
    port = 8089
    path = "/wechat"

WeChat calls ports 80 and 443 only: a proxy stands in front, ends TLS, and sends ``path`` on to the
port. Put the address into the console (服务器配置), with the same token, key and mode; saving it
makes WeChat check it at once.

Delivery: at least once. WeChat gets ``success`` when the broker has the message; when the broker
is away for 3 seconds, once the message is in a file of the work folder, from where it is handed on
later, also by the next process; else 503 within 4.5 seconds, and it sends again, three times in
all, 5 seconds apart. Repetitions are told by ``MsgId`` (events: sender, time, event and key), over
a restart too.
Limits: messages are lost that come while this process does not run for longer than the three
attempts, and those beyond 256 MiB of files: WeChat does not send again. Nor does it when all is
refused (another token, mode or key, a clock that is off): that is told as the source's trouble,
which names the setting, unless a push came in within ten minutes. What followers do (follow, leave,
scan, tap a menu) becomes a CustomerEvent in ``customer.events``; ends of the account's own
jobs and places are acknowledged and counted by name in the source's cursor. Unknown types become
dead letters. Images and voices are told as such; a voice is text where the account has recognition
switched on. Of a location the province and city stay; addresses of pictures are dropped.
It cannot see: replies of the account's staff, articles and their comments (``wechat-articles``),
other accounts. In plain and compatible mode a signature does not cover the body: use encrypted.
Quotas: none for being called.
Terms: a follower's openid is personal information; only its keyed hash is handed on, also in dead
letters. Handle messages within what the account's privacy notice says.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from connectors.base import Batch, Context, Cursor, Way
from connectors.wechat_crypto import AesKey, Crypto, sign
from connectors.wechat_events import FOLLOWER_ACTS, JOBS, follower_event
from connectors.wechat_messages import Pushed, read_xml, to_draft
from connectors.wechat_push import (
    PushConfig,
    Pushes,
    Refused,
    WrongSettingError,
    check_token,
    open_sealed,
)
from schemas.customer_event import CustomerEvent
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft
from schemas.source_status import Backfill

__all__ = ["Wechat"]


class Wechat:
    """Serves the callback address of one account."""

    way: Way = "pushed"
    backfill: Backfill = "sender"
    every_seconds: float | None = None

    class Config(PushConfig):
        """Options of ``wechat``."""

        app_id: str = Field(pattern=r"^\S{1,64}$", description="The account's AppID, as in wx….")
        mode: Literal["encrypted", "compatible", "plain"] = Field(
            "encrypted", description="Message mode of the console: 安全, 兼容 or 明文模式."
        )
        encoding_aes_key: AesKey | None = Field(
            None, description="EncodingAESKey of the console, 43 characters; not for plain mode."
        )

        @model_validator(mode="after")
        def _check_key(self) -> Self:
            if self.mode != "plain" and self.encoding_aes_key is None:
                raise ValueError(
                    say(
                        f'mode = "{self.mode}" 需要 encoding_aes_key。',
                        f'mode = "{self.mode}" needs an encoding_aes_key.',
                    )
                )
            return self

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._config = config
        self._pushes = Pushes(name, config, context, _Door(config), self._sort)

    def total(self) -> int | None:
        """Unknown: followers may write for ever."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Serve, and yield what comes.

        Raises:
            FatalError: the port can't be listened on.
        """
        return self._pushes.batches(cursor)

    def _sort(self, pushed: Pushed, now: datetime) -> PostDraft | CustomerEvent | str:
        event = pushed.event.lower()
        if pushed.type == "event" and event in FOLLOWER_ACTS:
            return follower_event(pushed, self._name, self._config.id_secret, now)
        if pushed.type == "event" and event in JOBS:
            return event
        if not pushed.type and "Encrypt" in pushed.fields:
            raise WrongSettingError(
                say(
                    '消息是加密的；请设置 mode = "encrypted" 和 encoding_aes_key。',
                    'the message is encrypted; set mode = "encrypted" and the encoding_aes_key.',
                )
            )
        return to_draft(pushed, self._name, self._config.id_secret, now)


class _Door:
    """The account's signatures, in each of the three modes."""

    def __init__(self, config: Wechat.Config) -> None:
        self._token = config.token.get_secret_value()
        self._mode = config.mode
        key = config.encoding_aes_key
        self._crypto = Crypto(key.get_secret_value(), config.app_id) if key is not None else None

    def greet(self, query: Mapping[str, str]) -> str:
        self._check(query)
        return query.get("echostr", "")

    def open(self, query: Mapping[str, str], body: bytes) -> bytes:
        if self._mode == "plain" or self._crypto is None:
            self._check(query)
            return body
        if "signature" in query:  # WeChat signs the address in every mode
            self._check(query)
        try:
            sealed = read_xml(body).get("Encrypt")
        except RejectedError as error:
            raise Refused(400, "no XML") from error
        if sealed is not None:
            return open_sealed(self._crypto, self._token, query, sealed)
        if self._mode == "compatible":
            self._check(query)
            return body
        raise Refused(
            403,
            "not encrypted",
            check=say(
                '推送没有加密，已拒收；请把平台后台改为安全模式，或检查 mode = "encrypted"。',
                "pushes are refused because they are not encrypted; choose the encrypted mode in "
                'the platform\'s console, or check mode = "encrypted".',
            ),
        )

    def _check(self, query: Mapping[str, str]) -> None:
        expected = sign(self._token, query.get("timestamp", ""), query.get("nonce", ""))
        check_token(query.get("signature", ""), expected)
