"""Ports on 127.0.0.1: configured, remembered or free."""

import random
import socket
import time
from collections.abc import Collection

from schemas.language import say

from .config import ServiceError

__all__ = ["choose", "is_free"]

HOST = "127.0.0.1"
# Below the range that Linux and macOS hand to outgoing connections: a port remembered from there
# would now and then be taken by somebody's browser.
_RANGE = (20_000, 32_000)
PATIENCE_SECONDS = 5.0


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: not TIME_WAIT
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _becomes_free(port: int) -> bool:
    """Whether it is free, or soon: a server that was just killed holds its port for a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def choose(
    title: str, *, configured: int | None, remembered: int | None, taken: Collection[int]
) -> int:
    """The configured port, else the one of the last start, else a free one."""
    if configured is not None:
        if not _becomes_free(configured):
            raise ServiceError(
                say(
                    f"{title} 的端口 {configured} 已被占用：请停止占用它的程序，"
                    "或在设置里换一个端口。",
                    f"Port {configured} for {title} is taken: stop the program that uses it, "
                    "or set another port.",
                )
            )
        return configured
    if remembered is not None and remembered not in taken and _becomes_free(remembered):
        return remembered
    for port in random.sample(range(*_RANGE), k=200):
        if port not in taken and is_free(port):
            return port
    raise ServiceError(
        say(f"没有可供 {title} 使用的空闲端口。", f"No free port was found for {title}.")
    )
