"""Health check of a worker's container: exit code 0 when a worker here answers, else 1 and why.

A worker serves its counters on 127.0.0.1 at a port that it notes in ``<folder>/run``. An answer
proves that the process lives; it does not prove that it makes progress: for that see the lag in
``tingchao status``. Standard library only (a check runs every few seconds and must be cheap), and
no proxy settings are read, which containers often inherit from the host.
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
    if not any(map(answers, notes)):
        sys.exit(
            say(
                f"没有 worker 应答（{run} 里有 {len(notes)} 条记录）。",
                f"No worker answers ({len(notes)} notes in {run}).",
            )
        )


def answers(note: Path) -> bool:
    """Whether the worker of this note serves our counters; old notes have nobody behind them."""
    try:
        port = int(json.loads(note.read_text(encoding="utf-8"))["metrics_port"])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            return answer.status == 200 and b"tingchao_lines_" in answer.read()
        finally:
            connection.close()
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return False


if __name__ == "__main__":
    main()
