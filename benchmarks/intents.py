"""How well intents are found: ``python -m benchmarks.intents``.

On the cases written for this project (``tests/processors/intent_cases.tsv``), the half that was
held back: precision, recall and F1 per label, with 95 % intervals (Wilson's for shares, bootstrap
over cases for F1). Then, where the development data lies beside the project, how many of the
complaint titles are found to be complaints, and the same table on real texts that one annotator
labelled (``labels/intents.tsv``): the half for choosing and the half for measuring only, all sets
together and the car forum alone. Many of these texts taught the built-in weights what a bad or a
good review is; none taught them an intent. Mood is judged before, as in the chain.
"""

import json
import math
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.labelled_ids import SETS, SHARED, read_labels, text_id, texts_of
from processors.chain import build_chain
from processors.intents import INTENTS
from schemas.enriched import EnrichedPost
from schemas.post import Author, Post
from schemas.rules import RuleSet
from tests.processors.intent_cases import Case, Counts, cases, counted

HEADING = "| label | cases | precision | recall | F1 |\n|---|---|---|---|---|\n"
REAL = ("complaint", "enquiry", "purchase", "praise")
"""What the annotator of the real texts was asked."""
TITLES = SHARED / "data" / "complaints" / "auto_complaints_dev.json"
ROUNDS = 1_000
AT = datetime(2026, 1, 1, tzinfo=UTC)

Judged = Sequence[tuple[Case, Sequence[str]]]


class Interval(NamedTuple):
    """95 %."""

    low: float
    high: float


def found_in(texts: Sequence[str]) -> list[EnrichedPost]:
    """Texts through mood and intents."""
    rules = RuleSet(id="none", version=1, author="b", reason="b", changed_at=AT)
    posts = [
        Post(
            id=f"weibo:{number}",
            platform="weibo",
            kind="post",
            text=text,
            author=Author(id="1"),
            published_at=AT,
            observed_at=AT,
            source="benchmark",
        )
        for number, text in enumerate(texts)
    ]
    chain = build_chain(("sentiment", "intents"), {}, rules)
    return [post for post in chain.run(posts) if isinstance(post, EnrichedPost)]


def labels_of(post: EnrichedPost) -> list[str]:
    """The labels alone."""
    return [intent.label for intent in post.intents]


def wilson(right: int, of: int) -> Interval:
    """Wilson's interval of a share."""
    if not of:
        return Interval(0, 1)
    z, share = 1.96, right / of
    middle = share + z * z / (2 * of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    whole = 1 + z * z / of
    return Interval((middle - reach) / whole, (middle + reach) / whole)


def bootstrap(label: str, judged: Judged) -> Interval:
    """F1 over cases drawn again and again."""
    chance = random.Random(20260101)
    drawn = sorted(counted(label, chance.choices(judged, k=len(judged))).f1 for _ in range(ROUNDS))
    return Interval(drawn[ROUNDS * 25 // 1000], drawn[ROUNDS * 975 // 1000])


def row(label: str, judged: Judged) -> str:
    """One line of the table."""
    counts: Counts = counted(label, judged)
    told, there = counts.right + counts.wrong, counts.right + counts.missed
    cells = (
        (counts.precision, wilson(counts.right, told)),
        (counts.recall, wilson(counts.right, there)),
        (counts.f1, bootstrap(label, judged)),
    )
    shown = " | ".join(f"{value:.2f} ({low:.2f}-{high:.2f})" for value, (low, high) in cells)
    return f"| {label} | {there} | {shown} |"


def real_cases(shared: Path) -> dict[tuple[str, str], list[Case]]:
    """Labelled real texts by set and half; labels without a text there are left out."""
    labels = read_labels("intents")
    found: dict[tuple[str, str], list[Case]] = {}
    for name in SETS:
        texts = {text_id(text): text for text in texts_of(name, shared)}
        for key, (of, half, intents) in labels.items():
            if of == name and key in texts:
                case = Case(texts[key], frozenset(intents.split(",")) - {"-"})
                found.setdefault((name, half), []).append(case)
    return found


def real(shared: Path) -> str:
    """The tables of the real texts."""
    by_set = {
        place: list(zip(some, map(labels_of, found_in([case.text for case in some])), strict=True))
        for place, some in real_cases(shared).items()
    }
    tables = []
    for half in ("dev", "test"):
        for title, names in (("all sets", tuple(SETS)), ("bdci_car", ("bdci_car",))):
            judged = [one for name in names for one in by_set.get((name, half), ())]
            lines = "\n".join(row(label, judged) for label in REAL)
            tables.append(f"half {half}, {title}: {len(judged)} real texts\n\n{HEADING}{lines}\n")
    return "\n".join(tables)


def main() -> None:
    """Measure and print."""
    say = sys.stdout.write
    listed = [case for case in cases() if case.held_back]
    judged = [
        (case, labels_of(post))
        for case, post in zip(listed, found_in([case.text for case in listed]), strict=True)
    ]
    say(f"{len(judged)} cases that were held back\n\n")
    say(HEADING)
    for label in INTENTS:
        say(row(label, judged) + "\n")
    if not TITLES.exists():
        say(f"\nno complaint titles in {SHARED}\n")
        return
    titles = [entry["text"] for entry in json.loads(TITLES.read_text(encoding="utf-8"))]
    posts = found_in(titles)
    right = sum("complaint" in labels_of(post) for post in posts)
    low, high = wilson(right, len(titles))
    defects = sum(bool(post.defects) for post in posts)
    say(f"\ncomplaint titles: recall {right / len(titles):.3f} ({low:.3f}-{high:.3f})")
    say(f", {defects / len(titles):.3f} with a named defect, of {len(titles)}\n")
    say(f"\n{real(SHARED)}")


if __name__ == "__main__":
    main()
