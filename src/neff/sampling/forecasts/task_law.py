"""The task scaling law: pass rates of small models predict those of a larger one, with an interval.

What it estimates: PU(N) = exp(-c N^-alpha), so that log(-log PU) falls linearly in log N, one line for the data set or
one per item.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.results import Column, Estimate, Table, json_number
from neff.sampling.forecasts._task_law_fit import Law, Prior, chance, fit_items, fit_lines
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["TaskLaw", "fit_task_law", "mean_curve", "pass_table", "redraw"]

LEVELS = ("instance", "dataset")
METHODS = ("likelihood", "weighted", "ols")
ALPHA_SD, INTERCEPT_SD = 0.1, 2.0
FEWEST_ITEMS = 10


@dataclass(frozen=True, slots=True, eq=False)
class TaskLaw:
    """A fitted law.

    Attributes
    ----------
    c, alpha
        Of each curve, shape (n_curves,): one per item, or one for the data set.
    sizes
        N of the models, shape (n_models,).
    observed, fitted
        Mean pass rate at each size, as seen and as fitted, shape (n_models,).
    level, method
        "instance" or "dataset"; how it was fitted.
    warnings
        What weakens it.
    """

    c: NDArray[np.float64]
    alpha: NDArray[np.float64]
    sizes: NDArray[np.float64]
    observed: NDArray[np.float64]
    fitted: NDArray[np.float64]
    level: str
    method: str
    guess: float
    passes: int | None
    n_resamples: int
    seed: int | None
    _data: tuple[NDArray[np.float64], NDArray[np.float64]]
    warnings: tuple[str, ...] = ()

    def rate(self, size: float) -> float:
        """Return the predicted mean pass rate at one size."""
        law = Law(np.log(self.c), self.alpha)
        return float(np.nanmean(chance(law, np.array([math.log(size)]), self.guess)))

    def predict(self, size: float, *, level: float = 0.95) -> Estimate:
        """Predict the mean pass rate of a model of another size.

        Parameters
        ----------
        size
            N, in the units of the fit.
        level
            Coverage of the interval.

        Returns
        -------
        Estimate
            With a percentile interval over resampled items (below 10 items, over fresh counts of these).

        Raises
        ------
        ArgumentError
            If the size is not positive.

        Notes
        -----
        The interval holds if the law does: it knows nothing of a break beyond the largest model. It contains the
        sampling of items and counts, not that of the new model's own evaluation.
        """
        level = check_level(level, call="TaskLaw.predict")
        if not (math.isfinite(size) and size > 0):
            raise ArgumentError("size", "a positive number", size, "In the units of the fit.", call="TaskLaw.predict")
        drawn = self._resampled(np.array([math.log(size)]))[:, 0]
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return Estimate(
            self.rate(size), float(drawn.std(ddof=1)), (float(low), float(high)), level=level,
            n=int(self._data[1].sum()), n_items=len(self._data[0]),
            method=f"task law, {self.level}, {self.method}; bootstrap of items",
            assumptions=("log(-log rate) stays linear in log N",), warnings=self.warnings, metric="pass rate",
            seed=self.seed,
        )  # fmt: skip

    def _resampled(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return predictions of resamples, shape (n_resamples, len(x)).

        An item brings its counts, so that drawing items draws their noise too. With a few items only the counts are
        drawn anew, from the fitted curves.
        """
        s, k = self._data
        rng = np.random.default_rng(self.seed)
        own = Law(np.log(self.c), self.alpha)
        few = len(s) < FEWEST_ITEMS
        fitted = np.broadcast_to(chance(own, np.log(self.sizes), self.guess), s.shape)
        out = np.empty((self.n_resamples, len(x)))
        for b in range(self.n_resamples):
            rows = np.arange(len(s)) if few else rng.integers(len(s), size=len(s))
            drawn = redraw(fitted, k, self.passes, int(k.max()), rng) if few else (s[rows], k[rows])
            start = Law(own.intercept[rows], own.alpha[rows]) if self.level == "instance" else own
            law = _fit(np.log(self.sizes), *drawn, self.level, self.method, self.guess, self.passes, start)
            out[b] = np.nanmean(chance(law, x, self.guess), axis=0)
        return out

    def table(self) -> Table:
        """Return one row per model."""
        columns = (
            Column("size", "N", "number"), Column("observed", "Pass rate", "number", 6),
            Column("fitted", "Fitted", "number", 6),
        )  # fmt: skip
        return Table(
            columns, tuple(zip(self.sizes.tolist(), self.observed.tolist(), self.fitted.tolist(), strict=True))
        )

    def __str__(self) -> str:
        return (
            f"{self.table()}\nmedian c {np.median(self.c):.4g}, median alpha {np.median(self.alpha):.4g} ({self.level})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lines = ("c", "alpha", "sizes", "observed", "fitted")
        return {
            "schema": "neff.task-law/1",
            **{name: [json_number(float(x)) for x in getattr(self, name)] for name in lines},
            "level": self.level,
            "method": self.method,
            "guess": self.guess,
            "seed": self.seed,
            "warnings": list(self.warnings),
        }


def fit_task_law(
    sizes: ArrayLike,
    successes: ArrayLike,
    draws: ArrayLike,
    *,
    level: str = "instance",
    method: str = "likelihood",
    passes: int | None = None,
    guess: float = 0.0,
    n_resamples: int = 200,
    rng: Any = None,
) -> TaskLaw:
    """Fit PU(N) = exp(-c N^-alpha) to the counts of several models on the same items.

    Use it to predict the pass rate of a larger model, or a later checkpoint, from small ones evaluated with `PassUntil`
    or with many draws. Not for tasks that random text passes: with the chance of a guess the law is but an analogy.

    Parameters
    ----------
    sizes
        Non-embedding parameters, or another scale of compute, of each model, shape (n_models,).
    successes, draws
        Passes and draws, shape (n_items, n_models); draws 0 where an item was not drawn from a model.
    level
        "instance": one curve per item, predictions averaged; "dataset": one curve for the mean rate.
    method
        "likelihood" (default): of the counts, zeros and capped items included, with a normal prior on each item's slope
        around the common one (standard deviation 0.1). "weighted": least squares of log(-log rate), weighted by its
        error. "ols": unweighted, as in the paper; rates of 0 and 1 are left out by both.
    passes
        r, where draws stopped at the r-th pass (`PassUntil`): rates are then (r - 1) / (K - 1), without bias. The
        likelihood needs no such mending, the other methods and the mean rates do.
    guess
        Chance that random text passes.
    n_resamples, rng
        Bootstrap of items, for intervals of predictions (SPEC 7).

    Returns
    -------
    TaskLaw
        With `predict(size)`.

    Raises
    ------
    ArgumentError
        If there are fewer than two sizes, no pass at all, or counts do not fit.

    Notes
    -----
    The derivation needs one dominant answer and equal exponents for all its tokens: a motivation, not a proof. A mean
    over items that each obey the law does not obey it: prefer "instance". Cost: items x models x some twenty steps,
    times `n_resamples` for an interval.

    References
    ----------
    Hu et al., Predicting Emergent Abilities with Infinite Resolution Evaluation. arXiv:2310.03262

    Examples
    --------
    >>> import numpy as np
    >>> sizes = np.array([0.1, 0.2, 0.5, 1.0])
    >>> draws = np.full((1, 4), 1e9)
    >>> law = fit_task_law(sizes, np.round(draws * np.exp(-2.6 * sizes**-0.42)), draws, level="dataset")
    >>> f"c {law.c[0]:.3f}, alpha {law.alpha[0]:.3f}, at 2.4: {law.rate(2.4):.4f}"
    'c 2.600, alpha 0.420, at 2.4: 0.1653'
    """
    check_choice(level, LEVELS, argument="level", call="fit_task_law")
    check_choice(method, METHODS, argument="method", call="fit_task_law")
    n_resamples = check_count(n_resamples, argument="n_resamples", call="fit_task_law", minimum=2)
    if not 0 <= guess < 1:
        raise ArgumentError("guess", "in [0, 1)", guess, "The chance that random text passes.", call="fit_task_law")
    n, s, k = _table(sizes, successes, draws)
    _, seed = seeded(rng, call="fit_task_law")
    seed = int(np.random.default_rng(0).integers(2**31)) if seed is None else seed
    x = np.log(n)
    r = None if passes is None else check_count(passes, argument="passes", call="fit_task_law", minimum=2)
    law = _fit(x, s, k, level, method, guess, r, None)
    warnings = []
    falling = int((law.alpha <= 0).sum())
    if falling:
        warnings.append(f"{falling} of {len(law.alpha)} curves do not rise with N")
    if guess:
        warnings.append("with guesses the law's premise does not hold")
    lost = int(np.isnan(law.alpha).sum())
    if lost:
        warnings.append(f"{lost} items have fewer than two usable rates and are left out")
    return TaskLaw(
        c=np.exp(law.intercept), alpha=law.alpha, sizes=n, observed=np.nanmean(_rates(s, k, r), axis=0),
        fitted=np.nanmean(chance(law, x, guess), axis=0), level=level, method=method, guess=guess,
        passes=r, n_resamples=n_resamples, seed=seed, _data=(s, k), warnings=tuple(warnings),
    )  # fmt: skip


def _table(
    sizes: ArrayLike, successes: ArrayLike, draws: ArrayLike, fewest: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    n, s, k = (np.asarray(values, np.float64) for values in (sizes, successes, draws))
    if n.ndim != 1 or len(np.unique(n)) < fewest or not ((n > 0) & np.isfinite(n)).all():
        raise ArgumentError("sizes", f"{fewest} or more different positive numbers", sizes, call="fit_task_law")
    if s.ndim != 2 or s.shape != k.shape or s.shape[1] != len(n):
        got = f"{s.shape} and {k.shape} for {len(n)} sizes"
        raise ArgumentError("successes", "and draws of shape (n_items, n_models)", got, call="fit_task_law")
    bad = ~((s >= 0) & (s <= k) & np.isfinite(k) & (s == np.floor(s)) & (k == np.floor(k)))
    if bad.any():
        i, j = (int(axis[0]) for axis in np.nonzero(bad))
        raise ArgumentError(
            "successes",
            "counts of at most draws",
            f"{s[i, j]:g} of {k[i, j]:g} (item {i}, model {j})",
            call="fit_task_law",
        )
    if not s.sum():
        raise ArgumentError(
            "successes", "with at least one pass", "none", "Draw more, or from larger models.", call="fit_task_law"
        )
    return n, s, k


def pass_table(sizes: ArrayLike, successes: ArrayLike, draws: ArrayLike) -> Any:
    """Return sizes, passes and draws as checked arrays of at least four sizes, for the tests of shape."""
    return _table(sizes, successes, draws, fewest=4)


def _fit(
    x: NDArray[np.float64],
    s: NDArray[np.float64],
    k: NDArray[np.float64],
    level: str,
    method: str,
    guess: float,
    passes: int | None,
    start: Law | None,
) -> Law:
    if level == "dataset":
        rate, total = mean_curve(s, k, passes)
        s, k = (rate * total)[None, :], total[None, :]
        passes = None
    if method != "likelihood":
        return _least_squares(x, _rates(s, k, passes), s, weighted=method == "weighted", guess=guess)
    flat = Prior(0.0, math.inf, 0.0, math.inf)
    if level == "dataset":
        return fit_items(x, s, k, guess=guess, prior=flat, start=start)
    # The common slope: that of one law for all items, then twice the mean of the items' own.
    common = fit_items(x, s.sum(axis=0)[None, :], k.sum(axis=0)[None, :], guess=guess, prior=flat)
    alpha, middle = float(common.alpha[0]), float(common.intercept[0])
    law = fit_items(x, s, k, guess=guess, prior=Prior(middle, INTERCEPT_SD, alpha, ALPHA_SD), start=start)
    for _ in range(2):
        prior = Prior(float(law.intercept.mean()), INTERCEPT_SD, float(law.alpha.mean()), ALPHA_SD)
        law = fit_items(x, s, k, guess=guess, prior=prior, start=law)
    return law


def _rates(s: NDArray[np.float64], k: NDArray[np.float64], passes: int | None) -> NDArray[np.float64]:
    """Return the rate of each cell, without bias under its stopping rule; NaN where there was no draw."""
    plain = np.where(k > 0, s / np.maximum(k, 1), np.nan)
    return plain if passes is None else np.where(s >= passes, (passes - 1) / np.maximum(k - 1, 1), plain)


def redraw(
    rates: NDArray[np.float64], k: NDArray[np.float64], passes: int | None, most: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw counts anew under the rule that stopped them: a fixed number, or the r-th pass with a limit."""
    if passes is None:
        return rng.binomial(k.astype(np.int64), rates).astype(np.float64), k
    waits = np.cumsum(rng.geometric(np.clip(rates, 1e-15, 1.0), size=(passes, *rates.shape)), axis=0)
    passed = np.minimum((waits <= most).sum(axis=0), passes)
    drawn = np.where(passed == passes, waits[-1], most)
    asked = k > 0
    return np.where(asked, passed, 0).astype(np.float64), np.where(asked, drawn, 0).astype(np.float64)


def mean_curve(
    s: NDArray[np.float64], k: NDArray[np.float64], passes: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean rate over items at each size, and the draws of one binomial that would be as precise."""
    seen = k > 0
    count = np.maximum(seen.sum(axis=0), 1)
    rate = np.where(seen, _rates(s, k, passes), 0.0).sum(axis=0) / count
    smooth = (s + 0.5) / (k + 1)
    variance = np.where(seen, smooth * (1 - smooth) / np.maximum(k, 1), 0.0).sum(axis=0) / count**2
    total = np.maximum(np.where(variance > 0, rate * (1 - rate) / np.where(variance > 0, variance, 1.0), 1.0), 1.0)
    return rate, total


def _least_squares(
    x: NDArray[np.float64],
    p: NDArray[np.float64],
    s: NDArray[np.float64],
    *,
    weighted: bool,
    guess: float,
) -> Law:
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = (p - guess) / (1 - guess)
        f = np.where((inner > 0) & (inner < 1), np.log(-np.log(inner)), np.nan)
        error = np.sqrt((1 - p) * p**2 / np.maximum(s, 0.5)) / ((1 - guess) * inner * np.abs(np.log(inner)))
    weight = np.where(np.isfinite(f), error**-2.0 if weighted else 1.0, 0.0)
    return fit_lines(x, f, weight)
