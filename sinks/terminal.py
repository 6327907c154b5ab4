"""The terminal: a notice as readable text, for trials and for a room with a screen.

Delivery: at least once; a repeated notice is printed again under the same title.
Limits: nobody confirms that anybody read it.
"""

import sys
from typing import TextIO
from zoneinfo import ZoneInfo

import httpx
from pydantic import Field

from schemas.component import ComponentConfig
from schemas.errors import FatalError
from schemas.language import say
from schemas.zone import ZoneName
from sinks.base import Notice
from sinks.notice_text import body, title

__all__ = ["Terminal"]

_RULE = "─" * 72


class Terminal:
    """Writes every notice to standard output."""

    class Config(ComponentConfig):
        """How times are shown."""

        time_zone: ZoneName = Field("Asia/Shanghai", description="Time zone of the times shown.")

    def __init__(
        self,
        name: str,
        config: Config,
        client: httpx.AsyncClient | None = None,
        *,
        stream: TextIO | None = None,
    ) -> None:
        self.name = name
        self._zone = ZoneInfo(config.time_zone)
        self._stream = stream

    async def deliver(self, notice: Notice) -> None:
        """Print the notice.

        Raises:
            FatalError: the terminal is gone.
        """
        stream = self._stream or sys.stdout  # looked up late: tests and supervisors replace it
        text = f"{_RULE}\n{title(notice)}\n\n{body(notice, zone=self._zone)}\n{_RULE}\n"
        encoding = stream.encoding or "utf-8"
        try:
            stream.write(text.encode(encoding, "replace").decode(encoding))
            stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            raise FatalError(
                say(
                    f"通道 {self.name}：终端无法写入：{error}",
                    f"channel {self.name}: the terminal can't be written to: {error}",
                )
            ) from error
