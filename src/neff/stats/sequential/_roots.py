"""Where the capital of a bettor crosses a line, for many times at once.

The logarithm of the capital after n values is f_n(m) = sum of log(1 + min(bet, c / m) (z - m)), which falls in m. For a
block of times the values before it are summed once, as a power series in h = m - m0 around the last root m0: a term
below its cap is log(1 + bet (z - m0)) + log(1 - w h) with w = bet / (1 + bet (z - m0)), a capped one is
log((1 - c) m + c z) - log(m). Terms for which the series would converge slowly, and those whose cap sets in near m0,
are kept and summed as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from neff.stats._validate import FloatArray

__all__ = ["log_growth", "lower_roots", "lower_roots_directly"]

DIRECT = 192
"""Up to so many values the whole table of times and values is summed as it is."""
RADIUS = 0.02
"""How far a root may move within a block before it is looked for anew; half its size where that is less."""
SMALL = 0.05
ORDER = 11
"""A term with |w h| <= SMALL has an error below SMALL^12 / 12 < 1e-16 after ORDER powers."""
STEPS = 80
CLOSE = 1e-14
"""Steps this short end the search; Newton's last step is far closer than it is long."""

Both: TypeAlias = "tuple[FloatArray, FloatArray]"


def log_growth(m: FloatArray, z: FloatArray, bets: FloatArray, cap: float) -> Both:
    """Return log(1 + min(bet, cap / m) (z - m)) and its derivative in m; m > 0."""
    limit = cap / m
    capped = bets > limit
    base = 1.0 + np.where(capped, limit, bets) * (z - m)
    slope = -np.where(capped, limit * z / m, bets) / base
    return np.log(base), slope


def _solve(f: Callable[[FloatArray], Both], low: FloatArray, high: FloatArray, goal: float) -> FloatArray:
    """Return the roots of f = goal for falling f, f(low) >= goal > f(high): Newton's steps, halving where they fail."""
    m = (low + high) / 2.0
    for _ in range(STEPS):
        value, slope = f(m)
        above = value >= goal
        low, high = np.where(above, m, low), np.where(above, high, m)
        step = m - (value - goal) / np.where(slope < 0, slope, -1.0)
        done = (slope < 0) & (np.abs(step - m) <= CLOSE)
        if done.all():
            break
        good = done | ((slope < 0) & (step > low) & (step < high))
        m = np.where(good, step, (low + high) / 2.0)
    return m


def _table(z: FloatArray, bets: FloatArray, cap: float, used: FloatArray) -> Callable[[FloatArray], Both]:
    """Return f for rows of times that use the values marked in `used`, shape (times, values)."""

    def f(m: FloatArray) -> Both:
        value, slope = log_growth(m[:, None], z, bets, cap)
        return (value * used).sum(axis=1), (slope * used).sum(axis=1)

    return f


def _in_full(
    z: FloatArray, bets: FloatArray, cap: float, goal: float, times: npt.NDArray[np.integer[Any]]
) -> FloatArray:
    """Return the roots at the given times from all values; 0 where even m = 0 is not left out."""
    roots = np.zeros(times.size)
    at_zero = np.cumsum(np.log1p(bets * z))[times - 1]
    crossed = np.flatnonzero(at_zero > goal)
    rows = max(1, 200_000 // max(1, z.size))
    for begin in range(0, crossed.size, rows):
        part = crossed[begin : begin + rows]
        last = int(times[part].max())
        used = (np.arange(last) < times[part][:, None]).astype(np.float64)
        f = _table(z[:last], bets[:last], cap, used)
        roots[part] = _solve(f, np.zeros(part.size), np.ones(part.size), goal)
    return roots


@dataclass(frozen=True, slots=True)
class _Series:
    """The sum over earlier values near m0: a power series, logarithms of m, and terms that are kept."""

    centre: float
    cap: float
    powers: FloatArray
    n_capped: int
    kept: tuple[FloatArray, FloatArray]

    @classmethod
    def of(cls, z: FloatArray, bets: FloatArray, cap: float, centre: float, radius: float) -> _Series:
        free = bets <= cap / (centre + radius)
        capped = bets >= cap / (centre - radius)
        base = np.where(free, 1.0 + bets * (z - centre), (1.0 - cap) * centre + cap * z)
        w = np.where(free, bets, cap - 1.0) / base
        smooth = (free | capped) & (np.abs(w) * radius <= SMALL)
        w, base = w[smooth], base[smooth]
        powers = np.empty(ORDER + 1)
        powers[0] = np.log(base).sum()
        power = np.ones_like(w)
        for k in range(1, ORDER + 1):
            power = power * w
            powers[k] = -power.sum() / k
        return cls(centre, cap, powers, int(np.count_nonzero(capped & smooth)), (z[~smooth], bets[~smooth]))

    def __call__(self, m: FloatArray) -> Both:
        h = m - self.centre
        value, slope = np.zeros_like(h), np.zeros_like(h)
        for power in self.powers[::-1]:
            slope = slope * h + value
            value = value * h + power
        kept, kept_slope = log_growth(m[:, None], *self.kept, self.cap)
        value = value - self.n_capped * np.log(m) + kept.sum(axis=1)
        return value, slope - self.n_capped / m + kept_slope.sum(axis=1)


def _near(z: FloatArray, bets: FloatArray, cap: float, goal: float, begin: int, end: int, centre: float) -> FloatArray:
    """Return the roots after begin + 1, ..., end values, found near `centre`; NaN for those that lie elsewhere."""
    radius = min(RADIUS, centre / 2.0)
    before = _Series.of(z[:begin], bets[:begin], cap, centre, radius)
    within = _table(z[begin:end], bets[begin:end], cap, np.tri(end - begin))

    def f(m: FloatArray) -> Both:
        (a, b), (c, d) = before(m), within(m)
        return a + c, b + d

    low = np.full(end - begin, centre - radius)
    high = np.full(end - begin, min(centre + radius, 1.0))
    inside = (f(low)[0] >= goal) & (f(high)[0] < goal)
    return np.where(inside, _solve(f, low, high, goal), np.nan)


def lower_roots_directly(z: FloatArray, bets: FloatArray, *, cap: float, goal: float, start: int = 0) -> FloatArray:
    """Return the roots after start + 1, ..., n values, each from all values: the slow twin of `lower_roots`."""
    return _in_full(z, bets, cap, goal, np.arange(start + 1, z.size + 1))


def lower_roots(z: FloatArray, bets: FloatArray, *, cap: float, goal: float, start: int = 0) -> FloatArray:
    """Return, after start + 1, ..., n values, the m with f_n(m) = goal; 0 where f_n(0) is not above it.

    Parameters
    ----------
    z
        Values in [0, 1], shape (n,).
    bets
        Bet of each, shape (n,), positive.
    cap
        A bet is at most cap / m, 0 < cap < 1.
    goal
        Logarithm of the capital to reach.
    start
        How many values were there before.
    """
    first = min(max(start, DIRECT), z.size)
    roots = np.zeros(z.size - start)
    roots[: first - start] = _in_full(z[:first], bets[:first], cap, goal, np.arange(start + 1, first + 1))
    begin = first
    while begin < z.size:
        end = min(z.size, begin + int(np.sqrt(2.0 * begin)) + 1)
        times = np.arange(begin + 1, end + 1)
        centre = roots[begin - start - 1] if begin > start else 0.0
        if centre == 0.0:
            centre = _in_full(z[:end], bets[:end], cap, goal, times[-1:])[0]
        block = np.full(times.size, np.nan)
        if centre > 0.0:
            block = _near(z, bets, cap, goal, begin, end, centre)
        missed = np.isnan(block)
        if missed.any():
            block[missed] = _in_full(z[:end], bets[:end], cap, goal, times[missed])
        roots[begin - start : end - start] = block
        begin = end
    return roots
