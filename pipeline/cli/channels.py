"""Commands about the ways to reach people: a trial of one."""

import difflib
from typing import Annotated

import httpx
import typer

from pipeline import clock
from pipeline.cli.common import app, console, settings_of, wait_for
from pipeline.components import build_channels
from pipeline.settings import Settings
from pipeline.trial_notice import trial_notice
from schemas.errors import FatalError
from schemas.language import say

__all__: list[str] = []

channels_app = typer.Typer(
    help=say("告知人的通道。", "Ways to reach people."), no_args_is_help=True
)
app.add_typer(channels_app, name="channels")


@channels_app.command(
    "test",
    help=say(
        "向一个通道发一条标明“试发”的通知，等它收下；不读写别的任何东西。",
        "Send a notice marked as a trial to one channel and wait until it is taken; nothing else "
        "is read or written.",
    ),
)
def channels_test(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(help=say("通道在设置里的名字。", "Name of the channel in the settings.")),
    ],
) -> None:
    """Try one channel."""
    settings = settings_of(context)
    if name not in settings.channels:
        raise FatalError(_unknown(name, settings))
    wait_for(_deliver(settings, name))
    console.print(
        say(
            f"通道 {name} 收下了试发通知；请到那里看看是否收到。",
            f"Channel {name} took the trial; look there whether it has come.",
        ),
        soft_wrap=True,
    )


async def _deliver(settings: Settings, name: str) -> None:
    async with httpx.AsyncClient() as client:
        channel = build_channels(settings, client)[name]
        await channel.deliver(trial_notice(name, clock.now()))


def _unknown(name: str, settings: Settings) -> str:
    known = sorted(settings.channels)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    zh, en = (f"；是不是 {near[0]}？", f"; did you mean {near[0]}?") if near else ("。", ".")
    return say(f"设置里没有叫 {name} 的通道{zh}", f"There is no channel {name} in the settings{en}")
