"""What a post has where a query asks for a field or a number, for a person to read."""

from processors.query_fields import PARTS, counter_of
from processors.query_tree import Comparison, FieldIs
from schemas.enriched import EnrichedPost
from schemas.language import say

__all__ = ["fact_of"]

_SHOWN = 60
_NAMES = {
    "platform": ("平台", "platform"),
    "kind": ("类型", "kind"),
    "source": ("来源", "source"),
    "author.id": ("作者号", "author id"),
    "verified": ("认证", "verified"),
    "author.kind": ("作者类型", "author kind"),
    "region": ("地区", "region"),
    "url": ("网址", "url"),
    "brand": ("品牌", "brands"),
    "sentiment": ("情感", "sentiment"),
    "aspect": ("方面", "aspects"),
    "intent": ("意图", "intents"),
    "reason": ("抱怨原因", "reasons of complaint"),
    "has": ("内容", "parts"),
}
#: What is found, not given, is said to be missing in other words.
_NOT_FOUND = {
    "author.kind": ("没有判断出作者类型", "no kind of author was recognised"),
    "brand": ("没有认出品牌", "no brand was recognised"),
    "sentiment": ("没有识别出情感", "no sentiment was recognised"),
    "aspect": ("没有识别出方面", "no aspect was recognised"),
    "intent": ("没有识别出意图", "no intent was recognised"),
    "reason": ("没有识别出抱怨原因", "no reason of a complaint was recognised"),
}


def fact_of(node: FieldIs | Comparison, post: EnrichedPost) -> str:
    """``帖子的平台：zhihu``: what the post has there; told also when it has nothing."""
    if isinstance(node, Comparison):
        counter = counter_of(node.name)
        assert counter is not None
        count = counter.count(post)
        shown = say("未知", "unknown") if count is None else f"{count:.15g}"
        return _of_post(counter.names[-1], counter.names[0], shown)
    value = _value(node.name, post)
    if not value and node.name in _NOT_FOUND:
        return say(*_NOT_FOUND[node.name])
    return _of_post(*_NAMES[node.name], value[:_SHOWN] or say("未知", "unknown"))


def _of_post(chinese: str, english: str, shown: str) -> str:
    return say(f"帖子的{chinese}：{shown}", f"the post's {english}: {shown}")


def _value(name: str, post: EnrichedPost) -> str:
    between = say("、", ", ")
    match name:
        case "author.id":
            return post.author.id
        case "verified":
            known = {True: say("是", "yes"), False: say("否", "no"), None: ""}
            return known[post.author.verified]
        case "author.kind":
            return post.author_kind or ""
        case "brand":
            return between.join(tag.brand for tag in post.brands)
        case "sentiment":
            return post.sentiment.label if post.sentiment is not None else ""
        case "aspect":
            return between.join(aspect.aspect for aspect in post.aspects)
        case "intent":
            return between.join(intent.label for intent in post.intents)
        case "reason":
            return between.join(post.reasons)
        case "has":
            there = [part for part, is_there in PARTS.items() if is_there(post)]
            return between.join(there) or say("只有文字", "text only")
    return getattr(post, name) or ""
