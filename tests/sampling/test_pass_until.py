"""PassUntil: golden numbers, unbiased by exact enumeration, exact intervals, the rule online and on a log."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy import stats

from neff.errors import ArgumentError
from neff.sampling import PassUntil, as_draws, draws_of, pass_rates, replay_pass_until


@pytest.mark.parametrize(
    ("draws", "successes", "passes", "value", "mle", "interval"),
    [
        (40, 2, 2, 0.025641, 0.05, (0.0061136, 0.1347639)),
        (31250, 2, 2, 3.2001024e-5, 6.4e-5, (7.75079e-6, 1.782852e-4)),
        (200, 5, 5, 0.0201005, 0.025, (0.0081662, 0.0506630)),
        (100_000, 0, 2, 0.0, 0.0, (0.0, 3.688811e-5)),
        (100_000, 1, 2, 1e-5, 0.0, (2.53178e-7, 5.571516e-5)),
    ],
)
def test_golden(draws, successes, passes, value, mle, interval):
    found = pass_rates([successes], [draws], passes=passes)
    assert found.value[0] == pytest.approx(value, rel=1e-5)
    assert (found.low[0], found.high[0]) == pytest.approx(interval, rel=1e-5)
    assert found.capped[0] == (successes < passes)
    assert pass_rates([successes], [draws], passes=passes, estimator="mle").value[0] == pytest.approx(mle, rel=1e-12)


def outcomes(p: Fraction, r: int, most: int):
    """Every end of the rule and its exact chance."""
    for k in range(r, most + 1):
        yield k, r, comb(k - 1, r - 1) * p**r * (1 - p) ** (k - r)
    for s in range(r):
        yield most, s, comb(most, s) * p**s * (1 - p) ** (most - s)


@pytest.mark.parametrize(
    ("p", "r", "most", "mle"),
    [(Fraction(1, 5), 2, 6, None), (Fraction(1, 10), 3, 8, None), (Fraction(2, 3), 2, 4, None)],
)
def test_unbiased_even_with_the_limit(p, r, most, mle):
    ends = list(outcomes(p, r, most))
    draws, successes = [k for k, _, _ in ends], [s for _, s, _ in ends]
    chance = np.array([float(c) for *_, c in ends])
    assert chance.sum() == pytest.approx(1, abs=1e-12)
    found = pass_rates(successes, draws, passes=r, max_draws=most)
    assert chance @ found.value == pytest.approx(float(p), abs=1e-12)


@pytest.mark.parametrize(("p", "r", "most", "expected"), [(0.2, 2, 6, 0.24667733), (0.1, 3, 8, 0.10348445)])
def test_what_the_paper_s_rate_is_expected_to_be(p, r, most, expected):
    """With capped items read as s / limit; read as 0 it is lower, and no less biased."""
    ends = list(outcomes(Fraction(p).limit_denominator(100), r, most))
    rate = [r / k if s == r else s / most for k, s, _ in ends]
    assert sum(float(c) * x for (*_, c), x in zip(ends, rate, strict=True)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("p", [0.02, 0.2, 0.6])
def test_intervals_cover_by_enumeration(p):
    r, most = 2, 60
    ends = list(outcomes(Fraction(p).limit_denominator(100), r, most))
    found = pass_rates([s for _, s, _ in ends], [k for k, _, _ in ends], passes=r, max_draws=most)
    chance = np.array([float(c) for *_, c in ends])
    assert chance @ ((found.low <= p) & (p <= found.high)) >= 0.95


def test_intervals_are_those_of_the_distributions():
    found = pass_rates([2], [40])
    # P(K <= 40) at the low end and P(K >= 40) at the high end are 2.5% each; K - 2 is negative binomial.
    assert stats.nbinom.cdf(38, 2, found.low[0]) == pytest.approx(0.025, abs=1e-9)
    assert stats.nbinom.sf(37, 2, found.high[0]) == pytest.approx(0.025, abs=1e-9)


def test_the_rule_online():
    rule = PassUntil(passes=2, max_draws=4)
    assert [rule.observe(x) for x in (True, False, False, False)] == [False, False, False, True]
    assert rule.rates().capped.tolist() == [True]
    with pytest.raises(ArgumentError, match="once the rule has stopped"):
        rule.observe(True)


@pytest.mark.parametrize("passed", [float("nan"), 0.3, 2, "yes", None])
def test_what_is_neither_a_pass_nor_none_is_no_draw(passed):
    rule = PassUntil()
    with pytest.raises(ArgumentError, match="passed must be true or false"):
        rule.observe(passed)
    assert (rule.draws, rule.successes) == (0, 0)
    assert not rule.observe(np.bool_(True))
    assert rule.observe(1.0)


def test_replay_says_which_draws_are_too_few():
    with pytest.raises(ArgumentError, match="of items with 2 scored draws or more, got 'an item with 1 scored draws'"):
        replay_pass_until(as_draws([[1], [0]]))
    with pytest.raises(ArgumentError, match="got 'an item with 0 scored draws'"):
        replay_pass_until(as_draws([[1, 1], [float("nan")] * 2]))
    with pytest.raises(ArgumentError, match="passes must be a whole number of at least 1"):
        replay_pass_until(as_draws([[1, 1]]), passes=0)


def test_replay_agrees_with_the_shares_of_a_log(neff_data):
    (draws,) = draws_of(
        neff_data / "humaneval_codegen16b_samples.csv.gz", call="test", item="task", score="accept_base", draw="draw"
    )
    values = np.array([replay_pass_until(draws, passes=2, rng=seed).value for seed in range(200)])
    share = draws.right / draws.scored
    assert values.mean() == pytest.approx(share.mean(), abs=0.005)
    assert int((share == 0).sum()) == 36
    found = replay_pass_until(draws, passes=2, rng=0)
    assert found.draws.sum() < 0.5 * len(draws)
    assert found.capped[share == 0].all()


def test_replay_leaves_unscored_draws_out():
    draws = as_draws([[1, float("nan"), 1, 0], [0, 0, 0, 1]], call="test")
    found = replay_pass_until(draws, passes=2, rng=0)
    assert found.max_draws == 3
    with pytest.raises(ArgumentError, match="The item with the fewest has 3"):
        replay_pass_until(draws, max_draws=4)


@pytest.mark.parametrize(
    ("draws", "successes", "options", "message"),
    [
        ([5], [3], {}, "successes must be at most passes=2"),
        ([5], [1], {}, "successes must be 2, or draws 100,000"),
        ([1], [2], {}, "at most draws"),
        ([200_000], [0], {}, "successes must be"),
        ([5.5], [1], {}, "draws must be one count per item"),
        ([5, 6], [2], {}, "draws must be as long as successes"),
        ([5], [1], {"passes": 1}, "passes must be 2 or more for the unbiased estimate"),
        ([5], [2], {"estimator": "best"}, "estimator must be"),
    ],
)
def test_bad_input(draws, successes, options, message):
    with pytest.raises(ArgumentError, match=message):
        pass_rates(successes, draws, **options)
