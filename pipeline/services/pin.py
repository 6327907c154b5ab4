"""Write ``deploy/local/artefacts.sha256`` anew, after a version in one of the poms was changed.

Run ``python -m pipeline.services.pin`` and look at the difference before committing it.
"""

import sys
import tempfile
from pathlib import Path
from typing import get_args

from . import artefacts
from .config import ServiceName, silent

_HEAD = """\
# SHA-256 of everything that the poms beside this file resolve to. Checked before first use.
# Written by: python -m pipeline.services.pin
"""


def pin() -> str:
    """Fetch everything afresh and return the text of the list."""
    lines = []
    for name in get_args(ServiceName):
        with tempfile.TemporaryDirectory() as temporary:
            target = Path(temporary) / "fetched"
            artefacts.fetch(name, target, Path(temporary) / "maven.log", silent)
            lines += [f"{d}  {name}/{file}\n" for file, d in artefacts.digests(target).items()]
    return _HEAD + "".join(lines)


if __name__ == "__main__":
    artefacts.LIST.write_text(pin(), encoding="utf-8")
    sys.stdout.write(f"{artefacts.LIST}\n")
