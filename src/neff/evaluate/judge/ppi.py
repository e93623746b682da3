"""Prediction-powered inference by its own name: the raw score as the prediction, no calibration.

What it estimates: the mean label. `ppi` adds to the mean score of the unlabelled answers what the labelled ones say
the judge gets wrong; `ppi_plus_plus` trusts the score only as far as it has earned it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.judge.estimate import PolicyEstimate, by_prompt
from neff.reasons import Reason

if TYPE_CHECKING:
    from neff.evaluate.judge.data import Judged

__all__ = ["ppi", "ppi_plus_plus"]


def ppi(judged: Judged, *, weight: float = 1.0) -> PolicyEstimate:
    """Estimate the mean label by prediction-powered inference with a fixed weight.

    Use it to compare with ppi-python. For a judge on another scale than the label, or a bent one, use "augmented",
    which calibrates first: with enough labels it is as narrow for a straight judge and narrower for a bent one.

    Parameters
    ----------
    judged
        Answers of one policy; scores must be in label units.
    weight
        1 trusts the score, 0 ignores it (the mean label).

    Returns
    -------
    PolicyEstimate
        With the published asymptotic variance: var(weight S) / N + var(Y - weight S) / n over N unlabelled and n
        labelled answers (summed by prompt), and normal quantiles.

    Raises
    ------
    ArgumentError
        If the weight is not in [0, 1], or labelling propensities are known and differ.

    References
    ----------
    Angelopoulos, Bates, Fannjiang, Jordan and Zrnic, "Prediction-powered inference", arXiv:2301.09633.

    Examples
    --------
    >>> from neff.evaluate.judge.data import Judged
    >>> nan = float("nan")
    >>> answers = Judged("a", np.arange(5), np.array([0.2, 0.4, 0.6, 0.8, 1.0]), np.array([0.1, nan, 0.5, nan, nan]))
    >>> round(ppi(answers).value, 4)
    0.6333
    """
    return _estimate(judged, weight, "ppi")


def ppi_plus_plus(judged: Judged) -> PolicyEstimate:
    """Estimate the mean label by PPI++: prediction-powered inference with the weight of least variance, in [0, 1].

    Use it like `ppi`, where the judge may be poor: its interval is never much wider than that of the labels alone.

    Notes
    -----
    weight = cov(Y, S) / (var(S) (1 + n / N)), the covariance over n labelled answers and the variance over all.

    References
    ----------
    Angelopoulos, Duchi and Zrnic, "PPI++: Efficient prediction-powered inference", arXiv:2311.01453.

    Examples
    --------
    >>> from neff.evaluate.judge.data import Judged
    >>> nan = float("nan")
    >>> answers = Judged("a", np.arange(5), np.array([0.2, 0.4, 0.6, 0.8, 1.0]), np.array([0.1, nan, 0.5, nan, nan]))
    >>> round(ppi_plus_plus(answers).components["weight"], 3)
    0.24
    """
    known = judged.labelled
    n, n_unlabelled = int(known.sum()), int((~known).sum())
    if n < 2 or n_unlabelled == 0:
        return _estimate(judged, 0.0, "ppi++")
    label, score = judged.label[known], judged.score[known]
    covariance = float(np.mean((label - label.mean()) * (score - score.mean())))
    variance = float(np.var(judged.score, ddof=1)) * (1 + n / n_unlabelled)
    weight = min(1.0, max(0.0, covariance / variance)) if variance > 0 else 0.0
    return _estimate(judged, weight, "ppi++")


def _estimate(judged: Judged, weight: float, method: str) -> PolicyEstimate:
    if not 0 <= weight <= 1:
        raise ArgumentError("weight", "in [0, 1]", weight, call=method)
    known = judged.labelled
    n, n_unlabelled = int(known.sum()), int((~known).sum())
    if n == 0:
        return PolicyEstimate.undefined(judged.policy, method, Reason.NO_LABELS)
    if judged.propensity is not None and np.ptp(judged.propensity) > 0:
        fix = "Use 'augmented', which weights labels by known propensities."
        raise ArgumentError("judged", "labelled at random", "propensities that differ", fix, call=method)
    residual = judged.label[known] - weight * judged.score[known]
    correction = float(residual.mean())
    predicted = weight * judged.score[~known]
    plug = float(predicted.mean()) if n_unlabelled else 0.0
    if n_unlabelled == 0:  # nothing to predict
        residual, correction = judged.label, float(judged.label.mean())
    phi = np.empty(judged.n)
    phi[known] = (residual - correction) * (judged.n / n)
    if n_unlabelled:
        phi[~known] = (predicted - plug) * (judged.n / n_unlabelled)
    prompt, influence = by_prompt(judged.prompt, phi)
    return PolicyEstimate(
        judged.policy,
        plug + correction,
        prompt,
        influence,
        method,
        n=judged.n,
        n_labelled=n,
        df_rule="normal",
        labelled=np.isin(prompt, judged.prompt[known]),
        n_parameters=1,
        components={"plug_in": plug, "correction": correction, "weight": weight},
    )
