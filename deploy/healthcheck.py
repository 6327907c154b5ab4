"""Health check of a worker's container: exit code 0 when a worker here is alive, else 1 and why.

A worker notes in ``<folder>/run`` where it listens; ``/live`` there gives its watchdog's verdict.
A worker that waits for Elasticsearch or Kafka is alive: ``/ready`` and ``tingchao status`` say that
it waits. Standard library only (a check runs every few seconds and must be cheap), and no proxy
settings are read, which containers often inherit from the host.
"""

import http.client
import json
import os
import sys
from pathlib import Path

from schemas.language import say

TIMEOUT_SECONDS = 3.0


def main() -> None:
    """Ask the workers that are noted, the newest first."""
    run = Path(os.environ.get("TINGCHAO_FOLDER", ".tingchao")) / "run"
    notes = sorted(run.glob("*-*.json"), key=lambda note: note.stat().st_mtime, reverse=True)
    for note in notes:
        answer = asked(note)
        if answer is not None:
            sys.exit(answer or None)
    sys.exit(
        say(
            f"没有 worker 应答（{run} 里有 {len(notes)} 条记录）。",
            f"No worker answers ({len(notes)} notes in {run}).",
        )
    )


def asked(note: Path) -> str | None:
    """What is wrong with the worker of this note; empty: nothing, None: nobody is behind it."""
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        connection = http.client.HTTPConnection(
            found.get("host", "127.0.0.1"), int(found["metrics_port"]), timeout=TIMEOUT_SECONDS
        )
        try:
            connection.request("GET", "/live")
            answer = connection.getresponse()
            content = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status == 200:
            return "" if content["status"] == "live" else None
        return str(content["reason"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, http.client.HTTPException):
        return None


if __name__ == "__main__":
    main()
