"""`ability`: where models stand on the scale of a bank, from the items that they answered, with an error.

What it estimates: theta, in standard deviations of the calibration models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.irt.responses import Responses, as_responses
from neff.benchmark.irt.theta import METHODS, Scale, estimate_theta
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Estimate, Table
from neff.stats._options import check_choice
from neff.stats._special import normal_quantile
from neff.stats._validate import check_level, check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.benchmark.irt.item_bank import ItemBank

    Floats = NDArray[np.float64]

__all__ = ["Abilities", "ability", "check_scale", "match_items"]


@dataclass(frozen=True, slots=True, eq=False)
class Abilities:
    """Abilities of models on the scale of a bank.

    Attributes
    ----------
    models
        Their names.
    theta, standard_error
        Shape (n_models,). At a bound of the scale theta is kept, but has no standard error.
    interval
        Shape (n_models, 2).
    n
        Answers used.
    at_bound
        Whether theta is a bound of the scale, where it is not an estimate.
    reasons
        Why a number is undefined, per model, or None.
    method, level
        How theta was found; coverage of the interval.
    warnings
        What weakens them.
    """

    models: tuple[str, ...]
    theta: Floats
    standard_error: Floats
    interval: Floats
    n: NDArray[np.int64]
    at_bound: NDArray[np.bool_]
    reasons: tuple[Reason | None, ...]
    method: str
    level: float
    task: str = ""
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.models)

    def __str__(self) -> str:
        return str(self.table())

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        return self.warnings

    def table(self) -> Table:
        """Return one row per model, in the order given."""
        columns = (
            Column("model", "Model"), Column("theta", "Ability", "signed", 3),
            Column("standard_error", "SE", "number", 3), Column("interval", "Interval", "interval", 3),
            Column("n", "Items", "count"), Column("note", "Note"),
        )  # fmt: skip
        rows = tuple(
            (m, float(t), float(s), (float(i[0]), float(i[1])), int(n), str(r or ""))
            for m, t, s, i, n, r in zip(
                self.models, self.theta, self.standard_error, self.interval, self.n, self.reasons, strict=True
            )
        )
        return Table(columns, rows)

    def estimates(self) -> tuple[Estimate, ...]:
        """Return one `Estimate` per model."""
        return tuple(
            Estimate(
                value=float(self.theta[k]), standard_error=float(self.standard_error[k]),
                interval=(float(self.interval[k, 0]), float(self.interval[k, 1])), level=self.level, n=int(self.n[k]),
                n_items=int(self.n[k]), model=self.models[k], task=self.task, metric="ability", method=self.method,
                reason=self.reasons[k],
                assumptions=("item parameters are known", "answers are independent given the ability"),
            )
            for k in range(len(self))
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.abilities/1",
            "estimates": [e.to_dict() for e in self.estimates()],
            "method": self.method,
            "level": self.level,
            "warnings": list(self.warnings),
        }


def ability(
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
) -> Abilities:
    """Estimate the abilities of models from some or all items of a bank.

    Use it to place a new model on the scale, whichever items it answered. To say what it would have scored on all of
    them use `predicted_scores`.

    Parameters
    ----------
    bank
        From `fit_irt`.
    responses
        Answers of one model, shape (n_items,), or of several, shape (n_models, n_items), NaN = not asked, in the order
        of the bank or of `items`; or records, matched by item name.
    method
        "map": posterior mode; "mle": maximum likelihood; "eap": posterior mean; "wle": Warm's weighted likelihood,
        whose bias is smaller than that of the others and which needs no prior.
    items, models
        Names of the columns and rows of a matrix.
    prior
        Mean and standard deviation of theta, for "map" and "eap".
    bounds
        Range of theta. A model at a bound is flagged: the bound is not its ability.
    threshold
        A score of at least this counts as right.
    task
        The benchmark to keep, where records have several.
    level
        Coverage of the intervals.

    Returns
    -------
    Abilities
        In the order of the models. Without an answer NaN, and the reason.

    Raises
    ------
    ArgumentError
        If an item is not in the bank, or an answer is not 0, 1 or NaN.

    Notes
    -----
    The derivative of the log-posterior falls with theta where nothing is guessed, so the root is unique; it is
    bracketed and found by Newton steps that fall back on bisection, all models at once. Standard errors: 1 /
    sqrt(1/sd^2 + information) for "map", the posterior's standard deviation for "eap", 1 / sqrt(information) for the
    others. They take item parameters as known.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking. arXiv:2509.11106
    Warm 1989, Psychometrika 54:427.

    Examples
    --------
    >>> from neff.benchmark.irt import ItemBank
    >>> bank = ItemBank.of([1, 2, 0.5, 1.5, 1.2, 0.8, 3, 0.3], [0, -1, 1, 0.5, -0.3, 2, 1.2, -2])
    >>> print(ability(bank, [1, 1, 0, 1, 1, 0, 0, 1]))
    Model  Ability     SE         Interval  Items  Note
    0       +0.622  0.531  [-0.419, 1.663]      8
    """
    call = "ability"
    check_choice(method, METHODS, argument="method", call=call)
    level = check_level(level, call=call)
    scale = check_scale(prior, bounds, call)
    table = match_items(bank, responses, items=items, models=models, threshold=threshold, task=task, call=call)
    matrix = np.where(bank.usable, table.matrix, np.nan)
    theta, se, at_bound = estimate_theta(matrix, bank.parameters, method, scale)
    n = np.count_nonzero(~np.isnan(matrix), axis=1)
    half = normal_quantile((1 + level) / 2) * se
    reasons = tuple(
        bank.reason or Reason.EMPTY if not used else Reason.AT_BOUND if bound else None
        for used, bound in zip(n.tolist(), at_bound.tolist(), strict=True)
    )
    said = []
    if at_bound.any():
        said.append(
            f"{int(at_bound.sum())} of {len(n)} models are at a bound of the scale ({scale.low:g} or {scale.high:g}): "
            "their items do not say how far beyond"
        )
    ignored = int(np.count_nonzero(~np.isnan(table.matrix[:, ~bank.usable])))
    if ignored:
        said.append(f"{ignored:,} answers to items without parameters count nothing")
    return Abilities(
        table.models, theta, se, np.stack([theta - half, theta + half], axis=1), n, at_bound, reasons, method, level,
        bank.task, tuple(said),
    )  # fmt: skip


def check_scale(prior: tuple[float, float], bounds: tuple[float, float], call: str) -> Scale:
    """Return prior and bounds, checked."""
    try:
        (mean, sd), (low, high) = prior, bounds
    except (TypeError, ValueError):
        raise ArgumentError("prior", "(mean, sd), and bounds (low, high)", (prior, bounds), call=call) from None
    numbers = [check_number(value, argument="prior or bounds", call=call) for value in (mean, sd, low, high)]
    if not all(map(math.isfinite, numbers)) or sd <= 0:
        raise ArgumentError("prior", "a finite mean and a standard deviation above 0", prior, call=call)
    if low >= high:
        raise ArgumentError("bounds", "low below high", bounds, call=call)
    return Scale(*numbers)


def match_items(
    bank: ItemBank,
    responses: Any,
    *,
    items: Sequence[Any] | None,
    models: Sequence[Any] | None,
    threshold: float | None,
    task: str | None,
    call: str,
) -> Responses:
    """Return answers with a column per item of the bank, NaN where an item was not asked.

    Raises
    ------
    ArgumentError
        If an item is not in the bank, or a matrix has another number of columns.
    """
    by_name = isinstance(responses, Responses) or items is not None
    if isinstance(responses, np.ndarray | list | tuple) and not (len(responses) and isinstance(responses[0], str)):
        if np.ndim(responses) == 1:
            responses = np.asarray(responses)[None, :]
        if items is None and np.ndim(responses) == 2 and np.shape(responses)[1] != len(bank):
            fix = "Name its columns with items=."
            raise ArgumentError("responses", f"of {len(bank)} columns", f"shape {np.shape(responses)}", fix, call=call)
        names = bank.items if items is None else items
    else:
        by_name, names = True, None
    table = as_responses(responses, models=models, items=names, threshold=threshold, task=task, call=call)
    if not by_name:
        return table
    whole = np.full((len(table.models), len(bank)), np.nan)
    whole[:, bank.places(table.items, call=call)] = table.matrix
    return Responses(whole, table.models, bank.items, table.task)
