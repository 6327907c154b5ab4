"""Asking again and again, at a steady pace with jitter."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace

from pydantic import Field

from connectors.base import Batch, Context, Cursor
from connectors.trouble import SourceError
from schemas.component import ComponentConfig
from schemas.language import say

__all__ = ["PollConfig", "poll_for_ever"]

_JITTER = 0.1


class PollConfig(ComponentConfig):
    """Options of every connector that polls."""

    every_seconds: float = Field(
        300, ge=5, le=86_400, description="Seconds between two polls, give or take a tenth."
    )
    contact: str = Field(
        "no contact given",
        max_length=200,
        pattern=r"^[\x20-\x7e]*$",
        description="Mail or web address of yours, told to the servers in the User-Agent.",
    )
    allow_private: bool = Field(
        False, description="Follow redirects to addresses of a private network."
    )


async def poll_for_ever(
    poll: Callable[[Cursor], AsyncIterator[Batch]],
    cursor: Cursor,
    context: Context,
    every_seconds: float,
) -> AsyncIterator[Batch]:
    """Yield all batches of one poll after the other; never ends by itself.

    ``poll`` yields at least one batch, an empty one when there is no news: it is the sign of life
    of the source. When it raises a SourceError after a batch, something could be read: the trouble
    is told, and the next poll comes at its time. When it raises before, nothing could be.

    Raises:
        SourceError: what a poll raised that brought nothing.
    """
    while True:
        began = context.now()
        found = poll(cursor)
        last: Batch | None = None
        trouble: SourceError | None = None
        try:
            async for batch in found:
                yield replace(batch, poll_ends=False)
                last, cursor = batch, batch.cursor
        except SourceError as error:
            if last is None:
                raise
            trouble = _in_part(error)
        finally:  # when this ends early, so does the poll, and not some time later
            if isinstance(found, AsyncGenerator):
                await found.aclose()
        left = last.quota_left if last is not None else None
        warning = last.warning if last is not None else None
        yield Batch([], cursor, quota_left=left, trouble=trouble, warning=warning)
        took = (context.now() - began).total_seconds()
        # Many sources of one host must not ask in step for ever.
        pause = every_seconds * random.uniform(1 - _JITTER, 1 + _JITTER)
        if trouble is not None and trouble.retry_after_seconds is not None:
            pause = max(pause, trouble.retry_after_seconds)
        await context.sleep(max(1.0, pause - max(0.0, took)))


def _in_part(error: SourceError) -> SourceError:
    return SourceError(
        error.trouble,
        say(f"有一部分读不到，其余照常：{error}", f"A part can't be read, the rest can: {error}"),
        retry_after_seconds=error.retry_after_seconds,
    )
