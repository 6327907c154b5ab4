from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import ValidationError

import connectors.receiver as receiver_module
from connectors.base import Context
from connectors.wechat_events import CONTACT_ACTS
from connectors.wecom import Wecom
from schemas.customer_event import CustomerEvent
from tests.connectors.pushing import Driver, free_port
from tests.connectors.wechat_server import APP_ID, KEY, TOKEN, Sender

CORP_ID = "ww1234567890abcdef"
CONTACT = {
    "FromUserName": "sys",
    "UserID": "zhang-of-yunfan",
    "ExternalUserID": "wmExternal-of-yunfan-0001",
}
OPTIONS = {
    "corp_id": CORP_ID,
    "token": TOKEN,
    "encoding_aes_key": KEY,
    "id_secret": "a secret for the tests",
    "path": "/wecom",
}


@pytest.fixture
async def sender(driver: Driver, port: int, context: Context) -> AsyncIterator[Sender]:
    sender = Sender(f"http://127.0.0.1:{port}/wecom", context.now, app_id=CORP_ID, wecom=True)
    yield sender
    await sender.close()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def connect(context: Context, port: int) -> Callable[[], Wecom]:
    config = Wecom.Config.model_validate(OPTIONS | {"port": port})
    return lambda: Wecom("企业微信", config, context)


@pytest.fixture
async def driver(connect: Callable[[], Wecom], port: int) -> AsyncIterator[Driver]:
    driver = Driver(connect().batches)
    await driver.start(port)
    yield driver
    await driver.stop()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Life signs come at once; asked for before the connector starts."""
    monkeypatch.setattr(receiver_module, "LIFE_SIGN_SECONDS", 0.01)


def parked(driver: Driver) -> list[bytes]:
    return [item.raw for batch in driver.written for item in batch.unreadable]


async def test_the_encrypted_echo_is_decrypted(sender: Sender) -> None:
    answer = await sender.verify("1616140317555161061")

    assert (answer.status_code, answer.text) == (200, "1616140317555161061")


@pytest.mark.parametrize("options", [{"token": "another"}, {"key": "G" * 43}, {"app_id": APP_ID}])
async def test_an_echo_of_others_is_refused(
    driver: Driver, sender: Sender, options: dict[str, Any]
) -> None:
    other = Sender(sender.url, sender.now, **{"app_id": CORP_ID, **options}, wecom=True)

    assert (await other.verify()).status_code == 403
    assert (await sender.verify()).status_code == 200
    await other.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [({"token": "another"}, "token"), ({"key": "G" * 43}, "encoding_aes_key")],
)
async def test_what_keeps_every_push_out_is_told(
    hurried: None, driver: Driver, sender: Sender, options: dict[str, str], says: str
) -> None:
    other = Sender(sender.url, sender.now, **{"app_id": CORP_ID, **options}, wecom=True)

    # When WeCom checks the address in vain, as often as it tries
    for _ in range(3):
        assert (await other.verify()).status_code == 403

    await driver.until(lambda: bool(driver.written) and driver.written[-1].trouble is not None)
    assert says in str(driver.written[-1].trouble)
    await other.close()


def events(driver: Driver) -> list[CustomerEvent]:
    return [event for batch in driver.written for event in batch.events]


async def test_contacts_that_come_and_go_become_events(driver: Driver, sender: Sender) -> None:
    # Given changes of contacts, two of them in the same second
    event = "change_external_contact"
    other = CONTACT | {"ExternalUserID": "wmAnother-of-yunfan"}
    changes = [
        sender.event(event, ChangeType="add_external_contact", State="qr1", **CONTACT),
        sender.event(event, ChangeType="del_follow_user", **CONTACT),
        sender.event(event, ChangeType="del_follow_user", **other),
    ]

    # When each is sent twice
    assert [await sender.push(change) for change in changes * 2] == [[200]] * 6

    # Then each came once, and neither event nor cursor names anybody
    assert [(one.act, one.native, one.about) for one in events(driver)] == [
        ("contact_added", "add_external_contact", "qr1"),
        ("contact_left", "del_follow_user", None),
        ("contact_left", "del_follow_user", None),
    ]
    added, left, another = events(driver)
    assert added.customer == left.customer != another.customer
    assert added.staff == left.staff == another.staff is not None
    assert {one.platform for one in events(driver)} == {"wecom"}
    told = "".join(one.model_dump_json() for one in events(driver)) + str(driver.cursor)
    assert not any(native in told for native in (*CONTACT.values(), "wmAnother"))


async def test_every_change_of_a_contact_is_an_act(driver: Driver, sender: Sender) -> None:
    event = "change_external_contact"
    for change in CONTACT_ACTS:
        await sender.push(sender.event(event, ChangeType=change, **CONTACT))

    assert [one.act for one in events(driver)] == list(CONTACT_ACTS.values())


async def test_a_restart_tells_nothing_twice(
    driver: Driver, sender: Sender, connect: Callable[[], Wecom], port: int
) -> None:
    event = "change_external_contact"
    first = sender.event(event, ChangeType="del_follow_user", **CONTACT)
    await sender.push(first)
    await driver.stop()

    later = Driver(connect().batches)
    later.cursor = driver.cursor
    await later.start(port)
    second = sender.event(event, ChangeType="del_follow_user", **CONTACT | {"UserID": "li-of-y"})
    assert [await sender.push(one) for one in (first, second)] == [[200]] * 2
    await later.stop()

    [told] = events(later)
    assert told.staff != events(driver)[0].staff


async def test_a_change_of_no_contact_is_parked(driver: Driver, sender: Sender) -> None:
    event = sender.event("change_external_contact", ChangeType="del_follow_user", UserID="zhang")

    assert await sender.push(event) == [200]

    assert (events(driver), len(parked(driver))) == ([], 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"Event": "change_external_contact", "ChangeType": "from_the_future"},
        {"Event": "change_external_chat", "ChangeType": "create"},
        {"Event": "", "MsgType": "text", "Content": "报销", "MsgId": 1},
    ],
)
async def test_anything_else_is_parked_without_its_people(
    driver: Driver, sender: Sender, fields: dict[str, Any]
) -> None:
    assert await sender.push(sender.event(**{"event": "", **CONTACT, **fields})) == [200]

    [raw] = parked(driver)
    assert not any(native.encode() in raw for native in CONTACT.values() if native != "sys")


@pytest.mark.parametrize("body", ["<xml/>", "<xml><MsgType>event</MsgType></xml>", "不是XML"])
async def test_what_is_not_encrypted_is_refused(driver: Driver, sender: Sender, body: str) -> None:
    query = sender.query() | {"msg_signature": "0" * 40}

    assert (await sender.post(query, body)).status_code in (400, 403)
    assert driver.written == []


def test_wrong_settings_say_which() -> None:
    with pytest.raises(ValidationError, match="43"):
        Wecom.Config.model_validate(OPTIONS | {"port": 1, "encoding_aes_key": "short"})
