"""The page of `neff sampling verifier` says which model and metric a row is of, and what rewards are made of."""

from __future__ import annotations

import neff
from neff.report import render
from neff.report.sampling.verifier import verifier_document

ROWS = {
    "item": ["a", "a", "b", "b", "c", "c"] * 2,
    "model": ["one"] * 6 + ["two"] * 6,
    "score": [1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0],
    "ok": [1, 1, 0, 1, 1, 0] * 2,
}


def test_rows_of_several_models_are_told_apart() -> None:
    page = render(neff.sampling.verifier_curves(ROWS, "ok", costs=(1,), rng=0), format="md")
    assert "| Model | Verifier | Budget |" in page
    assert "| Model | Verifier | Cost of a wrong answer |" in page
    assert page.startswith("## Resampling reaches 100.0% with `two` · `ok`, 0.0 points below")


def test_rows_of_several_metrics_are_told_apart() -> None:
    rows = {**ROWS, "model": ["m"] * 12, "metric": ["exact"] * 6 + ["loose"] * 6}
    page = render(neff.sampling.verifier_curves(rows, "ok", costs=(1,), rng=0), format="md")
    assert "| Metric | Verifier | Budget |" in page
    assert "`m` · `exact` · `ok`" in page


def test_rewards_say_what_they_are_made_of() -> None:
    found = neff.sampling.verifier_curves(ROWS, "ok", costs=(1,), right_value=3, abstain_value=0.25, price=0.125, rng=0)
    (line,) = verifier_document(found).sections[0].blocks[1].chart.references
    assert (line.at, line.label) == (0.25, "no attempt")
    page = render(found, format="html")
    assert "A right answer counts 3, a wrong one costs what is said, none counts 0.25, an attempt costs 0.125." in page
    assert "A right answer counts 1, a wrong one costs what is said." in render(
        neff.sampling.verifier_curves(ROWS, "ok", costs=(1,), rng=0), format="html"
    )
