"""The section that compares estimators: in every format, saved and loaded, and not there unless asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neff.cli.app import main
from neff.evaluate import Evaluation
from neff.report import load, render

DATA = Path(__file__).resolve().parents[2] / "docs" / "data" / "judged.csv"
ESTIMATORS = ("judge", "labels", "plug-in", "augmented", "ppi++")


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Evaluation:
    path = tmp_path_factory.mktemp("compared") / "result.json"
    assert main(["evaluate", str(DATA), "--compare-estimators", "-q", "-o", str(path)]) == 0
    return load(path)


def test_every_model_by_every_estimator_and_back_from_json(compared):
    assert {(row.model, row.estimator) for row in compared.by_estimator} == {
        (model, estimator) for model in ("base", "tuned", "verbose") for estimator in ESTIMATORS
    }
    again = Evaluation.from_dict(json.loads(compared.to_json()))
    assert again.by_estimator == compared.by_estimator


def test_the_row_of_the_default_is_the_estimate_itself(compared):
    for row in compared.by_estimator:
        if row.estimator == "augmented":
            estimate = compared.estimate(row.model)
            assert (row.value, row.standard_error, row.interval) == (
                estimate.value,
                estimate.standard_error,
                estimate.interval,
            )


@pytest.mark.parametrize("kind", ["text", "html", "markdown"])
def test_it_is_shown(compared, kind):
    page = render(compared, kind)
    assert "What each estimator says" in " ".join(page.split())
    assert "ppi" in page


def test_it_is_not_shown_unless_asked_for(capsys):
    assert main(["evaluate", str(DATA), "-q"]) == 0
    assert "What each estimator says" not in capsys.readouterr().out


def test_sums_hold_no_labels(tmp_path, capsys):
    path = tmp_path / "scores.csv"
    path.write_text("item,model,score\n" + "".join(f"q{i},{m},{i % 2}\n" for i in range(11) for m in "ab"))
    assert main(["evaluate", str(path), "--compare-estimators", "--engine", "stream"]) in (2, 3)
    assert "neff:" in capsys.readouterr().err
