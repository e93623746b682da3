"""`neff benchmark discriminate` and `label`: the values of the library, pages, refusals without a traceback."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from neff.benchmark.labeling import hybrid_labels
from neff.benchmark.survey import discriminator_test

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def table(path: Path, columns: dict[str, Any]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Path, Path]:
    """Sixty real and fifty-three made sheets; one column is in the real table only."""
    rng = np.random.default_rng(0)
    real = {"age": rng.integers(18, 80, 60), "job": rng.choice(["a", "b", ""], 60), "state": ["x"] * 60}
    made = {"job": rng.choice(["a", "b"], 53), "age": rng.integers(30, 50, 53)}
    return table(tmp_path / "real.csv", real), table(tmp_path / "made.csv", made)


def read(path: Path, *names: str) -> dict[str, list[Any]]:
    with path.open(encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    return {name: [float(row[name]) if row[name].isdigit() else row[name] for row in told] for name in names}


def test_discriminate(neff: Callable[..., Any], rows: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "rows.html"
    words = ["--margin", "0.1", "--n-splits", "4", "--n-resamples", "19", "--seed", "3"]
    outcome = neff("benchmark", "discriminate", *rows, *words, "--json", "-o", page)
    assert outcome.code == 0, outcome.err
    real, made = (read(path, "age", "job") for path in rows)
    wanted = discriminator_test(real, made, margin=0.1, n_splits=4, n_resamples=19, rng=3)
    left_out = "1 column of one table only left out: state"
    assert json.loads(outcome.out) == wanted.to_dict() | {"notes": [left_out, *wanted.notes]}
    assert wanted.told_apart
    assert left_out in outcome.err
    assert left_out in page.read_text()
    assert "7 real and 0 made left out" in outcome.err
    assert "on the right side; chance is 50%" in page.read_text()


@pytest.mark.parametrize("kind", ["table", "md", "csv"])
def test_discriminate_in_every_output(neff: Callable[..., Any], rows: tuple[Path, Path], kind: str) -> None:
    words = ["--column", "job", "--classifier", "trees", "--n-splits", "2", "--n-resamples", "2", "--format", kind]
    outcome = neff("benchmark", "discriminate", *rows, *words)
    assert outcome.code == 0, outcome.err
    assert "job" in outcome.out
    assert "age" not in outcome.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--column", "wage"], "wage"),
        (["--column", "state"], "state"),
        (["--categorical", "wage"], "wage"),
        (["--margin", "5"], "margin"),
        (["--level", "95"], "0.95"),
    ],
)
def test_discriminate_refuses(neff: Callable[..., Any], rows: tuple[Path, Path], words: list[str], said: str) -> None:
    outcome = neff("benchmark", "discriminate", *rows, *words)
    assert (outcome.code, "Traceback" in outcome.err) == (2, False)
    assert said in outcome.err


def test_tables_without_a_common_column(neff: Callable[..., Any], rows: tuple[Path, Path], tmp_path: Path) -> None:
    other = table(tmp_path / "other.csv", {"z": [1, 2]})
    outcome = neff("benchmark", "discriminate", rows[0], other)
    assert outcome.code == 2
    assert "MADE must be a table that shares columns" in outcome.err
    assert neff("benchmark", "discriminate", rows[0], tmp_path / "none.csv").code == 3
    assert neff("benchmark", "discriminate", rows[0]).code == 2


@pytest.fixture
def proposals(tmp_path: Path) -> Path:
    columns = {
        "id": [f"d{i}" for i in range(8)],
        "llama": ["war", "trade", "war; tax", "", "tax", "war", "tax", "war"],
        "qwen": ["war", "war", "war", "", "tax", "tax", "tax", "war"],
        "rejected": ["", "trade", "", "", "", "war;tax", "", ""],
        "gold": ["war", "war", "war;tax", "war", "", "", "tax", "tax"],
        "p": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2],
    }
    return table(tmp_path / "proposals.csv", columns)


def test_label(neff: Callable[..., Any], proposals: Path, tmp_path: Path) -> None:
    page, labels = tmp_path / "labels.html", tmp_path / "labels.csv"
    words = ["--proposal", "llama", "--proposal", "qwen", "--rejected", "rejected", "--audit", "gold", "--item", "id"]
    words += ["--target", "0.5", "--human-error", "0.1", "--confidence", "p", "--n-resamples", "9", "--seed", "1"]
    outcome = neff("benchmark", "label", proposals, *words, "--json", "-o", page, "-o", labels)
    assert outcome.code == 0, outcome.err
    with proposals.open(encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    cells = {
        name: [[part.strip() for part in row[name].split(";")] if ";" in row[name] else row[name] for row in told]
        for name in told[0]
    }
    wanted = hybrid_labels(
        {"llama": cells["llama"], "qwen": cells["qwen"]}, items=cells["id"], rejected=cells["rejected"],
        audit=cells["gold"], confidence=[float(p) for p in cells["p"]], target=0.5, human_error=0.1, n_resamples=9,
        rng=1,
    )  # fmt: skip
    assert json.loads(outcome.out) == json.loads(json.dumps(wanted.to_dict()))
    assert (wanted.exclusive, wanted.n_accepted, wanted.residual.n) == (False, 6, 5)
    assert "items have accepted labels" in page.read_text()
    with labels.open(encoding="utf-8") as file:
        made = {row["item"]: (row["labels"], row["state"]) for row in csv.DictReader(file)}
    assert made["d2"] == ("tax; war", "accepted")
    assert made["d5"] == ("", "all rejected")
    assert "1 item without accepted labels: nothing proposed" in outcome.err


@pytest.mark.parametrize("kind", ["table", "md", "csv"])
def test_label_in_every_output(neff: Callable[..., Any], proposals: Path, kind: str) -> None:
    outcome = neff("benchmark", "label", proposals, "--proposal", "qwen", "--rule", "majority", "--format", kind)
    assert outcome.code == 0, outcome.err
    assert "tax" in outcome.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "proposal"),
        (["--proposal", "gpt"], "gpt"),
        (["--proposal", "llama", "--rejected", "qwen", "--target", "7"], "target"),
        (["--proposal", "qwen", "--rejected", "rejected"], "rejected must be labels that were proposed"),
        (["--proposal", "qwen", "--confidence", "gold"], "a number in every row"),
        (["--proposal", "qwen", "--separator", ""], "separator"),
        (["--proposal", "qwen", "--proposal", "qwen"], "--proposal must be a different column each time, got 'qwen'"),
    ],
)
def test_label_refuses(neff: Callable[..., Any], proposals: Path, words: list[str], said: str) -> None:
    outcome = neff("benchmark", "label", proposals, *words)
    assert (outcome.code, "Traceback" in outcome.err) == (2, False)
    assert said in outcome.err
