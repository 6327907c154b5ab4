"""Counts for a report on a brand, by Elasticsearch's own aggregations.

What is counted: posts by ``event_at`` that carry the brand's tag, comments and reposts included.
Left out, and counted as such: sightings on hot-search boards, which nobody said, and posts whose
time is out of reason, which would count in a wrong hour.

Exact but for distinct texts and authors: these are HyperLogLog++ counts, with an error of some
percent beyond ``PRECISION``. Memory is the server's, and bounded by the number of labels; only
``moods`` reads posts, page by page, and only their tags.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sinks.elasticsearch import Elasticsearch
from sinks.search import Search

__all__ = ["GROUPS", "PRECISION", "BrandCounts", "ReportCounts", "Said", "Span", "said_of"]

PRECISION = 40_000
"""Up to so many distinct values are counted nearly exactly; the most that servers offer."""
_MOST_LABELS = 5_000
_PAGE = 5_000

GROUPS: Mapping[str, str] = {
    "intents": "intents.label",
    "reasons": "reasons",
    "defects": "defects",
    "kinds": "kind",
    "platforms": "platform",
    "sources": "source",
    "author_kinds": "author_kind",
    "rules": "matches.rule",
}
"""What posts are counted by, and the field of each."""

Query = dict[str, Any]
Span = tuple[datetime, datetime]
"""[since, until), by ``event_at``."""


@dataclass(frozen=True, slots=True)
class Said:
    """How much was said."""

    posts: int = 0
    texts: int = 0
    """Copies of one text counted once; approximate."""
    authors: int = 0
    """Approximate."""


@dataclass(frozen=True, slots=True)
class BrandCounts:
    """What was said of one brand in a span."""

    said: Said
    groups: Mapping[str, Mapping[str, int]]
    """Posts by label, for each of ``GROUPS``."""
    aspects: Mapping[tuple[str, str], int]
    """By aspect and mood."""
    unclear_aspects: int
    """Aspects in posts on several brands, of which nobody knows whose is meant."""
    hot: int
    """Sightings on hot-search boards, not counted elsewhere."""
    clamped: int
    """Posts whose time is out of reason, not counted elsewhere."""


class ReportCounts:
    """Counts through an open connection.

    Raises, in every method: ``RetryableError`` when the server is away or overloaded,
    ``FatalError`` when it refuses access.
    """

    def __init__(self, elasticsearch: Elasticsearch) -> None:
        self._elasticsearch = elasticsearch
        self._search = Search(elasticsearch)

    async def anything(self, span: Span) -> int:
        """Posts on whatever brand, or none."""
        answer = await self._aggregate({"bool": {"filter": [_range(span)]}}, {}, hits=True)
        return int(answer["hits"]["total"]["value"])

    async def first_heard(self, brand: str, span: Span) -> datetime:
        """The hour of the brand's first post in the span; its end where there is none.

        Of what was before nothing is known: Tingchao or the brand's rule may be younger.
        """
        first = {"first": {"min": {"field": "event_at"}}}
        answer = await self._aggregate(said_of([brand], span), first)
        found = answer.get("aggregations", {}).get("first", {}).get("value")
        if found is None:
            return span[1]
        return datetime.fromtimestamp(found / 1000, UTC).replace(minute=0, second=0, microsecond=0)

    async def by_hour(self, brand: str, span: Span, zone: str) -> dict[datetime, int]:
        """Posts by beginning of the hour, without the hours that have none."""
        histogram = {
            "field": "event_at",
            "fixed_interval": "1h",
            "time_zone": zone,  # whose midnight may fall on half an hour of UTC
            "min_doc_count": 1,
        }
        answer = await self._aggregate(said_of([brand], span), {"h": {"date_histogram": histogram}})
        buckets = _buckets(answer, "h")
        return {datetime.fromtimestamp(one["key"] / 1000, UTC): one["doc_count"] for one in buckets}

    async def brands_beside(self, brands: Sequence[str], span: Span) -> set[str]:
        """Every brand that stands in a post on one of these, themselves included."""
        tags = {"terms": {"field": "brands.brand", "size": _MOST_LABELS}}
        answer = await self._aggregate(said_of(brands, span), {"tags": tags})
        return {str(one["key"]) for one in _buckets(answer, "tags")}

    async def of_brand(self, brand: str, others: Collection[str], span: Span) -> BrandCounts:
        """All counts of one brand; ``others``: every other brand that may stand beside it."""
        groups: Query = {
            name: {"terms": {"field": field, "size": _MOST_LABELS}}
            for name, field in GROUPS.items()
        }
        answer = await self._aggregate(
            said_of([brand], span), groups | _distinct() | _aspects(brand, others)
        )
        kept_out = await self._aggregate(
            {"bool": {"filter": [_of([brand]), _range(span)]}},
            {
                "hot": {"filter": _HOT},
                "clamped": {"filter": {"bool": {"filter": [_CLAMPED], "must_not": [_HOT]}}},
            },
        )
        counted = answer.get("aggregations", {})
        aspects: Counter[tuple[str, str]] = Counter()
        unclear = 0
        if counted:
            own, alone = counted["own"]["named"], counted["alone"]["own"]["unnamed"]
            for part in (own, alone):
                for bucket in part["aspect"]["buckets"]:
                    for mood in bucket["mood"]["buckets"]:
                        aspects[bucket["key"], mood["key"]] += mood["doc_count"]
            unclear = counted["own"]["unnamed"]["doc_count"] - alone["doc_count"]
        return BrandCounts(
            said=_said(answer),
            groups={
                name: {str(one["key"]): one["doc_count"] for one in _buckets(answer, name)}
                for name in GROUPS
            },
            aspects=dict(aspects),
            unclear_aspects=unclear,
            hot=_filtered(kept_out, "hot"),
            clamped=_filtered(kept_out, "clamped"),
        )

    async def of_each(self, brands: Sequence[str], span: Span) -> dict[str, Said]:
        """How much was said of each of these brands."""
        one = {brand: _of([brand]) for brand in brands}
        answer = await self._aggregate(
            said_of(brands, span), {"of": {"filters": {"filters": one}, "aggs": _distinct()}}
        )
        found = answer.get("aggregations", {}).get("of", {}).get("buckets", {})
        return {brand: _said_in(found[brand]) if brand in found else Said() for brand in brands}

    async def of_phrases(self, brand: str, phrases: Sequence[str], span: Span) -> dict[str, Said]:
        """How much was said of the brand with each phrase in the text or the title."""
        fields = ["text", "title"]
        one = {
            phrase: {"multi_match": {"query": phrase, "type": "phrase", "fields": fields}}
            for phrase in phrases
        }
        if not one:
            return {}
        answer = await self._aggregate(
            said_of([brand], span), {"of": {"filters": {"filters": one}, "aggs": _distinct()}}
        )
        found = answer.get("aggregations", {}).get("of", {}).get("buckets", {})
        return {phrase: _said_in(found[phrase]) if phrase in found else Said() for phrase in one}

    async def moods(
        self, brands: Sequence[str], known: Collection[str], span: Span
    ) -> dict[str, Counter[str]]:
        """Posts by mood towards each of these brands, ``none`` where it was not judged.

        The index keeps brands and moods of a post in two flat lists. Where one brand stands alone
        they are a pair, and the server counts; posts on several are read. ``known``: every brand
        that may stand in these posts.
        """
        alone = {brand: _alone(brand, known) for brand in brands}
        answer = await self._aggregate(
            said_of(brands, span),
            {
                "alone": {
                    "filters": {"filters": alone},
                    "aggs": {"mood": {"terms": {"field": "brands.mood"}}},
                }
            },
        )
        found = answer.get("aggregations", {}).get("alone", {}).get("buckets", {})
        moods: dict[str, Counter[str]] = {brand: Counter() for brand in brands}
        for brand, bucket in found.items():
            for mood in bucket["mood"]["buckets"]:
                moods[brand][mood["key"]] += mood["doc_count"]
            unjudged = bucket["doc_count"] - sum(moods[brand].values())
            if unjudged:
                moods[brand]["none"] += unjudged
        async with aclosing(self._tags_of_several(brands, alone.values(), span)) as posts:
            async for tags in posts:
                for tag in tags:
                    if tag["brand"] in moods:
                        moods[tag["brand"]][tag.get("mood") or "none"] += 1
        return moods

    async def _tags_of_several(
        self, brands: Sequence[str], alone: Collection[Query], span: Span
    ) -> AsyncGenerator[list[Any], None]:
        query = said_of(brands, span)
        query["bool"]["must_not"] += alone
        wanted = {
            "source": ["brands.brand", "brands.mood"],
            "filter_path": "pit_id,hits.hits._source.brands,hits.hits.sort",
        }
        async with aclosing(self._search.pages(query, _PAGE, wanted)) as pages:
            async for hits in pages:
                for hit in hits:
                    yield hit["_source"]["brands"]

    async def _aggregate(self, query: Query, aggs: Query, *, hits: bool = False) -> Any:
        with self._elasticsearch.mapped():
            return await self._elasticsearch.client.search(
                index=self._elasticsearch.names.posts,
                ignore_unavailable=True,
                query=query,
                aggs=aggs,
                size=0,
                track_total_hits=hits,
            )


# --- queries ----------------------------------------------------------------------------------

_HOT: Query = {"term": {"kind": "hot"}}
_CLAMPED: Query = {"term": {"event_clamped": True}}


def said_of(brands: Sequence[str], span: Span) -> Query:
    """The posts that count."""
    return {"bool": {"filter": [_of(brands), _range(span)], "must_not": [_HOT, _CLAMPED]}}


def _of(brands: Sequence[str]) -> Query:
    return {"terms": {"brands.brand": sorted(brands)}}


def _alone(brand: str, known: Collection[str]) -> Query:
    others = sorted({*known} - {brand})
    return {"bool": {"filter": [_of([brand])], "must_not": [_of(others)] if others else []}}


def _range(span: Span) -> Query:
    since, until = span
    return {"range": {"event_at": {"gte": since.isoformat(), "lt": until.isoformat()}}}


def _distinct() -> Query:
    """Texts are one by signature; what has none stands for itself. Ids are a platform's own."""
    of_author = {"field": "author.id", "precision_threshold": PRECISION}
    return {
        "texts": {"cardinality": {"field": "signature", "precision_threshold": PRECISION}},
        "unsigned": {"missing": {"field": "signature"}},
        "by_platform": {
            "terms": {"field": "platform", "size": _MOST_LABELS},
            "aggs": {"authors": {"cardinality": of_author}},
        },
    }


def _aspects(brand: str, others: Collection[str]) -> Query:
    """An aspect names its brand where the text names one; else it is that of the only tag."""
    by_mood = {
        "aspect": {
            "terms": {"field": "aspects.aspect", "size": _MOST_LABELS},
            "aggs": {"mood": {"terms": {"field": "aspects.mood"}}},
        }
    }
    unnamed = {"bool": {"must_not": [{"exists": {"field": "aspects.brand"}}]}}
    named = {"filter": {"term": {"aspects.brand": brand}}, "aggs": by_mood}
    nested = {"nested": {"path": "aspects"}}
    return {
        "own": nested | {"aggs": {"named": named, "unnamed": {"filter": unnamed}}},
        "alone": {
            "filter": _alone(brand, others),
            "aggs": {"own": nested | {"aggs": {"unnamed": {"filter": unnamed, "aggs": by_mood}}}},
        },
    }


# --- answers ----------------------------------------------------------------------------------


def _buckets(answer: Any, name: str) -> list[Any]:
    """None where there is no index yet."""
    found: list[Any] = answer.get("aggregations", {}).get(name, {}).get("buckets", [])
    return found


def _filtered(answer: Any, name: str) -> int:
    return int(answer.get("aggregations", {}).get(name, {}).get("doc_count", 0))


def _said(answer: Any) -> Said:
    counted = answer.get("aggregations")
    if not counted:
        return Said()
    posts = sum(one["doc_count"] for one in counted["by_platform"]["buckets"])
    return _said_in(counted | {"doc_count": posts})


def _said_in(bucket: Any) -> Said:
    return Said(
        posts=bucket["doc_count"],
        texts=bucket["texts"]["value"] + bucket["unsigned"]["doc_count"],
        authors=sum(one["authors"]["value"] for one in bucket["by_platform"]["buckets"]),
    )
