"""Why a wave is called what it is, for people."""

from collections.abc import Callable, Iterator
from typing import get_args

import pytest

from schemas.incident import Baseline, Incident, Reason, ReasonFact, SeverityParts
from schemas.language import Language, use_language
from sinks.base import Notice
from sinks.notice_text import describe, title
from sinks.reason_text import reason_lines, reason_words

MakeIncident = Callable[..., Incident]


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    use_language("zh")
    yield
    use_language(None)


REASONS = (
    Reason(fact="negative", count=10, of=12, usual=0.18),
    Reason(fact="same_fault", count=4, of=12, text="制动:失灵\u202e"),
    Reason(fact="fear", count=5, of=12),
    Reason(fact="crowd", count=3),
)
PARTS = SeverityParts(size=1, mood=1, panic=1, apart=1)


def test_one_line_says_why_and_one_what_made_the_severity(make_incident: MakeIncident) -> None:
    incident = make_incident(reasons=REASONS, severity_parts=PARTS, severity=PARTS.severity)
    text = describe(incident, "海鸥")
    assert (
        "为什么这么判断：负面声音 10/12（平时 18%），4 人都说“制动:失灵”，恐慌 5/12，"
        "规模达下限的 3 倍\n"
        "      级别 = 1 + 规模 1 + 加重项 2 的一半取整（负面为主、恐慌）；不是自有品牌 −1\n"
    ) in text
    use_language("en")
    assert (
        "judged so because: 10/12 negative voices (usually 18%); "
        '4 people complain of "制动:失灵"; 5/12 afraid; 3 times the least size\n'
        "     severity = 1 + size 1 + half of 2 aggravating, rounded down "
        "(mostly negative, panic); not an own brand −1\n"
    ) in describe(incident, "海鸥")


def test_an_incident_of_older_days_says_nothing_of_it(make_incident: MakeIncident) -> None:
    assert list(reason_lines(make_incident())) == []


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("fact", get_args(ReasonFact))
def test_every_fact_has_words(fact: ReasonFact, language: Language) -> None:
    use_language(language)
    told = reason_words(Reason(fact=fact, count=7, of=9, usual=0.5, text="客服"))
    assert told.strip(" 0123456789/")


def test_boards_are_explained_by_topics(make_incident: MakeIncident) -> None:
    incident = make_incident()
    usual = Baseline(median=0.2, spread=1, buckets=28, days=28)
    numbers = incident.evidence.numbers.model_copy(update={"mentions": 5, "negative": 3})
    evidence = incident.evidence.model_copy(
        update={"measured": "topics", "score": 2.9, "threshold": 2.0, "baseline": usual}
        | {"numbers": numbers}
    )
    incident = incident.model_copy(update={"evidence": evidence})
    text = describe(incident, "海鸥")
    assert title(Notice("k", "opened", incident, "海鸥")) == (
        "【危机·新事件】海鸥：鼓包、着火（严重 4/5，热搜榜上 5 个话题，3 个说的是麻烦）"
    )
    assert "热搜榜上 5 个话题，3 个说的是麻烦，合计 2.9（平时一天 0.2），门槛 2" in text
    assert "标准差" not in text
