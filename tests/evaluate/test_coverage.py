"""Do the intervals of `evaluate` cover what they say? Two-sided: too rarely and too often both fail.

Replicates are the tasks of one table, so one call sees them all. Standard errors are held against the true one,
which the simulator knows in closed form, and biases against their Monte Carlo error. Where outcomes can be counted
(0/1 scores), coverage is computed exactly, by running every outcome through `evaluate` once: no noise, no slack.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import gammaln, xlogy

from neff.evaluate import evaluate
from neff.records import Records
from neff.results import Estimate
from neff.testing import check_estimator, coverage_band, simulate_scores

FAST, SLOW = 1009, 10007
SE_RATIO = (0.9, 1.1)


def unequal(n_clusters):
    """Return cluster sizes 1, 2, 3, 4, 5, 1, 2, ..."""
    return [1 + i % 5 for i in range(n_clusters)]


# name -> (design, accepted true coverage of means, of differences). A t interval is exact for normal item means
# and for clusters of equal size, and about right otherwise: what "about" allows is written here.
EXACT = (0.95, 0.95)
DESIGNS = {
    "normal, 11 items": ({"n_items": 11}, EXACT, EXACT),
    "normal, 101 items": ({"n_items": 101}, EXACT, EXACT),
    "normal, 2 items": ({"n_items": 2}, EXACT, EXACT),
    "skewed, 101 items": ({"n_items": 101, "scores": "skewed"}, (0.935, 0.95), (0.945, 0.955)),
    "7 items, 5 draws": ({"n_items": 7, "n_draws": 5}, EXACT, EXACT),
    "unscored and unmatched": (
        {"n_items": 31, "n_draws": 3, "unscored": 0.3, "unmatched": 0.2}, (0.945, 0.955), (0.945, 0.955),
    ),
    "5 clusters of 3": ({"n_items": 15, "clusters": 5, "icc": 0.5}, EXACT, EXACT),
    "20 clusters of 3": ({"n_items": 60, "clusters": 20, "icc": 0.5}, EXACT, EXACT),
    "100 clusters of 3": ({"n_items": 300, "clusters": 100, "icc": 0.5}, EXACT, EXACT),
    # Sums of clusters of unequal size have unequal variances: five of them are too few for a t interval.
    "5 unequal clusters": ({"n_items": 15, "clusters": unequal(5), "icc": 0.5}, (0.915, 0.95), (0.915, 0.95)),
    "20 unequal clusters": ({"n_items": 60, "clusters": unequal(20), "icc": 0.5}, (0.935, 0.95), (0.935, 0.95)),
    "100 unequal clusters": ({"n_items": 300, "clusters": unequal(100), "icc": 0.5}, (0.945, 0.95), (0.945, 0.95)),
    "0/1, 20 unequal clusters": (
        {"n_items": 60, "clusters": unequal(20), "icc": 0.5, "scores": "binary"}, (0.935, 0.955), (0.935, 0.955),
    ),
    "0/1, 30 items, 5 draws": ({"n_items": 30, "n_draws": 5, "scores": "binary"}, (0.94, 0.955), (0.94, 0.955)),
}  # fmt: skip


def check(values, errors, intervals, truth, true_error, levels):
    """Check coverage, bias and standard error of replicates."""
    values, errors, intervals = np.array(values), np.array(errors), np.array(intervals)
    assert not np.isnan(intervals).any()
    covered = float(np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])))
    low, high = coverage_band(len(values), levels)
    assert low <= covered <= high
    miss_below, miss_above = np.mean(intervals[:, 1] < truth), np.mean(intervals[:, 0] > truth)
    assert covered + miss_below + miss_above == pytest.approx(1.0, abs=1e-12)
    assert abs(values.mean() - truth) < 4 * true_error / math.sqrt(len(values))
    spread = float(np.std(values, ddof=1))
    assert abs(spread / true_error - 1) < 4 * _relative_error(values)  # the simulator itself
    ratio = math.sqrt(float(np.mean(errors**2))) / true_error
    assert SE_RATIO[0] < ratio < SE_RATIO[1]


def _relative_error(values):
    """Return the relative Monte Carlo error of a standard deviation, from the kurtosis of the values."""
    z = (values - values.mean()) / values.std()
    return math.sqrt(max(float(np.mean(z**4)) - 1, 0.1) / len(values)) / 2


def replicates(design, n, seed):
    records, truth = simulate_scores(n_tasks=n, rng=seed, **design)
    result = evaluate(records, aggregate="none", pairs=[("A", "B")])
    return [e for e in result.estimates if e.model == "A"], result.comparisons, truth


def check_design(name, n, seed):
    design, of_means, of_differences = DESIGNS[name]
    estimates, comparisons, truth = replicates(design, n, seed)
    assert len(estimates) == len(comparisons) == n
    check(
        [e.value for e in estimates],
        [e.standard_error for e in estimates],
        [e.interval for e in estimates],
        truth.mean["A"],
        truth.standard_error["A"],
        of_means,
    )
    check(
        [c.difference for c in comparisons],
        [c.standard_error for c in comparisons],
        [c.interval for c in comparisons],
        truth.difference("A", "B"),
        truth.difference_standard_error["A", "B"],
        of_differences,
    )


@pytest.mark.parametrize("name", DESIGNS)
def test_means_and_paired_differences_cover(name):
    check_design(name, FAST, seed=101)


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_means_and_paired_differences_cover_in_long(name):
    check_design(name, SLOW, seed=102)


EQUAL = [{"n_items": 13}, {"n_items": 39, "clusters": 13, "icc": 0.5, "n_draws": 2}]


def check_false_differences(design, n, seed):
    """Two models that are equally good: p-values are uniform, as those of an exact test are."""
    _, comparisons, _ = replicates({"means": {"A": 0.5, "B": 0.5}, **design}, n, seed)
    p = np.array([c.p_value for c in comparisons])
    for level in (0.05, 0.25, 0.5):
        low, high = coverage_band(n, level)
        assert low <= np.mean(p < level) <= high


@pytest.mark.parametrize("design", EQUAL, ids=str)
def test_equal_models_are_told_apart_as_rarely_as_promised(design):
    check_false_differences(design, FAST, seed=103)


@pytest.mark.slow
@pytest.mark.parametrize("design", EQUAL, ids=str)
def test_equal_models_are_told_apart_as_rarely_as_promised_in_long(design):
    check_false_differences(design, SLOW, seed=104)


def check_components(design, n, seed):
    """Item and sampling variance are unbiased, and n_eff follows from them."""
    estimates, _, truth = replicates(design, n, seed)
    for name, expected in (("item", truth.item_variance), ("sampling", truth.sampling_variance["A"])):
        found = np.array([e.components[name] for e in estimates])
        assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(n)
    single = truth.item_variance + truth.sampling_variance["A"]
    n_eff = np.array([e.n_eff for e in estimates])
    assert 0.9 < np.median(n_eff) / (single / truth.standard_error["A"] ** 2) < 1.1


REPEATS = [
    {"n_items": 47, "n_draws": 2},
    {"n_items": 47, "n_draws": 7, "scores": "skewed"},
    {"n_items": 101, "n_draws": 3, "scores": "binary"},
    {"n_items": 47, "n_draws": 5, "unscored": 0.2},
]


@pytest.mark.parametrize("design", REPEATS, ids=str)
def test_item_and_sampling_variance_are_unbiased(design):
    check_components(design, FAST, seed=105)


@pytest.mark.slow
@pytest.mark.parametrize("design", REPEATS, ids=str)
def test_item_and_sampling_variance_are_unbiased_in_long(design):
    check_components(design, SLOW, seed=106)


# ---- one call after the other, by the check that is offered to everybody ----

CONTRACT = {
    "normal": {"n_items": 13, "n_draws": 2},
    "clusters": {"n_items": 33, "clusters": 11, "icc": 0.4, "unscored": 0.1},
    "average of 3 tasks": {"n_items": 7, "n_tasks": 3},
    "average of 3 tasks, clusters": {"n_items": 22, "n_tasks": 3, "clusters": 11, "icc": 0.4},
}


def check_contract(name, n, seed):
    def simulate(rng):
        records, truth = simulate_scores(rng=rng, **CONTRACT[name])
        return records, truth.difference("A", "B")

    def difference(records):
        found = evaluate(records, pairs=[("A", "B")]).comparisons[0]
        return Estimate(found.difference, found.standard_error, found.interval, reason=found.reason)

    def score(records):
        return evaluate(records, pairs=False).estimate("A")

    report = check_estimator(difference, simulate, n_replicates=n, rng=seed)
    assert report.passed, report
    report = check_estimator(score, lambda rng: (simulate(rng)[0], 0.6), n_replicates=n, rng=seed)
    assert report.passed, report


@pytest.mark.parametrize("name", CONTRACT)
def test_evaluate_keeps_the_contract(name):
    check_contract(name, n=401, seed=107)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTRACT)
def test_evaluate_keeps_the_contract_in_long(name):
    check_contract(name, n=4001, seed=108)


# ---- 0/1 scores: every outcome, exactly ----


def binomial(n, hits, p):
    """Return P(hits | n, p) of shape (len(hits), len(p))."""
    ways = gammaln(n + 1) - gammaln(hits + 1) - gammaln(n - hits + 1)
    return np.exp(ways[:, None] + xlogy(hits[:, None], p) + xlogy((n - hits)[:, None], 1 - p))


@pytest.mark.parametrize(
    ("n", "mean_coverage", "lowest"), [(10, 0.9541, 0.836), (30, 0.9523, 0.841), (100, 0.9511, 0.839)]
)
def test_accuracy_covers_on_average_over_p(n, mean_coverage, lowest):
    """Coverage of a proportion wiggles with p; its average over p is what an interval can promise.

    The averages are above 0.95 and fall towards it; the lowest coverage is near p = 0 and 1, where one outcome
    carries all the weight (Brown, Cai and DasGupta 2001 show it for Wilson's interval).
    """
    outcome, item = np.divmod(np.arange((n + 1) * n), n)
    result = evaluate(
        Records.build(
            item=item, model=["A"] * len(item), task=[f"{k:03d}" for k in outcome], score=(item < outcome).astype(float)
        ),
        aggregate="none",
    )
    hits = np.array([int(e.task) for e in result.estimates])
    assert sorted(hits) == list(range(n + 1))
    low, high = np.array([e.interval for e in result.estimates]).T
    p = (np.arange(2003) + 0.5) / 2003
    chance = binomial(n, hits, p)
    coverage = (chance * ((low[:, None] <= p) & (p <= high[:, None]))).sum(axis=0)
    assert coverage.mean() == pytest.approx(mean_coverage, abs=5e-4)
    assert coverage[(p > 0.1) & (p < 0.9)].mean() > 0.95
    assert coverage.min() > lowest - 0.005
    # The squared standard error is unbiased: undefined ones are those of all-right and all-wrong, which add nothing.
    squared = np.nan_to_num(np.array([e.standard_error for e in result.estimates])) ** 2
    np.testing.assert_allclose((chance * squared[:, None]).sum(axis=0), p * (1 - p) / n, rtol=1e-9)


@pytest.mark.parametrize("n", [10, 30])
def test_paired_accuracies_cover_at_every_difference(n):
    """Over all outcomes (only A right, only B right): coverage of the difference, and false alarms at no difference."""
    outcomes = np.array([(a, b) for a, b in itertools.product(range(n + 1), repeat=2) if a + b <= n])
    item = np.arange(n)
    right_a = item < outcomes[:, :1]
    right_b = (item >= outcomes[:, :1]) & (item < outcomes.sum(axis=1, keepdims=True))
    rows = len(outcomes) * n
    result = evaluate(
        Records.build(
            item=np.tile(item, 2 * len(outcomes)),
            model=["A"] * rows + ["B"] * rows,
            task=[f"{t:04d}" for t in np.tile(np.repeat(np.arange(len(outcomes)), n), 2)],
            score=np.concatenate([right_a.ravel(), right_b.ravel()]).astype(float),
        ),
        aggregate="none",
        pairs=[("A", "B")],
    )
    only_a, only_b = outcomes[[int(c.task) for c in result.comparisons]].T
    low, high = np.array([c.interval for c in result.comparisons]).T
    p_value = np.nan_to_num(np.array([c.p_value for c in result.comparisons]), nan=1.0)
    ways = gammaln(n + 1) - gammaln(only_a + 1) - gammaln(only_b + 1) - gammaln(n - only_a - only_b + 1)
    coverages = []
    for difference, discordant in itertools.product((0.0, 0.05, 0.1, 0.2, 0.4), (0.1, 0.2, 0.3, 0.5, 0.7)):
        if difference > discordant:
            continue
        p10, p01 = (discordant + difference) / 2, (discordant - difference) / 2
        chance = np.exp(ways + xlogy(only_a, p10) + xlogy(only_b, p01) + xlogy(n - only_a - only_b, 1 - discordant))
        assert chance.sum() == pytest.approx(1.0, abs=1e-9)
        coverages.append(float(chance[(low <= difference) & (difference <= high)].sum()))
        if difference == 0:
            assert chance[p_value < 0.05].sum() < 0.05
    assert min(coverages) > 0.94
    assert np.mean(coverages) < 0.985
    # With many discordant items there is no excuse for over-coverage.
    assert coverages[-1] < 0.97
