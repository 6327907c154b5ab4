"""Looking up what is in Elasticsearch: posts, incidents, every id."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, get_args

import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError

from schemas.enriched import AuthorKind, EnrichedPost, Mood, Span, TextField
from schemas.incident import IncidentState
from schemas.incidents import AnyIncident, parse_incident
from schemas.record import Record
from sinks.elasticsearch import Elasticsearch

__all__ = ["Found", "Hit", "PostQuery", "Search"]

_PAGE = 10_000
"""The most a server gives at once unless its settings were changed."""

_KEEP_ALIVE = "2m"

_EMPTY_IS_FINE = True
"""Before the first post there is no index; that is an empty answer, not an error."""

_UNDERSTOOD = ["root_text", "matches", "brands", "aspects", "words"]
"""The larger optional fields of a post."""

# Two code points of the private use area, which no text means anything by.
_OPEN, _CLOSE = "\ue000", "\ue001"

Query = dict[str, Any]
_Record = TypeVar("_Record", bound=Record)


@dataclass(frozen=True, slots=True)
class PostQuery:
    """Which posts; every condition that is given must hold."""

    text: str | None = None
    """Phrases, separated by spaces; each must stand in the text, the title or the root's text."""
    brand: str | None = None
    mood: Mood | None = None
    author_kind: AuthorKind | None = None
    intent: str | None = None
    platform: str | None = None
    since: datetime | None = None
    """``event_at``, inclusive."""
    until: datetime | None = None
    """``event_at``, exclusive."""
    fold_copies: bool = True
    """Show one post for all copies of a text, the newest."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One post that was found."""

    post: EnrichedPost
    marks: tuple[Span, ...]
    """Where the searched phrases stand, in order."""
    copies: int
    """How many other posts that the query finds have the same text."""


@dataclass(frozen=True, slots=True)
class Found:
    """The newest hits, and how many posts there are in all, copies included."""

    total: int
    hits: list[Hit]


class Search:
    """Reads through an open connection.

    Raises, in every method: ``RetryableError`` when the server is away or overloaded,
    ``FatalError`` when it refuses access, ``RejectedError`` when a stored document is no record of
    this version's schema.
    """

    def __init__(self, elasticsearch: Elasticsearch) -> None:
        self._elasticsearch = elasticsearch
        self._client = elasticsearch.client
        self._names = elasticsearch.names

    async def posts(self, query: PostQuery, *, size: int = 20) -> Found:
        """The newest posts of a query, by event time."""
        conditions = list(_conditions(query))
        body: Query = {
            "index": self._names.posts,
            "ignore_unavailable": _EMPTY_IS_FINE,
            "size": size,
            "sort": [{"event_at": "desc"}, {"id": "asc"}],
            "track_total_hits": True,
            "highlight": _highlight(),
        }
        with self._elasticsearch.mapped():
            if not query.fold_copies:
                answer = await self._client.search(query=_all(conditions), **body)
                hits = [_hit(hit, 0) for hit in answer["hits"]["hits"]]
                return Found(int(answer["hits"]["total"]["value"]), hits)
            # Collapsing would also fold all posts that have no signature into one.
            signed: Query = {"exists": {"field": "signature"}}
            folded, single = await asyncio.gather(
                self._client.search(
                    query=_all([*conditions, signed]), collapse={"field": "signature"}, **body
                ),
                self._client.search(query=_all(conditions, but=signed), **body),
            )
            raw = folded["hits"]["hits"] + single["hits"]["hits"]
            raw = sorted(raw, key=lambda hit: (-hit["sort"][0], hit["sort"][1]))[:size]
            copies = await self._copies(conditions, raw)
        total = sum(int(part["hits"]["total"]["value"]) for part in (folded, single))
        return Found(total, [_hit(hit, copies.get(_signature(hit), 0)) for hit in raw])

    async def post(self, post_id: str) -> EnrichedPost | None:
        """One post by its id, at the newest revision that is searchable."""
        with self._elasticsearch.mapped():
            answer = await self._client.search(
                index=self._names.posts,
                ignore_unavailable=_EMPTY_IS_FINE,
                query={"ids": {"values": [post_id]}},
                sort=[{"revision": "desc"}],
                size=1,
            )
        hits = answer["hits"]["hits"]
        return _record(EnrichedPost, hits[0]) if hits else None

    async def incidents(
        self, *, brand: str | None = None, state: IncidentState | None = None, size: int = 20
    ) -> list[AnyIncident]:
        """Incidents of both kinds, the last changed first; a brand has none of sources."""
        conditions: list[Query] = []
        if brand is not None:
            conditions.append({"term": {"brand": brand}})
        if state is not None:
            conditions.append({"term": {"state": state}})
        with self._elasticsearch.mapped():
            answer = await self._client.search(
                index=self._names.incidents,
                ignore_unavailable=_EMPTY_IS_FINE,
                query=_all(conditions),
                sort=[{"updated_at": "desc"}, {"id": "asc"}],
                size=size,
            )
        return [_incident(hit) for hit in answer["hits"]["hits"]]

    async def incident(self, incident_id: str) -> AnyIncident | None:
        """One incident at its newest revision, at once after it was written."""
        with self._elasticsearch.mapped():
            answer = await self._client.options(ignore_status=404).get(
                index=self._names.incidents, id=incident_id
            )
        return _incident(answer) if answer.get("found") else None

    async def ids(
        self, *, since: datetime | None = None, page: int = _PAGE
    ) -> AsyncIterator[tuple[str, str]]:
        """Every (post id, index), of one moment; an id in two indices comes twice.

        ``since`` compares ``observed_at``: what Tingchao saw from then on.
        """
        query = _all([] if since is None else [_range("observed_at", gte=since)])
        wanted = {
            "source": False,
            "stored_fields": "_none_",
            "docvalue_fields": [{"field": "id"}],
            "filter_path": "pit_id,hits.hits.fields,hits.hits._index,hits.hits.sort",
        }
        async for hits in self.pages(query, page, wanted):
            for hit in hits:
                yield hit["fields"]["id"][0], hit["_index"]

    async def every_post(
        self, *, since: datetime, page: int = 500
    ) -> AsyncIterator[list[EnrichedPost]]:
        """Every post of ``since`` or later, by ``event_at``; of one moment, in no order."""
        wanted = {"filter_path": "pit_id,hits.hits._source,hits.hits.sort"}
        async for hits in self.pages(_all([_range("event_at", gte=since)]), page, wanted):
            yield [_record(EnrichedPost, hit) for hit in hits]

    async def posts_in_order(
        self, *, until: datetime | None = None, brand: str | None = None, page: int = 1_000
    ) -> AsyncGenerator[list[EnrichedPost], None]:
        """Every post before ``until``, the oldest ``event_at`` first, ties by id; of one moment."""
        conditions: list[Query] = []
        if until is not None:
            conditions.append(_range("event_at", lt=until))
        if brand is not None:
            conditions.append({"term": {"brands.brand": brand}})
        wanted = {"filter_path": "pit_id,hits.hits._source,hits.hits.sort"}
        order = [{"event_at": "asc"}, {"id": "asc"}]
        async with aclosing(self.pages(_all(conditions), page, wanted, order)) as pages:
            async for hits in pages:
                yield [_record(EnrichedPost, hit) for hit in hits]

    async def relatives(
        self, ids: Collection[str], *, page: int = 1_000
    ) -> AsyncGenerator[list[EnrichedPost], None]:
        """The posts of these ids, and all that name one of them as root or parent; in no order.

        Without what was found in their words and without the quoted root: a thread may be large.
        At most 65,536 ids, as servers take them.
        """
        named = sorted(ids)
        either: list[Query] = [
            {"ids": {"values": named}},
            {"terms": {"root_id": named}},
            {"terms": {"parent_id": named}},
        ]
        wanted = {
            "source": {"excludes": _UNDERSTOOD},
            "filter_path": "pit_id,hits.hits._source,hits.hits.sort",
        }
        query = _all([{"bool": {"should": either}}])
        # Who has enough stops in the middle: then the server is to forget its place at once.
        async with aclosing(self.pages(query, page, wanted)) as pages:
            async for hits in pages:
                yield [_record(EnrichedPost, hit) for hit in hits]

    async def pages(
        self, query: Query, page: int, wanted: Query, order: Sequence[Any] = ("_shard_doc",)
    ) -> AsyncGenerator[list[Any], None]:
        """All hits of a query, as they were when the first page was asked for."""
        with self._elasticsearch.mapped():
            opened = await self._client.open_point_in_time(
                index=self._names.posts,
                keep_alive=_KEEP_ALIVE,
                ignore_unavailable=_EMPTY_IS_FINE,
            )
        pit_id = str(opened["id"])
        after: list[Any] | None = None
        try:
            while True:
                with self._elasticsearch.mapped():
                    answer = await self._client.search(
                        pit={"id": pit_id, "keep_alive": _KEEP_ALIVE},
                        query=query,
                        size=page,
                        sort=list(order),
                        search_after=after,
                        track_total_hits=False,
                        **wanted,
                    )
                pit_id = str(answer.get("pit_id", pit_id))
                hits = answer.get("hits", {}).get("hits", [])
                yield hits
                if len(hits) < page:
                    return
                after = hits[-1]["sort"]
        finally:
            # It ends by itself after two minutes, so a failure to close it must hide no other.
            with suppress(TransportError, ApiError):
                await self._client.options(ignore_status=404).close_point_in_time(id=pit_id)

    async def _copies(self, conditions: list[Query], hits: list[Any]) -> dict[str | None, int]:
        """How many further posts of the query share each signature on show."""
        shown = sorted({signature for hit in hits if (signature := _signature(hit))})
        if not shown:
            return {}
        answer = await self._client.search(
            index=self._names.posts,
            ignore_unavailable=_EMPTY_IS_FINE,
            query=_all([*conditions, {"terms": {"signature": shown}}]),
            size=0,
            aggs={"copies": {"terms": {"field": "signature", "size": len(shown)}}},
        )
        buckets = answer["aggregations"]["copies"]["buckets"]
        return {bucket["key"]: bucket["doc_count"] - 1 for bucket in buckets}


def _conditions(query: PostQuery) -> Iterator[Query]:
    for phrase in (query.text or "").split():
        yield {"multi_match": {"query": phrase, "type": "phrase", "fields": [*get_args(TextField)]}}
    if query.brand is not None:
        yield {"term": {"brands.brand": query.brand}}
    if query.mood is not None:
        yield {"term": {"sentiment.label": query.mood}}
    if query.author_kind is not None:
        yield {"term": {"author_kind": query.author_kind}}
    if query.intent is not None:
        yield {"term": {"intents.label": query.intent}}
    if query.platform is not None:
        yield {"term": {"platform": query.platform}}
    if query.since is not None or query.until is not None:
        yield _range("event_at", gte=query.since, lt=query.until)


def _range(field: str, **bounds: datetime | None) -> Query:
    given = {name: at.isoformat() for name, at in bounds.items() if at is not None}
    return {"range": {field: given}}


def _all(conditions: list[Query], *, but: Query | None = None) -> Query:
    # filter, not must: nothing is scored, and the server may cache it
    return {"bool": {"filter": conditions, "must_not": [but] if but else []}}


def _highlight() -> Query:
    return {
        "pre_tags": [_OPEN],
        "post_tags": [_CLOSE],
        "number_of_fragments": 0,  # the whole field, so that places can be counted
        "fields": {field: {} for field in get_args(TextField)},
    }


def _record(model: type[_Record], hit: Any) -> _Record:
    return model.from_line(orjson.dumps(hit["_source"]))


def _incident(hit: Any) -> AnyIncident:
    return parse_incident(orjson.dumps(hit["_source"]))


def _signature(hit: Any) -> str | None:
    signature = hit["_source"].get("signature")
    return str(signature) if signature is not None else None


def _hit(hit: Any, copies: int) -> Hit:
    post = _record(EnrichedPost, hit)
    marks = [
        span
        for field in get_args(TextField)
        for marked in hit.get("highlight", {}).get(field, [])
        for span in _spans(field, marked, getattr(post, field) or "")
    ]
    return Hit(post, tuple(marks), copies)


def _spans(field: TextField, marked: str, original: str) -> Iterator[Span]:
    """Places of the marked words; neighbours are one, for Chinese is marked sign by sign."""
    if marked.replace(_OPEN, "").replace(_CLOSE, "") != original:
        return  # the text itself has such signs: better no mark than a wrong one
    place = 0
    for piece in marked.replace(_CLOSE + _OPEN, "").split(_OPEN):
        inside, closed, outside = piece.partition(_CLOSE)
        if closed:
            yield Span(field=field, start=place, end=place + len(inside))
        place += len(inside) + len(outside)
