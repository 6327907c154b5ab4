"""Which posts of a bucket carry one text: exactly, or nearly, by their sketches.

A text is represented by its first post; a later post that has the same signature, or whose sketch
is near enough, is a copy of it. Near enough: the estimated containment, the part of the shorter
text that stands in the longer, reaches ``MIN_CONTAINED``, and the estimated Jaccard similarity
``MIN_SIMILAR``, below which 64 bins can't tell chance from a common sentence. So a text with words
put before it, cut to a quarter, with one letter in ten changed, or with other names in it is a
copy; a post on the same subject is not.

Among words that quote others (``//@``) only an original can be recognised: two people who comment
on one post are no copies of each other.

A search compares the sketch with all kept ones in one numpy expression. With at most
``MAX_TEXTS`` of them that costs less than the lookups of a banded index (LSH), and misses nothing:
bands fail for short texts, whose bins are mostly empty, and for cut ones, of which few are equal.

Limits: what is kept depends on the order of arrival alone. Beyond ``MAX_TEXTS`` the texts with the
fewest copies, of these the oldest, are forgotten; a later copy of them is taken for a new text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, InstanceOf, PlainSerializer, TypeAdapter

from processors.sketch import BINS, Sketch, read_sketch
from schemas.incident import CopiedText
from schemas.post import PostId
from schemas.signals import Mention

__all__ = ["MAX_TEXTS", "Copies", "Texts", "alike"]

MAX_TEXTS = 1_000
"""Different texts kept of a bucket; each takes about 140 bytes of state."""
MAX_SHOWN = 5
MAX_EXCERPT = 60

MIN_CONTAINED = 0.45
MIN_SIMILAR = 0.2

_Scores = NDArray[np.float64]


@dataclass(slots=True)
class Text:
    """One text and how many posts carry it."""

    post_id: PostId
    """The first of them."""
    posts: int = 1
    signature: str | None = None
    sketch: str | None = None
    excerpt: str | None = None
    """Of the first copy: of most texts there is none, and they need no room for it."""


class Texts:
    """The texts of one bucket, with an index that is no part of the state."""

    __slots__ = ("_bins", "_kept", "_places", "_sizes", "_sketched")

    def __init__(self, kept: Iterable[Text] = ()) -> None:
        self._kept = list(kept)
        self._index()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Texts) and self._kept == other._kept

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, mention: Mention) -> bool:
        """Whether the mention copies a text that is known; it is known from now on.

        Returns True at its first copy too: ``copied`` tells how many texts have one.
        """
        signature = mention.signature
        place = self._places.get(signature) if signature is not None else None
        sketch = read_sketch(mention.sketch) if mention.sketch is not None else None
        if place is None and sketch is not None:
            place = self._nearest(sketch)
        if place is None:
            if signature is not None and not (sketch is not None and sketch.quotes):
                self._keep(Text(mention.post_id, 1, signature, mention.sketch), sketch)
            return False
        text = self._kept[place]
        text.posts += 1
        if text.excerpt is None:
            text.excerpt = mention.excerpt[:MAX_EXCERPT]
        return True
