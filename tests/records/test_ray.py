"""The sums on a local Ray cluster of two workers: the same bits as from memory, and no cluster of our own."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from neff.errors import ArgumentError, MissingExtraError, RecordsError
from neff.evaluate import evaluate
from neff.records.on_ray import sums_on_ray

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    import ray
except ImportError:
    ray = None

needs_ray = pytest.mark.skipif(ray is None, reason="Ray is not installed: pip install 'neff[ray]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray itself


def bits(result: Any) -> str:
    plain = {name: value for name, value in result.to_dict().items() if name not in ("provenance", "notes")}
    return json.dumps(plain)


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    n = 3001
    return {
        "item": [f"q{j}" for j in rng.integers(0, 53, n)],
        "model": [f"m{j}" for j in rng.integers(0, 3, n)],
        "score": np.where(rng.random(n) < 0.1, np.nan, rng.normal(1e3, 0.1, n)).tolist(),
    }


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A local cluster of two workers, started by the test as a user would."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=80 << 20,
        )
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
        ray.shutdown()


@pytest.mark.skipif(ray is not None, reason="Ray is installed")
def test_ray_is_an_extra(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"neff\[ray\]"):
        evaluate(str(tmp_path), engine="ray")


@needs_ray
def test_no_cluster_is_started_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    path = tmp_path / "scores.csv"
    path.write_text("item,score\nq1,1\n")
    assert not ray.is_initialized()
    with pytest.raises(ArgumentError, match="never starts a cluster of its own"):
        evaluate(path, engine="ray")
    assert not ray.is_initialized()


@needs_ray
def test_files_and_datasets_give_the_bits_of_memory(
    cluster: Any, table: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb")
    import pyarrow as pa
    from pyarrow import parquet as pq

    arrow = pa.table(table)
    pq.write_table(arrow, tmp_path / "whole.parquet")
    expected = evaluate(tmp_path / "whole.parquet")

    monkeypatch.setattr("neff.records.on_ray._ROWS", 701)  # several tasks for one file
    one_file = evaluate(tmp_path / "whole.parquet", engine="ray")
    assert bits(one_file) == bits(expected)
    assert one_file.provenance.sources[0]["n_rows"] == 3001

    folder = tmp_path / "parts"
    folder.mkdir()
    order = np.random.default_rng(7).permutation(3001)
    for k, rows in enumerate(np.array_split(order, 3)):
        pq.write_table(arrow.take(rows), folder / f"part-{k}.parquet")
    assert bits(evaluate(folder, engine="ray", by_file="draws")) == bits(expected)

    dataset = cluster.data.from_arrow(arrow.take(order)).repartition(5)
    assert bits(evaluate(dataset)) == bits(expected)


@needs_ray
def test_what_workers_find_reaches_the_caller(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("item,model,group,score\nq1,a,g,1\nq2,a,g,0\nq1,b,h,1\nq2,b,g,1\n")
    (tmp_path / "bad.csv").write_text("item,model,score\nq1,a,1\nq2,a,high\n")
    found = sums_on_ray(tmp_path)
    assert [(Path(unread.path).name, unread.reason[:36]) for unread in found.unread] == [
        ("bad.csv", "line 3: column 'score' holds 'high'.")
    ]
    assert found.clusters == ()  # item q1 lies in two groups, so the column is no cluster: read again without
    assert any("not used" in note for note in found.sources[0].notes)
    with pytest.raises(RecordsError, match="line 3: column 'score' holds 'high'"):
        sums_on_ray(tmp_path / "bad.csv")
    labelled = tmp_path / "labelled.csv"
    labelled.write_text("item,model,score,label\nq1,a,1,1\nq2,a,0,\n")
    with pytest.raises(RecordsError, match="holds labels"):
        evaluate(labelled, engine="ray")
    assert evaluate(labelled, engine="ray", estimator="mean").estimates[0].n == 2
