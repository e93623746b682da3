"""PassUntil: draw until r answers pass, so that easy items cost little and hard ones are still seen.

What it estimates: the chance that one draw passes, per item, down to about 1e-5. With a fixed number of draws an item
that passes less often than once in them shows 0; here r sets the precision of each item, and its chance the cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.results import Column, Estimate, Table, json_number
from neff.stats import mean_se, t_interval
from neff.stats._options import check_choice
from neff.stats._special import beta_quantile
from neff.stats._validate import check_count, check_level, check_rng

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from neff.sampling.draws import Draws

__all__ = ["PassRates", "PassUntil", "pass_rates", "replay_pass_until"]

MAX_DRAWS = 100_000
ESTIMATORS = ("unbiased", "mle")


class PassUntil:
    """The rule, around any sampler: `observe` each draw, stop when it says so.

    Use it where draws are cheap to check and items differ in difficulty by orders of magnitude. Not where random text
    can pass (multiple choice): the chance then has a floor that is not skill.

    Parameters
    ----------
    passes
        r, the passes after which to stop. 2 or more: with 1 no useful unbiased estimate exists.
    max_draws
        Draws after which to stop in any case.

    Examples
    --------
    >>> rule = PassUntil(passes=2, max_draws=100)
    >>> [rule.observe(passed) for passed in (False, True, False, True)]
    [False, False, False, True]
    >>> rule.draws, rule.successes, round(float(rule.rates().value[0]), 4)
    (4, 2, 0.3333)
    """

    __slots__ = ("draws", "max_draws", "passes", "successes")

    def __init__(self, *, passes: int = 2, max_draws: int = MAX_DRAWS) -> None:
        self.passes, self.max_draws = _rule(passes, max_draws, "PassUntil")
        self.draws = self.successes = 0

    @property
    def stopped(self) -> bool:
        """Whether no further draw is wanted."""
        return self.successes >= self.passes or self.draws >= self.max_draws

    def observe(self, passed: Any) -> bool:
        """Count one draw, passed or not (true or false, 1 or 0), and return whether to stop.

        Raises
        ------
        ArgumentError
            If the rule had stopped before (a draw more would bias the estimate), or the draw is neither 0 nor 1: leave
            one that could not be scored out.
        """
        if not isinstance(passed, (bool, int, float, np.bool_, np.number)) or passed not in (0, 1):
            fix = "A draw that could not be scored is none: draw another; a fraction is not a pass."
            raise ArgumentError("passed", "true or false", passed, fix, call="PassUntil.observe")
        if self.stopped:
            raise ArgumentError(
                "passed", "left out once the rule has stopped", passed, "Begin a new one.", call="PassUntil.observe"
            )
        self.draws += 1
        self.successes += bool(passed)
        return self.stopped

    def rates(self, *, estimator: str = "unbiased", level: float = 0.95) -> PassRates:
        """Return the estimate of this item, see `pass_rates`."""
        return pass_rates(
            [self.successes],
            [self.draws],
            passes=self.passes,
            max_draws=self.max_draws,
            estimator=estimator,
            level=level,
        )


@dataclass(frozen=True, slots=True, eq=False)
class PassRates:
    """Chances that a draw passes, per item.

    Attributes
    ----------
    value
        Estimate of each item, shape (n_items,).
    low, high
        Exact interval of each item, shape (n_items,).
    draws, successes
        What was seen, shape (n_items,).
    capped
        Whether the item ran into the limit of draws before r passes, shape (n_items,).
    mean
        The mean over items, t interval.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    draws: NDArray[np.int64]
    successes: NDArray[np.int64]
    capped: NDArray[np.bool_]
    mean: Estimate
    passes: int
    max_draws: int
    estimator: str
    level: float

    def table(self) -> Table:
        """Return one row per item."""
        columns = (
            Column("item", "Item", "count"), Column("draws", "Draws", "count"),
            Column("successes", "Passes", "count"), Column("value", "Pass rate", "number", 7),
            Column("interval", "Interval", "interval", 7), Column("capped", "Capped"),
        )  # fmt: skip
        rows = tuple(
            (i, int(n), int(s), float(v), (float(a), float(b)), "yes" if c else "")
            for i, (n, s, v, a, b, c) in enumerate(
                zip(self.draws, self.successes, self.value, self.low, self.high, self.capped, strict=True)
            )
        )
        return Table(columns, rows)

    def __str__(self) -> str:
        return f"{self.mean} ({int(self.capped.sum())} of {len(self.value)} items capped)"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        numbers = {name: [json_number(float(x)) for x in getattr(self, name)] for name in ("value", "low", "high")}
        return {
            "schema": "neff.pass-rates/1",
            **numbers,
            "draws": self.draws.tolist(),
            "successes": self.successes.tolist(),
            "capped": self.capped.tolist(),
            "mean": self.mean.to_dict(),
            "passes": self.passes,
            "max_draws": self.max_draws,
            "estimator": self.estimator,
            "level": self.level,
        }


def pass_rates(
    successes: ArrayLike,
    draws: ArrayLike,
    *,
    passes: int = 2,
    max_draws: int = MAX_DRAWS,
    estimator: str = "unbiased",
    level: float = 0.95,
) -> PassRates:
    """Estimate each item's chance to pass from draws that stopped at the r-th pass or at a limit.

    Use it on what `PassUntil` counted. Where all items had the same number of draws, whatever they gave, use `at_k`.

    Parameters
    ----------
    successes, draws
        Passes of each item and its draws, shape (n_items,).
    passes, max_draws
        The rule: stop at `passes` passes, or at `max_draws` draws.
    estimator
        "unbiased": (r - 1) / (K - 1) where r was reached at draw K, else s / max_draws; "mle": the paper's r / K, and
        0 where the limit came first (its reading of a capped item). r / K is too high: by 1.9 times at r = 2 and a
        chance of .01, by 11.5 times at r = 1 and a chance of 1e-5.
    level
        Coverage of the intervals.

    Returns
    -------
    PassRates
        Per item, with exact intervals, and their mean.

    Raises
    ------
    ArgumentError
        If counts contradict the rule.

    Notes
    -----
    The unbiased pair is the path-counting estimate: of the ways to arrive at (draws, passes), the share that began with
    a pass. It stays unbiased under the limit. Intervals are exact (negative binomial, or Clopper-Pearson where
    capped). The relative standard error is about 1 / sqrt(r) whatever the chance, the cost about r / chance draws.

    References
    ----------
    Hu et al., Predicting Emergent Abilities with Infinite Resolution Evaluation. arXiv:2310.03262

    Examples
    --------
    >>> rates = pass_rates([2, 2, 1], [40, 31250, 100_000])
    >>> [f"{x:.3g}" for x in rates.value], rates.capped.tolist()
    (['0.0256', '3.2e-05', '1e-05'], [False, False, True])
    >>> f"{rates.low[0]:.4f} to {rates.high[0]:.4f}"
    '0.0061 to 0.1348'
    """
    r, most = _rule(passes, max_draws, "pass_rates")
    check_choice(estimator, ESTIMATORS, argument="estimator", call="pass_rates")
    if estimator == "unbiased" and r < 2:
        fix = "With one pass no useful unbiased estimate exists; use passes=2, or estimator='mle'."
        raise ArgumentError("passes", "2 or more for the unbiased estimate", passes, fix, call="pass_rates")
    level = check_level(level, call="pass_rates")
    k, s = (_whole(values, name) for name, values in (("draws", draws), ("successes", successes)))
    _check_rule(k, s, r, most)
    reached = s >= r
    tail = (1 - level) / 2
    low, high = np.zeros(len(k)), np.ones(len(k))
    for i in range(len(k)):
        fails = int(k[i] - s[i])
        if s[i]:
            low[i] = beta_quantile(tail, s[i], fails + 1)
        if fails:
            # The r-th pass ended the draws: where it did, it is not one of those that could have been more.
            high[i] = beta_quantile(1 - tail, s[i] + (0 if reached[i] else 1), fails)
    if estimator == "unbiased":
        value = np.where(reached, (r - 1) / np.maximum(k - 1, 1), s / most)
    else:
        value = np.where(reached, r / np.maximum(k, 1), 0.0)
    return PassRates(value, low, high, k, s, ~reached, _mean(value, k, level, estimator), r, most, estimator, level)


def _mean(value: NDArray[np.float64], k: NDArray[np.int64], level: float, estimator: str) -> Estimate:
    mean = mean_se(value)
    low, high, _ = t_interval(mean.value, mean.standard_error, df=mean.df, level=level)
    return Estimate(
        mean.value, mean.standard_error, (low, high) if math.isnan(low) else (max(low, 0.0), min(high, 1.0)),
        level=level, df=mean.df, n=int(k.sum()), n_items=len(value), reason=mean.reason, metric="pass rate",
        method=f"PassUntil, {estimator}, mean over items",
    )  # fmt: skip


def _rule(passes: Any, max_draws: Any, call: str) -> tuple[int, int]:
    r = check_count(passes, argument="passes", call=call, minimum=1)
    return r, check_count(max_draws, argument="max_draws", call=call, minimum=r)


def _whole(values: ArrayLike, name: str) -> NDArray[np.int64]:
    array = np.asarray(values, np.float64)
    bad = ~(np.isfinite(array) & (array >= 0) & (array == np.floor(array)))
    if array.ndim != 1 or bad.any():
        got = f"shape {array.shape}" if array.ndim != 1 else float(array[bad][0])
        raise ArgumentError(name, "one count per item", got, "Count draws and passes of each item.", call="pass_rates")
    return array.astype(np.int64)


def _check_rule(k: NDArray[np.int64], s: NDArray[np.int64], r: int, most: int) -> None:
    if len(k) != len(s):
        raise ArgumentError("draws", "as long as successes", len(k), "Give both per item.", call="pass_rates")
    for wrong, must, fix in (
        (s > np.minimum(k, r), f"at most passes={r} and at most draws", "The rule stops at the r-th pass."),
        (
            (s < r) & (k != most),
            f"{r}, or draws {most:,}",
            "An item that stopped early for another reason has no estimate.",
        ),
        (k > most, f"of at most {most:,} draws", "Is max_draws the limit that was used?"),
    ):
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            got = f"{s[i]} passes of {k[i]} draws (item {i})"
            raise ArgumentError("successes", must, got, fix, call="pass_rates")


def replay_pass_until(
    draws: Draws,
    *,
    passes: int = 2,
    max_draws: int | None = None,
    estimator: str = "unbiased",
    level: float = 0.95,
    rng: Any = None,
) -> PassRates:
    """Run the rule on recorded draws: each item's are taken in random order until r pass.

    Use it to see what the rule would have cost and said. Unscored draws are left out; an item is capped at the fewest
    scored draws of any item unless `max_draws` says less.

    Parameters
    ----------
    draws
        Recorded draws.
    passes, max_draws, estimator, level
        As in `pass_rates`.
    rng
        Of the orders (SPEC 7).

    Returns
    -------
    PassRates
        Per item.

    Raises
    ------
    ArgumentError
        If an item has fewer scored draws than `max_draws`, or than `passes`.

    Notes
    -----
    Draws without replacement from a fixed record: the estimates are those of the rule on the record's rates.
    """
    call = "replay_pass_until"
    rng = check_rng(rng, call=call)
    passes = check_count(passes, argument="passes", call=call, minimum=1)
    scored = draws.scored
    fewest = int(scored.min()) if draws.n_items else 0
    if fewest < passes:
        fix = "Leave items with fewer out, or ask for fewer passes."
        got = f"an item with {fewest} scored draws" if draws.n_items else "no items"
        raise ArgumentError("draws", f"of items with {passes} scored draws or more", got, fix, call=call)
    most = fewest if max_draws is None else check_count(max_draws, argument="max_draws", call=call, minimum=passes)
    if most > fewest:
        fix = f"The item with the fewest has {fewest}."
        raise ArgumentError("max_draws", "at most the scored draws of every item", most, fix, call=call)
    taken, passed = np.zeros(draws.n_items, np.int64), np.zeros(draws.n_items, np.int64)
    for i, span in enumerate(draws.spans()):
        outcome = draws.outcome[span]
        outcome = rng.permutation(outcome[~np.isnan(outcome)])[:most]
        at = np.flatnonzero(outcome == 1)
        taken[i] = at[passes - 1] + 1 if len(at) >= passes else most
        passed[i] = min(len(at), passes)
    return pass_rates(passed, taken, passes=passes, max_draws=most, estimator=estimator, level=level)
