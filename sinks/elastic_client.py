"""The connection to Elasticsearch: how it is made, and what its errors mean to us."""

import base64
import io
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from elastic_transport import AiohttpHttpNode, BaseNode, TransportError
from elasticsearch import ApiError, AsyncElasticsearch, UnsupportedProductError
from pydantic import SecretStr

from schemas.errors import FatalError, RetryableError, TingchaoError
from schemas.language import say
from sinks.bulk import reason_of

__all__ = ["Node", "away", "connect", "error_in", "mapped_errors", "nonsense", "retry_after"]


#: A thousand posts of the greatest length, with their marks, are some 600 MB; a page is far less.
MAX_ANSWER_BYTES = 512 * 1024 * 1024


class _BoundedAnswer(aiohttp.ClientResponse):
    """Stops reading an answer that is larger than any of ours, instead of holding all of it."""

    async def read(self) -> bytes:
        """The body; it counts what was unpacked, too."""
        if self._body is None:
            pieces: list[bytes] = []
            size = 0
            async for piece in self.content.iter_any():
                pieces.append(piece)
                size += len(piece)
                if size > MAX_ANSWER_BYTES:
                    self.close()
                    raise aiohttp.ClientPayloadError(
                        f"the answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB"
                    )
            self._body = b"".join(pieces)
        return await super().read()


class Node(AiohttpHttpNode):
    """The client's own HTTP node, made fit for bodies of megabytes.

    aiohttp warns of plain bytes over 1 MiB, which it writes in one go; and the inherited log
    method decodes every body in full as soon as any log handler exists, whatever its level.
    """

    async def perform_request(  # type: ignore[override]
        self, method: str, target: str, body: bytes | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Send one request, its body piece by piece."""
        stream: Any = io.BytesIO(body) if body else None
        return await super().perform_request(method, target, stream, *args, **kwargs)

    def _create_aiohttp_session(self) -> None:
        super()._create_aiohttp_session()
        assert self.session is not None
        self.session._response_class = _BoundedAnswer

    def _log_request(self, *args: Any, **kwargs: Any) -> None:
        return


def connect(
    url: str,
    *,
    node_class: type[BaseNode],
    api_key: SecretStr | None,
    login: tuple[str, SecretStr] | None,
    ca_certs: Path | None,
    verify_certs: bool,
    request_timeout_seconds: float,
) -> AsyncElasticsearch:
    """A client that repeats nothing by itself; no connection is opened yet."""
    options: dict[str, Any] = {}
    if api_key is not None:
        options["api_key"] = api_key.get_secret_value()
    if login is not None:
        # Encoded here: the client takes ASCII only, and its error would show the password.
        plain = f"{login[0]}:{login[1].get_secret_value()}"
        options["basic_auth"] = base64.b64encode(plain.encode()).decode()
    if url.startswith("https:"):
        options |= {"verify_certs": verify_certs, "ssl_show_warn": False}
    if ca_certs is not None:
        try:
            ssl.create_default_context(cafile=ca_certs)
        except OSError as error:  # ssl.SSLError too
            raise FatalError(
                say(
                    f"elasticsearch.ca_file 指定的证书文件 {ca_certs} 用不了：{error}。",
                    f"elasticsearch.ca_file names {ca_certs}, which cannot be used: {error}.",
                )
            ) from None
        options["ca_certs"] = str(ca_certs)
    return AsyncElasticsearch(
        url,
        node_class=node_class,
        max_retries=0,  # the client would repeat at once, without a pause; our loops wait
        request_timeout=request_timeout_seconds,
        **options,
    )


@contextmanager
def mapped_errors(where: str) -> Iterator[None]:
    """Turn the client's errors into ours, with a sentence that names server and setting."""
    try:
        yield
    except UnsupportedProductError as error:
        raise FatalError(
            say(
                f"{where} 不是 Elasticsearch：请检查 url。",
                f"{where} is no Elasticsearch: check url.",
            )
        ) from error
    except ApiError as error:
        raise _answered(where, error) from error
    except RecursionError as error:
        raise RetryableError(nonsense(where)) from error
    except TransportError as error:
        if "CERTIFICATE_VERIFY_FAILED" in error.message:
            raise FatalError(
                say(
                    f"Elasticsearch（{where}）的证书无法验证：请用 elasticsearch.ca_file 指定"
                    "签发机构的证书，并用证书上的主机名连接。",
                    f"The certificate of Elasticsearch at {where} can't be verified: name the "
                    "authority's certificate in elasticsearch.ca_file, and the host as the "
                    "certificate does.",
                )
            ) from error
        raise RetryableError(away(where, error)) from error


def _answered(where: str, error: ApiError) -> TingchaoError:
    status, cause = error.meta.status, error_in(error.body)
    blocked = isinstance(cause, dict) and cause.get("type") == "cluster_block_exception"
    if status in (401, 403) and not blocked:
        return FatalError(
            say(
                f"Elasticsearch（{where}）拒绝访问（{status}）：请检查设置里的 api_key 或 "
                f"username 和 password。{reason_of(cause)}",
                f"Elasticsearch at {where} refuses access ({status}): check api_key, or "
                f"username and password, in the settings. {reason_of(cause)}",
            )
        )
    text = f"Elasticsearch {where}: {status} {reason_of(cause)}"
    if status == 400:
        return FatalError(text)
    return RetryableError(text, retry_after_seconds=retry_after(error.meta.headers))


def away(where: str, error: TransportError) -> str:
    """The sentence for a server that gave no answer."""
    return say(
        f"连不上 Elasticsearch（{where}）：{error.message}；请检查 elasticsearch.url 和网络，"
        "或运行 tingchao services start。",
        f"Elasticsearch at {where} can't be reached: {error.message}; check elasticsearch.url and "
        "the network, or run `tingchao services start`.",
    )


def nonsense(where: str) -> str:
    """The sentence for an answer that is nested too deeply to be read."""
    return say(
        f"Elasticsearch（{where}）的回答读不懂；请检查 elasticsearch.url 是否指向 Elasticsearch。",
        f"The answer of Elasticsearch at {where} can't be read; check that elasticsearch.url "
        "leads to Elasticsearch.",
    )


def error_in(body: object) -> object:
    """The error of an answer, or the answer itself where it is no JSON of Elasticsearch."""
    return body.get("error", body) if isinstance(body, dict) else body


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait that a proxy asked for, in seconds; dates are not worth a clock here."""
    value = headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None
