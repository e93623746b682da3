"""Prediction-powered inference: published numbers, limits, and edge cases."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.evaluate.judge.data import Judged
from neff.evaluate.judge.direct import labels_only
from neff.evaluate.judge.inference import infer, infer_difference
from neff.evaluate.judge.ppi import ppi, ppi_plus_plus
from neff.reasons import Reason

NAN = float("nan")


def answers(n: int = 101, m: int = 23, seed: int = 1, slope: float = 0.8) -> Judged:
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    label = np.clip(0.1 + slope * score + rng.normal(0, 0.1, n), 0, 1)
    return Judged("a", np.arange(n), score, np.where(np.arange(n) < m, label, NAN))


def test_published_numbers_on_the_arena(arena: dict[str, Judged]) -> None:
    # ppi-python 0.2.3 on the 1000 base rows of arena_sample, 480 labels.
    base = arena["base"]
    found = infer(ppi(base))
    assert found.value == pytest.approx(0.7571635, abs=5e-8)
    assert found.interval == pytest.approx((0.73527, 0.77905), abs=5e-6)
    found = infer(ppi_plus_plus(base))
    assert found.value == pytest.approx(0.7552101, abs=5e-8)
    assert found.interval == pytest.approx((0.73575, 0.77467), abs=5e-6)
    assert infer(labels_only(base)).value == pytest.approx(0.7540625, abs=1e-12)
    assert infer(ppi(base, weight=0)).interval == pytest.approx((0.73374, 0.77439), abs=5e-5)  # labels, classical


def test_variance_by_definition() -> None:
    part = answers()
    known = part.labelled
    for weight in (0.0, 0.4, 1.0):
        found = infer(ppi(part, weight=weight))
        unlabelled, residual = weight * part.score[~known], part.label[known] - weight * part.score[known]
        assert found.value == pytest.approx(unlabelled.mean() + residual.mean(), abs=1e-14)
        assert found.standard_error**2 == pytest.approx(unlabelled.var() / 78 + residual.var() / 23, rel=1e-12)
        assert found.df == math.inf


def test_the_tuned_weight_has_the_least_variance() -> None:
    part = answers(seed=2)
    best = ppi_plus_plus(part)
    assert 0 < best.components["weight"] < 1
    around = [infer(ppi(part, weight=w)).standard_error for w in np.linspace(0, 1, 41)]
    assert infer(best).standard_error < min(around) * 1.03  # the published weight takes var(S) from all rows
    assert ppi_plus_plus(answers(slope=-0.8)).components["weight"] == 0
    assert ppi_plus_plus(replace(part, score=part.score / 9)).components["weight"] == 1


def test_answers_to_one_prompt_count_together() -> None:
    part = answers()
    twice = Judged("a", np.tile(part.prompt, 2), np.tile(part.score, 2), np.tile(part.label, 2))
    for method in (ppi, ppi_plus_plus):
        assert infer(method(twice)).value == pytest.approx(infer(method(part)).value, abs=1e-3)
    assert infer(ppi(twice)).standard_error == pytest.approx(infer(ppi(part)).standard_error, rel=1e-12)


def test_nothing_to_predict_is_the_mean_label() -> None:
    part = answers(23, 23)
    for method in (ppi, ppi_plus_plus):
        found = infer(method(part))
        assert found.value == pytest.approx(part.label.mean(), abs=1e-14)
        assert found.standard_error == pytest.approx(part.label.std() / math.sqrt(23), rel=1e-12)


def test_few_labels() -> None:
    for method in (ppi, ppi_plus_plus):
        assert method(answers(m=0)).reason is Reason.NO_LABELS
        one = infer(method(answers(m=1)))
        assert one.reason is Reason.TOO_FEW  # one residual has no spread: the interval would leave the labels out
        assert infer(method(answers(m=2))).reason is None
    nothing = Judged("a", np.array([], int), np.array([]), np.array([]))
    assert ppi(nothing).reason is Reason.NO_LABELS
    level = Judged("a", np.arange(9), np.full(9, 0.5), np.where(np.arange(9) < 4, 0.1, NAN))
    assert ppi_plus_plus(level).components["weight"] == 0
    assert infer(ppi_plus_plus(level)).reason is Reason.ALL_EQUAL


def test_differences_are_paired() -> None:
    a, b = answers(), answers(seed=5)
    found = infer_difference(ppi(a), ppi(b))
    whole = ppi(a).influence - ppi(b).influence
    assert found.standard_error**2 == pytest.approx(np.square(whole).sum(), rel=1e-12)
    assert found.df == math.inf


@pytest.mark.parametrize("weight", [-0.1, 1.1, NAN])
def test_weight_is_checked(weight: float) -> None:
    with pytest.raises(ArgumentError, match=r"ppi: weight must be in \[0, 1\]"):
        ppi(answers(), weight=weight)


def test_unequal_propensities_are_refused() -> None:
    part = answers()
    same = replace(part, propensity=np.full(101, 0.2))
    assert ppi(same).value == ppi(part).value
    with pytest.raises(ArgumentError, match=r"ppi\+\+: judged must be labelled at random, got 'propensities that"):
        ppi_plus_plus(replace(part, propensity=np.linspace(0.1, 0.3, 101)))
