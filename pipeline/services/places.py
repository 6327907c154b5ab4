"""Where Elasticsearch keeps its files when it must run as another user.

Elasticsearch refuses root. The user who runs it instead may not be able to enter the work folder
(``/root`` is closed to everyone else); then its files live below ``/var/lib/tingchao``, and a link
in the work folder leads there. Whoever deletes the work folder deletes that link: the next start
takes its absence as the wish to begin empty.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from pipeline.folders import locked
from schemas.language import say

from .config import ServiceError
from .process import Account

__all__ = ["account_for", "digest", "own", "place", "reachable", "shared_home", "shelter"]

SHELTER = Path("/var/lib/tingchao")


def account_for(user: str) -> Account | None:
    """Who Elasticsearch runs as: nobody else unless we are root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise ServiceError(
            say(
                f"没有名为 {user} 的用户；Elasticsearch 不能以 root 运行，"
                "请在设置里指定一个普通用户。",
                f"There is no user {user}; Elasticsearch refuses root: name an ordinary user.",
            )
        ) from error
    if entry.pw_uid == 0:
        raise ServiceError(
            say(
                f"Elasticsearch 不能以 root 运行，请在设置里指定一个普通用户而不是 {user}。",
                f"Elasticsearch refuses root: name an ordinary user instead of {user}.",
            )
        )
    return Account(user, entry.pw_uid, entry.pw_gid)


def reachable(path: Path, account: Account | None) -> bool:
    """Whether that user can enter the folder ``path``: its mode and those of all its parents."""
    if account is None:
        return True
    resolved = path.resolve()
    return all(_may_enter(parent, account) for parent in (resolved, *resolved.parents))


def _may_enter(folder: Path, account: Account) -> bool:
    found = folder.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def digest(folder: Path) -> str:
    """Names a work folder outside itself."""
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]


def shelter(folder: Path) -> Path:
    """The folder below ``/var/lib/tingchao`` that belongs to that work folder."""
    return SHELTER / digest(folder)


def place(folder: Path, account: Account | None) -> Path:
    """The folder for Elasticsearch: ``elasticsearch`` in the work folder, or where that leads."""
    here = folder / "elasticsearch"
    linked = here.is_symlink() and SHELTER in Path(os.readlink(here)).parents
    if linked or (not here.exists() and not reachable(folder, account)):
        inner = Path(os.readlink(here)) if linked else shelter(folder) / "elasticsearch"
        _root_owned(SHELTER)
        if not linked:
            shutil.rmtree(inner.parent, ignore_errors=True)  # of a work folder that was deleted
        _root_owned(inner.parent)
        _make(inner)
        if not linked:
            note = inner.parent / "work-folder.txt"
            note.write_text(f"{folder.resolve()}\n", encoding="utf-8")
            here.symlink_to(inner)
        return inner
    _make(here)
    if not reachable(here, account):
        raise ServiceError(
            say(
                f"用户 {account and account.name} 无法进入 {here}：请放宽其上级目录的权限，"
                "或删除该目录（其中的索引会丢失）。",
                f"User {account and account.name} cannot enter {here}: relax the modes of its "
                "parents, or delete it (the index in it is lost).",
            )
        )
    return here


def _make(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask


def own(folder: Path, account: Account | None) -> None:
    """Make a folder and hand it, with all that is in it, to that user."""
    _make(folder)
    if account is None or folder.stat().st_uid == account.uid:
        return
    os.chown(folder, account.uid, account.gid)
    for root, folders, files in os.walk(folder):
        for name in folders + files:
            os.chown(Path(root) / name, account.uid, account.gid, follow_symlinks=False)


def shared_home(home: Path, account: Account | None) -> Path:
    """The unpacked server where that user can read it, copied there if needed."""
    if reachable(home, account):
        return home
    copy = SHELTER / home.name
    _root_owned(SHELTER)
    with locked(SHELTER / ".lock", lambda _: None):
        if not _same(copy, home):
            with tempfile.TemporaryDirectory(dir=SHELTER, prefix=f".{home.name}-") as temporary:
                fresh = Path(temporary) / home.name
                shutil.copytree(home, fresh)
                shutil.rmtree(copy, ignore_errors=True)
                os.replace(fresh, copy)
    return copy


def _same(copy: Path, home: Path) -> bool:
    try:
        return (copy / ".checked").read_bytes() == (home / ".checked").read_bytes()
    except OSError:
        return False


def _root_owned(folder: Path) -> None:
    """Make the folder, or refuse one that somebody else could have prepared."""
    folder.mkdir(parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise ServiceError(
            say(
                f"{folder} 不是仅 root 可写的目录，不敢使用：请检查它的来历。",
                f"{folder} is not a folder that only root can write to: look where it comes from.",
            )
        )
    folder.chmod(0o755)
