"""A user's corrections: which labels are allowed, which correction holds, and rows for training.

A correction is identified by its post (or, without one, by its text), its field and the person:
whoever corrects the same thing again replaces only their own word. Of the corrections of one text
by several people, or of copies of it, the newest holds.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, get_args

from processors.labels import label_names
from schemas.correction import MOOD_LABELS, SINGLE, CorrectedField, Correction, Said
from schemas.enriched import EnrichedPost
from schemas.language import say

__all__ = [
    "CORRECTIONS",
    "CORRECTION_WEIGHT",
    "FIELDS",
    "LABELS",
    "NOTHING",
    "CorrectedRow",
    "check_labels",
    "correction_id",
    "export_rows",
    "field_of",
    "label_name",
    "newest_by_text",
    "plain",
    "said_of",
    "text_of",
    "training_rows",
    "withdrawn",
]

FIELDS: tuple[CorrectedField, ...] = get_args(CorrectedField)

CORRECTIONS = "corrections"
"""Name of the set that corrections are for ``train``."""

NOTHING = ("none", "无")
"""How one writes that none of a field's labels is right."""

CORRECTION_WEIGHT = 5.0
"""As how many other rows a correction counts in training.

With 3 to 10 a model learns nearly all of 30 to 200 corrections from another field and loses at most
a point on its own; with 1 it learns half of them, with 30 it loses two points.
"""

_MOOD_NAMES: Mapping[str, str] = dict(zip(MOOD_LABELS, ("负面", "中性", "正面"), strict=True))
_MOOD_NUMBERS: Mapping[str, int] = dict(zip(MOOD_LABELS, (-1, 0, 1), strict=True))

LABELS: Mapping[CorrectedField, Mapping[str, str]] = {
    "sentiment": _MOOD_NAMES,
    "emotion": label_names("emotion"),
    "intents": label_names("intents"),
    "aspects": label_names("aspects"),
}
"""The labels of a field with their Chinese names. A field that is not here takes any slug."""

_FIELD_NAMES: Mapping[CorrectedField, str] = {
    "sentiment": "情感",
    "emotion": "情绪",
    "intents": "意图",
    "aspects": "方面",
    "brands": "品牌",
    "departments": "部门",
}
_SLUG = re.compile(r"\w[\w-]{0,63}")


# --- what people write ------------------------------------------------------------------------


def field_of(written: str) -> CorrectedField:
    """The field that is meant, by its name or its Chinese name.

    Raises:
        ValueError: none; the message is half a sentence.
    """
    wanted = written.strip().lower()
    for field, name in _FIELD_NAMES.items():
        if wanted in (field, name):
            return field
    listed = ", ".join(FIELDS)
    raise ValueError(
        say(
            f"没有“{written}”这一项，只能是 {listed}",
            f'there is no field "{written}"; it is one of {listed}',
        )
    )


def check_labels(
    field: CorrectedField,
    written: Sequence[str],
    known: Mapping[CorrectedField, Mapping[str, str]] = LABELS,
) -> tuple[str, ...]:
    """The labels that are meant, each once and in order of the alphabet.

    Aspects are written with their mood (``price:negative``), brands may be. A mood may also be
    written in Chinese or as -1, 0, 1; ``none`` alone says that no label is right.

    Raises:
        ValueError: a label is unknown or unreadable, or too many or too few; half a sentence.
    """
    words = [word for one in written for word in re.split(r"[,;|，；、\s]+", one.strip()) if word]
    vocabulary = known.get(field)
    if field not in SINGLE and len(words) == 1 and words[0].lower() in NOTHING:
        return ()
    labels = tuple(sorted({_label(field, word, vocabulary) for word in words}))
    if not labels:
        raise ValueError(
            say("没有写标签", "there is no label")
            + (
                ""
                if field in SINGLE
                else say("；都不对就写 none", '; write "none" for none of them')
            )
        )
    if field in SINGLE and len(labels) > 1:
        raise ValueError(
            say(
                f"{field} 只能有一个标签，这里有 {len(labels)} 个",
                f"{field} has one label, not {len(labels)}",
            )
        )
    return labels


def _label(field: CorrectedField, word: str, vocabulary: Mapping[str, str] | None) -> str:
    label, colon, mood = word.replace("：", ":").partition(":")
    if vocabulary is None:
        if not _SLUG.fullmatch(label):
            raise ValueError(
                say(
                    f"“{word}”不能作标签，只能用字母、数字、- 和 _",
                    f'"{word}" is no label; use letters, digits, - and _',
                )
            )
    else:
        label = _known(field, label, vocabulary)
    if field == "aspects" and not colon:
        raise ValueError(
            say(
                f"方面要带上情绪，如 {label}:negative",
                f"an aspect is written with its mood, as in {label}:negative",
            )
        )
    if not colon:
        return label
    if field not in ("aspects", "brands"):
        raise ValueError(
            say(f"{field} 的标签里不能有冒号：{word}", f'a label of {field} has no colon: "{word}"')
        )
    return f"{label}:{_known('sentiment', mood, _MOOD_NAMES)}"


def _known(field: CorrectedField, written: str, vocabulary: Mapping[str, str]) -> str:
    numbers = {str(number): mood for mood, number in _MOOD_NUMBERS.items()}
    spelled = numbers.get(written, written) if field == "sentiment" else written
    for label, name in vocabulary.items():
        if spelled.lower() in (label.lower(), name):
            return label
    listed = ", ".join(vocabulary)
    raise ValueError(
        say(
            f"{field} 没有“{written}”这个标签，只能是 {listed}",
            f'{field} has no label "{written}"; it is one of {listed}',
        )
    )


def label_name(field: CorrectedField, label: str) -> str:
    """A label as people read it."""
    name, colon, mood = label.partition(":")
    return say(
        LABELS.get(field, {}).get(name, name) + colon + _MOOD_NAMES.get(mood, mood),
        label,
    )


# --- one correction ---------------------------------------------------------------------------


def plain(text: str) -> str:
    """Equal for texts that training takes for one: letters and digits only, lower case.

    Ids are made of it: it must never change.
    """
    return re.sub(r"\W+", "", text.lower()) or text.strip()


def correction_id(field: CorrectedField, by: str, text: str, post_id: str | None = None) -> str:
    """The id of somebody's correction of a field of a post, or of a text."""
    subject = ("post", post_id) if post_id else ("text", plain(text))
    joined = "\x00".join((*subject, field, by)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:24]


def text_of(post: EnrichedPost) -> str:
    """Title and text, as enrichers join them."""
    return f"{post.title}\n{post.text}" if post.title else post.text


def said_of(post: EnrichedPost, field: CorrectedField) -> Said | None:
    """What was found; None where nobody judged this field."""
    found: tuple[str, ...]
    match field:
        case "sentiment":
            found = (post.sentiment.label,) if post.sentiment else ()
        case "emotion":
            found = tuple(one.label for one in post.emotions)
        case "intents":
            found = tuple(one.label for one in post.intents)
        case "aspects":
            found = tuple(f"{one.aspect}:{one.mood}" for one in post.aspects)
        case "brands":
            found = tuple(one.brand for one in post.brands)
        case "departments":
            found = post.departments
    model = next((post.models[name] for name in _enrichers(field) if name in post.models), None)
    if not found and model is None:
        return None
    return Said(labels=tuple(sorted(set(found))), model=model)


def _enrichers(field: CorrectedField) -> tuple[str, str]:
    """Whose version counts: an enricher is named after what it finds, one or many."""
    return field, field.removesuffix("s") if field.endswith("s") else f"{field}s"


def withdrawn(correction: Correction, by: str, at: datetime) -> Correction:
    """What is left when a correction is withdrawn: no text, no label."""
    return Correction(
        id=correction.id,
        field=correction.field,
        post_id=correction.post_id,
        platform=correction.platform,
        text="",
        labels=(),
        by=by,
        at=at,
        deleted=True,
    )


# --- rows for training ------------------------------------------------------------------------


class CorrectedRow(NamedTuple):
    """A row for training."""

    text: str
    label: int | str
    """Of moods -1, 0 or 1."""
    set: str = CORRECTIONS
    weight: float = CORRECTION_WEIGHT


def newest_by_text(corrections: Iterable[Correction], field: CorrectedField) -> list[Correction]:
    """The newest correction of each text, withdrawn ones left out; the oldest of them first."""
    newest: dict[str, Correction] = {}
    for one in sorted(corrections, key=lambda one: (one.at, one.id)):
        if one.field == field and not one.deleted:
            newest[plain(one.text)] = one
    return sorted(newest.values(), key=lambda one: (one.at, one.id))


def training_rows(corrections: Iterable[Correction], field: CorrectedField) -> list[CorrectedRow]:
    """Rows of an own set for the training of one label a text.

    Raises:
        ValueError: this field has no such training; ``export_rows`` gives its rows.
    """
    if field not in SINGLE:
        raise ValueError(f"{field} has no training on one label a text")
    return [CorrectedRow(one.text, _number(one)) for one in newest_by_text(corrections, field)]


def export_rows(corrections: Iterable[Correction], field: CorrectedField) -> list[dict[str, Any]]:
    """Rows as ``train`` reads them.

    ``label`` is a number for moods, or the feeling; fields with any number of labels have their own
    name: a list, or of ``aspects`` an object of names and numbers.
    """
    return [
        {"text": one.text, **_answer(one), "weight": CORRECTION_WEIGHT}
        for one in newest_by_text(corrections, field)
    ]


def _answer(one: Correction) -> dict[str, Any]:
    if one.field in SINGLE:
        return {"label": _number(one)}
    return {one.field: _moods(one) if one.field == "aspects" else list(one.labels)}


def _moods(correction: Correction) -> dict[str, int]:
    """The mood of each aspect, under the name that training files give it."""
    names = LABELS["aspects"]
    pairs = (label.split(":") for label in correction.labels)
    return {names.get(aspect, aspect): _MOOD_NUMBERS[mood] for aspect, mood in pairs}


def _number(correction: Correction) -> int | str:
    """The one label, of moods as training files write it."""
    [label] = correction.labels
    return _MOOD_NUMBERS[label] if correction.field == "sentiment" else label
