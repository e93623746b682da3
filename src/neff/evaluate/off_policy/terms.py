"""What off-policy estimators share: rewards, raw_overlap, jackknife, and the two halves of a doubly robust estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.judge.estimate import PolicyEstimate
from neff.reasons import Reason
from neff.stats.weights import WeightSummary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.off_policy.data import Logged

__all__ = [
    "Fresh",
    "check_pair",
    "fold_sums",
    "join",
    "ratio_warnings",
    "raw_overlap",
    "rewards",
    "to_unit",
    "without_overlap",
]

LEAST_MEAN_RATIO = 0.5
"""Below this, and above its inverse, the mean probability ratio is remarked on.

Simulated at n = 1000, 200 times each: between 0.68 and 1.57 with overlap and even with noisy log-probabilities (the
effective sample size is then 5% of n), 0.006 without coverage (where it is 62% of n)."""


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """Fresh answers of the target, by prompt: `mean` averages over the answers to each."""

    judged: Judged
    prompt: NDArray[np.int64]
    code: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def of(cls, judged: Judged) -> Fresh:
        """Group the answers by prompt."""
        prompt, code, count = np.unique(judged.prompt, return_inverse=True, return_counts=True)
        return cls(judged, prompt, code, count)

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of the values over the answers to each prompt, shape (P,)."""
        return np.bincount(self.code, values, minlength=len(self.prompt)) / self.count

    @property
    def share(self) -> NDArray[np.float64]:
        """What each answer counts in the mean over prompts of the means over their answers, shape (n,)."""
        return 1.0 / (self.count[self.code] * len(self.prompt))

    def monte_carlo_variance(self, values: NDArray[np.float64]) -> float:
        """Return the part of the variance of the mean that more answers per prompt would remove; NaN with one each."""
        repeated = self.count > 1
        if not repeated.any():
            return float("nan")
        squares = np.bincount(self.code, (values - self.mean(values)[self.code]) ** 2, minlength=len(self.prompt))
        within = squares[repeated] / (self.count[repeated] - 1) / self.count[repeated]
        return float(within.sum()) / len(self.prompt) ** 2


def check_pair(logged: Logged, fresh: Judged) -> tuple[str, ...]:
    """Return warnings about prompts that only one side has; refuse a pair of different policies."""
    if fresh.policy != logged.policy:
        raise ArgumentError(
            "fresh", f"answers of the target policy {logged.policy!r}", fresh.policy, call="doubly robust"
        )
    left, right = _present(logged.prompt, fresh.prompt)
    only_logged, only_fresh = int(np.count_nonzero(left & ~right)), int(np.count_nonzero(right & ~left))
    warnings = []
    if only_logged:
        warnings.append(f"{only_logged:,} prompt(s) have logged answers but no fresh ones")
    if only_fresh:
        warnings.append(f"{only_fresh:,} prompt(s) have fresh answers but no logged ones")
    return tuple(warnings)


def rewards(logged: Logged, calibration: Calibration) -> tuple[NDArray[np.float64], bool]:
    """Return the published reward of each logged row, and whether it was learned.

    It is the calibrated score, on labelled rows too; only where every row is labelled it is the label.
    """
    if logged.n and logged.labelled.all():
        return logged.label, False
    return calibration.predict(logged.score, logged.covariates), True


def to_unit(values: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """Return label values mapped to [0, 1] by the declared scale: what the published rules with a fixed zero need."""
    low, high = calibration.scale
    return (values - low) / (high - low)


def raw_overlap(logged: Logged) -> dict[str, float]:
    """Return what the raw weights say about overlap.

    `n_eff` and `n_eff_fraction`: their effective sample size. `log_mean_ratio`: the logarithm of the mean of the
    probability ratios themselves, which is near 0 where the logged policy gives all that the target gives. Far below
    0, the target lives on answers that the logged policy never gives, however even the weights are.
    """
    summary = WeightSummary.of(logged.log_ratio)
    return {"n_eff": summary.ess, "n_eff_fraction": summary.ess_fraction, "log_mean_ratio": summary.log_mean}


def ratio_warnings(logged: Logged) -> tuple[str, ...]:
    """Return a warning where the mean probability ratio cannot be that of a target that was covered.

    Its expectation is the share of what the target says that the logged policy could have said: 1 under overlap,
    less without it, and never more. Weights that are scaled to mean 1 do not show it.

    Examples
    --------
    >>> from neff.testing import simulate_off_policy
    >>> ratio_warnings(simulate_off_policy("better", 997, rng=0)[0])
    ()
    >>> ratio_warnings(simulate_off_policy("no-coverage", 997, rng=0)[0])[0][:36]
    'the mean probability ratio is 0.0058'
    """
    ratio = raw_overlap(logged)["log_mean_ratio"]
    if not math.isfinite(ratio) or abs(ratio) <= -math.log(LEAST_MEAN_RATIO):
        return ()
    said = f"the mean probability ratio is {math.exp(min(ratio, 700.0)):.2g}, not about 1"
    if ratio < 0:
        return (f"{said}: the target mostly says what was never logged, or the log-probabilities are off",)
    return (f"{said}: the log-probabilities are off, or a few answers with huge ratios decide",)


def join(
    fresh_prompt: NDArray[np.int64],
    direct: NDArray[np.float64],
    logged_prompt: NDArray[np.int64],
    correction: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return all prompts, and what each adds to mean(direct) + mean(correction), both centred.

    Examples
    --------
    >>> two = np.array([0, 1])
    >>> prompts, influence = join(two, np.array([0.2, 0.4]), two + 1, np.array([0.0, 0.1]))
    >>> prompts.tolist(), influence.round(4).tolist()
    ([0, 1, 2], [-0.05, 0.025, 0.025])
    """
    left, right = _present(fresh_prompt, logged_prompt)
    sums = [
        np.bincount(prompt, values - values.mean(), minlength=len(left)) / len(values)
        for prompt, values in ((fresh_prompt, direct), (logged_prompt, correction))
    ]
    prompts = np.flatnonzero(left | right)
    return prompts, (sums[0] + sums[1])[prompts]


def _present(a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which prompt codes occur in each; codes count from 0, so a table beats sorting them."""
    size = 1 + max((int(codes.max()) for codes in (a, b) if len(codes)), default=-1)
    tables = np.zeros((2, size), bool)
    tables[0, a] = tables[1, b] = True
    return tables[0], tables[1]


def fold_sums(calibration: Calibration, rows: Logged | Judged, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for every fold k the sum over rows of weight times the curve without fold k, shape (K,).

    Every delete-one-fold estimate is linear in the curve, so that this is all it needs. Without covariates a row is
    its score: weights are added up per distinct score, once for all folds.
    """
    used = weights != 0
    score, mass, covariates = rows.score[used], weights[used], rows.covariates
    if covariates is None:
        score, code = np.unique(score, return_inverse=True)
        mass = np.bincount(code, mass, minlength=len(score))
    else:
        covariates = covariates[used]
    folds = range(calibration.n_folds)
    return np.array([float(mass @ calibration.predict_fold(k, score, covariates)) for k in folds])


def without_overlap(logged: Logged, method: str, fresh: Judged | None = None) -> PolicyEstimate:
    """Return the estimate that does not exist: there are no answers, or the target gives none of the logged ones."""
    empty = logged.n == 0 or (fresh is not None and fresh.n == 0)
    reason = Reason.EMPTY if empty else Reason.NO_OVERLAP
    return PolicyEstimate.undefined(
        logged.policy, method, reason, n=logged.n, n_labelled=logged.n_labelled, n_dropped=logged.n_dropped
    )
