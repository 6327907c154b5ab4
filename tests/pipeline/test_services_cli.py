"""``tingchao services`` as a person types it; test_services.py tests the machinery itself."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.loop import EXIT_FATAL
from pipeline.services import RunningServices
from tests.pipeline.line_rig import ROOT, cli

BOTH = (
    '[kafka]\nbootstrap = "kafka.example:9092"\n[elasticsearch]\nurl = "http://es.example:9200"\n'
)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_status_of_a_folder_where_nothing_ever_ran() -> None:
    answer = cli("services", "status", "--json")

    assert (answer.code, answer.err) == (0, "")
    found = {one["name"]: one["running"] for one in json.loads(answer.out)}
    assert found == {"kafka": False, "elasticsearch": False}
    assert cli("services", "status", TINGCHAO_LANGUAGE="en").out.count("not running") == 2
    assert cli("services", "status", TINGCHAO_LANGUAGE="zh").out.count("未运行") == 2


def test_stop_where_nothing_runs_is_no_fault() -> None:
    answer = cli("services", "stop")

    assert answer.code == 0
    assert "Traceback" not in answer.out + answer.err


def test_nothing_is_started_where_both_addresses_are_configured(tmp_path: Path) -> None:
    file = tmp_path / "tingchao.toml"
    file.write_text(BOTH, encoding="utf-8")

    for command in ("start", "status", "stop"):
        answer = cli("--settings", file, "services", command)
        assert answer.code == 0, answer.err
        assert "example" not in answer.out
    assert not list(tmp_path.rglob("*.pid"))


@pytest.mark.services
def test_a_port_that_is_taken_is_one_sentence(
    local_services: RunningServices, tmp_path: Path, taken: int
) -> None:
    file = tmp_path / "tingchao.toml"
    file.write_text(
        f'[elasticsearch]\nurl = "{local_services.elasticsearch_url}"\n'
        f'[services]\nkafka_port = {taken}\nartefacts = "{ROOT / ".tingchao" / "artefacts"}"\n',
        encoding="utf-8",
    )

    answer = cli("--settings", file, "services", "start", TINGCHAO_LANGUAGE="en")

    assert answer.code == EXIT_FATAL
    [sentence] = answer.err.splitlines()
    assert str(taken) in sentence and "Traceback" not in answer.err
