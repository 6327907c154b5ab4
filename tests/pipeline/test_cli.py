"""The command line: help, JSON, and one sentence for everything that can go wrong."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from aiokafka.errors import RequestTimedOutError
from rich.table import Table
from rich.text import Text

from pipeline.cli import app
from pipeline.cli.common import EXIT_INTERRUPTED, SafeConsole
from pipeline.loop import EXIT_FATAL
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import ROOT, Answer, Line, clean_environment, cli
from tests.pipeline.line_story import BEGIN, RULES, post

CHINESE = re.compile(r"[\u4e00-\u9fff]")
NOBODY = "127.0.0.1:1"  # no service of ours listens on port 1
SECRET = "hunter2-绝密"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without settings."""
    monkeypatch.chdir(tmp_path)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its words; groups of commands too."""
    yield " ".join(path), command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


def is_one_sentence(answer: Answer, *words: str, code: int = EXIT_FATAL) -> None:
    assert answer.code == code, answer.out + answer.err
    assert answer.out == ""
    [sentence] = answer.err.splitlines()
    assert "Traceback" not in sentence
    for word in words:
        assert word in sentence


# --- help -------------------------------------------------------------------------------------

HELP = """
import contextlib, io, json, sys
from pipeline.cli.common import run
found = {}
for words in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run([*words.split(), "--help"])
    found[words] = [code, out.getvalue()]
print(json.dumps(found))
"""


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_command_and_option_has_help_in_both_languages(language: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", HELP, json.dumps(list(COMMANDS))],
        cwd=ROOT,
        env={**clean_environment(), "TINGCHAO_LANGUAGE": language},
        capture_output=True,
        check=True,
        timeout=120,
    )
    found: dict[str, tuple[int, str]] = json.loads(answer.stdout)

    assert set(found) == set(COMMANDS)
    for words, (code, text) in found.items():
        assert code == 0, words
        own = text.partition("Options:")[0] if "Options:" in text else text
        lines = [line for line in own.splitlines() if line and not line.startswith("Usage:")]
        assert lines, f"`{words}` says nothing"
        if language == "zh":
            assert CHINESE.search(lines[0]), words
        else:
            assert not CHINESE.search(text), words


@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_says_what_it_does(words: str) -> None:
    for parameter in COMMANDS[words].params:
        assert getattr(parameter, "help", None), f"{words} {parameter.opts}"


def test_without_arguments_it_shows_what_there_is() -> None:
    answer = cli()

    assert "replay" in answer.out + answer.err
    assert "Traceback" not in answer.err


# --- JSON -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def line(make_module_line: MakeLine) -> Line:
    """Topics, rules and a recording in them; no process runs."""
    line = make_module_line()
    (line.folder / "rules.toml").write_text(RULES, encoding="utf-8")
    lines = [json.dumps(post(number, "云帆水壶不错", BEGIN)) for number in range(1, 4)]
    (line.folder / "posts.jsonl").write_text("\n".join([*lines, "no post"]), encoding="utf-8")
    (line.folder / "train.jsonl").write_text(
        "\n".join(
            json.dumps({"text": f"{text}{number}", "label": label}, ensure_ascii=False)
            for number in range(30)
            for text, label in (("太差了退货", -1), ("周三发货", 0), ("非常满意好用", 1))
        ),
        encoding="utf-8",
    )
    return line


def written_as_json(line: Line) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Every command that prints data: its arguments, and the type of its document."""
    recording = str(line.folder / "posts.jsonl")
    return {
        "topics create": ((), dict),
        "replay": ((recording,), dict),
        "import": ((recording,), dict),
        "topics show": ((), list),
        "services status": ((), list),
        "status": ((), list),
        "sources": ((), list),
        "audit": (("--wait", "0"), dict),
        "search": (("云帆",), dict),
        "incidents list": ((), list),
        "incidents show": (("no-such-incident",), None),
        "incidents verify": (("no-such-incident",), None),
        "incidents effect": (("no-such-incident",), None),
        "incidents acknowledge": (("no-such-incident",), None),
        "incidents assign": (("no-such-incident", "王芳"), None),
        "incidents silence": (("no-such-incident", "--for", "2h"), None),
        "incidents statement": (("no-such-incident", "正在核实"), None),
        "incidents verdict": (("no-such-incident", "true"), None),
        "incidents close": (("no-such-incident",), None),
        "incidents reopen": (("no-such-incident",), None),
        "dead-letters list": ((), list),
        "dead-letters show": (("no-such-letter",), None),
        "dead-letters retry": (("no-such-letter",), None),
        "config show": ((), dict),
        "rules check": ((str(line.folder / "rules.toml"),), dict),
        "rules show": ((), None),
        "rules history": ((), list),
        "rules diff": (("1",), None),
        "rules explain": (
            ("--rules", str(line.folder / "rules.toml"), "--text", "漏电了"), list,
        ),
        "rules try": ((str(line.folder / "rules.toml"), "--days", "1"), dict),
        "explain": (("漏电了", "--rules", str(line.folder / "rules.toml")), dict),
        "quality": (
            (str(line.folder / "train.jsonl"), "--rules", str(line.folder / "rules.toml")), dict,
        ),
        "backtest": (("--file", recording, "--rules", str(line.folder / "rules.toml")), dict),
        "tune": (("--file", recording, "--rules", str(line.folder / "rules.toml")), None),
        "spread": (("weibo:404",), None),
        "report daily": (("--brand", "yunfan"), None),
        "report weekly": (("--brand", "yunfan"), None),
        "corrections add": (("漏电了", "--field", "sentiment", "--label", "negative"), dict),
        "corrections import": (
            (str(line.folder / "train.jsonl"), "--field", "sentiment", "--by", "a"), dict,
        ),
        "corrections list": ((), list),
        "corrections remove": (("no-such-correction",), None),
        "corrections export": (
            ("--field", "sentiment", "--out", str(line.folder / "corrections.jsonl")), dict,
        ),
        "schemas": (("--out", str(line.folder / "schemas")), list),
        "train aspects": (
            (str(line.folder / "aspects.jsonl"), "--out", str(line.folder / "aspects.npz")),
            None,
        ),
        "train emotions": (
            (str(line.folder / "train.jsonl"), "--out", str(line.folder / "emotions.npz")),
            dict,
        ),
        "train intents": (
            (
                str(line.folder / "train.jsonl"), "--domain", "train=reviews",
                "--out", str(line.folder / "intents.npz"),
            ),
            dict,
        ),
        "train sentiment": (
            (str(line.folder / "train.jsonl"), "--out", str(line.folder / "model.npz")),
            list,
        ),
    }  # fmt: skip


@pytest.mark.services
def test_whatever_prints_data_prints_json(line: Line) -> None:
    table = written_as_json(line)
    promised = {
        words
        for words, command in COMMANDS.items()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert promised == set(table)

    for words, (arguments, kind) in table.items():
        answer = line.cli(*words.split(), *arguments, "--json")
        assert "Traceback" not in answer.err
        if kind is None:
            continue
        if words not in ("replay", "import"):  # they name each dead letter as they go
            assert answer.err == "", words
        assert isinstance(json.loads(answer.out), kind), words
        assert not CHINESE.search(re.sub(r'"[^"]*"', "", answer.out)), words


@pytest.mark.services
def test_every_listing_has_a_human_form(line: Line) -> None:
    line.ok("topics", "create")
    line.ok("rules", "push", line.folder / "rules.toml")

    assert "posts.raw" in line.ok("topics", "show").out
    assert "云帆电器" in line.ok("rules", "show").out
    assert "yunfan" in line.ok("rules", "history", "main", "--json").out
    assert "两家水壶厂" in line.ok("rules", "history").out
    assert "is live already" in line.ok("rules", "push", line.folder / "rules.toml").out
    assert "No incidents" in line.ok("incidents", "list").out
    assert "No posts" in line.ok("search", "没有这样的话").out
    assert (
        "3 posts written, 1 sent to dead letters"
        in line.ok("replay", line.folder / "posts.jsonl").out
    )
    shown = line.ok("dead-letters", "list").out
    assert "ingest" in shown and "json" in shown
    assert "enrich" in line.ok("status").out
    answer = line.cli("audit", "--wait", "0")
    assert answer.code == 1, "nobody indexed the three"
    assert "does not add up" in answer.out


@pytest.mark.services
@pytest.mark.parametrize("command", ["replay", "import"])
def test_a_recording_that_is_not_there_is_one_sentence(line: Line, command: str) -> None:
    is_one_sentence(line.cli(command, "absent.jsonl"), "absent.jsonl")
    is_one_sentence(
        line.cli(command, line.folder / "posts.jsonl", "--mapping", "absent.toml"), "absent.toml"
    )


@pytest.mark.services
def test_what_people_wrote_is_shown_as_it_stands(line: Line) -> None:
    line.ok("topics", "create")
    line.ok("rules", "push", line.folder / "rules.toml")
    line.produce("dead-letters", dead_letter("field 'a' [b]: :100: [/]"))

    for command in (("list",), ("show", "aaaa")):
        assert "field 'a' [b]: :100: [/]" in line.ok("dead-letters", *command).out


def dead_letter(message: str) -> bytes:
    return json.dumps(
        {
            "type": "dead_letter", "id": "aaaa", "stage": "enrich", "kind": "schema",
            "message": message, "source": "posts.raw", "partition": 0, "offset": 1, "line": 100,
            "value": "e30=", "size": 2, "schema_version": 1, "at": "2026-03-05T04:00:00Z",
        }
    ).encode()  # fmt: skip


# --- what can go wrong ------------------------------------------------------------------------


def settings(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "tingchao.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("[kafka]\nbootstrp = 'x'", ["status"], ["kafka.bootstrp", "kafka.bootstrap"]),
        ("[kafka", ["status"], ["tingchao.toml"]),
        ("", ["worker", "chef"], ["chef", "enrich", "notify"]),
        ("", ["status"], ["Kafka", "services start"]),
        ("", ["search", "x"], ["Elasticsearch", "services start"]),
        ("", ["search", "--mood", "x"], ["--mood", "negative", "x"]),
        ("", ["search", "--intent", "anger", "x"], ["anger", "complaint", "purchase"]),
        ("", ["search", "--since", "gestern"], ["--since", "gestern", "2026-10-01"]),
        ("", ["rules", "push", "absent.toml"], ["absent.toml"]),
        ("", ["dead-letters", "retry", "--all"], ["Kafka", "services start"]),
        ("[sources.a]\nuse = 'file'\npth = 'x'", ["config", "check"], ["sources.a.pth", "path"]),
        ("[sources.a]\nuse = 'flie'", ["config", "check"], ["sources.a.use", "file"]),
        ("[channels.a]\nuse = 'webhok'", ["config", "check"], ["channels.a.use", "webhook"]),
        ("[watch]\nthreshhold = 3", ["config", "check"], ["watch.threshhold", "threshold"]),
        ("[enrich]\nchain = ['brand']", ["config", "check"], ["brand", "brands"]),
        ("[rules]\nfile = 'absent.toml'", ["config", "check"], ["absent.toml"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(
    tmp_path: Path, text: str, arguments: list[str], words: list[str]
) -> None:
    file = settings(tmp_path, text)
    for language in ("en", "zh"):
        answer = cli("--settings", file, *arguments, TINGCHAO_LANGUAGE=language)
        is_one_sentence(answer, *words)
        assert bool(CHINESE.search(answer.err)) == (language == "zh"), answer.err


def test_a_missing_settings_file_is_one_sentence(tmp_path: Path) -> None:
    is_one_sentence(cli("--settings", tmp_path / "absent.toml", "status"), "absent.toml")
    is_one_sentence(cli("status", TINGCHAO_SETTINGS=str(tmp_path / "gone.toml")), "gone.toml")


def test_an_unknown_service_or_command_is_refused() -> None:
    for arguments in (
        ["services", "begin"],
        ["nonsense"],
        ["dead-letters", "burn"],
        ["up", "--no"],
    ):
        answer = cli(*arguments)
        assert answer.code == 2
        assert arguments[-1] in answer.err
        assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["audit"], ["topics", "create"], ["topics", "show"], ["rules", "show"],
     ["rules", "history"], ["rules", "diff", "1"], ["rules", "rollback", "1", "--reason", "x"],
     ["rules", "explain", "--text", "x"], ["dead-letters", "list"],
     ["incidents", "list"], ["incidents", "show", "x"], ["incidents", "close", "x"]],
    ids=" ".join,
)  # fmt: skip
def test_a_broker_that_does_not_answer_is_one_sentence(arguments: list[str]) -> None:
    answer = cli(*arguments, TINGCHAO_KAFKA__BOOTSTRAP=NOBODY, TINGCHAO_LANGUAGE="en",
                 TINGCHAO_ELASTICSEARCH__URL=f"http://{NOBODY}")  # fmt: skip

    is_one_sentence(answer, NOBODY, "kafka.bootstrap")


@pytest.mark.parametrize("arguments", [["search", "x"]], ids=" ".join)
def test_an_index_that_does_not_answer_is_one_sentence(arguments: list[str]) -> None:
    answer = cli(*arguments, TINGCHAO_ELASTICSEARCH__URL=f"http://{NOBODY}", TINGCHAO_LANGUAGE="en")

    is_one_sentence(answer, NOBODY)


def test_workers_without_a_broker_end_with_one_sentence(tmp_path: Path) -> None:
    roles = ("ingest", "enrich", "index", "watch", "notify")
    environment = {
        **clean_environment(),
        "TINGCHAO_KAFKA__BOOTSTRAP": NOBODY,
        "TINGCHAO_ELASTICSEARCH__URL": f"http://{NOBODY}",
        "TINGCHAO_FOLDER": str(tmp_path / "work"),
        "TINGCHAO_LANGUAGE": "en",
    }
    processes = {
        role: subprocess.Popen(
            [sys.executable, "-m", "pipeline", "worker", role],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for role in roles
    }
    said = {}
    for role, process in processes.items():
        try:
            said[role] = process.communicate(timeout=90)[0]
        finally:
            process.kill()
            process.communicate()

    for role, text in said.items():
        assert processes[role].returncode == EXIT_FATAL, (role, text)
        assert "Traceback" not in text, role
        assert NOBODY in text and "kafka.bootstrap" in text, (role, text)


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.cli.setup.check_settings", interrupted)

    answer = cli("config", "check", TINGCHAO_LANGUAGE="en")

    assert answer.code == EXIT_INTERRUPTED
    assert "Traceback" not in answer.err


def test_a_broker_that_falls_silent_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise RequestTimedOutError

    monkeypatch.setattr("pipeline.cli.setup.check_settings", silent)

    answer = cli("config", "check", TINGCHAO_LANGUAGE="en")

    assert answer.code == EXIT_FATAL
    assert "fell silent" in answer.err and "RequestTimedOutError" in answer.err
    assert "Traceback" not in answer.err


# --- settings ---------------------------------------------------------------------------------


def test_show_masks_every_secret(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(SECRET, encoding="utf-8")
    file = settings(
        tmp_path,
        """
        [kafka]
        security = "SASL_SSL"
        sasl_username = "me"
        [elasticsearch]
        password = { file = "secret.txt" }
        [channels.duty]
        use = "webhook"
        url = "https://hooks.example/tingchao"
        secrets = [{ env = "DUTY_SECRET" }]
        """,
    )
    secrets = {
        "TINGCHAO_KAFKA__SASL_PASSWORD": SECRET,
        "TINGCHAO_ELASTICSEARCH__API_KEY": SECRET,
        "DUTY_SECRET": SECRET,
    }
    for options in ([], ["--json"]):
        answer = cli("--settings", file, "config", "show", *options, **secrets)
        assert answer.code == 0, answer.err
        assert SECRET not in answer.out + answer.err
        assert answer.out.count("*****") >= 4
        assert "https://hooks.example/tingchao" in answer.out


def test_a_secret_is_not_shown_where_it_is_wrong(tmp_path: Path) -> None:
    file = settings(
        tmp_path,
        '[channels.duty]\nuse = "webhook"\nurl = "https://hooks.example/x"\n'
        'secrets = [{ env = "DUTY_SECRET" }]',
    )

    answer = cli("--settings", file, "config", "check", DUTY_SECRET=SECRET, TINGCHAO_LANGUAGE="en")

    is_one_sentence(answer, "channels.duty.secrets", "whsec_")
    assert SECRET not in answer.err


def test_check_is_content_with_the_shipped_examples(tmp_path: Path) -> None:
    for name in ("tingchao.example.toml",):
        answer = cli("--settings", ROOT / "deploy" / name, "config", "check")
        assert answer.code == 0, answer.err
    assert os.listdir(tmp_path) == [], "a check writes nothing"


def test_what_strangers_wrote_does_not_command_the_terminal() -> None:
    shown = io.StringIO()
    console = SafeConsole(file=shown, markup=False, width=80)
    table = Table("x")
    table.add_row("cell\x1b[2Jcell")
    marked = Text("\x1b]0;owned\x07云帆")
    marked.stylize("red", 10)

    console.print("plain\x1b[31m\x9b1m\ttext")
    console.print(marked)
    console.print(table)

    assert "\x1b" not in shown.getvalue()
    assert "\x9b" not in shown.getvalue()
    assert "\x07" not in shown.getvalue()
    assert "云帆" in shown.getvalue()
    assert "cell␛[2Jcell" in shown.getvalue()
