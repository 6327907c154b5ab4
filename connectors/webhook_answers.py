"""What ``webhook`` answers to a request that it does not take."""

from aiohttp import web

from connectors.receiver import Busy
from schemas.language import say

__all__ = ["LINES", "busy", "refusal", "too_large", "wrong_type"]

LINES = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
)
"""Types of a body with an object in each line."""


def wrong_type(request: web.Request) -> web.Response | None:
    """The refusal of a body that is no JSON by its headers; None: it may be."""
    given = request.headers.get("Content-Type")
    known = given is not None and request.content_type in ("application/json", *LINES)
    if not known or (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        return refusal(
            415,
            say(
                "Content-Type 应为 application/json 或 application/x-ndjson，编码 UTF-8",
                "Content-Type must be application/json or application/x-ndjson, in UTF-8",
            ),
        )
    packing = request.headers.get("Content-Encoding", "gzip").strip().lower()
    if packing != "gzip":
        return refusal(
            415,
            say("Content-Encoding 只能是 gzip", "Content-Encoding can be gzip only"),
            {"Accept-Encoding": "gzip"},
        )
    return None


def too_large(most_kib: int) -> web.Response:
    """The refusal of a body beyond the limit."""
    return refusal(
        413,
        say(
            f"请求超过 {most_kib} KiB，请分几次发送", f"more than {most_kib} KiB; send it in parts"
        ),
    )


def busy(error: Busy) -> web.Response:
    """Asks the sender to come again."""
    retry = {"Retry-After": str(error.retry_after_seconds)}
    if error.too_much:
        return refusal(
            429,
            say("请求太多，请稍后再发一次", "too much waits already; send it again later"),
            retry,
        )
    return refusal(
        503,
        say("现在写不进去，请稍后再发一次", "it can't be written now; send it again later"),
        retry,
    )


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An answer that says why."""
    return web.json_response({"error": message}, status=status, headers=headers)
