"""Every reader of neff keeps the contract that it asks of others, on a file of each format it reads."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from neff.errors import RecordsError
from neff.records.detect import detect, readers
from neff.testing import check_reader

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
MADE = sorted(
    path.relative_to(FIXTURES)
    for path in FIXTURES.rglob("*")
    if path.suffix in (".eval", ".json", ".jsonl", ".gz", ".parquet") and path.parent.name != "summaries"
)


def has_no_scores(path: Path) -> bool:
    """Return whether a file of a run holds something else: averages, predictions, what was run."""
    tool, *_ = parts = path.parts[1:] if path.parts[0] == "produced" else path.parts
    stem = path.name.partition(".")[0]
    return (
        stem.startswith("results_")
        or (tool == "helm" and stem not in ("per_instance_stats", "display_predictions"))
        or (tool == "opencompass" and (parts[1] == "predictions" or stem in ("averages", "rouge")))
        or (tool == "every_eval_ever" and path.suffix == ".json")
        # helm-summarize keeps the main metrics of groups that it knows; of a plug-in's own it knows none
        or (path.parts[0] == "produced" and stem == "display_predictions")
    )


NO_SCORES = [path for path in MADE if has_no_scores(path)]
LOGS = [path for path in MADE if path not in NO_SCORES]
N = 101


@pytest.fixture(scope="module")
def rows():
    with (ROOT / "src/neff/example/data/fresh.csv").open(encoding="utf-8", newline="") as file:
        return [row | {"score": float(row["score"])} for row in csv.DictReader(file)][:N]


def write_csv(rows, path, delimiter=","):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(rows, path):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_gzip(rows, path):
    plain = path.with_name("plain")
    write_jsonl(rows, plain)
    path.write_bytes(gzip.compress(plain.read_bytes()))


def write_parquet(rows, path):
    pytest.importorskip("pyarrow.parquet").write_table(pytest.importorskip("pyarrow").Table.from_pylist(rows), path)


def write_arrow(rows, path):
    arrow = pytest.importorskip("pyarrow")
    table = arrow.Table.from_pylist(rows)
    with arrow.OSFile(str(path), "wb") as sink, arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=17)


WRITERS = {
    "a.csv": ("csv", write_csv),
    "a.tsv": ("csv", lambda rows, path: write_csv(rows, path, "\t")),
    "a.jsonl": ("jsonl", write_jsonl),
    "a.jsonl.gz": ("jsonl", write_gzip),
    "a.parquet": ("parquet", write_parquet),
    "a.arrow": ("arrow", write_arrow),
}


@pytest.mark.parametrize("name", WRITERS)
def test_tables(name, rows, tmp_path):
    expected, write = WRITERS[name]
    path = tmp_path / name
    write(rows, path)
    reader = detect(path)
    assert reader.name == expected
    report = check_reader(reader, path, expected=N)
    assert report.passed, report


@pytest.mark.parametrize("path", LOGS, ids=str)
def test_logs(path):
    reader = detect(FIXTURES / path)
    report = check_reader(reader, FIXTURES / path)
    assert report.passed, report
    assert report.n_rows > 0


def test_every_reader_was_checked():
    checked = {name for name, _ in WRITERS.values()} | {detect(FIXTURES / path).name for path in LOGS}
    assert checked == {reader.name for reader in readers()}


@pytest.mark.parametrize("path", NO_SCORES, ids=str)
def test_a_log_without_scores_is_refused_with_the_fix(path, tmp_path):
    alone = tmp_path / path.name  # beside the files with scores, some of these lead to them
    alone.write_bytes((FIXTURES / path).read_bytes())
    if path.name == "averages.json":
        (tmp_path / "results" / "m").mkdir(parents=True)
        alone = alone.rename(tmp_path / "results" / "m" / path.name)
    with pytest.raises(
        RecordsError, match=r"only averages|no scores|predictions without|do not say|looks like the|no instance has"
    ):
        check_reader(detect(alone), alone)
