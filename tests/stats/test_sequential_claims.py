"""Many claims: spending an error rate, e-BH and closed testing, against their definitions and by simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.stats import adjust, alpha_spending, e_benjamini_hochberg, e_holm, e_process
from neff.testing import coverage_band

e_lists = st.lists(st.floats(0, 1e4) | st.sampled_from([0.0, 1.0, 20.0, math.inf]), min_size=1, max_size=7)


def test_edges() -> None:
    for function in (e_benjamini_hochberg, e_holm):
        assert function([]).shape == (0,)
        assert function([0.0, 0.5]).tolist() == [1.0, 1.0]
        assert function([25.0]).tolist() == [0.04]
        assert function([math.inf, 1.0])[0] == 0.0
        with_nan = function([40.0, math.nan, 10.0])
        assert math.isnan(with_nan[1])
        assert with_nan[[0, 2]].tolist() == function([40.0, 10.0]).tolist()
        with pytest.raises(ArgumentError, match=r"0 or more, got -1.0. See position 1; give e-values"):
            function([2.0, -1.0])
    assert alpha_spending([]).shape == (0,)
    with pytest.raises(ArgumentError, match=r"positive, got 0.0. See position 1"):
        alpha_spending([0.5, 0.0])
    with pytest.raises(ArgumentError, match="only once"):
        alpha_spending([0.7, 0.7])
    with pytest.raises(ArgumentError, match="Did you mean"):
        alpha_spending([1.0], level=95)


def test_spending() -> None:
    """The example of equal shares is Bonferroni's correction; a sum of squares never runs out."""
    np.testing.assert_allclose(1 - alpha_spending(np.full(7, 1 / 7), level=0.9), 0.1 / 7, rtol=1e-12)
    k = np.arange(1, 10_000)
    shares = 6 / (math.pi * k) ** 2
    assert np.sum(1 - alpha_spending(shares)) == pytest.approx(0.05, rel=1e-3)
    assert np.sum(1 - alpha_spending(shares)) < 0.05


@given(e_lists, st.floats(0.001, 0.999))
def test_e_bh_rejects_by_its_definition(e: list[float], error: float) -> None:
    """Reject the k largest for the largest k with e_(k) >= m / (k error)."""
    m, ordered = len(e), sorted(e, reverse=True)
    k = max((k for k in range(1, m + 1) if ordered[k - 1] * k * error >= m), default=0)
    rejected = e_benjamini_hochberg(e) <= error
    close = any(math.isclose(x * k * error, m, rel_tol=1e-12) for k, x in enumerate(ordered, 1))
    assert close or rejected.sum() == sum(x >= ordered[k - 1] for x in e) * (k > 0)


@given(e_lists)
def test_e_bh_is_bh_on_reciprocals(e: list[float]) -> None:
    p = [min(1.0, 1 / x) if x else 1.0 for x in e]
    np.testing.assert_allclose(e_benjamini_hochberg(e), adjust(p, method="benjamini-hochberg"), rtol=1e-12)


@given(e_lists)
def test_e_holm_is_the_closed_test_by_averages(e: list[float]) -> None:
    """The least average over all sets of hypotheses that hold this one; never worse than Holm on 1 / e."""
    m = len(e)
    for i in range(m):
        others = [e[j] for j in range(m) if j != i]
        least = min(
            (e[i] + sum(some)) / (1 + len(some)) for r in range(m) for some in itertools.combinations(others, r)
        )
        assert e_holm(e)[i] == pytest.approx(1.0 if least <= 1 else 1 / least, rel=1e-12)
    p = [min(1.0, 1 / x) if x else 1.0 for x in e]
    assert np.all(e_holm(e) <= adjust(p) * (1 + 1e-12))


def test_false_finds_are_bounded_when_each_claim_stops_where_it_likes() -> None:
    """Ten claims on common noise, 7 of them null: false share of e-BH, and chance of any false one of e-Holm."""
    rng, shares, anyone, found = np.random.default_rng(53), [], 0, 0
    effects = np.array([0.0] * 7 + [0.8] * 3)
    n_simulations = 800
    for _ in range(n_simulations):
        common = rng.normal(size=40)
        e = []
        for effect in effects:
            x = effect + 0.7 * common + math.sqrt(1 - 0.49) * rng.normal(size=40)
            log_e = e_process(x, alternative="greater").log_e
            stop = int(np.argmax(log_e > math.log(30))) if (log_e > math.log(30)).any() else 39
            e.append(math.exp(log_e[stop]))
        rejected = e_benjamini_hochberg(e) <= 0.1
        shares.append(rejected[:7].sum() / max(1, rejected.sum()))
        anyone += bool((e_holm(e)[:7] <= 0.1).any())
        found += int(rejected[7:].sum())
    assert np.mean(shares) < 0.1
    assert anyone / n_simulations <= 1 - coverage_band(n_simulations, 0.9)[0]
    assert found > 1.0 * n_simulations  # of the three true ones; with none found there would be nothing to bound
