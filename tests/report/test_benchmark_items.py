"""Item banks, abilities, next items and replays as documents: the finding first, figures, reasons, hostile names."""

from __future__ import annotations

import numpy as np
import pytest

from neff.benchmark import AdaptiveTest, ability, fit_irt, next_items, replay_split
from neff.report import document, load, render, write
from neff.report.document import Figure, plain


def answers(n=103, j=53, seed=1):
    rng = np.random.default_rng(seed)
    a, b, theta = np.exp(rng.normal(0, 0.4, j)), rng.normal(0, 1, j), rng.normal(size=n)
    return (rng.random((n, j)) < 1 / (1 + np.exp(-a * (theta[:, None] - b)))).astype(float)


def figures(found):
    return [block for section in found.sections for block in section.blocks if isinstance(block, Figure)]


def test_a_bank_shows_precision_and_curves():
    bank = fit_irt(answers())
    found = document(bank)
    assert plain(found.title).startswith("Most precise for ")
    precision, curves = figures(found)
    assert [s.label for s in precision.chart.series] == ["all items", "best 10"]
    total = 1 / np.sqrt(1 + bank.information([0.0]).sum())
    assert precision.chart.series[0].y[20] == pytest.approx(total)
    assert len(curves.chart.series) == 6
    assert all(0 < y < 1 for s in curves.chart.series for y in s.y)
    assert "Characteristic curves" in render(bank, "html")


def test_a_saved_bank_is_shown_again(tmp_path):
    bank = fit_irt(answers())
    write(bank, tmp_path / "bank.json")
    assert render(load(tmp_path / "bank.json"), "html") == render(bank, "html")


def test_a_bank_without_parameters_says_why():
    bank = fit_irt([[1.0, 0.0, 1.0]])
    found = document(bank)
    assert plain(found.title) == "These answers say nothing about the items"
    assert [plain(notice.text) for notice in found.notices] == ["one model."]
    assert not figures(found)
    for kind in ("text", "html", "markdown", "json", "csv"):
        assert "one" in render(bank, kind)


def test_few_models_are_a_warning():
    bank = fit_irt(answers(29))
    assert any("29 calibration models are few" in plain(notice.text) for notice in document(bank).notices)


def test_names_cannot_steer_the_page():
    hostile = "<script>alert(1)</script>"
    bank = fit_irt(answers(), items=[hostile, *(f"q{k}" for k in range(52))])
    for result in (bank, next_items(bank, batch=53), ability(bank, answers(3), models=[hostile, "b", "c"])):
        page = render(result, "html")
        assert "<script>alert" not in page
        assert "&lt;script" in page


def test_next_items_and_a_finished_test():
    bank = fit_irt(answers())
    assert plain(document(next_items(bank, batch=3)).title).endswith(" and 2 more")
    done = next_items(bank, answers(1), items=bank.items, max_items=5)
    assert plain(document(done).title) == "The test has finished: 53 items asked"
    assert "53 items asked" in render(done, "text")
    assert AdaptiveTest(bank).n_left == 53


def test_a_replay_says_how_few_are_enough():
    found = replay_split(answers(), budgets=[5, 20, 40], rng=1)
    page = document(found)
    assert "chosen items" in plain(page.title).lower()
    assert [f.title for f in figures(page)] == ["Order of models", "Error against all items"]
    curve = replay_split(answers(), budgets=[5, 20], checkpoints=True, rng=1)
    assert len(figures(document(curve))) == 3
    for kind in ("text", "html", "markdown", "json", "csv"):
        assert render(curve, kind)


def test_abilities_are_ranked():
    bank = fit_irt(answers())
    rows = np.array([np.zeros(53), np.ones(53), np.full(53, np.nan)])
    found = ability(bank, rows, models=["low", "high", "none"], method="mle")
    page = document(found)
    assert plain(page.title) == "high has the highest ability"
    assert "at a bound of the scale" in render(found, "text")
