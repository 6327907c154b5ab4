"""Which posts of a bucket carry one text: exactly, or nearly, by their sketches.

A text is represented by its first post; a later post that has the same signature, or whose sketch
is near enough, is a copy of it. Near enough: the estimated containment, the part of the shorter
text that stands in the longer, reaches ``MIN_CONTAINED`` (more for a short text, in which one
turn of phrase weighs much), and the estimated Jaccard similarity ``MIN_SIMILAR``: whoever writes
three times as much as he repeats speaks for himself. So a text with words put before it, cut to a
third, with one letter in twelve changed, or with other names in it is a copy; a post on the same
subject is not.

A repost with words or a mood of its own (``气死了//@name:…``) is judged by these alone: two people
who comment on one post are no copies of each other, nor of the post. Where nothing is added
(``转//@name:…``), the whole text is compared. ``carries`` compares in either way.

A search compares the sketch with all that are kept, in one numpy expression: 40 us for 900. Bands
of a sketch as keys (LSH) would not be faster at ``MAX_TEXTS``, and miss short texts, whose bins are
mostly empty, and cut ones, of which few bins are equal.

Limits: what is kept depends on the order of arrival alone. Beyond ``MAX_TEXTS`` the texts with the
fewest copies, of these the oldest, are forgotten; a later copy of them is taken for a new text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, InstanceOf, PlainSerializer, TypeAdapter

from processors.sketch import BINS, SKETCH_LENGTH, Sketch, read_sketches
from schemas.incident import CopiedText
from schemas.post import PostId
from schemas.signals import Mention

__all__ = ["MAX_TEXTS", "Text", "Texts", "TextsState", "carries"]

MAX_TEXTS = 500
"""Different texts kept of a bucket; each takes about 140 bytes of state, of which
all open buckets of a brand share one line of 4 MiB."""
MAX_SHOWN = 5
MAX_EXCERPT = 60

MIN_SIMILAR = 0.25
MIN_CONTAINED = 0.55
"""Of a text of ``LONG`` 3-grams or more; for each that is missing, ``MORE_CONTAINED`` more."""
LONG = 18
MORE_CONTAINED = 0.02

_NEVER = 255  # in no sketch
_FIRST_ROOM = 64


@dataclass(slots=True)
class Text:
    """One text and how many posts carry it."""

    post_id: PostId
    """The first of them."""
    posts: int = 1
    signature: str | None = None
    sketch: str | None = None
    excerpt: str | None = None
    """Of the first copy: most texts have none, and need no room for it."""


class Texts:
    """The texts of one bucket, in order of arrival; the index is no part of the state."""

    __slots__ = ("_by_signature", "_columns", "_index", "_kept")

    def __init__(self, kept: Iterable[Text] = ()) -> None:
        self._fill(kept)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Texts) and self._kept == other._kept

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._kept)

    def rows(self) -> list["_Row"]:
        """As plain data."""
        return [
            (text.post_id, text.posts, text.signature, text.sketch, text.excerpt)
            for text in self._kept
        ]

    def take(self, mention: Mention) -> int:
        """How many posts carry the mention's text now; 1: it is new, and known from now on."""
        sketched = read_sketches(mention.sketch) if mention.sketch is not None else []
        own = next((sketch for sketch in sketched if not sketch.quotes), None)
        place = self._by_signature.get(mention.signature) if mention.signature else None
        if place is None and own is not None:
            place = self._nearest(own)
        if place is None and not _says_something(mention):
            place = next((self._nearest(sketch) for sketch in sketched if sketch.quotes), None)
        if place is None:
            if mention.signature is not None or own is not None:
                self._keep(mention, own)
            return 1
        text = self._kept[place]
        text.posts += 1
        if text.excerpt is None:
            text.excerpt = mention.excerpt[:MAX_EXCERPT]
        return text.posts

    def largest(self) -> tuple[CopiedText, ...]:
        """The texts with most copies, of equal ones the first."""
        copied = [text for text in self._kept if text.posts > 1]
        copied.sort(key=lambda text: -text.posts)
        return tuple(
            CopiedText(post_id=text.post_id, posts=text.posts, excerpt=text.excerpt or "")
            for text in copied[:MAX_SHOWN]
        )

    def _fill(self, kept: Iterable[Text]) -> None:
        self._kept: list[Text] = []
        self._by_signature: dict[str, int] = {}
        self._index = _Index()
        self._columns: list[int] = []
        for text in kept:
            sketched = read_sketches(text.sketch) if text.sketch is not None else []
            self._append(text, sketched[0] if sketched else None)

    def _keep(self, mention: Mention, own: Sketch | None) -> None:
        if len(self._kept) >= MAX_TEXTS:
            places = sorted(range(len(self._kept)), key=lambda n: (-self._kept[n].posts, -n))
            self._fill([self._kept[place] for place in sorted(places[: MAX_TEXTS // 2])])
        written = mention.sketch[:SKETCH_LENGTH] if own is not None and mention.sketch else None
        self._append(Text(mention.post_id, 1, mention.signature, written), own)

    def _append(self, text: Text, sketch: Sketch | None) -> None:
        if text.signature is not None:
            self._by_signature[text.signature] = len(self._kept)
        if sketch is not None:
            self._index.add(sketch)
            self._columns.append(len(self._kept))
        self._kept.append(text)

    def _nearest(self, sketch: Sketch) -> int | None:
        column = self._index.nearest(sketch)
        return None if column is None else self._columns[column]


class _Index:
    """Sketches as columns of one array."""

    __slots__ = ("_bins", "_count", "_sizes")

    def __init__(self) -> None:
        self._bins = np.zeros((BINS, _FIRST_ROOM), np.uint8)
        self._sizes = np.zeros(_FIRST_ROOM)
        self._count = 0

    def add(self, sketch: Sketch) -> None:
        if self._count == len(self._sizes):
            self._bins = np.hstack((self._bins, np.zeros_like(self._bins)))
            self._sizes = np.concatenate((self._sizes, np.zeros_like(self._sizes)))
        self._bins[:, self._count] = sketch.bins
        self._sizes[self._count] = sketch.size
        self._count += 1

    def nearest(self, sketch: Sketch) -> int | None:
        """The column that is most similar, if it is near enough; of equal ones the first."""
        if not self._count:
            return None
        filled = sketch.bins > 0
        asked = np.where(filled, sketch.bins, np.uint8(_NEVER))[:, np.newaxis]
        same = (self._bins[:, : self._count] == asked).view(np.uint8)
        equal = np.add.reduce(same, axis=0, dtype=np.uint8)  # without a cast: 64 fit
        # No union is smaller than the sketch itself, so most texts are ruled out here.
        columns = np.flatnonzero(equal >= MIN_SIMILAR * np.count_nonzero(filled))
        if not len(columns):
            return None
        either = np.count_nonzero(self._bins[:, columns] | sketch.bins[:, np.newaxis], axis=0)
        similar = equal[columns] / either
        smaller = np.minimum(self._sizes[columns], sketch.size)
        common = similar * (self._sizes[columns] + sketch.size) / (1 + similar)
        needed = MIN_CONTAINED + MORE_CONTAINED * np.maximum(LONG - smaller, 0)
        similar[(similar < MIN_SIMILAR) | (common < needed * smaller)] = 0
        best = int(similar.argmax())
        return int(columns[best]) if similar[best] else None


def carries(post: str, original: str) -> bool:
    """Whether a post with one sketch passes on the own words of the post with the other.

    Be it as its own words or behind a ``//@``.
    """
    index = _Index()
    for sketch in read_sketches(original):
        if not sketch.quotes:
            index.add(sketch)
    return any(index.nearest(sketch) is not None for sketch in read_sketches(post))


def _says_something(mention: Mention) -> bool:
    """The writer added words, or a mood: 气死了//@… is a voice, 转//@… is none."""
    return mention.signature is not None or mention.mood in ("negative", "positive")


_Row = tuple[PostId, int, str | None, str | None, str | None]
_rows: TypeAdapter[list[_Row]] = TypeAdapter(list[_Row])


def _unpack(rows: object) -> object:
    if isinstance(rows, Texts):
        return rows
    return Texts(Text(*row) for row in _rows.validate_python(rows))


TextsState = Annotated[
    InstanceOf[Texts],
    BeforeValidator(_unpack),
    PlainSerializer(Texts.rows, return_type=list[_Row]),
]
"""Texts as they stand in a state: one short list each."""
