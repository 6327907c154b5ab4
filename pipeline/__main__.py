"""Entry of ``tingchao`` and ``python -m pipeline``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; known faults end with one sentence, not with a traceback."""
    from pipeline.cli.common import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
