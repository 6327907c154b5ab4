"""What the sink leans on in the Elasticsearch client, against a server that answers as told.

A failure here means that a new version behaves differently: its message names the code of ours that
would lose, repeat or hang.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from elastic_transport import AiohttpHttpNode, ConnectionTimeout, TransportError
from elastic_transport import ConnectionError as NoConnection
from elasticsearch import ApiError, AsyncElasticsearch, UnsupportedProductError

from sinks.elastic_client import Node, connect
from sinks.elasticsearch import _BULK, _NDJSON

OURS = b"x-elastic-product: Elasticsearch\r\n"
CLIENT = "sinks/elastic_client.py"


@dataclass
class Server:
    """Gives each request the next answer; None hangs up, an empty one never comes."""

    answers: list[bytes | None] = field(default_factory=list)
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Head and body of each request, the body without its transfer coding."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not reader.at_eof():
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append((head.lower(), await _body(reader, head.lower())))
                answer = self.answers.pop(0)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass  # the client is gone
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"transfer-encoding: chunked" in head:
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
        return b"".join(parts)
    if (at := head.find(b"content-length: ")) >= 0:
        return await reader.readexactly(int(head[at:].split(None, 2)[1]))
    return b""


def answer(status: int, body: bytes = b"{}", headers: bytes = OURS) -> bytes:
    return (
        b"HTTP/1.1 %d Told\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
        % (status, headers, len(body), body)
    )


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, AsyncElasticsearch]]:
    """A server and our client of it."""
    told = Server()
    running = await asyncio.start_server(told.serve, "127.0.0.1", 0, limit=2**24)
    port = running.sockets[0].getsockname()[1]
    client = connect(
        f"http://127.0.0.1:{port}",
        node_class=Node,
        api_key=None,
        login=None,
        ca_certs=None,
        verify_certs=True,
        request_timeout_seconds=0.5,
    )
    yield told, client
    await client.close()
    running.close()
    await running.wait_closed()


async def bulk(client: AsyncElasticsearch, body: bytes = b"{}\n") -> Any:
    """As the sink does it."""
    return await client.perform_request("POST", _BULK, headers=_NDJSON, body=body)


@pytest.mark.parametrize("told", [None, b"", *map(answer, (429, 500, 502, 503, 504))])
async def test_a_failed_request_is_not_repeated_by_the_client(
    server: tuple[Server, AsyncElasticsearch], told: bytes | None
) -> None:
    """Our loops repeat, with pauses; the client would at once, and hide the lines' outcomes."""
    script, client = server
    script.answers = [told, answer(200, b'{"items":[]}')]

    with pytest.raises((ApiError, TransportError)):
        await bulk(client)
    assert len(script.requests) == 1, f"max_retries=0 no longer means one request ({CLIENT})"

    assert (await bulk(client)).body == {"items": []}, (
        "after a failure the client does not try the server again at once: the sink would stay "
        "away from a server that is back (it marks nodes dead)"
    )


@pytest.mark.parametrize(("told", "error"), [(None, NoConnection), (b"", ConnectionTimeout)])
async def test_no_answer_is_a_transport_error_and_a_late_one_a_timeout(
    server: tuple[Server, AsyncElasticsearch], told: bytes | None, error: type[TransportError]
) -> None:
    """``Elasticsearch._send`` hands all documents in again, and makes smaller requests at a
    timeout.
    """
    script, client = server
    script.answers = [told]

    with pytest.raises(error) as raised:
        await bulk(client)
    assert isinstance(raised.value, TransportError) and not isinstance(raised.value, ApiError)
    assert isinstance(raised.value.message, str), "the sentence for people is made of it (away)"


async def test_a_refusal_carries_status_body_and_headers(
    server: tuple[Server, AsyncElasticsearch],
) -> None:
    """``whole_failure`` (sinks/bulk.py) decides by them what may come again."""
    script, client = server
    script.answers = [answer(429, b'{"error":{"type":"x"}}', OURS + b"Retry-After: 7\r\n")]

    with pytest.raises(ApiError) as raised:
        await bulk(client)
    meta = raised.value.meta
    assert (meta.status, raised.value.body) == (429, {"error": {"type": "x"}})
    assert meta.headers.get("retry-after") == "7", "the wait that a proxy asks for is overlooked"


async def test_another_product_is_told_from_a_proxy_that_refuses(
    server: tuple[Server, AsyncElasticsearch],
) -> None:
    """``mapped_errors``: the first needs a person, the second passes."""
    script, client = server
    script.answers = [answer(502, b"{}", b""), answer(200, b"{}", b"")]

    with pytest.raises(ApiError) as raised:
        await bulk(client)
    assert raised.value.meta.status == 502, "a proxy's 502 must stay one: it is tried again"
    with pytest.raises(UnsupportedProductError):
        await bulk(client)


async def test_bytes_go_out_as_they_are_and_the_answer_is_parsed(
    server: tuple[Server, AsyncElasticsearch],
) -> None:
    """The sink builds its request itself, line by line, of the documents' own bytes."""
    script, client = server
    script.answers = [answer(200, b'{"items":[{"index":{"status":201}}]}')]
    body = '{"index":{"_id":"1"}}\n{"text": "鼓包" }\n'.encode() * 40_000  # over 1 MiB

    found = await bulk(client, body)

    head, received = script.requests[0]
    assert received == body, "the client changes a body of bytes: versions and ids would be lost"
    assert b"x-ndjson" in head and head.startswith(b"post /_bulk?filter_path=")
    assert found.body == {"items": [{"index": {"status": 201}}]}


async def test_the_nodes_log_method_is_the_one_that_ours_replaces(
    server: tuple[Server, AsyncElasticsearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Node`` replaces a private method: the inherited one decodes each body for the log."""
    called: list[str] = []
    monkeypatch.setattr(Node, "_log_request", lambda self, **_: called.append("ours"))
    logger = logging.getLogger("elastic_transport.node")
    handler = logging.NullHandler()
    logger.addHandler(handler)
    script, client = server
    script.answers = [answer(200)]
    try:
        await bulk(client)
    finally:
        logger.removeHandler(handler)
    assert callable(AiohttpHttpNode._log_request)
    assert called == ["ours"], (
        f"the client no longer logs by _log_request: see Node ({CLIENT}); bodies of megabytes may "
        "be decoded again for every request"
    )


async def test_a_status_can_be_taken_for_an_answer(
    server: tuple[Server, AsyncElasticsearch],
) -> None:
    """``Elasticsearch.ready`` asks this way whether the server is well in time."""
    script, client = server
    script.answers = [answer(408, b'{"timed_out":true,"status":"red"}')]

    health = await client.options(ignore_status=408).cluster.health(wait_for_status="yellow")
    assert health["timed_out"] is True and len(script.requests) == 1
