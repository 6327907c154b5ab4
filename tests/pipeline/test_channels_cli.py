"""``tingchao channels test``: one marked notice, or one sentence that says what is wrong."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.loop import EXIT_FATAL
from pipeline.trial_notice import trial_notice
from schemas.incident import Incident
from schemas.language import use_language
from sinks.memory import MemoryChannel
from tests.pipeline.incidents import AT
from tests.pipeline.line_rig import cli

TOKEN = "t0ken-secret"


@dataclass
class Robot:
    """A WeCom robot of this machine."""

    url: str = ""
    answer: dict[str, Any] = field(default_factory=lambda: {"errcode": 0, "errmsg": "ok"})
    messages: list[Any] = field(default_factory=list)


@pytest.fixture
def robot() -> Iterator[Robot]:
    made = Robot()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.messages.append(orjson.loads(self.rfile.read(int(self.headers["content-length"]))))
            body = orjson.dumps(made.answer)
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/send"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def settings(tmp_path: Path, robot: Robot) -> Path:
    file = tmp_path / "tingchao.toml"
    file.write_text(
        f'[channels.duty]\nuse = "wecom"\nurl = "{robot.url}"\ntoken = {{ env = "DUTY_TOKEN" }}\n'
        'mention = ["wang"]\nmention_from_severity = 1\n',
        encoding="utf-8",
    )
    return file


def test_a_trial_is_marked_and_calls_nobody(settings: Path, robot: Robot) -> None:
    answer = cli("--settings", settings, "channels", "test", "duty", DUTY_TOKEN=TOKEN)

    assert answer.code == 0, answer.err
    assert "duty" in answer.out
    [message] = robot.messages
    text = message["markdown"]["content"]
    assert text.startswith("**【试发，不是警报】【危机·新事件】试发品牌")
    assert "不用处理" in text
    assert "wang" not in text
    assert "incidents show" not in text  # there is no such incident


def test_a_refusal_is_one_sentence_without_the_secret(settings: Path, robot: Robot) -> None:
    robot.answer = {"errcode": 93000, "errmsg": f"invalid webhook url {TOKEN}"}

    answer = cli("--settings", settings, "channels", "test", "duty", DUTY_TOKEN=TOKEN)

    assert answer.code == EXIT_FATAL
    [sentence] = answer.err.splitlines()
    assert "93000" in sentence and "duty" in sentence
    assert TOKEN not in sentence


def test_an_unknown_channel_is_named_with_the_nearest(settings: Path, robot: Robot) -> None:
    answer = cli("--settings", settings, "channels", "test", "dutty", DUTY_TOKEN=TOKEN)

    assert answer.code == EXIT_FATAL
    assert "duty" in answer.err
    assert robot.messages == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_trial_is_a_whole_notice_in_both_languages(language: Any) -> None:
    use_language(language)
    try:
        notice = trial_notice("duty", AT)
        channel = MemoryChannel("duty", MemoryChannel.Config())
        asyncio.run(channel.deliver(notice))
    finally:
        use_language(None)

    assert notice.trial and notice.incident.severity == 1
    assert channel.keys == ["trial-20260301T080000-duty"]
    assert isinstance(notice.incident, Incident)
    assert Incident.from_line(notice.incident.to_line()) == notice.incident
