"""Whether pass rates grow as the task scaling law says, slower or faster, and whether a mixture of items explains it.

What it estimates: the curvature of F = log(-log rate) over log N. Straight: the law; convex: slower; concave: faster
("accelerated emergence"). A mean over items that each obey the law is concave already, so that the mean alone cannot
show emergence: it is held against data drawn from the items' own laws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.reasons import Reason
from neff.results import json_value
from neff.sampling.forecasts._task_law_fit import Law, chance, mean_curve, redraw
from neff.sampling.forecasts.task_law import fit_task_law, pass_table
from neff.stats._options import seeded
from neff.stats._special import two_sided_p
from neff.stats._validate import check_count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Emergence", "curvature", "emergence_test"]


@dataclass(frozen=True, slots=True)
class Emergence:
    """The curvature of a data set's pass rates, and what it means.

    Attributes
    ----------
    curvature
        b2 of F = b0 + b1 log N + b2 (log N)^2, weighted by precision.
    standard_error
        Over fresh counts of the same items.
    of_mixture
        The curvature to expect from these items if each obeys its own law.
    p_line
        Two-sided, of no curvature.
    p_mixture
        Two-sided, of no more curvature than the mixture's.
    shape
        "convex" (sub-scaling), "concave" (super-scaling), or "undetermined" unless |b2| > 2 standard errors.
    emergent
        Whether the curve is concave, and more so than the mixture explains.
    n_items, n_models
        What it rests on.
    seed
        Of the drawn data sets.
    reason
        Why the curvature is undefined, or None.
    """

    curvature: float
    standard_error: float
    of_mixture: float
    p_line: float
    p_mixture: float
    shape: str
    emergent: bool
    n_items: int
    n_models: int
    seed: int | None
    reason: Reason | None = None

    def __str__(self) -> str:
        if self.reason is not None:
            return f"undetermined: {self.reason}"
        word = "faster than its items' laws" if self.emergent else "not faster than its items' laws explain"
        return (
            f"{self.shape}: curvature {self.curvature:+.4f} ± {self.standard_error:.4f}, of the mixture "
            f"{self.of_mixture:+.4f} (p {self.p_mixture:.3f}); {word}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"schema": "neff.emergence/1"} | {f.name: json_value(getattr(self, f.name)) for f in fields(self)}


def curvature(x: ArrayLike, f: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Return the quadratic coefficient of f over x by weighted least squares.

    Examples
    --------
    >>> round(curvature([0.0, 1.0, 2.0, 3.0], [1.0, 0.5, 1.0, 2.5]), 6)
    0.5
    """
    x, f = np.asarray(x, np.float64), np.asarray(f, np.float64)
    root = np.ones(len(x)) if weight is None else np.sqrt(np.asarray(weight, np.float64))
    center = x - x.mean()
    design = np.stack([np.ones(len(x)), center, center**2], axis=1)
    return float(np.linalg.lstsq(design * root[:, None], f * root, rcond=None)[0][2])


def emergence_test(
    sizes: ArrayLike,
    successes: ArrayLike,
    draws: ArrayLike,
    *,
    passes: int | None = None,
    n_resamples: int = 400,
    rng: Any = None,
) -> Emergence:
    """Test whether a data set's pass rates grow faster or slower with size than its items' laws say.

    Use it before calling an ability emergent. Not with fewer than four model sizes, and not where the sizes differ in
    more than size.

    Parameters
    ----------
    sizes, successes, draws, passes
        As in `fit_task_law`; four sizes or more.
    n_resamples, rng
        Data sets drawn from the items' own laws (SPEC 7).

    Returns
    -------
    Emergence
        Curvature, tests, and the verdict.

    Raises
    ------
    ArgumentError
        If there are fewer than four sizes, or counts do not fit.

    Notes
    -----
    The null data sets come from one law per item, fitted by likelihood, under the same stopping rule; their mean
    curvature is what a mixture shows without emergence, their spread the standard error. Sizes at which no item passes
    carry no information on the curve and are left out of the line. Where more than a tenth of the null data sets have
    fewer than four other sizes, the test is undefined. Cost: `n_resamples` data sets, no refits.

    References
    ----------
    Hu et al., Predicting Emergent Abilities with Infinite Resolution Evaluation. arXiv:2310.03262

    Examples
    --------
    >>> import numpy as np
    >>> rng, sizes = np.random.default_rng(0), np.array([0.1, 0.2, 0.5, 1.0, 2.0])
    >>> rates = np.exp(-2 * rng.lognormal(0, 0.5, (40, 1)) * sizes**-0.4)
    >>> draws = np.full(rates.shape, 20_000)
    >>> print(emergence_test(sizes, rng.binomial(draws, rates), draws, rng=0).emergent)
    False
    """
    n, s, k = pass_table(sizes, successes, draws, passes)
    n_resamples = check_count(n_resamples, argument="n_resamples", call="emergence_test", minimum=20)
    generator, seed = seeded(rng, call="emergence_test")
    x = np.log(n)
    observed = _curvature_of(x, s, k, passes)
    nan = math.nan
    common: dict[str, Any] = {"n_items": len(s), "n_models": len(n), "seed": seed}
    if math.isnan(observed):
        undefined = Emergence(nan, nan, nan, nan, nan, "undetermined", emergent=False, **common)
        return replace(undefined, reason=Reason.TOO_FEW)
    law = fit_task_law(n, s, k, passes=passes, rng=0)
    rates = np.broadcast_to(chance(Law(np.log(law.c), law.alpha), x, 0.0), s.shape)
    drawn = np.array(
        [_curvature_of(x, *redraw(rates, k, passes, int(k.max()), generator), passes) for _ in range(n_resamples)]
    )
    usable = drawn[np.isfinite(drawn)]
    if len(usable) < 0.9 * n_resamples or usable.min() == usable.max():
        # Data sets like these have no curve, or always the same one: nothing says how far the observed one may stray.
        why = Reason.DEGENERATE_RESAMPLES if len(usable) == n_resamples else Reason.UNDEFINED_STATISTIC
        undefined = Emergence(observed, nan, nan, nan, nan, "undetermined", emergent=False, **common)
        return replace(undefined, reason=why)
    center, error = float(usable.mean()), float(usable.std(ddof=1))
    shape = "undetermined" if not abs(observed) > 2 * error else "convex" if observed > 0 else "concave"
    return Emergence(
        curvature=observed, standard_error=error, of_mixture=center, p_line=two_sided_p(observed / error),
        p_mixture=two_sided_p((observed - center) / error), shape=shape,
        emergent=shape == "concave" and observed - center < -2 * error, **common,
    )  # fmt: skip


def _curvature_of(x: NDArray[np.float64], s: NDArray[np.float64], k: NDArray[np.float64], passes: int | None) -> float:
    rate, precision = mean_curve(s, k, passes)
    known = (rate > 0) & (rate < 1)
    if known.sum() < 4:
        return float("nan")
    rate, precision = rate[known], precision[known]
    f = np.log(-np.log(rate))
    # Var F = Var rate / (rate log rate)^2, and rate (1 - rate) / precision is the variance of the rate.
    weight = precision * rate * np.log(rate) ** 2 / (1 - rate)
    return curvature(x[known], f, weight)
