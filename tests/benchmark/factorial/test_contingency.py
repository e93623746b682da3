"""Chi-squared: the sheet's numbers, a published statistic recomputed, small expected counts, refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from neff.benchmark.factorial import chi_squared
from neff.errors import ArgumentError
from neff.reasons import Reason


def test_golden():
    found = chi_squared([[433, 141], [430, 144], [415, 159], [415, 159]])
    assert (found.statistic, found.p_value) == pytest.approx((2.489690, 0.477157), abs=5e-7)
    assert (found.df, found.method, found.reason) == (3, "chi-squared", None)


@pytest.mark.parametrize(("n", "statistic", "p"), [(574, 2.49, 0.477), (2100, 8.97, 0.030)])
def test_a_published_statistic_recomputed(n, statistic, p):
    """arXiv:2602.05447 reports 2.45, p .484 for four formats of 8,401 runs: n = 574 each, not a quarter of the runs."""
    right = np.rint(n * np.array([0.754, 0.749, 0.723, 0.723]))
    found = chi_squared(np.column_stack([right, n - right]))
    assert found.statistic == pytest.approx(statistic, abs=5e-3)
    assert found.p_value == pytest.approx(p, abs=5e-4)


def test_scipy_and_empty_rows():
    from scipy.stats import chi2_contingency

    table = np.array([[13, 17, 29], [31, 5, 11], [0, 0, 0], [7, 19, 23]])
    wanted = chi2_contingency(table[[0, 1, 3]], correction=False)
    found = chi_squared(table)
    assert (found.statistic, found.p_value, found.df) == pytest.approx((wanted.statistic, wanted.pvalue, wanted.dof))
    assert found.cramers_v == pytest.approx(math.sqrt(wanted.statistic / table.sum() / 2))


def test_small_expected_counts_take_permutations():
    """Fisher's exact test of the same table: two-sided by probability, which here is the same order of tables."""
    from scipy.stats import fisher_exact

    found = chi_squared([[7, 1], [2, 6]], n_resamples=20000, rng=0)
    assert (found.method, found.smallest_expected < 5) == ("permutation", True)
    exact = fisher_exact([[7, 1], [2, 6]]).pvalue
    assert found.p_value == pytest.approx(exact, abs=4 * math.sqrt(exact / 20000))
    assert chi_squared([[7, 1], [2, 6]], rng=3) == chi_squared([[7, 1], [2, 6]], rng=3)


@pytest.mark.parametrize(("table", "reason"), [([[0, 0], [0, 0]], Reason.EMPTY), ([[3, 0], [5, 0]], Reason.ALL_EQUAL)])
def test_undefined_has_a_reason(table, reason):
    found = chi_squared(table)
    assert (found.reason, math.isnan(found.p_value)) == (reason, True)
    assert str(found).startswith("undefined")
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "table",
    [
        [[0.7, 0.3], [0.5, 0.5]],
        [[1, 2, 3]],
        [1, 2],
        [[-1, 2], [3, 4]],
        [[math.inf, 2], [3, 4]],
        [["a", "b"], ["c", "d"]],
    ],
)
def test_bad_input_is_named(table):
    with pytest.raises(ArgumentError, match="table"):
        chi_squared(table)
