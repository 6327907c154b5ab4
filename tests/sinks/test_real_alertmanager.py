"""A real Alertmanager, where Debian's is installed: it takes our alerts, groups them and ends them.

``apt-get install prometheus-alertmanager``; the package, not the unpacked binary: it reads a
template of its own below /usr/share.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.errors import RejectedError
from schemas.incident import Incident
from sinks.alertmanager import Alertmanager
from sinks.base import Notice

MakeNotice = Callable[..., Notice]
MakeIncident = Callable[..., Incident]

BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
READY_SECONDS = 30.0

pytestmark = [
    pytest.mark.own_servers,
    # Also in CI: a stranger's package that is not there says nothing about ours.
    pytest.mark.skipif(BINARY is None, reason="Alertmanager is not installed"),
]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    port = free_port()
    assert BINARY is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                BINARY,
                f"--config.file={folder / 'config.yml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, process, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{address}/-/ready").is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    pytest.fail(f"Alertmanager does not start: {log.read_text()[-2_000:]}")


async def deliver(url: str, notice: Notice) -> None:
    async with httpx.AsyncClient() as client:
        await Alertmanager("ops", Alertmanager.Config.model_validate({"url": url}), client).deliver(
            notice
        )


def active(url: str, incident: str) -> list[dict[str, Any]]:
    found = httpx.get(f"{url}/api/v2/alerts", params={"filter": f'incident="{incident}"'})
    return list(found.raise_for_status().json())


async def test_an_incident_fires_changes_its_severity_and_ends(
    url: str, make_notice: MakeNotice, make_incident: MakeIncident
) -> None:
    now = datetime.now(UTC)

    def step(revision: int, severity: int, reason: str) -> Notice:
        incident = make_incident(
            id="real-1", revision=revision, severity=severity, opened_at=now - timedelta(minutes=9)
        )
        return make_notice(incident=incident, reason=reason, key=f"real-1-{revision}")

    # When it opens, twice, as after a crash
    await deliver(url, step(1, 3, "opened"))
    await deliver(url, step(1, 3, "opened"))

    # Then it fires once, with what people need to know
    [alert] = active(url, "real-1")
    assert alert["status"]["state"] == "active"
    assert alert["labels"]["severity"] == "warning"
    assert alert["labels"]["brand"] == "seagull"
    assert "海鸥手机充电时鼓包" in alert["annotations"]["description"]
    assert alert["generatorURL"] == "https://weibo.example/1"
    ends_at = datetime.fromisoformat(alert["endsAt"])
    assert timedelta(hours=23) < ends_at - now < timedelta(hours=25)

    # And when it grows worse, it is still one alert
    await deliver(url, step(2, 5, "worse"))
    [alert] = active(url, "real-1")
    assert alert["labels"]["severity"] == "critical"

    # And with its end it is gone
    await deliver(url, step(3, 5, "closed"))
    assert active(url, "real-1") == []

    # And it can open again
    await deliver(url, step(4, 5, "worse"))
    assert len(active(url, "real-1")) == 1


async def test_what_it_refuses_is_refused_in_its_words(
    url: str, make_notice: MakeNotice, make_incident: MakeIncident, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an alert whose labels were lost
    monkeypatch.setattr("sinks.alertmanager._labels", lambda notice: {"severity": ""})

    with pytest.raises(RejectedError, match="at least one label pair required"):
        await deliver(url, make_notice(incident=make_incident(revision=1)))
