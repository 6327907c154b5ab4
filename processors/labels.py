"""The questions that a labelled text answers, the names of their labels, and what a post answers.

Labels are told apart by their English names; people write either language (``canonical``).
"""

from collections.abc import Mapping
from typing import Literal, get_args

from processors.aspect_lists import listed_aspects
from schemas.enriched import EnrichedPost
from schemas.language import say

__all__ = [
    "NOTHING",
    "QUESTIONS",
    "SINGLE",
    "Question",
    "answer_of",
    "canonical",
    "is_known",
    "label_names",
    "label_word",
    "question_word",
    "tags_of",
]

Question = Literal["sentiment", "emotion", "intents", "brands", "aspects"]
QUESTIONS: tuple[Question, ...] = get_args(Question)
SINGLE: frozenset[Question] = frozenset(("sentiment", "emotion"))
"""Questions with exactly one right label; the others have any number, none included."""

NOTHING = "none"
"""No emotion, or a post that was not judged."""

_QUESTIONS: dict[Question, tuple[str, str]] = {
    "sentiment": ("情感", "mood"),
    "emotion": ("情绪", "emotion"),
    "intents": ("意图", "intents"),
    "brands": ("品牌", "brands"),
    "aspects": ("方面", "aspects"),
}
#: The label's name, its Chinese name, and what else people write for it.
_MOODS = (
    ("negative", "负面", "-1 负 neg 消极 差评 负向"),
    ("neutral", "中性", "0 中 neu 中立"),
    ("positive", "正面", "1 +1 正 pos 积极 好评 正向"),
)
_EMOTIONS = (
    ("anger", "愤怒", "angry 生气 怒"),
    ("fear", "恐惧", "panic 恐慌 害怕 担忧 惧"),
    ("sadness", "悲伤", "sad 难过 伤心 哀"),
    ("joy", "喜悦", "happy happiness 高兴 开心 快乐 喜"),
    ("surprise", "惊讶", "惊奇 惊喜 惊"),
    ("disappointment", "失望", "disappointed"),
    ("disgust", "厌恶", "恶"),
    ("like", "喜欢", "喜好 好"),
    (NOTHING, "无情绪", "无 neutral neutrality 无情感 中性"),
)
_INTENTS = (
    ("complaint", "投诉", "抱怨"),
    ("enquiry", "咨询", "inquiry question 询问 提问"),
    ("purchase", "购买", "想买 购买意向 buy"),
    ("repurchase", "复购", "再次购买"),
    ("praise", "表扬", "好评 推荐 advocacy 称赞"),
    ("churn", "流失", "离开 leaving"),
    ("help", "求助", "救援 help_now"),
    ("maintenance", "维保", "保养 维修 配件"),
    ("rumour", "传闻", "rumor 谣言 爆料 leak"),
    ("job", "求职", "招聘 员工"),
)
_ASPECT_WORDS = {
    "service": "售后",
    "safety": "安全",
    "comfort": "舒适",
    "taste": "口味",
    "delivery": "物流",
}
_ASPECTS = tuple(
    (one.id, one.name, _ASPECT_WORDS.get(one.id, "")) for one in listed_aspects().values()
)
#: Labels of other people's files, which no step of ours writes.
_FOREIGN = frozenset({"disgust", "like"})
_KNOWN: dict[Question, tuple[tuple[str, str, str], ...]] = {
    "sentiment": _MOODS,
    "emotion": _EMOTIONS,
    "intents": _INTENTS,
    "aspects": _ASPECTS,
}
_WORDS: Mapping[Question, Mapping[str, str]] = {
    question: {
        written: name for name, zh, others in known for written in (name, zh, *others.split())
    }
    for question, known in _KNOWN.items()
}


def question_word(question: Question) -> str:
    """A question for a person."""
    return say(*_QUESTIONS[question])


def label_names(question: Question) -> Mapping[str, str]:
    """The labels that our steps write, with their Chinese names."""
    return {name: zh for name, zh, _ in _KNOWN.get(question, ()) if name not in _FOREIGN}


def canonical(question: Question, written: str) -> str:
    """The name of a label as ``written``; of one that is not known, itself in small letters."""
    word = written.strip().lower()
    if question == "aspects" and (":" in word or "：" in word):
        aspect, _, mood = word.replace("：", ":").rpartition(":")
        return f"{canonical(question, aspect)}:{canonical('sentiment', mood)}"
    return _WORDS.get(question, {}).get(word, word)


def is_known(question: Question, written: str) -> bool:
    """Whether it is a way to write one of our own labels."""
    return written.strip().lower() in _WORDS.get(question, {})


def label_word(question: Question, label: str) -> str:
    """A label for a person."""
    if question == "aspects" and ":" in label:
        aspect, _, mood = label.rpartition(":")
        return f"{label_word(question, aspect)} {label_word('sentiment', mood)}"
    for name, zh, _ in _KNOWN.get(question, ()):
        if name == label:
            return say(zh, name)
    return say("未判断", "not judged") if label == NOTHING else label


def answer_of(question: Question, post: EnrichedPost) -> tuple[str, Mapping[str, float]]:
    """What a post answers to a question with one label, and the shares of the labels."""
    if question == "sentiment":
        mood = post.sentiment
        if mood is None:
            return NOTHING, {}
        names = [name for name, _, _ in _MOODS]
        return mood.label, {name: getattr(mood, name) for name in names}
    shares = {canonical(question, one.label): one.score for one in post.emotions}
    return max(shares, key=lambda name: shares[name], default=NOTHING), shares


def tags_of(question: Question, post: EnrichedPost) -> Mapping[str, float]:
    """What a post answers to a question with any number of labels, and how sure each is."""
    if question == "intents":
        return {canonical(question, one.label): one.score for one in post.intents}
    if question == "brands":
        return {one.brand: one.confidence for one in post.brands}
    return {canonical(question, f"{one.aspect}:{one.mood}"): 1.0 for one in post.aspects}
