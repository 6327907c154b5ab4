"""Apache Kafka: one node that is broker and controller (KRaft)."""

import contextlib
import os
import secrets
import shutil
import socket
import struct
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path

from schemas.language import say

from . import faults
from .base import compiling, environment, mark
from .config import ServiceError, ServiceName, ServicesConfig
from .java import Java
from .process import Launch
from .state import write

__all__ = ["Kafka", "properties"]

_MESSAGE_BYTES = 8 * 1024 * 1024
_LISTS = ("listeners", "advertised.listeners", "listener.security.protocol.map")
"""Extra values join ours: the plain listener stays, since readiness is asked of it."""

_LOG4J = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:tingchao.logs}/kafka.log
appender.file.filePattern = ${sys:tingchao.logs}/kafka-%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
# start and stop, one line each
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


class Kafka:
    """The local broker.

    Delivery: data survives a stop and a crash of the process; a power failure may lose the last
    seconds, as with any single node that leaves syncing to the kernel.
    """

    name: ServiceName = "kafka"
    title = "Kafka"
    second_port = "kafka_controller"

    def wanted(self, config: ServicesConfig) -> bool:
        """Whether the settings want it run here."""
        return config.kafka

    def configured_port(self, config: ServicesConfig) -> int | None:
        """The port that the settings name."""
        return config.kafka_port

    def settings(self, config: ServicesConfig) -> str:
        """All that it is started with besides ports."""
        return repr(
            (config.kafka_heap, config.short_lived, sorted(config.kafka_properties.items()))
        )

    def prepare(
        self, config: ServicesConfig, port: int, second_port: int, home: Path, java: Java
    ) -> Launch:
        """Write its configuration, format the data folder once."""
        folder = config.folder.resolve() / "kafka"
        folder.mkdir(exist_ok=True)
        lines = properties(port, second_port, folder / "data")
        for key, value in config.kafka_properties.items():
            lines[key] = f"{lines[key]},{value}" if key in _LISTS else value
        write(folder / "log4j2.properties", _LOG4J)
        # it may carry a password of an extra listener
        write(folder / "server.properties", _java_properties(lines), mode=0o600)
        logs = config.logs.resolve()
        options = [
            str(java.executable),
            f"-Dtingchao.logs={logs}",
            f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
            "-Dfile.encoding=UTF-8",
            "-Djava.awt.headless=true",
            f"-XX:ErrorFile={logs / 'kafka-crash.log'}",
            "-XX:+UseSerialGC",
        ]
        jars = ("-cp", f"{home}/*")
        if not (folder / "data" / "meta.properties").exists():
            self._format(folder, lines, [*options, "-XX:TieredStopAtLevel=1", *jars])
        heap = config.kafka_heap
        return Launch(
            # Serial: on two cores half the CPU of G1, for which our large records are "humongous"
            command=[
                *options,
                *(f"-Xms{heap}", f"-Xmx{heap}", "-XX:+ExitOnOutOfMemoryError"),
                *compiling(config),
                mark(self.name, config.folder),
                *jars,
                *("kafka.Kafka", str(folder / "server.properties")),
            ],
            environment=environment(),
            folder=folder,
            output=config.logs / "kafka.out",
        )

    def _format(self, folder: Path, lines: dict[str, str], java: list[str]) -> None:
        """Prepare the data folder beside its place and move it there: whole or not at all."""
        fresh = folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        write(folder / "format.properties", _java_properties(lines | {"log.dirs": str(fresh)}))
        identity = urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        ended = subprocess.run(
            [
                *java,
                "kafka.tools.StorageTool",
                *("format", f"--cluster-id={identity}"),
                *("-c", str(folder / "format.properties")),
            ],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        (folder / "format.properties").unlink()
        if ended.returncode != 0:
            why = faults.last(faults.telling(ended.stdout + ended.stderr))
            raise ServiceError(
                say(f"无法初始化 Kafka 数据目录：{why}", f"Kafka could not format its data: {why}")
            )
        shutil.rmtree(folder / "data", ignore_errors=True)  # never formatted, so never used
        os.replace(fresh, folder / "data")

    def address(self, port: int) -> str:
        """Bootstrap server."""
        return f"127.0.0.1:{port}"

    def answers(self, port: int, seconds: float) -> bool:
        """Whether it answers a metadata request with a broker that takes requests.

        Spoken by hand, since the client library would need an event loop of its own here.
        """
        request = struct.pack(">hhihi", 3, 1, 0, -1, 0)  # Metadata v1, no client id, no topics
        with (
            contextlib.suppress(OSError, struct.error),
            socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection,
        ):
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as answer:
                _, _, brokers = struct.unpack(">iii", answer.read(12))
                return bool(brokers > 0)
        return False

    def data(self, config: ServicesConfig) -> Path:
        """Its data folder."""
        return config.folder / "kafka" / "data"


def properties(port: int, controller_port: int, data: Path) -> dict[str, str]:
    """Settings of one broker on a laptop: everything once, bounded, nothing made by accident."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        # a static voter: its port may change from start to start, a recorded one could not
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "num.partitions": "4",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "8",
        "offsets.retention.minutes": str(30 * 24 * 60),
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "8",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "8",
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": str(_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(_MESSAGE_BYTES),
        "log.retention.hours": str(7 * 24),
        # the default takes a quarter of the heap at start, for compaction of far larger topics
        "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    }


def _java_properties(lines: dict[str, str]) -> str:
    """The text of a ``.properties`` file, which Java reads as Latin-1 with escapes."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in lines.items())


def _escaped(value: str) -> str:
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)
