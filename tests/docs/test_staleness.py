"""The tables of the guide on stale rollouts are those that were measured."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from neff.testing.staleness.settings import COMPARED, LAGS, SETTINGS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_staleness", DOCS / "make_staleness.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("page", "n_blocks"), [("PAGE", 8), ("LOSSES", 1)])
def test_the_pages_are_up_to_date(script, page, n_blocks):
    text = getattr(script, page).read_text(encoding="utf-8")
    assert script.page(text, script.load()) == text, "run: python docs/make_staleness.py"
    assert len(script.BLOCK.findall(text)) == n_blocks


def test_every_cell_of_the_table_was_run_with_three_seeds_or_more(script):
    head, study = script.load()
    cells = {(c.environment, c.method, c.lag, c.learning_rate, c.steps): c for c in study.cells()}
    for name, settings in SETTINGS.items():
        for method in COMPARED:
            for lag in LAGS[name == "TF" :]:  # on-policy, all are the same up to the baseline
                assert cells[name, method, lag, settings.learning_rate, settings.steps].n >= 3
    assert head["columns"] == list(script.COLUMNS)
    assert study.cpu_seconds > 0


def test_on_policy_the_effective_sample_size_is_exactly_1(script):
    _, study = script.load()
    assert {(r.ess_token, r.ess_sequence) for r in study.runs if r.lag == 0} == {(1.0, 1.0)}
