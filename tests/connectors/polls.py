"""What polls bring, without the marks of their ends."""

from collections.abc import AsyncGenerator, AsyncIterator

from connectors.base import Batch

__all__ = ["parts"]


async def parts(batches: AsyncIterator[Batch]) -> AsyncGenerator[Batch, None]:
    """The batches of polls; raises what a poll told as the trouble of a part."""
    async for batch in batches:
        if batch.trouble is not None:
            raise batch.trouble
        if not batch.poll_ends:
            yield batch
