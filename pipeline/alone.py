"""One line a work folder: two would share crash notes, ports and cursors."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import FatalError
from schemas.language import say

__all__ = ["alone"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the kernel lets go when it dies, however it dies.

    Raises:
        FatalError: another process holds it, or the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "line.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise FatalError(
            say(
                f"工作目录 {folder} 无法写入（{error.strerror}）；请改设 folder 或它的权限。",
                f"The work folder {folder} cannot be written ({error.strerror}); change the "
                "setting folder, or the folder's permissions.",
            )
        ) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "?"
            raise FatalError(
                say(
                    f"工作目录 {folder} 里已有一条线在运行（进程 {holder}）；"
                    "先停下它，或另设 folder。",
                    f"A line already runs in the work folder {folder} (process {holder}); stop it "
                    "first, or set another folder.",
                )
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
