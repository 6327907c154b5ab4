import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import RejectedError
from schemas.post import MAX_HASHTAGS, MAX_TEXT, Post, PostDraft, clamp_event_time

SEEN = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def fields(**changes: Any) -> dict[str, Any]:
    return {
        "id": "weibo:4711",
        "platform": "weibo",
        "kind": "post",
        "text": "新车刹车异响，售后不理人",
        "author": {"id": "u1", "name": "小林"},
        "published_at": SEEN.isoformat(),
        "observed_at": SEEN.isoformat(),
        "source": "weibo-main",
    } | changes


def parse(**changes: Any) -> Post:
    return Post.from_line(json.dumps(fields(**changes)).encode())


# --- event time -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "event", "clamped"),
    [
        (SEEN, SEEN, False),
        (SEEN + timedelta(minutes=5), SEEN + timedelta(minutes=5), False),
        (SEEN + timedelta(minutes=5) + MICROSECOND, SEEN + timedelta(minutes=5), True),
        (SEEN - timedelta(days=30), SEEN - timedelta(days=30), False),
        (SEEN - timedelta(days=30) - MICROSECOND, SEEN - timedelta(days=30), True),
        (EPOCH, SEEN - timedelta(days=30), True),
        (datetime(2099, 1, 1, tzinfo=UTC), SEEN + timedelta(minutes=5), True),
        (datetime(1, 1, 1, tzinfo=UTC), SEEN - timedelta(days=30), True),
        (datetime.max.replace(tzinfo=UTC), SEEN + timedelta(minutes=5), True),
    ],
)
def test_the_event_time_is_the_sources_claim_within_reason(
    published: datetime, event: datetime, clamped: bool
) -> None:
    post = parse(published_at=published.isoformat())

    assert (post.event_at, post.event_clamped) == (event, clamped)
    assert post.published_at == published, "the claim itself is never corrected"


def test_what_a_producer_writes_into_derived_fields_is_overwritten() -> None:
    honest = parse()
    lying = parse(event_at="2001-01-01T00:00:00Z", event_clamped=True, revision=2**53)

    assert lying == honest
    assert lying.to_line() == honest.to_line()


def test_the_revision_is_the_milliseconds_of_the_sighting() -> None:
    post = parse(observed_at="2026-03-05T04:00:00.123999Z")

    assert post.revision == 1_772_683_200_123


@given(st.integers(0, 4 * 10**12), st.integers(0, 999))
@example(1_093_340_445_682, 0)
@example(2_178_263_605_819, 0)
def test_the_revision_is_exact_at_every_microsecond(milliseconds: int, rest: int) -> None:
    seen = EPOCH + timedelta(milliseconds=milliseconds, microseconds=rest)

    assert parse(observed_at=seen.isoformat()).revision == milliseconds


def test_what_was_seen_before_1970_has_the_lowest_revision() -> None:
    assert parse(observed_at="1969-07-20T20:17:00Z").revision == 0


@pytest.mark.parametrize("seen", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("published", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_ends_of_time_give_a_post_or_a_rejection_and_nothing_else(
    seen: str, published: str
) -> None:
    try:
        post = parse(observed_at=seen, published_at=published)
    except RejectedError:
        return

    assert Post.from_line(post.to_line()) == post


any_time = st.datetimes(timezones=st.just(UTC))


@given(any_time, any_time)
def test_clamping_is_total_and_changes_nothing_twice(published: datetime, seen: datetime) -> None:
    event = clamp_event_time(published, seen)

    assert clamp_event_time(event, seen) == event
    if seen - datetime.min.replace(tzinfo=UTC) >= timedelta(days=30):
        assert event >= seen - timedelta(days=30)
    if datetime.max.replace(tzinfo=UTC) - seen >= timedelta(minutes=5):
        assert event <= seen + timedelta(minutes=5)


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"id": "zhihu:4711"}, "platform"),
        ({"id": "weibo:"}, "id"),
        ({"id": "weibo:a b"}, "id"),
        ({"id": "weibo:a\u0000"}, "id"),
        ({"id": "weibo:" + "7" * 123}, "id"),
        ({"id": "4711"}, "id"),
        ({"platform": "Weibo"}, "platform"),
        ({"kind": "tweet"}, "kind"),
        ({"text": "字" * (MAX_TEXT + 1)}, "text"),
        ({"text": "一\u0000二"}, "text"),
        ({"text": "#车" * (MAX_HASHTAGS + 1)}, "#"),
        ({"title": "题" * 1001}, "title"),
        ({"root_text": "字" * (MAX_TEXT + 1)}, "root_text"),
        ({"author": {}}, "author.id"),
        ({"author": {"id": ""}}, "author.id"),
        ({"author": {"id": "x", "age": 7}}, "age"),
        ({"author": {"id": "x", "followers": -1}}, "followers"),
        ({"engagement": {"likes": 2**53 + 1}}, "likes"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "https://a b"}, "url"),
        ({"source": ""}, "source"),
        ({"published_at": "2026-03-05T04:00:00"}, "published_at"),
        ({"observed_at": "2026-03-05 04:00"}, "observed_at"),
        ({"observed_at": None}, "observed_at"),
        ({"publised_at": "2026-03-05T04:00:00Z"}, "publised_at"),
    ],
)
def test_what_breaks_the_vocabulary_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(RejectedError) as caught:
        parse(**changes)

    assert named in str(caught.value)
    assert caught.value.kind == "schema"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "weibo:" + "7" * 122},
        {"id": "weibo:微博/4711?a=b#c"},
        {"text": ""},
        {"text": "字" * MAX_TEXT},
        {"text": "𠮷" * MAX_TEXT},
        {"text": "#" * MAX_HASHTAGS},
        {"engagement": {"likes": 2**53, "rank": 1, "heat": 0.5}},
        {"author": {"id": "匿名"}},
        {"deleted": True},
    ],
)
def test_limits_are_inclusive(changes: dict[str, Any]) -> None:
    post = parse(**changes)

    assert Post.from_line(post.to_line()) == post


def test_a_thread_is_named_by_its_root() -> None:
    assert parse().thread == "weibo:4711"
    assert parse(root_id="weibo:1", parent_id="weibo:2").thread == "weibo:1"


# --- bytes ------------------------------------------------------------------------------------


def test_the_bytes_do_not_depend_on_how_the_line_was_written() -> None:
    plain = json.dumps(fields()).encode()
    turned = json.dumps(dict(reversed(fields().items())), indent=1, ensure_ascii=False).encode()

    assert Post.from_line(plain).to_line() == Post.from_line(turned).to_line()


def test_a_line_is_this_and_stays_this() -> None:
    # Golden: a change here is a change of the format that other systems read.
    assert (
        parse().to_line()
        == (
            '{"id":"weibo:4711","platform":"weibo","kind":"post",'
            '"text":"新车刹车异响，售后不理人","author":{"id":"u1","name":"小林"},'
            '"published_at":"2026-03-05T04:00:00Z","source":"weibo-main","deleted":false,'
            '"observed_at":"2026-03-05T04:00:00Z","event_at":"2026-03-05T04:00:00Z",'
            '"event_clamped":false,"revision":1772683200000}'
        ).encode()
    )


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0#"), max_size=200)
counts = st.none() | st.integers(0, 2**53)


@given(
    text=texts,
    title=st.none() | texts,
    published=any_time,
    seen=any_time,
    likes=counts,
    heat=st.none() | st.floats(0, allow_nan=False, allow_infinity=False),
    followers=counts,
)
def test_reading_what_was_written_is_a_fixpoint(
    text: str,
    title: str | None,
    published: datetime,
    seen: datetime,
    likes: int | None,
    heat: float | None,
    followers: int | None,
) -> None:
    written = parse(
        text=text,
        title=title,
        published_at=published.isoformat(),
        observed_at=seen.isoformat(),
        engagement={"likes": likes, "heat": heat},
        author={"id": "u", "followers": followers},
    ).to_line()

    assert Post.from_line(written).to_line() == written


def test_a_draft_becomes_the_post_that_its_line_becomes() -> None:
    draft = PostDraft.from_line(
        json.dumps({k: v for k, v in fields().items() if k != "observed_at"}).encode()
    )

    assert Post(**dict(draft), observed_at=SEEN) == parse()
