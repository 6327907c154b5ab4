"""How common a character is: a rough guess, to look for the rarest words first.

Nothing depends on the guess but speed. ``character_shares.txt`` holds the common characters of
Chinese, a line for each power of two: how many bits one of them says, and the characters. They are
counted in the dictionary of jieba 0.42.1 (MIT), words by their frequency there::

    python -m processors.character_shares
"""

import math
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

from processors.fold import fold

__all__ = ["main", "share_of"]

TABLE = Path(__file__).with_suffix(".txt")

#: A character that says more bits is not listed: it is rare.
RARE_BITS = 15
LATIN_BITS = 4
_LATIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def share_of(sign: str) -> float:
    """The share of a folded character among those of a text."""
    bits = LATIN_BITS if sign in _LATIN else _bits().get(sign, RARE_BITS)
    return 2.0**-bits


@cache
def _bits() -> dict[str, int]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = (line.split(" ") for line in lines)
    return {sign: int(bits) for bits, signs in rows for sign in signs}


def main() -> None:
    """Rewrite the table."""
    import jieba  # no worker needs it

    counted: Counter[str] = Counter()
    dictionary = Path(jieba.__file__).with_name("dict.txt")
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word, frequency, _ = line.split(" ")
        for sign in fold(word):
            counted[sign] += int(frequency)
    whole = counted.total()
    by_bits: dict[int, list[str]] = defaultdict(list)
    for sign, count in counted.items():
        bits = round(-math.log2(count / whole))
        if bits < RARE_BITS and sign not in _LATIN:
            by_bits[bits].append(sign)
    lines = [f"{bits} {''.join(sorted(signs))}\n" for bits, signs in sorted(by_bits.items())]
    TABLE.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
