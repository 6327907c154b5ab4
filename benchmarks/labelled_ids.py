"""Labels of texts that are not ours to copy: ids stand here, the texts beside the project.

A file of ``benchmarks/labels/`` has a line per text, ``id<TAB>...``; lines that begin with ``#``
say who labelled what. An id is the first 16 hexadecimal digits of the SHA-256 of the text with
every run of blanks made one space, so that a set joins whatever its line ends were.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

__all__ = ["LABELS", "SETS", "SHARED", "read_labels", "text_id", "texts_of"]

SHARED = Path(__file__).resolve().parents[2] / "shared"
LABELS = Path(__file__).with_name("labels")
#: The labelled sets, under ``data`` of the folder beside the project.
SETS = {
    **{
        name: f"sentiment/{name}.jsonl"
        for name in (
            "smp2020_usual",
            "smp2020_virus",
            "nlpcc2014_weibo",
            "bdci_car",
            "shopping",
            "waimai",
        )
    },
    "hot": "hot/hot_stream_dev.tsv.gz",
}
_TITLE = 3  # its column in the stream of hot lists


def text_id(text: str) -> str:
    """Which text a label is of."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_labels(name: str) -> dict[str, tuple[str, ...]]:
    """The other columns of each id of a file."""
    lines = (LABELS / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {row[0]: tuple(row[1:]) for row in rows}


def texts_of(name: str, shared: Path) -> Iterator[str]:
    """All texts of a set, copies too."""
    path = shared / "data" / SETS[name]
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from (line.rstrip("\n").split("\t")[_TITLE] for line in file)
    else:
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line)["text"] for line in file)
