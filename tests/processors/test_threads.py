"""What is remembered of threads: the same, whatever came first; and never too much."""

import json
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from processors.chain import build_chain
from processors.threads import Threads, awaits_root, run_threads
from schemas.enriched import BrandTag, EnrichedPost
from schemas.post import Post
from schemas.thread import MAX_REPLIES, Root, Thread
from tests.two_brands import two_brands

RULES = two_brands()


def post(native: str, text: str = "我的也是", second: int = 0, **changes: Any) -> Post:
    fields: dict[str, Any] = {
        "id": f"weibo:{native}",
        "platform": "weibo",
        "kind": "comment" if changes.get("root_id") else "post",
        "text": text,
        "author": {"id": "u1"},
        "published_at": "2026-03-05T04:00:00Z",
        "observed_at": f"2026-03-05T04:00:{second:02}Z",
        "source": "weibo-main",
    }
    return Post.from_line(json.dumps(fields | changes, ensure_ascii=False).encode())


def reply(native: str = "r", text: str = "我的也是", **changes: Any) -> Post:
    return post(native, text, root_id="weibo:root", **changes)


def judged(posts: Sequence[Post]) -> list[EnrichedPost]:
    results, _ = run_threads(build_chain(("brands",), {}, RULES), posts, [Threads()] * len(posts))
    return [result for result in results if isinstance(result, EnrichedPost)]


def root(second: int, *brands: str, **changes: Any) -> tuple[Post, tuple[BrandTag, ...]]:
    tags = tuple(BrandTag(brand=brand, role="own") for brand in brands)
    return post("root", "主帖", second, **changes), tags


def kept(threads: Threads) -> dict[str, Thread | None]:
    return dict(threads.changes())


# --- what a reply inherits --------------------------------------------------------------------


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_a_reply_inherits_what_its_root_names(order: tuple[int, ...]) -> None:
    posts = [post("root", "岚图刹车异响"), reply(), post("other", "极氪")]

    found = {one.id: one.brands for one in judged([posts[place] for place in order])}

    [tag] = found["weibo:r"]
    assert (tag.brand, tag.role, tag.inherited, tag.reason) == ("lantu", "own", True, "root")
    assert (tag.aliases, tag.spans) == ((), ())


def test_what_a_reply_names_itself_is_its_own() -> None:
    [_, found] = judged([post("root", "岚图刹车异响"), reply(text="岚图不如极氪")])

    assert [(tag.brand, tag.inherited) for tag in found.brands] == [
        ("lantu", False),
        ("zeekr", False),
    ]
    assert [tag.aliases for tag in found.brands] == [("岚图",), ("极氪",)]


def test_who_quotes_the_root_inherits_what_is_quoted() -> None:
    [_, found] = judged([post("root", "岚图和极氪"), reply(root_text="岚图")])

    assert [tag.brand for tag in found.brands] == ["lantu"]
    assert found.brands[0].spans


def test_a_brand_that_is_no_longer_in_the_registry_is_not_inherited() -> None:
    chain = build_chain(("brands",), {}, RULES)
    gone = Root((BrandTag(brand="gone", role="own", inherited=True),), news=1)

    [found] = chain.run([reply()], {"weibo:root": gone})

    assert isinstance(found, EnrichedPost)
    assert found.brands == ()


@pytest.mark.parametrize(
    ("one", "awaits"),
    [
        (post("root"), False),
        (post("root", root_id="weibo:root"), False),
        (reply(), True),
        (reply(root_text="岚图"), False),
    ],
)
def test_only_a_reply_without_a_quote_awaits_its_root(one: Post, awaits: bool) -> None:
    assert awaits_root(one) is awaits


def test_a_page_of_a_recording_knows_the_roots_of_the_pages_before() -> None:
    chain, threads = build_chain(("brands",), {}, RULES), Threads()
    run_threads(chain, [post("root", "岚图刹车异响")], [threads])

    [found], _ = run_threads(chain, [reply()], [threads])

    assert isinstance(found, EnrichedPost)
    assert [tag.brand for tag in found.brands] == ["lantu"]


# --- what is remembered -----------------------------------------------------------------------


@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_what_is_known_does_not_depend_on_what_was_heard_first(order: tuple[int, ...]) -> None:
    threads = Threads()
    told: list[Any] = []
    happenings = [
        lambda: threads.hear_root(*root(1, "lantu")),
        lambda: threads.hear_root(*root(2, "lantu", "zeekr")),
        lambda: threads.hear_reply("weibo:root", (7, 1)),
        lambda: threads.hear_root(*root(3, deleted=True)),
    ]

    for place in order:
        told.append(happenings[place]())

    [(root_id, thread)] = kept(threads).items()
    assert root_id == "weibo:root"
    assert thread is not None
    assert [tag.brand for tag in thread.brands] == ["lantu", "zeekr"]
    assert thread.replies == ((7, 1),)
    # Whoever was heard before the last news is told of it, and nobody twice of the same.
    newest, heard = order.index(1), order.index(2)
    assert (((7, 1),) == told[newest]) is (heard < newest)


def test_nothing_new_is_nothing_to_judge_or_keep() -> None:
    threads = Threads()
    threads.hear_reply("weibo:root", (7, 1))
    assert threads.hear_root(*root(1, "lantu")) == ((7, 1),)
    kept(threads)

    assert threads.hear_root(*root(1, "lantu")) == ()
    threads.hear_reply("weibo:root", (7, 1))

    assert kept(threads) == {}


def test_a_root_of_no_brand_is_not_remembered() -> None:
    threads = Threads()

    assert threads.hear_root(*root(1)) == ()

    assert (len(threads), kept(threads)) == (0, {})


def test_an_edit_that_takes_the_brand_out_is_told_to_the_replies() -> None:
    threads = Threads()
    threads.hear_root(*root(1, "lantu"))
    threads.hear_reply("weibo:root", (7, 1))

    assert threads.hear_root(*root(2)) == ((7, 1),)

    assert threads.root("weibo:root") == Root((), news=2)


def test_what_was_kept_is_known_again() -> None:
    threads = Threads()
    threads.hear_root(*root(1, "lantu"))
    threads.hear_reply("weibo:root", (7, 1))
    threads.hear_reply("weibo:other", (8, 2))
    lines = {key: thread and thread.to_line() for key, thread in kept(threads).items()}

    again = Threads()
    for key, line in lines.items():
        again.restore(key, Thread.from_line(line) if line else None)

    assert again.root("weibo:root") == threads.root("weibo:root")
    assert again.hear_root(*root(2, "zeekr")) == ((7, 1),)
    assert kept(again).keys() == {"weibo:root"}  # what was only restored is kept already


def test_of_many_replies_the_newest_are_remembered() -> None:
    threads = Threads()
    for offset in range(MAX_REPLIES + 3):
        threads.hear_reply("weibo:root", (offset, 1))

    places = threads.hear_root(*root(1, "lantu"))

    assert len(places) == MAX_REPLIES
    assert (places[0], places[-1]) == ((3, 1), (MAX_REPLIES + 2, 1))


def test_the_threads_that_were_touched_longest_ago_are_forgotten() -> None:
    # Given three threads of two each, and room for eight
    threads = Threads(most=8)
    for native in "abc":
        threads.hear_reply(f"weibo:{native}", (1, 1))
    kept(threads)
    threads.hear_reply("weibo:a", (2, 1))  # touched once more

    threads.hear_reply("weibo:d", (3, 1))

    changed = kept(threads)
    assert changed["weibo:b"] is None  # it is forgotten where it is kept, too
    assert changed["weibo:a"] is not None
    assert changed["weibo:d"] is not None
    assert len(threads) == 3

    # And a memory that is restored from more than it holds forgets in the same order
    smaller = Threads(most=2)
    for native in "abc":
        smaller.restore(f"weibo:{native}", Thread(replies=((1, 1),)))
    assert kept(smaller) == {"weibo:a": None, "weibo:b": None}
