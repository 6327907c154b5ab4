"""Why a cluster does not let us in: what its clients swallow, as one sentence.

aiokafka logs the true cause and raises only that it could not bootstrap. So after a failed start
one connection is made by hand, to the first address that answers, and its fault is named.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from pipeline.settings import KafkaSettings
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["forbidden", "why_not"]

PATIENCE_SECONDS = 10.0

_FORBIDDEN = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
#: First two bytes of a TLS alert, which a client without TLS takes for the length of an answer.
_TLS_ALERT = 0x1503


def forbidden(settings: KafkaSettings, error: Exception) -> FatalError | None:
    """The sentence for an error that means: logged in, but without the right to do this."""
    if not isinstance(error, _FORBIDDEN):
        return None
    user = settings.sasl_username or str(settings.certificate_file or say("匿名", "anonymous"))
    reason = f"{type(error).__name__} {' '.join(map(str, error.args))}".strip()
    return FatalError(
        say(
            f"Kafka 不允许用户 {user} 这样做（{reason}）；请让管理员授予它对前缀 "
            f"“{settings.prefix}”下的 topic、消费组和事务 ID 的权限。",
            f"Kafka does not allow the user {user} to do this ({reason}); let its administrator "
            f'grant the topics, groups and transactional ids that begin with "{settings.prefix}".',
        )
    )


async def why_not(
    settings: KafkaSettings, address: str, connection: Mapping[str, Any]
) -> str | None:
    """What keeps us out, in one sentence; None when it is the network, or nothing any more."""
    arguments = {name: value for name, value in connection.items() if name != "bootstrap_servers"}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            for host, port, _ in collect_hosts(address, randomize=False):
                try:
                    await _knock(host, port, arguments)
                except (OSError, KafkaError, ValueError) as error:
                    if (sentence := _sentence(settings, f"{host}:{port}", error)) is not None:
                        return sentence
                else:
                    return None
    return None


async def _knock(host: str, port: int, arguments: Mapping[str, Any]) -> None:
    """Connect, log in and ask for something: a listener that wants a login answers nothing else."""
    connection = AIOKafkaConnection(host, port, **arguments)
    try:
        await connection.connect()
        await connection.send(MetadataRequest([]))
    finally:
        closed = connection.close()
        if closed is not None:
            # The end of TLS takes a moment, and nobody waits for it when a command ends.
            await asyncio.wait((closed,), timeout=1)


def _sentence(settings: KafkaSettings, where: str, error: Exception) -> str | None:
    cause = error.__cause__ or error
    if isinstance(error, SaslAuthenticationFailed):
        return say(
            f"Kafka（{where}）拒绝登录：用户 {settings.sasl_username} 或它的密码不对"
            f"（{settings.sasl_mechanism}）；请检查 kafka.sasl_username 和 kafka.sasl_password。",
            f"Kafka at {where} refuses the login: the user {settings.sasl_username} or its "
            f"password is wrong ({settings.sasl_mechanism}); check kafka.sasl_username and "
            "kafka.sasl_password.",
        )
    if isinstance(error, UnsupportedSaslMechanismError | IllegalSaslStateError):
        return say(
            f"Kafka（{where}）不提供 {settings.security} 的 {settings.sasl_mechanism} 登录；"
            "请检查 kafka.security 和 kafka.sasl_mechanism。",
            f"Kafka at {where} offers no login by {settings.sasl_mechanism} over "
            f"{settings.security}; check kafka.security and kafka.sasl_mechanism.",
        )
    if isinstance(cause, ssl.SSLCertVerificationError):
        return say(
            f"Kafka（{where}）的证书无法验证（{cause.verify_message}）；请用 kafka.ca_file "
            "指定签发机构的证书，并用证书上的主机名连接。",
            f"The certificate of Kafka at {where} cannot be verified ({cause.verify_message}); "
            "name the authority's certificate in kafka.ca_file, and the host as the certificate "
            "does.",
        )
    if isinstance(cause, ssl.SSLError) and "ALERT" in str(cause.reason):
        return say(
            f"Kafka（{where}）不接受我们的客户端证书（{cause.reason}）；请检查 "
            "kafka.certificate_file 和 kafka.key_file。",
            f"Kafka at {where} does not accept our client certificate ({cause.reason}); check "
            "kafka.certificate_file and kafka.key_file.",
        )
    wants_tls = isinstance(cause, asyncio.IncompleteReadError) and _is_alert(cause.expected)
    no_tls = isinstance(cause, ssl.SSLError | ConnectionResetError)
    if wants_tls or (no_tls and settings.security.endswith("SSL")):
        return say(
            f"Kafka（{where}）"
            + ("要求 TLS" if wants_tls else "不使用 TLS")
            + f"，而 kafka.security 是 {settings.security}；请改正。",
            f"Kafka at {where} "
            + ("asks for TLS" if wants_tls else "does not speak TLS")
            + f", but kafka.security is {settings.security}; correct it.",
        )
    if isinstance(cause, asyncio.IncompleteReadError):
        return say(
            f"Kafka（{where}）立即断开了连接；kafka.security = {settings.security} "
            "可能与这个端口不符，请检查。",
            f"Kafka at {where} closes the connection at once; kafka.security = "
            f"{settings.security} may not fit this port, check it.",
        )
    return None


def _is_alert(expected: int | None) -> bool:
    return expected is not None and expected >> 16 == _TLS_ALERT
