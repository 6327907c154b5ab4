"""A rule set of an own brand and a competitor."""

import json
from typing import Any

from schemas.rules import RuleSet

__all__ = ["two_brands"]


def two_brands(**more: Any) -> RuleSet:
    """``lantu`` (岚图, own) and ``zeekr`` (极氪, competitor); ``more``: further fields."""
    tree = {
        "id": "main",
        "version": 3,
        "author": "王",
        "reason": "测试",
        "changed_at": "2026-03-05T04:00:00Z",
        "brands": [
            {"id": "lantu", "name": "岚图", "role": "own", "aliases": ["岚图"]},
            {"id": "zeekr", "name": "极氪", "role": "competitor", "aliases": ["极氪"]},
        ],
    }
    return RuleSet.from_line(json.dumps(tree | more).encode())
