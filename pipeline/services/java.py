"""Java and Maven: found, or installed where that is ours to do, or asked for in one sentence."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.language import say

from .config import Progress, ServiceError

__all__ = ["Java", "find_java", "find_maven", "parse_java"]

_DEBIAN = Path("/etc/debian_version")  # Ubuntu has it too
REQUIRED = 17
"""Kafka 4 and Elasticsearch 8.19 ask for it."""
# The default of an older Debian or Ubuntu may be too old; then this one is there.
_JAVA_PACKAGES = ("default-jre-headless", "openjdk-17-jre-headless")


@dataclass(frozen=True)
class Java:
    """One Java that was asked for its version."""

    home: Path
    version: int

    @property
    def executable(self) -> Path:
        """Its ``java``."""
        return self.home / "bin" / "java"


def parse_java(shown: str) -> Java | None:
    """What ``java -XshowSettings:properties -version`` says about itself."""
    version = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", shown, re.MULTILINE)
    home = re.search(r"^\s*java\.home = (.+?)\s*$", shown, re.MULTILINE)
    return Java(Path(home[1]), int(version[1])) if version and home else None


def find_java(progress: Progress) -> Java:
    """Java 17 or newer: of ``JAVA_HOME``, else of ``PATH``, else installed."""
    home = os.environ.get("JAVA_HOME")
    if home:
        java = _ask(Path(home) / "bin" / "java")
        if java is None or java.version < REQUIRED:
            raise ServiceError(
                say(
                    f"JAVA_HOME（{home}）不是 Java {REQUIRED} 或更新版本：请改正或取消该环境变量。",
                    f"JAVA_HOME ({home}) is not Java {REQUIRED} or newer: correct or unset it.",
                )
            )
        return java
    for package in (None, *_JAVA_PACKAGES):
        if package is not None and not _install(package, progress):
            break
        found = shutil.which("java")
        java = _ask(Path(found)) if found else None
        if java is not None and java.version >= REQUIRED:
            return java
    raise ServiceError(
        say(
            f"本机运行 Kafka 和 Elasticsearch 需要 Java {REQUIRED} 或更新版本：请安装它"
            "（Debian、Ubuntu：sudo apt-get install openjdk-17-jre-headless），"
            "或改用 deploy 里的 compose 文件。",
            f"Running Kafka and Elasticsearch here needs Java {REQUIRED} or newer: install it "
            "(Debian, Ubuntu: sudo apt-get install openjdk-17-jre-headless), "
            "or use the compose file in deploy.",
        )
    )


def find_maven(progress: Progress) -> Path:
    """Maven of ``PATH``, else installed; only the first start needs it."""
    for attempt in range(2):
        found = shutil.which("mvn")
        if found:
            return Path(found)
        if attempt == 0 and not _install("maven", progress):
            break
    raise ServiceError(
        say(
            "首次启动需要 Maven 来下载 Kafka 和 Elasticsearch：请安装它（Debian、Ubuntu："
            "sudo apt-get install maven），或改用 deploy 里的 compose 文件。",
            "The first start needs Maven to fetch Kafka and Elasticsearch: install it "
            "(Debian, Ubuntu: sudo apt-get install maven), or use the compose file in deploy.",
        )
    )


def _ask(executable: Path) -> Java | None:
    try:
        answer = subprocess.run(
            [executable, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_java(answer.stderr + answer.stdout)


def _install(package: str, progress: Progress) -> bool:
    """Install through apt where we are root on Debian or Ubuntu; tells whether it did."""
    if os.geteuid() != 0 or not _DEBIAN.exists() or not shutil.which("apt-get"):
        return False
    commands: Sequence[Sequence[str]] = (
        ["apt-get", "update"],
        ["apt-get", "install", "-y", "--no-install-recommends", package],
    )
    for command in commands:
        text = " ".join(command)
        progress("java", say(f"正在运行 {text}", f"running {text}"))
        ended = subprocess.run(
            command,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            last = (ended.stderr or ended.stdout).strip().rpartition("\n")[2]
            raise ServiceError(say(f"{text} 失败：{last}", f"{text} failed: {last}"))
    progress("java", say(f"已安装 {package}", f"{package} installed"), done=True)
    return True
