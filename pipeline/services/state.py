"""What is written down about the local services: ``services.json``."""

import contextlib
import os
import tempfile
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .process import ProcessRef

__all__ = ["Record", "State", "load", "save", "write"]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(_Stored):
    """One started service."""

    process: ProcessRef
    port: int
    since: datetime
    settings: str
    """Digest of what it was started with."""
    log_size: int = 0
    """Bytes in its log before this start."""
    owner: ProcessRef | None = None
    """The process that it ends with; none if it outlives whoever started it."""


class State(_Stored):
    """All that the next start must know."""

    ports: dict[str, int] = Field(default_factory=dict)
    """Ports chosen by us, kept for the next start."""
    services: dict[str, Record] = Field(default_factory=dict)

    def with_service(self, name: str, record: Record | None) -> "State":
        """The state after a service was started, or forgotten."""
        others = {other: kept for other, kept in self.services.items() if other != name}
        return State(ports=self.ports, services=others | ({name: record} if record else {}))


def _path(folder: Path) -> Path:
    return folder / "services.json"


def load(folder: Path) -> State:
    """What was written last; a missing or damaged file says nothing."""
    try:
        return State.model_validate_json(_path(folder).read_bytes())
    except (OSError, ValidationError):
        return State()  # what runs nevertheless is found by its mark


def save(folder: Path, state: State) -> None:
    """Write it down, whole or not at all."""
    write(_path(folder), state.model_dump_json(indent=2) + "\n")


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file at once.

    Also the safe way to write as root into a folder that another user owns: a link which that user
    put in place is replaced and not followed.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
