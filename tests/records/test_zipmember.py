"""Zip members: every method, several zstd frames, and archives that mean harm."""

from __future__ import annotations

import io
import random
import struct
import sys
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import MissingExtraError, NeffError, RecordsError
from neff.records.zipmember import Members, open_zip

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"".join(b'{"id": %d, "score": "C"}\n' % i for i in range(1009))


def zip_of(
    content: bytes,
    packed: bytes,
    method: int,
    *,
    name: bytes = b"a.json",
    size: int | None = None,
    flags: int = 0,
    times: int = 1,
) -> bytes:
    """Write an archive by hand, with methods and lies that zipfile does not write."""
    crc = zlib.crc32(content)
    size = len(content) if size is None else size
    fields = struct.pack("<HHHHHIIIHH", 45, flags, method, 0, 0, crc, len(packed), size, len(name), 0)
    local = b"PK\x03\x04" + fields + name + packed
    entries = b""
    for copy in range(times):
        own = name if copy == 0 else b"%d" % copy + name
        head = struct.pack("<HHHHHIIIHH", 45, flags, method, 0, 0, crc, len(packed), size, len(own), 0)
        entries += b"PK\x01\x02" + struct.pack("<H", 45) + head + struct.pack("<HHHII", 0, 0, 0, 0, 0) + own
    end = struct.pack("<HHHHIIH", 0, 0, times, times, len(entries), len(local), 0)
    return local + entries + b"PK\x05\x06" + end


def frames(content: bytes, *, n: int) -> bytes:
    """Pack with zstd in n frames, as Inspect does with members over 200 MB."""
    step = -(-len(content) // n)
    return b"".join(
        zstandard.ZstdCompressor().compress(content[start : start + step]) for start in range(0, len(content), step)
    )


def deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("packed", "method"),
    [(TEXT, 0), (deflate(TEXT), 8), (frames(TEXT, n=1), 93), (frames(TEXT, n=7), 93)],
    ids=["stored", "deflate", "zstd", "zstd in 7 frames"],
)
def test_every_method_gives_the_same_bytes(packed: bytes, method: int) -> None:
    members = Members(io.BytesIO(zip_of(TEXT, packed, method)))
    assert members.names() == ("a.json",)
    assert members.read("a.json") == TEXT


def test_zstd_frames_without_their_size() -> None:
    """A streaming writer does not know the size of a frame before it is written."""
    packer = zstandard.ZstdCompressor().compressobj()
    packed = packer.compress(TEXT) + packer.flush()
    assert zstandard.get_frame_parameters(packed).content_size == zstandard.CONTENTSIZE_UNKNOWN
    assert Members(io.BytesIO(zip_of(TEXT, packed, 93))).read("a.json") == TEXT


def test_agrees_with_zipfile_on_zip64_and_empty_members() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("empty", b"")
        with archive.open("streamed", "w", force_zip64=True) as member:
            member.write(TEXT)
    members = Members(buffer)
    assert members.read("empty") == b""
    assert members.read("streamed") == TEXT


def test_last_entry_of_a_repeated_name_counts() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"old")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a", b"new")
    assert Members(buffer).read("a") == b"new"


def test_bytes_before_the_archive_do_not_matter() -> None:
    assert Members(io.BytesIO(b"#!junk\n" + zip_of(TEXT, deflate(TEXT), 8))).read("a.json") == TEXT


@pytest.mark.parametrize("method", [1, 9, 12, 14, 99])
def test_other_methods_are_refused(method: int) -> None:
    members = Members(io.BytesIO(zip_of(TEXT, TEXT, method)))
    with pytest.raises(RecordsError, match=f"method {method}, which is not supported"):
        members.read("a.json")


def test_encrypted_member_is_refused() -> None:
    with pytest.raises(RecordsError, match="encrypted"):
        Members(io.BytesIO(zip_of(TEXT, TEXT, 0, flags=1))).read("a.json")


@pytest.mark.parametrize(("pack", "method"), [(deflate, 8), (lambda content: frames(content, n=1), 93)])
def test_a_bomb_is_refused_before_it_is_unpacked(pack, method: int) -> None:
    """A ratio over 1000 above 16 MiB, and anything that unpacks to more than it says."""
    zeros = bytes(17 << 20)
    packed = pack(zeros)
    honest = Members(io.BytesIO(zip_of(zeros, packed, method)))
    if len(zeros) > 1000 * len(packed):
        with pytest.raises(RecordsError, match="1,000 times the packed size"):
            honest.read("a.json")
    else:
        assert len(honest.read("a.json")) == len(zeros)
    liar = Members(io.BytesIO(zip_of(zeros, packed, method, size=1009)))
    with pytest.raises(RecordsError, match="damaged"):
        liar.read("a.json")


def test_unpacking_stops_at_the_declared_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A liar costs one chunk more than it says, not what it holds."""
    taken: list[int] = []
    real = zstandard.ZstdDecompressor

    class Counting:
        def __init__(self, **options: object) -> None:
            self._inner = real(**options)

        def stream_reader(self, source, **options: object):
            reader = self._inner.stream_reader(source, **options)

            class Reader:
                def read(self, size: int) -> bytes:
                    data = reader.read(size)
                    taken.append(len(data))
                    return data

            return Reader()

    monkeypatch.setattr(zstandard, "ZstdDecompressor", Counting)
    zeros = bytes(64 << 20)
    with pytest.raises(RecordsError, match="damaged"):
        Members(io.BytesIO(zip_of(zeros, frames(zeros, n=1), 93, size=1009))).read("a.json")
    assert sum(taken) == 1010


def test_inflating_stops_at_the_declared_size(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._inner = real(wbits)

        def decompress(self, data: bytes, limit: int = 0) -> bytes:
            limits.append(limit)
            return self._inner.decompress(data, limit)

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    with pytest.raises(RecordsError, match="damaged"):
        Members(io.BytesIO(zip_of(bytes(1 << 20), deflate(bytes(1 << 20)), 8, size=1009))).read("a.json")
    assert limits == [1010]


def test_a_size_that_is_one_too_small_is_damage() -> None:
    """The checksum alone would be right."""
    for packed, method in ((TEXT, 0), (deflate(TEXT), 8), (frames(TEXT, n=1), 93)):
        with pytest.raises(RecordsError, match="damaged"):
            Members(io.BytesIO(zip_of(TEXT, packed, method, size=len(TEXT) - 1))).read("a.json")


def test_a_declared_size_over_the_limit_is_refused() -> None:
    with pytest.raises(RecordsError, match="would unpack"):
        Members(io.BytesIO(zip_of(b"", TEXT, 93, size=(1 << 32) - 2))).read("a.json")


def test_overlapping_members_are_refused() -> None:
    """The better bomb: many entries that share the same bytes."""
    with pytest.raises(RecordsError, match="overlap"):
        Members(io.BytesIO(zip_of(TEXT, TEXT, 0, times=13)))


def test_names_never_touch_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "inner" / "log.zip"
    path.parent.mkdir()
    path.write_bytes(zip_of(TEXT, deflate(TEXT), 8, name=b"../../escaped.json"))
    with open_zip(path) as members:
        assert members.read("../../escaped.json") == TEXT
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", "log.zip"]


def test_missing_member() -> None:
    with pytest.raises(RecordsError, match=r"no member b\.json"):
        Members(io.BytesIO(zip_of(TEXT, TEXT, 0))).read("b.json")


def test_zstandard_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    members = Members(io.BytesIO(zip_of(TEXT, frames(TEXT, n=1), 93)))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r"neff\[inspect\]"):
        members.read("a.json")


@pytest.mark.parametrize("method", [0, 8, 93])
def test_cut_anywhere_raises_only_our_errors(method: int) -> None:
    pack = {0: bytes, 8: deflate, 93: lambda content: frames(content, n=2)}[method]
    whole = zip_of(TEXT[:1000], pack(TEXT[:1000]), method)
    for length in range(0, len(whole), 3):
        with pytest.raises(RecordsError):
            Members(io.BytesIO(whole[:length])).read("a.json")


@settings(max_examples=200, deadline=None)
@given(
    method=st.sampled_from([0, 8, 93]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=13),
)
def test_changed_bytes_never_give_wrong_content(method: int, changes: list[tuple[float, int]]) -> None:
    pack = {0: bytes, 8: deflate, 93: lambda content: frames(content, n=2)}[method]
    archive = bytearray(zip_of(TEXT[:1000], pack(TEXT[:1000]), method))
    for place, value in changes:
        archive[int(place * len(archive))] = value
    try:
        members = Members(io.BytesIO(bytes(archive)))
        contents = [members.read(name) for name in members.names()]
    except NeffError:
        return
    assert contents in ([TEXT[:1000]], [])


def test_random_bytes_are_no_archive() -> None:
    with pytest.raises(RecordsError, match="zip directory"):
        Members(io.BytesIO(random.Random(0).randbytes(1009)))
