"""The bootstrap that refits the calibrator: every prompt gets a random weight, and everything is learned again.

What it estimates: the sampling distribution of all policies' augmented means together, the calibrator included.
Isotonic calibration sees only sums per fold and distinct score, so 2,000 refits are a few matrix products and a few
long sequences to pool, not 2,000 passes over the rows (see `refit_plan`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.calibrating.checks import checked_scale
from neff.evaluate.judge.inference import ROUNDING
from neff.evaluate.refitting.refit_plan import RefitPlan
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged

__all__ = ["RefitBootstrap", "bootstrap_refit"]

WORK = 4_000_000
"""Most numbers in one array of a block (32 MB)."""


@dataclass(frozen=True, slots=True, eq=False)
class RefitBootstrap:
    """Resampled means, shape (B, n_policies); a row is one resample, so differences of columns are paired.

    `seed` is None where a Generator was given, whose state is the caller's. Where all resamples are equal (all labels
    are) they say nothing: standard error, interval and p-value are NaN.
    """

    policies: tuple[str, ...]
    means: NDArray[np.float64]
    seed: int | None

    def standard_errors(self) -> NDArray[np.float64]:
        """Return the standard deviation of each policy's mean, shape (n_policies,)."""
        return np.array([self._values(policy).std(ddof=1) for policy in self.policies])

    def interval(self, a: str, b: str | None = None, *, level: float = 0.95) -> tuple[float, float]:
        """Return the percentile interval of policy a, or of a minus b."""
        level = check_level(level, call="RefitBootstrap.interval")
        low, high = np.quantile(self._values(a, b), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def p_value(self, a: str, b: str) -> float:
        """Return the two-sided sign share of a minus b, smoothed by one; never below 2 / (B + 1)."""
        values = self._values(a, b)
        if np.isnan(values).any():
            return math.nan
        fewer = min(int((values <= 0).sum()), int((values >= 0).sum()))
        return min(1.0, 2 * (fewer + 1) / (len(values) + 1))

    def _values(self, a: str, b: str | None = None) -> NDArray[np.float64]:
        columns = []
        for policy in (a,) if b is None else (a, b):
            check_choice(policy, self.policies, argument="policy", call="RefitBootstrap")
            columns.append(self.means[:, self.policies.index(policy)])
        values = columns[0] if b is None else columns[0] - columns[1]
        if float(np.ptp(values)) > ROUNDING * max(float(np.abs(column).max()) for column in columns):
            return values
        return np.full(len(values), math.nan)


def bootstrap_refit(
    judged: Sequence[Judged],
    folds: FoldMap,
    *,
    scale: tuple[float, float] = (0.0, 1.0),
    n_resamples: int = 2000,
    rng: int | np.random.Generator | None = None,
) -> RefitBootstrap:
    """Resample prompts, refit the monotone calibrator with all its folds, and re-estimate every policy.

    Use it as a check on the analytic interval, or where its assumptions are thin; percentile intervals cover too
    rarely below about 20 labelled prompts. Not for covariates or the two-stage mode, whose refits are not sums.

    Parameters
    ----------
    judged
        All policies, with names of their own; prompts shared between them share a code and a weight, which keeps
        pairs paired.
    folds
        Folds of the prompts. A prompt keeps its fold in every resample, so that no curve sees what it predicts.
    scale
        Lowest and highest possible label.
    n_resamples
        Number of refits, at least 2.
    rng
        Generator, seed or None (SPEC 7).

    Returns
    -------
    RefitBootstrap
        The resampled means by the rules of `augmented`: plug-in where a policy has fewer than 5 labelled prompts,
        labels weighted by known propensities, the mean label where all answers are labelled; NaN without answers.

    Raises
    ------
    ArgumentError
        If there are no labels, they lie outside the scale or all in one fold, covariates are given, or two policies
        have one name.

    Notes
    -----
    Exponential(1) weights per prompt (the Bayesian bootstrap): no resample loses its labels, so none is skipped or
    drawn again, which would look at easy worlds only. Per resample O(G + rows) for G prompts, by sparse products,
    and O(K U) for K folds of U distinct labelled scores; in blocks of at most 32 MB an array. The draws, and so the
    means, do not depend on the size of the blocks.

    References
    ----------
    Rubin 1981, Ann. Statist. 9:130. Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150.

    Examples
    --------
    >>> from neff.evaluate.judge.data import Judged
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> draw = np.random.default_rng(1)
    >>> score = draw.integers(0, 11, size=300) / 10
    >>> label = np.where(np.arange(300) < 100, (draw.uniform(size=300) < score) * 1.0, np.nan)
    >>> answers = Judged("a", np.arange(300), score, label)
    >>> found = bootstrap_refit([answers], balanced_folds(300, np.arange(100)), n_resamples=500, rng=2)
    >>> found.means.shape, [round(limit, 2) for limit in found.interval("a")]
    ((500, 1), [0.46, 0.62])
    """
    call = "bootstrap_refit"
    n_resamples = check_count(n_resamples, argument="n_resamples", call=call, minimum=2)
    generator, seed = seeded(rng, call=call)
    names = tuple(part.policy for part in judged)
    if len(set(names)) < len(names):
        raise ArgumentError("judged", "policies with names of their own", names, call=call)
    if any(part.covariates is not None for part in judged):
        fix = "Use the analytic interval (infer) with covariates."
        raise ArgumentError("judged", "without covariates", "covariates", fix, call=call)
    if not any(part.labelled.any() for part in judged):
        fix = "Without labels there is nothing to calibrate with."
        raise ArgumentError("judged", "with labels for at least one policy", "none", fix, call=call)
    limits = checked_scale(scale, np.concatenate([part.label for part in judged]))
    plan = RefitPlan.of(judged, folds)
    means = np.empty((n_resamples, len(judged)))
    block = max(1, WORK // plan.width)
    for start in range(0, n_resamples, block):
        stop = min(start + block, n_resamples)
        weights = generator.exponential(size=(stop - start, plan.n_prompts))
        means[start:stop] = plan.estimate(weights, limits)
    return RefitBootstrap(names, means, seed)
