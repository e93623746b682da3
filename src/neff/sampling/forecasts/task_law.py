"""The task scaling law: pass rates of small models predict those of a larger one, with an interval.

What it estimates: PU(N) = exp(-c N^-alpha), so that log(-log PU) falls linearly in log N, one line for the data set or
one per item.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Estimate, Table, json_number
from neff.sampling.forecasts._task_law_fit import Law, chance, fit_law, rates_of, redraw
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["TaskLaw", "fit_task_law", "pass_table"]

CURVES = ("instance", "dataset")
METHODS = ("likelihood", "weighted", "ols")
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
    curves, method
        "instance" or "dataset"; how it was fitted.
    predictions
        Sizes and what was predicted for them, where that is part of the result (`with_predictions`).
    warnings
        What weakens it.
    """

    c: NDArray[np.float64]
    alpha: NDArray[np.float64]
    sizes: NDArray[np.float64]
    observed: NDArray[np.float64]
    fitted: NDArray[np.float64]
    curves: str
    method: str
    guess: float
    passes: int | None
    n_resamples: int
    seed: int | None
    _data: tuple[NDArray[np.float64], NDArray[np.float64]]
    warnings: tuple[str, ...] = ()
    predictions: tuple[tuple[float, Estimate], ...] = ()

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
            With a percentile interval over resampled items (below 10 items, over fresh counts of these); undefined
            where resamples are all equal, or more than a tenth of them cannot be fitted.

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
        drawn = drawn[np.isfinite(drawn)]  # least squares may find nothing to fit in a resample
        known = len(drawn) > 0.9 * self.n_resamples and drawn.min() < drawn.max()
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]) if known else (math.nan, math.nan)
        return Estimate(
            self.rate(size), float(drawn.std(ddof=1)) if known else math.nan, (float(low), float(high)), level=level,
            reason=None if known else Reason.DEGENERATE_RESAMPLES,
            n=int(self._data[1].sum()), n_items=len(self._data[0]),
            method=f"task law, {self.curves}, {self.method}; bootstrap of items",
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
            start = Law(own.intercept[rows], own.alpha[rows]) if self.curves == "instance" else own
            law = fit_law(np.log(self.sizes), *drawn, self.curves, self.method, self.guess, self.passes, start)
            found = chance(law, x, self.guess)
            out[b] = np.nan if np.isnan(found).all() else np.nanmean(found, axis=0)
        return out

    def with_predictions(self, sizes: Sequence[float], *, level: float = 0.95) -> TaskLaw:
        """Return the same law with the predictions of some sizes, for tables, JSON and reports."""
        return replace(self, predictions=tuple((float(n), self.predict(n, level=level)) for n in sizes))

    def table(self) -> Table:
        """Return one row per model, and one per prediction."""
        columns = (
            Column("size", "N", "number"), Column("observed", "Pass rate", "number", 6),
            Column("fitted", "Fitted", "number", 6), Column("interval", "Interval", "interval", 6),
        )  # fmt: skip
        none = (math.nan, math.nan)
        rows: list[tuple[Any, ...]] = [
            (*row, none) for row in zip(*(x.tolist() for x in (self.sizes, self.observed, self.fitted)), strict=True)
        ]
        rows += [(n, math.nan, e.value, e.interval) for n, e in self.predictions]
        keep = 4 if self.predictions else 3
        return Table(columns[:keep], tuple(row[:keep] for row in rows))

    def __str__(self) -> str:
        c, alpha = np.nanmedian(self.c), np.nanmedian(self.alpha)
        return f"{self.table()}\nmedian c {c:.4g}, median alpha {alpha:.4g} ({self.curves})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lines = ("c", "alpha", "sizes", "observed", "fitted")
        return {
            "schema": "neff.task-law/1",
            **{name: [json_number(float(x)) for x in getattr(self, name)] for name in lines},
            "curves": self.curves,
            "method": self.method,
            "guess": self.guess,
            "predictions": [{"size": n} | e.to_dict() for n, e in self.predictions],
            "seed": self.seed,
            "warnings": list(self.warnings),
        }


def fit_task_law(
    sizes: ArrayLike,
    successes: ArrayLike,
    draws: ArrayLike,
    *,
    curves: str = "instance",
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
    curves
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
        If there are fewer than two sizes, no pass at all, a model without draws, counts that do not fit or contradict
        `passes`, or least squares have no item with two rates between 0 and 1.

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
    >>> law = fit_task_law(sizes, np.round(draws * np.exp(-2.6 * sizes**-0.42)), draws, curves="dataset")
    >>> f"c {law.c[0]:.3f}, alpha {law.alpha[0]:.3f}, at 2.4: {law.rate(2.4):.4f}"
    'c 2.600, alpha 0.420, at 2.4: 0.1653'
    """
    check_choice(curves, CURVES, argument="curves", call="fit_task_law")
    check_choice(method, METHODS, argument="method", call="fit_task_law")
    n_resamples = check_count(n_resamples, argument="n_resamples", call="fit_task_law", minimum=2)
    if not 0 <= guess < 1:
        raise ArgumentError("guess", "in [0, 1)", guess, "The chance that random text passes.", call="fit_task_law")
    n, s, k = _table(sizes, successes, draws, passes, call="fit_task_law")
    generator, seed = seeded(rng, call="fit_task_law")
    seed = int(generator.integers(2**31)) if seed is None else seed
    x = np.log(n)
    r = None if passes is None else int(passes)
    law = fit_law(x, s, k, curves, method, guess, r, None)
    lost = int(np.isnan(law.alpha).sum())
    if lost == len(law.alpha):
        fix = "Rates of 0 and 1 have no log(-log rate): use method='likelihood'."
        must = "'likelihood' where no item has two rates between 0 and 1"
        raise ArgumentError("method", must, method, fix, call="fit_task_law")
    warnings = []
    falling = int((law.alpha <= 0).sum())
    if falling:
        warnings.append(f"{falling} of {len(law.alpha)} curves do not rise with N")
    if guess:
        warnings.append("with guesses the law's premise does not hold")
    if lost:
        warnings.append(f"{lost} items have fewer than two usable rates and are left out")
    return TaskLaw(
        c=np.exp(law.intercept), alpha=law.alpha, sizes=n, observed=np.nanmean(rates_of(s, k, r), axis=0),
        fitted=np.nanmean(chance(law, x, guess), axis=0), curves=curves, method=method, guess=guess,
        passes=r, n_resamples=n_resamples, seed=seed, _data=(s, k), warnings=tuple(warnings),
    )  # fmt: skip


def _table(
    sizes: ArrayLike, successes: ArrayLike, draws: ArrayLike, passes: Any, *, call: str, fewest: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    n, s, k = (np.asarray(values, np.float64) for values in (sizes, successes, draws))
    if n.ndim != 1 or len(np.unique(n)) < fewest or not ((n > 0) & np.isfinite(n)).all():
        raise ArgumentError("sizes", f"{fewest} or more different positive numbers", sizes, call=call)
    if s.ndim != 2 or s.shape != k.shape or s.shape[1] != len(n):
        got = f"{s.shape} and {k.shape} for {len(n)} sizes"
        raise ArgumentError("successes", "and draws of shape (n_items, n_models)", got, call=call)
    bad = ~((s >= 0) & (s <= k) & np.isfinite(k) & (s == np.floor(s)) & (k == np.floor(k)))
    if bad.any():
        raise ArgumentError("successes", "counts of at most draws", _cell(s, k, bad), call=call)
    if passes is not None:
        r = check_count(passes, argument="passes", call=call, minimum=2)
        if (s > r).any():
            fix = "Leave passes out where the number of draws was fixed."
            raise ArgumentError("successes", f"at most passes={r}", _cell(s, k, s > r), fix, call=call)
    if not s.sum():
        raise ArgumentError(
            "successes", "with at least one pass", "none", "Draw more, or from larger models.", call=call
        )
    if not k.sum(axis=0).all():
        got = f"none of size {n[k.sum(axis=0) == 0][0]:g}"
        raise ArgumentError("draws", "some of every model", got, "Leave that model out.", call=call)
    return n, s, k


def _cell(s: NDArray[np.float64], k: NDArray[np.float64], where: NDArray[np.bool_]) -> str:
    i, j = (int(axis[0]) for axis in np.nonzero(where))
    return f"{s[i, j]:g} of {k[i, j]:g} (item {i}, model {j})"


def pass_table(sizes: ArrayLike, successes: ArrayLike, draws: ArrayLike, passes: Any) -> Any:
    """Return sizes, passes and draws as checked arrays of at least four sizes, for the tests of shape."""
    return _table(sizes, successes, draws, passes, call="emergence_test", fewest=4)
