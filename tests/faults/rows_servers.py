"""Rows in which the broker or Elasticsearch is the one that fails."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import services
from tests.faults.bench import Bench
from tests.faults.matrix import NotHere, row, slices
from tests.faults.servers import Server
from tests.pipeline.line_rig import alive

__all__: list[str] = []


@row("6a", "the broker is restarted", alone=True)
def broker_restarted(bench: Bench) -> None:
    _broker_away(bench, bench.kafka.stop)


@row("6b", "kill -9 of the broker", alone=True)
def broker_killed(bench: Bench) -> None:
    _broker_away(bench, bench.kafka.kill)


def _broker_away(bench: Bench, away: Callable[[], None]) -> None:
    bench.begin()
    bench.crew()
    with bench.moving():
        bench.feed.next(slices(bench, 2))
    away()
    bench.kafka.start()
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()


@row("7a", "the broker is frozen for longer than a session", alone=True)
def broker_stalled(bench: Bench) -> None:
    bench.begin()
    bench.crew()
    with bench.moving():
        bench.feed.next(slices(bench, 2))
    _stall(bench)
    bench.feed.rest()
    bench.nothing_refused()


@row("7b", "the broker is frozen while partitions are being assigned", alone=True)
def broker_stalled_in_assignment(bench: Bench) -> None:
    bench.begin()
    bench.feed.next(slices(bench, 2))
    crew = bench.crew()
    bench.until(lambda: "took over" in crew.said() or "reading" in crew.said(), "a role joins")
    _stall(bench)
    bench.feed.rest()
    bench.nothing_refused()


def _stall(bench: Bench) -> None:
    bench.kafka.freeze()
    try:
        time.sleep(bench.scale.stall_seconds)
    finally:
        bench.kafka.thaw()
    bench.healed()


@row("8", "Elasticsearch refuses connections for a while")
def index_away(bench: Bench) -> None:
    bench.begin()
    bench.crew()
    bench.feed.next(slices(bench, 2))
    bench.until(lambda: bench.proxy.sent_documents, "index writes")
    bench.proxy.refuse()
    try:
        bench.feed.rest()
        bench.drained("enrich")
        time.sleep(bench.scale.outage_seconds)
    finally:
        bench.proxy.listen()
    bench.healed()
    bench.nothing_refused()


@row("9a", "429 for whole requests")
def overloaded(bench: Bench) -> None:
    largest = _with_fault(bench, lambda: bench.proxy.status(429, kind="es_rejected_execution"))
    assert largest < 1_000, "the request size was not lowered"


@row("9b", "429 for 30 % of the documents")
def overloaded_in_part(bench: Bench) -> None:
    kind = "es_rejected_execution_exception"
    _with_fault(bench, lambda: bench.proxy.items(429, kind, share=0.3), until_passed=True)
    # Only the refused ones are sent again: each document arrives about once.
    assert bench.proxy.sent_documents <= 1.1 * bench.feed.lines + 50


@row("9c", "503 for whole requests")
def unavailable(bench: Bench) -> None:
    _with_fault(bench, lambda: bench.proxy.status(503, kind="unavailable_shards_exception"))


@row("9d", "the write happened, its answer is lost, is cut, or comes after the time-out")
def answer_lost(bench: Bench) -> None:
    bench.begin()
    bench.crew()
    bench.feed.next(slices(bench, 4))
    late = bench.proxy.slow(8.0, after=True)
    for fault in (bench.proxy.written_but_unanswered, bench.proxy.cut_in_half, late):
        before = bench.proxy.faulted
        with bench.proxy.doing(fault):
            bench.feed.next(slices(bench, 4))
            bench.until(lambda before=before: bench.proxy.faulted >= before + 2, "it happens twice")
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()
    assert bench.proxy.sent_documents > bench.feed.lines


def _with_fault(bench: Bench, fault: Callable[[], Any], *, until_passed: bool = False) -> int:
    """Feed through a fault that ends after some requests; the largest request behind it."""
    bench.begin()
    bench.crew()
    bench.feed.next(slices(bench, 3))
    bench.until(lambda: bench.proxy.sent_documents, "index writes")
    with bench.proxy.doing(fault()):
        bench.feed.next(slices(bench, 3))
        bench.until(lambda: bench.proxy.faulted >= 3, "requests are refused")
        if until_passed:
            bench.drained("enrich", "index")
        bench.proxy.largest = 0
        before = bench.proxy.faulted
        if not until_passed:
            bench.until(lambda: bench.proxy.faulted > before, "it is tried again")
        largest = bench.proxy.largest
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()
    return largest


@row("10", "kill -9 of Elasticsearch during bulk requests", alone=True)
def index_killed(bench: Bench) -> None:
    bench.begin()
    bench.crew()
    bench.feed.next(slices(bench, 2))
    bench.until(lambda: bench.proxy.sent_documents, "index writes")
    bench.elasticsearch.kill()
    bench.feed.next(slices(bench, 4))
    bench.elasticsearch.start()
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()


@row("11", "the index is read-only (the disk's flood stage)")
def read_only(bench: Bench) -> None:
    bench.begin()
    bench.crew()
    bench.feed.next(slices(bench, 2))
    bench.drained("enrich", "index")
    _block(bench, True)
    bench.feed.next(slices(bench, 4))
    bench.drained("enrich")
    bench.until(lambda: "blocked by" in bench.crews[0].said(), "index says why it waits")
    assert bench.line.behind("index"), "something was acknowledged that nobody wrote"
    _block(bench, None)
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()


def _block(bench: Bench, value: bool | None) -> None:
    async def put(index: Any) -> None:
        await index.client.indices.put_settings(
            index=index.names.posts, settings={"index.blocks.read_only_allow_delete": value}
        )

    bench.line.look(put)


@row("21", "the broker's disk is full")
def disk_full(bench: Bench) -> None:
    with _small_disk(bench.folder / "disk") as disk:
        config = replace(bench.kafka.config, folder=disk / "services", elasticsearch=False)
        with services.start(config, attached=True) as running:
            bench.kafka, bench.bootstrap = Server(config, "kafka"), str(running.kafka_bootstrap)
            bench.begin()
            bench.crew()
            with bench.moving():
                bench.feed.next(slices(bench, 2))
            broker = bench.kafka.pid
            filler = disk / "filler"
            _fill(filler)
            feeding = threading.Thread(target=bench.feed.rest, daemon=True)
            feeding.start()
            try:
                bench.until(lambda: not alive(broker), "the broker gives up its full disk")
            finally:
                filler.unlink()
            bench.kafka.start()
            bench.healed()
            feeding.join()
            bench.nothing_refused()
            bench.close()
            bench.kafka.stop()


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        raise NotHere("a small disk can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(file: Path) -> None:
    """Leave room for a few hundred posts."""
    with file.open("wb") as out:
        with suppress(OSError):
            while True:
                out.write(bytes(1 << 20))
                out.flush()
        out.seek(0, os.SEEK_END)
        out.truncate(max(0, out.tell() - (256 << 10)))
