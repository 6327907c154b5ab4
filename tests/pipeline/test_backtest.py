"""``tingchao backtest`` and ``tingchao tune``: out of files, to terminal, JSON and pictures."""

import gzip
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from defusedxml import ElementTree

from pipeline import past_posts
from pipeline.backtest import Asked, run_backtest
from pipeline.loop import EXIT_FATAL
from pipeline.past import IndexPast, file_past
from pipeline.past_posts import posts_in_order
from pipeline.rulings import Ruling, present_ruling, read_ruling
from pipeline.settings import Settings
from processors.mentions import mentions
from processors.post_ticks import PostTicks
from schemas.enriched import BrandTag, EnrichedPost, Sentiment
from schemas.errors import FatalError
from schemas.post import Author
from schemas.signals import Tick
from tests.pipeline.line_rig import Answer, cli

START = datetime(2026, 3, 2, tzinfo=UTC)
CRISIS = START + timedelta(days=2, hours=10)
RULES = """
id = "main"
version = 1
author = "test"
reason = "test"
changed_at = 2026-01-01T00:00:00Z

[[brands]]
id = "qilan"
name = "启澜"
role = "own"
aliases = [{ word = "启澜" }]
"""
WATCH = "[watch]\nhistory_days = 2\nthreshold = {threshold}\n"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without settings, but with rules."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    for name, threshold in (("usual", 5.0), ("deaf", 60.0)):
        text = WATCH.format(threshold=threshold)
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")


def enriched_post(name: str, at: datetime, mood: str, brand: str = "qilan") -> EnrichedPost:
    negative = 0.9 if mood == "negative" else 0.1
    return EnrichedPost(
        id=f"weibo:{name}",
        platform="weibo",
        kind="post",
        text=f"{name} 启澜的刹车",
        author=Author(id=f"u{name}"),
        published_at=at,
        observed_at=at,
        source="test",
        brands=(BrandTag(brand=brand, role="own"),),
        sentiment=Sentiment(
            label=mood, negative=negative, neutral=0.0, positive=round(1 - negative, 1)
        ),  # type: ignore[arg-type]
        signature=f"s-{name}",
        models={"brands": "1"},
    )


def story(brand: str = "qilan") -> list[EnrichedPost]:
    """Two days of one calm voice an hour, then twenty angry ones in ten minutes, then calm."""
    posts = [
        enriched_post(
            f"{brand}-c{hour}", START + timedelta(hours=hour, minutes=7), "neutral", brand
        )
        for hour in range(72)
    ]
    posts += [
        enriched_post(f"{brand}-n{n}", CRISIS + timedelta(seconds=30 * n), "negative", brand)
        for n in range(20)
    ]
    return sorted(posts, key=lambda post: post.event_at)


def write(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Posts as enrich wrote them, in no order."""
    lines = [post.to_line() for brand in ("qilan", "lingyue") for post in story(brand)]
    Random(1).shuffle(lines)
    return write(tmp_path / "posts.jsonl", lines)


def signal_lines(posts: list[EnrichedPost]) -> list[bytes]:
    ticks = PostTicks()
    lines = []
    for post in posts:
        lines += [tick.to_line() for tick in ticks.before(post.event_at)]
        lines += [mention.to_line() for mention in mentions(post)]
    return lines


def backtest(*arguments: str | Path, language: str = "en") -> Answer:
    return cli("backtest", *arguments, TINGCHAO_LANGUAGE=language)


def sentence(answer: Answer, *words: str) -> None:
    assert answer.code == EXIT_FATAL, answer.out + answer.err
    assert answer.err.count("\n") == 1 and "Traceback" not in answer.err
    for word in words:
        assert word in answer.err


# --- what it tells ----------------------------------------------------------------------------


def test_an_alarm_has_its_minute_and_its_evidence(recording: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "brand,start,end,kind\nqilan,2026-03-04 17:55,2026-03-05,crisis\n"
        "qilan,2026-03-03 01:00,,crisis\n",
        encoding="utf-8",
    )

    answer = backtest(
        "--file", recording, "--rules", "usual.toml", "--against", "deaf.toml",
        "--labels", labels, "--picture", tmp_path / "pictures", "--brand", "qilan",
    )  # fmt: skip

    assert answer.code == 0, answer.err
    assert "92 mentions, 1 brands, 0.4 weeks" in answer.out
    row = next(line for line in answer.out.splitlines() if "crisis" in line)
    assert "2026-03-04 18:0" in row and "qilan" in row
    assert "18:00–18:15" in row and "negative voices, usual 0" in row and "≥ 5" in row
    assert "weibo:qilan-n0" in row
    assert "0 in both" in answer.out and "1 only in new, 0 only in old" in answer.out
    assert "1 of 2 caught, 1 missed, 0 false" in answer.out
    assert "min later than its start" in answer.out and "missed" in answer.out
    [picture] = (tmp_path / "pictures").iterdir()
    assert picture.name == "qilan.svg"
    drawn = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    texts = " ".join(node.text or "" for node in drawn.iter())
    assert "qilan: mentions by hour, and alarms" in texts
    assert "03-04 18:0" in texts and "labelled incident" in texts


def test_signals_and_posts_of_one_past_give_the_same_bytes(recording: Path, tmp_path: Path) -> None:
    posts = sorted(story() + story("lingyue"), key=lambda post: (post.event_at, post.id))
    signals = write(tmp_path / "signals.jsonl", signal_lines(posts))
    packed = tmp_path / "posts.jsonl.gz"
    packed.write_bytes(gzip.compress(recording.read_bytes()))

    told = []
    for number, file in enumerate((recording, signals, packed)):
        out = tmp_path / f"{number}.jsonl"
        answer = backtest("--file", file, "--rules", "usual.toml", "--out", out, "--json")
        assert answer.code == 0, answer.err
        told.append(out.read_bytes())

    assert told[0].count(b"\n") >= 4
    assert told[0] == told[1] == told[2]


def test_as_json_for_programs(recording: Path) -> None:
    answer = backtest("--file", recording, "--rules", "usual.toml", "--json", language="zh")

    found = json.loads(answer.out)
    [version] = found["versions"]
    assert {alarm["brand"] for alarm in version["alarms"]} == {"qilan", "lingyue"}
    assert version["by_week"]["qilan"] == {"2026-03-02": 1}
    assert version["alarms"][0]["evidence"]["posts"]
    assert (found["mentions"], found["unreadable"], found["whole"]) == (184, 0, True)


def test_the_stretch_asked_for_is_told_and_the_rest_learned_from(recording: Path) -> None:
    within = ("--file", recording, "--rules", "usual.toml", "--json")

    def alarms(*more: str) -> list[Any]:
        found: list[Any] = json.loads(backtest(*within, *more).out)["versions"][0]["alarms"]
        return found

    assert len(alarms("--from", "2026-03-04")) == 2
    assert len(alarms("--from", "2026-03-04", "--to", "2026-03-04T18:05")) == 2
    assert alarms("--to", "2026-03-04T18:00") == []
    assert alarms("--from", "2026-03-05") == []
    assert alarms("--to", "2026-03-04T18:05")[0]["closed_at"] is None


def test_posts_that_nobody_tagged_are_tagged_by_the_rules(tmp_path: Path) -> None:
    drafts = []
    for post in story():
        fields = json.loads(post.to_line())
        kept = ("id", "platform", "kind", "author", "published_at", "source")
        text = "启澜刹车失灵，太气人了，要求退车" if "-n" in post.id else "启澜今天路过加油站"
        draft = {key: fields[key] for key in kept} | {"text": f"{text}，{post.id[-3:]}号车"}
        drafts.append(json.dumps(draft, ensure_ascii=False).encode())
    file = write(tmp_path / "drafts.jsonl", drafts)

    with_rules = backtest("--file", file, "--rules", "rules.toml", "--json")
    without = backtest("--file", file, "--rules", "usual.toml", "--json")

    assert json.loads(with_rules.out)["mentions"] == len(drafts), with_rules.err
    sentence(without, "need a rule set", "--rules")


def test_broken_lines_are_counted_and_the_first_is_named(recording: Path) -> None:
    broken = b'{"type":"mention"}\n' + recording.read_bytes() + b"{oops\n"
    recording.write_bytes(broken)

    # The first line says what the file is: here, signals.
    sentence(backtest("--file", recording), "None of the 186 lines", "line 1")

    recording.write_bytes(broken.partition(b"\n")[2])
    answer = backtest("--file", recording, "--rules", "usual.toml")
    assert answer.code == 0 and "1 lines can't be read" in answer.out
    assert "the first is line 185: not valid JSON" in answer.out


async def test_the_index_is_read_in_order_of_time(
    monkeypatch: pytest.MonkeyPatch, recording: Path
) -> None:
    asked_for: dict[str, Any] = {}

    class Search:
        def __init__(self, index: object) -> None: ...

        async def posts_in_order(self, **more: Any) -> AsyncGenerator[list[EnrichedPost], None]:
            asked_for.update(more)
            for post in story():
                yield [post]

    class Index:
        async def close(self) -> None:
            asked_for["closed"] = True

    monkeypatch.setattr("sinks.search.Search", Search)
    monkeypatch.setattr("pipeline.past.elasticsearch_client", lambda settings: Index())
    settings = Settings(watch={"history_days": 2})
    asked = Asked(until=START + timedelta(days=9), brand="qilan")
    past = IndexPast(settings, asked.until, asked.brand, retagged=False)

    found = await run_backtest(settings, past, [present_ruling(settings)], asked)

    assert asked_for == {"until": asked.until, "brand": "qilan", "closed": True}
    assert [alarm.kind for alarm in found.told[0].alarms] == ["crisis"]


# --- tune -------------------------------------------------------------------------------------


def tune(*arguments: str | Path) -> Answer:
    return cli("tune", *arguments, TINGCHAO_LANGUAGE="en")


def test_a_threshold_for_a_wished_rate(recording: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("brand,start\nqilan,2026-03-04 17:55\n", encoding="utf-8")
    common = ("--file", recording, "--rules", "usual.toml", "--labels", labels)

    answer = tune(*common, "--false-a-week", "0")

    assert answer.code == 0, answer.err
    assert "at most 0 a week" in answer.out
    rows = {line.split()[1]: line for line in answer.out.splitlines() if "│" in line}
    assert "3.50 (" not in rows["qilan"] and " 0.00 (" in rows["qilan"]
    # What was labelled for one brand is told for nothing by the other.
    proposed = answer.out.partition("To put into the settings:")[2]
    assert "[watch.brands.lingyue]" in proposed

    # And what is proposed does what was promised
    settings = tmp_path / "tuned.toml"
    settings.write_text(WATCH.format(threshold=5.0) + proposed, encoding="utf-8")
    after = backtest("--file", recording, "--rules", settings, "--labels", labels, "--json")
    found = json.loads(after.out)["labels"]
    assert (len(found["caught"]), found["missed"], found["false"]) == (1, [], [])


def test_tuning_as_json(recording: Path) -> None:
    answer = tune("--file", recording, "--rules", "usual.toml", "--strong", "1", "--json")

    lingyue, qilan = json.loads(answer.out)
    assert (qilan["brand"], qilan["wanted"], qilan["fits"]) == ("qilan", 1, True)
    assert qilan["false_a_week"] == 0.0 and qilan["false_a_week_80"][1] > 4
    assert lingyue["newly_missed"] == []


def test_too_little_to_tune_by_is_one_sentence(recording: Path) -> None:
    common = ("--file", recording, "--rules", "usual.toml")

    sentence(tune(*common, "--to", "2026-03-03T12:00"), "less than a day", "24 hours")


# --- one clear sentence -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--file", "absent.jsonl"], ["absent.jsonl"]),
        (["--file", "posts.jsonl", "--rules", "absent.toml"], ["absent.toml", "no such file"]),
        (["--file", "posts.jsonl", "--rules", "wrong.toml"], ["watch.treshold", "threshold"]),
        (["--file", "posts.jsonl", "--rules", "empty.toml"], ["neither [watch] nor a rule set"]),
        (["--file", "posts.jsonl", "--rules", "other.toml"], ["unknown key wacth", "watch"]),
        (["--file", "posts.jsonl", "--brand", "qilann"], ["qilann", "qilan"]),
        (["--file", "posts.jsonl", "--from", "2027-01-01"], ["no mention"]),
        (["--file", "posts.jsonl", "--from", "soon"], ["--from", "soon"]),
        (["--file", "posts.jsonl", "--from", "2026-03-03", "--to", "2026-03-03"], ["no time"]),
        (["--file", "posts.jsonl", "--index"], ["only one of"]),
        (["--mapping", "m.toml"], ["--mapping goes with --file"]),
        (["--file", "posts.jsonl", "--labels", "absent.csv"], ["absent.csv", "no such file"]),
        (["--file", "posts.jsonl", "--labels", "rules.toml"], ["brand,start,end,kind"]),
        (["--file", "posts.jsonl", "--labels", "late.csv", "--brand", "x"], ["None of the 1"]),
        (["--file", "posts.jsonl", "--labels", "odd.csv"], ["line 2", "panic", "crisis"]),
        (["--file", "signals.jsonl", "--rules", "rules.toml"], ["tagged already"]),
        (["--file", "timeless.jsonl"], ["no ticks"]),
        (["--file", "posts.jsonl", "--out", "absent/x.jsonl"], ["absent/x.jsonl"]),
    ],
    ids=lambda value: " ".join(value) if len(value) > 1 else None,
)
def test_what_goes_wrong_is_one_sentence(
    arguments: list[str], words: list[str], recording: Path, tmp_path: Path
) -> None:
    lines = signal_lines(story())
    write(tmp_path / "signals.jsonl", lines)
    write(tmp_path / "timeless.jsonl", [line for line in lines if b'"mention"' in line])
    for name, text in (
        ("wrong.toml", "[watch]\ntreshold = 5\n"),
        ("empty.toml", ""),
        ("other.toml", "[wacth]\nthreshold = 5\n"),
        ("late.csv", "brand,start\nqilan,2026-03-04\n"),
        ("odd.csv", "brand,start,kind\nqilan,2026-03-04,panic\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")

    sentence(backtest(*arguments), *words)


# --- the parts --------------------------------------------------------------------------------


def test_posts_are_sorted_on_disk_however_many_there_are(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [expected] = [posts for posts, _ in posts_in_order(recording, None, "enriched")]

    monkeypatch.setattr(past_posts, "MAX_RUN_POSTS", 7)
    [sorted_in_runs] = [posts for posts, _ in posts_in_order(recording, None, "enriched")]

    assert sorted_in_runs == expected
    assert [post.id for post in expected] == [
        post.id
        for post in sorted(story() + story("lingyue"), key=lambda post: (post.event_at, post.id))
    ]


def test_a_time_before_all_platforms_is_no_post(tmp_path: Path) -> None:
    old = enriched_post("old", datetime(1970, 1, 1, tzinfo=UTC), "neutral")
    file = write(tmp_path / "old.jsonl", [old.to_line()])

    [(posts, bad)] = list(posts_in_order(file, None, "enriched"))

    assert (posts, [one.kind for one in bad]) == ([], ["time"])


def test_time_passes_minute_by_minute_and_jumps_over_a_long_silence() -> None:
    ticks = PostTicks()
    at = START + timedelta(seconds=30)

    assert [tick.at for tick in ticks.before(at)] == [START]
    assert list(ticks.before(at)) == []
    later = [tick.at for tick in ticks.before(at + timedelta(minutes=2))]
    assert later == [START + timedelta(minutes=1), START + timedelta(minutes=2)]
    years = list(ticks.before(START + timedelta(days=4_000)))
    assert len(years) == 8 * 1440 + 1
    assert years[-1] == Tick(at=START + timedelta(days=4_000), lane=0, lanes=1)


def test_a_ruling_is_settings_or_a_rule_set(tmp_path: Path) -> None:
    settings = Settings(watch={"threshold": 7.0})
    both = tmp_path / "both.toml"
    both.write_text('[watch]\nclip = 2.0\n[rules]\nfile = "rules.toml"\n', encoding="utf-8")

    rule_set = read_ruling(tmp_path / "rules.toml", settings)
    whole = read_ruling(both, settings)

    assert rule_set.watch.threshold == 7.0 and rule_set.rules is not None
    assert (whole.watch.threshold, whole.watch.clip) == (5.0, 2.0)
    assert whole.rules == rule_set.rules


async def test_a_version_that_tags_otherwise_hears_other_mentions(recording: Path) -> None:
    settings = Settings(watch={"history_days": 2})
    plain = present_ruling(settings)
    nobody = read_ruling(Path("rules.toml"), settings)
    assert nobody.rules is not None
    silent = Ruling("silent", plain.watch, nobody.rules.replaced(brands=()))

    found = await run_backtest(settings, file_past(recording, None), [plain, silent], Asked())

    assert [len(told.alarms) for told in found.told] == [2, 0]
    with pytest.raises(FatalError, match=r"signals\.jsonl"):
        lines = signal_lines(story())
        path = write(recording.with_name("signals.jsonl"), lines)
        await run_backtest(settings, file_past(path, None), [silent], Asked())
