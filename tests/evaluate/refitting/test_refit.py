"""The refitting bootstrap: a naive twin that calls `calibrate` for every resample, invariances, and edge cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from neff.errors import ArgumentError, ArgumentTypeError
from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.calibrating.folds import FoldMap, balanced_folds
from neff.evaluate.judge.data import Judged
from neff.evaluate.judge.direct import augmented
from neff.evaluate.judge.inference import infer, infer_difference
from neff.evaluate.refitting import refit
from neff.evaluate.refitting.batched import ROWS, batched_isotonic
from neff.evaluate.refitting.refit import RefitBootstrap, bootstrap_refit
from neff.evaluate.refitting.refit_plan import RefitPlan
from neff.stats.isotonic import isotonic

NAN = float("nan")
PROMPTS = 151


def policies(*, distinct: int | None, seed: int = 1, scale: tuple[float, float] = (0.0, 1.0)) -> list[Judged]:
    """Five policies: labels on all, many, few, four prompts, none; unequal propensities; overlapping prompts."""
    rng = np.random.default_rng(seed)
    found = []
    for name, share in (("all", 1.0), ("many", 0.5), ("few", 0.2), ("four", 4 / 97), ("none", 0.0)):
        n = {"all": 61, "many": 103, "few": 131, "four": 97, "none": 43}[name]
        prompt = np.sort(rng.integers(0, PROMPTS, size=n))
        score = rng.random(n) if distinct is None else rng.integers(0, distinct, size=n) / max(distinct - 1, 1)
        label = np.clip(score + rng.normal(0, 0.3, n), 0, 1) * (scale[1] - scale[0]) + scale[0]
        label[rng.permutation(n)[round(share * n) :]] = NAN
        propensity = rng.uniform(0.2, 0.9, n) if name == "few" else None
        found.append(Judged(name, prompt, score, label, propensity=propensity))
    return found


def folds_of(judged: list[Judged], n_folds: int = 7) -> FoldMap:
    labelled = np.concatenate([part.prompt[part.labelled] for part in judged])
    return balanced_folds(PROMPTS, labelled, n_folds=n_folds)


def naive(judged: list[Judged], folds: FoldMap, weights: np.ndarray, scale: tuple[float, float]) -> list[float]:
    """One resample, written out: weights of shape (PROMPTS,)."""
    score, label, prompt = (np.concatenate([getattr(p, name) for p in judged]) for name in ("score", "label", "prompt"))
    curve = calibrate(
        score,
        label,
        fold=folds.of(prompt),
        mode="monotone",
        weights=weights[prompt],
        n_folds=folds.n_folds,
        scale=scale,
    )
    means = []
    for part in judged:
        w, known = weights[part.prompt], part.labelled
        if known.all():
            means.append(np.average(part.label, weights=w))
            continue
        value = np.average(curve.predict(part.score), weights=w)
        if len(np.unique(part.prompt[known])) >= 5:
            held_out = curve.predict_out_of_fold(part.score[known], folds.of(part.prompt[known]))
            residual = w[known] * (part.label[known] - held_out)
            if part.propensity is None:
                value += residual.sum() / w[known].sum()
            else:
                value += (residual / part.propensity[known]).sum() / w.sum()
        means.append(value)
    return means


# --- The naive twin -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("distinct", [1, 2, 11, None])
@pytest.mark.parametrize("scale", [(0.0, 1.0), (1.0, 5.0)])
def test_the_naive_refit_agrees(distinct: int | None, scale: tuple[float, float]) -> None:
    judged = policies(distinct=distinct, scale=scale)
    folds = folds_of(judged)
    plan = RefitPlan.of(judged, folds)
    assert (len(plan.knots) > 100) == (distinct is None)
    rng = np.random.default_rng(2)
    weights = rng.exponential(size=(5, PROMPTS))
    weights[1] = 1.0
    weights[2, rng.random(PROMPTS) < 0.3] = 0.0  # some scores lose all their labels
    weights[3] = rng.integers(1, 4, size=PROMPTS)
    seen = np.unique(np.concatenate([part.prompt for part in judged]))
    assert len(seen) < PROMPTS  # prompts that no policy has take no weight
    found = plan.estimate(weights[:, seen], scale)
    expected = [naive(judged, folds, w, scale) for w in weights]
    assert found == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("distinct", [3, None])
def test_equal_weights_give_the_estimate(distinct: int | None) -> None:
    judged = policies(distinct=distinct, seed=3)
    folds = folds_of(judged)
    plan = RefitPlan.of(judged, folds)
    (means,) = plan.estimate(np.full((1, plan.n_prompts), 2.5), (0.0, 1.0))
    score, label, prompt = (np.concatenate([getattr(p, name) for p in judged]) for name in ("score", "label", "prompt"))
    curve = calibrate(score, label, fold=folds.of(prompt), mode="monotone", n_folds=7)
    expected = [augmented(part, curve, folds).value for part in judged]
    assert means == pytest.approx(expected, abs=1e-12)


def test_a_weight_is_a_repetition_of_the_prompt() -> None:
    judged = [p for p in policies(distinct=5, seed=4) if p.propensity is None]
    folds = folds_of(judged)
    times = np.random.default_rng(5).integers(1, 4, size=PROMPTS)
    more = []
    for part in judged:
        rows = np.repeat(np.arange(part.n), times[part.prompt])
        more.append(Judged(part.policy, part.prompt[rows], part.score[rows], part.label[rows]))
    plan, repeated = RefitPlan.of(judged, folds), RefitPlan.of(more, folds)
    seen = np.unique(np.concatenate([part.prompt for part in judged]))
    weighted = plan.estimate(times[None, seen].astype(float), (0.0, 1.0))
    assert weighted == pytest.approx(repeated.estimate(np.ones((1, len(seen))), (0.0, 1.0)), abs=1e-12)


# --- Invariances --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("work", [1, 1000, 10**9])
def test_blocks_do_not_change_the_means(work: int, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = policies(distinct=11)
    folds = folds_of(judged)
    whole = bootstrap_refit(judged, folds, n_resamples=37, rng=1)
    monkeypatch.setattr(refit, "WORK", work)
    blocks = bootstrap_refit(judged, folds, n_resamples=37, rng=1)
    assert blocks.means == pytest.approx(whole.means, abs=1e-14)
    first = bootstrap_refit(judged, folds, n_resamples=5, rng=1)
    assert first.means == pytest.approx(whole.means[:5], abs=1e-14)


def test_the_order_of_rows_and_policies_does_not_matter() -> None:
    judged = policies(distinct=11)
    folds = folds_of(judged)
    whole = bootstrap_refit(judged, folds, n_resamples=11, rng=1)
    rng = np.random.default_rng(6)
    shuffled = []
    for part in reversed(judged):
        order = rng.permutation(part.n)
        propensity = None if part.propensity is None else part.propensity[order]
        shuffled.append(
            Judged(part.policy, part.prompt[order], part.score[order], part.label[order], propensity=propensity)
        )
    again = bootstrap_refit(shuffled, folds, n_resamples=11, rng=1)
    assert again.policies == whole.policies[::-1]
    assert again.means[:, ::-1] == pytest.approx(whole.means, abs=1e-13)


def test_seeds_and_generators() -> None:
    judged = policies(distinct=11)
    folds = folds_of(judged)
    one, two = (bootstrap_refit(judged, folds, n_resamples=7, rng=r) for r in (3, np.random.default_rng(3)))
    assert one.means.tolist() == two.means.tolist()
    assert (one.seed, two.seed) == (3, None)
    fresh = bootstrap_refit(judged, folds, n_resamples=7)
    assert fresh.seed is not None
    assert bootstrap_refit(judged, folds, n_resamples=7, rng=fresh.seed).means.tolist() == fresh.means.tolist()


# --- What it says -------------------------------------------------------------------------------------------


def test_it_agrees_with_the_analytic_errors_on_the_arena(arena: dict[str, Judged]) -> None:
    judged = [arena[name] for name in ("base", "clone", "parallel_universe_prompt")]
    folds = balanced_folds(1000, judged[0].prompt[judged[0].labelled], n_folds=20)
    found = bootstrap_refit(judged, folds, n_resamples=1009, rng=1)
    score, label, prompt = (np.concatenate([getattr(p, name) for p in judged]) for name in ("score", "label", "prompt"))
    curve = calibrate(score, label, fold=folds.of(prompt), mode="monotone", n_folds=20)
    estimates = [augmented(part, curve, folds) for part in judged]
    for part, error, mean in zip(estimates, found.standard_errors(), found.means.mean(axis=0), strict=True):
        assert 0.87 < error / infer(part).standard_error < 1.15
        assert abs(mean - part.value) < 0.2 * error
    pair = infer_difference(estimates[1], estimates[0])
    low, high = found.interval("clone", "base")
    assert 0.8 < (high - low) / 3.92 / pair.standard_error < 1.2
    # cje-eval 0.3.0, 2000 multinomial refits: base [.735522, .775021], SE .010168.
    assert 0.92 < found.standard_errors()[0] / 0.010168 < 1.08
    assert found.interval("base") == pytest.approx((0.7355, 0.7750), abs=0.003)


def test_intervals_and_p_values_by_hand() -> None:
    means = np.column_stack([np.arange(99) / 100, np.full(99, 0.2), np.full(99, 2.0)])
    found = RefitBootstrap(("a", "b", "c"), means, 1)
    assert found.interval("a", level=0.5) == pytest.approx(tuple(np.quantile(means[:, 0], [0.25, 0.75])))
    assert found.interval("a", "c", level=0.9) == pytest.approx(
        tuple(np.quantile(means[:, 0] - 2, [0.05, 0.95])), abs=1e-14
    )
    assert found.p_value("a", "b") == 2 * (21 + 1) / 100  # 0, .01, ..., .20 are at or below
    assert found.p_value("b", "a") == found.p_value("a", "b")
    assert found.p_value("c", "a") == 2 / 100  # the floor
    assert found.standard_errors()[0] == means[:, 0].std(ddof=1)
    with pytest.raises(ArgumentError, match=r"policy must be 'a', 'b' or 'c', got 'd'"):
        found.interval("a", "d")
    with pytest.raises(ArgumentError, match=r"level must be .* got 95\. Did you mean 0\.95"):
        found.interval("a", level=95)


def test_equal_resamples_say_nothing() -> None:
    label = np.where(np.arange(53) < 23, 0.1, NAN)
    judged = [Judged(name, np.arange(53), np.random.default_rng(i).random(53), label) for i, name in enumerate("ab")]
    found = bootstrap_refit(judged, balanced_folds(53, np.arange(23)), n_resamples=31, rng=1)
    assert found.means == pytest.approx(np.full((31, 2), 0.1), abs=1e-15)
    assert np.isnan(found.standard_errors()).all()
    assert np.isnan([*found.interval("a"), *found.interval("a", "b"), found.p_value("a", "b")]).all()


def test_what_only_some_policies_have() -> None:
    # A policy on prompts of its own, and one without answers.
    judged = [p for p in policies(distinct=5) if p.policy in ("many", "none")]
    apart = Judged("apart", np.arange(17) + PROMPTS, np.arange(17) / 16, np.full(17, NAN))
    empty = Judged("empty", np.array([], int), np.array([]), np.array([]))
    labelled = judged[0].prompt[judged[0].labelled]
    folds = balanced_folds(PROMPTS + 17, labelled, n_folds=7)
    found = bootstrap_refit([*judged, apart, empty], folds, n_resamples=13, rng=1)
    assert np.isfinite(found.means[:, :3]).all()
    assert np.isnan(found.means[:, 3]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_resamples": 1}, "n_resamples must be a whole number of at least 2, got 1"),
        ({"scale": (0.0, 0.5)}, "label must be between 0 and 0.5, the declared scale"),
        ({"rng": -1}, "rng must be a numpy Generator"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], words: str) -> None:
    judged = policies(distinct=5)
    with pytest.raises(ArgumentError, match=words):
        bootstrap_refit(judged, folds_of(judged), **change)  # type: ignore[arg-type]


def test_bad_policies_are_named() -> None:
    judged = policies(distinct=5)
    folds = folds_of(judged)
    none = [judged[-1]]
    with pytest.raises(ArgumentError, match="judged must be with labels for at least one policy, got 'none'"):
        bootstrap_refit(none, folds)
    with pytest.raises(ArgumentError, match="judged must be policies with names of their own"):
        bootstrap_refit([judged[0], judged[0]], folds)
    covered = Judged("x", judged[0].prompt, judged[0].score, judged[0].label, judged[0].score)
    with pytest.raises(ArgumentError, match="judged must be without covariates"):
        bootstrap_refit([covered], folds)
    with pytest.raises(ArgumentError, match="folds must be such that labels lie in at least 2, got 'one'"):
        bootstrap_refit(judged, FoldMap(np.zeros(PROMPTS, int), 3))
    with pytest.raises(ArgumentTypeError, match="rng must be a numpy Generator"):
        bootstrap_refit(judged, folds, rng="seed")  # type: ignore[arg-type]


# --- Many isotonic fits at once -----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 19), st.integers(1, 13), st.integers(0, 10**6), st.booleans(), st.integers(-8, 8))
def test_each_row_is_fitted_by_itself(n_rows: int, n: int, seed: int, holes: bool, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.integers(0, 5, size=(n_rows, n)) / 4 + 3.0) * 10.0**exponent
    weights = rng.integers(0 if holes else 1, 4, size=(n_rows, n)).astype(float)
    found = batched_isotonic(values, weights)
    for row, v, w in zip(found, values, weights, strict=True):
        assert row == pytest.approx(isotonic(v, weights=w), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("n", [13, 251])
def test_scikit_learn_agrees_over_many_blocks(n: int) -> None:
    rng = np.random.default_rng(n)
    values, weights = rng.random((2 * ROWS + 7, n)), rng.exponential(size=(2 * ROWS + 7, n))
    found = batched_isotonic(values, weights)
    for i in (0, 1, ROWS - 1, ROWS, 2 * ROWS + 6):
        oracle = IsotonicRegression().fit(np.arange(n), values[i], sample_weight=weights[i])
        assert found[i] == pytest.approx(oracle.predict(np.arange(n)), abs=1e-12)


def test_rows_do_not_pool_across_borders() -> None:
    values = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    expected = [[0.0, 1.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5], [0.0, 0.0]]
    assert batched_isotonic(values, np.ones((5, 2))).tolist() == expected
    level = np.full((3, 2), 0.7)
    assert batched_isotonic(level, np.ones((3, 2))).tolist() == level.tolist()


def test_a_value_without_weight_lies_on_the_line() -> None:
    values, weights = np.array([[9.0, 0.0, 9.0, 1.0, 9.0]]), np.array([[0.0, 1.0, 0.0, 1.0, 0.0]])
    assert batched_isotonic(values, weights).tolist() == [[0.0, 0.0, 0.5, 1.0, 1.0]]
    points = np.array([0.0, 1.0, 2.0, 5.0, 6.0])
    assert batched_isotonic(values, weights, points=points).tolist() == [[0.0, 0.0, 0.25, 1.0, 1.0]]
    assert np.isnan(batched_isotonic(values, np.zeros((1, 5)))).all()
    assert math.isnan(batched_isotonic(np.ones((1, 1)), np.zeros((1, 1)))[0, 0])
