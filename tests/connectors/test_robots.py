from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.base import Context
from connectors.robots import Robots, RobotsRules
from connectors.trouble import SourceError
from connectors.web import Web
from tests.connectors.feed_server import FeedServer, Page, status


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("", "/x", True),
        ("Disallow:", "/x", True),
        ("Disallow: /", "/x", False),
        ("Disallow: /", "/robots.txt", True),
        # the longest rule wins, wherever it stands; Allow wins ties
        ("Disallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("Allow: /a/b\nDisallow: /a", "/a/c", False),
        ("Disallow: /page\nAllow: /page", "/page", True),
        ("Allow: /p\nDisallow: /", "/page", True),
        ("Allow: /$\nDisallow: /", "/", True),
        ("Allow: /$\nDisallow: /", "/page.htm", False),
        # wildcards and ends
        ("Disallow: /*.php$", "/a/b.php", False),
        ("Disallow: /*.php$", "/a/b.php?x=1", True),
        ("Disallow: /*.php", "/a/b.php?x=1", False),
        ("Disallow: /a*c*e", "/abcde", False),
        ("Disallow: /a*c*e", "/aec", True),
        ("Disallow: /a*a$", "/a", True),
        ("Disallow: /*?mod=rss", "/forum.php?mod=rss&fid=2", False),
        # one spelling for escapes, Chinese, case
        ("Disallow: /云帆", "/%E4%BA%91%E5%B8%86", False),
        ("Disallow: /%7ejoe", "/~joe", False),
        ("Disallow: /A", "/a", True),
        # what is no rule is passed over
        ("Disallow /x\nfoo: bar\nDisallow: /y # why", "/x", True),
        ("Disallow: /y # why", "/y", False),
    ],
)
def test_the_longest_rule_wins(rules: str, path: str, allowed: bool) -> None:
    assert RobotsRules.parse(f"User-agent: *\n{rules}").allows(path) is allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: Tingchao/0.1\nAllow: /\n\nUser-agent: *\nDisallow: /", True),
        ("User-agent: *\nAllow: /\nUser-agent: tingchao\nDisallow: /", False),
        ("User-agent: other\nUser-agent: tingchao\nDisallow: /", False),
        ("User-agent: tingchaobot\nDisallow: /", True),
        ("User-agent: tingchao\nAllow: /x\n\nUser-agent: tingchao\nDisallow: /", True),
        ("Disallow: /", True),
        ("\ufeff\x00<html>", True),
    ],
)
def test_the_group_that_names_us_counts_and_no_other(text: str, allowed: bool) -> None:
    assert RobotsRules.parse(text).allows("/x") is allowed


def test_a_hostile_rule_takes_no_time() -> None:
    rules = RobotsRules.parse("User-agent: *\nDisallow: /" + "*a" * 5_000 + "b")

    assert rules.allows("/" + "a" * 20_000)


def robots_of(server: FeedServer, context: Context) -> Robots:
    client = httpx.AsyncClient(transport=httpx.MockTransport(server))
    return Robots(Web(Context(client, context.now, context.sleep)), context.now)


@pytest.mark.parametrize(
    ("code", "allowed"), [(404, True), (403, True), (500, False), (503, False)]
)
async def test_no_rules_allow_everything_and_a_failing_site_nothing(
    context: Context, code: int, allowed: bool
) -> None:
    server = FeedServer({"https://bbs.example/robots.txt": status(code)})

    if allowed:
        assert await robots_of(server, context).check("https://bbs.example/x") == 0
    else:
        with pytest.raises(SourceError, match=str(code)) as caught:
            await robots_of(server, context).check("https://bbs.example/x")
        assert caught.value.trouble == "server"


async def test_an_unreachable_site_allows_nothing(context: Context) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(SourceError, match="robots") as caught:
        await robots_of(FeedServer({"https://h.example/robots.txt": refuse}), context).check(
            "https://h.example/x"
        )
    assert caught.value.trouble == "unreachable"


async def test_it_is_asked_once_a_day_and_site(context: Context, clock: Any) -> None:
    page = Page(b"User-agent: *\nDisallow: /secret\nCrawl-delay: 7", "text/plain")
    server = FeedServer({"https://bbs.example/robots.txt": page})
    robots = robots_of(server, context)

    assert await robots.check("https://bbs.example/x") == 7
    clock.at += timedelta(hours=23)
    with pytest.raises(SourceError, match="ignore_robots") as caught:
        await robots.check("https://bbs.example/secret/x?y")
    assert caught.value.trouble == "forbidden"
    assert len(server.requests) == 1

    clock.at += timedelta(hours=2)
    await robots.check("https://bbs.example/x")
    assert len(server.requests) == 2
