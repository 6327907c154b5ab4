"""Entry of ``tingchao`` and ``python -m pipeline``."""

import sys
import traceback
from types import TracebackType

__all__ = ["main"]


def main() -> None:
    """Run the command line; known faults end with one sentence, not with a traceback."""
    from pipeline.cli.common import run

    sys.excepthook = _show_bug
    sys.exit(run(sys.argv[1:]))


def _show_bug(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """A bug shows its traceback, as Python would, but no secret."""
    from pipeline.masking import masked

    sys.stderr.write(masked("".join(traceback.format_exception(kind, error, at))))


if __name__ == "__main__":
    main()
