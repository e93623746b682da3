"""CSV and its kin."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import math
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff import read
from neff.errors import RecordsError
from neff.records import Factor
from neff.records.delimited import READER

ROWS = [("q1", "a", 1.0), ("q1", "b", 0.0), ("q2", "a", 0.25), ("q2", "b", math.nan), ("q3", "a", 0.5)]


def text(delimiter: str = ",", end: str = "\n", header: str = "item model score") -> str:
    lines = [header.split(" "), *[(i, m, "" if math.isnan(s) else str(s)) for i, m, s in ROWS]]
    return "".join(delimiter.join(line) + end for line in lines)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path: Path) -> list[tuple[str, str, float | None]]:
    records = read(path)
    scores = [None if math.isnan(score) else score for score in records.score]
    return list(zip(records.item.names(), records.model.names(), scores, strict=True))  # type: ignore[arg-type]


EXPECTED = [(i, m, None if math.isnan(s) else s) for i, m, s in ROWS]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(tmp_path: Path, delimiter: str, end: str) -> None:
    assert rows_of(write(tmp_path / "scores", text(delimiter, end))) == EXPECTED


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_encodings_with_a_byte_order_mark(tmp_path: Path, bom: bytes, encoding: str) -> None:
    content = text().replace("q3", "Größe 🦉")
    names = [row[0] for row in rows_of(write(tmp_path / "scores.csv", bom + content.encode(encoding)))]
    assert names == ["q1", "q1", "q2", "q2", "Größe 🦉"]


def test_gzip_is_recognised_by_content(tmp_path: Path) -> None:
    assert rows_of(write(tmp_path / "scores.csv", gzip.compress(text().encode()))) == EXPECTED


def test_no_final_newline_blank_lines_and_spaces(tmp_path: Path) -> None:
    content = text().replace("q2,a,0.25", "\n q2 ,\ta,  0.25 \n\n").rstrip("\n")
    assert rows_of(write(tmp_path / "scores.csv", content)) == EXPECTED


def test_quoted_fields_hold_anything(tmp_path: Path) -> None:
    content = 'item,model,score,prompt\n"a,b",m,1,"line one\nline ""two"""\n"c",m,0,\n'
    records = read(write(tmp_path / "scores.csv", content))
    assert records.item.levels == ("a,b", "c")
    assert records.extra["prompt"].names() == ['line one\nline "two"', None]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1.0),
        ("-0.5", -0.5),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("true", 1.0),
        ("False", 0.0),
        ("TRUE", 1.0),
        *[(word, None) for word in ("", "nan", "NaN", "NA", "N/A", "null", "None", "none", "<NA>")],
    ],
)
def test_cells_that_are_scores(tmp_path: Path, cell: str, value: float | None) -> None:
    path = write(tmp_path / "scores.csv", f"item,model,score\nq,m,0.125\nr,m,{cell}\n")
    assert [row[2] for row in rows_of(path)] == [0.125, value]


def test_extra_columns_are_numbers_or_text(tmp_path: Path) -> None:
    content = "item,model,score,n,t\nq,m,1,7,x\nr,m,0,,3\n"
    records = read(write(tmp_path / "scores.csv", content))
    assert np.array_equal(records.extra["n"], [7.0, math.nan], equal_nan=True)
    assert isinstance(records.extra["t"], Factor)
    assert records.extra["t"].names() == ["x", "3"]
    assert sorted(read(tmp_path / "scores.csv", keep="mapped").extra) == []
    assert sorted(read(tmp_path / "scores.csv", keep=["t"]).extra) == ["t"]


def test_model_is_the_file_where_no_column_names_it(tmp_path: Path) -> None:
    records = read(write(tmp_path / "gpt-4.1.csv", "id,correct\n1,1\n2,0\n"))
    assert records.model.levels == ("gpt-4.1",)
    assert records.metric.levels == ("correct",)
    assert "'gpt-4.1'" in records.sources[0].notes[0]


def test_more_rows_than_one_chunk_and_the_line_of_an_error(tmp_path: Path) -> None:
    n = 20011
    lines = ["item,model,score", *(f"q{i},m,{i % 2}" for i in range(n))]
    path = write(tmp_path / "scores.csv", "\n".join(lines))
    assert read(path).score.sum() == n // 2
    lines[17002] = '"q\n\n",m,oops'
    lines[5] = "\n"
    with pytest.raises(RecordsError, match="line 17006: column 'score' holds 'oops'"):
        read(write(path, "\n".join(lines)))
    lines[17002] = "q,m"
    with pytest.raises(RecordsError, match="line 17004: the row has 2 fields, the header has 3"):
        read(write(path, "\n".join(lines)))
    lines[17002] = ",m,1"
    with pytest.raises(RecordsError, match="line 17004: column item is empty"):
        read(write(path, "\n".join(lines)))


def test_long_fields_are_read_and_the_limit_of_the_csv_module_is_put_back(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    content = f"item,model,score,prompt\nq,m,1,{'x' * (before + 101)}\n"
    assert len(read(write(tmp_path / "scores.csv", content))) == 1
    assert csv.field_size_limit() == before
    with pytest.raises(RecordsError, match="16 MiB"):
        read(write(tmp_path / "scores.csv", f"item,model,score,p\nq,m,1,{'x' * ((1 << 24) + 3)}\n"))
    assert csv.field_size_limit() == before


def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.csv", "item,model,score,p\n" + f"q,m,{i},{'x' * 150_001}\n" * 1) for i in range(7)]
    before, found = csv.field_size_limit(), {}

    def work(i: int) -> None:
        found[i] = read(paths[i]).score.tolist()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [float(i)] for i in range(7)}
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"item,model,score\nq,m,1\n", True),
        (b"item;model;score\nq;m;0,5\n", True),
        (b"a paragraph of text, with a comma\nand a second line\n", False),
        (b"one\ntwo\nthree\n", False),
        (b"", False),
        (b"{\n", False),
        (b"[1, 2]\n", False),
        (b"<html>,\n<a>,\n", False),
        (b"a,b\n1,\0\n", False),
        (b"a,b\n", False),
    ],
)
def test_sniff(head: bytes, expected: bool) -> None:
    assert READER.sniff(Path("file"), head) is expected
    if head == b"a,b\n":
        assert READER.sniff(Path("file.csv"), head)


def test_real_labels(neff_data: Path) -> None:
    records = read(neff_data / "arena1000_labels.csv")
    assert len(records) == 4000
    assert records.model.levels == ("base", "clone", "parallel_universe_prompt", "unhelpful")
    assert records.item.n_levels == 1000
    assert records.label is not None
    with (neff_data / "arena1000_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert records.score.tolist() == [float(row["judge_score"]) for row in rows]
    assert int((~np.isnan(records.label)).sum()) == sum(bool(row["oracle_label"]) for row in rows)
    assert sorted(records.extra) == ["n_chars", "n_words"]


def test_real_draws_in_gzip(neff_data: Path) -> None:
    records = read(neff_data / "humaneval_codegen16b_samples.csv.gz", item="task", draw="draw", score="accept_weak")
    assert (len(records), records.item.n_levels, records.metric.levels) == (15000, 150, ("accept_weak",))
    assert set(records.draw.tolist()) == set(range(100))


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=7).map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(names, names, st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)),
        min_size=1,
        max_size=17,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, float | None]], delimiter: str, quoting: int
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["item", "model", "score"])
    writer.writerows(rows)
    path = write(tmp_path_factory.mktemp("csv") / "scores.csv", file.getvalue())
    assert rows_of(path) == [(item, model, score) for item, model, score in rows]
