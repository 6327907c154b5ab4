from pathlib import Path

from processors.traditional_to_simplified import TABLE, character_pairs

DICTIONARIES = {
    "TSCharacters.txt": (
        "# a comment\n\n"
        "車\t车\n乾\t干 乾\n像\t像 象\n爲\t为\n"  # 像: its first choice is itself
        "甲\t乙\n乙\t丙\n"  # a chain
        "長\t丁戊\n"  # not one to one
    ),
    "TWVariantsRev.txt": "為\t爲\n床\t牀\n",
    "HKVariantsRev.txt": "衞\t衛\n",
}


def test_pairs_follow_the_dictionaries(tmp_path: Path) -> None:
    # Given dictionaries in OpenCC's format
    for name, content in DICTIONARIES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")

    # When pairs are made
    pairs = character_pairs(tmp_path)

    # Then first choices count, chains end, and what is simplified already stays
    assert pairs == {
        "車": "车",
        "乾": "干",
        "爲": "为",
        "甲": "丙",
        "乙": "丙",
        "為": "为",
        "衞": "衛",
    }


def test_the_committed_pairs_are_sorted_distinct_and_final() -> None:
    line = TABLE.read_text(encoding="utf-8").removesuffix("\n")
    olds, news = line[::2], line[1::2]

    assert len(olds) == len(news) > 3000
    assert list(olds) == sorted(set(olds))
    assert not set(olds) & set(news)
