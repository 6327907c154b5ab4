"""The alerts as they are written; ``test_real_alertmanager.py`` sends them to a real one."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from processors.source_incidents import source_incident
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.incident import Incident
from sinks.alertmanager import Alertmanager
from sinks.base import Notice
from tests.pipeline.incidents import AT, gap_of
from tests.sinks.service import Service

MakeNotice = Callable[..., Notice]
MakeIncident = Callable[..., Incident]

URL = "http://alertmanager:9093"


def service() -> Service:
    """It stands in a time after the incidents."""
    other = Service("")
    other.time.at = AT + timedelta(days=365)
    return other


async def test_an_incident_fires_under_labels_that_stay(make_notice: MakeNotice) -> None:
    other = service()

    await other.channel(Alertmanager, url=URL, hold_hours=6).deliver(make_notice())

    [request], [[own, twin]] = other.requests, other.messages
    assert str(request.url) == "http://alertmanager:9093/api/v2/alerts"
    assert own["labels"] == {
        "alertname": "TingchaoIncident",
        "incident": "seagull-20240305T0400-1",
        "kind": "crisis",
        "severity": "critical",
        "brand": "seagull",
        "role": "own",
    }
    assert "52" in own["annotations"]["summary"]
    assert "海鸥手机充电时鼓包" in own["annotations"]["description"]
    assert own["annotations"]["brand_name"] == "海鸥"
    assert own["startsAt"] == "2024-03-05T04:00:00+00:00"
    assert own["endsAt"] == (other.time.at + timedelta(hours=6)).isoformat()
    assert own["generatorURL"] == "https://weibo.example/1"
    # And what it was with the other severity has ended
    assert twin["labels"] == own["labels"] | {"severity": "warning"}
    assert twin["endsAt"] == other.time.at.isoformat()


async def test_a_new_incident_has_no_other_severity_to_end(
    make_notice: MakeNotice, make_incident: MakeIncident
) -> None:
    other = service()
    incident = make_incident(revision=1, severity=3)

    await other.channel(Alertmanager, url=URL).deliver(
        make_notice(incident=incident, reason="opened")
    )

    [[own]] = other.messages
    assert own["labels"]["severity"] == "warning"


async def test_an_end_ends_both(make_notice: MakeNotice) -> None:
    other = service()
    await other.channel(Alertmanager, url=URL).deliver(make_notice(reason="closed"))
    [both] = other.messages
    assert [one["endsAt"] for one in both] == [other.time.at.isoformat()] * 2
    assert {one["labels"]["severity"] for one in both} == {"critical", "warning"}


async def test_an_incident_of_a_clock_ahead_of_ours_still_begins_before_it_ends(
    make_notice: MakeNotice,
) -> None:
    other = service()
    other.time.at = AT - timedelta(days=3_650)
    await other.channel(Alertmanager, url=URL).deliver(make_notice(reason="closed"))
    for one in other.messages[0]:
        assert one["startsAt"] <= one["endsAt"]


async def test_a_source_is_an_alert_of_its_own_name() -> None:
    other, gap = service(), source_incident(gap_of("own", AT), None)
    assert gap is not None
    await other.channel(Alertmanager, url=URL).deliver(Notice("k", "opened", gap, "own"))
    [[own]] = other.messages
    assert own["labels"]["alertname"] == "TingchaoSource"
    assert own["labels"]["source"] == "own"
    assert own["generatorURL"].startswith("tingchao:incident/")


async def test_a_trial_ends_by_itself_and_is_routed_to_nobody(make_notice: MakeNotice) -> None:
    other = service()
    await other.channel(Alertmanager, url=URL).deliver(make_notice(trial=True))
    [[own]] = other.messages
    assert (own["labels"]["alertname"], own["labels"]["severity"]) == ("TingchaoTrial", "info")
    assert own["endsAt"] == (other.time.at + timedelta(minutes=1)).isoformat()


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, None),
        (
            {"username": "me", "password": "pa55word"},
            "Basic " + base64.b64encode(b"me:pa55word").decode(),
        ),
    ],
)
async def test_it_logs_in_as_told(
    make_notice: MakeNotice, options: dict[str, Any], header: str | None
) -> None:
    other = service()
    await other.channel(Alertmanager, url="https://alerts.example", **options).deliver(
        make_notice()
    )
    assert other.requests[0].headers.get("authorization") == header


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RejectedError),
        (401, FatalError),
        (404, FatalError),
        (422, RejectedError),
        (429, RetryableError),
        (503, RetryableError),
    ],
)
async def test_its_answer_says_how_to_go_on(
    make_notice: MakeNotice, status: int, error: type[Exception]
) -> None:
    other = service()
    other.answers({"code": 602, "message": "0.labels in body is required pa55word"}, status)
    with pytest.raises(error, match="labels in body is required") as caught:
        await other.channel(
            Alertmanager, url="https://alerts.example", username="me", password="pa55word"
        ).deliver(make_notice())
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"url": URL, "username": "me", "password": "pa55word"},
        {"url": "https://a.example", "username": "me"},
        {"url": "https://a.example", "password": "pa55word"},
    ],
)
def test_half_a_login_or_one_in_the_clear_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Alertmanager.Config.model_validate(options)
    shown = caught.value.errors(include_input=False, include_context=False)[0]["msg"]
    assert "pa55word" not in shown


def test_secrets_do_not_show() -> None:
    options = {"url": "https://a.example", "username": "me", "password": "pa55word"}
    config = Alertmanager.Config.model_validate(options)
    channel = service().channel(Alertmanager, **options)
    assert "pa55word" not in repr(config) + config.model_dump_json()
    assert "pa55word" not in repr(vars(channel)) + repr(vars(channel._poster))
