"""Hashed character n-grams of a whole batch at once.

Purpose: turn texts into one sparse matrix that a linear model multiplies by its weights.

The texts are joined, laid out as one array of code points and hashed by numpy, so no Python
statement runs per n-gram. Row *i* depends on text *i* alone: no n-gram crosses the border of its
text, and every row is scaled by itself.

Limits: a text counts by its first ``MAX_CHARACTERS``; the hash has ``2**bits`` buckets, so rare
n-grams share one now and then. Any change here changes what trained weights mean: raise
``FEATURES_VERSION`` and train again.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from processors.fold import FOLD_VERSION, INVISIBLE, fold

__all__ = [
    "FEATURES_VERSION",
    "MAX_CHARACTERS",
    "MOST_BITS",
    "NGRAMS_VERSION",
    "TAIL_WEIGHT",
    "PlacedNgram",
    "fewer_bits",
    "hashed_ngrams",
    "ngram_buckets",
    "normalised",
    "own_words",
    "parts_of",
    "placed_ngrams",
    "text_features",
]

#: Stored beside trained weights; weights of another version are refused.
FEATURES_VERSION = 1

#: The same weights may judge a text differently under another of these.
NGRAMS_VERSION = f"{FEATURES_VERSION}.{FOLD_VERSION}"

#: One article of 100,000 characters must not hold up a batch of posts.
MAX_CHARACTERS = 2_000

#: What quoted reposts count beside the writer's own words; by cross-validation, 0.4 to 0.7 is flat.
TAIL_WEIGHT = 0.4

#: Buckets of ``text_features`` as a power of two; a model may use fewer.
MOST_BITS = 18

_TAIL = "//@"
_LONGEST_GRAM = 3
_LONGEST_RUN = 3
_BORDER = 0
_SPACE = ord(" ")
_LINK = re.compile(r"https?://[A-Za-z0-9!#$%&'()*+,\-./:;=?@\[\]~_]+")
_NAME = re.compile(r"@[\w\-·]{1,30}")
_LINK_SIGN, _NAME_SIGN = "\ue000", "\ue001"  # private use: no writer's keyboard has them
_STEP, _LETTER, _MIX_A, _MIX_B = (  # odd 32-bit constants of well-known hashes (xxHash, Murmur)
    np.uint32(value) for value in (0x85EBCA77, 0x9E3779B1, 0xC2B2AE3D, 0x27D4EB2F)
)

Codes = npt.NDArray[np.uint32]


def text_features(texts: Sequence[str]) -> csr_matrix:
    """Features of a batch, ``len(texts)`` rows and ``2**MOST_BITS`` columns.

    Own words count in full and quoted reposts at ``TAIL_WEIGHT``. The last batch is remembered:
    the enrichers of a chain ask one after another for the same texts.
    """
    return _features(tuple(texts))


@lru_cache(2)
def _features(texts: tuple[str, ...]) -> csr_matrix:
    parts, mix = parts_of(texts)
    features = hashed_ngrams(parts, MOST_BITS)
    if len(parts) == len(texts):
        return features
    mixed = (mix @ features).tocsr()
    mixed.sort_indices()  # sums in one order, so that a row depends on its text alone
    return mixed


def fewer_bits(features: csr_matrix, bits: int) -> csr_matrix:
    """The same features hashed to ``2**bits`` buckets: the upper bits of a bucket are its hash.

    N-grams that now share a bucket stand there one by one; products add them up.
    """
    spare = features.shape[1].bit_length() - 1 - bits
    if not spare:
        return features
    shape = (features.shape[0], 2**bits)
    return csr_matrix((features.data, features.indices >> spare, features.indptr), shape=shape)


def own_words(text: str) -> str:
    """What the writer added: the part before the first ``//@name:`` of quoted reposts."""
    return text.partition(_TAIL)[0].strip()


def parts_of(texts: Sequence[str]) -> tuple[list[str], csr_matrix]:
    """Split own words from quoted reposts: ``(parts, mix)``.

    ``mix @ f(parts)`` has a row per text: the own words in full and the quoted tail at
    ``TAIL_WEIGHT``, or the tail in full where the writer added nothing.
    """
    parts = [own_words(text) for text in texts]
    rows = list(range(len(texts)))
    columns = list(range(len(texts)))
    weights = [1.0] * len(texts)
    for row, text in enumerate(texts):
        tail = text.partition(_TAIL)[2] if _TAIL in text else ""
        if not tail:
            continue
        rows.append(row)
        columns.append(len(parts))
        weights.append(TAIL_WEIGHT if parts[row] else 1.0)
        parts.append(tail)
    shape = (len(texts), len(parts))
    return parts, csr_matrix((np.array(weights, np.float32), (rows, columns)), shape=shape)


def hashed_ngrams(texts: Sequence[str], bits: int) -> csr_matrix:
    """Which 1-, 2- and 3-grams each text has: ``len(texts)`` rows of length 1, ``2**bits`` columns.

    A text without any character has an empty row.
    """
    codes = _codes(texts)
    border = codes == _BORDER
    row = np.cumsum(border) - border
    # 32-bit keys sort about twice as fast, and a usual batch fits
    small = bits + len(texts).bit_length() <= 32
    whole = row.astype(np.uint32 if small else np.uint64) << bits

    keys = []
    inside = np.ones(len(codes), np.bool_)
    for size, buckets in enumerate(_buckets(codes, bits), 1):
        inside = inside[: len(buckets)] & ~border[size - 1 :]
        keys.append((whole[: len(buckets)] | buckets)[inside])
    key = np.concatenate(keys)
    key.sort()
    if len(key):
        key = key[np.concatenate(([True], key[1:] != key[:-1]))]

    per_row = np.bincount((key >> bits).astype(np.intp), minlength=len(texts))
    starts = np.concatenate(([0], np.cumsum(per_row))).astype(np.int32)
    value = np.repeat((1 / np.sqrt(np.maximum(per_row, 1))).astype(np.float32), per_row)
    column = (key & key.dtype.type(2**bits - 1)).astype(np.int32)
    return csr_matrix((value, column, starts), shape=(len(texts), 2**bits))


def ngram_buckets(texts: Sequence[str], bits: int) -> tuple[Codes, list[Codes]]:
    """The characters of all texts as n-grams see them, 0 behind each text, and the buckets.

    The n-gram of size *n* that begins at place *i* has the bucket ``buckets[n - 1][i]``; those that
    cross the border of a text are there too.
    """
    codes = _codes(texts)
    return codes, list(_buckets(codes, bits))


def normalised(text: str) -> str:
    """The text as its n-grams see it: folded, runs squeezed, one sign for a link or an @name."""
    return "".join(map(chr, _codes([text])[:-1]))


def _buckets(codes: Codes, bits: int) -> Iterator[Codes]:
    """Of each size of n-gram the buckets, in order of the places where they begin."""
    rolling = np.zeros_like(codes)
    for size in range(1, _LONGEST_GRAM + 1):
        # from those that are one letter shorter
        rolling = rolling[: max(len(codes) - size + 1, 0)]
        rolling = (rolling ^ (rolling >> np.uint32(15))) * _STEP + codes[size - 1 :] * _LETTER
        rolling += np.uint32(size)
        yield _bucket(rolling, bits)


def _bucket(hashed: Codes, bits: int) -> Codes:
    """The best mixed bits of a hash (the end of MurmurHash3's way)."""
    mixed = (hashed ^ (hashed >> np.uint32(16))) * _MIX_A
    mixed = (mixed ^ (mixed >> np.uint32(13))) * _MIX_B
    return mixed >> np.uint32(32 - bits)


def _codes(texts: Sequence[str]) -> Codes:
    """Code points of all texts after light normalisation, a border behind each text."""
    joined = "".join([text[:MAX_CHARACTERS].replace("\x00", " ") + "\x00" for text in texts])
    joined = _NAME.sub(_NAME_SIGN, _LINK.sub(_LINK_SIGN, joined))
    # JSON can carry half a surrogate pair; it is odd text, not a reason to stop
    codes = np.frombuffer(fold(joined).encode("utf-32-le", "surrogatepass"), "<u4")
    codes = codes[codes != ord(INVISIBLE)].astype(np.uint32)
    codes[(codes < _SPACE) & (codes != _BORDER)] = _SPACE
    codes = codes[_is_new(codes, 1) | (codes != _SPACE)]
    squeezed: Codes = codes[_is_new(codes, _LONGEST_RUN) | (codes == _BORDER)]
    return squeezed


def _is_new(codes: Codes, run: int) -> npt.NDArray[np.bool_]:
    """False where the ``run`` characters before are all the same one again."""
    new = np.ones(len(codes), np.bool_)
    if len(codes) > run:
        repeats = codes[1:] == codes[:-1]
        in_run = repeats[run - 1 :].copy()
        for back in range(1, run):
            in_run &= repeats[run - 1 - back : len(repeats) - back]
        new[run:] = ~in_run
    return new


class PlacedNgram(NamedTuple):
    """An n-gram where it stands: [start, end) in code points of the text as received."""

    start: int
    end: int
    bucket: int


def placed_ngrams(text: str, bits: int = MOST_BITS) -> list[PlacedNgram]:
    """Every n-gram of ``text_features([text])`` with its place, by place; for explanations.

    Some 100 times slower than the features themselves. One that stands there twice is there twice.
    """
    own, sign, tail = text.partition(_TAIL)
    found = _placed(own.strip(), len(own) - len(own.lstrip()), bits)
    return found + _placed(tail, len(own) + len(sign), bits)


def _placed(part: str, offset: int, bits: int) -> list[PlacedNgram]:
    """The n-grams of a part whose first character is at ``offset`` of the text."""
    codes, places = _placed_codes(part)
    found = []
    for size, buckets in enumerate(_buckets(codes, bits), 1):
        found += [
            PlacedNgram(offset + places[n][0], offset + places[n + size - 1][1], bucket)
            for n, bucket in enumerate(buckets.tolist())
        ]
    return sorted(found)


def _placed_codes(part: str) -> tuple[Codes, list[tuple[int, int]]]:
    """The code points that ``_codes`` gives of one text, and where each stands in it."""
    text = part[:MAX_CHARACTERS].replace("\x00", " ")
    places = [(place, place + 1) for place in range(len(text))]
    for pattern, sign in ((_LINK, _LINK_SIGN), (_NAME, _NAME_SIGN)):
        for found in reversed(list(pattern.finditer(text))):
            start, end = found.span()
            text = text[:start] + sign + text[end:]
            places[start:end] = [(places[start][0], places[end - 1][1])]
    points = np.frombuffer(fold(text).encode("utf-32-le", "surrogatepass"), "<u4")
    codes = np.maximum(points.astype(np.uint32), np.uint32(_SPACE))
    numbers = np.arange(len(codes))[points != ord(INVISIBLE)]
    numbers = numbers[_is_new(codes[numbers], 1) | (codes[numbers] != _SPACE)]
    numbers = numbers[_is_new(codes[numbers], _LONGEST_RUN)]
    return codes[numbers], [places[number] for number in numbers.tolist()]
