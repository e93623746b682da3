"""What an off-policy estimator gets: answers that one policy gave, and how likely another would have been to give them.

One target policy at a time: a row without the target's log-probability is missing for that target only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.judge.data import check_covariates, check_prompts
from neff.stats._validate import check_same_length, check_vector, check_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Logged"]

_CALL = "Logged.of"


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """Logged answers of one policy, seen by one target policy. Build it with `Logged.of`, which checks.

    Attributes
    ----------
    policy
        Name of the target policy.
    prompt
        Prompt codes, shape (n,), the same code for the same prompt in every policy.
    score
        The judge's scores of the logged answers, shape (n,), finite.
    label
        The oracle's labels, shape (n,), NaN where there is none, in label units.
    log_prob, target_log_prob
        Natural logarithm of the probability of the whole answer (the sum over its tokens) under the policy that
        gave it and under the target, shape (n,), 0 or less. Minus infinity under the target: it never says this.
    covariates
        Further predictors of the label, shape (n, d), or None.
    propensity
        Known probability that a row was labelled, shape (n,), in (0, 1], or None: labelled at random.
    n_dropped
        Rows left out because a log-probability is missing.
    """

    policy: str
    prompt: NDArray[np.int64]
    score: NDArray[np.float64]
    label: NDArray[np.float64]
    log_prob: NDArray[np.float64]
    target_log_prob: NDArray[np.float64]
    covariates: NDArray[np.float64] | None = None
    propensity: NDArray[np.float64] | None = None
    n_dropped: int = 0

    @classmethod
    def of(
        cls,
        policy: str,
        *,
        prompt: ArrayLike,
        score: ArrayLike,
        label: ArrayLike,
        log_prob: ArrayLike,
        target_log_prob: ArrayLike,
        covariates: ArrayLike | None = None,
        propensity: ArrayLike | None = None,
    ) -> Logged:
        """Check the columns and keep the rows that have both log-probabilities (NaN = missing).

        Raises
        ------
        ArgumentError
            If a log-probability is positive, a logged answer had probability 0, a score is not finite, a
            propensity is not in (0, 1], or lengths differ; the first such row is named.

        Examples
        --------
        >>> logged = Logged.of(
        ...     "new",
        ...     prompt=[0, 1, 2],
        ...     score=[0.2, 0.9, 0.5],
        ...     label=[float("nan"), 1.0, 0.5],
        ...     log_prob=[-3.0, -2.0, -5.0],
        ...     target_log_prob=[-4.0, float("nan"), -4.5],
        ... )
        >>> logged.n, logged.n_dropped, logged.n_labelled
        (2, 1, 1)
        """
        prompts = check_prompts(prompt, argument="prompt", call=_CALL)
        scores = check_vector(score, argument="score", call=_CALL)
        labels = check_vector(label, argument="label", call=_CALL, allow_nan=True)
        behaviour = _log_prob(log_prob, "log_prob")
        target = _log_prob(target_log_prob, "target_log_prob")
        check_same_length(
            call=_CALL, prompt=prompts, score=scores, label=labels, log_prob=behaviour, target_log_prob=target
        )
        _refuse(behaviour == -np.inf, behaviour, "log_prob", "finite", "An answer that was given had some probability.")
        known = None if propensity is None else check_weights(propensity, argument="propensity", call=_CALL)
        if known is not None:
            check_same_length(call=_CALL, prompt=prompts, propensity=known)
            _refuse((known <= 0) | (known > 1), known, "propensity", "above 0 and at most 1", "")
        x = None if covariates is None else check_covariates(covariates, len(scores), call=_CALL)
        kept = ~(np.isnan(behaviour) | np.isnan(target))
        return cls(
            policy=policy,
            prompt=prompts[kept],
            score=scores[kept],
            label=labels[kept],
            log_prob=behaviour[kept],
            target_log_prob=target[kept],
            covariates=None if x is None else x[kept],
            propensity=None if known is None else known[kept],
            n_dropped=int(np.count_nonzero(~kept)),
        )

    @property
    def n(self) -> int:
        """Number of rows in use."""
        return len(self.score)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label, shape (n,)."""
        return ~np.isnan(self.label)

    @property
    def n_labelled(self) -> int:
        """Number of rows in use that have a label."""
        return int(np.count_nonzero(self.labelled))

    @property
    def log_ratio(self) -> NDArray[np.float64]:
        """Log importance weights: how much more likely the target gives the answer, shape (n,)."""
        return self.target_log_prob - self.log_prob


def _log_prob(values: ArrayLike, argument: str) -> NDArray[np.float64]:
    vector = check_vector(values, argument=argument, call=_CALL, allow_nan=True, allow_inf=True)
    _refuse(vector > 0, vector, argument, "0 or less", "Give natural logarithms of probabilities, not of densities.")
    return vector


def _refuse(bad: NDArray[np.bool_], values: NDArray[np.float64], argument: str, must: str, fix: str) -> None:
    if bad.any():
        row, count = int(np.argmax(bad)), int(np.count_nonzero(bad))
        where = f"{count:,} row(s), the first is row {row}; mend it, or set it to NaN to leave it out."
        raise ArgumentError(argument, must, float(values[row]), f"{where} {fix}".rstrip(), call=_CALL)
