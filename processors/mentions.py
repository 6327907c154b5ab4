"""What watch learns of a post: one mention per brand that the post speaks of."""

from schemas.enriched import EnrichedPost
from schemas.signals import Mention

__all__ = ["mentions"]

EXCERPT_LENGTH = 140
#: An honest post has a handful; a text that recites the rules must not make a line too long.
MAX_WORDS = 64


def mentions(post: EnrichedPost) -> list[Mention]:
    """The mentions of a post, in the order of its brand tags; none without a brand."""
    if not post.brands:
        return []
    author, sentiment = post.author, post.sentiment
    words = tuple(sorted({word for match in post.matches for word in match.words}))[:MAX_WORDS]
    intents = tuple(intent.label for intent in post.intents)
    excerpt = _excerpt(post)
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
            signature=post.signature,
            sketch=post.sketch,
            matches=words,
            excerpt=excerpt,
            url=post.url,
        )
        for tag in post.brands
    ]


def _excerpt(post: EnrichedPost) -> str:
    """The first characters on one line, an article's title before its text."""
    text = f"{post.title} {post.text}" if post.kind == "article" and post.title else post.text
    line = " ".join(text.replace("\0", " ").split())
    return line if len(line) <= EXCERPT_LENGTH else line[:EXCERPT_LENGTH] + "…"
