"""Details of lighteval (built from its source) against the results file of their run."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from neff import evaluate, read
from neff.errors import RecordsError
from neff.records import ColumnMap, Records
from neff.records.detect import detect
from neff.records.lighteval import READER

LOGS = Path(__file__).parent.parent / "fixtures" / "lighteval"
TIME = "2026-08-21T09-30-00.125000"
N = 19


def details(model: str = "org/alpha", root: Path = LOGS) -> Path:
    return root / "details" / model / TIME / f"details_gsm8k_0_{TIME}.parquet"


def results(model: str = "org/alpha", root: Path = LOGS) -> Path:
    return root / "results" / model / f"results_{TIME}.json"


def load(path: Path, columns: ColumnMap | None = None) -> Records:
    assert detect(path) is READER
    return READER.read(path, columns or ColumnMap(), "all")


def rewritten(path: Path, change: Any) -> Path:
    """Write the rows of the details again after a change."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pq.read_table(details()).to_pylist()
    pq.write_table(pa.Table.from_pylist([change(i, row) for i, row in enumerate(rows)]), path)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of the folder, with the names of the producer: its tasks have "|" and its results ":"."""
    shutil.copytree(LOGS, tmp_path / "out")
    root = tmp_path / "out"
    details(root=root).rename(details(root=root).with_name(f"details_gsm8k|0_{TIME}.parquet"))
    stated = json.loads(results(root=root).read_text().replace('"gsm8k|0"', '"gsm8k:0"'))
    results(root=root).write_text(json.dumps(stated))
    return root


@pytest.mark.parametrize("model", ["org/alpha", "org/beta"])
def test_means_and_errors_are_those_of_the_results(model: str) -> None:
    table = load(details(model))
    stated = json.loads(results(model).read_text())["results"]["gsm8k|0"]
    assert table.model.levels == (model,)
    assert table.metric.levels == ("edit_distance", "extractive_match")
    for estimate in evaluate(table).estimates:
        assert estimate.value == pytest.approx(stated[estimate.metric], abs=1e-9)
    matches = table.score[np.array(table.metric.names()) == "extractive_match"]
    assert matches.std(ddof=1) / math.sqrt(N) == pytest.approx(stated["extractive_match_stderr"], abs=1e-9)
    assert not any("results file says" in note for note in table.sources[0].notes)


def test_the_names_of_the_producer(run: Path) -> None:
    (path,) = (run / "details" / "org" / "alpha" / TIME).iterdir()
    table = load(path)
    assert table.task.levels == ("gsm8k|0",)
    stated = json.loads(results(root=run).read_text())
    stated["results"]["gsm8k:0"]["extractive_match"] = 0.125
    results(root=run).write_text(json.dumps(stated))
    (note,) = (note for note in load(path).sources[0].notes if "results file says" in note)
    assert note.startswith("extractive_match: the documents have the mean 0.")


def test_items_are_queries_the_same_for_every_model() -> None:
    both = Records.concat([load(details(model)) for model in ("org/alpha", "org/beta")])
    assert both.item.n_levels == N
    assert [name for name in both.item.levels if "#" in name] == [
        next(name for name in both.item.levels if "#" in name)
    ]
    assert any("occurs more than once (equal query)" in note for note in both.sources[0].notes)


def test_lower_is_better_and_corpus_metrics() -> None:
    table = load(details())
    assert table.lower_is_better == {"edit_distance"}
    assert any(note.startswith("bleu: not read (parts of a corpus metric") for note in table.sources[0].notes)
    assert np.isnan(table.score).sum() == 1


def test_results_alone_hold_averages(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"only averages.*Give its details: .*details/org/alpha"):
        load(results(root=run))
    lonely = tmp_path / results().name
    lonely.write_bytes(results().read_bytes())
    with pytest.raises(RecordsError, match=r"only averages.*--save-details"):
        load(lonely)


def test_a_folder_is_read_once(run: Path) -> None:
    table = read(run, strict=True)
    assert [Path(source.path).suffix for source in table.sources] == [".parquet", ".parquet"]


def test_without_results_the_folders_name_the_model(run: Path) -> None:
    results(root=run).unlink()
    (path,) = (run / "details" / "org" / "alpha" / TIME).iterdir()
    assert load(path).model.levels == ("org/alpha",)
    moved = run / "kept" / "details.parquet"
    moved.parent.mkdir()
    path.rename(moved)
    table = load(moved)
    assert table.model.levels == ("kept",)
    assert table.task.levels == ("gsm8k|0",)  # the documents name it


def test_older_names_of_columns(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "old.parquet", lambda _, row: {f"__{name}__": value for name, value in row.items()})
    assert load(path).score.tolist() == pytest.approx(load(details()).score.tolist(), nan_ok=True)


def test_values_that_are_no_scores(tmp_path: Path) -> None:
    def change(i: int, row: dict[str, Any]) -> dict[str, Any]:
        value = "good" if i == 3 else None if i == 4 else str(row["metric"]["extractive_match"])
        return row | {"metric": {"extractive_match": value}}

    table = load(rewritten(tmp_path / "odd.parquet", change))
    assert np.isnan(table.score).sum() == 2
    assert "extractive_match: 1 value that cannot be a score, counted as unscored" in table.sources[0].notes


def test_no_metric_of_single_documents(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "bleu.parquet", lambda _, row: row | {"metric": {"bleu": row["metric"]["bleu"]}})
    with pytest.raises(RecordsError, match="no metric scores single documents"):
        load(path)


def test_fields_of_the_document_can_be_clusters() -> None:
    assert load(details(), ColumnMap(cluster="id")).clusters[0].n_levels == N


def test_a_table_with_other_columns_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"item": ["q"], "doc": ["x"], "metric": ["m"], "score": [1.0]}), path)
    assert detect(path).name == "parquet"
