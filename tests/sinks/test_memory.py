from collections.abc import Callable

import pytest

from schemas.errors import RetryableError
from schemas.outcome import Done, Rejected, Retry
from sinks.base import Notice
from sinks.bulk import Document
from sinks.memory import MemoryChannel, MemoryIndex


def document(name: str, version: int, text: str = "鼓包") -> Document:
    return Document("posts-2024.03", name, version, f'{{"text":"{text}"}}'.encode())


async def test_versions_follow_the_rules_of_the_real_index() -> None:
    index = MemoryIndex()

    outcomes = await index.index(
        [document("a", 5), document("a", 4, "旧"), document("a", 5, "同"), document("a", 6, "新")]
    )

    assert outcomes == [Done(), Done(stale=True), Done(), Done()]
    assert index.documents["posts-2024.03", "a"].body == '{"text":"新"}'.encode()


async def test_injected_faults_hit_their_id_only_and_store_nothing() -> None:
    index = MemoryIndex()
    index.fail("b", Retry("busy"), Rejected("mapping", "no"))
    batch = [document("a", 1), document("b", 1)]

    assert await index.index(batch) == [Done(), Retry("busy")]
    assert await index.index(batch) == [Done(), Rejected("mapping", "no")]
    assert ("posts-2024.03", "b") not in index.documents
    assert await index.index(batch) == [Done(), Done()]
    assert index.calls == [["a", "b"]] * 3


async def test_what_is_no_json_is_rejected() -> None:
    [outcome] = await MemoryIndex().index([Document("i", "a", 1, b"{")])
    assert isinstance(outcome, Rejected)


async def test_a_channel_keeps_notices_and_fails_when_told(
    make_notice: Callable[..., Notice],
) -> None:
    channel = MemoryChannel("test", MemoryChannel.Config())
    channel.fail(RetryableError("busy"), None, RetryableError("busy again"))

    with pytest.raises(RetryableError, match="busy"):
        await channel.deliver(make_notice(key="1"))
    await channel.deliver(make_notice(key="1"))
    with pytest.raises(RetryableError, match="again"):
        await channel.deliver(make_notice(key="2"))
    await channel.deliver(make_notice(key="2"))

    assert channel.keys == ["1", "2"]
    assert channel.attempts == 4
