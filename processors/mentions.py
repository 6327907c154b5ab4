"""What watch learns of a post: one mention per brand that the post speaks of."""

from collections.abc import Mapping
from functools import cache

from processors.labels import label_names
from processors.prepare import prepare
from processors.trouble import Trouble, trouble_of
from schemas.enriched import EnrichedPost
from schemas.signals import Mention

__all__ = ["mentions"]

EXCERPT_LENGTH = 140
#: An honest post has a handful; a text that recites the rules must not make a line too long.
MAX_WORDS = 64
MAX_FAULTS = 4
_FAULT_LENGTH = 64


def mentions(post: EnrichedPost) -> list[Mention]:
    """The mentions of a post, in the order of its brand tags; none without a brand."""
    if not post.brands:
        return []
    author, sentiment = post.author, post.sentiment
    words = tuple(sorted({word for match in post.matches for word in match.words}))[:MAX_WORDS]
    intents = tuple(intent.label for intent in post.intents)
    excerpt = _excerpt(post)
    emotions = tuple(emotion.label for emotion in post.emotions if emotion.label != "none")
    faults = _faults(post)
    trouble = _trouble(post)
    return [
        Mention.unchecked(
            brand=tag.brand,
            role=tag.role,
            post_id=post.id,
            root_id=post.thread,
            platform=post.platform,
            kind=post.kind,
            author_id=author.id,
            author_name=author.name,
            author_kind=post.author_kind,
            followers=author.followers,
            event_at=post.event_at,
            event_clamped=post.event_clamped,
            mood=tag.mood or (sentiment.label if sentiment else None),
            negative=sentiment.negative if sentiment else None,
            intents=intents,
            emotions=emotions,
            faults=faults,
            trouble=trouble.score,
            signs=trouble.signs,
            signature=post.signature,
            sketch=post.sketch,
            matches=words,
            excerpt=excerpt,
            url=post.url,
        )
        for tag in post.brands
    ]


@cache
def _aspect_names() -> Mapping[str, str]:
    return label_names("aspects")


def _faults(post: EnrichedPost) -> tuple[str, ...]:
    """What is complained of: defects, or else what is spoken badly of, as people call it."""
    names = _aspect_names()
    bad = [names.get(one.aspect, one.aspect) for one in post.aspects if one.mood == "negative"]
    named = post.defects or bad
    return tuple(dict.fromkeys(name[:_FAULT_LENGTH] for name in named))[:MAX_FAULTS]


def _trouble(post: EnrichedPost) -> Trouble:
    """By the writer's own words, an article's by its title too; a bare repost says what it carries.

    A topic on a board is quoted whole: nobody wrote it.
    """
    if post.kind == "hot":
        return trouble_of(post.text)
    own = prepare(post.text).own
    if post.kind == "repost" and post.signature is None and post.root_text and not own.strip():
        own = prepare(post.root_text).own
    return trouble_of(f"{post.title}\n{own}" if post.title else own)


def _excerpt(post: EnrichedPost) -> str:
    """The first characters on one line, an article's title before its text."""
    text = f"{post.title} {post.text}" if post.kind == "article" and post.title else post.text
    line = " ".join(text.replace("\0", " ").split())
    return line if len(line) <= EXCERPT_LENGTH else line[:EXCERPT_LENGTH] + "…"
