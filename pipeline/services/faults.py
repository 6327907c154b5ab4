"""What a Java program says about its own death: the one line worth showing."""

import re
from pathlib import Path

__all__ = ["last", "read", "telling"]

_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:,.]+ ")
_FAULT = re.compile(
    r"caused by: |error|exception|fatal|could not|cannot|invalid|unrecognized|failed", re.I
)
_SAYS_NOTHING = re.compile(
    r"^(at |\.\.\. |error: *$|Error: (Could not create the Java|A fatal exception has)"
    r"|Error occurred during initialization)"
)


def read(log: Path, start: int = 0) -> list[str]:
    """Lines worth reading of what was written to ``log`` after byte ``start``."""
    try:
        written = log.read_bytes()
    except OSError:
        return []
    if len(written) >= start:  # else it was rolled over meanwhile
        written = written[start:]
    return telling(written[-20_000:].decode(errors="replace"))


def telling(text: str) -> list[str]:
    """Its lines, less time stamps, stack frames and set phrases."""
    lines = (_STAMP.sub("", line.strip())[:400] for line in text.splitlines())
    return [line for line in lines if line and not _SAYS_NOTHING.match(line)]


def last(lines: list[str]) -> str:
    """The last line that names a fault, with its deepest cause; empty if none does."""
    found = [line for line in lines if _FAULT.search(line)]
    heads = [at for at, line in enumerate(found) if not line.startswith("Caused by: ")]
    if not heads:
        return ""
    causes = found[heads[-1] + 1 :]
    why = f" ({causes[-1].removeprefix('Caused by: ')})" if causes else ""
    return found[heads[-1]] + why
