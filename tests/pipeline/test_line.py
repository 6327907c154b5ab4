"""The whole line as real processes on the real Kafka and Elasticsearch, and what becomes of it
when processes are killed.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from pipeline.loop import EXIT_FATAL
from pipeline.status import live_workers
from schemas.enriched import EnrichedPost
from schemas.incidents import parse_incident
from sinks.journal import Journal
from sinks.search import Search
from tests.faults.proxy import FaultProxy
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import STOP_SECONDS, Line, Receiver, Worker, alive, eventually
from tests.pipeline.line_story import BRANDS, Story, post, write_story

pytestmark = pytest.mark.services

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
WATCH = {"close_after_hours": 6}  # both incidents shall end within the story
ROLES = ("enrich", "watch", "index", "notify")
GROUPS = ("enrich", "watch", "index", "notify-duty")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return write_story(tmp_path_factory.mktemp("story"))


def duty(receiver: Receiver) -> dict[str, object]:
    """Settings of a webhook channel; the secret itself comes from the environment."""
    channel = {"use": "webhook", "url": receiver.url, "secrets": [{"env": "DUTY_SECRET"}]}
    # A held answer waits for the kill, not for the channel's patience: a busy machine takes longer.
    return {"duty": channel | {"timeout_seconds": 60}}


@dataclass(frozen=True)
class Run:
    """A line that the story went through."""

    line: Line
    receiver: Receiver
    workers: list[Worker]

    def incidents(self) -> dict[tuple[str, int], bytes]:
        """Every revision that stands in the topic, by id and revision."""
        found = {}
        for record in self.line.records("incidents"):
            assert record.value is not None
            incident = parse_incident(record.value)
            assert (incident.id, incident.revision) not in found, "written twice"
            found[incident.id, incident.revision] = record.value
        return found


@pytest.fixture(scope="module", autouse=True)
def secret_of_duty() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUTY_SECRET", SECRET)
        yield


@pytest.fixture(scope="module")
def undisturbed(make_module_line: MakeLine, story: Story, secret_of_duty: None) -> Iterator[Run]:
    """One partition: only then do two runs have one order, and may be compared byte for byte."""
    with closing(Receiver()) as receiver:
        line = make_module_line(partitions=1, watch=WATCH, channels=duty(receiver))
        line.ok("topics", "create")
        line.ok("rules", "push", story.rules)
        workers = [line.start(role) for role in ROLES]
        for recording in (story.early, story.middle, story.late):
            line.ok("replay", recording)
        line.until_drained(*GROUPS)
        yield Run(line, receiver, workers)
        line.close()


# --- the story goes through -------------------------------------------------------------------


def test_every_post_is_found_by_its_brand(undisturbed: Run, story: Story) -> None:
    for brand in BRANDS:
        found = undisturbed.line.ok(
            "search", "--brand", brand, "--every-copy", "--limit", "1000", "--json"
        ).data

        assert {hit["post"]["id"] for hit in found["hits"]} == story.naming(brand)
        assert found["total"] == len(story.naming(brand))


def test_every_post_is_found_by_any_phrase_inside_it(undisturbed: Run, story: Story) -> None:
    choose = random.Random(7)
    for text in choose.sample(sorted(set(story.texts.values())), 8):
        words = max(re.findall(r"[\u4e00-\u9fff]+", text), key=len)
        start = choose.randrange(len(words) - 4)
        phrase = words[start : start + choose.randint(4, 7)]

        found = undisturbed.line.ok(
            "search", phrase, "--every-copy", "--limit", "1000", "--json"
        ).data

        assert {hit["post"]["id"] for hit in found["hits"]} == story.holding(phrase), phrase
        for hit in found["hits"]:
            marked = [hit["post"]["text"][m["start"] : m["end"]] for m in hit["marks"]]
            assert phrase in marked


def test_both_crises_stand_in_topic_and_index_with_their_first_post(
    undisturbed: Run, story: Story
) -> None:
    newest = {key[0]: line for key, line in sorted(undisturbed.incidents().items())}
    crises = [one for line in newest.values() if (one := parse_incident(line)).kind == "crisis"]

    assert {one.brand for one in crises} == set(BRANDS)
    found = undisturbed.line.ok("incidents", "list", "--all", "--json").data
    listed = {one["id"]: one for one in found}
    indexed = undisturbed.line.look(lambda index: Search(index).incidents(size=100))
    assert {one.id: one.to_line() for one in indexed} == newest
    for incident in crises:
        assert incident.state == "closed"
        assert listed[incident.id] == json.loads(newest[incident.id])
        assert incident.first_post.post_id in story.naming(incident.brand)
        assert incident.first_post.excerpt == story.texts[incident.first_post.post_id]
        # What the alarm counts can be counted again from the posts that it names.
        evidence = incident.evidence
        assert set(evidence.posts) <= story.naming(incident.brand)
        shown = undisturbed.line.ok("incidents", "show", incident.id).out
        assert f"{BRANDS[incident.brand]}电器" in shown
        assert incident.first_post.excerpt[:20] in shown


def test_each_incident_is_made_again_from_signals_and_posts(undisturbed: Run) -> None:
    for one in undisturbed.line.ok("incidents", "list", "--all", "--json").data:
        check = undisturbed.line.ok("incidents", "verify", one["id"], "--json").data

        assert check["holds"] and check["differences"] == [] == check["missing"]
        assert check["recounted"] == one["evidence"]["numbers"]
        shown = undisturbed.line.ok("incidents", "verify", one["id"][:6]).out
        assert shown.count("✓") == 3 and "✗" not in shown

    unsaid = undisturbed.line.cli("incidents", "effect", one["id"])
    assert unsaid.code == EXIT_FATAL and "incidents statement" in unsaid.err


def test_each_step_was_told_once_and_signed(undisturbed: Run) -> None:
    keys = undisturbed.receiver.keys()
    assert len(keys) == len(set(keys)) >= 2 * 2  # opened and closed, twice
    for headers, body in undisturbed.receiver.deliveries:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
        told = json.loads(body)
        assert told["type"] == f"incident.{told['data']['reason']}"
        assert told["data"]["incident"]["kind"] == "crisis"

    journal = undisturbed.line.look(lambda index: Journal(index).recent(size=100))
    assert {(one.key, one.state) for one in journal} == {(key, "sent") for key in keys}


def test_status_shows_a_line_at_rest(undisturbed: Run) -> None:
    rows = {row["role"]: row for row in undisturbed.line.ok("status", "--json").data}

    assert {role: row["processes"] for role, row in rows.items()} == {
        "ingest": 0, "enrich": 1, "index": 1, "watch": 1, "notify": 1,
    }  # fmt: skip
    for role in ROLES:
        assert (rows[role]["lag"], rows[role]["dead_letters"]) == (0, 0)
        assert rows[role]["rss_bytes"] > 2**20
    assert "enrich" in undisturbed.line.ok("status").out


def test_the_audit_adds_up(undisturbed: Run, story: Story) -> None:
    report = undisturbed.line.ok("audit", "--json").data

    assert report["holds"]
    assert report["total"] == {
        "produced": len(story.texts), "indexed": len(story.texts), "dead_lettered": 0,
        "dropped": 0, "missing": 0,
    }  # fmt: skip
    assert undisturbed.line.indexed() == sorted(story.texts)
    assert f"{len(story.texts):,}" in undisturbed.line.ok("audit").out


async def test_any_consumer_can_read_the_enriched_posts(undisturbed: Run, story: Story) -> None:
    kafka = undisturbed.line.kafka
    consumer = AIOKafkaConsumer(
        kafka.topic("posts.enriched"),
        bootstrap_servers=kafka.address,
        group_id=f"{kafka.settings.prefix}some-crm",
        auto_offset_reset="earliest",
    )
    seen: dict[str, EnrichedPost] = {}
    await consumer.start()
    try:
        while len(seen) < len(story.texts):
            batches = await consumer.getmany(timeout_ms=10_000)
            assert batches, f"only {len(seen)} came"
            for message in (one for batch in batches.values() for one in batch):
                assert b"\n" not in message.value
                enriched = EnrichedPost.from_line(message.value)
                assert message.key == enriched.id.encode()
                assert enriched.to_line() == message.value
                seen[enriched.id] = enriched
    finally:
        await consumer.stop()

    assert {post_id: one.text for post_id, one in seen.items()} == story.texts
    for brand in BRANDS:
        tagged = {one.id for one in seen.values() if any(tag.brand == brand for tag in one.brands)}
        assert tagged == story.naming(brand)


# --- killed in the middle ---------------------------------------------------------------------


def produce_posts(line: Line, begin: int, count: int) -> set[str]:
    """Posts into every partition, in records of 50 lines; returns their ids."""
    at = datetime(2024, 3, 5, 8, tzinfo=UTC)
    posts = [
        post(number, f"第 {number} 位顾客问云帆水壶", at, observed_at=at.isoformat())
        for number in range(begin, begin + count)
    ]
    lines = list(map(orjson.dumps, posts))
    records = [b"\n".join(lines[start : start + 50]) for start in range(0, count, 50)]
    partitions = line.settings.kafka.partitions
    for partition in range(partitions):
        line.produce("posts.raw", *records[partition::partitions], partition=partition)
    return {str(one["id"]) for one in posts}


@dataclass(frozen=True)
class Shared:
    """A line of two ``enrich``, one of which was killed, and an ``index`` that had to wait."""

    line: Line
    ids: set[str]
    left: Worker
    """The ``enrich`` that lives."""


@pytest.fixture(scope="module")
def shared(make_module_line: MakeLine, elasticsearch_url: str) -> Iterator[Shared]:
    with closing(FaultProxy.before(elasticsearch_url)) as proxy:
        proxy.refuse()
        line = make_module_line(elasticsearch_url=proxy.url)
        line.ok("topics", "create")

        # Given an Elasticsearch that is not there, and two processes of one role
        index = line.start("index")
        left, killed = line.start("enrich", 1), line.start("enrich", 2)
        line.until(lambda: line.members("enrich") == 2, "both share the partitions")
        line.until(lambda: "index waits" in index.said(), "index says that it waits")

        # When one of the two freezes at work, more comes, and it is killed
        ids = produce_posts(line, 1, 4_000)
        line.until(lambda: line.count("posts.enriched"), "enriched posts come")
        killed.process.send_signal(signal.SIGSTOP)
        ids |= produce_posts(line, 4_001, 4_000)
        killed.kill()
        assert line.count("posts.enriched") < len(ids), "nothing is left of what it owned"

        proxy.listen()
        yield Shared(line, ids, left)
        line.close()


@pytest.fixture(scope="module")
def disturbed(
    make_module_line: MakeLine,
    story: Story,
    secret_of_duty: None,
    shared: Shared,  # the broker takes its time to bury the dead: let both lines wait at once
) -> Iterator[Run]:
    """The story again, on a line whose every process is killed in the middle of it."""
    with closing(Receiver()) as receiver:
        line = make_module_line(partitions=1, watch=WATCH, channels=duty(receiver))
        line.ok("topics", "create")
        line.ok("rules", "push", story.rules)

        # Given a notice that is not answered yet ...
        receiver.holding.set()
        workers = [line.start(role) for role in ROLES]
        line.ok("replay", story.early)
        line.until(lambda: receiver.deliveries, "the first notice is on its way")
        line.until_drained("enrich", "index")
        # ... and posts that come faster than they are enriched, indexed and watched
        command = [sys.executable, "-m", "pipeline", "replay", str(story.middle)]
        replay = line.start_command("replay", command)
        replay.expected_to_run = False
        line.until(lambda: line.count("posts.enriched") > story.early_count, "enrich goes on")

        # When all of them are killed, and started again
        for worker in workers:
            worker.kill()
        assert replay.code(60) == 0
        receiver.holding.clear()
        again = [line.start(role) for role in ROLES]
        line.ok("replay", story.late)
        line.until_drained(*GROUPS)
        yield Run(line, receiver, again)
        line.close()


def test_kill_9_of_every_role_loses_nothing(disturbed: Run, story: Story) -> None:
    assert disturbed.line.ok("audit", "--json").data["holds"]
    assert disturbed.line.indexed() == sorted(story.texts)


def test_kill_9_of_every_role_decides_the_same(disturbed: Run, undisturbed: Run) -> None:
    assert disturbed.incidents() == undisturbed.incidents()


def test_a_notice_that_a_kill_cut_off_comes_again_with_its_key(
    disturbed: Run, undisturbed: Run
) -> None:
    keys = disturbed.receiver.keys()

    assert set(keys) == set(undisturbed.receiver.keys())
    assert Counter(keys)[keys[0]] == 2
    assert len(keys) == len(set(keys)) + 1


def ends_when_asked_to(*workers: Worker) -> None:
    began = time.monotonic()
    for worker in workers:
        worker.ask_to_end()

    for worker in workers:
        left = max(0.1, began + STOP_SECONDS - time.monotonic())
        assert worker.code(left) == 0, worker.said()
        assert "Traceback" not in worker.said() and "Unclosed" not in worker.said()


def test_every_worker_ends_when_asked_to(disturbed: Run) -> None:
    line = disturbed.line
    before = line.count("posts.raw")
    ingest = line.start("ingest")
    line.until(lambda: line.count("posts.raw") > before, "ingest ticks")

    ends_when_asked_to(ingest)
    line.until_drained(*GROUPS)  # its last tick, too: the audit counts what is on its way
    ends_when_asked_to(*disturbed.workers)


def test_workers_that_wait_for_elasticsearch_end_when_asked_to(make_line: MakeLine) -> None:
    line = make_line(partitions=1, elasticsearch_url="http://127.0.0.1:1")
    line.ok("topics", "create")
    index, notify = line.start("index"), line.start("notify")
    line.until(lambda: "index waits" in index.said(), "index says that it waits")
    line.until(lambda: "reading" in notify.said(), "notify reads")

    ends_when_asked_to(index, notify)


# --- several processes, Elasticsearch away, plain Faust -----------------------------------------


def test_one_of_two_killed_and_elasticsearch_late_lose_nothing(shared: Shared) -> None:
    shared.line.until_drained("enrich", "index")

    assert shared.line.indexed() == sorted(shared.ids)
    assert shared.line.ok("audit", "--json").data["holds"]


LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


def listening(pid: int) -> set[str]:
    """Addresses, as the kernel writes them, on which a process waits for connections."""
    own, found = set(), set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            own.add(str(entry.readlink()))
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            cells = row.split()
            if cells[3] == "0A" and f"socket:[{cells[9]}]" in own:
                found.add(cells[1].partition(":")[0])
    return found


def test_the_plain_faust_command_takes_over(shared: Shared) -> None:
    line = shared.line
    line.until_drained("enrich", "index")
    program = Path(sys.executable).with_name("faust")
    faust = line.start_command(
        "faust", [str(program), "-A", "pipeline.faust_apps:enrich", "worker"]
    )
    line.until(lambda: line.members("enrich") == 2, "the Faust worker joins")

    assert all(address in LOOPBACK for address in listening(faust.pid)), listening(faust.pid)

    shared.left.ask_to_end()
    assert shared.left.code() == 0
    shared.ids.update(produce_posts(line, 10_001, 2_000))

    line.until_drained("enrich", "index")
    assert line.indexed() == sorted(shared.ids)
    faust.ask_to_end()
    assert faust.code() == 0, faust.said()


# --- tingchao up ------------------------------------------------------------------------------


def started_by(up: Worker, line: Line) -> dict[str, int]:
    """Role to process id of what ``up`` started."""
    up.check()
    return {worker.role: worker.pid for worker in live_workers(line.settings.folder)}


def test_up_runs_all_roles_and_leaves_nobody_behind(
    make_line: MakeLine, story: Story, receiver: Receiver
) -> None:
    line = make_line(
        partitions=2,
        channels=duty(receiver),
        rules={"file": str(story.rules)},
        sources={"early": {"use": "file", "path": str(story.early), "original_times": True}},
    )
    command = [sys.executable, "-m", "pipeline", "up"]

    # Given a line that runs and brings its configured source in
    up = line.start_command("up", command)
    line.until(lambda: len(started_by(up, line)) == 5, "all roles run")
    line.until(lambda: all(line.members(group) for group in GROUPS), "all roles joined")
    line.until(lambda: line.count("posts.enriched") >= story.early_count, "the file comes in")
    line.until_drained("index")
    assert len(line.indexed()) == story.early_count
    rows = line.ok("status", "--json").data
    assert {row["role"]: row["processes"] for row in rows} == dict.fromkeys(("ingest", *ROLES), 1)
    assert line.ok("rules", "show", "--json").data["id"] == "main"

    # When it gets Ctrl-C, everything ends
    children = started_by(up, line)
    began = time.monotonic()
    up.ask_to_end(signal.SIGINT)
    assert up.code() == 0, up.said()
    assert time.monotonic() - began < STOP_SECONDS
    assert not [role for role, pid in children.items() if alive(pid)]
    assert "Traceback" not in up.said()

    # When it is killed, too
    up = line.start_command("up", command)
    line.until(lambda: len(started_by(up, line)) == 5, "all roles run again")
    children = started_by(up, line)
    up.kill()
    eventually(
        lambda: not [role for role, pid in children.items() if alive(pid)],
        "no worker survives its supervisor",
        STOP_SECONDS,
    )
