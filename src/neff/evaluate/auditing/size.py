"""`plan_audit`: how many labelled probe prompts a transport audit needs to be able to say "holds".

What it estimates: the chance that the interval of a mean residual lies within the margin, when the true residual is a
known small bias, for normal residuals of a known spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.auditing.transport import FEWEST_CLUSTERS, checked_margin
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._special import t_quantile
from neff.stats._validate import check_count, check_level, check_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AuditPlan", "chance_to_hold", "plan_audit"]

MOST_PROMPTS = 10**8


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """How many probe prompts to label, for each policy.

    Attributes
    ----------
    n_prompts
        Independent labelled prompts per policy; NaN, with the reason, where no number does.
    power
        Chance that all policies are found to hold: at least this (union bound).
    power_each
        Chance for one policy with that many prompts.
    margin, sd, bias
        The margin; the standard deviation of label minus calibrated score; the residual that is really there.
    level, n_policies
        Coverage of all intervals together, and how many policies are audited.
    """

    n_prompts: float
    power: float
    power_each: float
    margin: float
    sd: float
    bias: float
    level: float
    n_policies: int
    reason: Reason | None = None

    def table(self) -> Table:
        """Return a table of one row."""
        columns = (
            Column("n_policies", "Policies", "count"),
            Column("margin", "Margin", "number"),
            Column("sd", "Residual SD", "number"),
            Column("bias", "True residual", "number"),
            Column("n_prompts", "Prompts each", "count"),
            Column("power_each", "Chance each", "percent"),
            Column("power", "Chance for all", "percent", help="at least"),
            Column("reason", "Reason"),
        )
        row = tuple(
            str(value or "") if name == "reason" else value
            for name, value in ((column.name, getattr(self, column.name)) for column in columns)
        )
        return Table(columns, (row,), 'Labelled prompts for an audit that can say "holds"')

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {"schema": "neff.audit-plan/1"} | {
            name: json_number(value) if isinstance(value, float) else str(value) if isinstance(value, Reason) else value
            for name, value in values
        }


def plan_audit(
    *,
    margin: float,
    sd: float,
    bias: float = 0.0,
    power: float = 0.8,
    level: float = 0.95,
    n_policies: int = 1,
) -> AuditPlan:
    """Say how many prompts to label so that a transport audit can say "holds".

    Use it before labelling a probe: a small one ends "undecided" however good the calibration is.

    Parameters
    ----------
    margin
        The largest mean residual that would not matter, in label units.
    sd
        Standard deviation of label minus calibrated score, from a pilot or the calibration's out-of-fold error
        (`Calibration.quality.rmse_out_of_fold`).
    bias
        The residual that is really there. 0 is optimistic: a calibration is never perfect.
    power
        Chance wanted that every policy is found to hold, in (0, 1).
    level
        Coverage of all intervals together, in (0, 1).
    n_policies
        How many policies are audited: each has 1 / n_policies of the error, and of the chance to miss.

    Returns
    -------
    AuditPlan
        At least 20 prompts; NaN where the bias is not below the margin.

    Raises
    ------
    ArgumentError
        If the margin or the spread is not positive, or power or level lie outside (0, 1).

    Notes
    -----
    The smallest c with E[P(chi2_{c-1} <= (c-1) ((margin - |d|)+ / (t sd / sqrt(c)))^2)] >= power over d ~ N(bias,
    sd^2 / c), by Gauss-Legendre quadrature. Assumes independent prompts and about normal residuals: with several rows
    a prompt, sd is that of the prompt's mean residual.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (code of release 0.9.3).

    Examples
    --------
    >>> plan = plan_audit(margin=0.05, sd=0.2)
    >>> plan.n_prompts, round(plan.power, 4)
    (171, 0.8032)
    >>> plan_audit(margin=0.05, sd=0.2, bias=0.05).reason
    <Reason.NOT_REACHABLE: 'not reachable'>
    """
    call = "plan_audit"
    declared = checked_margin(margin, call)
    if declared is None:
        raise ArgumentError("margin", "given", None, "Declare the largest residual that would not matter.", call=call)
    sd, bias = check_number(sd, argument="sd", call=call), check_number(bias, argument="bias", call=call)
    power = check_number(power, argument="power", call=call)
    level = check_level(level, call=call)
    policies = check_count(n_policies, argument="n_policies", call=call, minimum=1)
    if not (sd > 0 and math.isfinite(sd)):
        raise ArgumentError("sd", "positive and finite", sd, "Measure it on a pilot.", call=call)
    if not math.isfinite(bias):
        raise ArgumentError("bias", "finite", bias, call=call)
    if not 0 < power < 1:
        raise ArgumentError("power", "in (0, 1)", power, "Use 0.8.", call=call)
    each, narrower = 1 - (1 - power) / policies, 1 - (1 - level) / policies
    n = _smallest(declared, sd, bias, each, narrower) if abs(bias) < declared else None
    reached = math.nan if n is None else chance_to_hold(n, margin=declared, sd=sd, bias=bias, level=narrower)
    return AuditPlan(
        n_prompts=math.nan if n is None else n,
        power=math.nan if n is None else max(0.0, 1 - policies * (1 - reached)),
        power_each=reached,
        margin=declared,
        sd=sd,
        bias=bias,
        level=level,
        n_policies=policies,
        reason=Reason.NOT_REACHABLE if n is None else None,
    )


def chance_to_hold(n_prompts: int, *, margin: float, sd: float, bias: float = 0.0, level: float = 0.95) -> float:
    """Return the chance that an audit of one policy on this many prompts says "holds".

    Parameters
    ----------
    n_prompts
        Independent labelled prompts, at least 2.
    margin, sd, bias
        As in `plan_audit`.
    level
        Coverage of the interval; where several policies are audited together, already divided.

    Returns
    -------
    float
        In [0, 1]; 0 below 20 prompts.

    Examples
    --------
    >>> round(chance_to_hold(200, margin=0.05, sd=0.2), 4)
    0.8809
    """
    n = check_count(n_prompts, argument="n_prompts", call="chance_to_hold", minimum=2)
    if n < FEWEST_CLUSTERS:
        return 0.0
    from scipy.special import chdtr

    t, error = t_quantile(0.5 + level / 2, n - 1), sd / math.sqrt(n)
    # Beyond 9 standard errors of the bias there is no mass; beyond the margin no chance; |delta| has a kink at 0.
    low, high = max(-margin, bias - 9 * error), min(margin, bias + 9 * error)
    chance = 0.0
    for start, end in ((low, min(high, 0.0)), (max(low, 0.0), high)):
        if start < end:
            delta, step = _nodes(start, end)
            density = np.exp(-0.5 * ((delta - bias) / error) ** 2) / (error * math.sqrt(2 * math.pi))
            chance += float(
                np.sum(step * density * chdtr(n - 1, (n - 1) * ((margin - np.abs(delta)) / (t * error)) ** 2))
            )
    return min(chance, 1.0)


def _nodes(start: float, end: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points and weights of Gauss-Legendre quadrature in 8 panels of 24."""
    x, w = np.polynomial.legendre.leggauss(24)
    edges = np.linspace(start, end, 9)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (x + 1)).ravel(), (half * w).ravel()


def _smallest(margin: float, sd: float, bias: float, power: float, level: float) -> int | None:
    """Return the smallest number of prompts with the wanted chance; the chance grows with the number."""

    def enough(n: int) -> bool:
        return chance_to_hold(n, margin=margin, sd=sd, bias=bias, level=level) >= power

    low, high = FEWEST_CLUSTERS - 1, FEWEST_CLUSTERS
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST_PROMPTS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
