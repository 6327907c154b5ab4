"""Start, stop and look at the local Kafka and Elasticsearch of one work folder.

Whatever happened before, also a crash of this program or of the machine, ``start`` leads to
exactly one running instance of each on the data of the last time, and ``stop`` to none. Both hold
a lock, so that of two at once one waits and then finds the other's work.
"""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TextIO

from pipeline.folders import locked
from schemas.language import say

from . import artefacts, faults, places, ports, process
from .base import Service, mark
from .config import Progress, ServiceError, ServiceName, ServicesConfig, silent
from .elasticsearch import Elasticsearch
from .java import Java, find_java
from .kafka import Kafka
from .process import ProcessRef
from .state import Record, State, load, save

__all__ = ["RunningServices", "ServiceStatus", "erase", "start", "status", "stop"]

_SERVICES: tuple[Service, ...] = (Elasticsearch(), Kafka())  # the slower one is started first


@dataclass(frozen=True)
class RunningServices:
    """Services that answer; a context manager that stops those which it started."""

    kafka_bootstrap: str | None
    """``127.0.0.1:port``; none if none is run here."""
    elasticsearch_url: str | None
    """``http://127.0.0.1:port``; none if none is run here."""
    config: ServicesConfig
    owned: Mapping[ServiceName, ProcessRef] = field(default_factory=dict)
    """Started by this very call; the others ran already and are left alone by ``stop``."""

    def stop(self, progress: Progress = silent) -> None:
        """Stop what this start started; a second time does nothing."""
        with _lock(self.config, progress):
            state = load(self.config.folder)
            for service in _SERVICES:
                ref = self.owned.get(service.name)
                record = state.services.get(service.name)
                if ref and record and record.process == ref:
                    state = _end(service, record.process, self.config, state, progress)

    def ended(self) -> list[ServiceName]:
        """Those of the started services that do not run any more."""
        return [
            name
            for name, ref in self.owned.items()
            if ref.pid not in process.members(ref, mark(name, self.config.folder))
        ]

    def __enter__(self) -> "RunningServices":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()


@dataclass(frozen=True)
class ServiceStatus:
    """How one local service is doing."""

    name: ServiceName
    title: str
    data: Path
    log: Path
    running: bool = False
    answering: bool = False
    pid: int | None = None
    """Also its process group: a launcher and its server end together."""
    port: int | None = None
    address: str | None = None
    rss_bytes: int = 0
    since: datetime | None = None
    attached: bool = False
    """It ends with the process that started it."""


# ── start ──────────────────────────────────────────────────────────────────────────────────────


def start(
    config: ServicesConfig, *, attached: bool, progress: Progress = silent
) -> RunningServices:
    """Bring up what the settings want and wait until it answers.

    ``attached``: it ends with this process, however that ends; else it stays until ``stop``.
    """
    wanted = [service for service in _SERVICES if service.wanted(config)]
    with _lock(config, progress):
        state = load(config.folder)
        for service in wanted:
            state = _clear(service, config, state, progress)
        missing = [service for service in wanted if service.name not in state.services]
        owned: dict[ServiceName, ProcessRef] = {}
        try:
            for service, home, java in _needed(missing, config, progress):
                state = _launch(service, home, java, config, state, attached, progress)
                owned[service.name] = state.services[service.name].process
            _await(wanted, config, state, progress)
        except BaseException:  # Ctrl-C too: nothing half-started is left behind
            state = load(config.folder)
            for service in missing:
                if record := state.services.get(service.name):
                    state = _end(service, record.process, config, state, silent)
            raise
    addresses = {s.name: s.address(state.services[s.name].port) for s in wanted}
    return RunningServices(
        addresses.get("kafka"), addresses.get("elasticsearch"), config=config, owned=owned
    )


def _lock(config: ServicesConfig, progress: Progress) -> contextlib.AbstractContextManager[TextIO]:
    def waiting(_: TextIO) -> None:
        progress(
            "services",
            say(
                "另一个进程正在启动或停止服务，等待中",
                "waiting for another process that starts or stops services",
            ),
        )

    return locked(config.folder / "services.lock", waiting)


def _clear(service: Service, config: ServicesConfig, state: State, progress: Progress) -> State:
    """Keep a service that runs and may stay; end or forget everything else that was found."""
    record = state.services.get(service.name)
    tag = mark(service.name, config.folder)
    for ref in process.find(tag):  # runs, but nobody wrote it down or the note was deleted
        if record is None or ref.pid != record.process.pid:
            state = _end(service, ref, config, state, progress)
    if record is None:
        return state
    if record.process.pid not in process.members(record.process, tag) or _orphaned(record):
        # stale; or a server without its launcher; or on its way out behind its dead owner
        return _end(service, record.process, config, state, progress)
    configured = service.configured_port(config)
    if configured not in (None, record.port):
        raise ServiceError(
            say(
                f"{service.title} 已在端口 {record.port} 上运行，而设置要求 {configured}："
                "请先运行 tingchao services stop。",
                f"{service.title} runs on port {record.port} already but the settings ask for "
                f"{configured}: run tingchao services stop first.",
            )
        )
    if record.settings != _digest(service, config):
        progress(
            service.name,
            say("设置已改变，下次启动后生效", "settings have changed; they apply after a restart"),
        )
    return state


def _orphaned(record: Record) -> bool:
    return record.owner is not None and process.reference(record.owner.pid) != record.owner


def _digest(service: Service, config: ServicesConfig) -> str:
    return hashlib.sha256(service.settings(config).encode()).hexdigest()[:16]


def _needed(
    missing: Collection[Service], config: ServicesConfig, progress: Progress
) -> list[tuple[Service, Path, Java]]:
    """What the start takes, all of it before the first is used: a bad download starts nothing."""
    if not missing:
        return []
    java = find_java(progress)
    folder = config.artefacts_folder.resolve()
    return [(s, artefacts.ensure(s.name, s.title, folder, progress), java) for s in missing]


def _launch(
    service: Service,
    home: Path,
    java: Java,
    config: ServicesConfig,
    state: State,
    attached: bool,
    progress: Progress,
) -> State:
    progress(service.name, say("正在启动", "starting"))
    config.logs.mkdir(exist_ok=True)
    chosen: dict[str, int] = {}
    for name, configured in (
        (service.name, service.configured_port(config)),
        (service.second_port, None),
    ):
        others = {port for key, port in (state.ports | chosen).items() if key != name}
        others |= {port for s in _SERVICES if (port := s.configured_port(config))}
        chosen[name] = ports.choose(
            service.title, configured=configured, remembered=state.ports.get(name), taken=others
        )
    if service.configured_port(config) is None:
        kept = chosen
    else:
        kept = {service.second_port: chosen[service.second_port]}
    state = State(ports=state.ports | kept, services=state.services)
    log = _log(service, config)

    def started(ref: ProcessRef) -> None:
        nonlocal state
        state = state.with_service(
            service.name,
            Record(
                process=ref,
                port=chosen[service.name],
                since=datetime.now(UTC),
                settings=_digest(service, config),
                log_size=log.stat().st_size if log.exists() else 0,
                owner=process.myself() if attached else None,
            ),
        )
        save(config.folder, state)

    try:
        launch = service.prepare(
            config, chosen[service.name], chosen[service.second_port], home, java
        )
        process.spawn(launch, attached=attached, started=started)
    except OSError as error:
        raise ServiceError(
            say(
                f"{service.title} 无法在 {config.folder} 中启动：{error}",
                f"{service.title} could not be started in {config.folder}: {error}",
            )
        ) from error
    return state


def _await(
    wanted: Collection[Service], config: ServicesConfig, state: State, progress: Progress
) -> None:
    """Wait until all answer; a service that dies meanwhile is explained by its own log."""
    deadline = time.monotonic() + config.start_seconds
    waiting = list(wanted)
    while waiting:
        for service in list(waiting):
            record = state.services[service.name]
            if service.answers(record.port, 1.0):
                waiting.remove(service)
                address = service.address(record.port)
                progress(service.name, say(f"就绪：{address}", f"ready: {address}"), done=True)
            elif record.process.pid not in process.members(
                record.process, mark(service.name, config.folder)
            ):
                raise ServiceError(_why(service, config, record))
            elif time.monotonic() > deadline:
                seconds = round(config.start_seconds)
                log = _log(service, config)
                raise ServiceError(
                    say(
                        f"{service.title} 在 {seconds} 秒内没有就绪，日志：{log}",
                        f"{service.title} was not ready within {seconds} seconds; its log: {log}",
                    )
                )
        time.sleep(0.05)


def _log(service: Service, config: ServicesConfig) -> Path:
    return config.logs / f"{service.name}.log"


def _why(service: Service, config: ServicesConfig, record: Record) -> str:
    """One sentence with the log's name and its last telling line."""
    log, output = _log(service, config), config.logs / f"{service.name}.out"
    logged, printed = faults.read(log, record.log_size), faults.read(output)
    candidates = (
        (log, faults.last(logged)),
        (output, faults.last(printed)),
        (log, (logged or printed or [""])[-1]),
    )
    shown, line = next((c for c in candidates if c[1]), candidates[-1])
    return say(
        f"{service.title} 启动失败，日志 {shown}：{line or '（空）'}",
        f"{service.title} ended while starting; log {shown}: {line or '(empty)'}",
    )


# ── stop, status, erase ────────────────────────────────────────────────────────────────────────


def stop(
    config: ServicesConfig,
    progress: Progress = silent,
    *,
    only: Collection[ServiceName] | None = None,
) -> None:
    """Stop the services of this work folder, whoever started them; none running is fine."""
    if not os.path.exists(config.folder):  # also where we may not look
        return
    with _lock(config, progress):
        state = load(config.folder)
        for service in _SERVICES:
            if only is not None and service.name not in only:
                continue
            refs = process.find(mark(service.name, config.folder))
            record = state.services.get(service.name)
            if record is not None and record.process not in refs:
                refs.append(record.process)
            for ref in refs:
                state = _end(service, ref, config, state, progress)


def _end(
    service: Service, ref: ProcessRef, config: ServicesConfig, state: State, progress: Progress
) -> State:
    """End one group and forget it."""
    tag = mark(service.name, config.folder)
    if process.members(ref, tag):
        progress(service.name, say("正在停止", "stopping"))
        process.end(ref, tag, config.stop_seconds)
        progress(service.name, say("已停止", "stopped"), done=True)
    record = state.services.get(service.name)
    if record is not None and record.process == ref:
        state = state.with_service(service.name, None)
        save(config.folder, state)
    return state


def status(config: ServicesConfig) -> list[ServiceStatus]:
    """How each local service is doing; reads only."""
    state = load(config.folder)
    return [_status(service, config, state.services.get(service.name)) for service in _SERVICES]


def _status(service: Service, config: ServicesConfig, record: Record | None) -> ServiceStatus:
    pids = process.members(record.process, mark(service.name, config.folder)) if record else []
    found = ServiceStatus(
        name=service.name,
        title=service.title,
        data=service.data(config),
        log=_log(service, config),
    )
    if record is None or record.process.pid not in pids:
        return found
    return replace(
        found,
        running=True,
        answering=service.answers(record.port, 1.0),
        pid=record.process.pid,
        port=record.port,
        address=service.address(record.port),
        rss_bytes=process.rss(pids),
        since=record.since,
        attached=record.owner is not None,
    )


def erase(config: ServicesConfig, progress: Progress = silent) -> None:
    """Stop everything and delete data, logs and ports; downloaded servers stay.

    Also what lies outside the work folder, which deleting that folder would leave behind.
    """
    stop(config, progress)
    inner = config.folder / "elasticsearch"
    if inner.is_symlink() and places.SHELTER in inner.resolve().parents:
        shutil.rmtree(inner.resolve().parent, ignore_errors=True)
        inner.unlink()
    for name in ("kafka", "elasticsearch", "logs"):
        shutil.rmtree(config.folder / name, ignore_errors=True)
    for name in ("services.json", "services.lock"):
        (config.folder / name).unlink(missing_ok=True)
