"""A scaling ladder in two steps: loss from model size and tokens, accuracy from loss; and how far off it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Estimate, json_number
from neff.stats._validate import check_count, check_level, check_number, check_same_length, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["Ladder", "fit_ladder"]


@dataclass(frozen=True, slots=True)
class Ladder:
    """A fitted ladder.

    Attributes
    ----------
    loss_parameters
        a, b, alpha, beta, E of loss = exp(a) / N^alpha + exp(b) / D^beta + E.
    accuracy_parameters
        a, x0, k, b of accuracy = a / (1 + exp(-k (loss - x0))) + b.
    n_runs
        Runs in the first step.
    loss_error, accuracy_error
        Mean relative error on the points that were fitted; a lower bound of the error beyond them.
    reason
        Why there are no parameters, or None.
    """

    loss_parameters: tuple[float, ...]
    accuracy_parameters: tuple[float, ...]
    n_runs: int
    loss_error: float
    accuracy_error: float
    reason: Reason | None = None

    def loss(self, n_parameters: ArrayLike, n_tokens: ArrayLike) -> FloatArray:
        """Return the predicted loss."""
        return _loss(np.array(self.loss_parameters), np.asarray(n_parameters, float), np.asarray(n_tokens, float))

    def predict(self, n_parameters: ArrayLike, n_tokens: ArrayLike) -> FloatArray:
        """Return the predicted accuracy of models of these sizes and tokens."""
        return _sigmoid(self.loss(n_parameters, n_tokens), *self.accuracy_parameters)

    def error(
        self, n_parameters: float, n_tokens: float, actual: ArrayLike, *, level: float = 0.95
    ) -> tuple[Estimate, Estimate]:
        """Return the relative and the absolute error of the prediction of a target model.

        Parameters
        ----------
        n_parameters, n_tokens
            Of the target.
        actual
            Its score, or its last checkpoints: the interval then is the spread of the error over single checkpoints.
        level
            Of that interval.
        """
        level = check_level(level, call="Ladder.error")
        scores = check_vector(np.atleast_1d(np.asarray(actual, float)), argument="actual", call="Ladder.error")
        predicted = float(self.predict(n_parameters, n_tokens))
        found = []
        for name, errors in (
            ("relative error", (predicted - scores) / np.where(scores == 0, math.nan, scores)),
            ("error", predicted - scores),
        ):
            several = scores.size > 1 and not np.isnan(errors).any()
            low, high = np.quantile(errors, [(1 - level) / 2, (1 + level) / 2]) if several else (math.nan, math.nan)
            missing = self.reason or Reason.ZERO_MEAN
            reason = missing if np.isnan(errors).any() else None if several else Reason.NO_STANDARD_ERROR
            found.append(
                Estimate(
                    float(errors.mean()),
                    interval=(float(low), float(high)),
                    level=level,
                    n=scores.size,
                    metric=name,
                    method="quantiles over the target's last checkpoints",
                    reason=reason,
                )
            )
        return found[0], found[1]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.ladder/1",
            "loss_parameters": [json_number(x) for x in self.loss_parameters],
            "accuracy_parameters": [json_number(x) for x in self.accuracy_parameters],
            "n_runs": self.n_runs,
            "loss_error": json_number(self.loss_error),
            "accuracy_error": json_number(self.accuracy_error),
            "reason": None if self.reason is None else str(self.reason),
        }


def fit_ladder(
    n_parameters: ArrayLike,
    n_tokens: ArrayLike,
    loss: ArrayLike,
    *,
    points: tuple[ArrayLike, ArrayLike],
    chance: float = 0.0,
    best: float = 1.0,
    anchor: bool = True,
    delta: float = 1e-3,
) -> Ladder:
    """Fit the two steps of a scaling ladder.

    Use it to ask how far off the accuracy of a large model would be predicted from small ones. A task whose accuracy
    does not follow its loss gives a ladder with a large `accuracy_error`: do not use it.

    Parameters
    ----------
    n_parameters, n_tokens, loss
        Non-embedding parameters, training tokens and final task loss (bits per byte; the paper: mean of the last 5
        checkpoints) of the small runs, shape (n_runs,).
    points
        Loss and accuracy (in [0, 1]) of the second step, final scores or all checkpoints, shape (n_points,) each.
        Checkpoints are best smoothed (the paper: moving mean of 5, without the first tenth).
    chance, best
        Accuracy at infinite and at no loss.
    anchor
        Add a point of accuracy `best` at loss 0, as the paper does.
    delta
        Where the Huber loss of the first step, on log loss, turns from squares to absolute values.

    Returns
    -------
    Ladder
        NaN with a reason where the optimiser failed.

    Raises
    ------
    ArgumentError
        If there are fewer than five runs (five parameters) or four points, values are not positive, or accuracies not
        in [0, 1].

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> import numpy as np
    >>> n, d = (x.ravel() for x in np.meshgrid([2e8, 4e8, 8e8, 1.3e9], [4e9, 8e9, 2e10, 4e10]))
    >>> loss = np.exp(4) / n**0.25 + np.exp(5) / d**0.28 + 0.5
    >>> accuracy = -0.75 / (1 + np.exp(-4 * (loss - 0.9))) + 1
    >>> ladder = fit_ladder(n, d, loss, points=(loss, accuracy), chance=0.25, anchor=False)
    >>> round(float(ladder.loss(7e9, 1e12)), 4), round(float(ladder.predict(7e9, 1e12)), 4)
    (0.7535, 0.7318)
    """
    call = "fit_ladder"
    n, d, y = (
        check_vector(v, argument=name, call=call)
        for name, v in (("n_parameters", n_parameters), ("n_tokens", n_tokens), ("loss", loss))
    )
    check_same_length(call=call, n_parameters=n, n_tokens=d, loss=y)
    check_count(y.size, argument="number of runs", call=call, minimum=5)
    for name, v in (("n_parameters", n), ("n_tokens", d), ("loss", y)):
        if (v <= 0).any():
            raise ArgumentError(name, "above 0", float(v.min()), call=call)
    x, acc = (check_vector(v, argument="points", call=call) for v in points)
    check_same_length(call=call, losses=x, accuracies=acc)
    check_count(x.size + anchor, argument="number of points", call=call, minimum=4)
    if ((acc < 0) | (acc > 1)).any():
        bad = float(acc[(acc < 0) | (acc > 1)][0])
        raise ArgumentError("points", "accuracies in [0, 1]", bad, "Divide percentages by 100.", call=call)
    low, high = (check_number(v, argument=name, call=call) for name, v in (("chance", chance), ("best", best)))
    if not 0 <= low < high <= 1:
        raise ArgumentError("chance", "below best, both in [0, 1]", (chance, best), "Such as 0.25 and 1.", call=call)
    if not check_number(delta, argument="delta", call=call) > 0:
        raise ArgumentError("delta", "above 0", delta, call=call)
    first = _fit_loss(n, d, y, delta)
    second = _fit_accuracy(x, acc, low, high, anchor=anchor)
    known = acc > 0
    off = np.abs(_sigmoid(x, *second) - acc)[known] / acc[known]
    return Ladder(
        tuple(first.tolist()), tuple(second.tolist()), y.size, float((np.abs(_loss(first, n, d) - y) / y).mean()),
        float(off.mean()) if known.any() else math.nan,
        Reason.NOT_IDENTIFIED if np.isnan([*first, *second]).any() else None,
    )  # fmt: skip


def _loss(p: FloatArray, n: FloatArray, d: FloatArray) -> FloatArray:
    a, b, alpha, beta, floor = p
    return np.asarray(np.exp(a - alpha * np.log(n)) + np.exp(b - beta * np.log(d)) + floor, np.float64)


def _fit_loss(n: FloatArray, d: FloatArray, y: FloatArray, delta: float) -> FloatArray:
    from scipy.optimize import minimize
    from scipy.special import huber

    log_y, log_n, log_d = np.log(y), np.log(n), np.log(d)

    def objective(p: FloatArray) -> tuple[float, FloatArray]:
        exponents = p[0] - p[2] * log_n, p[1] - p[3] * log_d
        if max(exponents[0].max(), exponents[1].max()) > 500:  # a step of the line search too far
            return 1e30, np.zeros(5)
        terms = np.exp(exponents[0]), np.exp(exponents[1])
        whole = terms[0] + terms[1] + p[4]
        if (whole <= 0).any():
            return 1e30, np.zeros(5)
        r = np.log(whole) - log_y
        slope = np.clip(r, -delta, delta) / whole
        of_terms = [slope @ terms[0], slope @ terms[1], -slope @ (terms[0] * log_n), -slope @ (terms[1] * log_d)]
        return 1e6 * float(huber(delta, r).sum()), 1e6 * np.array([*of_terms, slope.sum()])

    starts = [(3.0, 6.0, 0.1, 0.2, 1.0), (5.0, 6.0, 0.3, 0.3, 0.3), (4.0, 4.0, 0.2, 0.2, 0.1)]
    limits = {"maxiter": 20_000, "maxfun": 50_000}
    found = [
        minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * 5, options=limits)
        for start in starts
    ]
    best = min(found, key=lambda f: float(f.fun))
    return np.asarray(best.x, np.float64) if best.fun < 1e30 else np.full(5, math.nan)


def _sigmoid(x: Any, a: float, x0: float, k: float, b: float) -> FloatArray:
    from scipy.special import expit

    return np.asarray(a * expit(k * (np.asarray(x, float) - x0)) + b, np.float64)


def _fit_accuracy(x: FloatArray, y: FloatArray, chance: float, best: float, *, anchor: bool) -> FloatArray:
    from scipy.optimize import curve_fit

    if anchor:
        x, y = np.append(x, 0.0), np.append(y, best)
    start = (chance - 1.0, 0.9, 3.0, best)
    try:
        found, _ = curve_fit(
            _sigmoid, x, y, p0=start, bounds=([-1.0, 0.0, 0.0, 0.0], [0.0, np.inf, np.inf, 1.0]), maxfev=200_000
        )
    except RuntimeError:  # no optimum within the number of evaluations
        return np.full(4, math.nan)
    return np.asarray(found, np.float64)
