"""Ears: one file per platform. Imports schemas only."""

from typing import Any

from connectors.base import Connector
from connectors.file import File
from connectors.replay import Replay

__all__ = ["CONNECTORS"]

# Any: to mypy a nested Config class is no class variable; the contract tests check what it can't.
_classes: dict[str, Any] = {
    "file": File,
    "replay": Replay,
}

CONNECTORS: dict[str, type[Connector]] = _classes
"""Every connector, by the name used in the settings."""
