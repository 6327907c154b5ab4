"""The starter registries: they load, and their facts hold."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import rjieba

from benchmarks.brands import tags
from pipeline.rules import read_rule_file
from processors.brand_sense import sense_of
from processors.brand_talk import knowledge
from processors.brands import Brands
from processors.fold import fold
from schemas.rules import Alias, RuleSet

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "registry"
FILES = sorted(FOLDER.glob("*.toml"))
HEAD = """
id = "main"
version = 1
author = "王"
reason = "测试"
changed_at = 2026-01-05T09:00:00+08:00
"""


def rules_with(tmp_path: Path, *files: Path, own: str = "[]") -> RuleSet:
    path = tmp_path / "rules.toml"
    included = ", ".join(f'"{file}"' for file in files)
    path.write_text(f"{HEAD}include = [{included}]\nown = {own}\n", encoding="utf-8")
    return read_rule_file(path)


@pytest.fixture
def everything(tmp_path: Path) -> RuleSet:
    return rules_with(tmp_path, *FILES)


def test_there_is_much_to_start_from(everything: RuleSet) -> None:
    assert [file.stem for file in FILES] == ["cars", "commerce", "food", "phones", "travel"]
    assert len(everything.brands) >= 150
    assert Brands(Brands.Config(), everything).version


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_each_file_stands_alone(tmp_path: Path, file: Path) -> None:
    assert len(rules_with(tmp_path, file).brands) >= 25


#: One name for two brands of one house.
SHARED_NAMES = {"捷豹路虎": ["land-rover", "jaguar"]}


def test_no_other_name_stands_for_two_brands(everything: RuleSet) -> None:
    owners: dict[str, list[str]] = {}
    for brand in everything.brands:
        for word in brand.words:
            owners.setdefault(fold(word), []).append(brand.id)

    assert {word: ids for word, ids in owners.items() if len(ids) > 1} == SHARED_NAMES


#: Short codes of models that nothing else is called by.
CODES = {"ZK", "K3", "宋L", "秦L", "豹5", "豹8", "钛3", "钛7", "B站", "茶π", "广本"}
#: Short names that the dictionary tags as names of brands, places or persons; as brands they are
#: what public text means.
NAMES = frozenset(["nz", "nr", "nrt", "ns", "nt", "x"])


def test_short_names_are_weighed_or_are_no_other_word(everything: RuleSet) -> None:
    cutter: Any = rjieba.Jieba()
    only = set(knowledge()["names"]["only"].split())
    unclear = []
    for brand in everything.brands:
        for name in brand.names:
            word = fold(name.word)
            if len(word) > 2 or sense_of(name) or word in only or name.word in CODES:
                continue
            if cutter.has_word(word) and cutter.tag(word, False)[0][1] not in NAMES:
                unclear.append((brand.id, name.word))
            if word.isascii() and len(word) < 2:
                unclear.append((brand.id, name.word))

    assert unclear == []


def test_common_words_are_weighed() -> None:
    for word in "苹果 小米 大众 现代 理想 滴滴 起亚 统一 长安 红旗 荣耀 光明 雪花".split():
        assert sense_of(Alias(word=word)), word
    assert not knowledge()["word"].keys() & set(knowledge()["names"]["only"].split())


def test_brands_of_a_registry_become_ours(tmp_path: Path) -> None:
    rules = rules_with(tmp_path, FOLDER / "cars.toml", own='["byd"]')
    roles = {brand.id: brand.role for brand in rules.brands}

    assert (roles["byd"], roles["denza"], roles["tesla"]) == ("own", "own", "competitor")
    assert roles["autohome"] == "industry"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("捷豹路虎召回", {"jaguar", "land-rover"}),
        ("奇瑞捷豹路虎召回", {"chery-jlr"}),
        ("上汽通用销量下滑", {"saic-gm"}),
        ("上汽通用别克降价", {"buick"}),
        ("神龙汽车裁员", {"dpca"}),
        ("乐道L60异响", {"onvo", "nio"}),
        ("0175.HK跌停", {"geely"}),
        ("老坛酸菜牛肉面里有虫", set()),
        ("罗永浩开播", {"luo-yonghao"}),
        ("广州本田漏油", {"gac-honda", "honda"}),
        ("东风小康漏油", {"dfsk"}),
        ("林肯汽车召回", {"lincoln", "ford"}),
        ("捷尼赛思召回", {"genesis", "hyundai"}),
        ("享界S9和智界R7", {"stelato", "luxeed"}),
        ("Model-Y和iPhone15", {"tesla", "apple"}),
        ("进口科雷傲异响", {"renault"}),
    ],
)
def test_the_facts_hold(everything: RuleSet, text: str, expected: set[str]) -> None:
    assert {tag.brand for tag in tags(Brands(Brands.Config(), everything), text)} == expected


def test_brands_stand_below_their_houses(everything: RuleSet) -> None:
    houses: dict[str | None, set[str]] = {}
    for brand in everything.brands:
        houses.setdefault(brand.parent, set()).add(brand.id)

    assert houses["geely-holding"] >= {"geely", "volvo", "polestar", "lotus", "smart", "zeekr"}
    assert houses["saic-gm"] == {"buick", "chevrolet", "cadillac"}
    assert houses["hima"] == {"luxeed", "stelato", "maextro"}
    assert houses["seres"] == {"aito", "dfsk"}
    assert "douyin" in houses["bytedance"]


def test_the_files_hold_brands_only() -> None:
    for file in FILES:
        assert tomllib.loads(file.read_text("utf-8")).keys() == {"brands"}
