from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from processors.source_incidents import source_incident
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.incident import Incident
from sinks.base import Notice
from sinks.pagerduty import PagerDuty
from tests.pipeline.incidents import AT, gap_of
from tests.sinks.service import Service

MakeNotice = Callable[..., Notice]
MakeIncident = Callable[..., Incident]

KEY = "R" * 32
OK = {"status": "success", "message": "Event processed", "dedup_key": "x"}


def service(status: int = 202) -> Service:
    return Service(OK, status)


async def test_a_notice_triggers_under_the_id_of_its_incident(make_notice: MakeNotice) -> None:
    other = service()

    await other.channel(PagerDuty, routing_key=KEY).deliver(make_notice())

    [request], [event] = other.requests, other.messages
    assert str(request.url) == "https://events.pagerduty.com/v2/enqueue"
    assert event["routing_key"] == KEY
    assert event["event_action"] == "trigger"
    assert event["dedup_key"] == "seagull-20240305T0400-1"
    assert event["links"] == [{"href": "https://weibo.example/1", "text": "weibo.example"}]
    payload = event["payload"]
    assert "海鸥" in payload["summary"]
    assert payload["severity"] == "critical"
    assert payload["timestamp"] == "2024-03-05T04:10:00+00:00"
    assert (payload["component"], payload["group"], payload["class"]) == (
        "海鸥",
        "seagull",
        "crisis",
    )
    details = payload["custom_details"]
    assert (details["voices"], details["copies"], details["notice"]) == (
        52,
        36,
        "seagull-20240305T0400-1.confirmed",
    )
    assert "海鸥手机充电时鼓包" in details["text"]


@pytest.mark.parametrize(
    ("severity", "word"),
    [(1, "info"), (2, "warning"), (3, "error"), (4, "critical"), (5, "critical")],
)
async def test_severities_are_theirs(
    make_notice: MakeNotice, make_incident: MakeIncident, severity: int, word: str
) -> None:
    other = service()
    notice = make_notice(incident=make_incident(severity=severity))
    await other.channel(PagerDuty, routing_key=KEY).deliver(notice)
    assert other.messages[0]["payload"]["severity"] == word


async def test_an_end_resolves(make_notice: MakeNotice) -> None:
    other = service()
    await other.channel(PagerDuty, routing_key=KEY).deliver(make_notice(reason="closed"))
    assert other.messages == [
        {
            "routing_key": KEY,
            "event_action": "resolve",
            "dedup_key": "seagull-20240305T0400-1",
        }
    ]


async def test_a_trial_leaves_nothing_open_and_wakes_nobody(make_notice: MakeNotice) -> None:
    other = service()
    await other.channel(PagerDuty, routing_key=KEY).deliver(make_notice(trial=True))
    first, second = other.messages
    assert (first["event_action"], second["event_action"]) == ("trigger", "resolve")
    assert first["payload"]["severity"] == "info"
    assert first["dedup_key"] == second["dedup_key"]


async def test_a_source_can_be_told_too() -> None:
    other, gap = service(), source_incident(gap_of("own", AT), None)
    assert gap is not None
    await other.channel(PagerDuty, routing_key=KEY).deliver(Notice("k", "opened", gap, "own"))
    assert other.messages[0]["payload"]["class"] == "source"


async def test_long_ids_and_titles_are_cut_to_their_limits(
    make_notice: MakeNotice, make_incident: MakeIncident
) -> None:
    other = service()
    notice = make_notice(incident=make_incident(id="i" * 300), brand_name="海" * 3_000)
    await other.channel(PagerDuty, routing_key=KEY).deliver(notice)
    [event] = other.messages
    assert len(event["dedup_key"]) == 64
    assert len(event["payload"]["summary"]) == 1_024


INVALID = {"status": "invalid event", "message": "Event object is invalid"}


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (400, INVALID | {"errors": ["Length of 'routing_key' is incorrect"]}, FatalError),
        (400, INVALID | {"errors": ["Invalid routing key"]}, FatalError),
        (400, INVALID | {"errors": ["'payload.summary' is missing"]}, RejectedError),
        (403, {}, FatalError),
        (429, "slow down", RetryableError),
        (500, "", RetryableError),
        (200, "<html>", RetryableError),
    ],
)
async def test_its_answer_says_how_to_go_on(
    make_notice: MakeNotice, status: int, content: Any, error: type[Exception]
) -> None:
    other = service()
    other.answers(content, status)
    with pytest.raises(error) as caught:
        await other.channel(PagerDuty, routing_key=KEY).deliver(make_notice())
    assert KEY not in str(caught.value)


async def test_no_answer_is_tried_again(make_notice: MakeNotice) -> None:
    other = service()
    other.fault = httpx.ReadTimeout(f"slow {KEY}")
    with pytest.raises(RetryableError) as caught:
        await other.channel(PagerDuty, routing_key=KEY).deliver(make_notice())
    assert KEY not in str(caught.value)


def test_the_key_is_not_shown_by_the_channel() -> None:
    channel = service().channel(PagerDuty, routing_key=KEY)
    assert KEY not in repr(vars(channel)) + repr(vars(channel._poster))


def test_the_key_is_a_secret_of_32_signs() -> None:
    config = PagerDuty.Config.model_validate({"routing_key": KEY})
    assert KEY not in repr(config) + config.model_dump_json()
    with pytest.raises(ValidationError) as caught:
        PagerDuty.Config.model_validate({"routing_key": "short-secret"})
    assert "short-secret" not in caught.value.errors(include_input=False)[0]["msg"]
