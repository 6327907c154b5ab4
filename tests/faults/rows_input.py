"""Rows in which what comes in is the fault: bad lines, bugs, repeats, disorder, wrong clocks."""

import random
import re
from datetime import datetime, timedelta
from typing import Any

import orjson
from aiokafka.admin import RecordsToDelete

from pipeline.kafka import TopicPartition
from schemas.enriched import EnrichedPost
from schemas.envelope import split
from tests.faults.bench import Bench
from tests.faults.matrix import row, slices
from tests.faults.oracle import recount

__all__: list[str] = []

GOOD = {
    "platform": "weibo", "kind": "post", "author": {"id": "u"}, "source": "story",
    "published_at": "2024-03-04T08:00:00+08:00", "observed_at": "2024-03-04T08:00:05+08:00",
}  # fmt: skip


def _bad_lines() -> dict[str, bytes]:
    """Lines that no post can be read from, by what is wrong with them."""
    good = orjson.dumps({"id": "weibo:bad", "text": "水壶", **GOOD})
    return {
        "broken": good[: len(good) // 2],
        "no utf-8": good.replace("水壶".encode(), "水壶".encode("gb18030")),
        "lone surrogate": good.replace("水壶".encode(), b"\\ud83d"),
        "NaN": good.replace("水壶".encode(), b"x").replace(b'"u"}', b'"u","followers":NaN}'),
        "deep nesting": b"[" * 100_000,
        "unknown field": good[:-1] + b',"likes":3}',
        "wrong type": good.replace(b'"weibo:bad"', b"17"),
        "2 MiB": good.replace("水壶".encode(), b"x" * (2 << 20)),
        "no object": b"null",
    }


@row("12a", "bad lines first, in the middle and last among good ones; null and empty records")
def bad_lines(bench: Bench) -> None:
    bench.begin()
    bench.crew()
    bad = _bad_lines()
    expected = []
    for place in (0, 50, 100):
        for line in bad.values():
            bench.feed.spoiled(min(99, bench.feed.left // 40), line, place)
            expected.append(line)
    bench.line.produce("posts.raw", None, b"", b"\n\n")
    bench.feed.rest()
    verdict = bench.judge()
    found = [one.letter for one in verdict.letters]
    assert sorted(one.raw for one in found if one.line) == sorted(expected)
    assert len(found) == len(expected) + 3, "null and empty records go whole"
    assert all(one.message for one in found)


@row("12b", "413 for many documents, 413 for one alone, a field that nobody knows")
def refused_documents(bench: Bench) -> None:
    bench.begin()
    bench.crew()
    bench.feed.next(slices(bench, 3))
    huge = str(bench.feed.posts[slices(bench, 3) + 7]["id"])
    foreign = orjson.dumps({"id": "weibo:foreign", "text": "水壶", **GOOD, "likes": 3})
    with bench.proxy.doing(bench.proxy.too_large(25, never=huge)):
        bench.feed.next(slices(bench, 3))
        bench.line.produce("posts.enriched", foreign)
        bench.drained("enrich", "index")
    bench.feed.rest()
    verdict = bench.judge()
    kinds = {one.letter.post_id: one.letter.kind for one in verdict.letters}
    assert kinds == {huge: "too_large", "weibo:foreign": "schema"}, kinds


@row("13", "the dead-letter topic is gone")
def no_dead_letters(bench: Bench) -> None:
    bench.begin()
    crew = bench.crew()
    bench.feed.next(slices(bench, 3))
    bench.drained("enrich")
    bench.admin(lambda admin: admin.delete_topics([bench.topic("dead-letters")]))
    bench.feed.spoiled(10, b"{broken", 5)
    bench.until(lambda: "dead letters wait" in crew.said(), "enrich waits for the topic")
    assert bench.line.behind("enrich"), "acknowledged without a dead letter"
    bench.line.ok("topics", "create")
    bench.healed()
    bench.feed.rest()
    verdict = bench.judge()
    assert [one.letter.raw for one in verdict.letters] == [b"{broken"]


@row("14", "a bug that one line among a hundred brings out")
def bug(bench: Bench) -> None:
    bench.begin()
    post = str(bench.feed.posts[len(bench.feed.posts) // 2]["id"])
    crew = bench.crew(failpoints=f"enrich.bug={post}")
    bench.feed.rest()
    verdict = bench.judge()
    assert crew.ends("enrich") == ["70"] * 3
    assert [(one.letter.kind, one.letter.post_id) for one in verdict.letters] == [("bug", post)]


@row("15", "the first batch that a new group ever reads fails")
def first_batch(bench: Bench) -> None:
    bench.begin()
    bench.feed.next(slices(bench, 2))
    crew = bench.crew(failpoints="enrich.first_batch", tokens=1)
    bench.until(lambda: crew.ends("enrich") == ["70"], "the first batch fails")
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()


@row("17", "a fifth of the posts comes twice")
def duplicates(bench: Bench) -> None:
    bench.begin(partitions=1)
    bench.crew()
    choose = random.Random(bench.seed)
    share = slices(bench, 20)
    posts = bench.feed.posts
    for start in range(0, len(posts), share):
        chunk = posts[start : start + share]
        bench.feed.next(share)
        bench.feed.write([one for one in chunk if choose.random() < 0.2])
    bench.feed.rest()
    bench.nothing_refused()
    assert bench.feed.lines > 1.1 * len(posts)
    assert [one["revision"] for one in _incidents(bench)] == [
        one["revision"] for one in _first_time_only(bench)
    ]


def _incidents(bench: Bench) -> list[Any]:
    return [orjson.loads(one.value or b"") for one in bench.line.records("incidents")]


def _first_time_only(bench: Bench) -> list[Any]:
    """Incidents of the same log without the repeats."""
    seen: set[bytes] = set()

    def fresh(raw: bytes) -> bool:
        known = raw in seen
        seen.add(raw)
        return not known or not raw.startswith(b'{"type":"mention"')

    lines, _ = recount(bench.line, keep=fresh)
    return [orjson.loads(line) for line in lines]


@row("18", "posts out of order, an hour late, and an older revision after a newer one")
def disorder(bench: Bench) -> None:
    bench.begin()
    bench.crew()
    choose = random.Random(bench.seed)
    posts = [dict(one) for one in bench.feed.posts]
    late = {one["id"] for one in choose.sample(posts, len(posts) // 50)}
    edited = choose.sample(posts, len(posts) // 20)

    def place(post: dict[str, Any]) -> float:
        hours = 1.5 if post["id"] in late else choose.random() / 10
        return datetime.fromisoformat(post["published_at"]).timestamp() + 3600 * hours

    ordered = sorted(posts, key=place)
    for one in ordered:  # as a connector would: seen when it came
        at = datetime.fromisoformat(one["published_at"])
        one["observed_at"] = (at + timedelta(hours=1.6 if one["id"] in late else 0.1)).isoformat()
    newer = [
        one | {"text": one["text"] + "（改）", "observed_at": _later(one["observed_at"])}
        for one in edited
    ]
    bench.feed.posts = ordered
    bench.feed.next(slices(bench, 2))
    bench.feed.write(newer)
    bench.feed.rest()
    bench.feed.write([one for one in ordered if one["id"] in {post["id"] for post in edited}])
    bench.nothing_refused()
    text = bench.line.post(newer[0]["id"]).text
    assert text.endswith("（改）"), "an older revision won"
    _, states = recount(bench.line)
    assert sum(orjson.loads(state or b"{}")["counters"]["late"] for state in states.values())


def _later(at: str) -> str:
    return (datetime.fromisoformat(at) + timedelta(minutes=10)).isoformat()


@row("19", "clocks a day off, and posts from 1970 and 2099")
def wrong_clocks(bench: Bench) -> None:
    bench.begin()
    bench.crew()
    wrong = {}
    posts = [dict(one) for one in bench.feed.posts]
    for number, one in enumerate(posts):
        at = datetime.fromisoformat(one["published_at"])
        if number % 10 == 0:
            shift = (timedelta(days=1), timedelta(days=-1))[number // 10 % 2]
            one["published_at"] = (at + shift).isoformat()
            wrong[one["id"]] = shift > timedelta()
        elif number % 101 == 0:
            year = ("1970", "2099")[number // 101 % 2]
            one["published_at"] = f"{year}-06-01T00:00:00+00:00"
            wrong[one["id"]] = True
    bench.feed.posts = posts
    bench.feed.rest()
    bench.nothing_refused()
    for record in bench.line.records("posts.enriched"):
        post = EnrichedPost.from_line(record.value or b"")
        assert post.event_clamped == wrong.get(post.id, False), post.id


@row("20", "retention overtakes a role that does not run")
def retention(bench: Bench) -> None:
    bench.begin()
    crew = bench.crew()
    bench.feed.next(slices(bench, 3))
    bench.drained("enrich", "index")
    crew.close()
    bench.feed.next(slices(bench, 3))
    records, ids = _eat(bench)
    bench.healed()
    crew = bench.crew()
    bench.feed.rest()
    for post_id in ids:
        del bench.feed.revisions[post_id]
    bench.nothing_refused()
    told = re.findall(r"Kafka deleted (\d+) records of posts.raw", crew.said())
    assert sum(map(int, told)) == records, "the loss is not told as it is"


def _eat(bench: Bench) -> tuple[int, set[str]]:
    """Delete from posts.raw what nobody has read: so many records, with these posts."""
    group = bench.line.kafka.group("enrich")
    read = bench.admin(lambda admin: admin.list_consumer_group_offsets(group))
    unread = [
        one
        for one in bench.line.records("posts.raw")
        if one.offset >= read[TopicPartition(bench.topic("posts.raw"), one.partition)].offset
    ]
    ends = {
        TopicPartition(bench.topic("posts.raw"), one.partition): RecordsToDelete(one.offset + 1)
        for one in unread
    }
    bench.admin(lambda admin: admin.delete_records(ends))
    posts = [raw for one in unread for raw in split(one.value or b"") if b'"id"' in raw]
    return len(unread), {str(orjson.loads(raw)["id"]) for raw in posts}
