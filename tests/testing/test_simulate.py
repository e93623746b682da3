"""The simulators against their own closed forms: what they promise is what comes out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.testing import simulate_scores, simulate_weights

MEANS = {"A": 0.55, "B": 0.5, "C": 0.45}
CLUSTERED = {"clusters": (2, 3, 5, 1), "icc": 0.6}
CASES = [
    {"scores": scores, **design}
    for scores in ("normal", "skewed", "binary")
    for design in (
        {},
        CLUSTERED,
        {"n_draws": 3, **CLUSTERED},
        {"n_draws": 3, "unscored": 0.3, "unmatched": 0.1, **CLUSTERED},
    )
]


def item_means(records, n_items):
    """Return means over scored draws of shape (tasks, items, models), without any room of neff."""
    shape = (records.task.n_levels, n_items, records.model.n_levels)
    cell = np.ravel_multi_index((records.task.codes, records.item.codes, records.model.codes), shape)
    scored = ~np.isnan(records.score)
    count = np.bincount(cell[scored], minlength=math.prod(shape))
    total = np.bincount(cell[scored], records.score[scored], minlength=math.prod(shape))
    with np.errstate(invalid="ignore"):
        return (total / count).reshape(shape)


def check_truth(case, n_tasks, seed, z_bound=4.5):
    n_items = 11
    records, truth = simulate_scores(n_items, means=MEANS, n_tasks=n_tasks, rng=seed, **case)
    means = item_means(records, n_items)
    by_task = np.nanmean(means, axis=1)

    def check_moments(sample, mean, standard_error):
        """Compare mean and variance of the replicates with the truth, each within its own Monte Carlo error."""
        z = (sample.mean() - mean) / (standard_error / math.sqrt(len(sample)))
        assert abs(z) < z_bound
        squares = (sample - mean) ** 2
        z = (squares.mean() - standard_error**2) / (squares.std() / math.sqrt(len(sample)))
        assert abs(z) < z_bound

    for j, name in enumerate(MEANS):
        check_moments(by_task[:, j], truth.mean[name], truth.standard_error[name])
    for (i, a), (j, b) in itertools.combinations(enumerate(MEANS), 2):
        difference = np.nanmean(means[..., i] - means[..., j], axis=1)
        check_moments(difference, truth.difference(a, b), truth.difference_standard_error[a, b])
        assert truth.difference_standard_error[a, b] == truth.difference_standard_error[b, a]
    check_components(records, truth, z_bound)
    return truth


def check_components(records, truth, z_bound):
    """Compare item and sampling variance with the truth, by draw 0 against draw 1 of each item."""
    scores = dict(zip(zip(records.cell().tolist(), records.draw.tolist(), strict=True), records.score, strict=True))
    if records.draw.max() == 0:
        return
    for j, name in enumerate(MEANS):
        rows = np.flatnonzero((records.model.codes == j) & (records.draw == 0))
        first = records.score[rows] - truth.mean[name]
        second = np.array([scores[cell, 1] for cell in records.cell()[rows].tolist()]) - truth.mean[name]
        both = ~np.isnan(first + second)
        tasks = records.task.codes[rows][both]
        for product, expected in (
            (first * second, truth.item_variance),
            ((first - second) ** 2 / 2, truth.sampling_variance[name]),
        ):
            count = np.bincount(tasks)  # rows are independent between tasks only
            per_task = np.bincount(tasks, product[both])[count > 0] / count[count > 0]
            assert abs(per_task.mean() - expected) < z_bound * per_task.std() / math.sqrt(len(per_task))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_moments_are_as_promised(case):
    check_truth(case, n_tasks=1009, seed=11)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_moments_are_as_promised_in_long(case):
    check_truth(case, n_tasks=30011, seed=12)


def test_closed_forms_by_hand():
    _, truth = simulate_scores(7, means=MEANS, item_sd=0.2, sampling_sd=0.3, n_draws=5, correlation=0.25, rng=1)
    assert truth.standard_error["A"] ** 2 == pytest.approx((0.04 + 0.09 / 5) / 7, rel=1e-12)
    assert truth.difference_standard_error["A", "B"] ** 2 == pytest.approx(
        (2 * 0.75 * 0.04 + 2 * 0.09 / 5) / 7, rel=1e-12
    )
    _, truth = simulate_scores(12, means=MEANS, item_sd=0.2, sampling_sd=0.0, clusters=3, icc=0.5, rng=1)
    assert truth.standard_error["A"] ** 2 == pytest.approx(0.04 * (1 + 3 * 0.5) / 12, rel=1e-12)
    _, truth = simulate_scores(7, means=MEANS, scores="binary", item_sd=0.2, rng=1)
    assert truth.sampling_variance["B"] == pytest.approx(0.25 - 0.04, rel=1e-12)


@pytest.mark.parametrize("scores", ["normal", "skewed", "binary"])
def test_cluster_and_model_correlation(scores):
    """Covariances of item effects: other model, other item of the cluster, both, and another cluster."""
    n_tasks, item_sd = 4001, 0.2
    records, _ = simulate_scores(
        6, means=MEANS, scores=scores, item_sd=item_sd, sampling_sd=0.0, correlation=0.5, clusters=2, icc=0.4,
        n_tasks=n_tasks, rng=13,
    )  # fmt: skip
    z = (item_means(records, 6) - np.array([*MEANS.values()])) / item_sd
    for product, expected in (
        (z[:, 0, 0] * z[:, 0, 1], 0.5),
        (z[:, 0, 0] * z[:, 1, 0], 0.4),
        (z[:, 0, 0] * z[:, 1, 1], 0.2),
        (z[:, 0, 0] * z[:, 3, 0], 0.0),
        (z[:, 0, 0] * z[:, 3, 1], 0.0),
    ):
        assert abs(product.mean() - expected) < 4.5 * product.std() / math.sqrt(n_tasks)


def test_full_correlation_and_full_icc():
    records, truth = simulate_scores(
        7, means=MEANS, sampling_sd=0.0, correlation=1.0, clusters=(2, 5), icc=1.0, n_tasks=3, rng=5
    )
    z = item_means(records, 7) - np.array([*MEANS.values()])
    np.testing.assert_allclose(z[..., 0], z[..., 2], atol=1e-12)
    np.testing.assert_allclose(z[:, 0], z[:, 1], atol=1e-12)
    assert truth.difference_standard_error["A", "C"] == 0.0


def test_shape_of_records():
    records, _ = simulate_scores(13, means=MEANS, n_draws=2, clusters=5, n_tasks=3, rng=2)
    assert len(records) == 13 * 3 * 2 * 3
    assert (records.item.n_levels, records.model.levels, records.task.n_levels) == (13, ("A", "B", "C"), 3)
    assert records.clusters[0].n_levels == 15  # clusters of one task have nothing to do with those of another
    assert not simulate_scores(13, rng=2)[0].clusters


def test_shares_of_unscored_and_unmatched():
    records, _ = simulate_scores(2003, means=MEANS, unscored=0.2, unmatched=0.3, rng=3)
    n, full = len(records), 2003 * 3
    assert abs(n / full - 0.7) < 4 * math.sqrt(0.21 / full)
    assert abs(np.isnan(records.score).mean() - 0.2) < 4 * math.sqrt(0.16 / n)


def test_same_seed_same_records_and_no_global_state():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (simulate_scores(17, n_draws=2, rng=seed)[0] for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.score, again.score)
    assert not np.array_equal(first.score, other.score)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"icc": 1.5}, "icc must be between 0 and 1, got 1.5"),
        ({"unscored": -0.1}, "unscored must be between 0 and 1"),
        ({"item_sd": -1.0}, "item_sd must be a non-negative number"),
        ({"clusters": 101}, "clusters must be between 1 and n_items"),
        ({"clusters": (40, 40)}, "positive sizes that sum to 100"),
        ({"scores": "binary", "item_sd": 0.3}, "Take a smaller item_sd"),
        ({"scores": "poisson"}, "scores must be one of normal, skewed, binary"),
        ({"n_draws": 0}, "n_draws must be a whole number of at least 1"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ArgumentError, match=message):
        simulate_scores(100, **options)


@pytest.mark.parametrize("fraction", [0.9, 0.5, 0.2])
def test_weights_have_the_promised_ess(fraction):
    n = 200_003
    log_weights, values, truth = simulate_weights(n, n_eff_fraction=fraction, slope=0.7, rng=17)
    weights = np.exp(log_weights)
    assert truth.n_eff_fraction == fraction
    assert truth.log_weight_sd**2 == pytest.approx(-math.log(fraction), rel=1e-12)
    for sample, expected in ((weights, 1.0), (weights * values, truth.mean), (weights**2, 1 / fraction)):
        assert abs(sample.mean() - expected) < 4.5 * sample.std() / math.sqrt(n)


def test_equal_weights_and_bad_fraction():
    log_weights, _, truth = simulate_weights(5, n_eff_fraction=1.0, rng=1)
    np.testing.assert_array_equal(log_weights, np.zeros(5))
    assert truth.mean == 0.0
    with pytest.raises(ArgumentError, match="n_eff_fraction must be in"):
        simulate_weights(5, n_eff_fraction=0.0)
