"""What a site's robots.txt asks of us, after RFC 9309: the longest rule wins, ``Allow`` wins ties.

The standard library's reader takes the first rule that fits instead of the longest and knows no
``*`` within a path, so it forbids what is allowed and allows what is forbidden.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import httpx

from connectors.answer import Answer
from connectors.base import Context
from connectors.quota import Quota
from connectors.trouble import SourceError
from connectors.web import Web
from schemas.language import say

__all__ = ["AGENT", "ObedientWeb", "Robots", "RobotsRules"]

AGENT = "tingchao"
"""The name by which a robots.txt can speak to us alone: the first word of the User-Agent."""

MAX_BYTES = 500 * 1024
_FRESH = timedelta(hours=24)
_RETRY = timedelta(minutes=10)
_MOST_DELAY_SECONDS = 300.0
_UNRESERVED = re.compile(r"%(?:4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A]|3[0-9]|2D|2E|5F|7E)")
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class RobotsRules:
    """The rules of one robots.txt that are meant for us."""

    allow: tuple[str, ...] = ()
    disallow: tuple[str, ...] = ()
    delay_seconds: float = 0.0

    @classmethod
    def parse(cls, text: str, agent: str = AGENT) -> "RobotsRules":
        """Read a robots.txt; lines that are no rules are passed over.

        All groups that name ``agent`` count together; without any, those for ``*`` do.
        """
        groups = _groups(text)
        named = [lines for agents, lines in groups if agent in agents]
        ours = named or [lines for agents, lines in groups if "*" in agents]
        rules = [rule for lines in ours for rule in lines]
        paths = [(key, _normal(value)) for key, value in rules if value and key != "crawl-delay"]
        return cls(
            tuple(path for key, path in paths if key == "allow"),
            tuple(path for key, path in paths if key == "disallow"),
            max((_seconds(value) for key, value in rules if key == "crawl-delay"), default=0.0),
        )

    def allows(self, path: str) -> bool:
        """Whether a path (with its query) may be fetched."""
        path = _normal(path)
        if path == "/robots.txt":
            return True
        forbidden = max((len(rule) for rule in self.disallow if _fits(rule, path)), default=-1)
        allowed = max((len(rule) for rule in self.allow if _fits(rule, path)), default=-1)
        return allowed >= forbidden


class Robots:
    """Asks each site for its robots.txt, at most once a day."""

    def __init__(self, web: Web, now: Callable[[], datetime]) -> None:
        self._web = web
        self._now = now
        self._kept: dict[str, tuple[datetime, RobotsRules | SourceError]] = {}

    async def check(self, url: str) -> float:
        """Return how many seconds the site wants between two requests.

        Raises:
            SourceError: it forbids this address, or its robots.txt can't be had.
        """
        target = httpx.URL(url)
        site = f"{target.scheme}://{target.netloc.decode()}"
        until, rules = self._kept.get(site, (self._now(), None))
        if rules is None or self._now() >= until:
            rules = await self._fetch(site, target.host)
            fresh = _RETRY if isinstance(rules, SourceError) else _FRESH
            self._kept[site] = (self._now() + fresh, rules)
        if isinstance(rules, SourceError):
            raise SourceError(rules.trouble, str(rules), retry_after_seconds=_RETRY.total_seconds())
        if rules.allows(target.raw_path.decode("ascii")):
            return rules.delay_seconds
        raise SourceError(
            "forbidden",
            say(
                f"{target.host} 的 robots.txt 不允许抓取 {target.path}；若已得到网站同意，"
                "请在 ignore_robots 中写明理由。",
                f"the robots.txt of {target.host} forbids {target.path}; if the site agreed, "
                "state the reason in ignore_robots.",
            ),
        )

    async def _fetch(self, site: str, host: str) -> RobotsRules | SourceError:
        try:
            answer = await self._web.get(f"{site}/robots.txt")
        except SourceError as error:
            return SourceError(
                error.trouble,
                say(
                    f"读不到 {host} 的 robots.txt，按规定先不抓取：{error}",
                    f"the robots.txt of {host} can't be read, so nothing may be fetched: {error}",
                ),
            )
        if answer.status >= 500:
            return SourceError(
                "server",
                say(
                    f"{host} 的 robots.txt 出错（{answer.status}），按规定先不抓取；"
                    "听潮会自动重试。",
                    f"the robots.txt of {host} fails ({answer.status}), so nothing may be "
                    "fetched; it is asked for again by itself.",
                ),
            )
        if answer.status >= 300:  # 4xx: there are no rules
            return RobotsRules()
        return RobotsRules.parse(answer.body[:MAX_BYTES].decode("utf-8-sig", errors="replace"))


class ObedientWeb(Web):
    """A ``Web`` that gets only what robots.txt allows, and no faster than it asks for."""

    def __init__(
        self, context: Context, *, contact: str, quota: Quota, allow_private: bool = False
    ) -> None:
        super().__init__(context, contact=contact, quota=quota, allow_private=allow_private)
        asking = Web(context, contact=contact, quota=quota, allow_private=allow_private)
        self._robots = Robots(asking, context.now)
        self._last: datetime | None = None

    async def get(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Fetch; whatever the status is.

        Raises:
            SourceError: as ``Web.get``; and robots.txt forbids it, or can't be had.
        """
        try:
            whole = str(httpx.URL(url).copy_merge_params(dict(params))) if params else url
            delay = await self._robots.check(whole)
        except (httpx.InvalidURL, UnicodeError):
            return await super().get(url)  # says what is wrong with it
        now = self._context.now()
        if self._last is not None and (now - self._last).total_seconds() < delay:
            await self._context.sleep(delay - (now - self._last).total_seconds())
        self._last = self._context.now()
        return await super().get(url, params=params, headers=headers)


def _groups(text: str) -> list[tuple[set[str], list[tuple[str, str]]]]:
    groups: list[tuple[set[str], list[tuple[str, str]]]] = []
    naming = False
    for line in text.splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            if not naming:
                groups.append((set(), []))
            # A version or a comment may follow the name.
            word = re.match(r"\*|[A-Za-z_-]+", value)
            groups[-1][0].add(word.group().lower() if word else "")
            naming = True
        elif key in ("allow", "disallow", "crawl-delay"):
            naming = False
            if groups:
                groups[-1][1].append((key, value))
    return groups


def _normal(path: str) -> str:
    """One spelling for paths that are the same: escapes where needed and nowhere else."""
    path = _ESCAPE.sub(lambda found: found.group().upper(), quote(path, safe="%/?*$:@!&'()+,;=~#"))
    return _UNRESERVED.sub(lambda found: chr(int(found.group()[1:], 16)), path)


def _fits(rule: str, path: str) -> bool:
    # Piece by piece and not as a regular expression: strangers write as many stars as they like.
    anchored = rule.endswith("$")
    first, *pieces = rule.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    last = pieces.pop() if pieces and anchored else None
    for piece in pieces:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if not anchored:
        return True
    if last is None:
        return at == len(path)
    return len(path) - len(last) >= at and path.endswith(last)


def _seconds(value: str) -> float:
    try:
        return min(max(0.0, float(value)), _MOST_DELAY_SECONDS)
    except ValueError:
        return 0.0
