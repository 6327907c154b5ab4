"""What we lean on in aiokafka, against a real broker.

A failure here means that a new version behaves differently: its message names the code of ours that
would lose, repeat or hang, and what to look at before the version is raised.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, errors
from aiokafka.admin import NewTopic
from aiokafka.protocol.group import LeaveGroupRequest

from pipeline.kafka import BATCH_BYTES, MAX_POLL_INTERVAL_MS, Kafka
from tests.tripwires.conftest import MakeTopic
from tests.tripwires.groups import committed, members, until

KIB = 1024
MIB = 1024 * KIB

StartConsumer = Callable[..., Awaitable[AIOKafkaConsumer]]
StartProducer = Callable[..., Awaitable[AIOKafkaProducer]]


@pytest.fixture
async def start_producer(kafka: Kafka) -> AsyncIterator[StartProducer]:
    """Producers as ours are made; all are stopped afterwards."""
    producers: list[AIOKafkaProducer] = []

    async def start(name: str | None = None, **more: Any) -> AIOKafkaProducer:
        if name is not None:
            more["transactional_id"] = kafka.settings.prefix + name
        producer = kafka.producer(**more)
        producers.append(producer)
        await producer.start()
        return producer

    yield start
    for producer in producers:
        await producer.stop()
    # A fenced producer leaves futures whose errors nobody awaits. Python 3.11 logs them whenever
    # they are collected, and breaks pytest's report of a failure if that is just then.
    producers.clear()
    gc.collect()


@pytest.fixture
async def start_consumer(kafka: Kafka) -> AsyncIterator[StartConsumer]:
    """Consumers as ours are made: of a group (subscribed), or without (assigned)."""
    consumers: list[AIOKafkaConsumer] = []

    async def start(
        *places: TopicPartition | str, group: str | None = None, **more: Any
    ) -> AIOKafkaConsumer:
        consumer = kafka.consumer(group=group, **more)
        consumers.append(consumer)
        if group is not None:
            consumer.subscribe(places)
        await consumer.start()
        if group is None and places:
            consumer.assign(places)
        return consumer

    yield start
    for consumer in consumers:
        await consumer.stop()


async def values(consumer: AIOKafkaConsumer, count: int) -> list[bytes | None]:
    """The next values of a consumer, in the order of their arrival."""
    found: list[bytes | None] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                found += [message.value for message in messages]
    return found


# --- errors: what is tried again, what ends the process ---------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "KafkaConnectionError",
        "NodeNotReadyError",
        "RequestTimedOutError",
        "LeaderNotAvailableError",
        "NotLeaderForPartitionError",
        "NotEnoughReplicasError",
        "NotEnoughReplicasAfterAppendError",
        "UnknownTopicOrPartitionError",
        "GroupLoadInProgressError",
        "GroupCoordinatorNotAvailableError",
        "NotCoordinatorForGroupError",
    ],
)
def test_a_fault_that_passes_says_retriable(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.KafkaError)
    assert error.retriable is True, (
        "mapped_errors (pipeline/kafka.py), the commit of pipeline/sink_consumer.py and pipeline/"
        f"lag.py try again what is `retriable`: a passing {name} would end the process instead"
    )


@pytest.mark.parametrize(
    "name",
    [
        "ProducerFenced",
        "InvalidProducerEpoch",
        "OutOfOrderSequenceNumber",
        "MessageSizeTooLargeError",
        "RecordListTooLargeError",
        "TopicAuthorizationFailedError",
        "GroupAuthorizationFailedError",
        "ClusterAuthorizationFailedError",
        "IllegalStateError",
        "CommitFailedError",
        "UnsupportedVersionError",
    ],
)
def test_a_fault_that_stays_does_not_say_retriable(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.KafkaError)
    assert error.retriable is False, (
        f"{name} would be tried again for ever by mapped_errors (pipeline/kafka.py): the role "
        "would hang where today its process ends, and a fenced owner of watch would go on"
    )


def test_a_timeout_is_an_error_of_its_own_and_not_retriable() -> None:
    assert issubclass(errors.KafkaTimeoutError, errors.KafkaError)
    assert not errors.KafkaTimeoutError.retriable, (
        "mapped_errors (pipeline/kafka.py) names KafkaTimeoutError only because it does not say "
        "retriable itself; now the name can go"
    )


def test_error_codes_become_classes() -> None:
    assert errors.for_code(0).__name__ == "NoError"
    assert errors.for_code(36) is errors.TopicAlreadyExistsError, (
        "Kafka.create_topics would take a topic that another process just made for a failure"
    )


# --- writing: LineWriter ----------------------------------------------------------------------


@pytest.mark.services
async def test_a_full_batch_says_none_and_an_empty_one_takes_any_record(
    start_producer: StartProducer,
) -> None:
    """``LineWriter._send`` sends a batch and starts the next one when ``append`` gives None, and
    does not look at the answer for the first record of a batch.
    """
    producer = await start_producer()
    big = {"key": None, "timestamp": None, "headers": [], "value": b"x" * (BATCH_BYTES - KIB)}

    batch = producer.create_batch()
    assert batch.record_count() == 0
    assert batch.append(**big) is not None
    assert batch.append(**big) is None, (
        "a full batch no longer answers None: LineWriter._send would drop the record or send more "
        "than the broker takes"
    )
    assert batch.record_count() == 1, "the refused record must not be part of the batch"

    huge = {**big, "value": b"x" * (3 * MIB)}
    assert producer.create_batch().append(**huge) is not None, (
        "a record that is larger than a batch is refused even by an empty one: LineWriter._send "
        "would drop it silently"
    )


@pytest.mark.services
async def test_sending_a_batch_gives_a_future_that_is_the_brokers_acknowledgement(
    make_topic: MakeTopic, start_producer: StartProducer, start_consumer: StartConsumer
) -> None:
    """``LineWriter.write`` is done, and lines are acknowledged, when these futures are."""
    topic = await make_topic()
    producer = await start_producer()
    tp = TopicPartition(topic, 0)
    reader = await start_consumer(tp)

    futures = []
    for values_ in ((b"a", b"b"), (b"c",)):
        batch = producer.create_batch()
        for value in values_:
            batch.append(key=None, value=value, timestamp=None, headers=[("h", b"1"), ("h", b"2")])
        futures.append(await producer.send_batch(batch, topic, partition=0))
    assert all(isinstance(future, asyncio.Future) for future in futures), (
        "send_batch no longer gives a future: LineWriter.write would return before the broker has "
        "the lines"
    )
    first, second = await asyncio.gather(*futures)

    assert (first.offset, second.offset) == (0, 2), "batches of one partition changed their order"
    assert await reader.end_offsets([tp]) == {tp: 3}, (
        "the future was done before the broker had the records: everything that awaits "
        "LineWriter.write acknowledges too early"
    )


@pytest.mark.services
@pytest.mark.parametrize("size", [3 * MIB, 9 * MIB])
async def test_a_record_that_is_too_large_fails_its_future_and_nothing_else(
    make_topic: MakeTopic, start_producer: StartProducer, size: int
) -> None:
    """``_of_the_surroundings`` (pipeline/loop.py) tells by these two classes that the line is to
    blame, and not the broker: only then may it become a dead letter.
    """
    topic = await make_topic(**{"max.message.bytes": str(2 * MIB)})
    producer = await start_producer()

    async def send(value: bytes) -> Any:
        batch = producer.create_batch()
        batch.append(key=None, value=value, timestamp=None, headers=[])
        return await (await producer.send_batch(batch, topic, partition=0))

    with pytest.raises((errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)):
        await send(b"x" * size)
    assert (await send(b"small")).offset == 0, "a refused record must not spoil its producer"


@pytest.mark.services
async def test_a_batch_whose_answer_was_lost_is_written_once(
    make_topic: MakeTopic, start_producer: StartProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Kafka.producer`` is idempotent: aiokafka repeats a batch, the broker takes it once."""
    topic = await make_topic()
    producer = await start_producer()
    sent: list[str] = []
    send = producer.client.send

    async def lossy(node: int, request: Any, **more: Any) -> Any:
        answer = await send(node, request, **more)
        kind = type(request).__name__
        if kind.startswith("Produce"):
            sent.append(kind)
            if len(sent) == 1:
                raise errors.RequestTimedOutError("the answer was lost")
        return answer

    monkeypatch.setattr(producer.client, "send", lossy)
    await producer.send_and_wait(topic, b"once", partition=0)
    after = await producer.send_and_wait(topic, b"next", partition=0)

    assert len(sent) == 3, "a batch whose answer was lost is no longer repeated by the producer"
    assert after.offset == 1, (
        "the repeated batch was written twice: enable_idempotence no longer does what Kafka."
        "producer asks for; every network fault doubles records on posts.enriched and signals"
    )


@pytest.mark.services
async def test_a_producer_tells_the_partitions_of_a_topic(
    make_topic: MakeTopic, start_producer: StartProducer
) -> None:
    topic = await make_topic(partitions=3)
    found = await (await start_producer()).partitions_for(topic)
    assert found == {0, 1, 2}, "LineWriter.partitions and watch count these to choose a partition"


# --- transactions: watch ----------------------------------------------------------------------


@pytest.mark.services
async def test_a_transaction_moves_records_and_offsets_together_or_not_at_all(
    kafka: Kafka,
    make_topic: MakeTopic,
    start_producer: StartProducer,
    start_consumer: StartConsumer,
) -> None:
    """``WatchStage._commit``: incidents, states and the source offset in one step."""
    topic, source = await make_topic("out"), await make_topic("in")
    tp, place, group = TopicPartition(topic, 0), (source, 0), kafka.group("watch")
    # Given a live member, as Faust's own consumer is one of the group whose offsets watch commits
    member = await start_consumer(source, group="watch")
    await until(lambda: _assigned(member, 1), "the member has its partition")
    producer = await start_producer("t")
    reader = await start_consumer(tp)

    async def write(value: bytes, offset: int) -> None:
        future = await producer.send(topic, value, b"k", partition=0)
        await asyncio.wait_for(future, 30)  # watch waits for every acknowledgement inside
        offsets = {TopicPartition(source, 0): offset}
        await producer.send_offsets_to_transaction(offsets, group)

    with pytest.raises(ZeroDivisionError):
        async with producer.transaction():
            await write(b"no", 5)
            raise ZeroDivisionError
    assert place not in await committed(kafka, group), (
        "an aborted transaction left its offset behind: watch would skip signals (watch._commit)"
    )

    async with producer.transaction():
        await write(b"yes", 7)
        assert place not in await committed(kafka, group), "offsets moved before the commit"
    assert (await committed(kafka, group))[place] == 7, (
        "send_offsets_to_transaction does not move the group's offset while the group has a live "
        "member: watch would start over after each restart"
    )
    assert await values(reader, 1) == [b"yes"], "read_committed gave a record that was taken back"


async def _assigned(consumer: AIOKafkaConsumer, count: int) -> bool:
    await consumer.getmany(timeout_ms=50)
    return len(consumer.assignment()) == count


@pytest.mark.services
@pytest.mark.parametrize("woken", ["before its transaction", "in its transaction"])
async def test_an_owner_that_lost_its_place_is_fenced(
    make_topic: MakeTopic, start_producer: StartProducer, start_consumer: StartConsumer, woken: str
) -> None:
    """Two processes may believe that they own a partition of signals; only the newer one's
    transactions count. ``WatchStage._take_over`` starts the producer and then reads the state.
    """
    topic = await make_topic()
    tp = TopicPartition(topic, 0)
    old = await start_producer("t")
    async with old.transaction():
        await old.send_and_wait(topic, b"state", partition=0)
    if woken == "in its transaction":
        await old.begin_transaction()
        await old.send_and_wait(topic, b"zombie", partition=0)

    new = await start_producer("t")

    reader = await start_consumer(tp)
    everything = await start_consumer(tp, isolation_level="read_uncommitted")
    assert await reader.end_offsets([tp]) == await everything.end_offsets([tp]), (
        "starting the producer no longer waits until the older owner's transaction is settled: "
        "WatchStage._read_state would read an older state than the last committed one"
    )
    with pytest.raises(errors.ProducerFenced):
        if woken == "in its transaction":
            await old.commit_transaction()
        else:
            async with old.transaction():
                await old.send_and_wait(topic, b"zombie", partition=0)
    async with new.transaction():
        await new.send_and_wait(topic, b"new", partition=0)
    assert await values(reader, 2) == [b"state", b"new"], (
        "a fenced owner could still write: brand states and incidents of watch would fork"
    )


@pytest.mark.services
async def test_nothing_is_sent_outside_of_a_transaction(
    make_topic: MakeTopic, start_producer: StartProducer
) -> None:
    producer = await start_producer("t")
    with pytest.raises(errors.IllegalOperation):
        await producer.send(await make_topic(), b"x", partition=0)


@pytest.mark.services
async def test_read_committed_passes_markers_and_does_not_wait_for_an_open_transaction(
    make_topic: MakeTopic, start_producer: StartProducer, start_consumer: StartConsumer
) -> None:
    """``Kafka.read_all`` and ``lag._next_written_at`` end when the position reaches the end."""
    topic = await make_topic()
    tp = TopicPartition(topic, 0)
    producer = await start_producer("t")
    async with producer.transaction():
        await producer.send_and_wait(topic, b"a", partition=0)
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"no", partition=0)
    reader = await start_consumer(tp)

    assert await reader.end_offsets([tp]) == {tp: 2}, (
        "end_offsets of a read_committed consumer counts an open transaction: Kafka.read_all (the "
        "state of watch, the rules, the audit) would wait until that transaction times out"
    )
    assert await values(reader, 1) == [b"a"]

    await producer.abort_transaction()
    assert await reader.end_offsets([tp]) == {tp: 4}
    await until(lambda: _position(reader, tp, 4), "the position passed the aborted records", 20)


async def _position(consumer: AIOKafkaConsumer, tp: TopicPartition, wanted: int) -> bool:
    assert await consumer.getmany(tp, timeout_ms=100) == {}, "an aborted record was delivered"
    return bool(await consumer.position(tp) == wanted)


# --- reading and committing: SinkConsumer -----------------------------------------------------


@pytest.mark.services
async def test_getmany_gives_messages_by_partition_with_these_fields(
    make_topic: MakeTopic, start_producer: StartProducer, start_consumer: StartConsumer
) -> None:
    """``to_record`` (pipeline/kafka.py) and ``SinkConsumer._once`` unpack exactly this."""
    topic = await make_topic(partitions=2)
    producer = await start_producer()
    headers = [("h", b"1"), ("h", b"2")]
    await producer.send_and_wait(topic, b"a", b"k", partition=1, timestamp_ms=1_700_000_000_123)
    await producer.send_and_wait(topic, None, b"k", partition=1, headers=headers)
    await producer.send_and_wait(topic, b"", partition=1)
    one, other = TopicPartition(topic, 1), TopicPartition(topic, 0)
    reader = await start_consumer(one, other)

    assert await reader.getmany(other, timeout_ms=10) == {}, "only the asked partitions, or nothing"
    found: list[Any] = []
    async with asyncio.timeout(30):
        while len(found) < 3:
            batches = await reader.getmany(one, timeout_ms=500, max_records=2)
            for tp, messages in batches.items():
                assert (tp.topic, tp.partition) == (topic, 1)
                assert len(messages) <= 2, "max_records bounds what a sink holds in memory"
                found += messages

    assert [(m.topic, m.partition, m.offset) for m in found] == [(topic, 1, n) for n in range(3)]
    assert [(m.key, m.value) for m in found] == [(b"k", b"a"), (b"k", None), (None, b"")]
    assert found[0].timestamp == 1_700_000_000_123, "Record.timestamp_ms expects milliseconds"
    assert [tuple(m.headers) for m in found] == [(), tuple(headers), ()], (
        "headers are no longer pairs in their order, repeated names kept (to_record)"
    )


@pytest.mark.services
async def test_an_explicit_commit_moves_exactly_so_far_and_stopping_commits_nothing(
    kafka: Kafka,
    make_topic: MakeTopic,
    start_producer: StartProducer,
    start_consumer: StartConsumer,
) -> None:
    """``SinkConsumer`` fetches ahead and commits what is decided; a stop gives its place free."""
    topic, group = await make_topic(), kafka.group("index")
    producer = await start_producer()
    for value in (b"a", b"b", b"c"):
        await producer.send_and_wait(topic, value, partition=0)
    consumer = await start_consumer(topic, group="index")
    assert await values(consumer, 3) == [b"a", b"b", b"c"]

    await consumer.commit({TopicPartition(topic, 0): 2})
    assert await committed(kafka, group) == {(topic, 0): 2}
    await consumer.stop()

    assert await committed(kafka, group) == {(topic, 0): 2}, (
        "stopping committed what was only fetched: every stop of index and notify would lose lines"
    )
    assert await members(kafka, group) == 0, (
        "a stopped consumer stays in its group: each stop would halt its partitions for the "
        "session timeout of 30 s"
    )
    again = await start_consumer(topic, group="index")
    assert await values(again, 1) == [b"c"]


@pytest.mark.services
async def test_a_commit_without_arguments_takes_what_was_only_fetched(
    kafka: Kafka,
    make_topic: MakeTopic,
    start_producer: StartProducer,
    start_consumer: StartConsumer,
) -> None:
    """Why ``SinkConsumer`` names its offsets."""
    topic = await make_topic()
    await (await start_producer()).send_and_wait(topic, b"a", partition=0)
    consumer = await start_consumer(topic, group="index")
    assert await values(consumer, 1) == [b"a"]

    await consumer.commit()
    assert await committed(kafka, kafka.group("index")) == {(topic, 0): 1}, (
        "commit() no longer takes the fetch position: see the docstring of pipeline/sink_consumer"
    )


@pytest.mark.services
async def test_a_commit_that_a_rebalance_overtook_fails_with_these_two_errors(
    kafka: Kafka,
    make_topic: MakeTopic,
    start_producer: StartProducer,
    start_consumer: StartConsumer,
) -> None:
    """``SinkConsumer._once`` takes both for what they are; any other error ends the process."""
    topic, tp = await make_topic(partitions=2), TopicPartition
    await (await start_producer()).send_and_wait(topic, b"a", partition=0)
    consumer = await start_consumer(topic, group="index")
    assert await values(consumer, 1) == [b"a"]

    with pytest.raises(errors.IllegalStateError):
        await consumer.commit({tp(topic, 99): 1})

    # The broker forgets the member, as it does when a frozen one missed its session timeout
    coordinator = consumer._coordinator
    leave = LeaveGroupRequest(kafka.group("index"), coordinator.member_id)
    answer = await coordinator._send_req(leave)
    assert answer.error_code == 0
    with pytest.raises(errors.CommitFailedError):
        await consumer.commit({tp(topic, 0): 1})
    assert await committed(kafka, kafka.group("index")) == {}, "a zombie's commit was accepted"

    await until(lambda: _assigned(consumer, 2), "the consumer came back by itself")


@pytest.mark.services
async def test_a_consumer_that_does_not_read_leaves_after_the_poll_interval_and_stays_away(
    kafka: Kafka, make_topic: MakeTopic, start_consumer: StartConsumer
) -> None:
    """Why ``MAX_POLL_INTERVAL_MS`` is a week: a sink that retries for long does not read."""
    topic = await make_topic(partitions=2)
    quick = {"heartbeat_interval_ms": 100, "session_timeout_ms": 6_000}
    idle = await start_consumer(topic, group="short", max_poll_interval_ms=500, **quick)
    patient = await start_consumer(topic, group="long", **quick)
    assert MAX_POLL_INTERVAL_MS == 7 * 24 * 3600 * 1000
    await until(lambda: _assigned(patient, 2), "the patient one has joined")

    async def nobody() -> bool:
        return await members(kafka, kafka.group("short")) == 0

    await until(nobody, "the idle one left its group", 20)

    tries = _count_joins(idle)
    async with asyncio.timeout(20):
        while len(tries) < 8:
            await asyncio.sleep(0.05)
    assert not any(tries), (
        "aiokafka rejoins while nobody reads: a shorter MAX_POLL_INTERVAL_MS may be safe now, see "
        "pipeline/kafka.py and broker_max_poll_interval in pipeline/faust_agent.py"
    )
    assert await members(kafka, kafka.group("long")) == 1, (
        "a poll interval of a week is not honoured: a stalled sink would make its group leave"
    )
    await until(lambda: _assigned(idle, 2), "reading brings it back")


def _count_joins(consumer: AIOKafkaConsumer) -> list[bool]:
    """Whether each further try to join the group was made (or refused as idle)."""
    tries: list[bool] = []
    coordinator = consumer._coordinator
    ensure = coordinator.ensure_active_group

    async def counting(*arguments: Any) -> Any:
        joined = await ensure(*arguments)
        tries.append(joined is not None)
        return joined

    coordinator.ensure_active_group = counting
    return tries


# --- reading all: Kafka.reader, read_all, RuleFollower ----------------------------------------


@pytest.mark.services
async def test_the_clients_own_metadata_knows_topics_that_it_does_not_read(
    make_topic: MakeTopic, start_consumer: StartConsumer
) -> None:
    """``Kafka.partitions_of`` is the one place that touches a private attribute of aiokafka."""
    topic = await make_topic(partitions=3)
    reader = await start_consumer()

    cluster = await reader._client.fetch_all_metadata()
    assert cluster.partitions_for_topic(topic) == {0, 1, 2}, "see Kafka.partitions_of"
    assert not cluster.partitions_for_topic(topic + "-none"), (
        "an unknown topic must be told from an empty one: Kafka.partitions_of says what to create"
    )
    assert reader.partitions_for_topic(topic) is None, (
        "the public partitions_for_topic knows topics that are not read: Kafka.partitions_of can "
        "do without the private attribute"
    )


@pytest.mark.services
async def test_seeking_to_the_beginning_waits_for_the_fetch_in_flight(
    make_topic: MakeTopic, start_consumer: StartConsumer
) -> None:
    """Why ``Kafka.read_all`` seeks to the asked beginning offsets, and only ``RuleFollower``,
    which has time, uses ``seek_to_beginning``.
    """
    tp = TopicPartition(await make_topic(), 0)
    reader = await start_consumer(tp, fetch_max_wait_ms=2_000)
    await reader.position(tp)
    async with asyncio.timeout(20):
        await reader.getmany(timeout_ms=100)
        while not reader._fetcher._in_flight:
            await reader.getmany(timeout_ms=10)

    reader.seek(tp, 0)  # no coroutine: done at once
    began = asyncio.get_running_loop().time()
    await reader.seek_to_beginning(tp)
    assert asyncio.get_running_loop().time() - began > 0.5, (
        "seek_to_beginning no longer waits for the fetch in flight: Kafka.read_all may use it"
    )


@pytest.mark.services
async def test_both_ways_of_seeking_read_everything_again(
    make_topic: MakeTopic, start_producer: StartProducer, start_consumer: StartConsumer
) -> None:
    tp = TopicPartition(await make_topic(), 0)
    producer = await start_producer()
    for value in (b"a", b"b"):
        await producer.send_and_wait(tp.topic, value, partition=0)
    reader = await start_consumer(tp)
    assert await values(reader, 2) == [b"a", b"b"], "a group-less consumer begins at the beginning"

    reader.seek(tp, 1)
    assert await values(reader, 1) == [b"b"], "Kafka.read_all and lag.py would read elsewhere"
    await reader.seek_to_beginning(tp)
    assert await values(reader, 2) == [b"a", b"b"], "RuleFollower would miss rules"


# --- the shapes of admin answers --------------------------------------------------------------


@pytest.mark.services
async def test_answers_of_the_admin_client_have_these_shapes(
    kafka: Kafka, make_topic: MakeTopic, start_consumer: StartConsumer
) -> None:
    """Unpacked by ``Kafka.create_topics``, ``Kafka._partition_counts`` and ``lag._committed``."""
    topic = await make_topic(partitions=2)
    tp, group = TopicPartition(topic, 1), kafka.group("index")
    consumer = await start_consumer(topic, group="index")
    await until(lambda: _assigned(consumer, 2), "the consumer has its partitions")
    await consumer.commit({tp: 5})

    async with kafka.admin() as admin:
        assert topic in await admin.list_topics(), "create_topics looks for names in the list"

        answer = await admin.create_topics([NewTopic(topic, 2, 1), NewTopic(topic + "-2", 1, 1)])
        codes = {name: code for name, code, *rest in answer.topic_errors}
        assert codes == {topic: errors.TopicAlreadyExistsError.errno, topic + "-2": 0}, (
            "Kafka.create_topics unpacks (name, code, ...) for every topic"
        )

        found, unknown = await admin.describe_topics([topic, topic + "-none"])
        assert (found["error_code"], found["topic"], len(found["partitions"])) == (0, topic, 2)
        assert unknown["error_code"] != 0, "Kafka._partition_counts waits while there is a code"

        offsets = await admin.list_consumer_group_offsets(group)
        assert {place: one.offset for place, one in offsets.items()} == {tp: 5}, (
            "lag._committed reads .offset by TopicPartition; a partition without a commit is "
            "absent or negative"
        )
        assert await admin.list_consumer_group_offsets(group + "-none") == {}
