"""The contract of a file format: recognise a file by its content, read it into `Records`."""

from __future__ import annotations

import codecs
import gzip
import stat
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, TypeAlias, cast

import numpy as np

from neff.errors import RecordsError
from neff.records.unpacking import open_gzip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from io import BufferedIOBase
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.layout import Layout
    from neff.records.table import Records
    from neff.records.values import Column

__all__ = [
    "BROKEN",
    "HEAD",
    "Chunk",
    "Chunks",
    "Keep",
    "Reader",
    "head_of",
    "line_blocks",
    "one_each",
    "open_bytes",
    "printable",
    "reading",
    "stem_of",
]

HEAD = 1 << 16
"""Number of bytes of content, after decompression, by which a format is recognised."""

BLOCK = 1 << 18
"""Bytes that `line_blocks` reads at a time: they stay in the cache while they are decoded."""

Keep: TypeAlias = Literal["all", "mapped"] | tuple[str, ...]
"""Which columns without a role are kept as `Records.extra`: all, none, or the named ones."""

BROKEN = (RecordsError, OSError, EOFError, zlib.error)
"""What is raised by a file that cannot be read; where it only lies beside the scores, they are read without it."""

_GZIP = b"\x1f\x8b"
_NEWLINE, _RETURN, _OPEN, _CLOSE = b"\n\r{}"
_LONG_LINE = 256
_SUFFIXES = frozenset(
    {".arrow", ".csv", ".eval", ".feather", ".gz", ".ipc", ".json", ".jsonl", ".ndjson"}
    | {".parquet", ".pq", ".tab", ".tsv", ".txt"}
)


class Chunk(NamedTuple):
    """Some rows of a file: the columns that a layout asks for, where row i of them is found, and what to say."""

    columns: Mapping[str, Column]
    line_of: Callable[[int], int]
    notes: tuple[str, ...] = ()


Chunks: TypeAlias = "Callable[[Path, Layout, int | None, range | None], Iterator[Chunk]]"
"""`chunks(path, layout, size, rows)`: a file by about `size` rows at a time (None: all at once, also where there are
none), in the order of rows; only these `rows` of it where they are given (formats with `count` alone)."""


@dataclass(frozen=True, slots=True)
class Reader:
    r"""One file format.

    Parameters
    ----------
    name
        Short name of the format ("csv", "inspect"), stored in `Source.format`.
    mapped
        Whether the caller's column options apply; False for logs whose columns are known.
    sniff
        `sniff(path, head)`: is this file ours? Decide by `head`, the first 64 KiB of (decompressed) content;
        the name of the file may only break a tie. Must not raise.
    read
        `read(path, columns, keep)`: the whole file as `Records` with one `Source`. Raises `RecordsError`.
    header
        `header(path)`: the column names, for formats that have columns to choose from.
    chunks
        The file part by part, for formats that can be larger than memory; needs `header`.
    count
        `count(path)`: number of rows, for formats that know it, and any range of whose rows can be read.

    Examples
    --------
    >>> from neff.records.delimited import READER
    >>> from pathlib import Path
    >>> READER.sniff(Path("scores"), b"item,model,score\nq1,a,1\n")
    True
    """

    name: str
    mapped: bool
    sniff: Callable[[Path, bytes], bool]
    read: Callable[[Path, ColumnMap, Keep], Records]
    header: Callable[[Path], Sequence[str]] | None = None
    chunks: Chunks | None = None
    count: Callable[[Path], int] | None = None


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressing gzip, which is recognised by its content.

    Raises
    ------
    RecordsError
        If it is a pipe or a device, of which nobody knows when it ends; those that are given are copied first.
    """
    _refuse_endless(path)
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return open_gzip(path) if packed else path.open("rb")


def _refuse_endless(path: Path) -> None:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        fix = "Give it by itself; in a folder only files are read."
        raise RecordsError("this is not a plain file.", fix, path=path)


def line_blocks(file: BinaryIO, size: int | None = None) -> Iterator[memoryview]:
    r"""Yield whole lines, many at a time, without copying them: several times faster than one by one.

    A block is good until the next one is asked for.

    Examples
    --------
    >>> import io
    >>> [bytes(block) for block in line_blocks(io.BytesIO(b"one\ntwo\nthree"), 9)]
    [b'one\ntwo\n', b'three']
    """
    buffer = bytearray(size or BLOCK)
    used = 0
    while n := cast("BufferedIOBase", file).readinto(memoryview(buffer)[used:]):
        used += n
        cut = buffer.rfind(b"\n", used - n, used) + 1
        if cut:
            yield memoryview(buffer)[:cut]
            buffer[: used - cut] = buffer[cut:used]  # of equal length: nothing moves that a block still shows
            used -= cut
        elif used == len(buffer):
            buffer = buffer + bytearray(len(buffer))
    if used:
        yield memoryview(buffer)[:used]


def one_each(block: memoryview, n: int) -> bool:
    r"""Return whether each line of a block of `line_blocks` holds one of the n JSON objects decoded from it.

    The fast decoder also takes two objects on one line, and one on two lines: no log is written so, and a cut or
    a merge of two files may look so.

    Examples
    --------
    >>> one_each(memoryview(b'{"a": 1}\n{"a": 2}\n'), 2), one_each(memoryview(b'{"a": 1}{"a": 2}\n\n'), 2)
    (True, False)
    """
    if len(block) >= _LONG_LINE * n:
        return _one_long_each(cast("bytearray", block.obj), len(block), n)
    content = np.frombuffer(block, np.uint8)
    inner = np.flatnonzero(content[:-1] == _NEWLINE)
    before = content[inner - 1]
    before = np.where(before == _RETURN, content[inner - 2], before)
    split = (before == _CLOSE) & (content[inner + 1] == _OPEN)
    return bool(len(inner) == n - 1 and content[0] == _OPEN and split.all())


def _one_long_each(content: bytearray, size: int, n: int) -> bool:
    """Return the same: where lines are long, a search from one end to the next is several times faster."""
    n_lines, at = 1, content.find(b"\n", 0, size - 1)
    while at >= 0:
        before = content[at - 2] if content[at - 1] == _RETURN else content[at - 1]
        if before != _CLOSE or content[at + 1] != _OPEN:
            return False
        n_lines += 1
        at = content.find(b"\n", at + 1, size - 1)
    return n_lines == n and content[0] == _OPEN


def head_of(path: Path) -> bytes:
    """Return the first 64 KiB of content, without byte order mark; of a cut gzip file, what can be unpacked.

    Raises
    ------
    zlib.error, EOFError
        If nothing of a gzip file can be unpacked.
    RecordsError
        If it is a pipe or a device.
    """
    _refuse_endless(path)
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head.startswith(_GZIP):
        return head.removeprefix(codecs.BOM_UTF8)
    unpacking = zlib.decompressobj(wbits=31)
    content = unpacking.decompress(head, HEAD)
    if not content and not unpacking.eof:
        raise EOFError("the gzip file ends within its first block")
    return content.removeprefix(codecs.BOM_UTF8)


def stem_of(path: Path) -> str:
    """Return the name of the file without the suffixes of known formats.

    Examples
    --------
    >>> from pathlib import Path
    >>> stem_of(Path("runs/gpt-4.1.csv.gz"))
    'gpt-4.1'
    """
    while path.suffix.lower() in _SUFFIXES and path.stem:
        path = path.with_suffix("")
    return printable(path.name)


def printable(name: str) -> str:
    """Return the name of a file with what is not UTF-8 in it replaced, so that it can be printed and stored."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


@contextmanager
def reading(path: Path, shown: str | None = None) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a `RecordsError` that names the file.

    Parameters
    ----------
    path
        The file.
    shown
        How messages name it, where that is not its path ("stdin").
    """
    name = shown or str(path)
    try:
        yield
    except RecordsError as error:
        if error.path is not None and str(error.path) == name:
            raise
        raise RecordsError(error.problem, error.fix, path=name, line=error.line) from error
    except UnicodeDecodeError as error:
        raise not_utf8(error, name) from error
    except FileNotFoundError as error:
        raise RecordsError("there is no such file.", "Check the path.", path=name) from error
    except PermissionError as error:
        raise RecordsError("permission denied.", "Make the file readable: chmod u+r FILE.", path=name) from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise RecordsError(
            f"the compressed data is damaged or cut off ({error}).",
            "Copy or write the file again.",
            path=name,
        ) from error
    except (OSError, RecursionError, MemoryError) as error:
        raise RecordsError(
            f"the file cannot be read ({str(error) or type(error).__name__}).",
            "Check the file and the disk.",
            path=name,
        ) from error


def not_utf8(error: UnicodeDecodeError, path: Path | str) -> RecordsError:
    """Return the error for text in an unknown encoding: guessing one could change names without a word."""
    known = error.encoding.lower().startswith("utf-8")
    return RecordsError(
        f"the text is not {error.encoding.upper()} (byte 0x{error.object[error.start]:02x}).",
        "Convert it first, for example: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW."
        if known
        else "The file is cut off or damaged: write it again, as UTF-8.",
        path=path,
    )


def renamed(table: Records, shown: str) -> Records:
    """Return the table with its sources under the name that the caller gave."""
    return replace(table, sources=tuple(replace(source, path=shown) for source in table.sources))
