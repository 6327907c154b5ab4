"""How well feelings are told in real posts: ``python -m benchmarks.emotions [FOLDER] [--out DIR]``.

FOLDER is the one beside the project that has ``data/sentiment``. Its SMP2020 rows are called only
glad, neutral or negative; ``labels/emotions.tsv`` says of 2,200 negative ones whether they are
angry, sad or afraid (one annotator: silver). Labels and texts are joined by the id of the text and
written to DIR as what ``tingchao train emotions`` reads; then the model is trained as that command
does it, and the table is of its held-out answers: five folds, a chain of reposts in one.

A labelled negative text stands for as many as have none, so that classes have the file's shares.
Surprise, of which these files have no row, is no class of the mean; who is called surprised is
missing in another class. Disappointment is called sad, then angry. Intervals: 95 %, bootstrap.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.labelled_ids import SETS, SHARED, read_labels, text_id
from processors.emotions_training import OWN, Trained, read_rows, train
from processors.labelled import Labelled
from processors.linear import Floats
from processors.linear_training import macro_f1

FILES = ("smp2020_usual", "smp2020_virus", "nlpcc2014_weibo")
CLASSES = ("happy", "angry", "sad", "fear", "neutral")
ROUNDS = 1_000
_CLASS: Mapping[str, str] = {
    "joy": "happy",
    "anger": "angry",
    "sadness": "sad",
    "fear": "fear",
    "none": "neutral",
    "surprise": "surprise",
}
_MOOD = {"happy": 1, "neutral": 0, "surprise": 0}


def joined(shared: Path) -> dict[str, list[dict[str, object]]]:
    """The rows of each set, negative ones with their feeling where somebody named it."""
    feelings = read_labels("emotions")
    sets = {}
    for name in FILES:
        path = shared / "data" / SETS[name]
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            known = feelings.get(text_id(row["text"])) if row["label"] == -1 else None
            if known:
                row["label"] = known[0]
        sets[name] = rows
    return sets


def write(sets: Mapping[str, Sequence[Mapping[str, object]]], folder: Path) -> list[Path]:
    """One JSONL file a set, for ``tingchao train emotions``."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, rows in sets.items():
        path = folder / f"{name}.jsonl"
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text("".join(lines), encoding="utf-8")
        paths.append(path)
    return paths


def figures(held_out: Sequence[tuple[Labelled, str]], disappointed: str) -> str:
    """Lines of the table: macro-F1 with its interval, F1 of each class, macro-F1 of the moods."""
    lines = []
    for name in FILES[:2]:
        mine = [(row.label, said) for row, said in held_out if row.set == name]
        said = np.array([_CLASS.get(answer, disappointed) for _, answer in mine])
        true = np.array([_true(label) for label, _ in mine])
        negative = np.array([mood_of(label) == -1 for label in true])
        known = true != "open"
        counted = np.where(negative, negative.sum() / max(1, (negative & known).sum()), 1.0)[known]
        low, high = _bootstrap(true[known], said[known], counted)
        whole = macro_f1(true[known], said[known], counted)
        each = [f1(one, true[known], said[known], counted) for one in CLASSES]
        moods = macro_f1(
            np.array([mood_of(label) for label in true]), np.array([mood_of(one) for one in said])
        )
        cells = (f"{100 * whole:.1f} ({100 * low:.1f}-{100 * high:.1f})", *_percent(each))
        lines.append(f"| {name} | {' | '.join(cells)} | {100 * moods:.1f} |")
    return "\n".join(lines)


def f1(one: str, true: np.ndarray, said: np.ndarray, counted: Floats) -> float:
    """F1 of one class."""
    both = counted[true == one].sum() + counted[said == one].sum()
    return float(2 * counted[(true == one) & (said == one)].sum() / max(both, 1e-9))


def mood_of(name: str) -> int:
    """The mood of a class; unnamed negative rows are negative."""
    return _MOOD.get(name, -1)


def _true(label: object) -> str:
    if isinstance(label, str):
        return _CLASS[label]
    return {1: "happy", 0: "neutral"}.get(label, "open")  # type: ignore[call-overload, no-any-return]


def _percent(shares: Sequence[float]) -> list[str]:
    return [f"{100 * share:.0f}" for share in shares]


def _bootstrap(true: np.ndarray, said: np.ndarray, counted: Floats) -> tuple[float, float]:
    chance = np.random.default_rng(20260101)
    drawn = []
    for _ in range(ROUNDS):
        rows = chance.integers(0, len(true), len(true))
        drawn.append(macro_f1(true[rows], said[rows], counted[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def own(trained: Trained) -> str:
    """Our own sentences, held out."""
    mine = [(str(row.label), said) for row, said in trained.held_out if row.set == OWN]
    true, said = (np.array(column) for column in zip(*mine, strict=True))
    each = ", ".join(
        f"{name} {100 * f1(name, true, said, np.ones(len(true))):.0f}" for name in np.unique(true)
    )
    return f"{len(mine)} own sentences held out: macro-F1 {100 * macro_f1(true, said):.1f} ({each})"


def main() -> None:
    """Join, train, measure and print."""
    say = sys.stdout.write
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=SHARED)
    parser.add_argument("--out", type=Path, default=Path(".tingchao/emotions"))
    parser.add_argument("--only-join", action="store_true", help="write the rows, train nothing")
    options = parser.parse_args()
    if not (options.folder / "data" / SETS[FILES[0]]).exists():
        say(f"no {SETS[FILES[0]]} in {options.folder / 'data'}: nothing to measure\n")
        return
    paths = write(joined(options.folder), options.out)
    say(f"tingchao train emotions {' '.join(map(str, paths))}\n")
    if options.only_join:
        return
    trained = train([row for path in paths for row in read_rows(path)])
    say(f"{trained.rows} texts, model {trained.model.version}\n\n")
    heads = " | ".join(CLASSES)
    say(f"| set | macro-F1 (95 %) | {heads} | three moods |\n{'|---' * (len(CLASSES) + 3)}|\n")
    for disappointed in ("sad", "angry"):
        say(f"disappointment is {disappointed}:\n{figures(trained.held_out, disappointed)}\n")
    say(f"\n{own(trained)}\n")


if __name__ == "__main__":
    main()
