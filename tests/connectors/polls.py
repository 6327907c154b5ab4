"""What polls bring, without the marks of their ends."""

from collections.abc import AsyncIterator

from connectors.base import Batch

__all__ = ["parts"]


class parts(AsyncIterator[Batch]):
    """The batches of polls; raises what a poll told as the trouble of a part, and goes on."""

    def __init__(self, batches: AsyncIterator[Batch]) -> None:
        self._batches = batches

    async def __anext__(self) -> Batch:
        async for batch in self._batches:
            if batch.trouble is not None:
                raise batch.trouble
            if not batch.poll_ends:
                return batch
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await self._batches.aclose()  # type: ignore[attr-defined]
