"""The local Kafka and Elasticsearch: the parts alone, then one life of a work folder."""

import asyncio
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from pipeline import services
from pipeline.services import (
    ServiceError,
    ServicesConfig,
    artefacts,
    faults,
    java,
    places,
    ports,
    process,
)
from pipeline.services.base import mark
from pipeline.services.process import Account, Launch, ProcessRef
from pipeline.services.state import Record, State, load, save
from schemas.language import use_language

ROOT = Path(__file__).parents[2]
NOBODY = Account("nobody", 65_534, 65_534)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    use_language("en")
    yield
    use_language(None)


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


# ── Java and Maven ─────────────────────────────────────────────────────────────────────────────


def shown(version: str, home: object) -> str:
    return (
        "Property settings:\n"
        f"    java.home = {home}\n    java.specification.version = {version}\n"
        "    java.version = 17.0.15\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (shown("17", "/opt/java 17"), java.Java(Path("/opt/java 17"), 17)),
        (shown("1.8", "/opt/java8/jre"), java.Java(Path("/opt/java8/jre"), 8)),
        ("Picked up JAVA_TOOL_OPTIONS: -Xx\n" + shown("25", "/j"), java.Java(Path("/j"), 25)),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_java_says_its_version(text: str, expected: java.Java | None) -> None:
    assert java.parse_java(text) == expected


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ordinary user's machine with nothing installed; the folder is its whole PATH."""
    folder = tmp_path / "jdk" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return folder


def fake_java(folder: Path, version: str) -> None:
    lines = shown(version, folder.parent).replace("\n", "\\n")
    script(folder / "java", f"printf '{lines}' >&2")


@pytest.mark.parametrize("version", [None, "11"])
def test_missing_or_old_java_is_one_sentence(bare: Path, version: str | None) -> None:
    if version:
        fake_java(bare, version)
    with pytest.raises(ServiceError, match=r"needs Java 17 or newer: install it .*compose file"):
        java.find_java(services.silent)


def test_java_home_goes_before_path(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(bare, "21")
    old = bare.parent.parent / "old" / "bin"
    old.mkdir(parents=True)
    fake_java(old, "11")
    assert java.find_java(services.silent).version == 21
    monkeypatch.setenv("JAVA_HOME", str(old.parent))
    with pytest.raises(ServiceError, match=r"JAVA_HOME .* is not Java 17"):
        java.find_java(services.silent)


def test_missing_maven_is_one_sentence(bare: Path) -> None:
    with pytest.raises(ServiceError, match="first start needs Maven"):
        java.find_maven(services.silent)


def test_root_on_debian_installs_what_is_missing(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a machine whose default Java is too old, as on Ubuntu 22.04
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(java, "_DEBIAN", tmp_path)
    fake_java(tmp_path / "packages" / "openjdk-17-jre-headless", "17")
    fake_java(tmp_path / "packages" / "default-jre-headless", "11")
    script(tmp_path / "packages" / "maven" / "mvn", "")
    script(
        bare / "apt-get",
        f'echo "$@" >> {tmp_path}/calls\n'
        f'[ "$1" = update ] || for p in "$@"; do '
        f'[ -d {tmp_path}/packages/"$p" ] && /bin/cp {tmp_path}/packages/"$p"/* {bare}; done\n'
        "exit 0",
    )
    # When both are asked for
    steps: list[str] = []
    found = java.find_java(lambda service, text, *, done=False: steps.append(text))
    maven = java.find_maven(services.silent)
    # Then they are there, after installations that were announced
    assert (found.version, maven) == (17, bare / "mvn")
    assert "running apt-get update" in steps
    assert (tmp_path / "calls").read_text().count("--no-install-recommends") == 3


# ── artefacts ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"a.jar": b"1", "b.jar": b"other"}, "b.jar"),
        ({"a.jar": b"1"}, "b.jar"),
        ({"a.jar": b"1", "b.jar": b"2", "c.jar": b"3"}, "c.jar"),
    ],
)
def test_a_download_that_differs_is_refused(
    tmp_path: Path, files: dict[str, bytes], named: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    wanted = {n: hashlib.sha256(c).hexdigest() for n, c in {"a.jar": b"1", "b.jar": b"2"}.items()}
    with pytest.raises(ServiceError, match=rf"differs from .*\({named}; 1 in all\).*nothing was"):
        artefacts.check("Kafka", tmp_path, wanted)


def test_the_committed_list_covers_both_servers() -> None:
    lines = artefacts.LIST.read_text()
    assert f"kafka_2.13-{artefacts.version('kafka')}.jar" in artefacts.expected("kafka", lines)
    zipped = f"elasticsearch-{artefacts.version('elasticsearch')}.zip"
    assert list(artefacts.expected("elasticsearch", lines)) == [zipped]


def test_artefacts_are_fetched_once_and_only_whole(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a Maven that delivers a server, and a list that expects another one
    archive = tmp_path / "elasticsearch.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, mode in (("es-1/bin/elasticsearch", 0o755), ("es-1/lib/server.jar", 0o644)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100000 | mode) << 16
            file.writestr(entry, name)
    script(
        bare / "mvn",
        'for a in "$@"; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done\n'
        f'/bin/mkdir -p "$d"; /bin/cp {archive} "$d"',
    )
    listed = tmp_path / "list"
    monkeypatch.setattr(artefacts, "LIST", listed)
    listed.write_text(f"{'0' * 64}  elasticsearch/elasticsearch.zip\n")
    store = tmp_path / "artefacts"
    home = store / f"elasticsearch-{artefacts.version('elasticsearch')}"
    # When it is wanted, Then nothing stays
    with pytest.raises(ServiceError, match="nothing was started"):
        artefacts.ensure("elasticsearch", "Elasticsearch", store, services.silent)
    assert not any(path.is_dir() for path in store.iterdir())
    # When the list is right, Then it is unpacked so that another user can run it
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    listed.write_text(f"# head\n{digest}  elasticsearch/elasticsearch.zip\n")
    previous = os.umask(0o077)
    try:
        assert artefacts.ensure("elasticsearch", "", store, services.silent) == home
    finally:
        os.umask(previous)
    assert (home / "bin" / "elasticsearch").stat().st_mode & 0o777 == 0o755
    assert (home / "lib" / "server.jar").stat().st_mode & 0o777 == 0o644
    # When it is wanted again, Then no Maven is needed
    (bare / "mvn").unlink()
    assert artefacts.ensure("elasticsearch", "", store, services.silent) == home


def test_what_maven_says_is_quoted(bare: Path, tmp_path: Path) -> None:
    script(bare / "mvn", "echo '[ERROR] Could not resolve host'; exit 1")
    with pytest.raises(ServiceError, match=r"maven-kafka\.log: Could not resolve host"):
        artefacts.ensure("kafka", "Kafka", tmp_path, services.silent)


# ── places and ports ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "account", "expected"),
    [
        (0o755, NOBODY, True),
        (0o711, NOBODY, True),
        (0o700, NOBODY, False),
        (0o750, NOBODY, False),
        (0o750, Account("colleague", 65_534, os.getegid()), True),
        (0o705, Account("colleague", 65_534, os.getegid()), False),
        (0o700, Account("owner", os.geteuid(), 65_534), True),
        (0o700, None, True),
    ],
)
def test_a_folder_is_entered_through_all_its_parents(
    mode: int, account: Account | None, expected: bool
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        Path(top).chmod(0o755)
        inner = Path(top) / "closed" / "open"
        inner.mkdir(parents=True)
        for folder in (inner.parent, inner):
            os.chown(folder, -1, os.getegid())
            folder.chmod(0o755)
        inner.parent.chmod(mode)
        assert places.reachable(inner, account) is expected


def test_a_prepared_shelter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a folder below which anybody could plant files
    monkeypatch.setattr(places, "SHELTER", tmp_path / "shelter")
    places.SHELTER.mkdir()
    places.SHELTER.chmod(0o777)
    work = tmp_path / "work"
    work.mkdir()
    work.chmod(0o700)
    # When Elasticsearch would have to live there, Then it does not
    with pytest.raises(ServiceError, match="not a folder that only root can write to"):
        places.place(work, NOBODY)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_is_kept_while_it_is_free(taken: int) -> None:
    first = ports.choose("Kafka", configured=None, remembered=None, taken=())
    assert ports.choose("Kafka", configured=None, remembered=first, taken=()) == first
    assert ports.choose("Kafka", configured=None, remembered=first, taken={first}) != first
    assert ports.choose("Kafka", configured=None, remembered=taken, taken=()) != taken


def test_a_port_is_kept_that_a_dying_server_holds_for_a_moment() -> None:
    dying = socket.create_server(("127.0.0.1", 0))
    port = dying.getsockname()[1]
    end = threading.Timer(0.3, dying.close)
    end.start()

    assert ports.choose("Kafka", configured=None, remembered=port, taken=()) == port

    end.join()


def test_a_configured_port_that_is_taken_is_one_sentence(taken: int) -> None:
    with pytest.raises(ServiceError, match=f"Port {taken} for Kafka is taken"):
        ports.choose("Kafka", configured=taken, remembered=None, taken=())


# ── processes ──────────────────────────────────────────────────────────────────────────────────


def launch(tmp_path: Path, command: str) -> Launch:
    return Launch(["/bin/sh", "-c", command], {}, tmp_path, tmp_path / "out")


def test_a_process_is_not_mistaken_for_a_later_one_with_its_id() -> None:
    with subprocess.Popen(["sleep", "100"]) as child:
        found = process.reference(child.pid)
        assert found is not None
        earlier = ProcessRef(pid=child.pid, started="another boot/1")
        assert process.members(earlier, "") == []
        process.end(earlier, "", 5)
        assert child.poll() is None
        child.kill()


def test_a_launcher_and_its_server_end_together(tmp_path: Path) -> None:
    # Given a launcher that ignores the request to end
    ref = process.spawn(
        launch(tmp_path, "trap '' TERM; sleep 100 & sleep 100"),
        attached=False,
        started=lambda _: None,
    )
    eventually(lambda: len(process.members(ref, "")) == 3)
    assert process.rss(process.members(ref, "")) > 0
    # When it is ended with little patience, Then nothing of the group is left
    process.end(ref, "", 0.2)
    assert process.members(ref, "") == []


def test_nothing_runs_that_was_not_written_down(tmp_path: Path) -> None:
    refs: list[ProcessRef] = []

    def fails(ref: ProcessRef) -> None:
        refs.append(ref)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        process.spawn(launch(tmp_path, "echo ran > ran"), attached=False, started=fails)
    eventually(lambda: not process.members(refs[0], ""))
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word on a parent's death")
def test_an_attached_child_ends_with_a_killed_parent(tmp_path: Path) -> None:
    # Given a process whose short-lived thread starts an attached child
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, threading, time; from pathlib import Path\n"
            "from pipeline.services import process\n"
            f"p = Path({str(tmp_path)!r})\n"
            "job = process.Launch(['/bin/sleep', '100'], {}, p, p / 'out')\n"
            "run = lambda: print(process.spawn(job, attached=True, started=lambda _: 0)"
            ".model_dump_json(), flush=True)\n"
            "t = threading.Thread(target=run); t.start(); t.join(); time.sleep(100)\n",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        child = ProcessRef.model_validate_json(parent.stdout.readline())
        assert process.members(child, "") == [child.pid]
        # When the parent is killed
        parent.kill()
    # Then the child ends
    eventually(lambda: not process.members(child, ""))


# ── what is written down ───────────────────────────────────────────────────────────────────────


def test_a_stale_note_is_seen_through_and_cleaned(tmp_path: Path) -> None:
    dead = ProcessRef(pid=os.getpid(), started="another boot/1")
    record = Record(process=dead, port=9, since=datetime.now(UTC), settings="")
    save(tmp_path, State(ports={"kafka": 9}, services={"kafka": record}))
    config = ServicesConfig(folder=tmp_path)
    assert [s.running for s in services.status(config)] == [False, False]
    services.stop(config)
    assert load(tmp_path) == State(ports={"kafka": 9})


def test_a_damaged_note_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text('{"ports":')
    assert not any(s.running for s in services.status(ServicesConfig(folder=tmp_path)))


def test_nothing_is_started_where_both_exist_elsewhere(tmp_path: Path) -> None:
    config = ServicesConfig(folder=tmp_path, kafka=False, elasticsearch=False)
    with services.start(config, attached=True) as running:
        assert (running.kafka_bootstrap, running.elasticsearch_url) == (None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "2026-11-22T20:44:02,101 ERROR Node: broke\nAExc: Failed to bind to 127.0.0.1:1\n"
            "\tat a.b(C.java:1)\nCaused by: B: x\n\t... 3 more\nCaused by: Address in use\n",
            "AExc: Failed to bind to 127.0.0.1:1 (Address in use)",
        ),
        (
            "Error occurred during initialization of VM\nCould not reserve enough space\n",
            "Could not reserve enough space",
        ),
        (
            "Invalid maximum heap size: -Xmx1x\nError: Could not create the Java Virtual Machine.\n"
            "Error: A fatal exception has occurred. Program will exit.\n",
            "Invalid maximum heap size: -Xmx1x",
        ),
        ("2026-11-22T20:44:02,101 INFO Node: started\n", ""),
    ],
)
def test_the_telling_line_of_a_log(text: str, expected: str) -> None:
    assert faults.last(faults.telling(text)) == expected


# ── the real ones ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def config(tmp_path: Path) -> Iterator[ServicesConfig]:
    """A work folder with a name that is hard on tools, below one that only we can enter."""
    folder = tmp_path / "工作 folder"
    tmp_path.chmod(0o700)
    found = ServicesConfig(
        folder=folder, artefacts=ROOT / ".tingchao" / "artefacts", short_lived=True
    )
    yield found
    services.erase(found)
    shutil.rmtree(folder)


async def write(bootstrap: str, url: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("t", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait("t", "听潮".encode(), partition=0)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.put(f"{url}/posts/_doc/1?refresh=true", json={"text": "听潮"})
        answer.raise_for_status()


async def read(bootstrap: str, url: str) -> tuple[bytes, str]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        partition = TopicPartition("t", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        record = await consumer.getone()
    async with httpx.AsyncClient(trust_env=False) as client:
        document = (await client.get(f"{url}/posts/_doc/1")).json()
    return record.value, document["_source"]["text"]


START_ATTACHED = """
import sys, time
from pathlib import Path
from pipeline import services
folder, artefacts = map(Path, sys.argv[1:])
config = services.ServicesConfig(folder=folder, artefacts=artefacts, short_lived=True)
running = services.start(config, attached=True)
print(len(running.owned), flush=True)
time.sleep(600)
"""


@pytest.mark.own_servers
def test_one_life_of_a_work_folder(config: ServicesConfig) -> None:
    # started: both answer, and take what they are given
    steps: list[str] = []
    first = services.start(
        config, attached=False, progress=lambda service, text, *, done=False: steps.append(text)
    )
    assert first.kafka_bootstrap and first.elasticsearch_url
    assert f"ready: {first.elasticsearch_url}" in steps
    asyncio.run(write(first.kafka_bootstrap, first.elasticsearch_url))
    for state in services.status(config):
        assert state.running and state.answering and not state.attached
        assert state.rss_bytes > 100_000_000 and state.data.is_dir() and state.log.is_file()

    # started again: the running ones are used, and outlive a stop of what did not start them
    with services.start(config, attached=True) as second:
        assert (second.kafka_bootstrap, second.owned) == (first.kafka_bootstrap, {})
    assert first.ended() == []
    with pytest.raises(ServiceError, match=r"runs on port .* already but the settings ask for 1"):
        services.start(replace(config, kafka_port=1), attached=False)

    # stopped, twice
    services.stop(config)
    services.stop(config)
    assert sorted(first.ended()) == ["elasticsearch", "kafka"]

    # started by two processes at once: one starts, the other waits and uses it; ports and data stay
    command = [
        *(sys.executable, "-c", START_ATTACHED),
        *(str(config.folder), str(config.artefacts_folder)),
    ]
    rivals = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        counts = [int(p.stdout.readline()) for p in rivals if p.stdout]
        assert sorted(counts) == [0, 2]
        assert all(state.attached and state.answering for state in services.status(config))
        found = asyncio.run(read(first.kafka_bootstrap, first.elasticsearch_url))
        assert found == ("听潮".encode(), "听潮")
        pids = [state.pid for state in services.status(config) if state.pid]
    finally:
        # killed: the children go with the one that started them
        for rival in rivals:
            rival.send_signal(signal.SIGKILL)
            rival.communicate()
    tags = [mark(name, config.folder) for name in ("kafka", "elasticsearch")]
    eventually(lambda: not any(process.find(tag) for tag in tags))
    assert len(pids) == 2
    # A dying process loses its command line, by which it is found, before it is gone.
    eventually(lambda: not any(state.running for state in services.status(config)))


@pytest.mark.own_servers
def test_a_service_whose_note_was_lost_is_found(config: ServicesConfig) -> None:
    only_kafka = replace(config, elasticsearch=False)
    running = services.start(only_kafka, attached=False)
    (config.folder / "services.json").unlink()
    services.stop(config)
    assert running.ended() == ["kafka"]


@pytest.mark.own_servers
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kafka_heap": "banana", "elasticsearch": False}, r"kafka\.out: Invalid .*-Xmsbanana"),
        (
            {"kafka_properties": {"num.partitions": "many"}, "elasticsearch": False},
            r"Kafka .*: .*Invalid value many for configuration num\.partitions",
        ),
        (
            {"elasticsearch_properties": {"no.such": "x"}, "kafka": False},
            r"elasticsearch\.log: .*unknown setting \[no\.such\]",
        ),
    ],
)
def test_a_service_that_dies_is_explained(
    config: ServicesConfig, change: dict[str, object], said: str
) -> None:
    with pytest.raises(ServiceError, match=said):
        services.start(replace(config, **change), attached=True)  # type: ignore[arg-type]
    assert load(config.folder).services == {}
