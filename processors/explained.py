"""Why a finding is what it is: a record for people, and what is shown of steps that do not tell.

An enricher that can say more than its finding does has a method ``explain`` (``base.Explains``).
For every other, ``changed`` shows what it wrote into the post, with the places that it names.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from processors.labels import Question, label_word
from schemas.enriched import EnrichedPost, Match, Sentiment, Span, TextField
from schemas.language import say
from schemas.post import Post
from schemas.record import Record

__all__ = [
    "Clue",
    "Explained",
    "Step",
    "changed",
    "clues_at",
    "explained_label",
    "explained_match",
    "explained_words",
    "field_word",
    "label_of",
    "mood_word",
    "percent",
]

Pair = tuple[str, str]


class Clue(NamedTuple):
    """A place that spoke for a finding: [start, end) in code points of the field as received."""

    field: TextField
    start: int
    end: int
    note: str = ""
    """What it weighs or stands for, in a few words."""


class Explained(NamedTuple):
    """One finding of one enricher, in the language in force."""

    title: str
    """What was asked: 情感."""
    value: str
    """The answer, and how sure it is: 负面 97 %."""
    evidence: tuple[Clue, ...] = ()
    """The words that decided, the most important first."""
    note: str = ""
    """The reason in words, where places do not say it; may have several lines."""


class Step(NamedTuple):
    """What one enricher of a chain says of a post."""

    name: str
    version: str
    explained: tuple[Explained, ...]
    post: EnrichedPost | None
    """As the enricher left it; ``None``: it left the post out."""


_FIELDS: dict[str, Pair] = {
    "matches": ("规则", "rules"),
    "brands": ("品牌", "brands"),
    "sentiment": ("情感", "mood"),
    "emotions": ("情绪", "emotions"),
    "aspects": ("方面", "aspects"),
    "intents": ("意图", "intents"),
    "defects": ("故障", "defects"),
    "reasons": ("投诉原因", "reasons of the complaint"),
    "words": ("内容词", "content words"),
    "signature": ("文字指纹", "signature"),
    "author_kind": ("作者", "author"),
    "author_reason": ("作者判断依据", "why this author"),
    "influence": ("影响力", "influence"),
    "tie": ("关系", "tie"),
    "departments": ("部门", "departments"),
}
_MOODS: dict[str, Pair] = {
    "negative": ("负面", "negative"),
    "neutral": ("中性", "neutral"),
    "positive": ("正面", "positive"),
}
_REASONS = {
    "promise": "承诺没兑现",
    "quality": "质量",
    "practicality": "实用",
    "enjoyment": "体验",
    "respect": "不受尊重",
}
_KINDS: dict[str, dict[str, Pair]] = {
    "author_kind": {
        "person": ("个人", "person"),
        "media": ("媒体", "media"),
        "official": ("政务", "official"),
        "industry": ("行业号", "industry account"),
        "dealer": ("经销商", "dealer"),
        "brand": ("品牌号", "brand account"),
        "staff": ("员工", "staff"),
        "bot": ("疑似水军", "suspected bot"),
    },
    "tie": {
        "weak": ("弱", "weak"),
        "medium": ("中", "medium"),
        "strong": ("强", "strong"),
    },
}
#: Of a record: which field says what was found, the first one that it has.
_NAMES = ("label", "aspect", "brand", "rule", "kind", "name", "id")
_NOT_FINDINGS = frozenset({*Post.model_fields, "models", "root_news", "sketch"})
#: Fields whose labels have names in both languages.
_QUESTIONS: dict[str, Question] = {
    "emotions": "emotion",
    "intents": "intents",
    "aspects": "aspects",
}


def field_word(name: str) -> str:
    """What a field of ``EnrichedPost`` holds, for a person."""
    return say(*_FIELDS[name]) if name in _FIELDS else name


def mood_word(mood: str) -> str:
    """A mood for a person."""
    return say(*_MOODS[mood]) if mood in _MOODS else mood


def percent(share: float) -> str:
    """A share as whole percent; what is not certain is never told as 100 %."""
    if 0.995 <= share < 1:
        return "99 %"
    return f"{100 * share:.0f} %"


def clues_at(spans: Iterable[Span], note: str = "") -> tuple[Clue, ...]:
    """The places of a record."""
    return tuple(Clue(span.field, span.start, span.end, note) for span in spans)


def explained_match(match: Match, rule_name: str, note: str = "") -> Explained:
    """A rule that fired."""
    label = f"{match.rule_set}@{match.version}" if match.rule_set else str(match.version)
    return Explained(
        f"{field_word('matches')} {rule_name}",
        say(f"命中 {match.rule} ({label})", f"{match.rule} matches ({label})"),
        clues_at(match.spans),
        note,
    )


def explained_mood(mood: Sentiment) -> Explained:
    """The mood with its share; the shares of the others."""
    shares = {name: getattr(mood, name) for name in _MOODS}
    sure = shares.pop(mood.label)
    others = (f"{mood_word(name)} {percent(share)}" for name, share in shares.items())
    answer = f"{mood_word(mood.label)} {percent(sure)}"
    return Explained(field_word("sentiment"), answer, note=say("，", ", ").join(others))


def explained_label(field: str, label: str, share: float, clues: tuple[Clue, ...]) -> Explained:
    """One of several labels, with its share and the words for it."""
    return Explained(field_word(field), f"{label_of(field, label)} {percent(share)}", clues)


def explained_words(field: str, words: Iterable[str]) -> Explained:
    """Labels without a share."""
    listed = say("、", ", ").join(label_of(field, word) for word in words)
    return Explained(field_word(field), listed or say("没有", "none"))


def unsaid_mood() -> Explained:
    """Of a post without a mood."""
    note = say("作者自己没有写字", "the writer wrote no words")
    return Explained(field_word("sentiment"), say("不判断", "not judged"), note=note)


def changed(before: EnrichedPost, after: EnrichedPost) -> Iterator[Explained]:
    """What an enricher wrote, as far as the record tells: a finding for each value."""
    for name, value in after.__dict__.items():
        was = before.__dict__[name]
        if name not in _NOT_FINDINGS and value != was:
            if isinstance(value, tuple) and isinstance(was, tuple):
                # Of what stood there already somebody else has told.
                value = tuple(one for one in value if one not in was)
            yield from _told(name, value)


def _told(field: str, value: Any) -> Iterator[Explained]:
    title = field_word(field)
    if value is None or value == ():
        yield Explained(title, say("没有", "none"))
    elif isinstance(value, tuple) and isinstance(value[0], Record):
        for one in value:
            yield _of_record(field, one)
    elif isinstance(value, tuple):
        words = [label_of(field, str(one)) for one in value]
        yield Explained(title, say("、", ", ").join(words))
    elif isinstance(value, Sentiment):
        yield explained_mood(value)
    elif isinstance(value, Record):
        yield _of_record(field, value)
    else:
        yield Explained(title, label_of(field, _plain(value)))


def _of_record(field: str, record: Record) -> Explained:
    """The name of what was found, its mood and how sure it is; then the other fields."""
    values = {name: value for name, value in record.__dict__.items() if value not in (None, ())}
    clues: tuple[Clue, ...] = ()
    for name in [name for name, value in values.items() if _is_spans(value)]:
        clues += clues_at(values.pop(name), "" if name == "spans" else name)
    named = next((name for name in _NAMES if name in values), None)
    words = [label_of(field, str(values.pop(named)))] if named else []
    if "mood" in values:
        words.append(mood_word(values.pop("mood")))
    words += [percent(values.pop(share)) for share in ("score", "confidence") if share in values]
    rest = [f"{name}: {_plain(value)}" for name, value in values.items() if value is not False]
    return Explained(field_word(field), " ".join(words), clues, say("；", "; ").join(rest))


def _is_spans(value: Any) -> bool:
    return isinstance(value, tuple) and isinstance(value[0], Span)


def label_of(field: str, label: str) -> str:
    """A label of a field of ``EnrichedPost`` for a person."""
    if field == "reasons":
        return say(_REASONS.get(label, label), label)
    if known := _KINDS.get(field, {}).get(label):
        return say(*known)
    question = _QUESTIONS.get(field)
    return label_word(question, label) if question else label


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return say("、", ", ").join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
