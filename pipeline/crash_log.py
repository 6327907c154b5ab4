"""Notes that survive a crash, so that one poison record can't stop a role for ever.

Before a batch is handled, the places of its records are written to a small file; afterwards they
are taken out. A process that dies in between, by its own exit or by a kill, leaves them there, and
the next one counts a death for each. A record that was in flight at three deaths is a suspect and
is handled line by line (``pipeline/loop.py``); a line that was in flight alone at three more deaths
is poison.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from pipeline.folders import replace_note

__all__ = ["DEATHS_TO_SUSPECT", "CrashLog", "Place"]

Place = tuple[str, int, int, int]
"""Topic, partition, offset, line; line 0 is the whole record."""

DEATHS_TO_SUSPECT = 3
MAX_NOTE_BYTES = 16 * 1024 * 1024


class CrashLog:
    """Deaths by place, kept in one file of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._deaths: dict[Place, int] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for place, deaths, in_flight in _read(path):
            self._deaths[place] = deaths + in_flight

    def begin(self, places: Iterable[Place]) -> None:
        """These are being handled now."""
        self._write(set(places))

    def done(self, places: Iterable[Place]) -> None:
        """These were handled."""
        for place in places:
            self._deaths.pop(place, None)
        self._write(set())

    def release(self) -> None:
        """Nothing is being handled any more, and that is nobody's fault."""
        self._write(set())

    def suspicious(self, place: Place) -> bool:
        """Whether the place was in flight at three deaths."""
        return self._deaths.get(place, 0) >= DEATHS_TO_SUSPECT

    def _write(self, in_flight: set[Place]) -> None:
        rows = [
            [*place, self._deaths.get(place, 0), int(place in in_flight)]
            for place in sorted(in_flight | self._deaths.keys())
        ]
        replace_note(self._path, json.dumps(rows))


def _read(path: Path) -> list[tuple[Place, int, int]]:
    try:
        with path.open("rb") as file:
            rows = json.loads(file.read(MAX_NOTE_BYTES))
        return [((str(t), int(p), int(o), int(n)), int(d), int(f)) for t, p, o, n, d, f in rows]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, OverflowError, RecursionError):
        return []  # notes are a help, not a truth: unreadable ones start anew
