"""Simulations of looking after every value: how often a confidence sequence misses, and when it decides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.stats import MeanSequence, e_process, paired_sequence
from neff.stats._special import t_quantile
from neff.stats._validate import check_count, check_level, check_number, check_rng

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from neff.stats._validate import FloatArray
    from neff.stats.sequential._options import Bounds, SequenceMethod

__all__ = ["Miscoverage", "Stopping", "simulate_miscoverage", "simulate_stopping"]


@dataclass(frozen=True, slots=True)
class Miscoverage:
    """How often some interval up to a horizon missed the mean.

    Attributes
    ----------
    horizons
        Numbers of values.
    share
        Share of the simulations in which an interval missed by then, one per horizon.
    standard_error
        Their Monte Carlo standard errors.
    n_simulations
        Number of simulations.
    method
        Of the sequence.
    """

    horizons: tuple[int, ...]
    share: tuple[float, ...]
    standard_error: tuple[float, ...]
    n_simulations: int
    method: str


def _first_miss(values: FloatArray, mean: float, *, method: SequenceMethod, level: float, **options: object) -> float:
    """Return after how many values an interval first misses the mean; infinity where none does.

    A mean is outside the interval exactly where its e-value is large enough: 1 / alpha for the mixtures, and 2 / alpha
    on one side for the methods that spend alpha / 2 on each. That needs no roots.
    """
    if method == "asymptotic":
        low, high, _ = MeanSequence(method=method, level=level, **options).follow(values)  # type: ignore[arg-type]
        missed = (low > mean) | (high < mean)
    elif method in ("betting", "empirical-bernstein", "hoeffding"):
        both = [
            e_process(values, mean=mean, alternative=side, method=method, level=level, **options).log_e  # type: ignore[arg-type]
            for side in ("greater", "less")
        ]
        missed = np.maximum(*both) >= math.log(2.0) - math.log1p(-level)
    else:
        log_e = e_process(values, mean=mean, method=method, level=level, **options).log_e  # type: ignore[arg-type]
        missed = log_e >= -math.log1p(-level)
    return float(np.argmax(missed)) + 1.0 if missed.any() else math.inf


def simulate_miscoverage(
    draw: Callable[[np.random.Generator, int], FloatArray],
    mean: float,
    *,
    method: SequenceMethod = "student",
    level: float = 0.95,
    bounds: Bounds | None = None,
    standard_deviation: float | None = None,
    target: int | None = None,
    horizons: Sequence[int] = (30, 100, 1000),
    n_simulations: int = 1000,
    rng: int | np.random.Generator | None = None,
) -> Miscoverage:
    """Simulate how often a confidence sequence misses the mean at some point up to each horizon.

    Use it before trusting a sequence on data of a shape of your own: heavy tails, skewness, ties.

    Parameters
    ----------
    draw
        Called as draw(rng, n), returns n values in the order in which they come.
    mean
        Their true mean.
    method, level, bounds, standard_deviation, target
        As in `neff.stats.confidence_sequence`.
    horizons
        Numbers of values up to which intervals are looked at.
    n_simulations
        Number of simulations.
    rng
        Generator, seed or None.

    Returns
    -------
    Miscoverage
        The share at each horizon; at most 1 - level where the assumptions of the method hold.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> found = simulate_miscoverage(
    ...     lambda rng, n: rng.normal(size=n), 0.0, horizons=(10, 50), n_simulations=400, rng=1
    ... )
    >>> found.share
    (0.0, 0.01)
    """
    call = "simulate_miscoverage"
    generator = check_rng(rng, call=call)
    n_simulations = check_count(n_simulations, argument="n_simulations", call=call, minimum=1)
    ends = tuple(check_count(n, argument="horizons", call=call, minimum=1) for n in horizons)
    if not ends:
        raise ArgumentError("horizons", "one number of values or more", horizons, call=call)
    options = {"bounds": bounds, "standard_deviation": standard_deviation, "target": target}
    first = np.array(
        [
            _first_miss(np.asarray(draw(generator, max(ends))), mean, method=method, level=level, **options)
            for _ in range(n_simulations)
        ]
    )
    share = tuple(float(np.mean(first <= n)) for n in ends)
    error = tuple(math.sqrt(p * (1.0 - p) / n_simulations) for p in share)
    return Miscoverage(ends, share, error, n_simulations, method)


@dataclass(frozen=True, slots=True)
class Stopping:
    """When a claim of one true effect is decided, with a look after every pair.

    Attributes
    ----------
    effect
        True mean difference less the margin, in standard deviations of a difference.
    budget
        The most pairs.
    holds, fails, undecided
        Share of the claims that ended so.
    median, most
        Pairs by which half and nine in ten of the claims were decided; NaN where fewer were.
    t_test_half, t_test_most
        Pairs with which a t-test, looked at once, says "holds" half and nine times in ten; NaN for no effect.
    t_test_peeking
        Share that a t-test says "holds" to at some look, when it is looked at after every pair as if each were the only
        one.
    n_simulations
        Number of simulated claims.
    """

    effect: float
    budget: int
    holds: float
    fails: float
    undecided: float
    median: float
    most: float
    t_test_half: float
    t_test_most: float
    t_test_peeking: float
    n_simulations: int


def simulate_stopping(
    effect: float,
    *,
    budget: int = 100,
    level: float = 0.95,
    target: int | None = None,
    n_simulations: int = 1000,
    rng: int | np.random.Generator | None = None,
) -> Stopping:
    """Simulate claims that are looked at after every pair and stopped at the first decision.

    Differences are independent normal values of one unknown variance. A claim holds once the whole interval of
    `neff.stats.paired_sequence` is above the margin, and fails once it is below.

    Parameters
    ----------
    effect
        True mean difference less the margin, in standard deviations of a difference. 0 is the null.
    budget
        The most pairs.
    level
        Of the confidence sequence, and 1 - error rate of the two-sided t-tests beside it.
    target
        As in `neff.stats.paired_sequence`.
    n_simulations
        Number of claims.
    rng
        Generator, seed or None.

    Returns
    -------
    Stopping
        Shares and numbers of pairs, with those of a t-test.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Notes
    -----
    The power of the t-test is exact, from the noncentral t distribution.

    Examples
    --------
    >>> found = simulate_stopping(1.0, n_simulations=200, rng=1)
    >>> found.holds, found.median, found.t_test_half, found.t_test_most
    (1.0, 12.0, 6.0, 13.0)
    """
    call = "simulate_stopping"
    effect = check_number(effect, argument="effect", call=call)
    budget = check_count(budget, argument="budget", call=call, minimum=2)
    n_simulations = check_count(n_simulations, argument="n_simulations", call=call, minimum=1)
    level = check_level(level, call=call)
    generator = check_rng(rng, call=call)
    n = np.arange(2, budget + 1)
    critical = np.array([t_quantile((1.0 + level) / 2.0, int(k) - 1) for k in n])
    decided, held, peeked = [], 0, 0
    for _ in range(n_simulations):
        x = generator.normal(effect, 1.0, budget)
        low, high, _ = paired_sequence(level=level, target=target).follow(x)
        beyond = (low > 0) | (high < 0)
        decided.append(float(np.argmax(beyond)) + 1.0 if beyond.any() else math.inf)
        held += bool(beyond.any()) and bool(low[np.argmax(beyond)] > 0)
        total, squares = np.cumsum(x)[1:], np.cumsum(x * x)[1:]
        peeked += bool(np.any(total / np.sqrt(n * (squares - total**2 / n) / (n - 1)) > critical))
    stops = np.sort(decided)
    found = int(np.isfinite(stops).sum())
    half, most = (_t_test_pairs(effect, power, level) for power in (0.5, 0.9))
    return Stopping(
        effect=effect,
        budget=budget,
        holds=held / n_simulations,
        fails=(found - held) / n_simulations,
        undecided=1.0 - found / n_simulations,
        median=_quantile(stops, 0.5),
        most=_quantile(stops, 0.9),
        t_test_half=half,
        t_test_most=most,
        t_test_peeking=peeked / n_simulations,
        n_simulations=n_simulations,
    )


def _quantile(stops: FloatArray, share: float) -> float:
    stop = float(stops[math.ceil(share * stops.size) - 1])
    return stop if math.isfinite(stop) else math.nan


def _t_test_pairs(effect: float, power: float, level: float) -> float:
    """Return the fewest pairs with which a two-sided t-test finds a positive effect with this power."""
    from scipy.special import nctdtr

    if effect <= 0:
        return math.nan

    def enough(n: int) -> bool:
        critical = t_quantile((1.0 + level) / 2.0, n - 1)
        return 1.0 - float(nctdtr(n - 1.0, effect * math.sqrt(n), critical)) >= power

    high = 2
    while not enough(high):
        high *= 2
    low = max(high // 2, 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(high)
