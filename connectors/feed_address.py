"""The addresses that a source of feeds asks, and how each is read."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import httpx
from pydantic import StringConstraints

from connectors.base import Cursor
from connectors.feed_routes import RsshubConfig, expand
from connectors.web import Answer
from schemas.post import PostKind

__all__ = ["Address", "Platform", "Reads", "Url", "addresses"]

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\x00-\x1f/]+[^\s\x00-\x1f]*$")]
Platform = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Reads = Literal["feed", "board", "board_feed"]

_MOST_VALIDATOR = 1_000


@dataclass(frozen=True, slots=True)
class Address:
    """One address that is asked."""

    url: str
    platform: str
    kind: PostKind
    reads: Reads = "feed"
    own: bool = False
    """It belongs to whoever runs this: robots.txt is for strangers."""
    key: str | None = None

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    @property
    def name(self) -> str:
        """What its part of the cursor is called."""
        return hashlib.sha256(f"{self.reads} {self.url}".encode()).hexdigest()[:8]

    @property
    def host(self) -> str:
        """Its host."""
        return httpx.URL(self.url).host

    @property
    def shown(self) -> str:
        """For messages: without the query, which may hold a key."""
        return self.url.partition("?")[0]

    def ended(self, cursor: Cursor) -> bool:
        """Whether it said, once and for all, that there is nothing more to come."""
        return f"{self.name}.ended" in cursor

    def end(self, cursor: Cursor, at: datetime) -> dict[str, str | int]:
        """The cursor from then on: it is not asked again, and all else of it is forgotten."""
        others = {key: one for key, one in cursor.items() if not key.startswith(f"{self.name}.")}
        return others | {f"{self.name}.ended": int(at.timestamp())}

    def validators(self, cursor: Cursor) -> dict[str, str]:
        """The headers that ask for an answer only if there is another one."""
        kept = {
            "if-none-match": cursor.get(f"{self.name}.etag"),
            "if-modified-since": cursor.get(f"{self.name}.modified"),
        }
        return {header: str(value) for header, value in kept.items() if value}

    def validators_of(self, answer: Answer) -> dict[str, str | int]:
        """For the cursor: what ``validators`` sends back, byte for byte, and when it came."""
        given = {"etag": "etag", "modified": "last-modified"}
        kept: dict[str, str | int] = {f"{self.name}.whole": int(answer.at.timestamp())}
        for field, header in given.items():
            value = answer.headers.get(header, "")
            if value and value.isascii() and value.isprintable() and len(value) <= _MOST_VALIDATOR:
                kept[f"{self.name}.{field}"] = value
        return kept

    def without_validators(self, cursor: Cursor) -> dict[str, str | int]:
        """The cursor as long as nothing of an answer was handed on."""
        ours = (f"{self.name}.etag", f"{self.name}.modified")
        return {key: value for key, value in cursor.items() if key not in ours}


def addresses(
    urls: tuple[str, ...],
    platform: str,
    kind: PostKind,
    boards: Mapping[str, str],
    rsshub: RsshubConfig | None,
) -> list[Address]:
    """Everything that the settings of a source name, in their order."""
    found = [Address(url, platform, kind) for url in urls]
    found += [Address(url, name, "hot", "board") for name, url in boards.items()]
    if rsshub is not None:
        key = rsshub.key.get_secret_value() if rsshub.key is not None else None
        for short in rsshub.routes:
            route = expand(short)
            url = rsshub.base.rstrip("/") + route.path
            reads: Reads = "board_feed" if route.kind == "hot" else "feed"
            found.append(Address(url, route.platform, route.kind, reads, own=True, key=key))
    return found
