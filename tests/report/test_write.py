"""Writing: whole or not at all, and never where it should not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from neff.errors import ArgumentError, OutputError
from neff.report import formats, load, render, write
from neff.report.writing import replacing, write_bytes

SUFFIXES = {
    ".html": b"<!doctype html>", ".htm": b"<!doctype html>", ".md": b"## ", ".markdown": b"## ", ".json": b"{",
    ".xml": b"<?xml", ".csv": b"kind,", ".txt": b"model-00", ".parquet": b"PAR1",
}  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("upper", [False, True])
def test_the_suffix_chooses_the_format(make, tmp_path, suffix, upper):
    if suffix == ".parquet":
        pytest.importorskip("duckdb")
    path = tmp_path / f"result{suffix.upper() if upper else suffix}"
    assert write(make(2, 53), path) == path
    assert path.read_bytes().startswith(SUFFIXES[suffix])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_format_can_be_named(make, tmp_path):
    path = write(make(2, 53), tmp_path / "result", format="json")
    assert load(path).estimates
    assert write(make(2, 53), str(tmp_path / "result.data"), format="md").read_text(encoding="utf-8").startswith("## ")


def test_an_unknown_suffix_or_format_says_which_there_are(make, tmp_path):
    with pytest.raises(ArgumentError, match=r"path must be a name that ends in \.txt, .*, got '.*result\.docx'"):
        write(make(2, 53), tmp_path / "result.docx")
    with pytest.raises(ArgumentError, match=r"format must be one of text, html, .*, got 'docx'"):
        write(make(2, 53), tmp_path / "result.html", format="docx")
    with pytest.raises(ArgumentError, match="Parquet is binary"):
        render(make(2, 53), "parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [f for f in formats() if f != "parquet"])
def test_render_gives_what_write_writes(make_undefined, tmp_path, name):
    path = write(make_undefined(), tmp_path / "x", format=name)
    assert path.read_text(encoding="utf-8") == render(make_undefined(), name)
    assert render(make_undefined(), name).endswith("\n")


def failing(number):
    def fail(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.ENOSPC, "No space left on device. Free some space"),
        (errno.EACCES, "Permission denied. You may not write in"),
        (errno.EIO, "Input/output error. Nothing was written; what was there before is still there."),
    ],
)
def test_a_failure_in_the_middle_leaves_the_old_file(make, tmp_path, monkeypatch, step, number, fix):
    path = tmp_path / "result.json"
    path.write_text("old", encoding="utf-8")
    if step == "fsync":
        monkeypatch.setattr(os, "fsync", failing(number))
    elif step == "rename":
        monkeypatch.setattr(Path, "replace", failing(number))
    else:
        monkeypatch.setattr(Path, "open", failing(number))
    with pytest.raises(OutputError, match=rf"cannot write .*result\.json: {fix}"):
        write(make(2, 53), path)
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_half_of_the_data_is_never_seen(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"old")

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            assert path.read_bytes() == b"old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.skipif(os.name != "posix", reason="there are no locks that end with their process")
def test_what_a_killed_writer_left_is_removed_and_what_another_writes_is_not(tmp_path):
    import fcntl

    path = tmp_path / "a[1].json"
    left, young, used = (tmp_path / f".{path.name}.{digit * 12}.tmp" for digit in "0af")
    foreign = [
        tmp_path / name for name in (".a[1].json.tmp", ".a1.json.000000000000.tmp", ".a[1].json.zzzzzzzzzzzz.tmp")
    ]
    for file in (left, young, used, *foreign):
        file.write_bytes(b"half")
    folder = Path(f"{left}.d")
    folder.mkdir()
    (folder / "rows.csv").write_bytes(b"half")
    for file in (left, used, *foreign):
        os.utime(file, (0, 0))
    link = tmp_path / f".{path.name}.{'1' * 12}.tmp"
    link.symlink_to(foreign[0])
    with used.open("rb+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert set(tmp_path.iterdir()) == {path, young, used, link, *foreign}
    write_bytes(path, b"newer")
    assert not used.exists()


def test_a_result_that_cannot_be_rendered_touches_nothing(tmp_path):
    path = tmp_path / "result.html"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write(object(), path)
    assert path.read_bytes() == b"old"


def test_a_failing_parquet_writer_leaves_the_old_file(make, tmp_path, monkeypatch):
    pytest.importorskip("duckdb")
    from neff.report import tabular

    path = tmp_path / "result.parquet"
    path.write_bytes(b"old")

    def fail(_result, temporary):
        temporary.write_bytes(b"PAR1 half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tabular, "write_parquet", fail)
    with pytest.raises(OutputError, match="Free some space"):
        write(make(2, 53), path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.parquet"]


def test_a_folder_is_not_a_file(make, tmp_path):
    folder = tmp_path / "out.html"
    folder.mkdir()
    with pytest.raises(OutputError, match=r"it is a folder\. Give a file in it, such as .*report\.html"):
        write(make(2, 53), folder)
    assert list(folder.iterdir()) == []


def test_a_missing_folder_is_named_with_the_command(make, tmp_path):
    with pytest.raises(OutputError, match=r"there is no folder .*a/b\. Make it first: mkdir -p .*a/b"):
        write(make(2, 53), tmp_path / "a" / "b" / "result.json")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_a_folder(make, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        write(make(2, 53), tmp_path / "file" / "result.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_what_is_no_plain_file_is_refused(make, tmp_path):
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="it is not a plain file"):
        write(make(2, 53), pipe)
    assert pipe.is_fifo()
    assert [p.name for p in tmp_path.iterdir()] == ["pipe.json"]


def test_a_read_only_file_is_left_alone(make, tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "access", lambda *_a, **_k: False)  # root may write everything
    with pytest.raises(OutputError, match=r"the file is read-only\. Give another name, or: chmod"):
        write(make(2, 53), path)
    assert path.read_text(encoding="utf-8") == "old"


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_permissions_are_kept_and_new_files_follow_the_umask(tmp_path):
    path = tmp_path / "x.txt"
    old = os.umask(0o027)
    try:
        write_bytes(path, b"a")
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(old)
    path.chmod(0o604)
    write_bytes(path, b"b")
    assert path.stat().st_mode & 0o777 == 0o604


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights elsewhere")
def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "x.txt", tmp_path / "link.txt"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_very_long_name_is_no_half_file(make, tmp_path):
    with pytest.raises(OutputError, match="Give a shorter name"):
        write(make(2, 53), tmp_path / ("x" * 300 + ".json"))
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_a_nul_is_refused(make, tmp_path):
    with pytest.raises(OutputError, match="a name cannot hold a NUL character"):
        write(make(2, 53), f"{tmp_path}/a\0b.json")


def test_the_longest_names_work(make, tmp_path):
    name = "中" * 83 + ".json"  # 254 bytes; the limit is 255
    assert write(make(2, 53), tmp_path / name).is_file()


def test_gates_reach_the_file(make, tmp_path):
    from neff.report import Gate

    path = write(make(2, 53), tmp_path / "junit.xml", gates=[Gate("value(score) < 1", passed=False, detail="it is")])
    assert b'type="gate"' in path.read_bytes()
