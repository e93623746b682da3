"""Paths to files: folders walked in a fixed order, stdin and pipes spooled, each file once."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentTypeError, RecordsError
from neff.records.reader import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["File", "find_files", "is_paths"]


@dataclass(frozen=True, slots=True)
class File:
    """A file to read: where it is, and how messages name it."""

    path: Path
    shown: str
    regular: bool = True


def is_paths(data: object) -> bool:
    """Return whether the object is a path or a list of paths."""
    if isinstance(data, (str, os.PathLike)):
        return True
    return isinstance(data, (list, tuple)) and all(isinstance(path, (str, os.PathLike)) for path in data)


def find_files(paths: Any, spool: Path) -> list[File]:
    """Return the files that the paths stand for, in a fixed order and each once.

    Parameters
    ----------
    paths
        A path or a list of them; "-" is standard input, a folder stands for all files below it.
    spool
        A folder into which standard input and pipes are copied: readers read a file more than once.

    Raises
    ------
    RecordsError
        If a path does not exist, or a folder holds no files.
    ArgumentTypeError
        If it is not a path.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    if not is_paths(given):
        raise ArgumentTypeError("paths", "a path or a list of paths", paths, call="read")
    if not given:
        raise RecordsError("no path was given.", "Give at least one file or folder.")
    found: dict[Path, File] = {}
    for path in given:
        for file in _expand(os.fspath(path), spool):
            found.setdefault(_real(file.path), file)
    return [file for file in found.values() if not _is_read_with(file.path, found)]


def _is_read_with(path: Path, found: Mapping[Path, File]) -> bool:
    """Return whether other files of the list stand for this one, as results of lm-eval do for their samples."""
    from neff.records import every_eval_ever, helm, inspect_log, lighteval, lm_eval, opencompass, promptfoo

    stand_ins = (
        lm_eval.samples_beside,
        helm.main_file,
        opencompass.results_of,
        lighteval.details_of,
        every_eval_ever.samples_file,
        promptfoo.whole_output,
        inspect_log.merged_log,
    )
    return any(_real(other) in found for stand_in in stand_ins for other in stand_in(path))


def _expand(name: str, spool: Path) -> Iterator[File]:
    path = Path(name)
    if name == "-":
        copy = spool / "stdin"
        if not copy.exists():
            with copy.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        yield File(copy, "stdin")
    elif _is(path, "is_dir"):
        files = list(_walk(path, set()))
        if not files:
            raise RecordsError("the folder holds no files.", "Give a folder with logs in it.", path=path)
        yield from files
    elif _is(path, "is_file"):
        yield File(path, printable(str(path)))
    elif _is(path, "exists"):  # a pipe, as the shell makes for <(command)
        copy = Path(tempfile.mkdtemp(dir=spool)) / path.name
        with path.open("rb") as pipe, copy.open("wb") as file:
            shutil.copyfileobj(pipe, file)
        yield File(copy, name)
    else:
        raise _missing(path)


def _is(path: Path, question: str) -> bool:
    try:
        return bool(getattr(path, question)())
    except (OSError, ValueError):  # no permission on the folder; a NUL byte in the name
        return False


def _walk(folder: Path, seen: set[Path]) -> Iterator[File]:
    """Yield the files below a folder, sorted by name; a folder that links back is entered once."""
    real = _real(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        yield File(folder, printable(str(folder)), regular=False)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is(entry, "is_dir"):
            yield from _walk(entry, seen)
        else:
            yield File(entry, printable(str(entry)), regular=_is(entry, "is_file"))


def _real(path: Path) -> Path:
    """Return where a path leads, as far as it leads anywhere: links that lead to each other are no error here."""
    return Path(os.path.realpath(path))


def _missing(path: Path) -> RecordsError:
    """Return the error for a path that does not exist, with the names that come near."""
    if _is(path, "is_symlink"):
        return RecordsError("this is a link that leads nowhere.", "Mend the link, or give the file.", path=path)
    parent = path.parent
    while not _is(parent, "is_dir") and parent != parent.parent:
        path, parent = parent, parent.parent
    try:
        names: Sequence[str] = [entry.name for entry in parent.iterdir()]
    except OSError:
        names = []
    near = get_close_matches(path.name, names, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(str(parent / name) for name in near)}?" if near else "Check the path."
    return RecordsError("there is no such file or folder.", hint, path=path)
