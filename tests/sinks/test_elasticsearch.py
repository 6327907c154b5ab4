"""The writer against a scripted server: what each fault of a bulk request becomes."""

import re
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

import orjson
import pytest
from elastic_transport import (
    ApiResponseMeta,
    BaseAsyncNode,
    ConnectionTimeout,
    HttpHeaders,
    TlsError,
)
from elastic_transport import ConnectionError as NoConnection
from elastic_transport._node import NodeApiResponse
from pydantic import ValidationError

from schemas.errors import FatalError, RetryableError
from schemas.outcome import Done, Outcome, Rejected, Retry
from sinks.bulk import Document
from sinks.elasticsearch import Elasticsearch

Answer = tuple[int, Any] | Exception
SECRET = "a-key-nobody-may-see"


class Script(BaseAsyncNode):
    """A server that answers bulk requests as it was told and everything else with yes."""

    bulk: ClassVar[Callable[[list[str]], Answer]]
    other: ClassVar[Callable[[str, str], Answer]]
    sent: ClassVar[list[list[str]]]
    requests: ClassVar[list[str]]
    headers_sent: ClassVar[dict[str, str]]

    async def perform_request(  # type: ignore[override]
        self, method: str, target: str, body: bytes | None = None, headers: Any = None, **_: Any
    ) -> NodeApiResponse:
        Script.requests.append(f"{method} {target.partition('?')[0]}")
        if target.startswith("/_bulk"):
            ids = [orjson.loads(line)["index"]["_id"] for line in (body or b"").split(b"\n")[:-1:2]]
            Script.sent.append(ids)
            Script.headers_sent = dict(headers)
            answer = Script.bulk(ids)
        else:
            answer = Script.other(method, target)
        if isinstance(answer, Exception):
            raise answer
        status, content = answer
        kind = "text/html" if isinstance(content, bytes) else "application/json"
        found = HttpHeaders({"content-type": kind, "x-elastic-product": "Elasticsearch"})
        if status == 429:
            found["retry-after"] = "7"
        meta = ApiResponseMeta(status, "1.1", found, 0.0, self.config)
        return NodeApiResponse(meta, content if kind == "text/html" else orjson.dumps(content))

    async def close(self) -> None:  # type: ignore[override]
        return


def items(ids: list[str], **special: dict[str, Any]) -> Answer:
    entries = [{"index": special.get(name, {"status": 201})} for name in ids]
    return 200, {"items": entries}


def error(status: int, kind: str, reason: str = "because") -> dict[str, Any]:
    return {"status": status, "error": {"type": kind, "reason": reason}}


@pytest.fixture
async def sink() -> AsyncIterator[Elasticsearch]:
    Script.bulk = items
    Script.other = lambda method, target: (200, {"acknowledged": True})
    Script.sent, Script.requests = [], []
    config = Elasticsearch.Config.model_validate(
        {"url": "http://es.example:9200", "api_key": SECRET, "bulk_max_documents": 4}
    )
    sink = Elasticsearch(config, node_class=Script)
    yield sink
    await sink.close()


def documents(*names: str, size: int = 20) -> list[Document]:
    body = b'{"text":"' + "鼓".encode() * (size // 3) + b'"}'
    return [Document("posts-2024.03", name, 1, body) for name in names]


def kinds(outcomes: list[Outcome]) -> str:
    return "".join({Done: "d", Retry: "r", Rejected: "x"}[type(outcome)] for outcome in outcomes)


async def test_each_document_gets_its_own_outcome_in_order(sink: Elasticsearch) -> None:
    Script.bulk = lambda ids: items(
        ids,
        b=error(400, "document_parsing_exception"),
        c=error(409, "version_conflict_engine_exception"),
        e=error(429, "es_rejected_execution_exception"),
    )

    outcomes = await sink.index(documents("a", "b", "c", "d", "e", "f"))

    assert kinds(outcomes) == "dxddrd"
    assert outcomes[2] == Done(stale=True)
    assert Script.sent == [["a", "b", "c", "d"], ["e", "f"]]
    assert Script.headers_sent["content-type"].startswith("application/vnd.elasticsearch+x-ndjson")


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (NoConnection("refused"), "refused"),
        (ConnectionTimeout("took 60 s"), "took 60 s"),
        (TlsError("bad certificate"), "bad certificate"),
        ((503, b"<html>Service Unavailable</html>"), "503"),
        ((502, {"error": "bad gateway"}), "502"),
        ((429, {"error": {"type": "circuit_breaking_exception", "reason": "heap"}}), "heap"),
        ((401, {"error": {"type": "security_exception", "reason": "unable"}}), "api_key"),
        ((403, {"error": {"type": "security_exception", "reason": "not allowed"}}), "api_key"),
        ((400, {"error": {"type": "media_type_header_exception", "reason": "9"}}), "400"),
        ((200, {"items": []}), "items"),
        ((200, {}), "items"),
        ((200, {"items": [{"index": {"status": 201}}]}), "items"),
        ((200, b"<html>welcome to the hotel</html>"), ""),
    ],
)
async def test_a_fault_of_the_whole_request_is_a_retry_of_all(
    sink: Elasticsearch, answer: Answer, word: str
) -> None:
    Script.bulk = lambda ids: answer

    outcomes = await sink.index(documents("a", "b", "c", "d", "e", "f"))

    assert kinds(outcomes) == "rrrrrr"
    assert len(Script.sent) == 1  # the rest would wait for the same fault
    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, Retry)}
    assert len(reasons) == 1
    assert word in reasons.pop()
    assert SECRET not in str(outcomes)


async def test_documents_before_the_fault_keep_their_outcome(sink: Elasticsearch) -> None:
    Script.bulk = lambda ids: items(ids) if "a" in ids else NoConnection("gone")
    assert kinds(await sink.index(documents(*"abcdef"))) == "ddddrr"


async def test_the_wait_that_the_server_asks_for_is_passed_on(sink: Elasticsearch) -> None:
    Script.bulk = lambda ids: (429, {"error": "slow down"})
    [outcome] = await sink.index(documents("a"))
    assert isinstance(outcome, Retry)
    assert outcome.after_seconds == 7


@pytest.mark.parametrize("page", [{"error": "too long"}, b"<html>413</html>"])
async def test_a_body_too_large_is_halved_down_to_the_one_that_is(
    sink: Elasticsearch, page: Any
) -> None:
    # Given a server that refuses every request with the huge document in it
    Script.bulk = lambda ids: (413, page) if "huge" in ids else items(ids)

    outcomes = await sink.index(documents("a", "b", "huge", "d"))

    assert kinds(outcomes) == "ddxd"
    assert isinstance(outcomes[2], Rejected)
    assert outcomes[2].kind == "too_large"
    assert sink.size.limit_bytes < sink.config.bulk_max_bytes


async def test_one_document_that_spoils_a_request_is_found(sink: Elasticsearch) -> None:
    spoiled = {"error": {"type": "action_request_validation_exception", "reason": "id is too long"}}
    Script.bulk = lambda ids: (400, spoiled) if "c" in ids else items(ids)

    outcomes = await sink.index(documents("a", "b", "c", "d"))

    assert kinds(outcomes) == "ddxd"
    assert isinstance(outcomes[2], Rejected)
    assert "id is too long" in outcomes[2].message
    assert sink.size.limit_bytes == sink.config.bulk_max_bytes


@pytest.mark.parametrize(
    "answer",
    [
        ConnectionTimeout("slow"),
        (429, {"error": "slow"}),
        (200, {"items": [{"index": error(429, "es_rejected_execution_exception")}] * 4}),
    ],
)
async def test_overload_makes_requests_smaller_and_success_larger(
    sink: Elasticsearch, answer: Answer
) -> None:
    Script.bulk = lambda ids: answer
    await sink.index(documents(*"abcd"))
    Script.bulk = items
    Script.sent.clear()

    await sink.index(documents(*"abcdefghi"))

    assert [len(ids) for ids in Script.sent] == [2, 3, 4]


async def test_the_layout_is_put_before_the_first_write_and_after_a_lost_connection(
    sink: Elasticsearch,
) -> None:
    template = "PUT /_index_template/tingchao-posts"

    await sink.index(documents("a"))
    await sink.index(documents("b"))
    assert Script.requests.count(template) == 1
    assert Script.requests.index(template) < Script.requests.index("POST /_bulk")

    # When the server goes away, it may come back without its disk
    Script.bulk = lambda ids: NoConnection("gone")
    await sink.index(documents("c"))
    Script.bulk = items
    assert await sink.index(documents("c")) == [Done()]
    assert Script.requests.count(template) == 2


async def test_nothing_is_written_while_the_layout_can_not_be_put(sink: Elasticsearch) -> None:
    Script.other = lambda method, target: (403, {"error": {"type": "security_exception"}})

    outcomes = await sink.index(documents("a", "b"))

    assert kinds(outcomes) == "rr"
    assert Script.sent == []


async def test_a_missing_index_is_made_for_the_next_time(sink: Elasticsearch) -> None:
    Script.bulk = lambda ids: items(ids, a=error(404, "index_not_found_exception"))

    assert kinds(await sink.index(documents("a", "b"))) == "rd"

    assert "PUT /posts-2024.03" in Script.requests


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (NoConnection("refused"), RetryableError, "es.example:9200"),
        (TlsError("CERTIFICATE_VERIFY_FAILED"), FatalError, "ca_file"),
        ((401, {"error": {"type": "security_exception", "reason": "x"}}), FatalError, "api_key"),
        ((503, {"error": {"type": "x", "reason": "busy"}}), RetryableError, "busy"),
        ((400, {"error": {"type": "x", "reason": "cannot be changed"}}), FatalError, "changed"),
    ],
)
async def test_setup_errors_say_where_and_what_to_do(
    sink: Elasticsearch, answer: Answer, kind: type[Exception], words: str
) -> None:
    Script.other = lambda method, target: answer
    for call in (sink.setup, sink.drop, sink.counts):
        with pytest.raises(kind, match=re.escape(words)) as caught:
            await call()
        assert SECRET not in str(caught.value)


async def test_ready_waits_for_the_server(sink: Elasticsearch) -> None:
    Script.other = lambda method, target: (200, {"timed_out": False, "status": "yellow"})
    await sink.ready()
    Script.other = lambda method, target: (408, {"timed_out": True, "status": "red"})
    with pytest.raises(RetryableError, match="red"):
        await sink.ready()


async def test_a_server_that_is_away_is_a_retry_everywhere() -> None:
    # Given a port of this machine where nobody listens, and the real HTTP node
    sink = Elasticsearch(Elasticsearch.Config.model_validate({"url": "http://127.0.0.1:9"}))

    outcomes = await sink.index(documents("a", "b"))

    assert kinds(outcomes) == "rr"
    for call in (sink.ready, sink.setup, sink.counts):
        with pytest.raises(RetryableError, match=r"127\.0\.0\.1:9"):
            await call()
    await sink.close()


class TestConfig:
    @pytest.mark.parametrize(
        ("options", "word"),
        [
            ({"url": "http://user:pw@es.example:9200"}, "username"),
            ({"url": "ftp://es.example"}, "url"),
            ({"api_key": "k", "username": "u", "password": "p"}, "api_key"),
            ({"username": "u"}, "password"),
            ({"ca_certs": "/ca.pem"}, "https"),
            ({"prefix": "Großes-"}, "prefix"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_what_can_not_work_is_refused(self, options: dict[str, Any], word: str) -> None:
        with pytest.raises(ValidationError, match=word):
            Elasticsearch.Config.model_validate(options)

    def test_secrets_do_not_show(self) -> None:
        config = Elasticsearch.Config.model_validate({"username": "u", "password": SECRET})
        assert SECRET not in repr(config) + str(config) + config.model_dump_json()

    def test_a_missing_authority_file_is_named(self) -> None:
        config = Elasticsearch.Config.model_validate(
            {"url": "https://es.example", "ca_certs": "/nowhere/ca.pem"}
        )
        with pytest.raises(FatalError, match=r"/nowhere/ca\.pem"):
            Elasticsearch(config)

    def test_an_unchecked_certificate_is_a_choice_without_a_warning(self) -> None:
        options = {"url": "https://es.example", "verify_certs": False}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Elasticsearch(Elasticsearch.Config.model_validate(options))
