"""Confidence sequences: edge cases, integrals and naive loops as oracles, published and peer values, properties."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError, ArgumentTypeError
from neff.reasons import Reason
from neff.stats import (
    ConfidenceSequence,
    MeanSequence,
    RatioSequence,
    bounded_sequence,
    confidence_sequence,
    e_process,
    paired_sequence,
    ratio_sequence,
)
from neff.stats.sequential._bounded import plug_in_bets
from neff.stats.sequential._gaussian import normal_scale, student_scale
from neff.stats.sequential._roots import lower_roots, lower_roots_directly

UNIT: dict[str, Any] = {"bounds": (0.0, 1.0)}
METHODS: dict[str, dict[str, Any]] = {
    "student": {},
    "normal": {"standard_deviation": 0.3},
    "asymptotic": {"target": 3},
    "betting": UNIT,
    "empirical-bernstein": UNIT,
    "hoeffding": UNIT,
    "beta-binomial": UNIT,
}
BOUNDED = [name for name, options in METHODS.items() if options is UNIT]
SCORES = np.tile([0.7, 0.9, 0.8, 0.6, 0.9, 0.8, 0.3, 0.95, 0.55, 0.72], 3)
SIDES = ("two-sided", "greater", "less")


def sequence(method: str, values: Any, **options: Any) -> ConfidenceSequence:
    return confidence_sequence(values, method=method, **METHODS[method], **options)  # type: ignore[arg-type]


# --- Edge cases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_no_value_says_nothing(method: str) -> None:
    found = sequence(method, [])
    assert found.n == 0
    assert found.low.shape == found.high.shape == found.value.shape == (0,)
    assert found.reason is Reason.EMPTY
    assert math.isnan(found.last.low)
    assert found.first_beyond(0.5) is None
    online = MeanSequence(method=method, **METHODS[method])  # type: ignore[arg-type]
    assert online.interval == ((0.0, 1.0) if method in BOUNDED else (-math.inf, math.inf))
    assert online.reason is Reason.EMPTY
    assert online.against(-5.0) == "undecided"
    assert math.isnan(online.value)


def test_one_value() -> None:
    for method in ("student", "asymptotic"):
        one = sequence(method, [0.7])
        assert one.last == (-math.inf, math.inf, Reason.TOO_FEW)
        assert one.value.tolist() == [0.7]
    known = sequence("normal", [0.7])
    assert known.reason is None
    assert known.low[0] < 0.7 < known.high[0]
    for method in BOUNDED:
        one = sequence(method, [0.7])
        assert 0.0 <= one.low[0] <= 0.7 <= one.high[0] <= 1.0
        assert one.reason is None


@pytest.mark.parametrize("method", ["student", "asymptotic"])
def test_equal_values_are_no_certainty(method: str) -> None:
    equal = sequence(method, np.full(40, 0.1) + 1e8)
    assert np.all(np.isinf(equal.low))
    assert equal.reason is Reason.ALL_EQUAL
    later = sequence(method, [*np.full(40, 0.1), 0.2])
    assert later.reason is None
    assert 0.0 < later.high[-1] - later.low[-1] < 1.0
    assert e_process(np.full(40, 0.1), mean=0.0).e_value == 1.0
    control = np.random.default_rng(2).lognormal(size=40)
    assert ratio_sequence(control / 3, control).reason is Reason.ALL_EQUAL  # the logarithms differ by rounding


@pytest.mark.parametrize("method", BOUNDED)
@pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
def test_equal_scores_keep_a_width(method: str, value: float) -> None:
    found = sequence(method, np.full(211, value))
    assert np.all(found.high - found.low > 1e-3)
    assert np.all((found.low <= value) & (value <= found.high))
    assert found.low[-1] > found.low[0] or value == 0.0


@pytest.mark.parametrize("method", ["student", "normal", "asymptotic"])
def test_huge_offsets(method: str) -> None:
    x = np.round(np.random.default_rng(3).normal(size=1009) * 1024) / 1024  # exact after the shift
    far, near = sequence(method, x + 1e8), sequence(method, x)
    known = np.isfinite(near.low)
    assert known.sum() > 1000
    np.testing.assert_allclose((far.low - 1e8)[known], near.low[known], atol=3e-8)  # doubles near 1e8 are 1.5e-8 apart
    assert e_process(x + 1e8, mean=1e8).log_e == pytest.approx(e_process(x).log_e, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_level_near_one(method: str) -> None:
    x = np.random.default_rng(5).beta(2, 3, 997)
    wide, wider = sequence(method, x, level=1 - 1e-9), sequence(method, x, level=1 - 1e-14)
    narrow = sequence(method, x)
    assert np.isfinite([wide.low[-1], wide.high[-1]]).all()
    assert wider.low[-1] < wide.low[-1] < narrow.low[-1] < 0.4 < narrow.high[-1] < wide.high[-1] < wider.high[-1]


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"free of NaN.*position 2"):
        confidence_sequence([1.0, 2.0, math.nan])
    with pytest.raises(ArgumentError, match="finite"):
        confidence_sequence([1.0, math.inf])
    with pytest.raises(ArgumentError, match=r"within bounds \[0, 1\], got 1.5. Found 2 of 4, the first at position 1"):
        sequence("betting", [0.5, 1.5, 0.2, -3.0])
    with pytest.raises(ArgumentError, match=r'bounds must be given with method="betting".*differences'):
        confidence_sequence([0.5], method="betting")
    with pytest.raises(ArgumentError, match=r'left out with method="student".*betting'):
        confidence_sequence([0.5], bounds=(0, 1))
    for bounds in [(1, 0), (0, math.inf), (0, 0), (0,), 3, (0, math.nan)]:
        with pytest.raises(ArgumentError, match="two finite numbers"):
            confidence_sequence([0.5], method="betting", bounds=bounds)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match='standard_deviation must be given with method="normal"'):
        confidence_sequence([0.5], method="normal")
    with pytest.raises(ArgumentError, match="positive and finite"):
        confidence_sequence([0.5], method="normal", standard_deviation=0.0)
    with pytest.raises(ArgumentError, match='left out with method="student"'):
        confidence_sequence([0.5], standard_deviation=1.0)
    with pytest.raises(ArgumentError, match='target must be left out with method="betting"'):
        confidence_sequence([0.5], method="betting", bounds=(0, 1), target=10)
    with pytest.raises(ArgumentError, match="at least 2"):
        confidence_sequence([0.5], target=1)
    with pytest.raises(ArgumentError, match="Did you mean 'student'"):
        confidence_sequence([0.5], method="students")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"Did you mean 0.95"):
        confidence_sequence([0.5], level=95)
    with pytest.raises(ArgumentTypeError, match="numbers"):
        paired_sequence(["a"])
    with pytest.raises(ArgumentError, match=r"treatment must be positive, got 0.0. Position 1"):
        ratio_sequence([1.0, 0.0], [1.0, 1.0])
    with pytest.raises(ArgumentError, match="as long as treatment"):
        ratio_sequence([1.0, 2.0], [1.0])
    with pytest.raises(ArgumentError, match="a positive ratio"):
        RatioSequence().against(0.0)


def test_a_refused_value_changes_nothing() -> None:
    online = bounded_sequence([0.2, 0.4, 0.9])
    before = online.to_state()
    with pytest.raises(ArgumentError, match="update: values"):
        online.update([0.3, 7.0])
    assert online.to_state() == before


# --- Oracles ------------------------------------------------------------------------------------------------


def marginal(x: np.ndarray, effect: float) -> float:
    """The density of the values with sigma integrated out under d sigma / sigma, for mean = effect · sigma."""

    def density(log_sigma: float) -> float:
        sigma = math.exp(log_sigma)
        return math.exp(-np.sum((x / sigma - effect) ** 2) / 2 - x.size * log_sigma)

    return scipy.integrate.quad(density, -12, 12, limit=400, points=[-3, 0, 3])[0]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("target", [2, 10, 60])
def test_student_is_the_mixture_of_scale_invariant_likelihood_ratios(side: str, target: int) -> None:
    x, mean, scale = np.array([0.9, -0.2, 1.7, 0.4, 1.1]), 0.3, student_scale(target, 0.95)
    log_e = e_process(x, mean=mean, alternative=side, target=target).log_e  # type: ignore[arg-type]
    ends = {"two-sided": (-1, 1, 1), "greater": (0, 1, 2), "less": (-1, 0, 2)}[side]
    for n in (2, 3, 5):
        shifted = x[:n] - mean

        def integrand(effect: float, shifted: np.ndarray = shifted) -> float:
            return marginal(shifted, effect) * scipy.stats.norm.pdf(effect, scale=scale)

        reach = min(8 * scale, 25.0)
        mixed = scipy.integrate.quad(integrand, ends[0] * reach, ends[1] * reach, limit=400, points=[0.0, 1.0])[0]
        expected = math.log(ends[2] * mixed / marginal(shifted, 0.0))
        assert log_e[n - 1] == pytest.approx(expected, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("side", SIDES)
def test_normal_is_robbins_mixture(side: str) -> None:
    x, mean, sd = np.array([0.9, -0.2, 1.7, 0.4, 1.1]), 0.3, 0.8
    scale = normal_scale(100, 0.95)
    options: dict[str, Any] = {"method": "normal", "standard_deviation": sd, "alternative": side}
    log_e = e_process(x, mean=mean, **options).log_e
    a, b, factor = {"two-sided": (-9, 9, 1), "greater": (0, 9, 2), "less": (-9, 0, 2)}[side]
    for n in range(1, 6):
        z = (x[:n] - mean) / sd

        def integrand(effect: float, z: np.ndarray = z) -> float:
            return math.exp(np.sum(z * effect - effect**2 / 2)) * scipy.stats.norm.pdf(effect, scale=scale)

        expected = factor * scipy.integrate.quad(integrand, a * scale, b * scale)[0]
        assert log_e[n - 1] == pytest.approx(math.log(expected), rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("side", SIDES)
def test_beta_binomial_is_the_mixture_of_bernoulli_likelihood_ratios(side: str) -> None:
    x, rate = np.array([1, 0, 1, 1, 0.5, 1, 1]), 0.4
    log_e = e_process(x, mean=rate, method="beta-binomial", bounds=(0, 1), alternative=side).log_e  # type: ignore[arg-type]
    a, b = {"two-sided": (0.0, 1.0), "greater": (rate, 1.0), "less": (0.0, rate)}[side]
    prior = scipy.stats.beta(0.5, 0.5)
    for n in range(1, x.size + 1):
        hits, misses = x[:n].sum(), n - x[:n].sum()
        weight = "alg"  # the prior has poles at both ends

        def ratio(p: float, hits: float = hits, misses: float = misses) -> float:
            return (p / rate) ** hits * ((1 - p) / (1 - rate)) ** misses

        if side == "two-sided":
            mixed = scipy.integrate.quad(ratio, 0, 1, weight=weight, wvar=(-0.5, -0.5))[0] / math.pi
        else:
            mixed = scipy.integrate.quad(lambda p: ratio(p) * prior.pdf(p), a, b, limit=400)[0]
            mixed /= prior.cdf(b) - prior.cdf(a)
        assert log_e[n - 1] == pytest.approx(math.log(mixed), rel=1e-6, abs=1e-6)


def naive_bets(z: np.ndarray, level: float) -> list[float]:
    """The predictable plug-in bets of Waudby-Smith and Ramdas 2024, one value at a time."""
    bets = []
    for t in range(1, z.size + 1):
        means = [(0.5 + z[:i].sum()) / (i + 1) for i in range(1, t)]
        variance = (0.25 + sum((z[i] - means[i]) ** 2 for i in range(t - 1))) / t
        bets.append(math.sqrt(2 * math.log(2 / (1 - level)) / (variance * t * math.log(1 + t))))
    return bets


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_plug_in_methods_against_a_loop(level: float) -> None:
    z = np.random.default_rng(7).beta(2, 1, 43)
    threshold = math.log(2 / (1 - level))
    for method in ("empirical-bernstein", "hoeffding"):
        found = sequence(method, z, level=level)
        bets_sum = weighted = penalty = 0.0
        for t, (x, bet) in enumerate(zip(z, naive_bets(z, level), strict=True), 1):
            before = (0.5 + z[: t - 1].sum()) / t
            if method == "hoeffding":
                b = min(math.sqrt(8 * threshold / (t * math.log(t + 1))), 1.0)
                penalty += b * b / 8
            else:
                b = min(bet, 0.5)
                penalty += 4 * (x - before) ** 2 * (-math.log(1 - b) - b) / 4
            bets_sum, weighted = bets_sum + b, weighted + b * x
            centre, half = weighted / bets_sum, (threshold + penalty) / bets_sum
            assert found.low[t - 1] == pytest.approx(max(centre - half, 0.0), abs=1e-12)
            assert found.high[t - 1] == pytest.approx(min(centre + half, 1.0), abs=1e-12)


def capital(z: np.ndarray, bets: np.ndarray, m: float) -> float:
    return float(np.prod([1 + min(b, 0.5 / m) * (x - m) for x, b in zip(z, bets, strict=True)]))


def test_betting_against_brent() -> None:
    z = np.random.default_rng(9).beta(1, 3, 37)
    found, bets = sequence("betting", z), np.array(naive_bets(z, 0.95))
    for t in (5, 11, 23, 37):
        for end, data in ((found.low, z[:t]), (1 - found.high, 1 - z[:t])):
            if capital(data, bets[:t], 1e-12) < 40:
                assert end[t - 1] == 0.0
            else:
                root = scipy.optimize.brentq(lambda m: capital(data, bets[:t], m) - 40, 1e-9, 1 - 1e-9, xtol=1e-14)  # noqa: B023
                assert end[t - 1] == pytest.approx(root, abs=1e-11)
    assert found.low[-1] > 0.05


DRAWS = {
    "uniform": lambda rng, n: rng.random(n),
    "coin": lambda rng, n: rng.integers(0, 2, n) * 1.0,
    "rare": lambda rng, n: (rng.random(n) < 0.01) * 1.0,
    "common": lambda rng, n: (rng.random(n) < 0.99) * 1.0,
    "tight": lambda rng, n: 0.7 + 0.001 * rng.random(n),
    "constant": lambda rng, n: np.full(n, 0.3),
    "drift": lambda rng, n: np.clip(np.linspace(0.05, 0.95, n) + 0.01 * rng.normal(size=n), 0, 1),
    "jump": lambda rng, n: np.where(np.arange(n) < n // 2, 0.02, 0.98),
    "ones": lambda rng, n: np.ones(n),
    "zeros": lambda rng, n: np.zeros(n),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_roots_by_series_are_those_of_the_whole_sum(kind: str) -> None:
    z = DRAWS[kind](np.random.default_rng(11), 1201)
    _, bets = plug_in_bets({"n": 0.0, "sum": 0.0, "spread": 0.0}, z, 0.95)
    for data in (z, 1 - z):
        fast = lower_roots(data, bets, cap=0.5, goal=math.log(40))
        slow = lower_roots_directly(data, bets, cap=0.5, goal=math.log(40))
        np.testing.assert_allclose(fast, slow, rtol=0, atol=5e-14)
        later = lower_roots(data, bets, cap=0.5, goal=math.log(40), start=800)
        np.testing.assert_allclose(later, slow[800:], rtol=0, atol=5e-14)


@pytest.mark.parametrize("target", [2, 3, 10, 37, 500])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_scales_are_the_narrowest_at_their_target(target: int, level: float) -> None:
    rng = np.random.default_rng(13)
    x = rng.normal(size=target)

    def width(method: str, factor: float) -> float:
        from neff.stats.sequential._gaussian import Normal, Student

        kernel = (
            Student(level, factor * student_scale(target, level))
            if method == "student"
            else Normal(level, factor * normal_scale(target, level), 1.0)
        )
        low, high = kernel.limits(kernel.follow(kernel.start(), x)[0])
        return float(high[-1] - low[-1])

    for method in ("student", "normal"):
        assert math.isfinite(width(method, 1.0))
        assert width(method, 1.0) < min(width(method, 0.98), width(method, 1.02))


# --- Published and peer values ------------------------------------------------------------------------------


def test_scores_of_confseq() -> None:
    """confseq 0.0.11 (betting_cs with breaks=20000, predmix_hoeffding_cs) on `SCORES`, after 3, 10, 20 and 30 values.

    Its grid leaves the betting ends 5e-5 short. Its empirical Bernstein sequence starts from mean 0, not 1/2, and does
    not agree with the paper's; it is wider.
    """
    at = np.array([2, 9, 19, 29])
    betting = sequence("betting", SCORES)
    np.testing.assert_allclose(betting.low[at], [0.13635, 0.37175, 0.5023, 0.56005], rtol=0, atol=5.1e-5)
    np.testing.assert_allclose(betting.high[at], [1.0, 0.88975, 0.8373, 0.816], rtol=0, atol=5.1e-5)
    hoeffding = sequence("hoeffding", SCORES)
    low = [0.0, 0.2281120545886064, 0.4073987052145835, 0.46700609848418684]
    np.testing.assert_allclose(hoeffding.low[at], low, rtol=1e-13)
    np.testing.assert_allclose(hoeffding.high[at], [1.0, 1.0, 1.0, 0.982503437879179], rtol=1e-13)
    bernstein = sequence("empirical-bernstein", SCORES)
    assert bernstein.high[-1] - bernstein.low[-1] < 0.9841178574096874 - 0.45473155110871416


# --- Properties ---------------------------------------------------------------------------------------------

scores = st.lists(st.integers(0, 64).map(lambda i: i / 64), min_size=1, max_size=40).map(np.array)


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_one_at_a_time_and_all_at_once(method: str, running: bool) -> None:
    @settings(max_examples=20, deadline=None)
    @given(scores, st.integers(0, 40), st.integers(0, 40))
    def same(values: np.ndarray, cut: int, other: int) -> None:
        batch = sequence(method, values, running=running)
        single = MeanSequence(method=method, running=running, **METHODS[method])  # type: ignore[arg-type]
        ends = [(single.update(v).low, single.high, single.value) for v in values]
        parts = MeanSequence(method=method, running=running, **METHODS[method])  # type: ignore[arg-type]
        first, second = sorted((cut, other))
        for part in (values[:first], values[first:second], values[second:]):
            parts = type(parts).from_state(json.loads(json.dumps(parts.update(part).to_state())))
        tolerance = 1e-12 if method == "betting" else 0.0  # its roots are found from different starting points
        expected = np.stack([batch.low, batch.high, batch.value], axis=1)
        np.testing.assert_allclose(np.array(ends), expected, rtol=0, atol=tolerance)
        np.testing.assert_allclose((*parts.interval, parts.value), expected[-1], rtol=0, atol=tolerance)
        assert parts.n == single.n == batch.n == values.size
        assert parts.reason == single.reason == batch.reason

    same()


@pytest.mark.parametrize("method", [m for m in METHODS if m != "asymptotic"])
def test_a_mean_is_left_out_where_its_e_value_is_large(method: str) -> None:
    hedged = method in ("betting", "empirical-bernstein", "hoeffding")

    @settings(max_examples=30, deadline=None)
    @given(scores, st.integers(1, 31).map(lambda i: i / 32 + 1 / 101))
    def dual(values: np.ndarray, mean: float) -> None:
        found = sequence(method, values)
        options: dict[str, Any] = {"method": method, "mean": mean, **METHODS[method]}
        if hedged:
            sides = [e_process(values, alternative=side, **options).log_e for side in ("greater", "less")]
            large = np.maximum(*sides) >= math.log(40)
        else:
            large = e_process(values, **options).log_e >= math.log(20)
        np.testing.assert_array_equal((found.low > mean) | (found.high < mean), large)

    dual()


@pytest.mark.parametrize("method", BOUNDED)
@given(values=scores)
@settings(max_examples=15, deadline=None)
def test_bounded_methods_turn_with_the_values(method: str, values: np.ndarray) -> None:
    up, down = sequence(method, values), sequence(method, 1 - values)
    np.testing.assert_allclose(down.low, 1 - up.high, rtol=0, atol=1e-12)
    moved = confidence_sequence(8 * values - 3, method=method, bounds=(-3, 5))  # type: ignore[arg-type]
    np.testing.assert_allclose(moved.high, 8 * up.high - 3, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_running_intersections(method: str) -> None:
    x = np.random.default_rng(17).beta(2, 2, 97)
    plain, running = sequence(method, x), sequence(method, x, running=True)
    np.testing.assert_array_equal(running.low, np.maximum.accumulate(plain.low))
    np.testing.assert_array_equal(running.high, np.minimum.accumulate(plain.high))
    assert running.running
    assert not plain.running
    for margin in (0.2, 0.45, 0.8):
        assert running.first_beyond(margin) == plain.first_beyond(margin)


def test_an_empty_intersection_is_said() -> None:
    x = np.concatenate([0.01 * np.arange(1, 40) % 0.07, 5 + 0.01 * np.arange(1, 400) % 0.07])
    online = MeanSequence(running=True).update(x)
    assert math.isnan(online.low)
    assert math.isnan(online.high)
    assert online.reason is Reason.NO_COMMON_POINT
    again = MeanSequence.from_state(json.loads(json.dumps(online.to_state())))
    assert again.update(5.0).reason is Reason.NO_COMMON_POINT
    assert again.against(-9.0) == "undecided"
    assert confidence_sequence(x).reason is None


def test_one_sided_e_values_of_a_lower_mean_are_lower() -> None:
    """Shifting all values down lowers each e-value for "greater": it tests all means up to the one given."""
    x = np.random.default_rng(19).normal(size=61)
    for method, options in (("student", {}), ("normal", {"standard_deviation": 1.0})):
        call: dict[str, Any] = {"method": method, "alternative": "greater", **options}
        at = e_process(x, **call).log_e
        below = e_process(x - 0.3, **call).log_e
        assert np.all(below[1:] < at[1:])


@given(st.lists(st.integers(-80, 80).map(lambda i: i / 8), min_size=2, max_size=31))
def test_two_sided_is_the_mean_of_both_sides(values: list[float]) -> None:
    both = [np.exp(e_process(values, alternative=side).log_e) for side in ("greater", "less")]
    np.testing.assert_allclose((both[0] + both[1]) / 2, np.exp(e_process(values).log_e), rtol=1e-9)


def test_memory_does_not_grow() -> None:
    for method in METHODS:
        online = MeanSequence(method=method, **METHODS[method]).update(np.full(5, 0.25))  # type: ignore[arg-type]
        size = len(json.dumps(online.to_state()))
        grown = len(json.dumps(online.update(np.full(995, 0.25)).to_state()))
        assert (grown > size + 995) == (method == "betting")
