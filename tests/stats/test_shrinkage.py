"""Linear shrinkage: golden numbers, exact identities, tuning against naive twins, options and edges."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import comb

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats import clopper_pearson, isotonic, shrink_means, shrink_rates, wilson
from neff.stats._shrinkage import Cells, best_lam, grand_means, leave_one_out, pool, tune, unbiased_risk, weight_at
from neff.stats.beta_binomial import variance_of

SMALL = np.array([0, 1, 3, 7, 2]), np.array([4, 5, 6, 20, 3])

# Batting averages 1970: hits in the first 45 at bats, and the average over the rest of the season (Efron and Morris).
HITS = np.array([18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7])
AT_BATS = np.full(18, 45)
REST = np.array([346, 298, 276, 222, 273, 270, 263, 210, 269, 230, 264, 256, 303, 264, 226, 286, 316, 200]) / 1000


def binomial(n: int, p: float) -> np.ndarray:
    x = np.arange(n + 1)
    return comb(n, x) * p**x * (1 - p) ** (n - x)


def cells_of(x, n, target):
    raw, variance = x / n, variance_of(x, n)
    gap = (raw - target) ** 2
    return pool(n.astype(float), gap, variance), gap, variance


# --- Golden numbers (method sheet, section 6) ---------------------------------------------------------------


def test_variances_are_unbiased_and_not_plugged_in():
    np.testing.assert_allclose(variance_of(*SMALL), [0, 0.04, 0.05, 0.01197368, 0.11111111], atol=5e-9)


@pytest.mark.parametrize(
    ("lam", "risk"),
    [(0, 0.0426169591), (1, 0.0286976332), (5, 0.0169994148), (20, 0.0165422575), (math.inf, 0.01960526316)],
)
def test_risk_curve_of_five_cells(lam, risk):
    fit = shrink_rates(*SMALL, target=0.25, lam=lam)
    assert fit.rule("linear").risk == pytest.approx(risk, abs=6e-11)
    assert fit.rule("linear").risk_in_sample == pytest.approx(risk, abs=6e-11)


def test_five_cells_are_tuned_and_shrunk():
    fit = shrink_rates(*SMALL, target=0.25)
    assert fit.lam == pytest.approx(9.91, rel=2e-3)  # the sheet's is a grid point
    assert fit.rule("linear").risk_in_sample == pytest.approx(0.0159160837, abs=2e-9)
    assert fit.rule("linear").risk_in_sample <= 0.0159160837
    np.testing.assert_allclose(
        shrink_rates(*SMALL, target=0.25, lam=5).shrunk, [0.13888889, 0.225, 0.38636364, 0.33, 0.40625], atol=5e-9
    )
    means = shrink_rates(*SMALL).target
    np.testing.assert_allclose(means, [0.38235294, 0.36363636, 0.3125, 0.33333333, 0.31428571], atol=5e-9)


def test_baseball():
    fit = shrink_rates(HITS, AT_BATS)
    assert fit.lam == pytest.approx(240.99, rel=1e-3)  # the sheet's is a grid point
    assert fit.rule("linear").risk_in_sample == pytest.approx(0.00068055, abs=5e-9)
    assert fit.rule("raw").risk == pytest.approx(0.00432722, abs=5e-9)
    assert fit.rule("target").risk == pytest.approx(0.00080755, abs=5e-9)
    at = shrink_rates(HITS, AT_BATS, lam=240.99)
    assert at.weight[0] == pytest.approx(0.842652, abs=5e-7)
    assert at.shrunk[0] == pytest.approx(0.279936, abs=5e-7)
    losses = [np.mean((rule - REST) ** 2) for rule in (at.shrunk, at.raw, at.target)]
    np.testing.assert_allclose(losses, [0.00121585, 0.00419378, 0.00146773], atol=5e-9)


# --- Exact enumeration --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 7, 11])
@pytest.mark.parametrize("p", [0.0, 0.03, 0.5, 0.9])
@pytest.mark.parametrize(("weight", "target"), [(0.0, 0.3), (0.4, 0.3), (1.0, 0.95)])
def test_the_risk_estimate_is_exactly_unbiased(n, p, weight, target):
    x = np.arange(n + 1)
    estimate = unbiased_risk(np.full(n + 1, weight), variance_of(x, np.full(n + 1, n)), (x / n - target) ** 2)
    risk = (1 - weight) ** 2 * p * (1 - p) / n + weight**2 * (p - target) ** 2
    assert binomial(n, p) @ estimate == pytest.approx(risk, rel=4e-16, abs=1e-16)


def test_the_risk_estimate_stays_unbiased_when_it_is_tuned_on_the_other_cells():
    """All 360 outcomes of four cells: E[U_i at the weight from the others] = E[loss of that weight]."""
    n, p, target = np.array([2, 5, 3, 4]), np.array([0.1, 0.35, 0.8, 0.3]), 0.4
    chance = [binomial(*cell) for cell in zip(n, p, strict=True)]
    estimated = realised = optimistic = 0.0
    for x in itertools.product(*(range(m + 1) for m in n)):
        x = np.array(x)
        probability = math.prod(chance[i][k] for i, k in enumerate(x))
        cells, gap, variance = cells_of(x, n, target)
        weight = tune(cells, n.astype(float), shape="pseudo-count")[1]
        out = leave_one_out(cells, n.astype(float), gap, variance, weight, shape="pseudo-count")
        estimated += probability * unbiased_risk(out, variance, gap).mean()
        optimistic += probability * unbiased_risk(weight, variance, gap).mean()
        realised += probability * np.mean(((1 - out) * x / n + out * target - p) ** 2)
    assert estimated == pytest.approx(realised, abs=1e-12)
    assert optimistic < 0.6 * realised  # in sample it is far too low with so few cells


# --- Tuning against naive twins -----------------------------------------------------------------------------


def some_cells(seed, n_cells=53):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 19, n_cells)
    return rng.binomial(n, rng.beta(2, 5, n_cells)), n


@pytest.mark.parametrize("seed", range(5))
def test_the_tuned_pseudo_count_has_the_lowest_risk_of_a_fine_grid(seed):
    x, n = some_cells(seed)
    fit = shrink_rates(x, n)
    used = n > 1
    gap = (fit.raw - fit.target) ** 2

    def mean_risk(lam):
        return unbiased_risk(weight_at(lam, fit.n), fit.variance, gap)[used].mean()

    grid = np.r_[0, np.geomspace(1e-3, 1e6, 20_001)]
    lowest = min(mean_risk(lam) for lam in grid)
    assert mean_risk(fit.lam) <= lowest + 1e-15
    assert fit.rule("linear").risk_in_sample == pytest.approx(mean_risk(fit.lam), abs=1e-15)


@pytest.mark.parametrize("shape", ["pseudo-count", "isotonic"])
@pytest.mark.parametrize("seed", range(3))
def test_leaving_a_cell_out_is_tuning_without_it(seed, shape):
    x, n = some_cells(seed, 31)
    size = n.astype(float)
    cells, gap, variance = cells_of(x, n, 0.3)
    weight = tune(cells, size, shape=shape)[1]
    out = leave_one_out(cells, size, gap, variance, weight, shape=shape)
    for i in range(31):
        if n[i] == 1:
            assert out[i] == weight[i]
            continue
        others = np.arange(31) != i
        rest = pool(size[others], gap[others], variance[others])
        expected = tune(rest, size[i : i + 1], shape=shape)[1]
        # a parabola through three points of the curve against bisection of its slope
        np.testing.assert_allclose(out[i], expected[0], atol=1e-4 if shape == "pseudo-count" else 1e-9)


def test_isotonic_weights_have_the_lowest_risk_of_all_that_do_not_rise_with_n():
    rng = np.random.default_rng(3)
    n = np.repeat([2, 3, 5, 7], 11)
    x = rng.binomial(n, 0.2 + 0.3 * rng.random(44))
    fit = shrink_rates(x, n, shape="isotonic", target=0.3)
    by_size = [fit.weight[n == size][0] for size in (2, 3, 5, 7)]
    assert np.all(np.diff(by_size) <= 0)
    gap = (fit.raw - 0.3) ** 2
    grid = np.linspace(0, 1, 26)
    risks = {
        size: (unbiased_risk(grid[:, None], fit.variance[None, n == size], gap[None, n == size])).sum(axis=1)
        for size in (2, 3, 5, 7)
    }
    best = min(
        sum(risks[size][k] for size, k in zip((2, 3, 5, 7), ks, strict=True))
        for ks in itertools.product(range(26), repeat=4)
        if all(a >= b for a, b in itertools.pairwise(ks))
    )
    found = 44 * fit.rule("linear").risk_in_sample
    assert best - 2e-3 < found <= best + 1e-12
    assert math.isnan(fit.lam)


def test_isotonic_weights_pool_ratios_and_clip():
    cells = Cells(np.array([2.0, 3.0, 5.0]), np.array([0.1, 0.2, 0.0]), np.array([0.02, 0.1, 0.0]))
    lam, weight = tune(cells, np.array([1.0, 2.0, 3.0, 9.0]), shape="isotonic")
    assert math.isnan(lam)
    np.testing.assert_allclose(weight, [0.4, 0.4, 0.4, 0.4])  # (0.02 + 0.1) / (0.1 + 0.2)
    assert isotonic([0.2, 0.5], weights=[0.1, 0.2], increasing=False).tolist() == pytest.approx([0.4, 0.4])
    one = Cells(np.array([2.0, 3.0]), np.array([0.1, 0.2]), np.array([0.5, 0.1]))
    np.testing.assert_allclose(tune(one, one.size, shape="isotonic")[1], [1.0, 0.5])


def test_ties_go_to_more_shrinkage():
    flat = Cells(np.array([3.0]), np.array([0.0]), np.array([0.0]))
    assert best_lam(flat) == math.inf


def test_grand_means_leave_the_cell_out():
    values, size = np.array([0.1, 0.7, 0.4]), np.array([2.0, 3.0, 5.0])
    expected = [np.average(np.delete(values, i), weights=np.delete(size, i)) for i in range(3)]
    np.testing.assert_allclose(grand_means(values, size), expected, rtol=1e-14)
    assert np.isnan(grand_means(np.array([0.5]), np.array([2.0]))).all()
    assert grand_means(np.full(7, 0.1), np.arange(1.0, 8)).tolist() == [0.1] * 7


# --- What comes back ----------------------------------------------------------------------------------------


def test_a_cell_of_one_answer_is_shrunk_but_does_not_tune():
    x, n = np.array([0, 1, 3, 7, 2, 1]), np.array([4, 5, 6, 20, 3, 1])
    fit, without = shrink_rates(x, n, target=0.25), shrink_rates(*SMALL, target=0.25)
    assert fit.lam == without.lam
    assert fit.rule("linear").risk == without.rule("linear").risk
    assert fit.weight[5] == fit.lam / (fit.lam + 1)
    assert np.isnan(fit.variance[5])


def test_every_answer_alone_leaves_the_raw_rates_with_the_reason():
    fit = shrink_rates([1, 0, 1, 1, 0], np.ones(5))
    assert fit.reason is Reason.ONE_ANSWER_PER_CELL
    assert fit.shrunk.tolist() == fit.raw.tolist()
    assert fit.lam == 0
    assert math.isnan(fit.gain)
    assert math.isnan(fit.gain_interval.low)
    given = shrink_rates([1, 0, 1, 1, 0], np.ones(5), lam=3)
    assert given.reason is None
    np.testing.assert_allclose(given.shrunk[:2], [0.25 * 1 + 0.75 * 0.5, 0.75 * 0.75])


@pytest.mark.parametrize(("x", "n", "reason"), [([], [], Reason.EMPTY), ([1, 1, 2], [2, 3, 1 + 1], None)])
def test_no_cells_and_three(x, n, reason):
    fit = shrink_rates(x, n)
    assert fit.reason is reason
    assert fit.shrunk.shape == (len(x),)
    assert fit.interval.shape == (len(x), 2)


def test_two_cells_are_too_few():
    fit = shrink_rates([1, 4], [5, 5])
    assert fit.reason is Reason.TOO_FEW
    assert fit.shrunk.tolist() == [0.2, 0.8]
    assert fit.beta_binomial is not None
    assert np.isnan(fit.beta_binomial.shrunk).all()


@pytest.mark.parametrize(("x", "value"), [(0, 0.0), (5, 1.0), (2, 0.4)])
def test_equal_rates_stay_where_they_are(x, value):
    fit = shrink_rates([x] * 7, [5] * 7)
    np.testing.assert_allclose(fit.shrunk, value, atol=1e-15)
    assert fit.lam == math.inf
    assert fit.beta_binomial is not None
    np.testing.assert_allclose(fit.beta_binomial.shrunk, value, atol=1e-15)
    assert fit.gain_interval.reason is Reason.ALL_EQUAL


def test_intervals_are_those_of_the_raw_rates():
    fit = shrink_rates(*SMALL, level=0.9)
    exact = shrink_rates(*SMALL, interval="clopper-pearson")
    for i, (x, n) in enumerate(zip(*SMALL, strict=True)):
        assert tuple(fit.interval[i]) == wilson(x, n, level=0.9)[:2]
        assert tuple(exact.interval[i]) == clopper_pearson(x, n)[:2]


def test_a_mean_with_its_sample_variance_is_a_count():
    """0/1 scores: sample variance / n is the estimate for counts, so both functions agree."""
    x, n = some_cells(8)
    counts = shrink_rates(x, n)
    means = shrink_means(x / n, counts.variance, n)
    assert means.lam == counts.lam
    np.testing.assert_allclose(means.shrunk, counts.shrunk, rtol=1e-14)
    assert means.beta_binomial is None
    assert means.reference == "raw"
    assert [rule.rule for rule in means.rules] == ["raw", "target", "linear"]


def test_t_intervals_of_means():
    fit = shrink_means([0.5, 0.7, 0.2], [0.04, 0.0, np.nan], [5, 3, 1], level=0.95)
    np.testing.assert_allclose(fit.interval[0], [0.5 - 2.776445 * 0.2, 0.5 + 2.776445 * 0.2], rtol=1e-6)
    assert np.isnan(fit.interval[1:]).all()


def test_clusters_widen_the_interval_of_the_gain():
    x, n = some_cells(4)
    twice = np.tile(np.arange(53), 2)
    alone = shrink_rates(np.tile(x, 2), np.tile(n, 2), target=0.3, lam=4)
    together = shrink_rates(np.tile(x, 2), np.tile(n, 2), target=0.3, lam=4, cluster=twice)
    once = shrink_rates(x, n, target=0.3, lam=4)
    assert together.gain == pytest.approx(alone.gain, rel=1e-12) == pytest.approx(once.gain, rel=1e-12)
    np.testing.assert_allclose(together.gain_interval[:2], once.gain_interval[:2], rtol=1e-9)
    assert alone.gain_interval.high - alone.gain_interval.low < 0.75 * (
        once.gain_interval.high - once.gain_interval.low
    )


def test_a_rule_is_best_only_if_its_interval_says_so():
    x, n = some_cells(1)
    fit = shrink_rates(x, n)
    linear = fit.rule("linear")
    assert fit.reference == fit.best == "beta-binomial"
    assert linear.interval.low < 0 < linear.interval.high
    truth = np.linspace(0.05, 0.9, 97)
    x = np.random.default_rng(2).binomial(7, truth)
    informed = shrink_rates(x, np.full(97, 7), target=truth)
    assert informed.best in ("linear", "target")
    assert informed.rule("target").interval.high < 0
    with pytest.raises(KeyError, match="no rule 'lasso'"):
        fit.rule("lasso")


# --- Arguments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1.5], [2]), {}, r"successes must be whole counts, got 1\.5.*shrink_means"),
        (([1], [0]), {}, r"n must be 1 or more, got 0\.0.*leave out cells"),
        (([3], [2]), {}, r"successes must be between 0 and n \(2\), got 3\.0"),
        (([1, 2], [3]), {}, "as long as successes"),
        (([np.nan], [3]), {}, "free of NaN"),
        (([1, 2], [3, 3]), {"target": 1.2}, r"target must be between 0 and 1, got 1\.2"),
        (([1, 2], [3, 3]), {"target": [0.2]}, "as long as cells"),
        (([1, 2], [3, 3]), {"target": "median"}, "target must be 'mean'"),
        (([1, 2], [3, 3]), {"lam": -1}, "lam must be 0 or more"),
        (([1, 2], [3, 3]), {"lam": math.nan}, "lam must be 0 or more"),
        (([1, 2], [3, 3]), {"lam": 1, "shape": "isotonic"}, "lam must be None with shape='isotonic'"),
        (([1, 2], [3, 3]), {"shape": "isotone"}, "Did you mean 'isotonic'"),
        (([1, 2], [3, 3]), {"interval": "wald"}, "interval must be 'wilson'"),
        (([1, 2], [3, 3]), {"cluster": [1]}, "cluster must be of length 2"),
        (([1, 2], [3, 3]), {"level": 95}, r"Did you mean 0\.95"),
    ],
)
def test_bad_arguments_are_named(arguments, options, message):
    with pytest.raises(ArgumentError, match=message):
        shrink_rates(*arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([np.inf], [1], [2]), "means must be finite"),
        (([1.0], [-1], [2]), "variances must be 0 or more, or NaN"),
        (([1.0], [1], [0]), "n must be above 0"),
        (([1.0], [1, 2], [2]), "variances must be as long as means"),
    ],
)
def test_bad_means_are_named(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        shrink_means(*arguments)
