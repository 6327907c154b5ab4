"""Which labels are meant, which correction holds, and the rows that training gets."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processors.corrections import (
    CORRECTION_WEIGHT,
    CORRECTIONS,
    FIELDS,
    LABELS,
    check_labels,
    correction_id,
    export_rows,
    field_of,
    newest_by_text,
    said_of,
    text_of,
    training_rows,
    withdrawn,
)
from schemas.correction import SINGLE, CorrectedField, Correction, Said
from schemas.enriched import Aspect, BrandTag, EnrichedPost, Label, Sentiment
from schemas.post import Author

AT = datetime(2026, 3, 5, 4, tzinfo=UTC)
KNOWN: dict[CorrectedField, Mapping[str, str]] = {
    **LABELS,
    "intents": {"complaint": "投诉", "churn": "流失"},
}


def post(**changes: Any) -> EnrichedPost:
    values = {
        "id": "weibo:1",
        "platform": "weibo",
        "kind": "post",
        "text": "开机三分钟，真行",
        "author": Author(id="1"),
        "published_at": AT,
        "observed_at": AT,
        "source": "test",
    }
    return EnrichedPost(**values | changes)


def correction(
    text: str = "开机三分钟，真行",
    *labels: str,
    field: CorrectedField = "sentiment",
    by: str = "王",
    minute: int = 0,
) -> Correction:
    return Correction(
        id=correction_id(field, by, text),
        field=field,
        text=text,
        labels=labels or ("negative",),
        by=by,
        at=AT + timedelta(minutes=minute),
    )


# --- what people write ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ("sentiment", "sentiment"),
        (" Intents ", "intents"),
        ("情感", "sentiment"),
        ("情绪", "emotion"),
        ("部门", "departments"),
    ],
)
def test_a_field_is_known_by_both_names(written: str, field: str) -> None:
    assert field_of(written) == field


def test_an_unknown_field_is_told_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"mood.*|“mood”.*sentiment, emotion"):
        field_of("mood")


@pytest.mark.parametrize(
    ("field", "written", "labels"),
    [
        ("sentiment", ["negative"], ("negative",)),
        ("sentiment", ["负面"], ("negative",)),
        ("sentiment", ["-1"], ("negative",)),
        ("sentiment", ["0"], ("neutral",)),
        ("sentiment", ["Positive "], ("positive",)),
        ("sentiment", ["1", "positive"], ("positive",)),
        ("emotion", ["anger"], ("anger",)),
        ("emotion", ["none"], ("none",)),  # of an emotion that is a label
        ("intents", ["complaint", "churn"], ("churn", "complaint")),
        ("intents", ["投诉、流失"], ("churn", "complaint")),
        ("intents", ["none"], ()),
        ("intents", ["无"], ()),
        ("aspects", ["price:negative, safety:正面"], ("price:negative", "safety:positive")),
        ("aspects", ["价格：负面"], ("price:negative",)),
        ("brands", ["lantu", "qilan:-1"], ("lantu", "qilan:negative")),
        ("departments", ["legal"], ("legal",)),
    ],
)
def test_labels_are_read(
    field: CorrectedField, written: list[str], labels: tuple[str, ...]
) -> None:
    assert check_labels(field, written, KNOWN) == labels


@pytest.mark.parametrize(
    ("field", "written", "told"),
    [
        ("sentiment", ["angry"], "negative, neutral, positive"),
        ("sentiment", ["none"], "negative, neutral, positive"),
        ("sentiment", ["2"], "negative, neutral, positive"),
        ("sentiment", ["negative", "positive"], "2"),
        ("sentiment", [""], "标签"),
        ("intents", ["compliant"], "complaint, churn"),
        ("intents", [" "], "none"),
        ("intents", ["complaint:negative"], "冒号"),
        ("aspects", ["price"], "price:negative"),
        ("aspects", ["price:bad"], "negative, neutral, positive"),
        ("aspects", ["a/b:negative"], "a/b"),
        ("departments", ["<b>"], "<b>"),
    ],
)
def test_a_label_that_is_none_is_told(field: CorrectedField, written: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        check_labels(field, written, KNOWN)


# --- identity ---------------------------------------------------------------------------------


def test_an_id_is_of_the_post_or_text_the_field_and_the_person() -> None:
    mine = correction_id("sentiment", "王", "水壶漏电")

    # Golden: another value would leave what is in the topic for ever beside what replaces it.
    assert mine == "0b3bd490c348878b49b29684"
    assert correction_id("sentiment", "王", "水壶 漏电！") == mine
    others = {
        correction_id("emotion", "王", "水壶漏电"),
        correction_id("sentiment", "李", "水壶漏电"),
        correction_id("sentiment", "王", "水壶很好"),
        correction_id("sentiment", "王", "水壶漏电", "weibo:1"),
    }
    assert len(others | {mine}) == 5
    assert correction_id("sentiment", "王", "改过的文字", "weibo:1") in others


# --- what was said ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "found", "said"),
    [
        (
            "sentiment",
            {
                "sentiment": Sentiment(label="positive", negative=0.1, neutral=0.2, positive=0.7),
                "models": {"sentiment": "m1"},
            },
            Said(labels=("positive",), model="m1"),
        ),
        ("sentiment", {}, None),
        (
            "intents",
            {"intents": (Label(label="churn", score=0.9),), "models": {"intent": "m2"}},
            Said(labels=("churn",), model="m2"),
        ),
        ("intents", {"models": {"intents": "m2"}}, Said(labels=(), model="m2")),
        (
            "emotion",
            {"emotions": (Label(label="anger", score=0.9),), "models": {"emotions": "m3"}},
            Said(labels=("anger",), model="m3"),
        ),
        (
            "aspects",
            {"aspects": (Aspect(aspect="price", mood="negative"),)},
            Said(labels=("price:negative",)),
        ),
        ("brands", {"brands": (BrandTag(brand="lantu", role="own"),)}, Said(labels=("lantu",))),
        ("departments", {"departments": ("pr", "legal")}, Said(labels=("legal", "pr"))),
    ],
)
def test_what_was_said_is_kept(field: CorrectedField, found: Any, said: Said | None) -> None:
    assert said_of(post(**found), field) == said


def test_the_text_is_title_and_text() -> None:
    assert text_of(post()) == "开机三分钟，真行"
    assert text_of(post(title="车机")) == "车机\n开机三分钟，真行"


# --- rows -------------------------------------------------------------------------------------


def test_the_newest_correction_of_a_text_holds_whoever_made_it() -> None:
    known = [
        correction("水壶漏电", "positive", by="李", minute=2),
        correction("水壶漏电！", "negative", by="王", minute=1),
        correction("别的", "neutral", minute=3),
        correction("别的", "complaint", field="intents", minute=4),
    ]

    assert training_rows(known, "sentiment") == [
        ("水壶漏电", 1, CORRECTIONS, CORRECTION_WEIGHT),
        ("别的", 0, CORRECTIONS, CORRECTION_WEIGHT),
    ]
    assert newest_by_text(known, "sentiment") == newest_by_text(known[::-1], "sentiment")


def test_a_withdrawn_correction_gives_way_to_the_one_before() -> None:
    wrong = correction("水壶漏电", "positive", by="李", minute=2)
    gone = withdrawn(wrong, "赵", AT + timedelta(minutes=5))

    assert (gone.id, gone.text, gone.labels, gone.by) == (wrong.id, "", (), "赵")
    assert training_rows([gone, correction("水壶漏电")], "sentiment") == [
        ("水壶漏电", -1, CORRECTIONS, CORRECTION_WEIGHT)
    ]
    assert training_rows([gone], "sentiment") == []


@pytest.mark.parametrize(
    ("field", "labels", "answer"),
    [
        ("sentiment", ("neutral",), {"label": 0}),
        ("emotion", ("anger",), {"label": "anger"}),
        ("intents", ("churn", "complaint"), {"intents": ["churn", "complaint"]}),
        ("aspects", ("power:negative",), {"aspects": {"动力": -1}}),
    ],
)
def test_exported_rows_are_those_of_a_training_file(
    field: CorrectedField, labels: tuple[str, ...], answer: dict[str, object]
) -> None:
    [row] = export_rows([correction("水壶漏电", *labels, field=field)], field)

    assert row == {"text": "水壶漏电", **answer, "weight": CORRECTION_WEIGHT}


def test_rows_of_an_emotion_hold_its_name() -> None:
    [row] = training_rows([correction("水壶漏电", "anger", field="emotion")], "emotion")

    assert row.label == "anger"


@pytest.mark.parametrize("field", [field for field in FIELDS if field not in SINGLE])
def test_fields_of_many_labels_have_no_such_training(field: CorrectedField) -> None:
    with pytest.raises(ValueError, match=field):
        training_rows([], field)
