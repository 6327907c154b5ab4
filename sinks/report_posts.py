"""Posts, authors and incidents that a report names.

Private messages and deleted posts are counted, but never shown.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.enriched import AuthorKind, EnrichedPost
from schemas.incident import Incident
from schemas.incidents import AnyIncident, parse_incident
from schemas.source_incident import SourceIncident
from sinks.elasticsearch import Elasticsearch
from sinks.report_counts import Query, Span, said_of

__all__ = ["AuthorFigures", "ReportPosts", "ShownPost", "stirred"]

_STIRRED = ("reposts", "comments", "likes")
_DEPTHS = (50, 500, 5_000)
_MOST_INCIDENTS = 200
_MOST_GAPS = 2_000
_COMMENTS = ["comment", "reply"]
_UNSHOWN = ["matches", "aspects", "words", "sketch", "emotions", "models"]


@dataclass(frozen=True, slots=True)
class ShownPost:
    """A post, and how many others of the span have its text."""

    post: EnrichedPost
    copies: int


@dataclass(frozen=True, slots=True)
class AuthorFigures:
    """Who wrote: the name as posts show it, and no id."""

    name: str | None
    platform: str
    kind: AuthorKind | None
    followers: int | None
    influence: float | None
    posts: int
    engagement: int
    """Reposts, comments and likes of these posts."""


class ReportPosts:
    """Reads through an open connection.

    Raises, in every method: ``RetryableError`` when the server is away or overloaded,
    ``FatalError`` when it refuses access, ``RejectedError`` when a stored document is no record of
    this version's schema.
    """

    def __init__(self, elasticsearch: Elasticsearch) -> None:
        self._elasticsearch = elasticsearch

    async def most_stirring(self, brand: str, span: Span, size: int) -> list[ShownPost]:
        """The texts with most reposts, comments and likes together; comments are left to others.

        The server sorts by one counter only. So the first posts by each are read, deeper and deeper
        until no post below could have a larger sum (Fagin's threshold algorithm); at most 5,000 by
        each, beyond which a flood of equals hides who is first.
        """
        query = _shown(brand, span, but=_COMMENTS)
        for depth in _DEPTHS:
            lists = await asyncio.gather(*(self._sorted(query, one, depth) for one in _STIRRED))
            below = sum(
                _counter(posts[-1], field) if len(posts) == depth else 0
                for posts, field in zip(lists, _STIRRED, strict=True)
            )
            found = _folded([post for posts in lists for post in posts])[:size]
            if below == 0 or (len(found) == size and stirred(found[-1]) >= below):
                break
        return await self._with_copies(brand, span, [post for post in found if stirred(post)])

    async def most_liked_comments(self, brand: str, span: Span, size: int) -> list[ShownPost]:
        """The comments and replies with most likes, each text once; without likes none."""
        query = _shown(brand, span)
        query["bool"]["filter"].append({"terms": {"kind": _COMMENTS}})
        posts = await self._sorted(query, "likes", 20 * size)
        liked = [post for post in posts if _counter(post, "likes")]
        liked.sort(key=lambda post: (-_counter(post, "likes"), post.id))
        return await self._with_copies(brand, span, _once(liked)[:size])

    async def most_influential(
        self, brand: str, platforms: Sequence[str], span: Span, size: int
    ) -> list[AuthorFigures]:
        """The authors who reach furthest, and what they wrote in the span.

        An id is a platform's own, so each of ``platforms`` is asked by itself.
        """
        found = await asyncio.gather(
            *(self._influential(brand, platform, span, size) for platform in platforms)
        )
        authors = sorted((post for posts in found for post in posts), key=_by_reach)[:size]
        if not authors:
            return []
        sums: Query = {one: {"sum": {"field": f"engagement.{one}"}} for one in _STIRRED}
        of = {"filters": [_by(post) for post in authors]}
        with self._elasticsearch.mapped():
            answer = await self._elasticsearch.client.search(
                index=self._elasticsearch.names.posts,
                ignore_unavailable=True,
                query=said_of([brand], span),
                size=0,
                aggs={"of": {"filters": of, "aggs": sums}},
            )
        counted = answer["aggregations"]["of"]["buckets"]
        return [
            AuthorFigures(
                name=post.author.name,
                platform=post.platform,
                kind=post.author_kind,
                followers=post.author.followers,
                influence=post.influence,
                posts=bucket["doc_count"],
                engagement=int(sum(bucket[one]["value"] for one in _STIRRED)),
            )
            for post, bucket in zip(authors, counted, strict=True)
        ]

    async def _influential(
        self, brand: str, platform: str, span: Span, size: int
    ) -> list[EnrichedPost]:
        """A post of each."""
        query = _shown(brand, span)
        query["bool"]["filter"].append({"term": {"platform": platform}})
        sort: list[Query] = [
            {"influence": {"order": "desc", "missing": "_last"}},
            {"author.followers": {"order": "desc", "missing": "_last"}},
            {"event_at": "desc"},
            {"id": "asc"},
        ]
        hits = await self._hits(query, size, sort, collapse={"field": "author.id"})
        return [_post(hit) for hit in hits]

    async def incidents(self, brands: Sequence[str], span: Span) -> list[Incident]:
        """Incidents of these brands that were open in the span, the gravest first."""
        query = _during(span, "opened_at", "closed_at")
        query["bool"]["filter"].append({"terms": {"brand": sorted(brands)}})
        sort = [{"severity": "desc"}, {"opened_at": "asc"}, {"id": "asc"}]
        found = await self._incidents(query, sort, _MOST_INCIDENTS)
        return [one for one in found if isinstance(one, Incident)]

    async def source_gaps(self, span: Span) -> list[SourceIncident]:
        """When sources were not heard, by time."""
        query = _during(span, "gap_started_at", "gap_ended_at")
        query["bool"]["filter"].append({"term": {"kind": "source"}})
        found = await self._incidents(query, [{"gap_started_at": "asc"}, {"id": "asc"}], _MOST_GAPS)
        return [one for one in found if isinstance(one, SourceIncident)]

    async def _incidents(self, query: Query, sort: list[Query], size: int) -> list[AnyIncident]:
        with self._elasticsearch.mapped():
            answer = await self._elasticsearch.client.search(
                index=self._elasticsearch.names.incidents,
                ignore_unavailable=True,
                query=query,
                sort=sort,
                size=size,
            )
        return [parse_incident(orjson.dumps(hit["_source"])) for hit in answer["hits"]["hits"]]

    async def _sorted(self, query: Query, field: str, size: int) -> list[EnrichedPost]:
        counter = {f"engagement.{field}": {"order": "desc", "missing": "_last"}}
        return [_post(hit) for hit in await self._hits(query, size, [counter, {"id": "asc"}])]

    async def _hits(self, query: Query, size: int, sort: list[Query], **more: Any) -> list[Any]:
        with self._elasticsearch.mapped():
            answer = await self._elasticsearch.client.search(
                index=self._elasticsearch.names.posts,
                ignore_unavailable=True,
                query=query,
                sort=sort,
                size=size,
                source={"excludes": _UNSHOWN},
                **more,
            )
        hits: list[Any] = answer["hits"]["hits"]
        return hits

    async def _with_copies(
        self, brand: str, span: Span, posts: Sequence[EnrichedPost]
    ) -> list[ShownPost]:
        signatures = sorted({post.signature for post in posts if post.signature})
        copies: dict[str, int] = {}
        if signatures:
            query = said_of([brand], span)
            query["bool"]["filter"].append({"terms": {"signature": signatures}})
            of = {"terms": {"field": "signature", "size": len(signatures)}}
            with self._elasticsearch.mapped():
                answer = await self._elasticsearch.client.search(
                    index=self._elasticsearch.names.posts,
                    ignore_unavailable=True,
                    query=query,
                    size=0,
                    aggs={"of": of},
                )
            buckets = answer["aggregations"]["of"]["buckets"]
            copies = {one["key"]: one["doc_count"] - 1 for one in buckets}
        return [ShownPost(post, copies.get(post.signature or "", 0)) for post in posts]


def stirred(post: EnrichedPost) -> int:
    """Reposts, comments and likes together."""
    return sum(_counter(post, field) for field in _STIRRED)


def _shown(brand: str, span: Span, *, but: Sequence[str] = ()) -> Query:
    query = said_of([brand], span)
    query["bool"]["must_not"] += [
        {"term": {"deleted": True}},
        {"terms": {"kind": ["message", *but]}},
    ]
    return query


def _during(span: Span, begins: str, ends: str) -> Query:
    since, until = (at.isoformat() for at in span)
    return {
        "bool": {
            "filter": [{"range": {begins: {"lt": until}}}],
            "must_not": [{"range": {ends: {"lte": since}}}],
        }
    }


def _by_reach(post: EnrichedPost) -> tuple[float, int, str]:
    return -(post.influence or 0.0), -(post.author.followers or 0), post.id


def _by(post: EnrichedPost) -> Query:
    of = [{"term": {"platform": post.platform}}, {"term": {"author.id": post.author.id}}]
    return {"bool": {"filter": of}}


def _counter(post: EnrichedPost, field: str) -> int:
    return (getattr(post.engagement, field) or 0) if post.engagement else 0


def _folded(posts: Sequence[EnrichedPost]) -> list[EnrichedPost]:
    """Each text once, the largest sum first."""
    return _once(sorted(posts, key=lambda post: (-stirred(post), post.id)))


def _once(posts: Sequence[EnrichedPost]) -> list[EnrichedPost]:
    first: dict[str, EnrichedPost] = {}
    for post in posts:
        first.setdefault(post.signature or post.id, post)
    return list(first.values())


def _post(hit: Any) -> EnrichedPost:
    return EnrichedPost.from_line(orjson.dumps(hit["_source"]))
