"""`neff sampling abstain`: the numbers of the library, files, the SDM options, refusals."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from neff.sampling import abstention_table, read_abstention

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    label = rng.integers(2, size=503)
    x = rng.normal(size=(503, 3)) + 2.0 * label[:, None]
    x[450:] += [40, 0, 0]
    split = np.repeat(["train", "calibration", "test", "far"], [151, 199, 100, 53])
    z = x.sum(axis=1) - 3
    path = tmp_path / "outputs.csv"
    rows = [f"{label[i]},{split[i]},{-z[i]:.4f},{z[i]:.4f}," + ",".join(f"{v:.4f}" for v in x[i]) for i in range(503)]
    path.write_text("label,split,logit_0,logit_1,emb_1,emb_2,emb_3\n" + "\n".join(rows) + "\n")
    return path


def test_the_numbers_of_the_library(neff: Callable[..., Any], outputs: Path) -> None:
    outcome = neff("sampling", "abstain", outputs, "--sdm", "given", "--target", "0.9", "--seed", "3", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    data = read_abstention(outputs)
    expected = abstention_table(
        data.logits, data.labels, data.split, **data.arguments(), sdm="given", target=0.9, rng=3
    ).to_dict()
    assert found == json.loads(json.dumps(expected))
    assert found["schema"] == "neff.abstention/1"
    far = {row["method"]: row["n_admitted"] for row in found["rows"] if row["set"] == "far"}
    assert far["softmax"] > 40
    assert far["temperature and distance"] == far["SDM region"] == 0


def test_every_format_and_the_words(neff: Callable[..., Any], outputs: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"out.{suffix}" for suffix in ("html", "md", "json", "csv", "txt", "parquet")]
    words = [word for path in files for word in ("-o", path)]
    outcome = neff("sampling", "abstain", outputs, "--sdm", "given", "--seed", "3", *words)
    assert outcome.code == 0, outcome.err
    assert "ways to abstain miss 95% on far" in outcome.out
    assert "temperature and distance, SDM, SDM region" in outcome.out
    page = files[0].read_text()
    assert page.count("Risk by coverage") >= 2
    assert "Accuracy by right class and by predicted class" in page
    assert all(path.stat().st_size > 500 for path in files)


def test_an_adaptor_is_trained_where_it_can_be(neff: Callable[..., Any], outputs: Path) -> None:
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few epochs
        outcome = neff("sampling", "abstain", outputs, "--restarts", "1", "--epochs", "8", "--method", "sdm", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert {row["method"] for row in found["rows"]} == {"SDM", "SDM region", "SDM region, lower"}


def test_states_are_said_on_stderr(neff: Callable[..., Any], outputs: Path) -> None:
    pytest.importorskip("torch")
    words = ("--restarts", "1", "--epochs", "1", "--method", "sdm", "--learning-rate", "1e-5", "--json")
    outcome = neff("sampling", "abstain", outputs, *words)
    assert outcome.code == 0
    assert "warning: No region reaches 95% for every class: nothing is answered." in outcome.err
    assert "note: SDM region: no region reaches the target." in outcome.err
    assert sum(row["n_admitted"] for row in json.loads(outcome.out)["rows"] if row["method"] == "SDM region") == 0


def test_without_embeddings_there_is_no_sdm(neff: Callable[..., Any], outputs: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(",".join(line.split(",")[:4]) for line in outputs.read_text().splitlines()) + "\n")
    outcome = neff("sampling", "abstain", bare, "--json")
    assert outcome.code == 0, outcome.err
    assert "SDM" not in {row["method"] for row in json.loads(outcome.out)["rows"]}
    assert "no distance gate" in outcome.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("FILE", "--target", "0.4"), 2, "--target must be above 0.5"),
        (("FILE", "--method", "magic"), 2, "magic"),
        (("FILE", "--method", "weighted-lac"), 2, "--log-weight must be given for weighted-lac"),
        (("FILE", "--embedding", "none_*", "--sdm", "given"), 3, "no column is like 'none_"),
        (("FILE", "--restarts", "0"), 2, "--restarts must be a whole number of at least 1"),
        (("FILE", "--epochs", "0"), 2, "--epochs must be a whole number of at least 1"),
        (("FILE", "--label", "emb_1"), 2, "--label must be among the classes"),
        (("nowhere.csv",), 3, "no such file"),
        (("FILE", "--gate-quantile", "95", "--sdm", "none"), 2, "Did you mean 0.95"),
    ],
)
def test_refusals(neff: Callable[..., Any], outputs: Path, words: tuple[str, ...], code: int, message: str) -> None:
    outcome = neff("sampling", "abstain", *(outputs if word == "FILE" else word for word in words))
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert message in outcome.err
