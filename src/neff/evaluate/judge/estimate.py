"""What every estimator of a policy's value returns: the value, and what moves it, prompt by prompt and fold by fold.

Estimators fill it; `judge.inference` turns it, or a difference of two, into standard errors and intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from neff.reasons import Reason

__all__ = ["DfRule", "PolicyEstimate", "Split", "by_prompt", "oracle_variance"]

DfRule = Literal["welch", "smaller", "normal"]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """An estimate that uses its own labels, taken apart into prompts without labels and labels.

    Its influence values hold the noise of its labels. A policy that borrows a calibrator learned from the same
    labels carries the same noise in its jackknife: to subtract one from the other, both must be told by folds.

    Attributes
    ----------
    fitted
        What each prompt adds through its calibrated scores alone, aligned with `PolicyEstimate.prompt`.
    without
        The whole estimate without the labels of each fold, in the calibrator and elsewhere, shape (K,).
    levels
        See `PolicyEstimate`.
    """

    fitted: NDArray[np.float64]
    without: NDArray[np.float64]
    levels: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PolicyEstimate:
    """An estimate of one policy's value.

    Attributes
    ----------
    policy
        Its name.
    value
        The estimate, in label units; NaN where undefined, then `reason` says why.
    prompt
        Distinct prompt codes, ascending, shape (G,).
    influence
        What each prompt adds to (estimate - truth), shape (G,): the centred influence values of its rows, summed
        and divided by the number of rows. The estimate is about truth + influence.sum(), and its sampling
        variance is G/(G-1) times the sum of squares of influence - mean. For a difference of two policies
        subtract prompt by prompt; where one side lacks a prompt it adds 0.
    jackknife
        The whole estimate with the calibrator fitted without each fold, shape (K,); None where no calibrator was
        learned, or its uncertainty is already in `influence`.
    levels
        How far one standard error of each level of the calibration curve moves the estimate, shape (B,): their sum
        of squares steadies the variance by jackknife, see `infer`. None where that is small.
    method
        Name of the estimator.
    n, n_labelled, n_dropped
        Rows used, labelled rows used, rows that could not be used.
    cluster
        What counts as one independent unit, code per prompt, shape (G,); None: the prompt itself.
    df_rule
        Degrees of freedom from the clusters and the jackknife: "welch" (Welch-Satterthwaite), "smaller" of the two
        (the published rule of the faithful methods), or "normal".
    labelled
        Which prompts have a labelled row, shape (G,), for rules that treat them apart; None where no rule does.
    n_parameters
        Parameters fitted to the labelled prompts (1: a correction; 2: a correction and a tuned weight).
    split
        Calibrated scores and labels apart, for differences from policies that borrowed the labels; or None.
    components
        Named figures that explain the value ("direct", "correction", "n_eff", ...).
    warnings
        What weakens the estimate, in words.
    reason
        Why a number is undefined, or None.
    """

    policy: str
    value: float
    prompt: NDArray[np.int64]
    influence: NDArray[np.float64]
    method: str
    jackknife: NDArray[np.float64] | None = None
    n: int = 0
    n_labelled: int = 0
    n_dropped: int = 0
    cluster: NDArray[np.int64] | None = None
    df_rule: DfRule = "welch"
    labelled: NDArray[np.bool_] | None = None
    n_parameters: int = 0
    levels: NDArray[np.float64] | None = None
    split: Split | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    reason: Reason | None = None

    @classmethod
    def undefined(cls, policy: str, method: str, reason: Reason, **rest: Any) -> PolicyEstimate:
        """Return the estimate that says why there is none."""
        return cls(policy, math.nan, np.empty(0, np.int64), np.empty(0), method, reason=reason, **rest)

    @property
    def oracle_variance(self) -> float:
        """Variance from learning the calibrator (delete-one-fold jackknife); 0 where none was learned."""
        return 0.0 if self.jackknife is None else oracle_variance(self.jackknife)


def by_prompt(prompt: NDArray[np.int64], phi: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the distinct prompts and what each adds to the estimate, from influence values per row.

    Examples
    --------
    >>> prompts, influence = by_prompt(np.array([4, 2, 4]), np.array([0.3, -0.6, 0.3]))
    >>> prompts.tolist(), influence.round(4).tolist()
    ([2, 4], [-0.2, 0.2])
    """
    distinct, code = np.unique(prompt, return_inverse=True)
    return distinct, np.bincount(code, phi, minlength=len(distinct)) / max(len(phi), 1)


def oracle_variance(jackknife: NDArray[np.float64]) -> float:
    """Return (K-1)/K times the sum of squares of the K delete-one-fold estimates around their mean.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (oracle-uncertainty-aware variance).

    Examples
    --------
    >>> round(oracle_variance(np.array([0.70, 0.72, 0.69, 0.71, 0.74])), 6)
    0.001184
    """
    k = len(jackknife)
    return math.nan if k < 2 else (k - 1) / k * float(np.square(jackknife - jackknife.mean()).sum())
