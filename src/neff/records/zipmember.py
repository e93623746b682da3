"""Members of a zip archive, one at a time, with zstd (method 93), which zipfile reads only from Python 3.14 on.

The central directory is parsed by the standard library, the data by `zlib` and `zstandard`, nothing is patched
and nothing is written to disk. An archive is untrusted: a member may not be larger than it says, than a limit,
or than a ratio that honest data never reaches, and members may not share bytes.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from neff.errors import MissingExtraError, RecordsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["MAX_BYTES", "MAX_RATIO", "Members", "open_zip"]

MAX_BYTES = 1 << 29
"""Largest member that is read, after decompression."""
MAX_RATIO = 1000
"""Largest ratio of a member's size to its size in the archive, above `_SMALL` bytes."""

_SMALL = 1 << 24
_CHUNK = 1 << 18
_WINDOW = 1 << 27
_LOCAL = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1
_FIX = "The file may be cut off or changed: copy it again, or write it again."


class Members:
    """The members of an open archive.

    Parameters
    ----------
    file
        The archive, seekable, open for reading.

    Raises
    ------
    RecordsError
        If the central directory cannot be read, or members overlap.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, io.SEEK_END)
        self._infos = _directory(file)
        packed = sum(info.compress_size for info in self._infos.values())
        if packed > self._length:
            raise RecordsError("members of the zip archive overlap.", _FIX)

    def names(self) -> tuple[str, ...]:
        """Return the names in the order of the directory; of a repeated name the last entry counts."""
        return tuple(self._infos)

    def read(self, name: str) -> bytes:
        """Return the whole content of a member.

        Raises
        ------
        RecordsError
            If there is no such member, it is too large, damaged, encrypted, or packed in an unknown way.
        MissingExtraError
            If it is packed with zstd and `zstandard` is not installed.
        """
        info = self._infos.get(name)
        if info is None:
            raise RecordsError(f"the zip archive has no member {name}.", _FIX)
        _check(info)
        try:
            data = _UNPACK[info.compress_type](self._packed(info), info.file_size + 1)
        except RecordsError:
            raise
        except (zlib.error, OSError, ValueError, OverflowError) as error:
            raise RecordsError(f"member {name} is damaged ({error}).", _FIX) from error
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise RecordsError(f"member {name} is damaged (size or checksum is wrong).", _FIX)
        return data

    def _packed(self, info: zipfile.ZipInfo) -> _Slice:
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
            raise RecordsError(f"member {info.filename} is not where the zip directory says.", _FIX)
        _, name_length, extra_length = _LOCAL.unpack(header)
        self._file.seek(name_length + extra_length, io.SEEK_CUR)
        return _Slice(self._file, info.compress_size)


@contextmanager
def open_zip(path: Path) -> Iterator[Members]:
    """Open an archive for the time of a with block.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "log.eval")
    ...     with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    ...         archive.writestr("header.json", "{}")
    ...     with open_zip(path) as members:
    ...         members.read("header.json")
    b'{}'
    """
    with path.open("rb") as file:
        yield Members(file)


class _Slice:
    """The next `length` bytes of a file, as a file."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length

    def read(self, size: int = -1, /) -> bytes:
        take = self._left if size < 0 else min(size, self._left)
        data = self._file.read(take)
        self._left = self._left - len(data) if data else 0
        return data


def _directory(file: BinaryIO) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name; a later entry replaces an earlier one, as its writer means it."""
    try:
        with zipfile.ZipFile(file) as archive:
            return {info.filename: info for info in archive.infolist()}
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        OSError,
        ValueError,
        OverflowError,
        struct.error,
    ) as error:
        raise RecordsError(f"the zip directory cannot be read ({error}).", _FIX) from error


def _check(info: zipfile.ZipInfo) -> None:
    if info.compress_type not in _UNPACK:
        raise RecordsError(
            f"member {info.filename} is packed with zip method {info.compress_type}, which is not supported.",
            "Pack the archive again with deflate or zstd.",
        )
    if info.flag_bits & _ENCRYPTED:
        raise RecordsError(f"member {info.filename} is encrypted.", "Pack the archive again without a password.")
    if info.file_size > min(MAX_BYTES, max(_SMALL, MAX_RATIO * info.compress_size)):
        raise RecordsError(
            f"member {info.filename} would unpack from {info.compress_size:,} to {info.file_size:,} bytes; "
            f"at most {MAX_BYTES:,} bytes and {MAX_RATIO:,} times the packed size are read.",
            "If the log is honest, split it into smaller logs.",
        )


def _stored(packed: _Slice, limit: int) -> bytes:
    return packed.read(limit)


def _inflate(packed: _Slice, limit: int) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    whole = io.BytesIO()  # gives its bytes away without a copy
    while limit > 0 and not unpacker.eof:
        data = unpacker.unconsumed_tail or packed.read(_CHUNK >> 4)  # of which no more than 16 MiB can come
        if not data:
            break
        limit -= whole.write(unpacker.decompress(data, limit))
    return whole.getvalue()


def _unzstd(packed: _Slice, limit: int) -> bytes:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtraError("Reading this log (a zip archive packed with zstd)", "inspect") from error
    # a stream reader, because the other decompressors have no bound on what one call may return
    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    reader = unpacker.stream_reader(cast("BinaryIO", packed), read_across_frames=True)
    whole = io.BytesIO()
    try:
        while limit > 0 and (piece := reader.read(min(limit, _CHUNK))):
            limit -= whole.write(piece)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    return whole.getvalue()


_UNPACK: dict[int, Callable[[_Slice, int], bytes]] = {0: _stored, 8: _inflate, 93: _unzstd}
"""How to unpack at most so many bytes, by zip method."""
