"""Writing whole or not at all: a temporary file in the same folder, flushed to disk, then renamed.

A process that is killed cannot clean up: what it leaves is named `.NAME.<12 hex digits>.tmp`, and the next write of the
same name removes it. A temporary file is locked while it is written to, so one that can be locked is left over.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from neff.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["replacing", "write_bytes"]

_TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.tmp$")
_YOUNG = 10.0
"""Seconds that a temporary file is left alone for, whatever its lock says."""


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds, remove it when not.

    A symbolic link is followed: its target is replaced, the link stays. The permissions of a file that is
    replaced are kept.

    Raises
    ------
    OutputError
        If the file cannot be written; what was there before is untouched.
    """
    if "\0" in str(path):
        raise OutputError(f"cannot write {str(path)!r}: a name cannot hold a NUL character. Give another name.")
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:24]}.{secrets.token_hex(6)}.tmp")
    try:
        _check(target, path)
        _remove_left_over(target)
        with _locked(temporary):
            yield temporary
            _finish(temporary, target)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write {path}: {error.strerror or error}. {_fix(error, target)}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole, or raise and leave what was there.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write(data)  # the inner block ends first: the file is closed when it is flushed and renamed


@contextlib.contextmanager
def _locked(temporary: Path) -> Iterator[None]:
    """Make the file, and hold a lock on it: the system lets go of it when the process ends, however it ends."""
    if os.name != "posix":  # an open file could not be renamed
        yield
        return
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Return whether the file could be locked; where there are no locks, none is left over for sure."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _remove_left_over(target: Path) -> None:
    """Remove the temporary files of writers that were killed; young ones may not be locked yet."""
    for path in target.parent.glob(f".{_literal(target.name[:24])}.*.tmp"):
        with contextlib.suppress(OSError):
            if _TEMPORARY.search(path.name) is None or time.time() - path.stat().st_mtime < _YOUNG:
                continue
            descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                if _lock(descriptor):
                    shutil.rmtree(f"{path}.d", ignore_errors=True)
                    path.unlink()
            finally:
                os.close(descriptor)


def _literal(name: str) -> str:
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in name)


def _check(target: Path, path: str | Path) -> None:
    if target.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder. Give a file in it, such as {target / 'report.html'}.")
    if target.exists() and not target.is_file():
        raise OutputError(f"cannot write {path}: it is not a plain file. Print to it with a redirection: > {path}")
    if not target.parent.exists():
        raise OutputError(
            f"cannot write {path}: there is no folder {target.parent}. Make it first: mkdir -p {target.parent}"
        )
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {path}: {target.parent} is a file, not a folder. Give another name.")
    if target.exists() and not os.access(target, os.W_OK):
        raise OutputError(f"cannot write {path}: the file is read-only. Give another name, or: chmod u+w {path}")


def _finish(temporary: Path, target: Path) -> None:
    """Flush to disk, keep the old permissions, rename, and flush the folder."""
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    with contextlib.suppress(FileNotFoundError):
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))
    temporary.replace(target)
    if os.name == "posix":
        with contextlib.suppress(OSError):  # some file systems cannot flush a folder; the rename has happened
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _fix(error: OSError, target: Path) -> str:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space, or write to another disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"You may not write in {target.parent}; give another folder."
    if error.errno == errno.ENAMETOOLONG:
        return "Give a shorter name."
    return "Nothing was written; what was there before is still there."
