"""Which posts are copies of one text."""

import re
from collections.abc import Sequence
from hashlib import blake2b

from processors.explained import Explained, field_word
from processors.fold import FOLD_VERSION, fold
from processors.noise import without_noise
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost
from schemas.language import say
from schemas.rules import RuleSet

__all__ = ["Signature"]

#: Fewer letters say too little: two people write 太好了 without copying each other.
MIN_LETTERS = 6

_NO_LETTERS = re.compile(r"[\W\d_]+")

# What a platform writes for a repost without a comment; 转发微博 is below MIN_LETTERS anyway.
_NO_WORDS = frozenset({"repost"})


class Signature:
    """Writes ``signature``: 16 hex digits, equal for posts whose own words are the same.

    Own words: the text before the quoted chain (``//@``), folded, without addresses, @names,
    emoticon codes, and of the rest the letters only, so that tags, punctuation, digits and emoji
    do not tell copies apart. ``None`` when fewer than 6 letters are left, as in a pure repost.
    Limit: one changed letter makes another signature.
    """

    class Config(ComponentConfig):
        """The signature step has no options."""

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"{FOLD_VERSION}.1"

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records with ``signature``."""
        return [post.replaced(signature=_signature(post.text)) for post in posts]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """The signature and what it is good for, or why there is none."""
        if post.signature is None:
            few = say(
                f"作者自己的话不足 {MIN_LETTERS} 个字，看不出是不是转抄",
                f"fewer than {MIN_LETTERS} letters are the writer's own: too few to call it a copy",
            )
            return [Explained(field_word("signature"), say("没有", "none"), note=few)]
        same = say("指纹相同的帖子是同一段文字的拷贝", "posts with the same one are copies")
        return [Explained(field_word("signature"), post.signature, note=same)]


def _signature(text: str) -> str | None:
    own, _, _ = fold(text).partition("//@")
    letters = _NO_LETTERS.sub("", without_noise(own))
    if len(letters) < MIN_LETTERS or letters in _NO_WORDS:
        return None
    return blake2b(letters.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
