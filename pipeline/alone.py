"""One line a work folder: two would share crash notes, ports and cursors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipeline.folders import locked
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["alone"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder for this process.

    Raises:
        FatalError: another process holds it, or the folder can't be written.
    """

    def refuse(handle: TextIO) -> None:
        handle.seek(0)
        holder = handle.read().strip() or "?"
        raise FatalError(
            say(
                f"工作目录 {folder} 里已有一条线在运行（进程 {holder}）；先停下它，或另设 folder。",
                f"A line already runs in the work folder {folder} (process {holder}); stop it "
                "first, or set another folder.",
            )
        ) from None

    with locked(folder / "line.lock", refuse) as handle:
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
