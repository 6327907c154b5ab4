"""Elasticsearch: one node, without security, for this machine only."""

import contextlib
import http.client
import json
import os
import re
from pathlib import Path

from schemas.language import say

from . import places
from .base import compiling, environment, mark
from .config import ServiceError, ServiceName, ServicesConfig
from .java import Java
from .process import Launch
from .state import write

__all__ = ["Elasticsearch", "properties"]

_KERNEL_DEFAULT_MAPS = 65_530

_LOG4J = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:es.logs.base_path}/elasticsearch.log
appender.file.filePattern = ${sys:es.logs.base_path}/elasticsearch-%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{ISO8601} %p %c{1.}: [%node_name] %marker%m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
# start and stop, one line each
logger.node.name = org.elasticsearch.node.Node
logger.node.level = info
"""


class Elasticsearch:
    """The local node.

    Delivery: what was acknowledged survives a crash (the translog is synced per request).
    Limits: few modules (no ``GET /``, no scripts, no ingest pipelines, no security).
    """

    name: ServiceName = "elasticsearch"
    title = "Elasticsearch"
    second_port = "elasticsearch_transport"

    def wanted(self, config: ServicesConfig) -> bool:
        """Whether the settings want it run here."""
        return config.elasticsearch

    def configured_port(self, config: ServicesConfig) -> int | None:
        """The port that the settings name."""
        return config.elasticsearch_port

    def settings(self, config: ServicesConfig) -> str:
        """All that it is started with besides ports."""
        return repr(
            (
                config.elasticsearch_heap,
                config.elasticsearch_user,
                config.short_lived,
                sorted(config.elasticsearch_properties.items()),
            )
        )

    def prepare(
        self, config: ServicesConfig, port: int, second_port: int, home: Path, java: Java
    ) -> Launch:
        """Write its configuration, in folders that belong to the user who runs it."""
        account = places.account_for(config.elasticsearch_user)
        if not places.reachable(java.executable.parent, account):
            raise ServiceError(
                say(
                    f"用户 {config.elasticsearch_user} 无法进入 {java.home}："
                    "请在其他目录安装 Java。",
                    f"User {config.elasticsearch_user} cannot enter {java.home}: "
                    "install Java elsewhere.",
                )
            )
        home = places.shared_home(home, account)
        folder = places.place(config.folder.resolve(), account)
        for inner in ("conf", "data", "logs", "tmp"):
            places.own(folder / inner, account)
        lines = properties(port, second_port, folder) | dict(config.elasticsearch_properties)
        conf = folder / "conf"
        quoted = "".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items())
        write(conf / "elasticsearch.yml", quoted)
        write(conf / "log4j2.properties", _LOG4J)
        write(conf / "jvm.options", _jvm_options(home))
        self._link_log(config.logs, folder)
        heap = config.elasticsearch_heap
        tag = mark(self.name, config.folder)
        # without pre-touch a fresh node holds half the memory and is ready a second earlier
        options = [f"-Xms{heap}", f"-Xmx{heap}", "-XX:-AlwaysPreTouch", *compiling(config), tag]
        return Launch(
            command=[str(home / "bin" / "elasticsearch")],
            environment=environment()
            | {
                "ES_JAVA_HOME": str(java.home),
                "ES_PATH_CONF": str(conf),
                "ES_TMPDIR": str(folder / "tmp"),
                "ES_JAVA_OPTS": " ".join(options),
                "CLI_JAVA_OPTS": f"-XX:TieredStopAtLevel=1 {tag}",  # of the launcher
                "HOME": str(folder),
            },
            folder=folder,
            output=config.logs / "elasticsearch.out",
            account=account,
        )

    def _link_log(self, logs: Path, folder: Path) -> None:
        link = logs / "elasticsearch.log"
        target = folder / "logs" / "elasticsearch.log"
        inside = target.is_relative_to(logs.parent.resolve())
        with contextlib.suppress(FileNotFoundError):
            link.unlink()
        # relative inside the work folder, so that the folder can be moved
        link.symlink_to(os.path.relpath(target, logs.resolve()) if inside else target)

    def address(self, port: int) -> str:
        """URL."""
        return f"http://127.0.0.1:{port}"

    def answers(self, port: int, seconds: float) -> bool:
        """Whether its cluster is at least yellow."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
        with (
            contextlib.suppress(OSError, http.client.HTTPException, ValueError),
            contextlib.closing(connection),
        ):
            wait = max(1, int(seconds * 500))
            connection.request("GET", f"/_cluster/health?wait_for_status=yellow&timeout={wait}ms")
            answer = connection.getresponse()
            health = json.loads(answer.read())
            return answer.status == 200 and health["status"] in ("yellow", "green")
        return False

    def data(self, config: ServicesConfig) -> Path:
        """Its data folder."""
        return (config.folder / "elasticsearch").resolve() / "data"


def properties(port: int, transport_port: int, folder: Path) -> dict[str, str]:
    """Settings of one node on a laptop."""
    lines = {
        "cluster.name": "tingchao-local",
        "node.name": "local",
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "discovery.type": "single-node",
        "http.host": "127.0.0.1",
        "http.port": str(port),
        "transport.host": "127.0.0.1",
        "transport.port": str(transport_port),
        "xpack.security.enabled": "false",
        # a laptop's disk is often 90 % full; the watermarks would make every index read-only
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    # The server asks for 262,144 in production; a node with our few indices lives well with what
    # kernels give. Below that, mapped files would fail in the middle of the work.
    if _max_maps() < _KERNEL_DEFAULT_MAPS:
        lines["node.store.allow_mmap"] = "false"
    return lines


def _max_maps() -> int:
    try:
        return int(Path("/proc/sys/vm/max_map_count").read_text())
    except (OSError, ValueError):
        return _KERNEL_DEFAULT_MAPS


_FILLS_THE_DISK = re.compile(
    r"^[\d:-]*-X(log:|X:\+HeapDumpOnOutOfMemoryError|X:HeapDumpPath|X:ErrorFile)"
)


def _jvm_options(home: Path) -> str:
    """The server's own options, less those that fill the disk."""
    lines = (home / "config" / "jvm.options").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not _FILLS_THE_DISK.match(line)]
    return "\n".join([*kept, "-XX:ErrorFile=${ES_TMPDIR}/crash.log", ""])
