"""Multiple testing: edge cases, golden numbers, statsmodels as an oracle, properties, error rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from neff.errors import ArgumentError
from neff.stats.multiplicity import adjust, simultaneous_z

METHODS = ["holm", "benjamini-hochberg", "benjamini-yekutieli", "bonferroni", "none"]
ORACLE = {
    "holm": "holm",
    "benjamini-hochberg": "fdr_bh",
    "benjamini-yekutieli": "fdr_by",
    "bonferroni": "bonferroni",
}
families = st.lists(st.one_of(st.floats(0, 1), st.just(math.nan), st.sampled_from([0.0, 0.01, 1.0])), max_size=23)
checked = settings(max_examples=60, deadline=None, derandomize=True)


# --- Edge cases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_small_families(method: str) -> None:
    assert adjust([], method=method).shape == (0,)
    assert adjust([0.03], method=method).tolist() == [0.03]
    assert adjust([0.0, 1.0, 1.0], method=method).tolist() == [0.0, 1.0, 1.0]
    np.testing.assert_array_equal(adjust([math.nan, math.nan], method=method), [math.nan, math.nan])


@pytest.mark.parametrize("method", METHODS)
def test_a_test_that_could_not_be_done_does_not_count_in_the_family(method: str) -> None:
    with_gaps = adjust([math.nan, 0.02, math.nan, 0.03, 0.2], method=method)
    np.testing.assert_array_equal(np.isnan(with_gaps), [True, False, True, False, False])
    np.testing.assert_array_equal(with_gaps[[1, 3, 4]], adjust([0.02, 0.03, 0.2], method=method))


def test_the_input_is_left_alone() -> None:
    p = np.array([0.04, 0.01, 0.03])
    for method in METHODS:
        adjust(p, method=method)[0] = 7.0
    assert p.tolist() == [0.04, 0.01, 0.03]


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"p_values must be in \[0, 1\], got 1\.2\. See position 1"):
        adjust([0.2, 1.2, -1.0])
    with pytest.raises(ArgumentError, match=r"got inf"):
        adjust([math.inf])
    with pytest.raises(ArgumentError, match="Did you mean 'benjamini-hochberg'"):
        adjust([0.2], method="benjamini-hochburg")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="k must be a whole number of at least 1"):
        simultaneous_z(0)
    with pytest.raises(ArgumentError, match=r"Did you mean 0\.95"):
        simultaneous_z(2, level=95)


# --- Reference values ---------------------------------------------------------------------------------------


def test_golden_numbers() -> None:
    # shared/methods/cje-inference-diagnostics.md, 6.1 (run of cje-eval 0.3.0)
    adjusted = adjust([0.01, 0.04, 0.03, 0.2, 0.005], method="benjamini-hochberg")
    np.testing.assert_allclose(adjusted, [0.025, 0.05, 0.05, 0.2, 0.025], rtol=1e-14)
    z = simultaneous_z(2)
    assert z == pytest.approx(2.2414027276, abs=5e-11)
    assert 0.1 - z * 0.03 == pytest.approx(0.0327579182, abs=5e-11)
    assert 0.2 + z * 0.05 == pytest.approx(0.3120701364, abs=5e-11)
    assert simultaneous_z(1) == pytest.approx(1.959963984540054, rel=1e-14)


@given(families, st.sampled_from(sorted(ORACLE)))
@checked
def test_statsmodels_agrees(p_values: list[float], method: str) -> None:
    p = np.array(p_values)
    tested = ~np.isnan(p)
    ours = adjust(p, method=method)
    assert np.isnan(ours[~tested]).all()
    if tested.any():
        np.testing.assert_allclose(ours[tested], multipletests(p[tested], method=ORACLE[method])[1], rtol=1e-12)


# --- Properties ---------------------------------------------------------------------------------------------


@given(families, st.sampled_from(METHODS), st.randoms(use_true_random=False))
@checked
def test_order_bounds_and_hierarchy(p_values: list[float], method: str, random: object) -> None:
    p = np.array(p_values)
    adjusted = adjust(p, method=method)
    order = np.random.default_rng(random.getrandbits(32)).permutation(p.size)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(adjust(p[order], method=method), adjusted[order])
    tested = p[~np.isnan(p)]
    known = adjusted[~np.isnan(p)]
    assert np.all(known >= tested)
    assert np.all(known <= 1)
    assert np.all(np.diff(known[np.argsort(tested, kind="stable")]) >= 0)
    slack = 1 + 1e-12
    assert np.all(adjust(tested, method="holm") <= adjust(tested, method="bonferroni") * slack)
    assert np.all(adjust(tested, method="benjamini-hochberg") <= adjust(tested, method="holm") * slack)


# --- Error rates --------------------------------------------------------------------------------------------


def test_error_rates_under_independent_null_hypotheses() -> None:
    rng = np.random.default_rng(11)
    families_, m, alpha = 4_000, 7, 0.05
    p = rng.random((families_, m))
    for method in ("holm", "benjamini-hochberg", "bonferroni"):
        any_false = np.mean([adjust(row, method=method).min() <= alpha for row in p])
        # BH has exactly this rate when all hypotheses are true; the others 1 - (1 - alpha/m)^m
        rate = alpha if method == "benjamini-hochberg" else 1 - (1 - alpha / m) ** m
        assert abs(any_false - rate) < 4 * math.sqrt(rate * (1 - rate) / families_)


def test_simultaneous_intervals_cover_together() -> None:
    rng = np.random.default_rng(12)
    draws, k = 20_000, 5
    covered = np.mean(np.all(np.abs(rng.normal(size=(draws, k))) <= simultaneous_z(k), axis=1))
    rate = (1 - 0.05 / k) ** k
    assert abs(covered - rate) < 4 * math.sqrt(rate * (1 - rate) / draws)
