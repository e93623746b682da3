"""`convert`: reading what was written gives the same records, in every format, in memory and in parts."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neff import convert, evaluate, read
from neff.errors import ArgumentError, OutputError, RecordsError
from neff.records import Factor, Records, big, parts
from neff.report.long_records import columns_of, suffixes, write_rows

FIXTURES = Path(__file__).parents[1] / "fixtures"
DATA = Path(__file__).parents[2] / "docs" / "data"
SUFFIXES = (".parquet", ".csv", ".jsonl")


def same(a: Records, b: Records) -> None:
    """Compare all that records hold, but where they come from."""
    for name in ("item", "model", "task", "metric"):
        assert getattr(a, name).levels == getattr(b, name).levels
        np.testing.assert_array_equal(getattr(a, name).codes, getattr(b, name).codes)
    for name in ("score", "draw", "label", "weight"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert [c.names() for c in a.clusters] == [c.names() for c in b.clusters]
    assert a.lower_is_better == b.lower_is_better
    assert set(a.extra) == set(b.extra)
    for name, column in a.extra.items():
        if isinstance(column, Factor):
            assert b.extra[name].names() == column.names()
        else:
            np.testing.assert_array_equal(b.extra[name], column)


def everything() -> Records:
    """Records with all that there can be: clusters, labels, weights, texts with every trap of a text format."""
    n = 23
    rng = np.random.default_rng(3)
    item = [f"q{j % 7}" for j in range(n)]
    return Records.build(
        item=[f'{name}, "{name}"\n;' for name in item],
        model=[("a", "é", "007")[j // 8] for j in range(n)],
        task=[f"t{j % 7 % 2}" for j in range(n)],
        metric=["loss"] * n,
        score=[math.nan, 0.1, 1e-300, 1e17, -0.5] * 4 + [1 / 3] * 3,
        draw=np.arange(n) + 5,
        clusters=[[f"c{j % 7 // 2}" for j in range(n)], [f"d{j % 7 % 3}" for j in range(n)]],
        label=[math.nan, 1, 0.5] * 7 + [0, 1],
        weight=rng.random(n),
        extra={
            "words": rng.random(n),
            "answer": Factor.of(["yes, no", None, "=1+1", "'quoted'", "a\u2028b"] * 4 + ["x"] * 3),
            "passage": Factor.of(["p"] * n),
            "Task": Factor.of(["other"] * n),
        },
        lower_is_better=frozenset({"loss"}),
    )


# -------------------------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "source",
    [
        DATA / "reading.csv",
        DATA / "results.csv",
        FIXTURES / "lm_eval" / "org__alpha",
        FIXTURES / "lm_eval" / "repeats" / "org__alpha",
        FIXTURES / "inspect" / "arith_alpha.eval",
        FIXTURES / "inspect" / "rubric_beta.eval",
    ],
    ids=lambda path: path.name,
)
def test_reading_what_was_written_gives_the_same(source: Path, suffix: str, tmp_path: Path) -> None:
    records = read(source, keep="all")
    done = convert(source, tmp_path / f"long{suffix}")
    assert done.n_draws == len(records)
    again = read(tmp_path / f"long{suffix}", keep="all")
    renamed = {name if name in again.extra else f"extra.{name}": c for name, c in records.extra.items()}
    same(replace(records, extra=renamed), again)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_column_survives(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = everything()
    monkeypatch.setattr("neff.report.converting.read", lambda *_, **__: records)
    done = convert(tmp_path / "a", tmp_path / f"b{suffix}")
    assert done.columns == (
        *("item", "model", "task", "metric", "draw", "score", "cluster", "cluster_2", "label", "weight"),
        *("lower_is_better", "words", "answer", "passage", "extra.Task"),
    )
    again = read(tmp_path / f"b{suffix}", keep="all")
    extra = {("extra.Task" if name == "Task" else name): column for name, column in records.extra.items()}
    same(replace(records, extra=extra), again)
    formula = "'=1+1' is written as it is: a spreadsheet may run it as a formula"
    assert (formula in done.notes) == (suffix == ".csv")


def test_a_column_that_would_be_taken_for_a_role_is_renamed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("item,score,passage,label,epoch,lower_is_better\nq1,1,p,1,7,never\nq2,0,p,,8,never\n")
    records = read(path, item="item", keep="all")
    done = convert(path, tmp_path / "b.csv", item="item")
    assert done.columns[5:] == ("score", "extra.passage", "extra.label", "epoch")
    again = read(tmp_path / "b.csv", keep="all")
    assert (again.clusters, again.label, again.draw.tolist()) == ((), None, [0, 0])
    assert again.extra["extra.passage"].names() == records.extra["passage"].names()


def test_losses_stay_losses(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "item,model,metric,score,lower_is_better\n"
        + "".join(f"q{j},{m},{k},{j * s % 5},{k == 'loss'}\n" for j in range(7) for m, s in (("a", 1), ("b", 2))
                  for k in ("loss", "gain"))
    )  # fmt: skip
    assert read(path).lower_is_better == {"loss"}
    assert evaluate(path).lower_is_better == evaluate(path, engine="stream").lower_is_better == {"loss"}
    convert(path, tmp_path / "b.parquet")
    assert read(tmp_path / "b.parquet").lower_is_better == {"loss"}
    path.write_text("item,metric,score,lower_is_better\nq1,loss,1,true\nq2,loss,1,false\n")
    with pytest.raises(RecordsError, match="says both true and false of metric 'loss'"):
        read(path)
    path.write_text("item,score,lower_is_better\nq1,1,never\n")
    assert any("'never', not true or false" in note for note in read(path).sources[0].notes)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=9).filter(
    lambda name: name == name.strip()
)


@given(
    rows=st.lists(st.tuples(NAMES, NAMES, st.floats(-1e60, 1e60) | st.just(float("nan"))), min_size=1, max_size=13),
    suffix=st.sampled_from(SUFFIXES),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_names_and_scores(rows: list[tuple[str, str, float]], suffix: str, tmp_path: Path) -> None:
    item, model, score = zip(*rows, strict=True)
    records = Records.build(item=item, model=model, score=score)
    columns = columns_of(records, records.draw)
    path = tmp_path / f"a{suffix}"
    text = path.with_suffix(".csv") if suffix == ".parquet" else path
    with text.open("w", encoding="utf-8", newline="") as stream:
        write_rows(columns, stream, text.suffix[1:], first=True)
    if suffix == ".parquet":
        from neff.report.long_records import parquet_from_csv, types_of

        parquet_from_csv(text, path, types_of(columns))
    same(records, read(path))


def test_names_that_would_not_read_back_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for item, extra, problem in (
        (" q", "x", "item ' q' is empty or has white space around it"),
        ("q", "\0", "column 'words' holds a NUL byte"),
        ("q", "\ud800", "column 'words' holds half a character"),
        ("q", math.inf, "column 'words' holds an infinite number"),
    ):
        column = Factor.of([extra]) if isinstance(extra, str) else np.array([extra])
        records = Records.build(item=[item], model=["a"], score=[1.0], extra={"words": column})
        monkeypatch.setattr("neff.report.converting.read", lambda *_, records=records, **__: records)
        with pytest.raises(RecordsError, match=problem):
            convert(tmp_path / "a", tmp_path / "b.csv")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------- large files


@pytest.fixture
def tiny_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is too large for memory, and a part has 53 rows."""
    monkeypatch.setattr(big, "_memory", lambda: 100)
    monkeypatch.setattr(parts, "ROWS", 53)
    monkeypatch.setattr("neff.records.delimited._CHUNK", 29)


@pytest.mark.usefixtures("tiny_memory")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_large_files_are_written_part_by_part(suffix: str, tmp_path: Path) -> None:
    done = convert(DATA / "reading.csv", tmp_path / f"a{suffix}")
    assert "the files are large: only columns with a role were written" in done.notes
    expected, again = read(DATA / "reading.csv", keep="mapped"), read(tmp_path / f"a{suffix}", keep="all")
    same(expected, again)
    assert again.extra == {}


@pytest.mark.usefixtures("tiny_memory")
def test_large_files_by_file(tmp_path: Path) -> None:
    paths = [DATA / "before.csv", DATA / "after.csv"]
    with pytest.raises(RecordsError, match="is in two files"):
        convert(paths, tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()
    for by_file in ("models", "draws"):
        convert(paths, tmp_path / "a.csv", by_file=by_file)
        same(read(paths, by_file=by_file, keep="mapped"), read(tmp_path / "a.csv", keep="all"))


@pytest.mark.usefixtures("tiny_memory")
def test_large_files_with_guesses_that_do_not_hold(tmp_path: Path) -> None:
    rows = [f"q{j % 17},m{j // 17},{j % 2},{j % 3},{'late' if j == 99 else 1},g{j % 17}" for j in range(101)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["item,model,score,label,weight,group", *rows, "q0,m9,1,1,1,g5"]) + "\n")
    done = convert(path, tmp_path / "b.csv")
    assert done.columns == ("item", "model", "task", "metric", "score", "label")
    assert any("weight: it holds text" in note for note in done.notes)
    assert any("not used as the cluster" in note for note in done.notes)
    expected = read(path, keep="mapped")
    assert set(expected.extra) == {"group", "weight"}  # what was demoted is kept in memory
    same(replace(expected, extra={}), read(tmp_path / "b.csv"))


@pytest.mark.usefixtures("tiny_memory")
def test_large_files_that_do_not_match_are_read_into_memory(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("item,model,score,draw\nq1,a,1,0\nq2,a,0,0\n")
    (tmp_path / "in" / "b.csv").write_text("item,model,score\nq1,b,1\nq2,b,0\n")
    (tmp_path / "in" / "c.csv").write_text("item,model,score\nq1\n")
    done = convert(tmp_path / "in", tmp_path / "b.csv")
    assert done.n_draws == 4
    assert [Path(unread.path).name for unread in done.unread] == ["c.csv"]
    assert "the files are large: only columns with a role were written" not in done.notes


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["half a \ud800", "nul \0"])
def test_names_of_columns_that_cannot_be_written(name: str, suffix: str, tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps({"item": f"q{i}", "model": "m", "score": i, name: i}) + "\n" for i in (0, 1)))
    with pytest.raises(RecordsError, match="which cannot be written"):
        convert(source, tmp_path / f"b{suffix}")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.usefixtures("tiny_memory")
def test_a_large_file_that_grows_between_its_two_readings_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that came later were not checked: they may hold a draw twice."""
    from neff.report import record_stream

    source, target = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_text("item,model,score\n" + "".join(f"q{i},m,{i % 2}\n" for i in range(101)))
    target.write_text("old")
    checked = record_stream.sum_files

    def then_grows(*args: Any, **options: Any) -> Any:
        found = checked(*args, **options)
        with source.open("a") as file:
            file.write("q0,m,1\n")
        return found

    monkeypatch.setattr(record_stream, "sum_files", then_grows)
    with pytest.raises(RecordsError, match="changed while it was read: it had 101 rows, and then 102"):
        convert(source, target)
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


# -------------------------------------------------------------------------------------------------- the output


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "a.csv"
    path.parent.mkdir()
    path.write_text("item,score\nq1,1\n")
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    for source, target in ((path, path), (path.parent, path), (path, link), (link, path), ([path], str(path))):
        with pytest.raises(ArgumentError, match="not one of the inputs"):
            convert(source, target)
    assert path.read_text() == "item,score\nq1,1\n"
    convert(path.parent, path.parent / "new.csv")
    with pytest.raises(ArgumentError, match="not one of the inputs"):
        convert(path.parent, path.parent / "new.csv")


def test_what_goes_wrong_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.csv"
    target.write_text("precious")
    with pytest.raises(RecordsError):
        convert(tmp_path / "nothing.csv", target)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("neff.report.converting.write_rows", full)
    for suffix in SUFFIXES:
        with pytest.raises(OutputError, match="Free some space"):
            convert(DATA / "results.csv", target.with_suffix(suffix))
    assert target.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"a name that ends in \.parquet, \.csv, \.jsonl, \.ndjson, or a folder"):
        convert(DATA / "results.csv", tmp_path / "a.xlsx")
    with pytest.raises(OutputError, match="there is no folder"):
        convert(DATA / "results.csv", tmp_path / "no" / "a.csv")
    assert suffixes() == (".parquet", ".csv", ".jsonl", ".ndjson")


def test_a_store_of_every_eval_ever(tmp_path: Path) -> None:
    done = convert(FIXTURES / "inspect" / "arith_alpha.eval", f"{tmp_path}/store/")
    assert done.path == tmp_path / "store"
    source = evaluate(FIXTURES / "inspect" / "arith_alpha.eval")
    again = evaluate(tmp_path / "store")
    assert [(e.model, e.n, e.n_unscored, e.value) for e in again.estimates] == [
        (e.model, e.n, e.n_unscored, e.value) for e in source.estimates
    ]
    (log,) = (path for path in (tmp_path / "store").rglob("*.json"))
    assert json.loads(log.read_text())["schema_version"] == "0.3.0"
