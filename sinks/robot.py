"""What the robots of chat groups share: options, and answers whose success stands in the body.

DingTalk, WeCom and Feishu answer 200 to what they refuse; a code in the body decides. Known codes
say how to go on. One that is not known is tried once more, then it counts as a refusal of this
notice: neither is an alarm lost to a code for "busy" nor does one notice hold up all others.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

import httpx
from pydantic import AfterValidator, Field, HttpUrl, SecretStr

from schemas.component import ComponentConfig
from schemas.errors import TingchaoError
from schemas.language import say
from schemas.zone import ZoneName
from sinks.base import Notice
from sinks.posting import SYSTEM, Answer, Clock, Poster
from sinks.rate_limit import RateLimit

__all__ = ["Code", "Robot", "RobotConfig", "SecuredConfig", "ServiceUrl", "Token", "is_loopback"]

_MOST_DOUBTFUL = 8
AGAIN_SECONDS = 30.0

Effect = Literal["later", "broken", "refused"]


def is_loopback(host: str | None) -> bool:
    """Whether an address names this machine literally."""
    return (host or "").strip("[]") in ("localhost", "127.0.0.1", "::1")


def _encrypted(url: HttpUrl) -> HttpUrl:
    if url.scheme != "https" and not is_loopback(url.host):
        raise ValueError(
            say(
                "必须以 https:// 开头：令牌不能明文传送",
                "must begin with https://: a token travels",
            )
        )
    return url


def _of_an_address(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9_/-]{4,200}", token.get_secret_value()):
        raise ValueError(
            say(
                "只填机器人地址里的令牌部分，不要整个地址",
                "give only the token within the robot's address, not the whole address",
            )
        )
    return token


ServiceUrl = Annotated[HttpUrl, AfterValidator(_encrypted)]
"""Address of a service that gets a secret: https, or this machine."""
Token = Annotated[SecretStr, AfterValidator(_of_an_address)]
"""The secret part of a robot's address."""
Person = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,64}$")]


class RobotConfig(ComponentConfig):
    """Options that every robot has."""

    token: Token = Field(description="The secret part of the robot's address.")
    url: ServiceUrl = Field(description="Address of the service.")
    mention: tuple[Person, ...] = Field(
        (), description="Whom a notice calls by name, by the service's own ids; see its section."
    )
    mention_from_severity: int = Field(
        4, ge=1, le=5, description="Only from this severity on; a notice of an end calls nobody."
    )
    time_zone: ZoneName = Field("Asia/Shanghai", description="Time zone of the times shown.")
    timeout_seconds: float = Field(10, gt=0, le=60, description="Wait for the answer.")


@dataclass(frozen=True, slots=True)
class Code:
    """What a code in an answer means."""

    effect: Effect
    zh: str
    en: str
    wait_seconds: float | None = None


class SecuredConfig(RobotConfig):
    """Options of a robot that can ask for a signature or a word."""

    secret: SecretStr | None = Field(
        None, description="Signing secret, where the robot asks for a signature."
    )
    keyword: str = Field(
        "", max_length=20, description="Word that the robot asks for, put into every notice."
    )


C = TypeVar("C", bound=RobotConfig)


class Robot(Generic[C]):
    """A robot of a chat; a service says where to, in which form, and what its codes mean."""

    LIMITS: ClassVar[Sequence[RateLimit]]
    CODES: ClassVar[Mapping[int | str, Code]]
    OK: ClassVar[int | str] = 0

    def __init__(
        self, name: str, config: C, client: httpx.AsyncClient, *, clock: Clock = SYSTEM
    ) -> None:
        self.name = name
        self._config = config
        self._url = str(config.url).rstrip("/")
        self._token = config.token
        self._zone = ZoneInfo(config.time_zone)
        self._now = clock.now
        self._poster = Poster(
            name,
            config.url.host or "",
            client,
            timeout_seconds=config.timeout_seconds,
            limits=self.LIMITS,
            hidden=[self._token],
            clock=clock,
        )
        self._doubtful: dict[str, None] = {}
        """Keys of the notices that were last answered by an unknown code, a few."""

    async def deliver(self, notice: Notice) -> None:
        """Send the notice and return when the robot took it.

        Raises:
            RetryableError: too fast, busy, no answer, or the first time of an unknown code.
            FatalError: token, signature, keyword or address are refused.
            RejectedError: the notice itself is refused.
        """
        answer = await self._poster.post(self._address(), self._body(notice))
        code, sentence = self._verdict(answer)
        if isinstance(code, bool) or not isinstance(code, int | str):
            code = ""
        if answer.is_success and code == self.OK:
            self._doubtful.pop(notice.key, None)
            return
        detail = f"{code} {sentence}".strip()
        if (known := self.CODES.get(code)) is not None:
            raise self._known(known, detail)
        self._poster.check(answer, detail=detail)
        raise self._unknown(detail, notice.key)

    def _address(self) -> str:
        """Where to; it holds the secret."""
        raise NotImplementedError

    def _body(self, notice: Notice) -> bytes:
        """The message, within the service's limit."""
        raise NotImplementedError

    def _verdict(self, answer: Answer) -> tuple[Any, str]:
        """Code and sentence of an answer; DingTalk's and WeCom's names for them."""
        told = answer.json()
        return told.get("errcode"), str(told.get("errmsg", ""))

    def _mentioned(self, notice: Notice) -> tuple[str, ...]:
        """Whom this notice calls by name."""
        is_bad = notice.incident.severity >= self._config.mention_from_severity
        wakes = is_bad and notice.reason != "closed" and not notice.trial
        return self._config.mention if wakes else ()

    def _known(self, code: Code, detail: str) -> TingchaoError:
        if code.effect == "later":
            return self._poster.later(code.zh, code.en, detail, after=code.wait_seconds)
        if code.effect == "broken":
            return self._poster.broken(code.zh, code.en, detail)
        return self._poster.refused("refused", code.zh, code.en, detail)

    def _unknown(self, detail: str, key: str) -> TingchaoError:
        zh, en = "答复不认识", "gives an answer that is not known"
        if key not in self._doubtful:
            self._doubtful[key] = None
            if len(self._doubtful) > _MOST_DOUBTFUL:
                del self._doubtful[next(iter(self._doubtful))]
            return self._poster.later(zh, en, detail, after=AGAIN_SECONDS)
        del self._doubtful[key]
        return self._poster.refused("refused", zh, en, detail)
