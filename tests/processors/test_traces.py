from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from processors.canonical import hash64
from processors.traces import (
    CALM_THREADS,
    MAX_THREADS,
    THREAD_AGE,
    Sample,
    Thread,
    forget_threads,
    trace,
)
from schemas.enriched import Mood
from schemas.signals import Mention

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def post(
    number: int | str,
    *,
    minute: float = 0.0,
    root: int | str | None = None,
    mood: Mood = "neutral",
    followers: int | None = None,
) -> Mention:
    return Mention(
        brand="lantu",
        role="own",
        post_id=f"weibo:{number}",
        root_id=f"weibo:{root if root is not None else number}",
        platform="weibo",
        kind="post" if root is None else "comment",
        author_id=f"user{number}",
        followers=followers,
        event_at=NOON + timedelta(minutes=minute),
        mood=mood,
        excerpt="续航还不错",
    )


def sample_of(posts: list[Mention]) -> Sample:
    sample = Sample()
    for mention in posts:
        sample.offer(mention, hash64("post", mention.post_id))
    return sample


def test_sample_holds_first_loudest_and_typical() -> None:
    posts = [post(n, minute=n, followers=1000 + n) for n in range(100)]

    sample = sample_of(posts)

    assert sample.first is not None
    assert sample.first.post_id == "weibo:0"
    assert [kept.post_id for kept in sample.loudest] == ["weibo:99", "weibo:98"]
    smallest = sorted(hash64("post", mention.post_id) for mention in posts)[:2]
    assert [kept for kept, _ in sample.typical] == smallest
    assert 3 <= len(sample.quotes()) <= 5


@pytest.mark.parametrize("seed", range(5))
def test_sample_of_the_parts_merges_to_the_sample_of_the_whole_in_any_order(seed: int) -> None:
    # Given posts with different times and followers, shuffled and cut into three
    posts = [post(n, minute=n, followers=n * 7 % 101) for n in range(60)]
    whole = sample_of(posts)
    Random(seed).shuffle(posts)

    merged = Sample()
    for part in (posts[:7], posts[7:40], posts[40:]):
        merged.merge(sample_of(part))

    assert merged == whole


def test_one_post_is_one_quote() -> None:
    assert len(sample_of([post(1)]).quotes()) == 1
    assert Sample().quotes() == ()


def test_thread_begins_with_its_root_even_when_a_comment_came_first() -> None:
    threads: dict[str, Thread] = {}
    trace(threads, post(2, minute=5, root=1, mood="negative"), 10, voice=True)
    trace(threads, post(3, minute=4, root=1), 10, voice=False)
    assert threads["weibo:1"].first.post_id == "weibo:3"

    # The platform's clock says that the root is younger than its comments: still the root.
    trace(threads, post(1, minute=9), 10, voice=True)
    trace(threads, post(4, minute=0, root=1), 11, voice=True)

    thread = threads["weibo:1"]
    assert thread.first.post_id == "weibo:1"
    assert thread.windows == {10: (3, 2, 1), 11: (1, 1, 0)}
    assert thread.complained


def test_longest_silent_thread_makes_room() -> None:
    threads: dict[str, Thread] = {}
    for n in range(MAX_THREADS + 3):
        trace(threads, post(n, minute=n), n, voice=True)

    assert len(threads) == MAX_THREADS
    assert sorted(threads, key=lambda root: int(root[6:]))[0] == "weibo:3"


def test_old_complaint_outlives_newer_calm_threads() -> None:
    threads: dict[str, Thread] = {}
    trace(threads, post("first", mood="negative"), 0, voice=True)
    for n in range(500):
        trace(threads, post(n, minute=1 + n), n, voice=True)

    assert "weibo:first" in threads
    assert len(threads) == MAX_THREADS


def test_complaints_leave_room_for_calm_threads() -> None:
    threads: dict[str, Thread] = {}
    for n in range(CALM_THREADS):
        trace(threads, post(f"calm{n}", minute=n), 0, voice=True)
    for n in range(500):
        trace(threads, post(n, minute=60 + n, mood="negative"), n, voice=True)

    assert sum(not thread.complained for thread in threads.values()) == CALM_THREADS


def test_silent_threads_are_forgotten_and_closed_windows_dropped() -> None:
    threads: dict[str, Thread] = {}
    trace(threads, post("old"), 7, voice=True)
    trace(threads, post("new", minute=60), 7, voice=True)
    trace(threads, post("new2", minute=60, root="new"), 8, voice=True)

    forget_threads(threads, 7, NOON + THREAD_AGE + timedelta(seconds=1))

    assert list(threads) == ["weibo:new"]
    assert threads["weibo:new"].windows == {8: (1, 1, 0)}
