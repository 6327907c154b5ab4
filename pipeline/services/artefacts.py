"""The servers themselves: resolved by Maven once, checked, and kept for every later start.

Delivery: a folder ``<name>-<version>`` in the artefacts folder is complete and was checked against
``deploy/local/artefacts.sha256``, or it is not there: it appears by a rename.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree

from pipeline.folders import locked
from schemas.language import say

from .config import Progress, ServiceError, ServiceName
from .java import find_maven

__all__ = ["DEPLOY", "LIST", "check", "digests", "ensure", "expected", "fetch", "version"]

DEPLOY = Path(__file__).parents[2] / "deploy" / "local"
LIST = DEPLOY / "artefacts.sha256"
_CHECKED = ".checked"
"""In each folder: the lines of the list that it was checked against."""


def version(name: ServiceName) -> str:
    """The version that the committed pom asks for."""
    pom = DEPLOY / name / "pom.xml"
    try:
        found = ElementTree.parse(pom).findtext("{http://maven.apache.org/POM/4.0.0}version")
    except OSError as error:
        raise ServiceError(
            say(
                f"找不到 {pom}：本机服务只能从完整的代码目录启动，"
                "否则请改用已有的 Kafka 和 Elasticsearch。",
                f"{pom} is missing: local services start from a checkout only; "
                "otherwise name an existing Kafka and Elasticsearch.",
            )
        ) from error
    return str(found)


def expected(name: ServiceName, lines: str) -> dict[str, str]:
    """File name to SHA-256 of one service, from the text of the committed list."""
    found = {}
    for line in lines.splitlines():
        if line and not line.startswith("#"):
            digest, _, path = line.partition("  ")
            folder, _, file = path.partition("/")
            if folder == name:
                found[file] = digest
    return found


def digests(folder: Path) -> dict[str, str]:
    """File name to SHA-256 of what is in ``folder``."""
    found = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def check(title: str, folder: Path, wanted: dict[str, str]) -> None:
    """Refuse a folder that does not hold exactly the files of the list."""
    found = digests(folder)
    wrong = sorted(name for name in found.keys() | wanted if found.get(name) != wanted.get(name))
    if wrong:
        raise ServiceError(
            say(
                f"下载的 {title} 与 deploy/local/artefacts.sha256 不符（{wrong[0]} 等 "
                f"{len(wrong)} 个文件），因此没有启动任何服务：请检查 Maven 的镜像来源。",
                f"The downloaded {title} differs from deploy/local/artefacts.sha256 ({wrong[0]}; "
                f"{len(wrong)} in all), so nothing was started: check Maven's mirror.",
            )
        )


def fetch(name: ServiceName, target: Path, log: Path, progress: Progress) -> None:
    """Let Maven copy what the pom of ``name`` asks for into ``target``."""
    maven = find_maven(progress)
    progress(name, say("正在用 Maven 下载（仅首次）", "downloading with Maven (first time only)"))
    command = [
        str(maven),
        *("-B", "-ntp", "-f", str(DEPLOY / name / "pom.xml")),
        *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"),
    ]
    with log.open("wb") as output:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
    if ended.returncode != 0:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "ERROR" in line]
        why = errors[0].removeprefix("[ERROR]").strip()[:300] if errors else str(ended.returncode)
        raise ServiceError(
            say(
                f"Maven 下载失败，详见 {log}：{why}",
                f"Maven could not fetch it, see {log}: {why}",
            )
        )


def ensure(name: ServiceName, title: str, artefacts: Path, progress: Progress) -> Path:
    """The folder of that server, fetched and checked if it is not there yet."""
    lines = _list()
    wanted = expected(name, lines)
    proof = "".join(f"{digest}  {file}\n" for file, digest in wanted.items())
    home = artefacts / f"{name}-{version(name)}"
    if _proof(home) == proof:
        return home

    def waiting(_: TextIO) -> None:
        progress(name, say("另一个进程正在下载，等待中", "waiting for another process to fetch it"))

    with locked(artefacts / ".lock", waiting):
        if _proof(home) == proof:
            return home
        with tempfile.TemporaryDirectory(dir=artefacts, prefix=f".{name}-") as temporary:
            fetched = Path(temporary) / "fetched"
            fetch(name, fetched, artefacts / f"maven-{name}.log", progress)
            progress(name, say("正在校验", "checking"))
            check(title, fetched, wanted)
            if name == "elasticsearch":
                progress(name, say("正在解压", "unpacking"))
                fetched = _unpack(fetched, Path(temporary) / "unpacked")
            (fetched / _CHECKED).write_text(proof)
            shutil.rmtree(home, ignore_errors=True)  # of another list
            os.replace(fetched, home)
    return home


def _list() -> str:
    try:
        return LIST.read_text(encoding="utf-8")
    except OSError as error:
        raise ServiceError(say(f"找不到 {LIST}。", f"{LIST} is missing.")) from error


def _proof(home: Path) -> str | None:
    try:
        return (home / _CHECKED).read_text()
    except OSError:
        return None


def _unpack(folder: Path, target: Path) -> Path:
    """Unpack the one zip in ``folder``; its single top folder is the result."""
    (archive,) = folder.iterdir()
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            path = Path(file.extract(entry, target))
            # zipfile forgets the modes, and a strict umask would lock the other user out
            path.chmod(0o755 if entry.is_dir() or entry.external_attr >> 16 & 0o100 else 0o644)
    (home,) = target.iterdir()
    return home
