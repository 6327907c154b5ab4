from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processors.buckets import MAX_OPENERS, MAX_POSTS, MAX_WORDS, Bucket, Counted, Tally
from processors.signature import Signature
from schemas.enriched import EnrichedPost
from schemas.post import Author
from schemas.rules import RuleSet
from schemas.signals import Mention

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROOM = 24_000


def post(number: int, **changes: Any) -> Mention:
    fields: dict[str, Any] = {
        "brand": "lantu",
        "role": "own",
        "post_id": f"weibo:{number}",
        "root_id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "author_id": f"user{number}",
        "event_at": NOON + timedelta(seconds=number),
        "mood": "neutral",
        "signature": f"text{number}",
        "excerpt": "刹车有点软",
    }
    return Mention(**{**fields, **changes})


def filled(*mentions: Mention, room: int = ROOM) -> tuple[Bucket, list[Counted]]:
    bucket = Bucket(newest=NOON)
    return bucket, [bucket.add(mention, room) for mention in mentions]


@pytest.mark.parametrize(
    ("second", "counted"),
    [
        (post(2), "voice"),
        (post(1), "repeat"),
        (post(1, mood="negative", signature="changed"), "repeat"),
        (post(2, author_id="user1"), "copy"),
        (post(2, signature="text1"), "copy"),
        (post(2, signature="text1", author_id="user1"), "copy"),
        (post(2, signature=None), "voice"),
        (post(2, kind="repost", signature=None, mood=None), "echo"),
        (post(2, kind="repost"), "voice"),
        (post(2, kind="repost", signature=None, mood="negative"), "voice"),
        (post(2, kind="comment", signature=None, mood=None), "voice"),
        # The same account number on another platform is somebody else.
        (post(2, post_id="zhihu:2", platform="zhihu", author_id="user1"), "voice"),
    ],
)
def test_what_a_second_mention_counts_as(second: Mention, counted: str) -> None:
    _, kinds = filled(post(1), second)

    assert kinds == ["voice", counted]


def test_an_echo_does_not_silence_its_author() -> None:
    echo = post(1, author_id="same", kind="repost", signature=None, mood=None)

    bucket, kinds = filled(echo, post(2, author_id="same"))

    assert kinds == ["echo", "voice"]
    assert bucket.tally.numbers().copies == 1


def test_one_copied_text_is_one_voice_however_many_accounts() -> None:
    bucket, _ = filled(*(post(n, signature="同一段话", mood="negative") for n in range(300)))

    numbers = bucket.tally.numbers()
    assert (numbers.mentions, numbers.voices, numbers.negative, numbers.copies) == (300, 1, 1, 299)
    assert bucket.tally.repeat_share == pytest.approx(299 / 300)


ORIGINAL = "提车第三天在苏州的高架上，刹车踩下去忽然软了，多亏离前车还远，请大家留意"


@pytest.mark.parametrize(
    ("text", "changes", "counted"),
    [
        (f"转：{ORIGINAL}", {}, "copy"),
        (ORIGINAL.replace("苏州", "青岛"), {}, "copy"),
        (ORIGINAL[:24] + "…… https://t.cn/A6xY", {"mood": "negative"}, "copy"),
        # Passed on without a word, or with one that says nothing
        (f"//@路人:{ORIGINAL}", {"kind": "repost", "mood": "neutral"}, "copy"),
        (f"转//@路人:{ORIGINAL}", {}, "copy"),
        # With words or a mood of one's own
        (f"气死//@路人:{ORIGINAL}", {"mood": "negative"}, "voice"),
        (f"我家那台也这样，修了两回//@路人:{ORIGINAL}", {}, "voice"),
        ("刹车软了好几次，上了苏州的高架心里就慌，厂家倒是快点查清楚啊", {}, "voice"),
    ],
)
def test_near_copies_are_told_by_their_sketch(
    text: str, changes: dict[str, Any], counted: str
) -> None:
    bucket, kinds = filled(post(1, **marks(ORIGINAL)), post(2, **marks(text), **changes))

    assert kinds == ["voice", counted]
    assert bucket.tally.copied_texts == (counted == "copy")


def marks(text: str) -> dict[str, Any]:
    rules = RuleSet(id="acme", version=1, author="王", reason="测试", changed_at=NOON)
    given = EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="u1"),
        published_at=NOON,
        observed_at=NOON,
        source="weibo-search",
    )
    (judged,) = Signature(Signature.Config(), rules).enrich([given])
    assert judged is not None
    return {"signature": judged.signature, "sketch": judged.sketch}


def test_copies_and_voices_add_up_to_the_mentions() -> None:
    copies = [post(n, **marks(f"{'转发' * (n % 3)}：{ORIGINAL}")) for n in range(30)]

    bucket, _ = filled(*copies, *(post(n) for n in range(50, 90)))

    numbers = bucket.tally.numbers()
    assert (numbers.mentions, numbers.voices, numbers.copies) == (70, 41, 29)
    assert numbers.copied_texts == 1


def test_repeat_share_leaves_echoes_out() -> None:
    echoes = [post(n, kind="repost", signature=None, mood=None) for n in range(10, 40)]

    bucket, _ = filled(post(1), post(2), post(3, signature="text1"), *echoes)

    assert bucket.tally.copies == 31
    assert bucket.tally.repeat_share == pytest.approx(1 / 3)


def test_numbers_can_be_recounted_from_the_posts() -> None:
    moods = ["negative", "neutral", "positive", None]
    mentions = [
        post(n, mood=moods[n % 4], platform="weibo" if n % 3 else "zhihu", matches=("刹车", "刹车"))
        for n in range(40)
    ]

    bucket, _ = filled(*mentions)

    tally = bucket.tally
    assert (tally.voices, tally.negative, tally.positive) == (40, 10, 10)
    assert tally.numbers().platforms == {"weibo": 26, "zhihu": 14}
    assert (tally.words, tally.negative_words) == ({"刹车": 40}, {"刹车": 10})
    assert bucket.named("negative") == [m.post_id for m in mentions if m.mood == "negative"]
    assert bucket.named("voices") == bucket.named("mentions") == [m.post_id for m in mentions]
    assert bucket.newest == mentions[-1].event_at


def test_named_posts_and_words_are_bounded() -> None:
    bucket, _ = filled(*(post(n, mood="negative", matches=(f"词{n}",)) for n in range(300)))

    assert len(bucket.posts) == len(bucket.voice_posts) == len(bucket.negative_posts) == MAX_POSTS
    assert len(bucket.tally.words) == len(bucket.tally.negative_words) == MAX_WORDS
    assert len(bucket.openers) == MAX_OPENERS


def test_opener_of_a_word_is_its_earliest_negative_voice() -> None:
    bucket, _ = filled(
        post(5, matches=("异响",), mood="negative"),
        post(3, matches=("异响", "刹车"), mood="negative"),
        post(1, matches=("异响",)),
    )

    assert bucket.openers["异响"].post_id == bucket.openers["刹车"].post_id == "weibo:3"


def test_beyond_the_cap_mentions_are_counted_but_not_as_voices_or_copies() -> None:
    # Given room for the hashes of 100 mentions
    mentions = [post(n) for n in range(150)]

    bucket, kinds = filled(*mentions, post(0), room=300)

    # Then the rest is counted honestly, and what is known is still recognised
    assert kinds == ["voice"] * 100 + ["unchecked"] * 50 + ["repeat"]
    numbers = bucket.tally.numbers()
    assert (numbers.mentions, numbers.voices, numbers.copies) == (150, 100, 0)
    assert len(bucket.ids) == 300


def test_tallies_add_up() -> None:
    first, _ = filled(post(1, mood="negative", matches=("刹车",)), post(2, author_id="user1"))
    second, _ = filled(post(3, platform="zhihu", post_id="zhihu:3", matches=("刹车", "电池")))

    total = Tally()
    total.add(first.tally)
    total.add(second.tally)

    assert (total.mentions, total.voices, total.negative, total.copies) == (3, 2, 1, 1)
    assert total.words == {"刹车": 2, "电池": 1}
    assert total.platforms == {"weibo": 2, "zhihu": 1}
