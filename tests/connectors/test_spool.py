import asyncio
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import connectors.spool as module
from connectors.base import Seen, Unreadable
from connectors.receiver import Busy
from connectors.spool import Parcel, Spool, SpoolFullError
from schemas.customer_event import CustomerEvent
from schemas.post import Author, PostDraft

NOW = datetime(2024, 6, 1, 4, 0, tzinfo=UTC)


def parcel(key: str, text: str = "空调不制冷") -> Parcel:
    draft = PostDraft(
        id=f"wechat:message-{key}",
        platform="wechat",
        kind="message",
        text=text,
        author=Author(id="u"),
        published_at=NOW,
        source="公众号",
    )
    return Parcel(key, [Seen(draft, NOW)])


def everything() -> Parcel:
    full = parcel("full")
    full.unreadable.append(Unreadable(1, b"\xff\x00<xml>", "schema", "不是 XML"))
    full.events.append(
        CustomerEvent(
            id="wechat:event-1",
            platform="wechat",
            source="公众号",
            act="unfollowed",
            native="unsubscribe",
            customer="c",
            happened_at=NOW,
            observed_at=NOW,
        )
    )
    full.counted = "location"
    return full


class Broker:
    """Takes parcels, but for the first ``busy`` ones."""

    def __init__(self, busy: int = 0) -> None:
        self.busy = busy
        self.taken: list[Parcel] = []

    async def deliver(self, parcel: Parcel) -> None:
        if self.busy:
            self.busy -= 1
            raise Busy(5)
        self.taken.append(parcel)


async def hand_on(spool: Spool, broker: Broker, until: Callable[[], bool]) -> None:
    task = asyncio.create_task(spool.hand_on(broker.deliver))
    async with asyncio.timeout(10):
        while not until():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.005)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_what_was_kept_is_handed_on_by_the_next_process_and_removed(tmp_path: Path) -> None:
    await Spool(tmp_path, "公众号").keep(everything())

    broker = Broker()
    await hand_on(Spool(tmp_path, "公众号"), broker, lambda: not files(tmp_path))

    assert broker.taken == [everything()]


async def test_only_we_may_read_it(tmp_path: Path) -> None:
    await Spool(tmp_path, "公众号").keep(parcel("1"))

    [path] = files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_the_oldest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 1)
    spool, broker = Spool(tmp_path, "s"), Broker()
    for key in ("c", "a", "b"):
        await spool.keep(parcel(key))

    await hand_on(spool, broker, lambda: not files(tmp_path))

    assert [one.key for one in broker.taken] == ["c", "a", "b"]


async def test_the_same_again_is_kept_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "s")
    await spool.keep(parcel("1"))
    await spool.keep(parcel("1"))

    assert len(files(tmp_path)) == 1


async def test_what_the_broker_does_not_take_stays(tmp_path: Path) -> None:
    spool, broker = Spool(tmp_path, "s"), Broker(busy=3)
    await spool.keep(parcel("1"))

    await hand_on(spool, broker, lambda: broker.busy == 1)
    assert len(files(tmp_path)) == 1

    await hand_on(spool, broker, lambda: not files(tmp_path))
    assert [one.key for one in broker.taken] == ["1"]


async def test_there_is_an_end_to_it_and_room_again_when_it_was_emptied(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "s", most_bytes=2_000)
    with pytest.raises(SpoolFullError):
        for key in "123456789":
            await spool.keep(parcel(key))
    kept = len(files(tmp_path))
    assert kept >= 2

    # Also for the next process, which has to look how much there is
    later, broker = Spool(tmp_path, "s", most_bytes=2_000), Broker(busy=10**9)
    await hand_on(later, broker, lambda: broker.busy < 10**9)
    with pytest.raises(SpoolFullError):
        for key in "abcd":
            await later.keep(parcel(key))
    broker.busy = 0
    await hand_on(later, broker, lambda: not files(tmp_path))
    await later.keep(parcel("z"))
    assert {one.key for one in broker.taken} >= set("12")


async def test_a_damaged_file_becomes_a_dead_letter(tmp_path: Path) -> None:
    spool, broker = Spool(tmp_path, "s"), Broker()
    await spool.keep(parcel("1"))
    [path] = files(tmp_path)
    path.write_bytes(path.read_bytes()[:40])

    await hand_on(spool, broker, lambda: not files(tmp_path))

    [taken] = broker.taken
    assert (taken.key, taken.seen, len(taken.unreadable)) == ("1", [], 1)


async def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "s.spool").write_text("no folder")

    with pytest.raises(OSError):
        await Spool(tmp_path, "s").keep(parcel("1"))


@pytest.mark.parametrize("name", ["../outside", "/etc/x", "..", "."])
async def test_a_source_of_any_name_stays_in_the_folder(tmp_path: Path, name: Any) -> None:
    folder = tmp_path / "sources"

    await Spool(folder, name).keep(parcel("1"))

    [path] = files(tmp_path)
    assert path.resolve().is_relative_to(folder)
    assert path.parent.parent == folder
