"""The report of baselines says which one leaves the least variance, and which raise it."""

from __future__ import annotations

import pytest

from neff.report import baselines_document, render
from neff.testing import baseline_study
from neff.train.baselines import bandit_baselines, bandit_scores, baseline_variance

PI = [0.9, 0.1]


@pytest.fixture(scope="module")
def exact():
    return baseline_variance(bandit_scores(PI), [1, 0], bandit_baselines(PI, [1, 0]), probabilities=PI)


def test_what_it_says(exact):
    text = render(exact, "text")
    assert "optimal leaves the least variance" in text
    assert "greedy raises the variance to 81 times that of none." in text  # 0.1458 / 0.0018
    assert "there is no interval" in text


@pytest.mark.parametrize("form", ["text", "html", "markdown", "json"])
def test_every_format_of_samples_and_of_nothing(form, exact):
    study = baseline_study(rewards="verifiable", n_prompts=2, n_samples=20, rng=0)
    one = baseline_variance([[0.5, -0.5]], [1.0], {"none": 0.0})
    for result in (exact, study, one):
        assert "baseline" in render(result, form).lower()
    assert baselines_document(one).title == ("No variance is defined",)
    assert "no variance to compare" in render(study, "markdown")
