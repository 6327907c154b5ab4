"""``tingchao quality``: figures of files, without a server."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.labelled import read_labelled
from pipeline.loop import EXIT_FATAL
from pipeline.quality import needed_chain
from pipeline.rules import no_rules
from pipeline.settings import EnrichSettings, Settings
from schemas.enriched import Aspect, Label
from tests.pipeline.line_rig import Answer, cli

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
RULES = """
id = "main"
version = 2
author = "王"
reason = "测试"
changed_at = 2026-03-05T12:00:00+08:00
[[brands]]
id = "lantu"
name = "岚图"
role = "own"
aliases = ["岚图", "岚图汽车"]
[[brands]]
id = "free"
name = "FREE"
role = "own"
kind = "model"
parent = "lantu"
aliases = ["追光"]
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without settings."""
    monkeypatch.chdir(tmp_path)


def rows(folder: Path, *found: dict[str, Any], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, found)), encoding="utf-8")
    return path


def quality(*arguments: str | Path, language: str = "zh") -> Answer:
    return cli("quality", *arguments, TINGCHAO_LANGUAGE=language)


MOODS = (
    {"text": "太差了，很失望，垃圾", "label": -1},
    {"text": "太棒了，非常满意，喜欢", "label": 1},
    {"text": "太棒了，非常满意", "label": -1},
    {"text": "转发微博", "label": 0},
)


def test_figures_are_shown_for_people(tmp_path: Path) -> None:
    answer = quality(rows(tmp_path, *MOODS), "--errors", "1")

    assert answer.code == 0, answer.err
    assert "rows.jsonl  4 行" in answer.out
    assert "宏平均 F1 " in answer.out and "校准误差 ECE " in answer.out
    assert "第 3 行  判为 正面 99 %" in answer.out and "应为 负面  太棒了，非常满意" in answer.out
    assert "第 4 行" not in answer.out
    assert "sentiment linear-" in answer.out and "tokens" not in answer.out
    assert "如果这些行参与过训练，数字会偏高" in answer.out


def test_figures_are_the_same_every_time(tmp_path: Path) -> None:
    path = rows(tmp_path, *MOODS)

    assert quality(path).out == quality(path).out


def test_programs_get_json(tmp_path: Path) -> None:
    path = rows(tmp_path, *MOODS[:3])

    told = json.loads(quality(path, path, "--json", "--errors", "9", language="en").out)

    first, second = told["files"]
    assert first == second
    found = first["questions"]["sentiment"]
    assert found["confusion"] == {
        "negative": {"negative": 1, "positive": 1},
        "positive": {"positive": 1},
    }
    assert found["accuracy"]["value"] == pytest.approx(2 / 3)
    assert [one["line"] for one in found["errors"]] == [3]
    assert found["error_count"] == 1
    assert {"brands", "sentiment"} <= set(told["models"])
    assert not {"keywords", "tokens", "rules", "signature"} & set(told["models"])


def test_brands_are_known_by_id_or_name_and_a_model_speaks_for_itself(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES, encoding="utf-8")
    path = rows(
        tmp_path,
        {"text": "岚图不错", "brands": ["岚图汽车"]},
        {"text": "追光不错", "brands": ["free"]},
        {"text": "追光也是岚图", "brands": "free,lantu"},
        {"text": "今天下雨", "brands": []},
        {"text": "都说极氪", "brands": ["极氪"]},
    )

    found = json.loads(quality(path, "--rules", rules, "--json").out)
    report = found["files"][0]["questions"]["brands"]

    assert report["never_given"] == ["极氪"]
    assert report["accuracy"]["value"] == pytest.approx(4 / 5)
    assert [(one["line"], one["truth"]) for one in report["errors"]] == [(5, ["极氪"])]


def test_brands_need_rules(tmp_path: Path) -> None:
    answer = quality(rows(tmp_path, {"text": "岚图", "brands": "lantu"}))

    assert answer.code == EXIT_FATAL and "Kafka" in answer.err


class Tagger:
    """An enricher that knows two words."""

    version = "tagger-1"

    def __init__(self, config: Any, rules: Any) -> None:
        pass

    def enrich(self, posts: Any) -> list[Any]:
        return [
            post.replaced(
                intents=(Label(label="complaint", score=0.9),) if "投诉" in post.text else (),
                aspects=(Aspect(aspect="动力", mood="negative"),) if "动力" in post.text else (),
                emotions=(Label(label="anger", score=0.8),) if "气" in post.text else (),
            )
            for post in posts
        ]


@pytest.fixture
def moods_alone(tmp_path: Path) -> None:
    """Settings of a chain that finds moods and brands only."""
    chain = '[enrich]\nchain = ["brands", "tokens", "sentiment"]\n'
    (tmp_path / "tingchao.toml").write_text(chain, encoding="utf-8")


@pytest.fixture
def tagger(moods_alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of a step of a short chain."""
    monkeypatch.setattr("processors.sentiment.LinearSentiment.enrich", Tagger(None, None).enrich)


@pytest.mark.usefixtures("tagger")
def test_questions_with_many_labels_and_emotions_are_measured(tmp_path: Path) -> None:
    path = rows(
        tmp_path,
        {"text": "我要投诉", "intents": ["投诉"], "aspects": {}, "emotion": "愤怒"},
        {"text": "动力不行，气人", "intents": "", "aspects": {"动力": -1}, "emotion": "angry"},
        {"text": "动力很好，不投诉了", "intents": [], "aspects": "动力:正面", "emotion": "无"},
    )

    answer = quality(path, language="zh")
    report = json.loads(quality(path, "--json").out)["files"][0]["questions"]

    assert report["intents"]["micro_f1"]["value"] == pytest.approx(2 / 3)
    assert report["aspects"]["micro_f1"]["value"] == pytest.approx(0.5)
    assert report["aspects"]["never_given"] == ["power:positive"]
    assert report["emotion"]["confusion"] == {"anger": {"anger": 1, "none": 1}, "none": {"none": 1}}
    assert "判为 动力 负面，应为 动力 正面  动力很好，不投诉了" in answer.out
    assert "判为 投诉，应为 无" in answer.out
    assert "处理链从不给出的标签：动力 正面" in answer.out


@pytest.mark.usefixtures("moods_alone")
def test_a_question_that_no_step_answers_is_told(tmp_path: Path) -> None:
    path = rows(tmp_path, {"text": "我要投诉", "intents": ["投诉"], "label": -1})

    answer = quality(path)

    assert "意图：处理链一个也没有给出" in answer.out
    assert json.loads(quality(path, "--json").out)["files"][0]["questions"]["intents"] is None


@pytest.mark.usefixtures("tagger")
def test_all_errors_are_written_for_correction_and_can_be_measured_again(tmp_path: Path) -> None:
    path = rows(
        tmp_path,
        {"text": "=1+1 投诉", "intents": "praise, 咨询"},
        {"text": "动力不行", "intents": ["投诉"]},
    )
    out = tmp_path / "errors.csv"

    assert quality(path, "--csv-out", out, "--errors", "0").code == 0

    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    with out.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.reader(file))
    assert table == [
        ["field", "text", "label", "answer", "sure", "file", "line"],
        ["intents", " =1+1 投诉", "enquiry;praise", "complaint", "0.9000", "rows.jsonl", "1"],
        ["intents", "动力不行", "complaint", "none", "", "rows.jsonl", "2"],
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.csv"], ["absent.csv"]),
        (["bad.jsonl"], ["bad.jsonl", "line 1"]),
        (["good.jsonl", "--rules", "absent.toml"], ["absent.toml"]),
        (["good.jsonl", "--csv-out", "nowhere/x.csv"], ["nowhere/x.csv"]),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    rows(tmp_path, {"text": "x", "label": 9}, name="bad.jsonl")
    rows(tmp_path, MOODS[0], name="good.jsonl")

    answer = quality(*arguments, language="en")

    assert answer.code == EXIT_FATAL
    [sentence] = answer.err.splitlines()
    for word in words:
        assert word in sentence


def test_steps_that_no_label_asks_about_are_not_run() -> None:
    chain = ("keywords", "brands", "tokens", "sentiment", "rules", "signature", "relevance")
    settings = Settings(enrich=EnrichSettings(chain=chain))

    assert list(needed_chain(settings, no_rules("main")).models) == ["brands", "sentiment"]


@pytest.mark.parametrize(
    ("file", "question", "rows"),
    [
        ("sentiment/smp2020_usual.jsonl", "sentiment", 1808),
        ("aspect/bdci_car_aspects.jsonl", "aspects", 7401),
    ],
)
def test_public_sets_are_read_as_they_stand(file: str, question: str, rows: int) -> None:
    path = SHARED / file
    if not path.is_file():
        pytest.skip("needs the public sets beside the project")

    found = read_labelled(path)

    assert len(found.rows) == rows
    assert all(set(row.truth) == {question} for row in found.rows)
