from collections.abc import Iterator

import pytest

from schemas.language import language, say, use_language

VARIABLES = ("TINGCHAO_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture(autouse=True)
def no_locale(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    use_language(None)
    yield
    use_language(None)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "zh"),
        ({"LANG": "C"}, "zh"),
        ({"LANG": "C.UTF-8"}, "zh"),
        ({"LANG": "POSIX"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_TW.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, "en"),
        ({"LC_ALL": "zh_CN.UTF-8", "LANG": "en_GB.UTF-8"}, "zh"),
        ({"LC_MESSAGES": "en_US", "LANG": "zh_CN"}, "en"),
        ({"TINGCHAO_LANGUAGE": "en", "LC_ALL": "zh_CN.UTF-8"}, "en"),
        ({"TINGCHAO_LANGUAGE": "ZH", "LANG": "en_US"}, "zh"),
        ({"TINGCHAO_LANGUAGE": "", "LANG": "en_US"}, "en"),
    ],
)
def test_the_locale_decides_and_chinese_is_the_default(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert language() == expected


def test_a_choice_wins_over_everything_until_it_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TINGCHAO_LANGUAGE", "zh")

    use_language("en")
    assert say("没有找到帖子。", "No posts found.") == "No posts found."

    use_language(None)
    assert say("没有找到帖子。", "No posts found.") == "没有找到帖子。"
