"""Asks a public database which pinned packages have known holes: ``make audit-deps``.

Exit codes: 0 none known, 1 some, 2 the database could not be asked, so nothing is known.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["main", "verdict"]

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
# Strict: a package that the database does not know must not pass as a healthy one.
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--strict", "--vulnerability-service", "osv"),
    *("--disable-pip", "--require-hashes", "--requirement", str(LOCK)),
    *("--format", "json", "--progress-spinner", "off"),
)


def verdict(output: str, errors: str) -> tuple[int, list[str]]:
    """Exit code and lines to print, from what pip-audit printed."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = [line for line in errors.splitlines() if line.strip()]
        why = said[-1].strip()[:120] if said else "no answer"
        return 2, [f"The database of known holes could not be asked, nothing was checked: {why}"]
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}"
        + (f", fixed in {', '.join(hole['fix_versions'])}" if hole.get("fix_versions") else "")
        for package in packages
        for hole in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if unknown:
        return 2, [*holes, f"The database does not know: {', '.join(unknown)}"]
    return (1, holes) if holes else (0, [f"{len(packages)} packages, no known hole"])


def main() -> int:
    """Run pip-audit on the lock and say what it found."""
    ended = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    code, lines = verdict(ended.stdout, ended.stderr)
    sys.stdout.write("\n".join(lines) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
