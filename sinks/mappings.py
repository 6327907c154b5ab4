"""How posts, incidents and notices are laid out in Elasticsearch: the one truth of the templates.

``dynamic: strict`` everywhere: a field that is not named here is refused, so nothing is indexed by
guess. What nobody searches or aggregates is stored in ``_source`` only, because every inverted
index and doc-value column costs the server time for each post. Standard analyser: Chinese becomes
single characters, so a phrase query is a substring search. Only features of the bare server are
used, so every user's cluster can run it.
"""

from typing import Any

__all__ = ["INCIDENT", "MAX_TERM", "NOTICE", "POST", "Mapping", "index_settings"]

Mapping = dict[str, Any]

MAX_TERM = 256
"""Longer terms stay in ``_source`` only: Lucene refuses a document for a term of 32 KiB."""

_TEXT: Mapping = {"type": "text", "norms": False}
"""Positions kept for phrases; no norms, because hits are sorted by time, not by score."""

_TERM: Mapping = {"type": "keyword", "ignore_above": MAX_TERM}
"""Filtered and aggregated."""

_KEY: Mapping = {"type": "keyword", "ignore_above": MAX_TERM, "doc_values": False}
"""Looked up by its exact value, never aggregated."""

_COLUMN: Mapping = {"type": "keyword", "ignore_above": MAX_TERM, "index": False}
"""Aggregated; a filter by it works, but scans."""

_SHOWN: Mapping = {"type": "keyword", "index": False, "doc_values": False}
"""Only shown."""

_COUNT: Mapping = {"type": "long", "index": False}
_NUMBER: Mapping = {"type": "double", "index": False}
_SHARE: Mapping = {"type": "float", "index": False}
_SHOWN_NUMBER: Mapping = {"type": "float", "index": False, "doc_values": False}
_FLAG: Mapping = {"type": "boolean"}
_DATE: Mapping = {"type": "date"}
_DATE_COLUMN: Mapping = {"type": "date", "index": False}
_OPAQUE: Mapping = {"type": "object", "enabled": False}
"""Kept, not even parsed: positions, free keys, quotes."""


def _object(**properties: Mapping) -> Mapping:
    return {"properties": properties}


POST: Mapping = _object(
    # Look-ups go by _id. The column is for reading every id: _id itself lies beside _source in
    # compressed blocks, which took 110 us of server time an id, against 5.
    id={"type": "keyword", "index": False},
    platform=_TERM,
    kind=_TERM,
    text=_TEXT,
    title=_TEXT,
    author=_object(id=_TERM, name=_TERM, followers=_COUNT, verified=_FLAG),
    published_at=_DATE_COLUMN,
    parent_id=_KEY,
    root_id=_TERM,
    root_text=_TEXT,
    engagement=_object(
        reposts=_COUNT, comments=_COUNT, likes=_COUNT, reads=_COUNT, rank=_COUNT, heat=_NUMBER
    ),
    region=_TERM,
    media=_TERM,
    url=_SHOWN,
    source=_TERM,
    deleted=_FLAG,
    observed_at=_DATE,
    event_at=_DATE,
    event_clamped=_FLAG,
    revision=_COUNT,
    # A brand's role is the same in every post and a rule's version follows from its set, so the
    # flat arrays of a plain object lose nothing that is searched.
    matches=_object(rule=_TERM, version=_COUNT, rule_set=_TERM, words=_TERM, spans=_OPAQUE),
    brands=_object(
        brand=_TERM,
        role=_TERM,
        aliases=_COLUMN,
        spans=_OPAQUE,
        inherited=_FLAG,
        confidence=_SHOWN_NUMBER,
        reason=_SHOWN,
        mood=_TERM,
        mood_spans=_OPAQUE,
    ),
    sentiment=_object(label=_TERM, negative=_SHARE, neutral=_SHOWN_NUMBER, positive=_SHARE),
    emotions=_object(label=_TERM, score=_SHOWN_NUMBER),
    # "Battery: negative" is a pair: flat arrays would also find a praised battery beside a bad
    # screen. The parent's copy is for Kibana, whose charts can't aggregate nested fields.
    aspects={
        "type": "nested",
        "include_in_parent": True,
        **_object(aspect=_TERM, mood=_TERM, spans=_OPAQUE, brand=_TERM),
    },
    intents=_object(label=_TERM, score=_SHOWN_NUMBER),
    reasons=_TERM,
    defects=_TERM,
    words=_COLUMN,  # with an inverted index it was the most expensive field of all
    signature=_TERM,
    author_kind=_TERM,
    author_reason=_SHOWN,
    sketch=_SHOWN,
    influence=_NUMBER,
    tie=_TERM,
    departments=_TERM,
    root_news=_COUNT,
    models=_OPAQUE,
)

INCIDENT: Mapping = _object(
    id=_TERM,
    revision=_COUNT,
    brand=_TERM,
    role=_TERM,
    kind=_TERM,
    severity={"type": "long"},
    severity_parts=_OPAQUE,
    reasons=_object(fact=_TERM, count=_COUNT, of=_COUNT, usual=_SHOWN_NUMBER, text=_SHOWN),
    state=_TERM,
    opened_at=_DATE,
    updated_at=_DATE,
    closed_at=_DATE,
    first_post=_OPAQUE,
    totals=_object(
        mentions=_COUNT,
        voices=_COUNT,
        negative=_COUNT,
        positive=_COUNT,
        copies=_COUNT,
        copied_texts=_COUNT,
        platforms=_OPAQUE,
    ),
    evidence=_object(
        rule=_TERM,
        rule_version=_COUNT,
        window_start=_DATE,
        window_end=_DATE,
        numbers=_OPAQUE,
        measured=_TERM,
        baseline=_OPAQUE,
        score=_NUMBER,
        threshold=_NUMBER,
        copied=_OPAQUE,
        posts=_KEY,  # "which incidents was this post evidence for?"
    ),
    words=_object(word=_TERM, voices=_COUNT),
    quotes=_OPAQUE,
    timeline=_OPAQUE,
    owner=_TERM,
    silenced_until=_DATE,
    statement=_TEXT,
    verdict=_FLAG,
    verdict_why=_SHOWN,
    # Of incidents of the kind "source".
    source=_TERM,
    connector=_TERM,
    trouble=_TERM,
    gap_started_at=_DATE,
    gap_ended_at=_DATE,
    message=_SHOWN,
    backfill=_TERM,
)

NOTICE: Mapping = _object(
    key=_TERM,
    channel=_TERM,
    state=_TERM,
    reason=_TERM,
    incident_id=_TERM,
    revision=_COUNT,
    brand=_TERM,
    severity=_COUNT,
    claimed_at=_DATE,
    sent_at=_DATE,
    error=_SHOWN,
    # Of what is to be told later.
    waits_for=_TERM,
    since=_DATE,
)


def index_settings(shards: int, replicas: int) -> Mapping:
    """Settings of every index; a write is on disk before it is acknowledged."""
    return {
        "index": {
            "number_of_shards": shards,
            "number_of_replicas": replicas,
            "refresh_interval": "1s",
            "codec": "best_compression",
            "translog": {"durability": "request"},
            "mapping": {"nested_objects": {"limit": 10_000}},
        }
    }
