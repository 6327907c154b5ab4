"""Tries one configured source, without a broker: what would it read?"""

import asyncio
import inspect
import re
import socket
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from connectors import CONNECTORS
from connectors.base import Context, Seen, Unreadable
from connectors.receiver import ReceiveConfig
from pipeline import clock
from pipeline.components import build_connector
from pipeline.settings import Settings
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["Trial", "example_of", "section_of", "try_source"]

POSTS = 5
TRIAL_SECONDS = 60.0
WAIT_SECONDS = 30.0
"""So long a trial really waits, in all, for a quota or for what a site asks."""


@dataclass
class Trial:
    """What one look at a source brought."""

    seen: list[Seen] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    quota_left: int | None = None
    warning: str | None = None
    listens_at: str | None = None
    """For a source that is pushed to: where; nothing can be read from it by asking."""
    whole: bool = False
    """All of the source was looked at: what is not here is not there."""
    waits_seconds: float | None = None
    """The look was given up since the connector wanted to wait so long in the middle of it."""
    trouble: str | None = None
    """What of the source could not be read, though the rest could."""


class _GivenUpError(Exception):
    """The connector waits: for its next poll, or longer than a trial does."""


def section_of(settings: Settings, name: str) -> Any:
    """The settings of one source.

    Raises:
        FatalError: there is no such source; says which there are.
    """
    if name in settings.sources:
        return settings.sources[name]
    known = ", ".join(sorted(settings.sources)) or say("没有", "none")
    raise FatalError(
        say(
            f"设置里没有来源 {name}（现有：{known}）；请加上 [sources.{name}]。"
            f"可用的种类：{'、'.join(sorted(CONNECTORS))}；tingchao connect 种类 会给出示例。",
            f"The settings have no source {name} (there is: {known}); add [sources.{name}]. Kinds: "
            f"{', '.join(sorted(CONNECTORS))}; `tingchao connect KIND` shows an example.",
        )
    )


def example_of(kind: str) -> str:
    """The settings example of a connector, from its own description; empty when it has none."""
    text = inspect.getdoc(inspect.getmodule(CONNECTORS[kind])) or ""
    found = re.search(r"::\n\n((?:(?: {4}.*)?\n)+)", text + "\n")
    return textwrap.dedent(found[1]).strip() if found else ""


async def try_source(
    settings: Settings,
    name: str,
    *,
    client: httpx.AsyncClient | None = None,
    now: Callable[[], datetime] = clock.now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Trial:
    """Read the first posts of a source from its beginning; nothing is written or remembered.

    Raises:
        FatalError: the settings are wrong, or the source gave no sign of life in a minute.
        RetryableError: the source can't be read now; the message says why.
    """
    section = section_of(settings, name)
    trial = Trial()

    waited = 0.0

    async def wait(seconds: float) -> None:
        nonlocal waited
        if trial.whole:
            raise _GivenUpError
        waited += seconds
        if waited > WAIT_SECONDS:
            trial.waits_seconds = seconds
            raise _GivenUpError
        await sleep(seconds)

    answered = False
    async with client or httpx.AsyncClient() as opened:
        connector = build_connector(name, section, Context(opened, now, wait))
        if connector.way == "pushed":
            trial.listens_at = _listens_at(section.use, section.options)
            return trial
        try:
            async with asyncio.timeout(TRIAL_SECONDS):
                async for batch in connector.batches({}):
                    answered = True
                    trial.seen += batch.seen[: POSTS - len(trial.seen)]
                    trial.unreadable += batch.unreadable[: POSTS - len(trial.unreadable)]
                    trial.quota_left, trial.warning = batch.quota_left, batch.warning
                    trial.whole = batch.poll_ends
                    trial.trouble = str(batch.trouble) if batch.trouble is not None else None
                    if len(trial.seen) >= POSTS:
                        break
                else:
                    trial.whole = True
        except _GivenUpError:
            pass
        except TimeoutError:
            if not answered:
                raise FatalError(
                    say(
                        f"来源 {name} 在 {TRIAL_SECONDS:.0f} 秒内没有读到任何内容。",
                        f"The source {name} brought nothing within {TRIAL_SECONDS:.0f} seconds.",
                    )
                ) from None
    return trial


def _listens_at(kind: str, options: dict[str, Any]) -> str:
    """The address, after a look whether it can be listened on.

    Raises:
        FatalError: it is taken.
    """
    config: ReceiveConfig = CONNECTORS[kind].Config(**options)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            raise FatalError(
                say(
                    f"无法监听 {config.host}:{config.port}：{error.strerror}；"
                    "听潮是否已在运行？否则请换一个端口。",
                    f"{config.host}:{config.port} can't be listened on: {error.strerror}; does "
                    "Tingchao run already? Otherwise choose another port.",
                )
            ) from error
    return f"http://{config.host}:{config.port}{config.path}"
