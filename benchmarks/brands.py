"""How well brands are told from their namesakes: ``python -m benchmarks.brands [FOLDER]``.

Tags the two packs of ``../shared`` (or FOLDER) with the registries of ``deploy/registry``, writes
the predictions beside the scorer's aliases to a temporary folder, and prints the scorer's JSON:

- ``sense``: headlines in which a word is a brand or something else;
- ``complaints``: titles of complaints about cars;
- ``sense, no entry``: the first again, each word without its own entry of ``brand_senses.toml``,
  declared ambiguous by the user instead: what a word gets that nobody foresaw.
"""

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.rules import read_rule_file
from processors.brand_talk import knowledge
from processors.brands import Brands
from processors.fold import fold
from schemas.enriched import BrandTag, EnrichedPost
from schemas.post import Author
from schemas.rules import Alias, Brand, RuleSet

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
AT = datetime(2026, 1, 1, tzinfo=UTC)

#: How the complaints' site names what the registry names otherwise.
SITE_NAMES = {
    "哈弗": ["长城汽车"],
    "魏牌": ["长城汽车"],
    "捷达": ["一汽大众"],
    "捷途": ["奇瑞汽车"],
    "瑞麒": ["奇瑞瑞麒"],
    "开瑞": ["开瑞汽车"],
    "名爵": ["上汽集团"],
    "荣威": ["上汽集团"],
    "广汽传祺": ["广汽乘用车"],
    "东风风神": ["东风乘用车"],
    "红旗": ["一汽红旗"],
    "奔腾": ["一汽奔腾"],
    "斯柯达": ["上汽斯柯达"],
    "金杯": ["绵阳金杯", "华晨鑫源"],
    "依维柯": ["南京依维柯"],
    "五菱": ["上汽通用五菱"],
    "宝骏": ["上汽通用五菱"],
    "长安欧尚": ["长安汽车"],
    "讴歌": ["广汽讴歌"],
}


def registry_rules(folder: Path) -> RuleSet:
    """All registries as one rule set."""
    registries = sorted((ROOT / "deploy" / "registry").glob("*.toml"))
    path = folder / "rules.toml"
    path.write_text(
        'id = "benchmark"\nversion = 1\nauthor = "benchmark"\nreason = "measure"\n'
        f"changed_at = 2026-01-01T00:00:00Z\ninclude = {json.dumps(list(map(str, registries)))}\n",
        encoding="utf-8",
    )
    return read_rule_file(path)


def tags(brands: Brands, text: str) -> tuple[BrandTag, ...]:
    """The tags of a text that stands alone."""
    post = EnrichedPost(
        id="benchmark:1",
        platform="benchmark",
        kind="post",
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="benchmark",
    )
    (enriched,) = brands.enrich([post])
    return enriched.brands if enriched else ()


def headlines(brands: Brands, texts: list[str], rules: RuleSet) -> list[dict[str, object]]:
    """Every name of a brand that stands where the brand is tagged: 小米 also in 小米手机."""
    of_id = {brand.id: brand for brand in rules.brands}
    predictions: list[dict[str, object]] = []
    for text in texts:
        found: set[str] = set()
        for tag in tags(brands, text):
            places = [text[span.start : span.end] for span in tag.spans]
            brand = of_id[tag.brand]
            found.update(
                word for word in (brand.name, *brand.words) if any(word in at for at in places)
            )
        predictions.append({"text": text, "brands": sorted(found)})
    return predictions


def complaints(brands: Brands, texts: list[str], rules: RuleSet) -> list[dict[str, object]]:
    """The most special brand of each branch: 一汽-大众, not 大众 too."""
    names = {brand.id: brand.name for brand in rules.brands}
    parents = {brand.id: brand.parent for brand in rules.brands}
    predictions: list[dict[str, object]] = []
    for text in texts:
        found = {tag.brand for tag in tags(brands, text)}
        special = found - {parents[brand] for brand in found}
        predictions.append({"text": text, "brands": sorted(names[brand] for brand in special)})
    return predictions


def without_entries(rows: list[dict[str, str]]) -> list[dict[str, object]]:
    """Tag each headline for its word alone, which has no entry and is declared ambiguous."""
    entries = knowledge()["word"]
    predictions: dict[str, set[str]] = {row["text"]: set() for row in rows}
    for word in sorted({row["brand"] for row in rows}):
        entry = entries.pop(fold(word), None)
        alias = Alias(word=word, ambiguous=True)
        brand = Brand(id="b", name=word, role="own", aliases=(alias,))
        rules = RuleSet(id="b", version=1, author="b", reason="b", changed_at=AT, brands=(brand,))
        brands = Brands(Brands.Config(), rules)
        for row in rows:
            if row["brand"] == word and tags(brands, row["text"]):
                predictions[row["text"]].add(word)
        if entry is not None:
            entries[fold(word)] = entry
    return [{"text": text, "brands": sorted(found)} for text, found in predictions.items()]


def score(shared: Path, folder: Path, pack: str, predictions: list[dict[str, object]]) -> Any:
    """The scorer's JSON."""
    lines = folder / "predictions.jsonl"
    lines.write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in predictions), "utf-8"
    )
    aliases = folder / "aliases.json"
    aliases.write_text(json.dumps(SITE_NAMES if pack == "complaints" else {}), "utf-8")
    scorer = shared / "tools" / "score_tags.py"
    command = [sys.executable, scorer, lines, "--pack", pack, "--alias", aliases]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(said.splitlines()[-1])


def measure(shared: Path) -> dict[str, Any]:
    """What the scorer says of each pack."""
    data = shared / "data"
    lines = (data / "brand" / "hot_titles_brand_sense_dev.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in lines.splitlines()]
    cars = json.loads((data / "complaints" / "auto_complaints_dev.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rules = registry_rules(folder)
        brands = Brands(Brands.Config(), rules)
        sense = headlines(brands, sorted({row["text"] for row in rows}), rules)
        titles = complaints(brands, sorted({row["text"] for row in cars}), rules)
        return {
            "sense": score(shared, folder, "sense", sense),
            "sense, no entry": score(shared, folder, "sense", without_entries(rows)),
            "complaints": score(shared, folder, "complaints", titles),
        }


def main() -> None:
    """Measure and print."""
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    if not (shared / "tools" / "score_tags.py").exists():
        sys.exit(f"skipped: no packs and scorers in {shared}; give their folder")
    for pack, scores in measure(shared).items():
        print(f"{pack}: {json.dumps(scores, ensure_ascii=False)}")


if __name__ == "__main__":
    main()
