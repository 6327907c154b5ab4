"""What goes into one bulk request and what its answer means: pure, no I/O.

A bulk request succeeds or fails per document. Every answer ends as one of three outcomes: done,
hand in again, or can never pass. What is not known is never counted as done and never dropped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.language import say
from schemas.outcome import Done, Outcome, Rejected, Retry

__all__ = [
    "BatchSize",
    "Document",
    "body_of",
    "chunks",
    "is_missing_index",
    "outcome_of",
    "reason_of",
    "result_of",
    "whole_failure",
]


@dataclass(frozen=True, slots=True)
class Document:
    """One document, ready to be sent."""

    index: str
    id: str
    version: int
    """External version: a write with a lower one than stored is void, an equal one replaces it."""
    body: bytes
    """One JSON line without a line break."""


_ACTION = b'{"index":{"_index":%b,"_id":%b,"version":%d,"version_type":"external_gte"}}\n'
_ACTION_BYTES = len(_ACTION)
_MAX_REASON = 300


def body_of(documents: Sequence[Document]) -> bytes:
    """The NDJSON body: an action line and the document's own bytes, one after the other."""
    quoted: dict[str, bytes] = {}
    parts: list[bytes] = []
    for document in documents:
        index = quoted.get(document.index)
        if index is None:
            index = quoted[document.index] = orjson.dumps(document.index)
        parts.append(_ACTION % (index, orjson.dumps(document.id), document.version))
        parts.append(document.body)
        parts.append(b"\n")
    return b"".join(parts)


def chunks(documents: Sequence[Document], size: "BatchSize") -> Iterator[list[Document]]:
    """Cut into requests; ``size`` is asked anew for each, because it moves with every answer."""
    chunk: list[Document] = []
    held = 0
    for document in documents:
        length = len(document.body) + len(document.id) + len(document.index) + _ACTION_BYTES
        if chunk and (len(chunk) >= size.limit or held + length > size.limit_bytes):
            yield chunk
            chunk, held = [], 0
        chunk.append(document)
        held += length
    if chunk:
        yield chunk


class BatchSize:
    """How much a request may hold: additive-increase, multiplicative-decrease.

    Halved when the server is overloaded or too slow, a tenth more when a *full* request passed;
    small requests prove nothing about large ones.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self.limit = most
        self.limit_bytes = most_bytes

    def overloaded(self, sent: int) -> None:
        """A request of ``sent`` documents met overload or a timeout.

        Requests from before an earlier halving may answer late: they don't halve again, so that
        three requests in flight don't cut to an eighth at once.
        """
        self.limit = max(1, min(self.limit, max(self.limit // 2, sent // 2)))

    def passed(self, sent: int, sent_bytes: int) -> None:
        """A request of ``sent`` documents was taken without complaint."""
        if sent >= self.limit:
            self.limit = min(self.most, self.limit + max(1, self.limit // 10))
        elif 2 * sent_bytes >= self.limit_bytes:
            # Slower: that a body is too long is a setting of the server and rarely changes. But one
            # document that no request may hold must not make requests small for ever.
            grown = self.limit_bytes + self.limit_bytes // 50 + 1
            self.limit_bytes = min(self.most_bytes, grown)

    def too_large(self, sent_bytes: int) -> None:
        """A body was refused for its length."""
        self.limit_bytes = min(self.limit_bytes, max(1, sent_bytes // 2))


_REJECTED_TYPES = frozenset(
    {
        "document_parsing_exception",
        "mapper_parsing_exception",
        "mapper_exception",
        "strict_dynamic_mapping_exception",
        "illegal_argument_exception",
        "parsing_exception",
        "x_content_parse_exception",
        "action_request_validation_exception",
    }
)
"""Types of a 400 that blame the document. Another 400 blames the cluster (too many shards, a bad
index name): the document waits."""


def result_of(item: object) -> dict[str, Any] | None:
    """What stands behind ``index`` in one entry of ``items``; None where it is no such entry."""
    result = next(iter(item.values()), None) if isinstance(item, dict) else None
    return result if isinstance(result, dict) else None


def outcome_of(item: object) -> Outcome:
    """What one entry of ``items`` says: ``{"index": {"status": 201}}``."""
    result = result_of(item)
    if result is None:
        return Retry("Elasticsearch: unreadable item in the answer")
    status = result.get("status")
    if not isinstance(status, int):
        return Retry("Elasticsearch: item without a status in the answer")
    error = result.get("error")
    if 200 <= status < 300 and error is None:
        return Done()
    kind = str(error.get("type", "")) if isinstance(error, dict) else ""
    reason = reason_of(error)
    if status == 409 and kind == "version_conflict_engine_exception":
        return Done(stale=True)
    if status == 413:
        return Rejected("too_large", reason)
    if status == 400 and kind in _REJECTED_TYPES:
        return Rejected("mapping", reason)
    return Retry(f"Elasticsearch {status}: {reason}")


def reason_of(error: object) -> str:
    """Elasticsearch's own words, short: the reason and its innermost cause."""
    if not isinstance(error, dict):
        return str(error or "no reason given")[:_MAX_REASON]
    causes: list[str] = []
    cause: object = error
    while isinstance(cause, dict):
        reason = cause.get("reason")
        if isinstance(reason, str) and not any(reason in known for known in causes):
            causes.append(reason)
        cause = cause.get("caused_by")
    text = ": ".join((causes[0], causes[-1]) if len(causes) > 1 else causes)
    return (text or str(error.get("type", "no reason given")))[:_MAX_REASON]


def whole_failure(status: int, body: object, after_seconds: float | None, where: str) -> Retry:
    """The request as a whole was refused; every document of it is handed in again."""
    error = body.get("error") if isinstance(body, dict) else body
    if status in (401, 403) and not _is_block(error):
        return Retry(
            say(
                f"Elasticsearch（{where}）拒绝写入（{status}）：请检查 api_key 或 username 和 "
                f"password，以及该账号对索引的写权限。{reason_of(error)}",
                f"Elasticsearch at {where} refuses the write ({status}): check api_key, or "
                f"username and password, and their write privilege. {reason_of(error)}",
            ),
            after_seconds,
        )
    return Retry(f"Elasticsearch {status}: {reason_of(error)}", after_seconds)


def _is_block(error: object) -> bool:
    return isinstance(error, dict) and error.get("type") == "cluster_block_exception"


def is_missing_index(item: object) -> bool:
    """The index is gone and the server does not create it by itself."""
    error = (result_of(item) or {}).get("error")
    return isinstance(error, dict) and error.get("type") == "index_not_found_exception"
