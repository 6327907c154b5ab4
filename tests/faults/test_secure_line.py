"""The whole line through TLS and logins: a real broker with SCRAM and with client certificates, a
real Elasticsearch behind a gate that asks for an API key; and what a wrong secret says.
"""

import base64
import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from pipeline.loop import EXIT_FATAL
from pipeline.services import RunningServices
from pipeline.status import live_workers
from schemas.incidents import parse_incident
from tests.faults.https_gate import Gate
from tests.faults.secure_kafka import (
    MECHANISMS,
    PASSWORD,
    STRANGER,
    STRANGER_PASSWORD,
    USER,
    SecureKafka,
    secure_kafka,
)
from tests.pipeline.line_rig import ROOT, Answer, Line, Receiver
from tests.pipeline.line_story import BRANDS, Story, write_story

pytestmark = pytest.mark.services

API_KEY = base64.b64encode(b"key-id:s3cret-of-the-index").decode()
SIGNING = bytes(range(60, 92))
WEBHOOK_SECRET = "whsec_" + base64.b64encode(SIGNING).decode()
WRONG = "not-the-password-8Ty"
SECRETS = (PASSWORD, API_KEY, "s3cret-of-the-index", WEBHOOK_SECRET, WRONG, STRANGER_PASSWORD)
ROLES = ("enrich", "watch", "index", "notify")
ANYBODY = ("bootstrap", "security", "ca_file")
GROUPS = ("enrich", "watch", "index", "notify-duty")

MakeLine = Callable[..., Line]


@pytest.fixture(scope="module", autouse=True)
def variables() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAFKA_PASSWORD", PASSWORD)
        patch.setenv("WRONG_PASSWORD", WRONG)
        patch.setenv("STRANGER_PASSWORD", STRANGER_PASSWORD)
        patch.setenv("INDEX_KEY", API_KEY)
        patch.setenv("DUTY_SECRET", WEBHOOK_SECRET)
        yield


@pytest.fixture(scope="module")
def broker(
    local_services: RunningServices, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecureKafka]:
    """After the shared servers: their absence is what skips."""
    with secure_kafka(
        tmp_path_factory.mktemp("secure"), ROOT / ".tingchao" / "artefacts"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def gate(broker: SecureKafka, elasticsearch_url: str) -> Iterator[Gate]:
    certificate, key = broker.authority.sign("gate")
    with closing(Gate(elasticsearch_url, f"ApiKey {API_KEY}", certificate, key)) as gate:
        yield gate


@pytest.fixture(scope="module")
def make_secure_line(
    broker: SecureKafka, gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeLine]:
    lines: list[Line] = []

    def make(kafka: dict[str, Any], **sections: Any) -> Line:
        name = f"s{uuid.uuid4().hex[:8]}"
        index = {
            "url": gate.url,
            "api_key": {"env": "INDEX_KEY"},
            "ca_file": str(broker.authority.file),
            "prefix": f"{name}-",
        }
        line = Line(
            tmp_path_factory.mktemp("line"),
            {
                "kafka": {"prefix": f"{name}.", "partitions": 2, **kafka},
                "elasticsearch": index | sections.pop("elasticsearch", {}),
                **sections,
            },
        )
        lines.append(line)
        return line

    yield make
    for line in lines:
        line.close()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return write_story(tmp_path_factory.mktemp("story"))


def shown_secrets(text: str) -> list[str]:
    """Secrets in a text, also in the forms in which they travel."""
    forms = {
        form: secret
        for secret in SECRETS
        for form in (
            secret,
            quote(secret, safe=""),
            json.dumps(secret)[1:-1],
            secret.removeprefix("whsec_"),
            base64.b64encode(secret.encode()).decode(),
        )
    }
    return [secret for form, secret in forms.items() if form in text]


# --- all goes through -------------------------------------------------------------------------


@pytest.mark.parametrize("door", [MECHANISMS[0], "client certificate"])
def test_a_story_goes_through_the_whole_line(
    make_secure_line: MakeLine, broker: SecureKafka, gate: Gate, story: Story, door: str
) -> None:
    with closing(Receiver()) as receiver:
        # Given a line that knows the cluster by one door only
        channel = {"use": "webhook", "url": receiver.url, "secrets": [{"env": "DUTY_SECRET"}]}
        kafka = broker.scram_settings(door) if door in MECHANISMS else broker.mutual_settings()
        line = make_secure_line(kafka, channels={"duty": channel}, watch={"close_after_hours": 6})
        said = [line.ok("topics", "create"), line.ok("rules", "push", story.rules)]

        # When the story goes through
        workers = [line.start(role) for role in ROLES]
        said.append(line.ok("replay", story.early))
        line.until_drained(*GROUPS)

        # Then every post is found, and the crisis was told
        said += [line.ok("audit"), line.ok("status"), line.ok("rules", "show")]
        report = line.ok("audit", "--json").data
        assert report["holds"]
        assert report["total"]["missing"] == 0
        assert report["total"]["indexed"] == story.early_count
        crises = {
            one.brand
            for record in line.records("incidents")
            if record.value and (one := parse_incident(record.value)).kind == "crisis"
        }
        assert crises == {next(iter(BRANDS))}
        assert receiver.deliveries
        assert gate.passed
        assert gate.refused == 0

        # and nobody saw a secret
        live = live_workers(line.settings.folder)
        assert len(live) == len(ROLES)
        for one in live:
            answer = httpx.get(f"http://127.0.0.1:{one.metrics_port}/metrics", trust_env=False)
            assert shown_secrets(answer.text) == []
        said += [line.ok("config", "show"), line.ok("config", "show", "--json")]
        said += [line.ok("config", "check"), line.ok("services", "status")]
        for answer_of in said:
            assert shown_secrets(answer_of.out + answer_of.err) == []
        assert shown_secrets(repr(line.settings) + repr(line.kafka.settings)) == []
        for worker in workers:
            worker.ask_to_end()
            assert worker.code() == 0, worker.said()
            assert shown_secrets(worker.log.read_text()) == []
        for file in line.settings.folder.rglob("*"):
            if file.is_file():
                assert shown_secrets(file.read_text(errors="replace")) == [], file


def test_the_other_mechanism_lets_in_too(
    make_secure_line: MakeLine, broker: SecureKafka, story: Story
) -> None:
    line = make_secure_line(broker.scram_settings(MECHANISMS[1]))

    line.ok("topics", "create")
    line.ok("rules", "push", story.rules)

    assert "云帆" in line.ok("rules", "show").out


# --- wrong keys -------------------------------------------------------------------------------


def wrong_doors(broker: SecureKafka) -> dict[str, tuple[dict[str, Any], str]]:
    """Settings that cannot work, and what has to be said of each."""
    scram, mutual = broker.scram_settings(), broker.mutual_settings()
    return {
        "password": (
            scram | {"sasl_password": {"env": "WRONG_PASSWORD"}},
            r"refuses the login: the user tingchao or its password is wrong",
        ),
        "user": (scram | {"sasl_username": "nobody"}, r"refuses the login: the user nobody"),
        "mechanism": (scram | {"sasl_mechanism": "PLAIN"}, r"offers no login by PLAIN"),
        "authority": (
            scram | {"ca_file": str(broker.stranger.file)},
            r"certificate of Kafka at \S+ cannot be verified \(.*\); name .* kafka\.ca_file",
        ),
        "plaintext to TLS": (
            {"bootstrap": broker.scram},
            r"asks for TLS, but kafka\.security is PLAINTEXT",
        ),
        "TLS to plaintext": (
            scram | {"bootstrap": broker.plain},
            r"does not speak TLS, but kafka\.security is SASL_SSL",
        ),
        "no login": (mutual | {"bootstrap": broker.scram}, r"kafka\.security = SSL may not fit"),
        "no certificate": (
            {name: value for name, value in mutual.items() if name in ANYBODY},
            r"does not accept our client certificate .* kafka\.certificate_file",
        ),
        "no rights": (
            scram | {"sasl_username": STRANGER, "sasl_password": {"env": "STRANGER_PASSWORD"}},
            r"TopicAuthorizationFailed|has no topic|does not allow the user stranger",
        ),
    }


def one_sentence(answer: Answer) -> str:
    """What was said, if it was one sentence and no secret stood in it."""
    said = answer.out + answer.err
    assert answer.code == EXIT_FATAL, said
    assert len(said.strip().splitlines()) == 1, said
    assert "Traceback" not in said
    assert shown_secrets(said) == []
    return said


@pytest.mark.parametrize(
    "wrong",
    [
        "password",
        "user",
        "mechanism",
        "authority",
        "plaintext to TLS",
        "TLS to plaintext",
        "no login",
        "no certificate",
        "no rights",
    ],
)
def test_a_wrong_key_is_one_sentence_for_every_command(
    make_secure_line: MakeLine, broker: SecureKafka, wrong: str
) -> None:
    kafka, sentence = wrong_doors(broker)[wrong]
    line = make_secure_line(kafka)

    for command in (["topics", "create"], ["status"], ["audit"], ["dead-letters", "list"]):
        assert re.search(sentence, one_sentence(line.cli(*command))), command


@pytest.mark.parametrize("role", ["ingest", *ROLES])
def test_no_role_starts_with_a_wrong_password(
    make_secure_line: MakeLine, broker: SecureKafka, role: str
) -> None:
    kafka, sentence = wrong_doors(broker)["password"]
    line = make_secure_line(kafka)

    worker = line.start(role)
    worker.expected_to_run = False

    assert worker.code(60) == EXIT_FATAL, worker.said()
    said = worker.log.read_text()
    assert re.search(sentence, said)
    assert "Traceback" not in said
    assert shown_secrets(said) == []


@pytest.mark.parametrize("role", ["ingest", *ROLES])
def test_a_user_without_rights_is_told_so(
    make_secure_line: MakeLine, broker: SecureKafka, role: str
) -> None:
    # Given topics that another user made
    line = make_secure_line(broker.scram_settings())
    line.ok("topics", "create")
    stranger = broker.scram_settings() | {
        "sasl_username": STRANGER,
        "sasl_password": {"env": "STRANGER_PASSWORD"},
        "prefix": line.settings.kafka.prefix,
    }

    # When a role is run by one who may do nothing
    worker = make_secure_line(stranger).start(role)
    worker.expected_to_run = False

    # Then it ends and says what to do
    assert worker.code(60) == EXIT_FATAL, worker.said()
    said = worker.log.read_text()
    assert "Traceback" not in said, said
    assert re.search(r"Kafka does not allow the user stranger|Kafka has no topic", said)
    assert USER not in said.replace("tingchao topics create", "").replace("tingchao-", "")
