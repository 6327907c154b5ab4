import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.copies import WAYS, enriched, made_up, read, shares_of, sketches
from processors.brand_state import BrandState
from processors.buckets import Bucket
from processors.copies import MAX_EXCERPT, MAX_SHOWN, MAX_TEXTS, Texts, carries
from processors.mentions import mentions
from schemas.signals import Mention

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "sentiment"
OURS = made_up(random.Random(11), 400)


def said(number: int, text: str, **changes: Any) -> Mention:
    (mention,) = (told for post in enriched([text]) for told in mentions(post))
    return mention.replaced(post_id=f"weibo:{number}", author_id=f"user{number}", **changes)


@pytest.mark.parametrize("way", WAYS)
def test_planted_copies_are_told(way: str) -> None:
    chance = random.Random(1)
    planted = sketches([WAYS[way](text, chance) for text in OURS])

    found = sum(carries(copy, text) for copy, text in zip(planted, sketches(OURS), strict=True))

    assert found >= 0.95 * len(OURS)


def test_posts_on_one_subject_are_no_copies() -> None:
    known = sketches(OURS)

    pairs = [(one, other) for share, one, other in shares_of(OURS) if share < 0.25]

    assert len(pairs) > 100
    assert not [pair for pair in pairs if carries(known[pair[0]], known[pair[1]])]


@pytest.mark.parametrize("name", ["bdci_car", "shopping"])
def test_real_texts_are_told_as_well(name: str) -> None:
    path = REAL / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the shared data ({path.name}) is not beside this checkout")
    texts = read(path)[:400]
    known, chance = sketches(texts), random.Random(1)

    for way in WAYS.values():
        planted = sketches([way(text, chance) for text in texts])
        found = sum(carries(copy, text) for copy, text in zip(planted, known, strict=True))
        assert found >= 0.95 * len(texts)
    false = [pair for pair in shares_of(texts) if carries(known[pair[1]], known[pair[2]])]
    assert not false


TEMPLATE = "{}去看了星河新车，{}接待很耐心，座椅舒服动力也足，当天就订了，想买的朋友可以去{}问问"


def test_a_template_with_other_names_is_one_text() -> None:
    texts = Texts()
    names = [("上周", "小林", "城东店"), ("昨天", "陈经理", "江北旗舰店"), ("国庆", "阿珍", "店里")]

    counts = [texts.take(said(n, TEMPLATE.format(*each))) for n, each in enumerate(names)]

    assert counts == [1, 2, 3]
    (copied,) = texts.largest()
    assert (copied.post_id, copied.posts) == ("weibo:0", 3)
    assert copied.excerpt == TEMPLATE.format(*names[1])[:MAX_EXCERPT]


def test_a_text_without_sketch_is_told_by_its_signature() -> None:
    texts = Texts()

    assert [texts.take(said(n, "退钱退钱退钱")) for n in range(3)] == [1, 2, 3]
    assert texts.take(said(3, "不退不退不退")) == 1
    assert texts.take(said(4, "", signature=None)) == 1
    assert len(texts) == 2


def test_the_largest_come_first_and_are_few() -> None:
    texts = Texts()
    for number in range(10):
        for copy in range(number):
            texts.take(said(100 * number + copy, f"{number}口号", signature=f"s{number}"))

    assert [copied.posts for copied in texts.largest()] == [9, 8, 7, 6, 5]
    assert len(texts.largest()) == MAX_SHOWN


def test_what_was_copied_outlives_what_was_not() -> None:
    # Given one text with a copy and so many others that there is no room
    texts = Texts()
    for number in range(2):
        texts.take(said(number, OURS[0]))
    for number in range(MAX_TEXTS):
        texts.take(said(number + 2, "", signature=f"s{number}", sketch=None))

    # Then the oldest others are forgotten
    assert len(texts) == MAX_TEXTS // 2 + 1
    assert texts.take(said(9_000, OURS[0] + "！转", signature="other")) == 3
    assert texts.take(said(9_001, "", signature=f"s{MAX_TEXTS - 2}", sketch=None)) == 2
    assert texts.take(said(9_002, "", signature="s5", sketch=None)) == 1


def test_a_stored_state_goes_on_as_if_it_had_not_been_stored() -> None:
    # Given half of a stream, and a state that was written in between
    chance = random.Random(4)
    stream = [
        said(number, WAYS["8 % edited"](chance.choice(OURS[:20]), chance), signature=f"s{number}")
        for number in range(60)
    ]
    kept = BrandState(brand="xinghe", role="own", bucket_minutes=15)
    kept.buckets[1] = Bucket(newest=NOON)
    for mention in stream[:30]:
        kept.buckets[1].add(mention, 24_000)
    loaded = BrandState.from_line(kept.to_line())

    # When both hear the rest
    for mention in stream[30:]:
        assert loaded.buckets[1].add(mention, 24_000) == kept.buckets[1].add(mention, 24_000)

    # Then they are the same, and something was copied
    assert loaded == kept
    assert loaded.to_line() == kept.to_line()
    assert kept.buckets[1].texts.largest()[0].posts > 1


def test_a_state_from_before_near_copies_loads() -> None:
    state = BrandState(brand="xinghe", role="own", bucket_minutes=15)
    state.buckets[1] = Bucket(newest=NOON)
    state.buckets[1].add(said(1, OURS[0]), 24_000)
    fields = json.loads(state.to_line())
    del fields["buckets"]["1"]["texts"], fields["buckets"]["1"]["tally"]["copied_texts"]

    loaded = BrandState.from_line(json.dumps(fields).encode())

    assert len(loaded.buckets[1].texts) == 0
    assert loaded.buckets[1].ids == state.buckets[1].ids
