from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from schemas.enriched import EnrichedPost
from schemas.errors import RejectedError
from schemas.incident import Incident
from sinks.documents import Names

MakePost = Callable[..., EnrichedPost]


@pytest.mark.parametrize(
    ("published_at", "index"),
    [
        ("2024-03-31T23:59:59Z", "t-posts-2024.03"),
        ("2024-04-01T07:59:59+08:00", "t-posts-2024.03"),  # the month is UTC's
        ("2009-01-01T00:00:00Z", "t-posts-2009.01"),
        ("2008-12-31T23:59:59.999999Z", "t-posts-undated"),
        ("2035-12-31T23:59:59.999999Z", "t-posts-2035.12"),
        ("2036-01-01T00:00:00Z", "t-posts-undated"),
        ("0001-01-01T00:00:00Z", "t-posts-undated"),
        ("9999-12-31T00:00:00Z", "t-posts-undated"),
    ],
)
def test_the_month_of_publication_names_the_index(published_at: str, index: str) -> None:
    assert Names("t-").posts_of(datetime.fromisoformat(published_at).astimezone(UTC)) == index


def test_a_second_sighting_goes_to_the_same_index_with_a_higher_version(
    make_post: MakePost,
) -> None:
    # Given a post dated long before it was seen, so that its event time is clamped
    published = datetime(2023, 1, 31, tzinfo=UTC)
    seen = datetime(2024, 3, 5, tzinfo=UTC)
    first = make_post(1, published_at=published, observed_at=seen)
    second = make_post(1, published_at=published, observed_at=seen + timedelta(days=40))
    assert first.event_at.month != second.event_at.month

    names = Names("")
    one, two = (names.document_of(post.to_line()) for post in (first, second))

    assert one.index == two.index == "posts-2023.01"
    assert one.id == two.id == "weibo:1"
    assert one.version == first.revision < two.version
    assert one.body == first.to_line()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"", "json"),
        (b"not json", "json"),
        (b"[]", "schema"),
        (b"\xff\xfe", "json"),
        (b'{"id":"weibo:1","revision":1}', "schema"),
        (b'{"id":"weibo:1","revision":-1,"published_at":"2024-03-05T04:00:00Z"}', "schema"),
        (b'{"id":"weibo:1","revision":1,"published_at":"2024-03-05T04:00:00"}', "schema"),
        (b'{"id":"no platform","revision":1,"published_at":"2024-03-05T04:00:00Z"}', "schema"),
        (b'{"id":"weibo:1",\n"revision":1,"published_at":"2024-03-05T04:00:00Z"}', "json"),
        (
            b'{"id":"weibo:1","revision":9223372036854775808,'
            b'"published_at":"2024-03-05T04:00:00Z"}',
            "schema",
        ),
    ],
)
def test_what_is_no_post_is_rejected(line: bytes, kind: str) -> None:
    with pytest.raises(RejectedError) as caught:
        Names("").document_of(line)
    assert caught.value.kind == kind


def test_an_incident_is_one_document_that_grows_older(
    make_incident: Callable[..., Incident],
) -> None:
    line = make_incident(revision=4).to_line()

    document = Names("t-").incident_document(line)

    assert (document.index, document.version, document.body) == ("t-incidents", 4, line)
    with pytest.raises(RejectedError):
        Names("").incident_document(orjson.dumps({"id": "", "revision": 1}))
