"""The command that gets a token from Weibo."""

import asyncio
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer

from connectors import weibo_token
from connectors.base import Context
from pipeline import clock
from pipeline.cli.common import app, console, local_time, settings_of, wait_for
from schemas.errors import FatalError
from schemas.language import say

__all__: list[str] = []


@app.command(
    "weibo-token",
    help=say(
        "取得微博的 access_token：不给 CODE 时显示授权页；授权后把回调地址里的 code 换成令牌，"
        "写入一个只有你能读的文件。应用密钥取自环境变量 WEIBO_APP_SECRET。",
        "Get an access_token from Weibo: without CODE, shows the page to authorise on; then "
        "exchanges the code in the redirect's address and writes the token to a file that only "
        "you can read. The app's secret comes from the environment variable WEIBO_APP_SECRET.",
    ),
)
def weibo_token_command(
    context: typer.Context,
    client_id: Annotated[
        str, typer.Option("--client-id", help=say("应用的 App Key。", "The app's key."))
    ],
    redirect_uri: Annotated[
        str,
        typer.Option(
            "--redirect-uri", help=say("应用设置里的回调地址。", "The redirect address of the app.")
        ),
    ],
    code: Annotated[
        str | None,
        typer.Argument(help=say("回调地址里的 code。", "The code in the redirect's address.")),
    ] = None,
    to: Annotated[
        Path, typer.Option("--to", help=say("令牌写到哪里。", "Where the token goes."))
    ] = Path("weibo-token"),
    host: Annotated[
        str, typer.Option("--host", help=say("开放平台。", "The Open API."))
    ] = weibo_token.HOST,
) -> None:
    """Show where to authorise, or exchange a code."""
    settings = settings_of(context)
    if code is None:
        page = weibo_token.authorise_at(host, client_id, redirect_uri)
        console.print(say(f"请用账号登录并授权：{page}", f"Log in and authorise: {page}"))
        return
    secret = os.environ.get("WEIBO_APP_SECRET", "")
    if not secret:
        raise FatalError(say("没有设置环境变量 WEIBO_APP_SECRET。", "WEIBO_APP_SECRET is not set."))
    with _replaced(to) as file:
        token = wait_for(_exchange(host, client_id, secret, redirect_uri, code))
        os.write(file, token.access_token.encode())
    until = local_time(token.ends_at, settings, "%Y-%m-%d %H:%M")
    console.print(
        say(
            f'令牌已写入 {to}（到期：{until}）。设置：access_token = {{ file = "{to}" }}；'
            "然后重启 ingest。",
            f"The token is in {to} (until {until}). Settings: access_token = "
            f'{{ file = "{to}" }}; then restart ingest.',
        )
    )


async def _exchange(
    host: str, client_id: str, client_secret: str, redirect_uri: str, code: str
) -> weibo_token.Token:
    async with httpx.AsyncClient() as client:
        return await weibo_token.exchange(
            Context(client, clock.now, asyncio.sleep),
            host=host,
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=redirect_uri,
            code=code,
        )


@contextmanager
def _replaced(path: Path) -> Iterator[int]:
    """A file that only we can read, in the place of the old one once all went well.

    It is opened first: a code is good once, so what is wrong with the folder has to show before.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, say("是一个文件夹", "it is a folder"))
        file, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise FatalError(
            say(f"写不了 {path}：{error.strerror}。", f"{path} can't be written: {error.strerror}.")
        ) from error
    try:
        yield file
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
    finally:
        os.close(file)
