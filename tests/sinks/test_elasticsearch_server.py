"""The writer, the search and the journal against a real Elasticsearch."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from schemas.enriched import EnrichedPost, Label, Sentiment
from schemas.errors import FatalError
from schemas.incident import Incident
from schemas.outcome import Done, Rejected, Retry
from sinks.base import Notice
from sinks.bulk import Document
from sinks.elasticsearch import Elasticsearch
from sinks.journal import Journal
from sinks.search import PostQuery, Search

pytestmark = pytest.mark.services

MakePost = Callable[..., EnrichedPost]
NOON = datetime(2024, 3, 5, 4, 0, tzinfo=UTC)


@pytest.fixture
async def server(elasticsearch_url: str, unique_prefix: str) -> AsyncIterator[Elasticsearch]:
    sink = Elasticsearch(
        Elasticsearch.Config.model_validate({"url": elasticsearch_url, "prefix": unique_prefix})
    )
    await sink.setup()
    yield sink
    await sink.drop()
    await sink.close()


async def write(server: Elasticsearch, *posts: EnrichedPost) -> None:
    documents = [server.names.document_of(post.to_line()) for post in posts]
    outcomes = await server.index(documents)
    assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes
    await server.refresh()


async def test_setup_is_repeatable_and_drop_leaves_nothing(server: Elasticsearch) -> None:
    await server.setup()
    await server.ready()
    names = server.names
    assert await server.counts() == dict.fromkeys(
        [names.incidents, names.notices, names.undated], 0
    )

    await server.drop()

    assert await server.counts() == {}
    await server.drop()


async def test_everything_comes_back_as_it_was_written(
    server: Elasticsearch, make_post: MakePost
) -> None:
    # Given a post with every field, and one with none that can be missing
    full = make_post(1)
    bare = EnrichedPost.from_line(
        orjson.dumps(
            {
                "id": "rss:a/b?c=1",
                "platform": "rss",
                "kind": "article",
                "text": "",
                "author": {"id": "x"},
                "published_at": "1969-07-20T20:17:00Z",
                "observed_at": "2024-03-05T04:00:00.123456Z",
                "source": "feed",
            }
        )
    )

    await write(server, full, bare)

    search = Search(server)
    assert await search.post(full.id) == full
    assert await search.post(bare.id) == bare
    assert await search.post("weibo:404") is None
    counts = await server.counts()
    assert counts[f"{server.names.prefix}posts-2024.03"] == 1
    assert counts[server.names.undated] == 1


async def test_what_the_mapping_does_not_know_is_rejected_and_its_neighbours_pass(
    server: Elasticsearch, make_post: MakePost
) -> None:
    changes: list[tuple[dict[str, Any], str]] = [
        ({"invented": 1}, "invented"),
        ({"author": {"id": "x", "age": 7}}, "age"),
        ({"engagement": {"likes": "many"}}, "likes"),
        ({"event_at": "yesterday"}, "event_at"),
    ]
    good = server.names.document_of(make_post(1).to_line())
    source = orjson.loads(good.body)
    bad = [Document(good.index, "weibo:2", 1, orjson.dumps(source | one)) for one, _ in changes]

    first, *rejected, last = await server.index([good, *bad, good])

    assert first == last == Done()
    for outcome, (_, word) in zip(rejected, changes, strict=True):
        assert isinstance(outcome, Rejected)
        assert outcome.kind == "mapping"
        assert word in outcome.message


async def test_an_older_revision_never_covers_a_newer_one(
    server: Elasticsearch, make_post: MakePost
) -> None:
    def document(revision: int, text: str) -> Document:
        seen = NOON + timedelta(milliseconds=revision)
        post = make_post(1, observed_at=seen, text=text)
        return server.names.document_of(post.to_line())

    first, older, equal, newer = (
        document(5, "一"),
        document(4, "旧"),
        document(5, "二"),
        document(6, "三"),
    )

    assert await server.index([first]) == [Done()]
    assert await server.index([older]) == [Done(stale=True)]
    assert await server.index([equal]) == [Done()]
    assert await server.index([newer, first, older]) == [Done(), Done(stale=True), Done(stale=True)]

    await server.refresh()
    post = await Search(server).post("weibo:1")
    assert post is not None
    assert post.text == "三"


async def test_three_thousand_documents_in_one_call(
    server: Elasticsearch, make_post: MakePost
) -> None:
    posts = [make_post(n) for n in range(3000)]
    documents = [server.names.document_of(post.to_line()) for post in posts]

    assert await server.index(documents) == [Done()] * 3000
    assert await server.index(documents) == [Done()] * 3000

    await server.refresh()
    assert sum((await server.counts()).values()) == 3000


@pytest.mark.parametrize("block", ["write", "read_only", "read_only_allow_delete"])
async def test_a_blocked_index_loses_nothing(
    server: Elasticsearch, make_post: MakePost, block: str
) -> None:
    document = server.names.document_of(make_post(1).to_line())
    await server.index([document])
    await server.client.indices.put_settings(
        index=document.index, settings={f"index.blocks.{block}": True}
    )

    blocked = await server.index([document])

    assert isinstance(blocked[0], Retry)
    assert "block" in blocked[0].reason
    await server.client.indices.put_settings(
        index=document.index, settings={f"index.blocks.{block}": None}
    )
    assert await server.index([document]) == [Done()]


async def test_a_server_that_creates_no_indices_gets_them_from_us(
    server: Elasticsearch, make_post: MakePost
) -> None:
    # Given a server that lost everything and creates nothing of ours by itself
    pattern = f"-{server.names.prefix}*,+*"
    settings = server.client.cluster.put_settings
    await settings(persistent={"action.auto_create_index": pattern})
    try:
        await server.drop()
        document = server.names.document_of(make_post(1).to_line())

        first = await server.index([document])
        second = await server.index([document])
    finally:
        await settings(persistent={"action.auto_create_index": None})

    assert isinstance(first[0], Retry)
    assert second == [Done()]
    await server.refresh()
    assert (await Search(server).posts(PostQuery(text="鼓包"))).total == 1


async def test_a_foreign_index_under_our_name_is_reported(
    elasticsearch_url: str, unique_prefix: str
) -> None:
    sink = Elasticsearch(
        Elasticsearch.Config.model_validate({"url": elasticsearch_url, "prefix": unique_prefix})
    )
    try:
        await sink.client.indices.create(
            index=sink.names.incidents, mappings={"properties": {"severity": {"type": "keyword"}}}
        )
        with pytest.raises(FatalError, match=f"{sink.names.incidents}.*severity"):
            await sink.setup()
    finally:
        await sink.drop()
        await sink.close()


async def test_new_fields_reach_indices_that_exist(
    elasticsearch_url: str, unique_prefix: str
) -> None:
    sink = Elasticsearch(
        Elasticsearch.Config.model_validate({"url": elasticsearch_url, "prefix": unique_prefix})
    )
    try:
        old = f"{unique_prefix}posts-2024.02"
        await sink.client.indices.create(
            index=old,
            mappings={
                "dynamic": "strict",
                "properties": {"id": {"type": "keyword", "index": False}},
            },
        )
        await sink.setup()
        mapping = await sink.client.indices.get_mapping(index=old)
        assert "signature" in mapping[old]["mappings"]["properties"]
    finally:
        await sink.drop()
        await sink.close()


async def test_phrases_are_substrings_of_chinese_text(
    server: Elasticsearch, make_post: MakePost
) -> None:
    await write(
        server,
        make_post(1, text="海鸥手机的电池鼓包了，客服不理人"),
        make_post(2, text="电池还行，屏幕不错"),
        make_post(3, text="充电器 X1 外壳鼓包", root_text=None),
    )
    expected: dict[str | None, list[int]] = {
        "鼓包": [3, 1],
        "电池鼓包": [1],
        "鼓包电池": [],
        "包了": [1],
        "鼓包 客服": [1],
        "鼓包 屏幕": [],
        "续航": [2, 1],  # stands in the root's text
        "充电器 X1": [3],
        "？！": [],
        None: [3, 2, 1],
    }

    for text, numbers in expected.items():
        result = await Search(server).posts(PostQuery(text=text))

        assert [hit.post.id for hit in result.hits] == [f"weibo:{n}" for n in numbers], text
        assert result.total == len(numbers)


async def test_marks_say_where_the_phrases_stand(
    server: Elasticsearch, make_post: MakePost
) -> None:
    post = make_post(1, text="😡 电池鼓包！又是电池鼓包", title="鼓包", root_text="安全吗")
    await write(server, post)

    result = await Search(server).posts(PostQuery(text="电池鼓包 安全 鼓包"))

    marks = result.hits[0].marks
    assert [(mark.field, mark.start, mark.end) for mark in marks] == [
        ("text", 2, 6),
        ("text", 9, 13),
        ("title", 0, 2),
        ("root_text", 0, 2),
    ]


async def test_filters_narrow_the_search(server: Elasticsearch, make_post: MakePost) -> None:
    calm = Sentiment(label="neutral", negative=0.1, neutral=0.8, positive=0.1)
    await write(
        server,
        make_post(1),
        make_post(2, sentiment=calm),
        make_post(3, brands=(), intents=(Label(label="enquiry", score=0.8),)),
        make_post(4, id="wechat:4", platform="wechat", author_kind="person"),
    )
    search = Search(server)

    async def ids(**conditions: Any) -> list[str]:
        return [hit.post.id for hit in (await search.posts(PostQuery(**conditions))).hits]

    assert await ids(brand="seagull") == ["wechat:4", "weibo:2", "weibo:1"]
    assert await ids(mood="neutral") == ["weibo:2"]
    assert await ids(intent="enquiry") == ["weibo:3"]
    assert await ids(platform="wechat") == ["wechat:4"]
    assert await ids(author_kind="person") == ["wechat:4"]
    second = NOON + timedelta(seconds=2)
    assert await ids(since=second) == ["wechat:4", "weibo:3", "weibo:2"]
    assert await ids(until=second) == ["weibo:1"]
    assert await ids(brand="seagull", mood="negative", platform="weibo") == ["weibo:1"]


async def test_copies_are_folded_but_counted_and_posts_without_signature_stay_apart(
    server: Elasticsearch, make_post: MakePost
) -> None:
    await write(
        server,
        *(make_post(n, signature="same") for n in (1, 2, 3)),
        *(make_post(n, signature=None) for n in (4, 5)),
        make_post(6, signature="other"),
        make_post(7, signature="same", text="别的话"),
    )
    search = Search(server)

    folded = await search.posts(PostQuery(text="鼓包"))
    flat = await search.posts(PostQuery(text="鼓包", fold_copies=False))

    assert [(hit.post.id, hit.copies) for hit in folded.hits] == [
        ("weibo:6", 0),
        ("weibo:5", 0),
        ("weibo:4", 0),
        ("weibo:3", 2),
    ]
    assert folded.total == flat.total == 6
    assert [hit.post.id for hit in flat.hits] == [f"weibo:{n}" for n in (6, 5, 4, 3, 2, 1)]
    assert len((await search.posts(PostQuery(), size=2)).hits) == 2


async def test_words_and_aspects_can_be_counted(server: Elasticsearch, make_post: MakePost) -> None:
    # words have no inverted index; aspects are pairs, and flat for charts as well
    await write(server, make_post(1), make_post(2))

    def pair(aspect: str, mood: str) -> dict[str, Any]:
        terms = [{"term": {"aspects.aspect": aspect}}, {"term": {"aspects.mood": mood}}]
        return {"nested": {"path": "aspects", "query": {"bool": {"filter": terms}}}}

    async def total(query: dict[str, Any]) -> int:
        answer = await server.client.count(index=server.names.posts, query=query)
        return int(answer["count"])

    answer = await server.client.search(
        index=server.names.posts,
        size=0,
        aggs={
            "words": {"terms": {"field": "words"}},
            "aspects": {"terms": {"field": "aspects.aspect"}},
        },
    )

    counted = {
        name: {bucket["key"]: bucket["doc_count"] for bucket in found["buckets"]}
        for name, found in answer["aggregations"].items()
    }
    assert counted["words"] == {"手机": 2, "电池": 2, "鼓包": 2, "客服": 2}
    assert counted["aspects"] == {"battery": 2, "screen": 2}
    assert await total(pair("battery", "negative")) == 2
    assert await total(pair("battery", "positive")) == 0
    assert await total({"term": {"words": "鼓包"}}) == 2


async def test_ids_walks_over_every_page_and_shows_an_id_in_two_indices(
    server: Elasticsearch,
) -> None:
    # Given 25,000 posts of two months, and one that a mistake put into both
    def document(index: str, post_id: str) -> Document:
        body = orjson.dumps({"id": post_id, "observed_at": "2024-03-05T04:00:00Z"})
        return Document(index, post_id, 1, body)

    march, april = (f"{server.names.prefix}posts-2024.{month}" for month in ("03", "04"))
    documents = [document(april if n % 3 else march, f"weibo:{n}") for n in range(25_000)]
    documents.append(document(march, "weibo:1"))
    await server.index(documents)
    await server.refresh()
    search = Search(server)

    seen = Counter([post_id async for post_id, _ in search.ids()])

    assert len(seen) == 25_000
    assert {post_id for post_id, times in seen.items() if times > 1} == {"weibo:1"}
    assert {index async for post_id, index in search.ids(page=7_000) if post_id == "weibo:1"} == {
        march,
        april,
    }
    later = NOON + timedelta(seconds=1)
    assert [found async for found in search.ids(since=later)] == []


async def test_relatives_are_all_that_name_a_post_over_every_page_and_month(
    server: Elasticsearch, make_post: MakePost
) -> None:
    # Given a root of February, answers of March that name it as root or as parent, and others
    root = make_post(900, parent_id=None, root_id=None, published_at=NOON - timedelta(days=10))
    by_root = [make_post(n, parent_id="weibo:404", root_id=root.id) for n in range(1, 30)]
    by_parent = make_post(30, parent_id=root.id, root_id=None)
    stranger = make_post(31, parent_id="weibo:32", root_id="weibo:32")
    await write(server, root, *by_root, by_parent, stranger)
    search = Search(server)

    pages = [page async for page in search.relatives([root.id, "weibo:500"], page=7)]

    found = {post.id: post for page in pages for post in page}
    assert sum(map(len, pages)) == len(found)
    assert found.keys() == {root.id, by_parent.id, *(post.id for post in by_root)}
    assert max(map(len, pages)) == 7
    assert found[by_parent.id].author == by_parent.author
    assert (found[root.id].root_text, found[root.id].matches) == (None, ())
    assert [page async for page in search.relatives(["weibo:500"])] == [[]]


async def test_posts_in_order_of_time_over_every_page_and_month(
    server: Elasticsearch, make_post: MakePost
) -> None:
    # Given posts of two months, some of one moment, written in no order
    hours = [5, 900, 3, 3, 3, 700, 1, 2, 901]
    posts = [
        make_post(n, published_at=NOON - timedelta(hours=hours[n % len(hours)])) for n in range(40)
    ]
    await write(server, *posts)
    search = Search(server)
    ordered = sorted(posts, key=lambda post: (post.event_at, post.id))

    pages = [page async for page in search.posts_in_order(page=7)]
    earlier = [page async for page in search.posts_in_order(until=NOON - timedelta(hours=3))]

    assert [post.id for page in pages for post in page] == [post.id for post in ordered]
    assert [post.id for page in earlier for post in page] == [
        post.id for post in ordered if post.event_at < NOON - timedelta(hours=3)
    ]
    brands = {tag.brand for tag in posts[0].brands}
    assert brands
    for brand, most in ((min(brands), len(posts)), ("nobody", 0)):
        assert sum([len(page) async for page in search.posts_in_order(brand=brand)]) == most


async def test_incidents_keep_the_newest_revision(
    server: Elasticsearch, make_incident: Callable[..., Incident]
) -> None:
    second = make_incident(revision=2, state="suspected")
    third = make_incident(revision=3)
    other = make_incident(id="gull-2", brand="gull", updated_at=NOON + timedelta(days=1))
    documents = [
        server.names.incident_document(incident.to_line()) for incident in (third, second, other)
    ]
    search = Search(server)

    assert await server.index(documents) == [Done(), Done(stale=True), Done()]

    assert await search.incident(third.id) == third  # needs no refresh
    assert await search.incident("nothing") is None
    await server.refresh()
    assert await search.incidents() == [other, third]
    assert await search.incidents(brand="seagull") == [third]
    assert await search.incidents(state="suspected") == []


async def test_a_notice_is_claimed_once(
    server: Elasticsearch, make_notice: Callable[..., Notice]
) -> None:
    journal, notice = Journal(server), make_notice()

    claims = await asyncio.gather(*(journal.claim(notice, "crm", NOON) for _ in range(4)))

    assert sorted(claims) == ["new", "pending", "pending", "pending"]
    assert await journal.claim(notice, "terminal", NOON) == "new"
    await journal.mark_sent(notice.key, "crm", NOON + timedelta(seconds=2))
    await journal.mark_rejected(notice.key, "terminal", "too_large: …")
    assert await journal.claim(notice, "crm", NOON) == "sent"
    assert await journal.claim(notice, "terminal", NOON) == "rejected"
    await server.refresh()
    crm, terminal = await journal.recent(incident_id=notice.incident.id)
    assert (crm.channel, crm.state, crm.sent_at) == ("crm", "sent", NOON + timedelta(seconds=2))
    assert (terminal.channel, terminal.error, terminal.sent_at) == (
        "terminal",
        "too_large: …",
        None,
    )
    assert crm.claimed_at == NOON
    await journal.mark_elsewhere(notice.key, "terminal", "crm")
    assert await journal.claim(notice, "terminal", NOON) == "elsewhere"
    assert await journal.recent(incident_id="nothing") == []


async def test_before_the_first_post_there_is_nothing_and_no_error(
    elasticsearch_url: str, unique_prefix: str
) -> None:
    sink = Elasticsearch(
        Elasticsearch.Config.model_validate({"url": elasticsearch_url, "prefix": unique_prefix})
    )
    search = Search(sink)
    try:
        assert (await search.posts(PostQuery(text="鼓包"))).hits == []
        assert [found async for found in search.ids()] == []
        assert await search.post("weibo:1") is None
        assert await search.incidents() == []
        assert await search.incident("x") is None
        assert await Journal(sink).recent() == []
    finally:
        await sink.close()


async def test_the_first_write_puts_the_layout_itself(
    elasticsearch_url: str, unique_prefix: str, make_notice: Callable[..., Notice]
) -> None:
    config = Elasticsearch.Config.model_validate(
        {"url": elasticsearch_url, "prefix": unique_prefix}
    )
    sink = Elasticsearch(config)
    try:
        assert await Journal(sink).claim(make_notice(), "crm", NOON) == "new"
        mapping = await sink.client.indices.get_mapping(index=sink.names.notices)
        assert mapping[sink.names.notices]["mappings"]["dynamic"] == "strict"
    finally:
        await sink.drop()
        await sink.close()
