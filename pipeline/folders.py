"""The lock on a folder, notes in it, and the sentence for one that cannot be written."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from schemas.errors import FatalError
from schemas.language import say

__all__ = ["locked", "replace_note", "unwritable"]


def unwritable(folder: Path, error: OSError) -> FatalError:
    """What to tell a person about a folder that refuses us."""
    return FatalError(
        say(
            f"目录 {folder} 无法写入（{error.strerror}）；请改设 folder 或它的权限。",
            f"The folder {folder} cannot be written ({error.strerror}); change the setting folder, "
            "or the folder's permissions.",
        )
    )


def replace_note(path: Path, text: str) -> None:
    """Write a note of one process in one step: a reader, or a death, never meets half of it.

    There is no fsync: it is the process that may die, not the machine.

    Raises:
        OSError: the folder can't be written.
    """
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[TextIO], None]) -> Iterator[TextIO]:
    """Hold the lock file ``path``; the kernel lets go when this process dies, however it dies.

    ``waiting`` is told, with the open file, when another process holds it; it may raise instead.

    Raises:
        FatalError: the folder can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+", encoding="ascii")
    except OSError as error:
        raise unwritable(path.parent, error) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting(handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
