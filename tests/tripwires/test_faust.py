"""What we lean on in Faust, by workers of their own on a real broker.

A failure here means that a new version behaves differently: its message names the code of ours that
would lose or hang, and what to look at before the version is raised. Some tests hold what is wrong
in Faust, since our shape follows from it: when one of those fails, something may become simpler.
"""

import asyncio
import inspect
import json
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faust
import pytest
from faust import streams

from pipeline.kafka import MAX_POLL_INTERVAL_MS, Kafka
from pipeline.settings import KafkaSettings
from tests.pipeline.line_rig import Worker
from tests.tripwires.groups import committed, members, new_topics, until

AGENT = "pipeline/faust_agent.py"
SHARED = "shared"
WHOLE = ("whole", 10, 0.1)


class Faust:
    """A worker process and what it wrote down."""

    def __init__(self, kafka: Kafka, folder: Path, **options: Any) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "tests.tripwires.faust_child", kafka.address]
        command += [kafka.settings.prefix, str(folder), json.dumps(options)]
        self.worker = Worker(command, {}, folder / "faust.log")

    def notes(self, what: str | None = None, **wanted: Any) -> list[dict[str, Any]]:
        """What it saw so far, in order."""
        file = self.folder / "notes"
        text = file.read_text() if file.exists() else ""
        notes = [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]
        return [
            note
            for note in notes
            if what in (None, note["what"]) and wanted.items() <= note.items()
        ]

    async def until(self, holds: Callable[[], Any], what: str) -> None:
        async def held() -> Any:
            self.worker.check()
            return holds()

        await until(held, f"{what}; see {self.worker.log}")

    async def saw(self, what: str, count: int = 1, **wanted: Any) -> list[dict[str, Any]]:
        await self.until(lambda: len(self.notes(what, **wanted)) >= count, f"{what} {wanted}")
        return self.notes(what, **wanted)

    def go(self) -> None:
        (self.folder / "go").touch()


class Rig:
    """A prefix on the broker, and the workers that were started on it."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.kafka = Kafka(KafkaSettings(prefix=f"t{uuid.uuid4().hex[:8]}."), bootstrap)
        self.group = self.kafka.group("enrich")
        self.folder = folder
        self.workers: list[Faust] = []

    def start(self, **options: Any) -> Faust:
        self.workers.append(Faust(self.kafka, self.folder / str(len(self.workers)), **options))
        return self.workers[-1]

    def close(self) -> None:
        for one in self.workers:
            one.worker.close()

    async def produce(
        self,
        topic: str,
        *values: bytes | None,
        partition: int = 0,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Write values as one batch, so that they are fetched together."""
        producer = self.kafka.producer()
        await producer.start()
        try:
            batch = producer.create_batch()
            for value in values:
                batch.append(key=b"k", value=value, timestamp=None, headers=list(headers))
            real = self.kafka.settings.prefix + topic
            await (await producer.send_batch(batch, real, partition=partition))
        finally:
            await producer.stop()

    async def committed(self) -> dict[tuple[str, int], int]:
        """(topic, partition) to what the group committed, where it did."""
        prefix = self.kafka.settings.prefix
        found = await committed(self.kafka, self.group)
        return {(topic.removeprefix(prefix), n): offset for (topic, n), offset in found.items()}

    async def commits(self, topic: str, partition: int, offset: int) -> None:
        async def reached() -> bool:
            return (await self.committed()).get((topic, partition)) == offset

        await until(reached, f"{topic} is committed up to {offset}")


@pytest.fixture(scope="module")
def make_rig(
    kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Rig]]:
    with ExitStack() as stack:

        def make() -> Rig:
            rig = Rig(kafka_bootstrap, tmp_path_factory.mktemp("faust"))
            stack.callback(rig.close)
            return rig

        yield make


# --- one worker -------------------------------------------------------------------------------

#: Topic to how it is read, how many at most, and how many seconds it waits for so many.
TOPICS = {
    "shape": ("byhand", 10, 0.1),
    "acked": ("byhand", 6, 60),
    "hole": ("byhand", 3, 60),
    "escapes": ("byhand", 10, 60),
    "each-raise": ("each", 1, 0),
    "each-witness": ("each", 1, 0),
    "taken-raise": ("taken", 3, 60),
    "taken-held": ("taken", 2, 60),
    "stale": ("byhand", 1, 60),
    "held": ("whole", 10, 0.1),
}


@dataclass
class Life:
    """What was seen of one worker, from its start to its end."""

    worker: Faust
    before_end: dict[tuple[str, int], int]
    after_end: dict[tuple[str, int], int]
    exit_code: int | str
    web_answered: bool

    def got(self, topic: str) -> list[int]:
        notes = self.worker.notes("got", topic=topic)
        return [offset for note in notes for offset in note["offsets"]]


@pytest.fixture(scope="module")
def life(make_rig: Callable[[], Rig]) -> Life:
    """One worker that reads in every way, and is asked to end while two of its agents hold."""
    return asyncio.run(_live(make_rig()))


async def _live(rig: Rig) -> Life:
    await new_topics(rig.kafka, *TOPICS)
    worker = rig.start(topics=TOPICS)
    await rig.produce("shape", b"keep", None, b"", headers=[("h", b"1"), ("h", b"2")])
    await rig.produce("acked", b"ack", b"ack", b"keep", b"keep", b"keep", b"ack")
    await rig.produce("hole", b"ack", b"keep", b"ack")
    await rig.produce("escapes", b"raise", *[b"keep"] * 30)
    await rig.produce("each-raise", b"keep", b"raise", b"raise", b"keep")
    await rig.produce("taken-raise", b"x", b"raise", b"y")
    await rig.produce("taken-held", b"hold", b"y")
    await rig.produce("held", b"x", b"y")
    await _abort_one(rig, "shape")
    for topic, raised in (("escapes", 1), ("each-raise", 2), ("taken-raise", 1)):
        await worker.until(
            lambda topic=topic, raised=raised: (
                len(worker.notes("agent starts", topic=topic)) > raised
            ),
            f"the agent of {topic} starts again after an exception (see SafeLoop._end_for)",
        )
    await worker.saw("got", topic="held")
    await worker.saw("got", topic="taken-held")
    await rig.produce("shape", b"keep")
    await worker.saw("event", topic="shape", offset=5)

    await rig.produce("stale", b"stale", b"ack", b"ack", b"ack")
    await worker.saw("new generation")
    await rig.produce("stale", b"ack")
    await worker.saw("got", topic="stale", offsets=[4])
    # What comes last is committed last: all that may be committed was committed with it
    await rig.produce("each-witness", b"keep")
    await rig.commits("each-witness", 0, 1)

    before_end = await rig.committed()
    [web] = worker.notes("web")
    with socket.socket() as client:
        answered = client.connect_ex(("127.0.0.1", web["port"])) == 0
    worker.worker.ask_to_end()
    code: int | str
    try:
        code = worker.worker.code()
    except AssertionError as still_runs:
        code = str(still_runs)
        worker.worker.kill()
    return Life(worker, before_end, await rig.committed(), code, answered)


async def _abort_one(rig: Rig, topic: str) -> None:
    """Write a record and take it back, as an aborted transaction does."""
    producer = rig.kafka.producer(transactional_id=rig.kafka.settings.prefix + "t")
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(rig.kafka.settings.prefix + topic, b"aborted", partition=0)
    await producer.abort_transaction()
    await producer.stop()


@pytest.mark.services
def test_noack_take_gives_events_and_acknowledges_none(life: Life) -> None:
    events = life.worker.notes("event", topic="shape")
    assert all(event["is_event"] for event in events), (
        "noack_take gives values instead of events: create_app (pipeline/faust_agent.py) could "
        "acknowledge nothing"
    )
    assert ("shape", 0) not in life.after_end, (
        "noack_take acknowledges by itself: create_app would lose every batch that a crash "
        "interrupts, and watch would skip signals whose transaction failed"
    )


@pytest.mark.services
def test_an_event_carries_these_fields(life: Life) -> None:
    """Read by ``_record`` (pipeline/faust_agent.py)."""
    first, null, empty, *_ = life.worker.notes("event", topic="shape")

    assert [(one["partition"], one["offset"]) for one in (first, null, empty)] == [
        (0, 0),
        (0, 1),
        (0, 2),
    ]
    assert (first["key"], first["value"], null["value"], empty["value"]) == ("k", "keep", None, "")
    assert first["headers"] == [["h", "1"], ["h", "2"]], (
        "headers are no longer pairs, or a repeated name is lost: dead letters would not be exact"
    )
    assert abs(first["timestamp_ms"] / 1000 - time.time()) < 3_600, (
        "message.timestamp is no longer in seconds: _record multiplies it"
    )


@pytest.mark.services
def test_what_was_acknowledged_in_order_is_committed_and_what_lies_behind_a_hole_is_not(
    life: Life,
) -> None:
    """``create_app`` acknowledges whole batches in order; the batch in hand is the hole."""
    assert life.before_end["acked", 0] == 2, (
        "stream.ack no longer leads to a commit up to exactly the first event that was not "
        "acknowledged: create_app would repeat everything, or lose what is in hand"
    )


@pytest.mark.services
def test_a_single_event_that_was_left_out_is_committed_all_the_same(life: Life) -> None:
    """Why nothing is acknowledged out of order, and why ``concurrency`` is 1."""
    assert life.after_end["hole", 0] == 3, (
        "Faust no longer commits past an event that was not acknowledged: agents with "
        f"concurrency > 1 may have become safe ({AGENT})"
    )


@pytest.mark.services
def test_an_exception_that_escapes_from_noack_take_loses_what_comes_next(life: Life) -> None:
    """Why ``SafeLoop`` ends the process with ``os._exit`` and lets nothing escape into Faust."""
    seen = set(life.got("escapes"))
    assert set(range(life.before_end["escapes", 0])) - seen, (
        "an exception in the body of noack_take no longer makes Faust acknowledge events that "
        "nobody saw: SafeLoop._end_for (pipeline/loop.py) may become simpler"
    )


@pytest.mark.services
def test_an_exception_in_a_loop_over_events_acknowledges_the_failing_event(life: Life) -> None:
    """Why our agent does not read with ``async for``."""
    assert life.got("each-raise") == [0, 1, 2, 3], "the agent no longer goes on behind a failure"
    assert life.before_end["each-raise", 0] == 4, (
        "a failing event is no longer acknowledged: see the docstring of " + AGENT
    )


@pytest.mark.services
def test_an_exception_in_the_body_of_take_acknowledges_the_whole_batch(life: Life) -> None:
    """Why our agent reads with ``noack_take`` and not with ``take``."""
    [batch] = life.worker.notes("got", topic="taken-raise")
    assert batch["values"] == ["x", "raise", "y"]
    assert life.before_end["taken-raise", 0] == 3, (
        "take no longer acknowledges a batch whose body raised: see the docstring of " + AGENT
    )


@pytest.mark.services
def test_an_agent_that_raised_starts_again_in_the_same_process(life: Life) -> None:
    """Why ``SafeLoop`` ends the process itself: no supervisor of Faust would."""
    assert len(life.worker.notes("agent starts", topic="each-raise")) == 3, (
        "an agent's exception now ends something else than the agent: see SafeLoop._end_for"
    )


@pytest.mark.services
def test_events_of_an_earlier_generation_are_skipped_and_not_acknowledged(life: Life) -> None:
    """They were queued before a rebalance; their new owner gets them, if they stay uncommitted."""
    assert life.got("stale") == [0, 4], (
        "queued events of an earlier generation are handled: enrich would work for partitions "
        "that were taken away"
    )
    assert life.after_end["stale", 0] == 1, (
        "events of an earlier generation are acknowledged unseen: every rebalance would lose "
        "what was queued; create_app refuses the pure Python streams for that"
    )


@pytest.mark.services
def test_aborted_records_are_delivered(life: Life) -> None:
    """Why sinks of ``incidents`` are plain consumers (pipeline/sink_consumer.py)."""
    events = life.worker.notes("event", topic="shape", value="aborted")
    settings = faust.App("t").conf.setting_names()
    assert events and not [name for name in settings if "isolation" in name], (
        "Faust can read committed records only: sinks could be agents too"
    )


@pytest.mark.services
def test_our_settings_reach_the_consumer(life: Life) -> None:
    [first] = life.worker.notes("assigned")
    settings = first["settings"]
    assert settings["max_poll_interval_seconds"] == MAX_POLL_INTERVAL_MS / 1000, (
        "broker_max_poll_interval is no longer passed on as seconds: an index that is away for "
        "longer makes enrich leave its group for ever (" + AGENT + ")"
    )
    assert settings["enable_auto_commit"] is False, "what was merely fetched would be committed"
    assert settings["auto_offset_reset"] == "earliest", "a new group would skip what is there"
    assert settings["session_timeout_ms"] == 30_000
    assert settings["group"].endswith("tingchao-enrich"), (
        "the group is no longer the app's id: lag, and the offsets that watch commits, name it"
    )


@pytest.mark.services
def test_streams_seek_to_the_committed_offsets_before_they_resume(life: Life) -> None:
    """Why the apps have no tables: with tables the order is the other one, and loses records."""
    order = [
        note["what"] for note in life.worker.notes() if note["what"] in ("has sought", "resumes")
    ]
    assert order == ["has sought", "resumes"], (
        "an app without tables resumes before it seeks: records that are fetched in between are "
        "dropped and committed"
    )


@pytest.mark.services
def test_the_assigned_signal_finds_the_new_assignment(life: Life) -> None:
    """``create_app`` counts the partitions there; ``_watch_app`` asks for them by topic."""
    [first] = life.worker.notes("assigned")
    prefix = first["settings"]["group"].removesuffix("tingchao-enrich")
    assert first["places"] == [[prefix + topic, 0] for topic in sorted(TOPICS)]


@pytest.mark.services
def test_a_worker_that_is_asked_to_end_does_not_wait_for_what_it_holds(life: Life) -> None:
    """``stream_wait_empty=False``: the supervisor kills after 8 s."""
    assert life.exit_code == 0, (
        "SIGTERM no longer ends a worker whose agent holds a batch, at once and with code 0: "
        "the supervisor would have to kill it"
    )
    assert ("held", 0) not in life.after_end, (
        "ending acknowledges the batch in hand although nobody did: every stop would lose it"
    )


@pytest.mark.services
def test_take_acknowledges_what_it_holds_when_the_worker_ends(life: Life) -> None:
    assert ("taken-held", 0) not in life.before_end
    assert life.after_end["taken-held", 0] == 2, (
        "take no longer commits an unfinished batch at SIGTERM: see the docstring of " + AGENT
    )


@pytest.mark.services
def test_writers_are_asked_to_close_while_the_agent_still_runs(life: Life) -> None:
    """Why ``SafeLoop.stop`` waits for the batch in hand and begins no other."""
    order = [
        note["what"]
        for note in life.worker.notes()
        if note["what"] == "before shutdown"
        or (note["what"] == "agent cancelled" and note["topic"] == "held")
    ]
    assert order == ["before shutdown", "agent cancelled"], (
        "on_before_shutdown comes after the agents, or an agent is no longer cancelled: "
        "SafeLoop.stop and its CancelledError branch (pipeline/loop.py) stand on this order"
    )


@pytest.mark.services
def test_the_web_server_stays_off(life: Life) -> None:
    assert not life.web_answered, "web_enabled=False no longer keeps Faust's web server off"


def test_the_web_server_would_listen_everywhere() -> None:
    """Why ``_settings`` names the address: the plain faust command turns the server on."""
    assert faust.App("t").conf.web_bind in ("", "0.0.0.0"), (
        "the default address of Faust's web server changed: web_bind in _settings may go"
    )


# --- two workers ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rebalance(make_rig: Callable[[], Rig]) -> tuple[Faust, Faust, dict[tuple[str, int], int]]:
    """A second worker comes while the first holds a batch of both partitions."""
    return asyncio.run(_rebalance(make_rig()))


async def _rebalance(rig: Rig) -> tuple[Faust, Faust, dict[tuple[str, int], int]]:
    await new_topics(rig.kafka, SHARED, partitions=2)
    for partition in (0, 1):
        await rig.produce(SHARED, b"x", partition=partition)
    first = rig.start(topics={SHARED: WHOLE}, partitions=2, batch=2)
    await first.until(lambda: len(_places(first)) == 2, "the first holds both events")
    second = rig.start(topics={SHARED: WHOLE}, partitions=2, batch=2)
    await second.until(
        lambda: _places(second), "the second got an event, though the first holds its batch"
    )
    await first.saw("assigned", count=2)

    first.go()
    await first.saw("acked")
    [kept] = first.notes("assigned")[-1]["places"]
    await rig.commits(SHARED, kept[1], 1)
    return first, second, await rig.committed()


def _places(worker: Faust) -> list[list[int]]:
    return [place for note in worker.notes("got") for place in note["places"]]


@pytest.mark.services
def test_a_worker_that_holds_a_batch_does_not_hold_up_the_group(
    rebalance: tuple[Faust, Faust, Any],
) -> None:
    """``stream_wait_empty=False``: else one stalled sink blocks every rebalance of its group."""
    first, second, _ = rebalance
    assert len(second.notes("assigned")[-1]["places"]) == 1, "partitions are not shared"
    seen = [note["what"] for note in first.notes()]
    assert seen.index("acked") > max(n for n, what in enumerate(seen) if what == "assigned")


@pytest.mark.services
def test_a_partition_is_revoked_before_it_is_assigned_anew(
    rebalance: tuple[Faust, Faust, Any],
) -> None:
    """``_watch_app`` lets go of all states at the revoked signal; all are read anew after it."""
    first, *_ = rebalance
    order = [note["what"] for note in first.notes() if note["what"] in ("revoked", "assigned")]
    assert order == ["revoked", "assigned"] * 2, (
        "a rebalance no longer revokes everything first (cooperative?): watch keeps states of "
        "partitions that another process moves on (WatchStage.let_go)"
    )


@pytest.mark.services
def test_acknowledging_what_was_taken_away_commits_nothing(
    rebalance: tuple[Faust, Faust, dict[tuple[str, int], int]],
) -> None:
    """``create_app`` acknowledges its batch whoever owns the partitions by then."""
    first, second, offsets = rebalance
    [[_, kept]] = first.notes("assigned")[-1]["places"]
    assert sorted(first.notes("acked")[0]["places"]) == [[0, 0], [1, 0]]
    assert offsets == {(SHARED, kept): 1}, (
        "an acknowledgement moved the offset of a partition that another worker owns"
    )
    assert _places(second) == [[1 - kept, 0]], "its new owner did not get what was uncommitted"


# --- the poll interval ------------------------------------------------------------------------


@pytest.mark.services
def test_a_stalled_agent_leaves_the_group_for_ever_unless_the_interval_is_a_week(
    make_rig: Callable[[], Rig],
) -> None:
    """Back-pressure stops Faust's fetching; aiokafka takes it for idle, leaves, and refuses to
    rejoin while idle: a hang without end. Hence ``MAX_POLL_INTERVAL_MS``.
    """
    asyncio.run(_stall(make_rig(), make_rig()))


async def _stall(week: Rig, short: Rig) -> None:
    """The one with the week stalls first, so it has stalled for longer when the other leaves."""
    patient = await _stalled(week)
    idle = await _stalled(short, broker_max_poll_interval=2)

    async def left() -> bool:
        return await members(short.kafka, short.group) == 0

    await until(left, "the stalled worker left its group")
    idle.go()
    await idle.saw("acked")
    refused = len(idle.notes("join", made=False))
    await idle.saw("join", count=refused + 10, made=False)
    assert await left() and len(idle.notes("join", made=True)) == 1, (
        f"a worker that left comes back once it goes on: broker_max_poll_interval ({AGENT}) may "
        "become short again, and the broker would find a deaf worker by itself"
    )

    assert await members(week.kafka, week.group) == 1, f"a week is not honoured; see {AGENT}"
    patient.go()
    await week.commits("long", 0, 50)


async def _stalled(rig: Rig, **settings: Any) -> Faust:
    settings |= {"stream_buffer_maxsize": 4, "broker_heartbeat_interval": 0.2}
    await new_topics(rig.kafka, "long")
    await rig.produce("long", *[b"x"] * 50)
    worker = rig.start(topics={"long": WHOLE}, settings=settings)
    await worker.saw("got")
    return worker


# --- the compiled streams ---------------------------------------------------------------------


def test_the_compiled_streams_are_there_and_used() -> None:
    """``create_app`` looks at this private name; NO_CYTHON in the environment empties it."""
    assert streams._CStreamIterator is not None, (
        "faust has no compiled streams: the pure Python ones acknowledge events of partitions "
        "that were taken away; use a wheel that has them (create_app refuses to start)"
    )
    assert "_c_aiter" in inspect.getsource(streams.Stream.__aiter__)
