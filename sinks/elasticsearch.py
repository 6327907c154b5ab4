"""Elasticsearch: where posts, incidents and notices are kept and looked up.

Delivery: at least once and idempotent. A document's id and version come from the record, so a
redelivered batch writes the same bytes again and an older state never covers a newer one. A write
is acknowledged after it is on the server's disk (and on its replicas, where there are any).
Limits: a post is searchable about a second after it was written; posts dated before 2009 or after
2035 share one index. Uses only what a bare server 8 or 9 offers: no scripts, pipelines, ILM.
"""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from elastic_transport import BaseNode, ConnectionTimeout, TransportError
from elasticsearch import ApiError, UnsupportedProductError
from pydantic import Field, HttpUrl, SecretStr, model_validator

from schemas.component import ComponentConfig
from schemas.errors import RetryableError, TingchaoError
from schemas.language import say
from schemas.outcome import Outcome, Rejected, Retry
from sinks import mappings
from sinks.bulk import (
    BatchSize,
    Document,
    body_of,
    chunks,
    is_missing_index,
    outcome_of,
    reason_of,
    result_of,
    whole_failure,
)
from sinks.documents import Names
from sinks.elastic_client import (
    Node,
    away,
    connect,
    error_in,
    mapped_errors,
    nonsense,
    retry_after,
)
from sinks.indices import Indices

__all__ = ["Elasticsearch"]

_BULK = (
    "/_bulk?filter_path=items.*.status,items.*.error.type,items.*.error.reason,"
    "items.*.error.caused_by"
)
"""Only what decides: a third of the client's time went into parsing the rest of the answer."""

_ONE_WORD = re.compile(r"[!-~]+")
"""What a header may carry; with anything else its error would show the key."""

_NDJSON = {"accept": "application/json", "content-type": "application/x-ndjson"}


class Elasticsearch:
    """Connection to one Elasticsearch and the writer of documents in bulk."""

    class Config(ComponentConfig):
        """Where the server is and how much it is given at a time."""

        url: HttpUrl = Field(HttpUrl("http://127.0.0.1:9200"), description="Address of the server.")
        prefix: str = Field(
            "",
            pattern=r"^([a-z0-9][a-z0-9_.-]*)?$",
            max_length=64,
            description="Put before every index name, so that deployments can share a server.",
        )
        api_key: SecretStr | None = Field(
            None, description="API key (base64 form); none: no key is sent."
        )
        username: str | None = Field(None, description="User name, if no API key is used.")
        password: SecretStr | None = Field(None, description="Password of the user name.")
        ca_certs: Path | None = Field(
            None, description="File of the authority that signed the server's certificate."
        )
        verify_certs: bool = Field(
            True, description="Check the server's certificate; false only for a trial."
        )
        request_timeout_seconds: float = Field(
            60, gt=0, description="A request that takes longer counts as failed and is repeated."
        )
        shards: int = Field(
            1,
            ge=1,
            le=64,
            description="Primary shards of a monthly index; two: up to a third "
            "more posts a second on one node.",
        )
        replicas: int = Field(
            0,
            ge=0,
            le=10,
            description="Copies of each shard: 0 on a single node, where a lost "
            "disk loses the index (Kafka still holds a week); 1 or more in production.",
        )
        bulk_max_documents: int = Field(
            1000, ge=1, le=10_000, description="Documents a bulk request, at most."
        )
        bulk_max_bytes: int = Field(
            5 * 1024 * 1024,
            ge=1024,
            description="Bytes a bulk request; one larger document still goes alone.",
        )

        @model_validator(mode="after")
        def _check(self) -> Self:
            if self.url.username or self.url.password:
                raise ValueError(
                    say(
                        "url 里不能写用户名和密码：请设置 username 和 password",
                        "url must hold no user or password: set username and password",
                    )
                )
            if self.api_key is not None and self.username is not None:
                raise ValueError(
                    say(
                        "api_key 与 username、password 只能设置一种",
                        "set api_key, or username and password, not both",
                    )
                )
            if self.api_key is not None and not _ONE_WORD.fullmatch(
                self.api_key.get_secret_value()
            ):
                raise ValueError(
                    say(
                        "api_key 必须是一行可打印的 ASCII 字符，没有空格（base64 形式）",
                        "api_key must be one line of printable ASCII without spaces (base64 form)",
                    )
                )
            if (self.username is None) != (self.password is None):
                raise ValueError(
                    say(
                        "username 和 password 必须一起设置，或都不设置",
                        "username and password belong together: set both or none",
                    )
                )
            if self.ca_certs is not None and self.url.scheme != "https":
                raise ValueError(
                    say(
                        "设置了 ca_file，url 就必须以 https:// 开头",
                        "ca_file needs a url that begins with https://",
                    )
                )
            return self

    def __init__(self, config: Config, *, node_class: type[BaseNode] | None = None) -> None:
        self.config = config
        self.names = Names(config.prefix)
        self.where = f"{config.url.scheme}://{config.url.host}:{config.url.port}"
        self.size = BatchSize(config.bulk_max_documents, config.bulk_max_bytes)
        self.client = connect(
            self.where + (config.url.path or "").rstrip("/"),
            node_class=node_class or Node,
            api_key=config.api_key,
            login=(config.username, config.password)
            if config.username is not None and config.password is not None
            else None,
            ca_certs=config.ca_certs,
            verify_certs=config.verify_certs,
            request_timeout_seconds=config.request_timeout_seconds,
        )
        self._indices = Indices(
            self.client,
            self.names,
            self.where,
            mappings.index_settings(config.shards, config.replicas),
        )
        self._is_set_up = False

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def ready(self, *, timeout_seconds: float = 5) -> None:
        """Return when the server answers and every index of ours can be written and read.

        Raises:
            RetryableError: not (yet).
            FatalError: access refused, or no Elasticsearch.
        """
        names = (self.names.posts, self.names.incidents, self.names.notices)
        with self.mapped():
            health = await self.client.options(ignore_status=408).cluster.health(
                index=[f"{name}*" for name in names],  # others may share the cluster
                wait_for_status="yellow",
                timeout=f"{timeout_seconds:g}s",
            )
        if health["timed_out"]:
            raise RetryableError(
                say(
                    f"Elasticsearch（{self.where}）还没有就绪：状态 {health['status']}。",
                    f"Elasticsearch at {self.where} is not ready: status {health['status']}.",
                )
            )

    async def setup(self) -> None:
        """Put templates and base indices in place, and new fields into existing indices.

        Idempotent; several processes may do it at once.

        Raises:
            RetryableError: the server is away or overloaded.
            FatalError: access refused, or an index of another layout is in the way.
        """
        await self._indices.setup()
        self._is_set_up = True

    async def ensure_setup(self) -> None:
        """``setup`` before the first write, and before the first one after a lost connection.

        A server that comes back without its disk would otherwise create the next index by itself,
        with guessed fields.
        """
        if not self._is_set_up:
            await self.setup()

    async def index(self, documents: Sequence[Document]) -> list[Outcome]:
        """Write documents; one outcome each, in order. May run several times at once.

        Never raises for what the server says or for its absence: a passing fault is a ``Retry`` of
        every document it may have touched.
        """
        outcomes: list[Outcome] = []
        for chunk in chunks(documents, self.size):
            answer = await self._send(chunk)
            if isinstance(answer, Retry):
                # The rest would meet the same fault, each request after its own timeout.
                return outcomes + [answer] * (len(documents) - len(outcomes))
            outcomes += answer
        return outcomes

    async def refresh(self) -> None:
        """Make everything that was written so far searchable at once."""
        await self._indices.refresh()

    async def counts(self) -> dict[str, int]:
        """Documents by index, of those that exist."""
        return await self._indices.counts()

    async def drop(self) -> None:
        """Delete every index and template of this prefix, and nothing else."""
        self._is_set_up = False
        await self._indices.drop()

    def mapped(self) -> AbstractContextManager[None]:
        """Turn the client's errors into ours, with a sentence that names server and setting."""
        return mapped_errors(self.where)

    async def _send(self, chunk: Sequence[Document]) -> list[Outcome] | Retry:
        body = body_of(chunk)
        try:
            await self.ensure_setup()
            answer = await self.client.perform_request("POST", _BULK, headers=_NDJSON, body=body)
        except TingchaoError as error:
            return Retry(str(error), getattr(error, "retry_after_seconds", None))
        except UnsupportedProductError as error:
            return Retry(str(error))
        except RecursionError:
            return Retry(nonsense(self.where))
        except ApiError as error:
            return await self._refused(chunk, len(body), error)
        except TransportError as error:
            self._is_set_up = False
            if isinstance(error, ConnectionTimeout):
                self.size.overloaded(len(chunk))
            return Retry(away(self.where, error))
        items = answer.body.get("items") if isinstance(answer.body, dict) else None
        if not isinstance(items, list) or len(items) != len(chunk):
            got = len(items) if isinstance(items, list) else "no"
            return Retry(f"Elasticsearch: {got} items in the answer to {len(chunk)} documents")
        if any(_status(item) == 429 for item in items):
            self.size.overloaded(len(chunk))
        else:
            self.size.passed(len(chunk), len(body))
        missing = {
            document.index
            for document, item in zip(chunk, items, strict=True)
            if is_missing_index(item)
        }
        if missing:
            await self._create(missing)
        return [outcome_of(item) for item in items]

    async def _refused(
        self, chunk: Sequence[Document], size: int, error: ApiError
    ) -> list[Outcome] | Retry:
        status, body = error.meta.status, error.body
        poisoned = "action_request_validation_exception" in str(body) and status == 400
        if status == 413 or poisoned:
            if len(chunk) == 1:
                kind = "mapping" if poisoned else "too_large"
                return [Rejected(kind, f"{reason_of(error_in(body))} ({size} bytes)")]
            if status == 413:
                self.size.too_large(size)
            return await self._halves(chunk)
        if status == 429:
            self.size.overloaded(len(chunk))
        return whole_failure(status, body, retry_after(error.meta.headers), self.where)

    async def _halves(self, chunk: Sequence[Document]) -> list[Outcome]:
        middle = len(chunk) // 2
        outcomes: list[Outcome] = []
        for half in (chunk[:middle], chunk[middle:]):
            answer = await self._send(half)
            outcomes += [answer] * len(half) if isinstance(answer, Retry) else answer
        return outcomes

    async def _create(self, missing: set[str]) -> None:
        """For servers that don't create indices by themselves, or lost them and the templates."""
        try:
            await self._indices.setup(missing)
        except TingchaoError:
            return  # the documents are handed in again and their outcome says what is wrong


def _status(item: object) -> object:
    return (result_of(item) or {}).get("status")
