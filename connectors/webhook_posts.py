"""The posts of one request to ``webhook``: all of them, or the place of the first mistake."""

import io
import re
from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft
from schemas.record import check_parts, explain

__all__ = ["MisfitError", "read_posts"]

_IDS = ("id", "parent_id", "root_id")
_PLATFORM = re.compile(r"[a-z][a-z0-9-]{0,31}")
_MOST_LISTED = 1_000  # listing each of 100,000 unknown fields takes seconds
_BOM = b"\xef\xbb\xbf"
#: What a rule about the post as a whole is about.
_FIELDS = {"id_platform": "id", "too_many_hashtags": "text"}


class MisfitError(ValueError):
    """A post that can't be taken, and where it stands."""

    def __init__(self, message: str, line: int, field: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.field = field


def read_posts(body: bytes, source: str, most: int, *, lines: bool) -> list[PostDraft]:
    """The posts of a body: JSON Lines, or one JSON object or array of objects.

    Raises:
        MisfitError: one of them is no post, or there are more than ``most``; ``line`` is the line,
            in an array the place in it.
    """
    drafts: list[PostDraft] = []
    for line, item in _lines(body) if lines else _items(body):
        if len(drafts) == most:
            raise MisfitError(
                say(
                    f"一次最多 {most} 条，请分几次发送",
                    f"a request may hold at most {most} posts; send the rest in another",
                ),
                line,
            )
        drafts.append(_draft(item, source, line))
    return drafts


def _lines(body: bytes) -> Iterator[tuple[int, Any]]:
    for line, raw in enumerate(io.BytesIO(body.removeprefix(_BOM)), 1):
        if not raw.isspace():
            yield line, _parsed(raw, line)


def _items(body: bytes) -> Iterator[tuple[int, Any]]:
    whole = _parsed(body.removeprefix(_BOM), 1)
    return enumerate(whole if isinstance(whole, list) else [whole], 1)


def _parsed(raw: bytes, line: int) -> Any:
    try:
        check_parts(raw)
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MisfitError(
            say(f"不是有效的 JSON：{error}", f"not valid JSON: {error}"), line
        ) from error
    except RejectedError as error:
        raise MisfitError(str(error), line) from error


def _draft(item: object, source: str, line: int) -> PostDraft:
    if not isinstance(item, dict):
        found = type(item).__name__
        raise MisfitError(
            say(f"应为一个 JSON 对象，却是 {found}", f"must be a JSON object, not a {found}"), line
        )
    platform = item.get("platform")
    if not isinstance(platform, str) or not _PLATFORM.fullmatch(platform):
        # Before the ids, which need it: theirs would be the error that is told.
        raise MisfitError(
            say(
                "platform 应为小写字母、数字和连字符，例如 crm",
                "platform must be small letters, digits and hyphens, as in crm",
            ),
            line,
            "platform",
        )
    values = item | {"source": source}
    if isinstance(author := item.get("author"), dict):
        values["author"] = author | {"id": _as_text(author["id"])} if "id" in author else author
    for name in _IDS:
        if (value := _as_text(item.get(name))) is not None:
            values[name] = _prefixed(value, platform)
    try:
        return PostDraft.model_validate_json(orjson.dumps(values))
    except ValidationError as error:
        raise MisfitError(explain(error)[1], line, _field(error)) from error
    except TypeError as error:  # nested deeper than anything that is a post
        raise MisfitError(say("嵌套太深", "it is nested too deeply"), line) from error


def _as_text(value: object) -> object:
    """Ids are texts; many systems write theirs as whole numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _prefixed(value: object, platform: str) -> object:
    if not isinstance(value, str) or not value:
        return value
    return value if value.startswith(f"{platform}:") else f"{platform}:{value}"


def _field(error: ValidationError) -> str | None:
    if error.error_count() > _MOST_LISTED:
        return None
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])[:200]
    return name or _FIELDS.get(first["type"])
