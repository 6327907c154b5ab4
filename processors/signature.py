"""Which posts are copies of one text: exactly, by ``signature``; nearly, by ``sketch``."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np

from processors.explained import Explained, field_word
from processors.fold import FOLD_VERSION, fold
from processors.letters import BORDER, LETTERS_VERSION, Codes, letters, split
from processors.sketch import SKETCH_VERSION, sketches
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost
from schemas.language import say
from schemas.rules import RuleSet

__all__ = ["Signature"]

#: Fewer letters say too little: two people write 太好了 without copying each other.
MIN_LETTERS = 6

#: So many characters are laid out at once: a batch of long articles must not fill the memory.
_TOGETHER = 100_000

# What a platform writes for a repost without a comment; 转发微博 is below MIN_LETTERS anyway.
_NO_WORDS = frozenset({"repost"})

_QUOTED = "//@"


class Signature:
    """Writes ``signature``, equal for posts whose own words are the same, and ``sketch``.

    Own words: the text before the quoted chain (``//@``), folded, without addresses, @names,
    emoticon codes, and of the rest the letters only, so that tags, punctuation, digits and emoji
    do not tell copies apart. ``signature``: 16 hex digits, ``None`` when fewer than 6 letters are
    left, as in a pure repost; one changed letter makes another.

    ``sketch`` (``processors/sketch.py``) tells near copies: 88 characters for the own words, and
    as many for the whole text where it quotes somebody, each from 12 letters on. It leaves out
    #tags#, which people share without copying. ``None`` for posts without a brand where ``brands``
    is selected.
    """

    behind = ("brands",)

    class Config(ComponentConfig):
        """The signature step has no options."""

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"{FOLD_VERSION}.{LETTERS_VERSION}.{SKETCH_VERSION}"

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records with ``signature`` and ``sketch``."""
        enriched: list[EnrichedPost | None] = []
        for group in _groups(posts):
            found = zip(group, *_judge(group), strict=True)
            enriched += [post.replaced(signature=text, sketch=near) for post, text, near in found]
        return enriched

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


def _groups(posts: Sequence[EnrichedPost]) -> Iterator[Sequence[EnrichedPost]]:
    start = characters = 0
    for place, post in enumerate(posts):
        characters += len(post.text)
        if characters > _TOGETHER and place > start:
            yield posts[start:place]
            start, characters = place, len(post.text)
    if start < len(posts):
        yield posts[start:]


def _judge(posts: Sequence[EnrichedPost]) -> tuple[list[str | None], list[str | None]]:
    """Signatures and sketches of posts."""
    texts = [fold(post.text) for post in posts]
    parts = [text.partition(_QUOTED)[0] for text in texts]
    wanted = [place for place, post in enumerate(posts) if _is_counted(post)]
    # Behind the own words, once more and in full, the texts that quote somebody.
    quoting = [place for place in wanted if len(parts[place]) < len(texts[place])]
    own = len(parts)
    parts += [texts[place] for place in quoting]
    codes, tagged = letters(parts)
    signatures = [_digest(words) for words in split(codes)[:own]]
    near: list[str | None] = [None] * own
    if wanted:
        chosen = [*wanted, *range(own, len(parts))]
        quotes = [place >= own for place in chosen]
        found = sketches(_rows(codes[~tagged], chosen), quotes)
        for place, sketch in zip([*wanted, *quoting], found, strict=True):
            if sketch is not None:
                near[place] = (near[place] or "") + sketch
    return signatures, near


def _is_counted(post: EnrichedPost) -> bool:
    """Copies are counted by brand, so a post without one needs no sketch."""
    return bool(post.brands) or "brands" not in post.models


def _rows(codes: Codes, chosen: list[int]) -> Codes:
    """The letters of the chosen texts, which are given in their order."""
    border = codes == BORDER
    row = np.cumsum(border) - border
    kept = np.zeros(np.count_nonzero(border), np.bool_)
    kept[chosen] = True
    return codes if kept.all() else codes[kept[row]]


def _digest(own: str) -> str | None:
    if len(own) < MIN_LETTERS or own in _NO_WORDS:
        return None
    return blake2b(own.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
