"""A site with feeds, for ``httpx.MockTransport``: conditional answers as RFC 9110 wants them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

Answering = Callable[[httpx.Request], httpx.Response]


@dataclass
class Page:
    body: bytes
    content_type: str = "application/rss+xml; charset=utf-8"
    etag: str | None = None
    modified: str | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        headers = {"content-type": self.content_type}
        if self.etag is not None:
            headers["etag"] = self.etag
        if self.modified is not None:
            headers["last-modified"] = self.modified
        asked = request.headers
        if "if-none-match" in asked:
            same = asked["if-none-match"] == self.etag
        else:
            same = "if-modified-since" in asked and asked["if-modified-since"] == self.modified
        return httpx.Response(304 if same else 200, headers=headers, content=self.body * (not same))


@dataclass
class FeedServer:
    """Whatever the tests put at its addresses; without more, its robots.txt is absent."""

    pages: dict[str, Answering] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        url = str(request.url)
        answer = self.pages.get(url) or self.pages.get(url.partition("?")[0])
        return answer(request) if answer is not None else httpx.Response(404)

    def asked(self) -> list[str]:
        """Addresses in order, robots.txt left out."""
        urls = [str(request.url) for request in self.requests]
        return [url for url in urls if not url.endswith("/robots.txt")]


def status(code: int, **headers: str) -> Answering:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda request: httpx.Response(code, headers=named)


def rss(*items: str, channel: str = "") -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>云帆论坛</title>'
        f"{channel}{''.join(items)}</channel></rss>"
    ).encode()


def item(number: int, text: str = "屏幕碎了", minute: int | None = None, more: str = "") -> str:
    at = number if minute is None else minute
    return (
        f"<item><title>第{number}帖</title><guid>https://bbs.example/t/{number}</guid>"
        f"<link>https://bbs.example/t/{number}</link><description>{text}</description>"
        f"<pubDate>Sat, 01 Jun 2024 03:{at:02}:00 GMT</pubDate>{more}</item>"
    )
