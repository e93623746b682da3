"""Gzip files, unpacked as they are read, with a bound on what they may grow to where they are not streamed.

A stream of lines may be as long as it likes: nobody holds it. What is held is a line, or a JSON text as a whole, and a
kilobyte can stand for a megabyte of either. So a line or a text may not be larger than `SMALL`, or than `MAX_RATIO`
times the file, whichever is more: honest logs do not come near it.
"""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from neff.errors import RecordsError

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import WriteableBuffer

__all__ = ["MAX_RATIO", "SMALL", "open_gzip"]

SMALL = 1 << 24
MAX_RATIO = 100
_CHUNK = 1 << 18


def open_gzip(path: Path) -> BinaryIO:
    """Open a gzip file for reading what is in it.

    Raises
    ------
    RecordsError
        While it is read, if a line, or the whole where the whole is asked for, grows out of all proportion.
    """
    most = max(SMALL, MAX_RATIO * path.stat().st_size)
    return cast("BinaryIO", io.BufferedReader(_Unpacked(path, most), _CHUNK))


class _Unpacked(io.RawIOBase):
    def __init__(self, path: Path, most: int) -> None:
        self._file = gzip.open(path, "rb")  # noqa: SIM115  (closed with this)
        self._most = most
        self._line = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._line = 0
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        n = self._file.readinto(buffer)
        end = bytes(memoryview(buffer)[:n]).rfind(b"\n")
        self._line = n - end - 1 if end >= 0 else self._line + n
        if self._line > self._most:
            raise self._too_large("a line")
        return n

    def readall(self) -> bytes:
        parts, n = [], 0
        while part := self._file.read(_CHUNK):
            parts.append(part)
            n += len(part)
            if n > self._most:
                raise self._too_large("the text")
        return b"".join(parts)

    def _too_large(self, what: str) -> RecordsError:
        return RecordsError(
            f"{what} in this compressed file is larger than {self._most:,} bytes, {MAX_RATIO} times the file.",
            "If it is honest, unpack it first: gunzip FILE.",
        )
