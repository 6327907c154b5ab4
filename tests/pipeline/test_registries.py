"""Files of brands that a rule file includes."""

from pathlib import Path

import pytest

from pipeline.rules import read_rule_file
from schemas.errors import FatalError
from schemas.rules import RuleSet

HEAD = """
id = "main"
version = 2
author = "王"
reason = "上市"
changed_at = 2026-03-05T12:00:00+08:00
"""
CARS = """
[[brands]]
id = "qilan"
name = "启澜"
aliases = ["启澜"]
[[brands]]
id = "ql8"
name = "QL8"
kind = "model"
parent = "qilan"
aliases = ["QL8"]
[[brands]]
id = "paper"
name = "车评周刊"
kind = "account"
role = "industry"
aliases = ["车评周刊"]
[[brands]]
id = "tuochuan"
name = "拓川"
aliases = ["拓川"]
"""


def rules(folder: Path, text: str, cars: str | bytes | None = CARS) -> RuleSet:
    (folder / "sub").mkdir(exist_ok=True)
    if cars is not None:
        content = cars if isinstance(cars, bytes) else cars.encode()
        (folder / "sub" / "cars.toml").write_bytes(content)
    path = folder / "rules.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return read_rule_file(path)


INCLUDE = 'include = ["sub/cars.toml"]\n'


def test_included_brands_are_competitors_unless_they_are_ours(tmp_path: Path) -> None:
    found = rules(tmp_path, INCLUDE + 'own = ["qilan"]\n')

    assert {brand.id: brand.role for brand in found.brands} == {
        "qilan": "own",
        "ql8": "own",
        "paper": "industry",
        "tuochuan": "competitor",
    }


def test_a_brand_of_the_rule_file_stands_for_the_included_one(tmp_path: Path) -> None:
    written = '[[brands]]\nid = "tuochuan"\nname = "拓"\nrole = "own"\naliases = ["拓"]\n'

    found = {brand.id: brand for brand in rules(tmp_path, INCLUDE + written).brands}

    assert found["tuochuan"].aliases == ("拓",)
    assert len(found) == 4


@pytest.mark.parametrize(
    ("text", "cars", "named"),
    [
        (INCLUDE, None, "cars.toml"),
        (INCLUDE, b"\xff", "cars.toml"),
        (INCLUDE, "brands = 3", "[[brands]]"),
        (INCLUDE, 'id = "x"\n' + CARS, "[[brands]]"),
        (INCLUDE, "[[brands]]\nname = 'a'", "[[brands]]"),
        (INCLUDE, CARS.replace('aliases = ["拓川"]', "aliases = []"), "tuochuan"),
        (INCLUDE, CARS.replace('"model"', '"boat"'), "ql8"),
        (INCLUDE, CARS.replace('parent = "qilan"', 'parent = "qi"'), "ql8"),
        (INCLUDE, CARS.replace('parent = "qilan"', 'parent = "ql8"'), "ql8"),
        (INCLUDE, CARS.replace('parent = "qilan"', "parent = 3"), "ql8"),
        ('include = ["sub/cars.toml", "sub/cars.toml"]', CARS, "qilan"),
        ('include = "sub/cars.toml"', CARS, "include"),
        ("include = [3]", CARS, "include"),
        (f"include = {['a'] * 33}", CARS, "include"),
        (INCLUDE + 'own = ["nobody"]', CARS, "nobody"),
        ('own = ["qilan"]', CARS, "qilan"),
        (INCLUDE + "brands = 3", CARS, "brands"),
        (INCLUDE + "[[brands]]\nid = ['a']", CARS, "brands[1] id: 要写成带引号的文字"),
        (INCLUDE, CARS.replace('aliases = ["拓川"]', ""), "tuochuan：aliases: 缺这一项"),
        (INCLUDE, None, "没有这个文件"),
    ],
)
def test_what_cannot_be_included_is_refused_by_name(
    tmp_path: Path, text: str, cars: str | bytes | None, named: str
) -> None:
    with pytest.raises(FatalError) as caught:
        rules(tmp_path, text, cars)

    assert "rules.toml" in str(caught.value)
    assert named in str(caught.value)
