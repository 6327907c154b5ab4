"""README says what is so: its commands run, its files exist, the reference is the commands' own.

The demo is run once, as a newcomer would, in a folder of its own; README's commands then run there.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line.startswith("$ ")
]
MAKE = [command for command in COMMANDS if command.startswith("make ")]
TINGCHAO = [command for command in COMMANDS if command.startswith("tingchao ")]


@dataclass(frozen=True)
class Demo:
    """A finished demo, its services still running."""

    folder: Path
    code: int
    output: str


def tingchao(arguments: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if "TINGCHAO" not in key}
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), "TINGCHAO_LANGUAGE": "zh"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("newcomer")
    artefacts = ROOT / ".tingchao" / "artefacts"
    artefacts.mkdir(parents=True, exist_ok=True)
    (folder / ".tingchao").mkdir()
    (folder / ".tingchao" / "artefacts").symlink_to(artefacts)
    done = tingchao(["demo", "--keep"], folder)
    settings = str(folder / ".tingchao" / "demo" / "tingchao.toml")
    try:
        yield Demo(folder, done.returncode, done.stdout)
    finally:
        tingchao(["--settings", settings, "services", "stop"], folder)


def test_readme_has_commands_of_both_kinds() -> None:
    assert {"make demo", "make test", "make check"} <= set(MAKE)
    assert len(TINGCHAO) >= 5
    assert set(COMMANDS) == set(MAKE) | set(TINGCHAO)


@pytest.mark.parametrize("command", MAKE)
def test_a_make_command_does_what_readme_says(command: str) -> None:
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    expected = {
        "make demo": "tingchao demo",
        "make test": "python -m pytest",
        "make check": "mypy",
    }
    assert expected[command] in done.stdout


@pytest.mark.own_servers
@pytest.mark.timeout(600)
def test_the_demo_finds_the_crisis_and_nothing_else(demo: Demo) -> None:
    assert demo.code == 0, demo.output
    assert "危机：启澜汽车" in demo.output
    assert demo.output.count("✓") == 6
    assert "✗" not in demo.output
    assert "Traceback" not in demo.output


@pytest.mark.own_servers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", TINGCHAO)
def test_a_command_of_readme_runs(command: str, demo: Demo) -> None:
    if command.endswith("services stop"):
        pytest.skip("run last, by the fixture")

    # Files of deploy/ are named as they stand in the repository.
    folder = ROOT if "deploy/" in command else demo.folder

    done = tingchao(shlex.split(command)[1:], folder)

    assert done.returncode == 0, done.stdout
    assert done.stdout.strip()
    assert "Traceback" not in done.stdout


def test_the_command_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.reference", "--check"],
        cwd=ROOT,
        env=os.environ | {"TINGCHAO_LANGUAGE": "en"},
        check=False,
    )

    assert done.returncode == 0, "run: TINGCHAO_LANGUAGE=en python -m pipeline.cli.reference"


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split()]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_folder_and_component_of_the_enricher_example_is_real() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.S)
    assert example is not None
    namespace: dict[str, object] = {}

    exec(compile(example.group(1), "README.md", "exec"), namespace)

    assert callable(namespace["Emoji"])


def test_the_enricher_of_readme_works() -> None:
    from datetime import UTC, datetime

    from schemas.enriched import EnrichedPost
    from schemas.post import Author

    example = re.search(r"```python\n(.*?)```", README, re.S)
    assert example is not None
    namespace: dict[str, object] = {}
    exec(compile(example.group(1), "README.md", "exec"), namespace)
    kind: type = namespace["Emoji"]  # type: ignore[assignment]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    posts = [
        EnrichedPost(
            id=f"weibo:{number}",
            platform="weibo",
            kind="post",
            text=text,
            author=Author(id="1"),
            published_at=at,
            observed_at=at,
            source="test",
        )
        for number, text in enumerate(["提车啦🎉🎉🎉🎉", "提车啦"])
    ]

    lively, calm = kind(kind.Config(), None).enrich(posts)  # type: ignore[attr-defined]

    assert [label.label for label in lively.emotions] == ["lively"]
    assert calm == posts[1]


def test_the_mood_model_is_trained_on_files_of_one_s_own(tmp_path: Path) -> None:
    rows = [
        f'{{"text": "{text}，第{number}次", "label": {label}}}'
        for number in range(12)
        for text, label in (("太失望了", -1), ("今天去看车", 0), ("开心，很喜欢", 1))
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(rows), encoding="utf-8")

    done = tingchao(["train", "sentiment", "mine.jsonl", "--out", "mine.npz"], tmp_path)

    assert done.returncode == 0, done.stdout
    assert (tmp_path / "mine.npz").stat().st_size > 0
    assert "mine" in done.stdout


@pytest.mark.own_servers
@pytest.mark.timeout(600)
def test_the_benchmark_of_the_line_reports_every_role(tmp_path: Path) -> None:
    small = ["--posts", "8000", "--keywords", "200", "--rounds", "1", "--short-lived"]

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.line", *small],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for role in ("ingest", "enrich", "index", "watch", "notify", "kafka", "elasticsearch"):
        assert re.search(rf"^{role}\s", done.stdout, re.M), done.stdout
    assert re.search(r"round 1: [\d,]+ posts/s", done.stdout)


@pytest.mark.own_servers
@pytest.mark.timeout(600)
async def test_live_records_fit_the_written_schemas(demo: Demo, tmp_path: Path) -> None:
    import json

    from jsonschema import Draft202012Validator

    from pipeline.endpoints import kafka_of
    from pipeline.schema_export import write_schemas
    from pipeline.settings import load_settings
    from schemas.envelope import split
    from schemas.topics import TOPICS

    write_schemas(tmp_path)
    validators = {
        path.name.removesuffix(".schema.json"): Draft202012Validator(json.loads(path.read_text()))
        for path in tmp_path.glob("*.schema.json")
    }
    by_type = {"mention": "Mention", "tick": "Tick", "gap": "SourceGap", "command": "Command"}
    kafka = kafka_of(load_settings(demo.folder / ".tingchao" / "demo" / "tingchao.toml"))
    seen: dict[str, int] = {}
    for topic in TOPICS.values():
        async for record in kafka.read_all(topic.name):
            lines = split(record.value or b"")
            if topic.public:
                assert len(lines) == 1
            for line in lines:
                value = json.loads(line)
                name = by_type.get(value.get("type"), topic.records[0])
                if topic.name == "watch.checkpoints":
                    if record.key != b"@position":
                        continue  # the detector's own state is nobody else's business
                    name = "WatchPosition"
                seen[name] = seen.get(name, 0) + 1
                if seen[name] % 50 == 1:  # every line would take minutes
                    validators[name].validate(value)

    assert {"Post", "EnrichedPost", "Mention", "Tick", "Incident", "RuleSet"} <= set(seen)
    assert {"SourceStatus", "WatchPosition"} <= set(seen)
    assert seen["EnrichedPost"] == 25_000
