"""`check_reader` passes what is right and names what is wrong: one broken reader per property."""

from __future__ import annotations

import json
import os
import random
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neff.errors import RecordsError
from neff.records.columns import ColumnMap
from neff.records.delimited import READER as CSV
from neff.records.reader import Reader
from neff.records.table import Records, Source
from neff.testing import ContractError, check_reader

N_ITEMS, MODELS = 13, ("ada", "bob", "cy")


def lines():
    rng = np.random.default_rng(1)
    return [
        json.dumps({"item": f"q{i}", "model": model, "score": float(rng.integers(2)), "answer": "x" * (i % 5)})
        for i in range(N_ITEMS)
        for model in MODELS
    ]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "log.toy"
    file.write_text("\n".join(lines()) + "\n", encoding="utf-8")
    return file


def records_of(rows, path):
    table = Records.build(
        item=[row["item"] for row in rows], model=[row["model"] for row in rows], score=[row["score"] for row in rows]
    )
    return replace(table, sources=(Source(str(path), "toy", len(rows)),))


def read(path, columns, keep):
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise RecordsError("this line is not JSON.", "Write it again.", path=path, line=number) from error
    if not rows:
        raise RecordsError("the file is empty.", "Give a file with rows.", path=path)
    return records_of(rows, path)


TOY = Reader("toy", mapped=False, sniff=lambda path, head: head.startswith(b'{"item"'), read=read)


def variant(change):
    """Return the right reader with `change(path, records)` applied to what it read."""
    return replace(TOY, read=lambda path, columns, keep: change(path, read(path, columns, keep)))


def test_a_right_reader_passes(path):
    report = check_reader(TOY, path, expected=39)
    assert report.passed, report
    assert report.n_rows == 39
    assert len(report.cuts) == 8
    assert report.cuts[0] is None
    assert all(n is None or n < 39 for n in report.cuts.values())
    assert str(report).splitlines()[0] == "reader 'toy' on log.toy: 39 rows"
    assert check_reader(TOY, path, expected=read(path, ColumnMap(), "all")).passed


def test_the_csv_reader_keeps_the_contract_on_the_example():
    folder = Path(__file__).parents[2] / "src" / "neff" / "example" / "data"
    report = check_reader(CSV, folder / "logged.csv", expected=1000)
    assert report.passed, report


def test_the_file_itself_is_not_touched(path):
    before = path.read_bytes()
    check_reader(TOY, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def skip_broken_lines(path, columns, keep):
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return records_of(rows, path)


def invent(path, columns, keep):
    table = skip_broken_lines(path, columns, keep)
    return replace(table, score=table.score + len(table)) if len(table) else table


def crash_on_cut(path, columns, keep):
    return records_of([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()], path)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (skip_broken_lines, "loses its last, incomplete line without a word"),
        (crash_on_cut, "raises JSONDecodeError"),
        (invent, "gives rows that the whole file does not have"),
    ],
)
def test_what_happens_to_a_cut_off_copy(path, function, sentence):
    report = check_reader(replace(TOY, read=function), path)
    assert any(sentence in failure for failure in report.failures), report


def beside(path, table):
    (path.parent / "cache.tmp").write_text("x")
    return table


def touch_filters(path, table):
    warnings.simplefilter("ignore", ResourceWarning)
    return table


def touch_numpy(path, table):
    np.random.rand()  # noqa: NPY002
    return table


def touch_random(path, table):
    random.random()
    return table


def touch_environment(path, table):
    os.environ["NEFF_TOUCHED"] = str(len(os.environ))
    return table


def flicker(path, table):
    return replace(table, score=table.score + np.random.default_rng().normal())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (beside, "writes, renames or removes a file beside"),
        (touch_filters, "reading changes the warning filters"),
        (touch_numpy, "reading changes numpy's global random state"),
        (touch_random, "reading changes the global random state"),
        (touch_environment, "reading changes the environment"),
        (flicker, "two readings of one file differ"),
        (lambda path, table: replace(table, sources=()), "must name one source of format 'toy'"),
        (lambda path, table: table.take(np.arange(len(table) - 1)), "the sources count 39 rows, the records have 38"),
        (lambda path, table: table.take(np.arange(len(table) - 1)), "38 rows were read, 39 expected"),
    ],
)
def test_each_broken_property_is_named(path, change, sentence, monkeypatch):
    monkeypatch.setenv("NEFF_TOUCHED", "0")  # put back afterwards
    with warnings.catch_warnings():
        report = check_reader(variant(change), path, expected=39)
    assert any(sentence in failure for failure in report.failures), report


def test_a_working_directory_that_moves_is_named(path, monkeypatch):
    monkeypatch.chdir(path.parent)

    def move(path, table):
        os.chdir("/")
        return table

    assert any("working directory" in failure for failure in check_reader(variant(move), path).failures)


def test_sniffing_must_answer(path):
    no = check_reader(replace(TOY, sniff=lambda path, head: False), path)
    assert no.failures == ("it does not recognise the file.",)
    raising = check_reader(replace(TOY, sniff=lambda path, head: json.loads(head.splitlines()[0]) is not None), path)
    assert any("sniffing b'' raises IndexError" in failure for failure in raising.failures)


def test_wrong_records_are_shown(path):
    expected = read(path, ColumnMap(), "all")
    expected = replace(expected, score=expected.score[::-1].copy())
    report = check_reader(TOY, path, expected=expected)
    assert len(report.failures) == 1
    assert "the records are not the expected ones: row" in report.failures[0]
    with pytest.raises(ContractError, match="1 broken"):
        check_reader(TOY, path, expected=expected, raise_on_failure=True)


def test_a_file_that_cannot_be_read_raises(tmp_path):
    empty = tmp_path / "empty.toy"
    empty.write_text("")
    with pytest.raises(RecordsError, match="the file is empty"):
        check_reader(TOY, empty)


def test_parts_without_header_and_with_a_wrong_count(tmp_path):
    file = tmp_path / "scores.csv"
    file.write_text(
        "item,model,score\n" + "".join(f"q{j % 7},m{j % 2},{j / 10}\n" for j in range(23)), encoding="utf-8"
    )
    assert check_reader(CSV, file).passed
    headless = check_reader(replace(CSV, header=None), file)
    assert headless.failures == ("it reads in parts, but gives no header.",)
    miscounted = check_reader(replace(CSV, count=lambda path: 22), file)
    assert miscounted.failures == ("it counts 22 rows, 23 were read.",)
    deaf = check_reader(replace(CSV, count=lambda path: 23), file)
    assert deaf.failures == ("two ranges of rows do not add up to the whole.",)


def test_parts_that_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("neff.records.delimited._CHUNK", 5)
    file = tmp_path / "scores.csv"
    file.write_text("item,model,score\n" + "".join(f"q{j},m,{j / 10}\n" for j in range(23)), encoding="utf-8")

    def forgetful(path, layout, size=None, rows=None):
        yield next(CSV.chunks(path, layout, size, rows))

    report = check_reader(replace(CSV, chunks=forgetful), file)
    assert report.failures == tuple(f"parts of about {size} rows do not add up to the whole." for size in (1, 7))
