"""`neff doctor`: what a file is, what can be computed from it, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import neff
from neff import diagnose
from neff.errors import ArgumentTypeError, RecordsError
from neff.records import Diagnosis
from neff.results import Table

FULL = "question_id,policy,acc,epoch,passage,oracle_label,weight,length\n"
ROWS = [f"q{i},{m},{i % 2},{d},p{i % 3},{'' if i else 1},1,{i}\n" for i in range(5) for m in "ab" for d in range(2)]


def test_a_file_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(FULL + "".join(ROWS))
    found = diagnose(path)
    assert isinstance(found, Diagnosis)
    (file,) = found.files
    assert found.together is None
    assert found.readable()
    assert dict(file.columns) == {
        "question_id": "item",
        "policy": "model",
        "acc": "score",
        "epoch": "draw",
        "passage": "cluster",
        "oracle_label": "label",
        "weight": "weight",
        "length": "",
    }
    assert (file.format, file.n_rows, file.n_unscored, file.n_items, file.draws) == ("csv", 20, 0, 5, (2, 2))
    assert (file.models, file.tasks, file.metrics) == (("a", "b"), ("all",), ("acc",))
    assert file.missing == ("log-probabilities: without them no model is judged by the answers of another",)
    assert (file.has, file.lacks) == (("scores", "pairs", "repeats", "clusters", "labels", "weights"), ("log-probs",))
    assert [sentence.split(" ")[0] for sentence in file.can] == [
        "mean",
        "paired",
        "repeats:",
        "clustered",
        "oracle",
        "weighted",
    ]
    assert "5 items that all share" in file.can[1]
    assert "3 clusters" in file.can[3]
    assert "on 4 draws" in file.can[4]
    assert found.command == f"neff evaluate {path}"


def test_a_file_with_little(tmp_path: Path) -> None:
    path = tmp_path / "my model.csv"
    path.write_text("id,correct\n1,\n2,\n3,\n")
    found = diagnose(path)
    (file,) = found.files
    assert (file.models, file.n_unscored, file.draws) == (("my model",), 3, (1, 1))
    assert file.can == ()
    assert [sentence.split(":")[0] for sentence in file.missing] == [
        "scores",
        "paired comparison",
        "repeats",
        "clusters",
        "oracle labels",
        "log-probabilities",
    ]
    assert file.lacks == ("scores", "pairs", "repeats", "clusters", "labels", "log-probs")
    assert found.command == f"neff evaluate '{path}'"
    text = str(found)
    for part in ("my model.csv: csv", "id (item), correct (score)", "3 draws, 3 unscored", "missing   scores"):
        assert part in text


def test_a_file_that_cannot_be_read_still_shows_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,gpt,llama\nq1,1,0\n")
    found = diagnose(path)
    assert not found.readable()
    assert found.files[0].columns == (("question", ""), ("gpt", ""), ("llama", ""))
    assert "--item" in found.files[0].problem or "--score" in found.files[0].problem
    assert found.command == ""
    mended = diagnose(path, item="question", wide=True)
    assert mended.readable()
    assert dict(mended.files[0].columns)["gpt"] == "model (its scores)"
    assert mended.command == f"neff evaluate {path} --item question --wide"


def test_columns_that_were_not_taken_as_models_have_no_role(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,gold,cat,one\nq1,A,law,A\nq2,B,art,A\n")
    found = diagnose(path, wide=True, target="gold")
    assert dict(found.files[0].columns) == {
        "id": "item",
        "gold": "target",
        "cat": "",
        "one": "model (its predictions)",
    }
    assert any("'cat' was not taken as a model" in note for note in found.files[0].notes)


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,model,correct\n1,a,1\n2,a,0\n")
    (tmp_path / "2.jsonl").write_text('{"id": 2, "model": "b", "correct": 1}\n{"id": 3, "model": "b", "correct": 1}\n')
    (tmp_path / "3.md").write_text("# no\n")
    (tmp_path / "4.csv").write_text("id,model,correct\n1,a,x\n")
    found = diagnose(tmp_path)
    assert [file.format for file in found.files] == ["csv", "jsonl", "unknown", "csv"]
    assert found.together is not None
    assert (found.together.n_rows, found.together.n_items, found.together.format) == (4, 3, "csv+jsonl")
    assert any("pairs may still share" in sentence for sentence in found.together.missing)
    table = found.table()
    assert isinstance(table, Table)
    assert len(table) == 4
    assert [row[-1] != "" for row in table.rows] == [False, False, True, True]
    assert "2 readable files together" in str(found)
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.to_dict()["together"]["models"] == ["a", "b"]


def test_files_that_do_not_fit_together(tmp_path: Path) -> None:
    for name in ("1.csv", "2.csv"):
        (tmp_path / name).write_text("id,model,correct\n1,a,1\n")
    found = diagnose(tmp_path)
    assert found.together is not None
    assert "is in two files" in found.together.problem
    assert found.readable()  # each of them, and both once they are told apart
    assert found.command == f"neff evaluate {tmp_path} --by-file models"
    assert [file.command for file in found.files] == [f"neff evaluate {tmp_path}/{k}.csv" for k in (1, 2)]
    assert str(found).count("  run       neff evaluate") == 2
    (tmp_path / "2.csv").write_text("id,model,correct,cluster\n1,a,1,c\n")
    mixed = diagnose(tmp_path)
    assert mixed.together is not None
    assert "some inputs have a cluster column" in mixed.together.problem
    assert mixed.command == ""


def test_log_probabilities_are_seen_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "logged.csv"
    path.write_text("id,model,score,log_prob_old,logprob_new,logo\n1,a,1,-3,-4,x\n")
    (file,) = diagnose(path).files
    assert file.can[-1].endswith("--log-prob and --target-log-prob ('log_prob_old', 'logprob_new')")
    assert "log-probs" in file.has


def test_a_folder_of_everybody_s_logs() -> None:
    fixtures = Path(__file__).parents[1] / "fixtures"
    found = diagnose(fixtures)
    readable = [file for file in found.files if not file.problem]
    assert {"inspect", "lm-eval"} <= {file.format for file in readable}
    assert all(file.has and file.command == f"neff evaluate {file.path}" for file in readable)
    assert all(file.problem.endswith(".") or ":" in file.problem for file in found.files if file not in readable)
    text = str(found)
    assert f"{len(readable)} of {len(found.files)} files can be read, in {fixtures}/" in text
    assert "run on one file: neff evaluate FILE" in text
    assert "\nnot read:\n  VERSIONS.txt (unknown): the format is not known." in text
    assert text.endswith(f"run: neff evaluate {fixtures} --by-file models")


def test_nothing_readable_in_a_folder(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).write_text("text")
    found = diagnose(tmp_path)
    assert not found.readable()
    assert found.together is not None
    assert "none of the files can be read" in str(found)


def test_paths_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="there is no such file or folder"):
        diagnose(tmp_path / "nowhere")
    with pytest.raises(ArgumentTypeError, match="paths must be a path"):
        diagnose(7)  # type: ignore[arg-type]


def test_real_data(neff_data: Path) -> None:
    found = neff.diagnose(neff_data)
    by_name = {file.path.rsplit("/", 1)[-1]: file for file in found.files}
    assert by_name["livebench.parquet"].draws == (1, 2)
    assert by_name["livebench.parquet"].n_items == 1136
    assert len(by_name["livebench.parquet"].models) == 93
    assert by_name["arena1000_labels.csv"].can[1].startswith("paired comparison of 4 models (1,000 items")
    assert by_name["README.md"].format == "unknown"
    assert by_name["humaneval_codegen16b_samples.csv.gz"].draws == (100, 100)
    assert "--wide" in by_name["mmlu_pro_predictions.parquet"].problem
