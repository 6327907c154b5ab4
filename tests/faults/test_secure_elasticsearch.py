"""Keys, logins and certificates to Elasticsearch: the real server behind a gate that speaks TLS.

The bare server of the tests starts with its own security on, but can keep neither users nor keys:
their index needs an analyser that it has not. So the gate asks for them.
"""

import base64
import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.loop import EXIT_FATAL
from pipeline.services import RunningServices
from schemas.enriched import EnrichedPost
from tests.faults.certificates import Authority
from tests.faults.https_gate import Gate
from tests.pipeline.line_rig import Line
from tests.pipeline.line_story import post

pytestmark = pytest.mark.services

KEY = base64.b64encode(b"id:s3cret-index-key").decode()
USER, PASSWORD = "写手", "pass:词=7 ü"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
AT = datetime(2024, 3, 5, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture
def gate(authority: Authority, elasticsearch_url: str) -> Iterator[Gate]:
    certificate, key = authority.sign("index")
    with closing(Gate(elasticsearch_url, f"ApiKey {KEY}", certificate, key)) as running:
        yield running


@pytest.fixture
def line(
    gate: Gate,
    authority: Authority,
    local_services: RunningServices,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Line]:
    """Indirect parameters change ``[elasticsearch]``."""
    monkeypatch.setenv("INDEX_KEY", KEY)
    monkeypatch.setenv("INDEX_PASSWORD", PASSWORD)
    monkeypatch.setenv("WRONG_KEY", base64.b64encode(b"id:some-0ther-key").decode())
    name = f"k{uuid.uuid4().hex[:8]}"
    index: dict[str, Any] = {
        "url": gate.url,
        "ca_file": str(authority.file),
        "prefix": f"{name}-",
        "api_key": {"env": "INDEX_KEY"},
    }
    index |= getattr(request, "param", {})
    kafka = {"bootstrap": local_services.kafka_bootstrap, "prefix": f"{name}.", "partitions": 1}
    index = {name: value for name, value in index.items() if value is not None}
    with closing(Line(tmp_path, {"kafka": kafka, "elasticsearch": index})) as made:
        yield made


def enriched(*numbers: int) -> list[bytes]:
    more = {"observed_at": AT.isoformat()}
    posts = (post(number, f"第 {number} 条", AT, **more) for number in numbers)
    return [EnrichedPost.from_line(orjson.dumps(one)).to_line() for one in posts]


def no_secret(said: str) -> None:
    for secret in (KEY, "s3cret", PASSWORD, BASIC, "some-0ther-key"):
        assert secret not in said


def test_a_key_that_is_withdrawn_and_given_back_loses_nothing(line: Line, gate: Gate) -> None:
    # Given an index role that works
    line.ok("topics", "create")
    index = line.start("index")
    line.produce("posts.enriched", *enriched(1, 2))
    line.until_drained("index")

    # When the key is no longer accepted
    gate.authorization = "ApiKey another"
    line.produce("posts.enriched", *enriched(3, 4))
    line.until(lambda: "refuses the write (401)" in index.said(), "it says why it waits")

    # Then it waits, says what to do, and goes on with the key
    assert re.search(r"retry .*check api_key, or username and password", index.said())
    assert line.behind("index")
    gate.authorization = f"ApiKey {KEY}"
    line.until_drained("index")
    assert line.indexed() == [f"weibo:{number}" for number in (1, 2, 3, 4)]
    assert line.records("dead-letters") == []
    no_secret(index.log.read_text())


@pytest.mark.parametrize(
    "line",
    [{"api_key": None, "username": USER, "password": {"env": "INDEX_PASSWORD"}}],
    indirect=True,
)
def test_a_user_and_a_password_in_any_script_log_in(line: Line, gate: Gate) -> None:
    gate.authorization = BASIC

    line.ok("topics", "create")
    worker = line.start("index")
    line.produce("posts.enriched", *enriched(1))
    line.until_drained("index")

    assert line.indexed() == ["weibo:1"]
    assert gate.refused == 0
    no_secret(worker.log.read_text() + line.ok("config", "show").out + repr(line.settings))


WRONG = {
    "key": ({"api_key": {"env": "WRONG_KEY"}}, r"refuses access \(401\): check api_key"),
    "no key": ({"api_key": None}, r"refuses access \(401\): check api_key"),
    "authority": (
        {"ca_file": None},
        r"certificate of Elasticsearch at \S+ can't be verified: .* elasticsearch\.ca_file",
    ),
}


@pytest.mark.parametrize(("line", "sentence"), WRONG.values(), ids=list(WRONG), indirect=["line"])
def test_a_wrong_key_is_one_sentence(line: Line, gate: Gate, sentence: str) -> None:
    # Given topics with something to do
    line.ok("topics", "create")
    line.produce("posts.enriched", *enriched(1))

    # When a command or the role asks
    answer = line.cli("search", "水壶")
    worker = line.start("index")
    worker.expected_to_run = False

    # Then each ends with that sentence, and the post waits
    assert answer.code == EXIT_FATAL
    assert len((answer.out + answer.err).strip().splitlines()) == 1
    assert re.search(sentence, answer.err)
    assert worker.code(60) == EXIT_FATAL, worker.said()
    said = worker.log.read_text()
    assert re.search(sentence, said)
    assert "Traceback" not in said
    no_secret(answer.err + said)
    assert line.behind("index") == 1


def test_a_file_that_holds_no_certificate_is_named(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "no-authority.pem"
    wrong.write_text("nothing")
    monkeypatch.delenv("TINGCHAO_ELASTICSEARCH__CA_FILE", raising=False)

    answer = line.cli("search", "水壶", TINGCHAO_ELASTICSEARCH__CA_FILE=str(wrong))

    assert answer.code == EXIT_FATAL
    assert f"elasticsearch.ca_file names {wrong}, which cannot be used" in answer.err
