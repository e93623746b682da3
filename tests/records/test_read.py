"""Files, folders, standard input, and the same draw in two files."""

from __future__ import annotations

import io
import itertools
import math
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import neff
from neff import read
from neff.errors import ArgumentError, ArgumentTypeError, RecordsError
from neff.records import ColumnMap, Reader, Records, as_records
from neff.records.detect import detect, readers

HEADER = "item,model,score\n"


def csv_file(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(f"{row}\n" for row in rows))
    return path


def cells(records: Records) -> set[tuple[Any, ...]]:
    return set(zip(records.item.names(), records.model.names(), records.draw.tolist(), records.score, strict=True))


def test_a_folder_is_walked_in_order_and_hidden_files_are_skipped(tmp_path: Path) -> None:
    csv_file(tmp_path / "b" / "2.csv", "q1,m2,0.5")
    csv_file(tmp_path / "a" / "1.csv", "q1,m1,1")
    csv_file(tmp_path / ".cache" / "3.csv", "q1,m3,1")
    csv_file(tmp_path / ".hidden.csv", "q1,m4,1")
    records = read(tmp_path)
    assert [Path(source.path).name for source in records.sources] == ["1.csv", "2.csv"]
    assert records.model.levels == ("m1", "m2")
    assert records.unread == ()


def test_formats_mix_and_what_cannot_be_read_is_listed(tmp_path: Path) -> None:
    csv_file(tmp_path / "1.csv", "q1,m1,1")
    (tmp_path / "2.jsonl").write_text('{"item": "q1", "model": "m2", "score": 0}\n')
    (tmp_path / "README.md").write_text("# Notes\n")
    (tmp_path / "broken.csv").write_text("item,model,score\nq1,m,x\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "weights.pt").write_bytes(b"\x80\x02}q\x00.")
    records = read(tmp_path)
    assert [source.format for source in records.sources] == ["csv", "jsonl"]
    reasons = {Path(unread.path).name: unread.reason for unread in records.unread}
    assert sorted(reasons) == ["README.md", "broken.csv", "empty", "weights.pt"]
    assert reasons["README.md"].startswith("the format is not known.")
    assert reasons["broken.csv"].startswith("line 2: column 'score' holds 'x'.")
    assert "pickle" in reasons["weights.pt"]
    with pytest.raises(RecordsError, match=r"README\.md"):
        read(tmp_path, strict=True)


def test_one_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", "q1,m,x")
    with pytest.raises(RecordsError, match="line 2"):
        read(path)
    with pytest.raises(RecordsError, match="line 2"):
        read([path])
    with pytest.raises(RecordsError, match="line 2"):
        read(tmp_path)


def test_nothing_readable_at_all(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("just text")
    with pytest.raises(RecordsError, match=r"none of the 3 files can be read; the first, .*a: the format is not known"):
        read(tmp_path)


def test_links_that_form_a_loop_or_double_a_file(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "logs" / "1.csv", "q1,m1,1")
    (tmp_path / "logs" / "latest.csv").symlink_to(path)
    (tmp_path / "logs" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "logs" / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    records = read(tmp_path)
    assert len(records) == 1
    assert [Path(unread.path).name for unread in records.unread] == ["gone.csv"]
    assert len(read([path, path, tmp_path / "logs" / "latest.csv"])) == 1


def test_missing_paths_name_what_comes_near(tmp_path: Path) -> None:
    csv_file(tmp_path / "results.csv", "q1,m1,1")
    with pytest.raises(RecordsError, match=r"there is no such file or folder. Did you mean .*results.csv"):
        read(tmp_path / "result.csv")
    with pytest.raises(RecordsError, match="Check the path"):
        read(tmp_path / "zzzzzz")
    with pytest.raises(RecordsError, match="there is no such file"):
        read([tmp_path / "results.csv", tmp_path / "typo" / "deep" / "x.csv"])
    with pytest.raises(RecordsError, match="there is no such file"):
        read("a\0b")
    with pytest.raises(RecordsError, match="there is no such file"):
        read("x" * 5000)


def test_empty_folder_and_empty_list(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="the folder holds no files"):
        read(tmp_path)
    with pytest.raises(RecordsError, match="no path was given"):
        read([])


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", "q1,m1,1")
    path.chmod(0)
    with pytest.raises(RecordsError, match="permission denied"):
        read(path)


def test_no_permission_is_said_whoever_runs_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv_file(tmp_path / "a.csv", "q1,m1,1")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RecordsError, match=r"permission denied. Make the file readable"):
        read(path)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"id,correct\n1,1\n2,0\n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    records = read("-")
    assert (records.sources[0].path, records.model.levels) == ("stdin", ("stdin",))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"id,correct\n1,x\n")))
    with pytest.raises(RecordsError, match=r"^stdin, line 2: column 'correct' holds 'x'"):
        read("-")


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(HEADER + "q1,m,1\n"))
    writer.start()
    records = read(pipe)
    writer.join()
    assert (records.sources[0].path, len(records)) == (str(pipe), 1)
    csv_file(tmp_path / "a.csv", "q1,m,1")
    assert [Path(unread.path).name for unread in read(tmp_path).unread] == ["pipe"]  # in a folder it would block


def test_the_same_draw_in_two_files(tmp_path: Path) -> None:
    one = csv_file(tmp_path / "run1" / "scores.csv", "q1,m,1", "q2,m,0", "q2,m,1")
    two = csv_file(tmp_path / "run2" / "scores.csv", "q1,m,0", "q3,m,1")
    with pytest.raises(RecordsError, match="is in two files") as caught:
        read(tmp_path)
    assert str(one) in str(caught.value)
    assert str(two) in str(caught.value)
    assert "(1 shared draws)" in str(caught.value)
    assert "--by-file models" in caught.value.fix

    runs = read(tmp_path, by_file="models")
    assert runs.model.levels == ("m @ run1/scores", "m @ run2/scores")
    assert len(runs) == 5

    repeats = read(tmp_path, by_file="draws")
    assert repeats.model.levels == ("m",)
    assert cells(repeats) == {
        ("q1", "m", 0, 1),
        ("q1", "m", 1, 0),
        ("q2", "m", 0, 0),
        ("q2", "m", 1, 1),
        ("q3", "m", 0, 1),
    }


def test_labels_of_files_tell_them_apart(tmp_path: Path) -> None:
    csv_file(tmp_path / "x.csv", "q1,m,1")
    csv_file(tmp_path / "y.csv", "q1,m,1")
    assert read(tmp_path, by_file="models").model.levels == ("m @ x", "m @ y")
    (tmp_path / "y.csv").rename(tmp_path / "x.tsv")
    assert read(tmp_path, by_file="models").model.levels == ("m @ x.csv", "m @ x.tsv")
    assert read(tmp_path / "x.csv", by_file="models").model.levels == ("m",)


def test_explicit_draws_in_several_files_fit_together(tmp_path: Path) -> None:
    header = "item,model,score,draw\n"
    csv_file(tmp_path / "1.csv", "q1,m,1,0", "q1,m,0,1", header=header)
    csv_file(tmp_path / "2.csv", "q1,m,1,2", header=header)
    assert read(tmp_path).draw.tolist() == [0, 1, 2]
    csv_file(tmp_path / "3.csv", "q1,m,1,2", header=header)
    with pytest.raises(RecordsError, match=r"2.csv and .*3.csv"):
        read(tmp_path)


def test_a_draw_twice_in_one_file_is_refused_with_its_line(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "1.csv", "q1,m,1,0", "q2,m,1,0", "q1,m,0,0", header="item,model,score,draw\n")
    with pytest.raises(RecordsError, match="line 4: item 'q1' of model 'm' has draw 0 twice"):
        read(path)


def test_order_of_paths_is_irrelevant(tmp_path: Path) -> None:
    paths = [
        csv_file(tmp_path / "1.csv", "q1,b,1", "q2,b,0"),
        csv_file(tmp_path / "2.csv", "q3,a,0.5"),
        csv_file(tmp_path / "3.csv", "q1,c,0.25", "q5,a,1"),
    ]
    results = [read(list(order)) for order in itertools.permutations(paths)]
    for records in results[1:]:
        assert cells(records) == cells(results[0])
        assert records.item.levels == results[0].item.levels
        assert records.model.levels == results[0].model.levels


def test_files_with_different_columns(tmp_path: Path) -> None:
    csv_file(tmp_path / "1.csv", "q1,a,1,7,x", header="item,model,score,n,t\n")
    csv_file(tmp_path / "2.csv", "q1,b,1,1,0.5", header="item,model,score,t,label\n")
    records = read(tmp_path)
    assert np.array_equal(records.extra["n"], [7, math.nan], equal_nan=True)
    assert records.extra["t"].names() == ["x", "1"]
    assert records.label is not None
    assert np.array_equal(records.label, [math.nan, 0.5], equal_nan=True)
    csv_file(tmp_path / "3.csv", "q1,c,1,p", header="item,model,score,cluster\n")
    with pytest.raises(RecordsError, match="some inputs have a cluster column and some do not"):
        read(tmp_path)


def test_differently_named_scores_are_different_metrics(tmp_path: Path) -> None:
    csv_file(tmp_path / "1.csv", "q1,a,1", header="item,model,acc\n")
    csv_file(tmp_path / "2.csv", "q1,a,1", header="item,model,exact_match\n")
    assert read(tmp_path).metric.levels == ("acc", "exact_match")


def test_small_files_keep_all_columns_and_large_ones_those_with_a_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = csv_file(tmp_path / "1.csv", "q1,a,1,7", header="item,model,score,n\n")
    assert sorted(read(path).extra) == ["n"]
    monkeypatch.setattr(sys.modules["neff.records.read"], "_SMALL", 11)
    assert sorted(read(path).extra) == []
    assert sorted(read(path, keep="all").extra) == ["n"]


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"by_file": "merge"}, 'by_file must be "refuse", "models" or "draws"'),
        ({"keep": "some"}, 'keep must be "all", "mapped" or a list'),
        ({"keep": [1]}, "keep must be"),
        ({"cluster": ["a", "b", "c"]}, "cluster must be one or two columns"),
        ({"score": "s", "model": ["a", "b"]}, "score must be left out"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, Any], fragment: str) -> None:
    path = csv_file(tmp_path / "1.csv", "q1,a,1,7,8", header="item,s,score,a,b\n")
    csv_file(tmp_path / "2.csv", "q1,a,1,7,8", header="item,s,score,a,b\n")
    for where in (path, tmp_path):
        with pytest.raises(ArgumentError, match=fragment):
            read(where, **options)


@pytest.mark.parametrize("paths", [1, None, [1], {"a": 1}, b"a.csv"])
def test_paths_must_be_paths(paths: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="paths must be a path or a list of paths"):
        read(paths)


def test_as_records_takes_paths_too(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "1.csv", "q1,a,1", header="item,model,s\n")
    for data in (path, str(path), [path], (str(path),)):
        assert as_records(data, score="s").metric.levels == ("s",)


def test_every_reader_keeps_the_contract(tmp_path: Path) -> None:
    found = readers()
    assert len({reader.name for reader in found}) == len(found)
    names = [reader.name for reader in found]
    assert names.index("csv") > max(names.index(name) for name in ("parquet", "arrow", "jsonl"))
    for reader in found:
        assert isinstance(reader, Reader)
        for head in (b"", b"\0" * 7, b"{", b"[", b"PK\x03\x04", b"a,b\n", b"\xff" * 64, b"{}", b"[{}]"):
            assert reader.sniff(tmp_path / "x", head) in (True, False)
    path = csv_file(tmp_path / "1.csv", "q1,a,1")
    assert len(detect(path).read(path, ColumnMap(), "all")) == 1


def test_public_names_are_lazy_and_the_same() -> None:
    assert neff.read is read
    assert neff.Records is Records


def test_names_of_files_that_are_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv"))
    path.write_text("id,correct\n1,1\n")
    records = read(tmp_path)
    records.sources[0].path.encode()
    assert records.model.levels == ("caf\ufffd",)
    path.write_text("id,correct\n1,x\n")
    with pytest.raises(RecordsError, match="line 2") as caught:
        read(path)
    str(caught.value).encode()
    path.write_bytes(b"PAR1")
    with pytest.raises(RecordsError, match="Rename the file"):
        read(path)
