"""What was promised to a sender while the broker was away: files that outlive the process.

For senders that do not repeat for long enough. A parcel is on the disk, synced, before the sender
is told that it arrived, and it is removed once the broker has it. Delivery: at least once.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pydantic import ConfigDict, TypeAdapter, ValidationError

from connectors.base import Seen, Unreadable
from connectors.receiver import Busy
from schemas.customer_event import CustomerEvent
from schemas.record import explain

__all__ = ["MAX_SPOOL_BYTES", "Parcel", "Spool", "SpoolFullError"]

MAX_SPOOL_BYTES = 256 * 1024 * 1024
"""Some hundred thousand messages of a few hundred characters."""
LOOK_SECONDS = 5.0
AT_ONCE = 200
_SUFFIX = ".parcel"


@dataclass(slots=True)
class Parcel:
    """What one request brought."""

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    key: str
    """Tells its repetitions; letters and digits."""
    seen: list[Seen] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    events: list[CustomerEvent] = field(default_factory=list)
    counted: str = ""


_PARCEL = TypeAdapter(Parcel)


class SpoolFullError(Exception):
    """Nothing was kept."""


class Spool:
    """The parcels of one source, each in a file of its own that only we may read."""

    def __init__(self, folder: Path, source: str, most_bytes: int = MAX_SPOOL_BYTES) -> None:
        self._folder = folder / f"{quote(source, safe='')}.spool"
        self._most = most_bytes
        self._bytes = 0

    async def keep(self, parcel: Parcel) -> None:
        """Returns when the parcel is on the disk; the same key again takes its place.

        Raises:
            SpoolFullError: there is no more room.
            OSError: the disk did not take it.
        """
        content = _PARCEL.dump_json(parcel)
        if self._bytes + len(content) > self._most:
            raise SpoolFullError
        self._bytes += len(content)  # at once: others keep theirs meanwhile
        await asyncio.to_thread(self._write, f"{parcel.key}{_SUFFIX}", content)

    async def hand_on(self, deliver: Callable[[Parcel], Awaitable[None]]) -> None:
        """For ever: give what was kept to ``deliver``, oldest first; remove what it returned from.

        What raises ``Busy``, and what the disk does not give, is tried again some seconds later.
        """
        while True:
            try:
                paths = await asyncio.to_thread(self._oldest)
            except OSError:
                paths = []
            done = await asyncio.gather(*(self._hand_on(path, deliver) for path in paths))
            if not done or not all(done):
                await asyncio.sleep(LOOK_SECONDS)

    async def _hand_on(self, path: Path, deliver: Callable[[Parcel], Awaitable[None]]) -> bool:
        try:
            content = await asyncio.to_thread(path.read_bytes)
            await deliver(_parsed(path, content))
            await asyncio.to_thread(path.unlink)
        except (Busy, OSError):
            return False
        self._bytes -= len(content)
        return True

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY)  # else a power cut may take the name away
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _oldest(self) -> list[Path]:
        """The next ones; counts anew what all of them hold."""
        found = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            told = path.stat()
            found.append((told.st_mtime_ns, told.st_size, path))
        self._bytes = sum(size for _, size, _ in found)
        return [path for _, _, path in sorted(found)[:AT_ONCE]]


def _parsed(path: Path, content: bytes) -> Parcel:
    """The parcel; what somebody damaged becomes a dead letter."""
    try:
        return _PARCEL.validate_json(content)
    except ValidationError as error:
        return Parcel(path.stem, unreadable=[Unreadable(1, content, *explain(error))])
