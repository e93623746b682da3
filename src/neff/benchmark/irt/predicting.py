"""`predicted_scores` (p-IRT): from an ability back to the score on the whole benchmark.

What it estimates: the share right on all items of the bank, the observed ones as they are, the others as the model
says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.irt.logistic import curves
from neff.benchmark.irt.scoring import check_scale, match_items
from neff.benchmark.irt.theta import METHODS, estimate_theta
from neff.reasons import Reason
from neff.results import Estimate
from neff.stats._options import check_choice
from neff.stats._special import normal_quantile
from neff.stats._validate import check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.benchmark.irt.item_bank import ItemBank

__all__ = ["predicted_scores"]


def predicted_scores(
    bank: ItemBank,
    responses: Any,
    *,
    method: str = "map",
    items: Sequence[Any] | None = None,
    models: Sequence[Any] | None = None,
    prior: tuple[float, float] = (0.0, 1.0),
    bounds: tuple[float, float] = (-4.0, 4.0),
    threshold: float | None = None,
    task: str | None = None,
    level: float = 0.95,
) -> tuple[Estimate, ...]:
    """Predict the score on all items of a bank from the items that were run.

    Use it to report a few well-chosen items in the units that everybody knows. The prediction is only as good as the
    model: a new model that fails where its like succeed is pulled towards its like.

    Parameters
    ----------
    bank
        From `fit_irt`.
    responses, items, models, prior, bounds, threshold, task
        As in `ability`.
    method
        Of the ability: "map", "mle", "eap" or "wle".
    level
        Coverage of the intervals.

    Returns
    -------
    tuple of Estimate
        One per model. NaN with a reason without answers, or where the ability is at a bound.

    Raises
    ------
    ArgumentError
        If an item is not in the bank, or an answer is not 0, 1 or NaN.

    Notes
    -----
    (right answers + sum of P at theta over items that were not run) / items. Items that no calibration model or all of
    them solved are predicted at the share of the calibration models. The standard error adds up the spread of answers
    that were not seen, the error of theta and that of item parameters; the interval is normal, cut at 0 and 1.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking. arXiv:2509.11106

    Examples
    --------
    >>> from neff.benchmark.irt import ItemBank
    >>> bank = ItemBank.of([1, 2, 0.5, 1.5, 1.2, 0.8, 3, 0.3], [0, -1, 1, 0.5, -0.3, 2, 1.2, -2])
    >>> nan = float("nan")
    >>> print(predicted_scores(bank, [1, nan, 0, nan, nan, nan, nan, 1])[0])
    0 · score: 0.5390 ± 0.1590, 95% interval [0.2500, 0.8505], n = 3
    """
    call = "predicted_scores"
    check_choice(method, METHODS, argument="method", call=call)
    level = check_level(level, call=call)
    table = match_items(bank, responses, items=items, models=models, threshold=threshold, task=task, call=call)
    usable = bank.usable
    theta, se, bound = estimate_theta(
        np.where(usable, table.matrix, np.nan), bank.parameters, method, check_scale(prior, bounds, call)
    )
    z, total = normal_quantile((1 + level) / 2), len(bank)
    known = bank.parameters.take(np.flatnonzero(usable))
    # Items that nobody was asked have no share either; they are left out of the total.
    fixed = np.where(usable, np.nan, bank.share)
    found = []
    for k, name in enumerate(table.models):
        answers = table.matrix[k]
        seen = ~np.isnan(answers)
        out_of = total - int(np.count_nonzero(~seen & ~usable & np.isnan(fixed)))
        reason = bank.reason or (Reason.EMPTY if np.isnan(theta[k]) else Reason.AT_BOUND if bound[k] else None)
        common: dict[str, Any] = {
            "level": level, "n": int(seen.sum()), "n_items": total, "model": name, "task": bank.task, "metric": "score",
            "method": f"p-IRT, {method}",
            "assumptions": ("the item response model holds for this model", "answers independent given the ability"),
        }  # fmt: skip
        if reason is not None:
            found.append(Estimate(value=float("nan"), reason=reason, **common))
            continue
        p, slope = curves(theta[k : k + 1], known)
        rest = ~seen[usable]
        p, slope = p[0][rest], slope[0][rest]
        easy = np.nan_to_num(fixed[~seen & ~usable]).sum()
        value = (np.nansum(answers) + p.sum() + easy) / out_of
        variance = (p * (1 - p)).sum() + (slope.sum() * se[k]) ** 2 + _of_items(bank, theta[k], usable, rest, slope)
        error = float(np.sqrt(variance)) / out_of
        # What was seen is certain: the score cannot leave the range that the other items allow.
        least, most = np.nansum(answers) / out_of, 1 - np.count_nonzero(answers == 0) / out_of
        interval = (max(value - z * error, least), min(value + z * error, most))
        found.append(
            Estimate(
                value=float(value), standard_error=error, interval=(float(interval[0]), float(interval[1])), **common
            )
        )
    return tuple(found)


def _of_items(bank: ItemBank, theta: float, usable: Any, rest: Any, slope: Any) -> float:
    """Return the variance of the sum of P from the errors of a and b, item by item."""
    a, b = bank.discrimination[usable][rest], bank.difficulty[usable][rest]
    by_b, by_a = -slope, slope * (theta - b) / a
    v_a, v_b = bank.discrimination_se[usable][rest] ** 2, bank.difficulty_se[usable][rest] ** 2
    cross = bank.covariance[usable][rest]
    return float(np.nansum(by_a**2 * v_a + by_b**2 * v_b + 2 * by_a * by_b * cross))
