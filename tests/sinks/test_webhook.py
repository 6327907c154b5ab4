import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from pydantic import ValidationError

from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.incident import Incident
from sinks.base import Notice
from sinks.webhook import MAX_BYTES, Webhook, payload, sign

MakeNotice = Callable[..., Notice]
MakeIncident = Callable[..., Incident]

KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OTHER = "whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode()
NOW = datetime(2024, 3, 5, 4, 10, 30, tzinfo=UTC)


async def public(host: str) -> list[str]:
    return ["93.184.216.34"]


class Receiver:
    """The other side: answers as told and keeps what came."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.requests: list[httpx.Request] = []
        self.fault: Exception | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.fault:
            raise self.fault
        return httpx.Response(self.status, headers=self.headers)

    def channel(self, **options: Any) -> Webhook:
        options = {"url": "https://crm.example/hook?token=t0ken", "secrets": [SECRET]} | options
        resolve = options.pop("resolve", public)
        return Webhook(
            "crm",
            Webhook.Config.model_validate(options),
            httpx.AsyncClient(transport=httpx.MockTransport(self)),
            now=lambda: NOW,
            resolve=resolve,
        )


def test_signature_equals_the_published_vector() -> None:
    key = base64.b64decode("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
    body = b'{"type":"post.created","data":{"id":1}}'
    assert sign([key], "msg_1", 1700000000, body) == (
        "v1,32x4LFLhPplx6lhMMpP5uEkvNKJmsvNsv+8s3MOYGMM="
    )


async def test_a_receiver_can_verify_what_it_got(make_notice: MakeNotice) -> None:
    receiver, notice = Receiver(204), make_notice()

    await receiver.channel(secrets=[OTHER, SECRET]).deliver(notice)

    [request] = receiver.requests
    message_id, at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert (message_id, at) == (notice.key, str(int(NOW.timestamp())))
    signed = f"{message_id}.{at}.".encode() + request.content
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    signatures = request.headers["webhook-signature"].split(" ")
    assert len(signatures) == 2  # both secrets of a rotation
    assert f"v1,{expected}" in signatures
    content = orjson.loads(request.content)
    assert content["type"] == "incident.confirmed"
    assert content["timestamp"] == "2024-03-05T04:10:00Z"
    assert content["data"]["brand_name"] == "海鸥"
    assert content["data"]["truncated"] == []
    assert Incident.from_line(orjson.dumps(content["data"]["incident"])) == notice.incident


async def test_a_repeat_has_the_same_id_and_body(make_notice: MakeNotice) -> None:
    receiver = Receiver()
    channel = receiver.channel()
    await channel.deliver(make_notice())
    await channel.deliver(make_notice())
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.content == second.content


async def test_a_key_that_is_no_header_is_written_as_one(make_notice: MakeNotice) -> None:
    receiver = Receiver()
    await receiver.channel().deliver(make_notice(key="海鸥\r\nx: 1"))
    [request] = receiver.requests
    assert request.headers["webhook-id"] == "%E6%B5%B7%E9%B8%A5%0D%0Ax:%201"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, RetryableError),
        (302, RetryableError),
        (307, RetryableError),
        (400, RejectedError),
        (401, RejectedError),
        (404, RejectedError),
        (408, RetryableError),
        (410, FatalError),
        (413, RejectedError),
        (425, RetryableError),
        (429, RetryableError),
        (500, RetryableError),
        (502, RetryableError),
        (504, RetryableError),
    ],
)
async def test_every_other_answer_says_how_to_go_on(
    make_notice: MakeNotice, status: int, error: type[Exception]
) -> None:
    receiver = Receiver(status, {"location": "https://elsewhere.example/"})
    with pytest.raises(error, match=str(status)) as caught:
        await receiver.channel().deliver(make_notice())
    assert len(receiver.requests) == 1  # a redirect is not followed
    assert "crm.example" in str(caught.value)
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("Tue, 05 Mar 2024 04:11:00 GMT", 30),
        ("Tue, 05 Mar 2024 04:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
async def test_the_wait_that_was_asked_for_is_kept(
    make_notice: MakeNotice, value: str, seconds: float | None
) -> None:
    with pytest.raises(RetryableError) as caught:
        await Receiver(429, {"retry-after": value}).channel().deliver(make_notice())
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("refused"), httpx.ReadTimeout(""), httpx.RemoteProtocolError("?")]
)
async def test_no_answer_is_a_retry(make_notice: MakeNotice, fault: Exception) -> None:
    receiver = Receiver()
    receiver.fault = fault
    with pytest.raises(RetryableError, match=r"crm\.example"):
        await receiver.channel().deliver(make_notice())


class TestAddress:
    @pytest.mark.parametrize(
        "address",
        [
            "10.0.0.7",
            "172.16.3.4",
            "192.168.1.1",
            "169.254.169.254",
            "127.0.0.1",
            "::1",
            "fd00::1",
            "0.0.0.0",
            "::ffff:10.0.0.7",
        ],
    )
    async def test_a_name_that_leads_into_a_private_network_is_refused(
        self, make_notice: MakeNotice, address: str
    ) -> None:
        async def private(host: str) -> list[str]:
            assert host == "crm.example"
            return ["93.184.216.34", address]

        receiver = Receiver()
        with pytest.raises(FatalError, match="allow_private"):
            await receiver.channel(resolve=private).deliver(make_notice())
        assert receiver.requests == []
        await receiver.channel(resolve=private, allow_private=True).deliver(make_notice())

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
    async def test_this_machine_may_be_named_literally(
        self, make_notice: MakeNotice, host: str
    ) -> None:
        receiver = Receiver()
        await receiver.channel(url=f"http://{host}:8080/hook").deliver(make_notice())
        assert len(receiver.requests) == 1

    async def test_a_name_that_can_not_be_resolved_is_a_retry(
        self, make_notice: MakeNotice
    ) -> None:
        async def nobody(host: str) -> list[str]:
            raise OSError("no such name")

        with pytest.raises(RetryableError, match="no such name"):
            await Receiver().channel(resolve=nobody).deliver(make_notice())

    def test_plain_http_is_for_the_own_network(self) -> None:
        options = {"url": "http://crm.example/hook", "secrets": [SECRET]}
        with pytest.raises(ValidationError, match="https"):
            Webhook.Config.model_validate(options)
        Webhook.Config.model_validate(options | {"allow_private": True})


class TestConfig:
    @pytest.mark.parametrize(
        "secret",
        [
            "whsec_",
            "whsec_" + base64.b64encode(b"too short").decode(),
            "whsec_" + base64.b64encode(b"x" * 65).decode(),
            SECRET.removeprefix("whsec_"),
            "whsec_not base64 at all, but long enough to be one",
            "钥匙",
        ],
    )
    def test_a_bad_secret_is_refused_without_being_shown(self, secret: str) -> None:
        with pytest.raises(ValidationError) as caught:
            Webhook.Config.model_validate({"url": "https://crm.example", "secrets": [secret]})
        [problem] = caught.value.errors(include_input=False)
        assert "whsec_" in problem["msg"]
        assert secret not in problem["msg"].replace("'whsec_'", "")

    def test_secrets_do_not_show(self) -> None:
        options = {"url": "https://crm.example", "secrets": [SECRET]}
        config = Webhook.Config.model_validate(options)
        assert SECRET not in repr(config) + str(config) + config.model_dump_json()

    def test_a_secret_is_needed(self) -> None:
        with pytest.raises(ValidationError):
            Webhook.Config.model_validate({"url": "https://crm.example", "secrets": []})


class TestPayload:
    def test_long_lists_are_cut_and_named(
        self, make_notice: MakeNotice, make_incident: MakeIncident
    ) -> None:
        incident = make_incident()
        quotes = tuple(
            incident.quotes[0].model_copy(update={"excerpt": "鼓包" * 70, "post_id": f"weibo:{n}"})
            for n in range(100)
        )
        long = incident.model_copy(update={"quotes": quotes})

        body = payload(make_notice(incident=long))

        data = orjson.loads(body)["data"]
        assert len(body) <= MAX_BYTES
        assert data["truncated"] == ["quotes"]
        kept = [quote["post_id"] for quote in data["incident"]["quotes"]]
        assert kept == [f"weibo:{n}" for n in range(len(kept))]  # the first, and no fewer than fit
        assert len(kept) > 20
        assert len(data["incident"]["timeline"]) == 2

    def test_the_newest_steps_stay(
        self, make_notice: MakeNotice, make_incident: MakeIncident
    ) -> None:
        incident = make_incident()
        step = incident.timeline[0]
        steps = tuple(
            step.model_copy(update={"at": step.at + timedelta(minutes=n), "note": "扩大" * 60})
            for n in range(80)
        )

        body = payload(make_notice(incident=incident.model_copy(update={"timeline": steps})))

        data = orjson.loads(body)["data"]
        assert len(body) <= MAX_BYTES
        assert data["truncated"] == ["quotes", "timeline"]
        assert data["incident"]["timeline"][-1]["at"] == "2024-03-05T05:19:00Z"

    def test_endless_texts_are_shortened(
        self, make_notice: MakeNotice, make_incident: MakeIncident
    ) -> None:
        incident = make_incident(statement="声明" * 20_000)
        body = payload(make_notice(incident=incident))
        data = orjson.loads(body)["data"]
        assert len(body) <= MAX_BYTES
        assert data["incident"]["statement"] == "声明" * 250 + "…"
        assert "statement" in data["truncated"]

    def test_what_can_not_be_cut_is_rejected(self, make_notice: MakeNotice) -> None:
        with pytest.raises(RejectedError, match="20000"):
            payload(make_notice(brand_name="海" * 10_000))
