"""Starts the command line with failpoints: places where a fault is made to happen.

The product has no failpoints. This launcher, which only the fault tests use, wraps its joints::

    TINGCHAO_FAILPOINTS="index.after_bulk enrich.bug=weibo:17" python -m tests.faults.sabotage ...

A failpoint that ends a process takes one file out of ``TINGCHAO_TOKENS`` each time, so that the
rig decides how often it happens, over all processes.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["FAILPOINTS", "TOKENS"]

FAILPOINTS = "TINGCHAO_FAILPOINTS"
TOKENS = "TINGCHAO_TOKENS"


def _take_token() -> bool:
    """Whether it shall happen once more."""
    for token in Path(os.environ[TOKENS]).iterdir():
        with suppress(FileNotFoundError):  # another process took it
            token.unlink()
            return True
    return False


def _die_if_told() -> None:
    """As ``kill -9`` at exactly this place, once a token."""
    if _take_token():
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def _index_after_bulk(argument: str) -> None:
    """The bulk request was answered; nothing of it is acknowledged to Kafka yet."""
    from pipeline.index import IndexStage

    apply = IndexStage.apply

    async def sabotaged(self: Any, items: Sequence[Any]) -> Any:
        outcomes = await apply(self, items)
        _die_if_told()
        return outcomes

    IndexStage.apply = sabotaged  # type: ignore[method-assign]


def _enrich_bug(argument: str) -> None:
    """A bug that one post brings out, in every process that meets it."""
    from pipeline.enrich import EnrichStage

    apply = EnrichStage.apply

    async def sabotaged(self: Any, items: Sequence[Any]) -> Any:
        if any(getattr(item.value, "id", None) == argument for item in items):
            raise ZeroDivisionError(f"at {argument}")
        return await apply(self, items)

    EnrichStage.apply = sabotaged  # type: ignore[method-assign]


def _enrich_first_batch(argument: str) -> None:
    """An unexpected error in a batch, once a token."""
    from pipeline.enrich import EnrichStage

    apply = EnrichStage.apply

    async def sabotaged(self: Any, items: Sequence[Any]) -> Any:
        if _take_token():
            raise ZeroDivisionError("in the first batch")
        return await apply(self, items)

    EnrichStage.apply = sabotaged  # type: ignore[method-assign]


def _watch_in_transaction(argument: str) -> None:
    """Incidents and states of a transaction are with the broker; it is not committed."""
    from aiokafka import AIOKafkaProducer

    send_offsets = AIOKafkaProducer.send_offsets_to_transaction

    async def sabotaged(self: Any, offsets: Any, group: str) -> None:
        _die_if_told()
        await send_offsets(self, offsets, group)

    AIOKafkaProducer.send_offsets_to_transaction = sabotaged


def _watch_after_commit(argument: str) -> None:
    """The transaction is committed; the process does not know it yet."""
    from pipeline.watch import WatchStage

    commit = WatchStage._commit

    async def sabotaged(self: Any, *arguments: Any) -> None:
        await commit(self, *arguments)
        _die_if_told()

    WatchStage._commit = sabotaged  # type: ignore[method-assign]


POINTS: dict[str, Callable[[str], None]] = {
    "index.after_bulk": _index_after_bulk,
    "enrich.bug": _enrich_bug,
    "enrich.first_batch": _enrich_first_batch,
    "watch.in_transaction": _watch_in_transaction,
    "watch.after_commit": _watch_after_commit,
}


def main() -> None:
    for point in os.environ.get(FAILPOINTS, "").split():
        name, _, argument = point.partition("=")
        POINTS[name](argument)
    from pipeline.__main__ import main as tingchao

    tingchao()


if __name__ == "__main__":
    main()
