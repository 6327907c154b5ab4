"""The beginnings of a wave do not depend on the order in which its posts are read."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as some

from processors.trail import Trail
from schemas.signals import Mention

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Post = tuple[int, int, str | None]


def mention(number: int, post: Post) -> Mention:
    author, minute, kind = post
    return Mention(
        brand="lantu",
        role="own",
        post_id=f"weibo:{number}",
        root_id=f"weibo:{number}",
        platform="weibo",
        kind="post",
        author_id=f"user{author}",
        author_kind=kind,
        event_at=NOON + timedelta(minutes=minute),
    )


def trail_of(mentions: list[Mention]) -> Trail:
    trail = Trail()
    for one in mentions:
        trail.speak(one)
        trail.take_up(one)
    return trail


posts = some.lists(
    some.tuples(
        some.integers(0, 3), some.integers(0, 5), some.sampled_from([None, "person", "media"])
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(posts, some.randoms(use_true_random=False), some.integers(0, 12))
def test_it_is_the_earliest_whatever_the_order_and_the_parts(
    written: list[Post], random: object, cut: int
) -> None:
    mentions = [mention(number, post) for number, post in enumerate(written)]
    ranked = sorted(mentions, key=lambda one: (one.event_at, one.post_id))
    shuffled = list(mentions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    whole = trail_of(shuffled)
    parts = trail_of(shuffled[:cut])
    parts.merge(trail_of(shuffled[cut:]))

    first = ranked[0] if ranked else None
    second = next((one for one in ranked if first and one.author_id != first.author_id), None)
    media = next((one for one in ranked if one.author_kind == "media"), None)
    for trail in (whole, parts):
        found = [one and one.post_id for one in (trail.first, trail.second, trail.media)]
        assert found == [one and one.post_id for one in (first, second, media)]
