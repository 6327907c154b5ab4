"""Crises on hot-search boards: ``python -m benchmarks.crisis_days [FOLDER] [--others]``.

Replays the recorded boards of ``../shared`` (or FOLDER) through brand tags, mentions and the judge
of boards, in the order of the recording, and prints the scorer's JSON for all labelled days, last,
and figures of each half (2021, 2026). The brands are those of ``deploy/registry`` and, by their
names alone, the labelled ones that no registry knows. Nothing is fitted here; ``crossed`` chooses
the two thresholds on one half and tells what they give on the other, and the other way round.

``--others`` prints the alarms of brands that no label is about, with their titles, for a reader.
"""

import gzip
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.brands import SHARED, registry_rules
from processors.board_watch import BoardRule, Boards
from processors.chain import build_chain
from processors.mentions import mentions
from schemas.enriched import EnrichedPost
from schemas.post import Author, Post
from schemas.rules import Brand, RuleSet
from schemas.signals import Mention

CHAIN = ("brands", "sentiment")
STREAM = "hot_stream_dev.tsv.gz"
LABELS = "brand_day_events_dev.json"
HALVES = ("2021", "2026")
#: What ``crossed`` chooses among.
LEAST = (1.5, 2.0, 2.5, 3.0)
SHARE = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
_BATCH = 2_000

Alarm = dict[str, str]


def rules_with(names: Sequence[str], folder: Path) -> tuple[RuleSet, dict[str, str]]:
    """The registries, the names they lack, and the brand of each name."""
    rules = registry_rules(folder)
    known: dict[str, str] = {}
    for brand in rules.brands:
        for word in (brand.name, *brand.words):
            known.setdefault(word, brand.id)
    lacking = [
        Brand(id=f"named-{place}", name=name, role="own", aliases=(name,))
        for place, name in enumerate(names)
        if name not in known
    ]
    rules = rules.model_copy(update={"brands": (*rules.brands, *lacking)})
    return rules, known | {brand.name: brand.id for brand in lacking}


def sightings(path: Path) -> Iterator[tuple[datetime, str]]:
    """Each row of the recording: when, and which title."""
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in rows:
            seconds, _, _, title, *_ = row.rstrip("\n").split("\t")
            yield datetime.fromtimestamp(int(seconds), UTC), title


def mentions_of(titles: Sequence[str], rules: RuleSet) -> dict[str, list[Mention]]:
    """What the product makes of each title that names a brand; an equal title is judged alike."""
    chain = build_chain(CHAIN, {}, rules)
    at = datetime(2021, 1, 1, tzinfo=UTC)
    found: dict[str, list[Mention]] = {}
    for start in range(0, len(titles), _BATCH):
        posts = [
            Post(
                id=f"weibo-hot:{number}",
                platform="weibo-hot",
                kind="hot",
                text=title,
                author=Author(id="board"),
                published_at=at,
                observed_at=at,
                source="benchmark",
            )
            for number, title in enumerate(titles[start : start + _BATCH], start)
        ]
        for title, post in zip(titles[start:], chain.run(posts), strict=False):
            if isinstance(post, EnrichedPost) and post.brands:
                found[title] = mentions(post)
    return found


def alarms(stream: Sequence[tuple[datetime, Mention]], rule: BoardRule) -> list[Alarm]:
    """The crises of each brand, as the scorer reads them: brand, at, until."""
    states: dict[str, Boards] = {}
    opened: dict[str, Alarm] = {}
    told: list[Alarm] = []
    for at, mention in stream:
        boards = states.setdefault(mention.brand, Boards())
        if mention.brand in opened and rule.is_over(boards, at):
            del opened[mention.brand]
        if not rule.sighted(boards, mention.replaced(event_at=at)):
            continue
        boards.held_at = at
        if mention.brand not in opened:
            told.append({"brand": mention.brand, "at": at.isoformat()})
            opened[mention.brand] = told[-1]
        opened[mention.brand]["until"] = at.isoformat()
    return told


def in_half(told: Sequence[Alarm], half: str) -> list[Alarm]:
    """The alarms of one part of the recording."""
    return [alarm for alarm in told if (alarm["at"] < "2024") == (half == "2021")]


def score(shared: Path, told: Sequence[Alarm], names: Mapping[str, str]) -> Any:
    """The scorer's JSON; ``names``: name of the labels to brand."""
    with tempfile.TemporaryDirectory() as folder:
        lines, aliases = Path(folder) / "alarms.jsonl", Path(folder) / "aliases.json"
        lines.write_text("".join(json.dumps(alarm) + "\n" for alarm in told), "utf-8")
        aliases.write_text(json.dumps({brand: name for name, brand in names.items()}), "utf-8")
        scorer = shared / "tools" / "score_crisis_days.py"
        command = [sys.executable, scorer, lines, "--alias", aliases, "--list"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    *days, _, total = said.splitlines()
    return json.loads(total) | {"lines": days}


def of_half(scored: Any, half: str) -> dict[str, float]:
    """Precision and recall of the labelled days of one half, counted from the scorer's list."""
    days = [
        line.split(" ")
        for line in scored["lines"]
        if (line.split(" ")[1] < "2024") == (half == "2021")
    ]
    crises = [day for day in days if day[2] == "crisis"]
    hits = sum(day[3] == "alert" for day in crises)
    alerts = sum(day[3] == "alert" for day in days)
    false = (alerts - hits) / max(1, len(days) - len(crises))
    return {
        "precision": round(hits / max(1, alerts), 3),
        "recall": round(hits / max(1, len(crises)), 3),
        "false_share": round(false, 3),
        "crises": len(crises),
        "days": len(days),
    }


def crossed(
    shared: Path, stream: Sequence[tuple[datetime, Mention]], names: Mapping[str, str]
) -> dict[str, Any]:
    """Both thresholds chosen on one half (best F1, then the higher ones), told on the other."""
    tried = {
        (least, share): score(
            shared, alarms(stream, BoardRule(least_trouble=least, trouble_share=share)), names
        )
        for least, share in itertools.product(LEAST, SHARE)
    }
    results: dict[str, Any] = {}
    for chosen_on, told_on in (HALVES, HALVES[::-1]):
        best = max(tried, key=lambda pair: (_f1(of_half(tried[pair], chosen_on)), pair))
        results[f"chosen on {chosen_on}, told on {told_on}"] = {
            "least_trouble": best[0],
            "trouble_share": best[1],
            **of_half(tried[best], told_on),
        }
    return results


def _f1(figures: Mapping[str, float]) -> float:
    precision, recall = figures["precision"], figures["recall"]
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _others(
    stream: Sequence[tuple[datetime, Mention]], told: Sequence[Alarm], named: frozenset[str]
) -> Iterator[str]:
    for alarm in told:
        at = datetime.fromisoformat(alarm["at"])
        if alarm["brand"] not in named:
            titles = dict.fromkeys(
                mention.excerpt
                for seen, mention in stream
                if mention.brand == alarm["brand"] and at - timedelta(days=1) <= seen <= at
            )
            yield f"{alarm['at']} {alarm['brand']}: {'; '.join(titles)}"


def main() -> None:
    """Measure and print."""
    arguments = [word for word in sys.argv[1:] if not word.startswith("--")]
    shared = Path(arguments[0]) if arguments else SHARED
    data = shared / "data" / "hot"
    if not (data / STREAM).exists():
        sys.exit(
            f"skipped: no recorded boards in {data}; give the folder that holds data and tools"
        )
    labels = json.loads((data / LABELS).read_text("utf-8"))
    names = sorted({day["brand"] for day in labels})
    with tempfile.TemporaryDirectory() as folder:
        rules, known = rules_with(names, Path(folder))
    rows = list(sightings(data / STREAM))
    found = mentions_of(list(dict.fromkeys(title for _, title in rows)), rules)
    stream = [(at, mention) for at, title in rows for mention in found.get(title, ())]
    told = alarms(stream, BoardRule())
    brands = {name: known[name] for name in names}
    if "--others" in sys.argv:
        print(*_others(stream, told, frozenset(brands.values())), sep="\n")
        return
    ours = [alarm for alarm in told if alarm["brand"] in brands.values()]
    scored = score(shared, ours, brands)
    halves = {half: of_half(scored, half) for half in HALVES}
    del scored["lines"]
    print(json.dumps({"halves": halves}))
    print(
        json.dumps(
            {
                "crossed": crossed(
                    shared, [one for one in stream if one[1].brand in brands.values()], brands
                )
            }
        )
    )
    print(json.dumps(scored))


if __name__ == "__main__":
    main()
