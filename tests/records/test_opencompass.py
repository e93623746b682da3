"""Results of OpenCompass (built from its source) against the accuracy on 0 to 100 that they state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neff import read
from neff.errors import RecordsError
from neff.records import ColumnMap, Records
from neff.records.detect import detect
from neff.records.opencompass import READER

RUN = Path(__file__).parent.parent / "fixtures" / "opencompass"
RESULTS = RUN / "results"
N = {"gpqa": 13, "aime": 5 * 4, "piqa": 11, "cascade": 7, "equal": 9, "judged": 9}
GRADED = [path for path in sorted(RESULTS.rglob("*.json")) if path.stem in N]


def load(path: Path, columns: ColumnMap | None = None) -> Records:
    assert detect(path) is READER
    return READER.read(path, columns or ColumnMap(), "all")


def stated(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def changed(tmp_path: Path, name: str, change: Any) -> Path:
    """Return a copy with changed details, where results lie."""
    result = stated(RESULTS / "alpha" / f"{name}.json")
    path = tmp_path / "results" / "alpha" / f"{name}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(result | {"details": change(result["details"])}))
    return path


@pytest.mark.parametrize("path", GRADED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_mean_is_the_stated_accuracy(path: Path) -> None:
    table = load(path)
    (accuracy,) = (value for name, value in stated(path).items() if name.startswith("accuracy"))
    assert len(table) == N[path.stem]
    assert 100 * table.score.mean() == pytest.approx(accuracy, abs=1e-9)
    assert set(table.score.tolist()) <= {0.0, 1.0}  # not 0 to 100
    assert table.metric.levels == ("accuracy",)
    assert not any("says" in note and "mean" in note for note in table.sources[0].notes)


def test_models_and_data_sets_are_folders_and_files() -> None:
    both = Records.concat([load(RESULTS / model / "gpqa.json") for model in ("alpha", "beta")])
    assert both.model.levels == ("alpha", "beta")
    assert both.task.levels == ("gpqa",)
    assert both.item.n_levels == N["gpqa"]
    means = [load(RESULTS / model / "gpqa.json").score.mean() for model in ("alpha", "beta")]
    assert means[0] != means[1]


def test_runs_are_draws() -> None:
    table = load(RESULTS / "alpha" / "aime.json")
    assert table.item.levels == tuple(f"aime_{i}" for i in range(5))
    assert sorted(set(table.draw.tolist())) == [0, 1, 2, 3]
    details = stated(RESULTS / "alpha" / "aime.json")["details"]
    for i, entry in enumerate(details):
        mine = np.array(table.item.names()) == f"aime_{i}"
        assert table.score[mine][np.argsort(table.draw[mine])].tolist() == [float(ok) for ok in entry["correct"]]


def test_a_missing_verdict_is_unscored_and_noted(tmp_path: Path) -> None:
    def lose(details: list[Any]) -> list[Any]:
        details[0]["correct"][2] = None
        details[1]["correct"][0] = "maybe"
        return details

    table = load(changed(tmp_path, "aime", lose))
    assert np.isnan(table.score).sum() == 2
    assert len(table) == N["aime"]
    notes = table.sources[0].notes
    assert "accuracy: 1 value that cannot be a score, counted as unscored" in notes
    assert any("the questions have the mean" in note and "the file (of 100) says" in note for note in notes)


def test_an_entry_that_is_no_object_is_counted(tmp_path: Path) -> None:
    table = load(changed(tmp_path, "gpqa", lambda details: [*details[:-1], "lost"]))
    assert len(table) == N["gpqa"]
    assert np.isnan(table.score).sum() == 1


def test_verdicts_are_worked_out_only_where_they_give_the_accuracy() -> None:
    for name, how in (("equal", "the prediction is the reference"), ("judged", "the judge wrote A")):
        (note,) = load(RESULTS / "alpha" / f"{name}.json").sources[0].notes
        assert note.startswith(f"the details hold no verdict; an answer is right where {how}, which gives the accuracy")
    with pytest.raises(RecordsError, match=r"do not say which answers are right; they hold 'prompt', 'origin_"):
        load(RESULTS / "alpha" / "rouge.json")


def test_averages_only() -> None:
    with pytest.raises(RecordsError, match=r"only averages \(accuracy 61.5, f1 58.25\).*--dump-eval-details"):
        load(RESULTS / "alpha" / "averages.json")
    # elsewhere such a file could be anybody's
    assert not READER.sniff(Path("/somewhere/averages.json"), (RESULTS / "alpha" / "averages.json").read_bytes())


def test_predictions_say_what_is_missing_and_where_it_is() -> None:
    with pytest.raises(RecordsError, match=r"predictions without scores.*Give .*results/alpha/gpqa.json"):
        load(RUN / "predictions" / "alpha" / "gpqa.json")
    for name in ("pending_0.json", "ppl.json", "long.jsonl"):
        with pytest.raises(RecordsError, match=r"predictions without scores.*--mode eval"):
            load(RUN / "predictions" / "alpha" / name)


def test_a_folder_names_only_what_has_no_results() -> None:
    table = read(RUN)
    assert sorted(Path(unread.path).name for unread in table.unread) == [
        "averages.json",
        "long.jsonl",
        "pending_0.json",
        "ppl.json",
        "rouge.json",
    ]
    assert table.task.levels == tuple(sorted(N))
    assert len(table) == sum(N.values()) + N["gpqa"] + N["aime"] + N["piqa"]


def test_fields_of_the_details_can_be_weights_or_clusters(tmp_path: Path) -> None:
    assert load(RESULTS / "alpha" / "aime.json", ColumnMap(weight="mG-Pass@4")).weight.tolist() == [0.25] * N["aime"]

    def add_topic(details: list[Any]) -> list[Any]:
        return [entry | {"topic": [f"t{i % 3}"]} for i, entry in enumerate(details)]

    table = load(changed(tmp_path, "gpqa", add_topic), ColumnMap(cluster="details.topic"))
    assert table.clusters[0].levels == ("t0", "t1", "t2")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{",
        b'{"details": {"a": 1}}',
        b'{"accuracy": 61.5}',
        b'{"0": {"item": 1}}',
        b'{"score": 1, "item": "q", "details": [1]}\n{"score": 0, "item": "r", "details": [{"correct": 1}]}\n',
        b'[{"details": [], "correct": true}]',
    ],
)
def test_other_content_is_not_ours(head: bytes) -> None:
    assert not READER.sniff(Path("x.json"), head)
