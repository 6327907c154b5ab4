"""The type of every setting that names a time zone."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator

from schemas.language import say

__all__ = ["ZoneName"]


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder
        raise ValueError(
            say(
                f"没有时区 {name!r}；例如 'Asia/Shanghai'",
                f"no time zone {name!r}; an example is 'Asia/Shanghai'",
            )
        ) from None
    return name


ZoneName = Annotated[str, AfterValidator(_known)]
"""A zone that this machine knows, e.g. ``Asia/Shanghai``."""
