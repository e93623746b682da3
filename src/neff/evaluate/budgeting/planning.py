"""`plan_budget`: how many prompts to judge and how many to label, for a budget or for a difference worth finding.

What it estimates: with Var(n, m) = s2_eval / n + s2_cal / m and prices of a judged prompt and of a label, the split
that makes the variance smallest is in proportion to the square roots of variance over price.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from neff.errors import ArgumentError
from neff.evaluate.budgeting.plan import BudgetPlan
from neff.reasons import Reason
from neff.stats._options import check_choice
from neff.stats._special import normal_quantile
from neff.stats._validate import check_count, check_level, check_number

if TYPE_CHECKING:
    from neff.evaluate.budgeting.variance import VarianceModel

__all__ = ["plan_budget"]


def plan_budget(
    variance: VarianceModel,
    *,
    price_label: float,
    price_score: float = 1.0,
    budget: float | None = None,
    detectable: float | None = None,
    n_policies: int = 1,
    labels: Literal["own", "shared"] = "own",
    fewest_labels: int = 30,
    correlation: float = 0.0,
    power: float = 0.8,
    level: float = 0.95,
) -> BudgetPlan:
    """Split a budget between prompts and labels, or find the cheapest way to a difference worth finding.

    Use it with the variances of a pilot (`pilot_variance`, `fit_variance_model`), or of a judge whose quality is known
    (`VarianceModel.from_quality`). It plans for labels drawn at random, and for policies like those of the pilot.

    Parameters
    ----------
    variance
        The two variances of a policy's calibrated mean.
    price_label, price_score
        Price of one label, and of one answer with its judge score, in one currency.
    budget
        What may be spent; give this or `detectable`.
    detectable
        The true difference of two policies that must be found, in label units.
    n_policies
        Policies that answer every prompt.
    labels
        "own": on a labelled prompt the answer of every policy is labelled, so that comparisons can be graded.
        "shared": one answer is, and all policies borrow the calibration, as in the published arithmetic.
    fewest_labels
        Never plan with fewer labelled prompts.
    correlation
        Of two policies' estimates, in [0, 1); pairing on the same prompts makes it positive. 0 is cautious.
    power, level
        Chance to find the difference, and 1 minus the two-sided error of the test.

    Returns
    -------
    BudgetPlan
        NaN with a reason where the budget does not pay for `fewest_labels` labelled prompts, or the variances are
        undefined.

    Raises
    ------
    ArgumentError
        If not exactly one of `budget` and `detectable` is given, or a number is out of range.

    Notes
    -----
    n = B sqrt(s2_eval / c_n) / D and m = B sqrt(s2_cal / c_m) / D with D = sqrt(c_n s2_eval) + sqrt(c_m s2_cal),
    rounded down, and never more labels than prompts; c_n is `n_policies` times `price_score`, and c_m `price_label`,
    times `n_policies` where each has labels of its own. For `detectable` the cheapest whole numbers that reach it (the
    published rounding can miss it by a hair). Detectable difference: (z_{1 - alpha/2} + z_power)
    sqrt(2 (1 - correlation)) SE.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (square-root law; code).

    Examples
    --------
    >>> from neff.evaluate.budgeting.variance import VarianceModel
    >>> plan = plan_budget(VarianceModel(0.06, 0.03), budget=1000, price_label=16)
    >>> plan.n_prompts, plan.n_labels, plan.cost, round(plan.detectable, 4)
    (261, 46, 997.0, 0.1177)
    """
    call = "plan_budget"
    if (budget is None) == (detectable is None):
        got = "neither" if budget is None else "both"
        raise ArgumentError("budget", "given, or else detectable", got, "Give exactly one.", call=call)
    policies = check_count(n_policies, argument="n_policies", call=call, minimum=1)
    fewest = check_count(fewest_labels, argument="fewest_labels", call=call, minimum=2)
    check_choice(labels, ("own", "shared"), argument="labels", call=call)
    each_label = _positive(price_label, "price_label")
    per_label = each_label * (policies if labels == "own" else 1)
    per_prompt = _positive(price_score, "price_score") * policies
    rho, chance = check_number(correlation, argument="correlation", call=call), _share(power, "power")
    if not 0 <= rho < 1:
        raise ArgumentError("correlation", "in [0, 1)", correlation, "0 is cautious.", call=call)
    level = check_level(level, call=call)
    multiple = (normal_quantile(0.5 + level / 2) + normal_quantile(chance)) * math.sqrt(2 * (1 - rho))
    sizes: tuple[int, int] | None = None
    if variance.s2_eval + variance.s2_cal > 0:  # not NaN
        if budget is not None:
            sizes = _for_budget(variance, _positive(budget, "budget"), per_prompt, per_label, fewest)
        elif detectable is not None:
            wanted = (_positive(detectable, "detectable") / multiple) ** 2
            sizes = _for_variance(variance, wanted, per_prompt, per_label, fewest)
    nan = math.nan
    n, m = sizes or (nan, nan)
    error = nan if sizes is None else math.sqrt(variance.variance(n, m))
    return BudgetPlan(
        n_prompts=n,
        n_labels=m,
        cost=n * per_prompt + m * per_label,
        cost_all_labels=n * policies * each_label,
        standard_error=error,
        detectable=multiple * error,
        power_wanted=chance,
        level=level,
        correlation=rho,
        n_policies=policies,
        price_score=float(price_score),
        price_label=each_label,
        variance=variance,
        labels=labels,
        reason=variance.reason if variance.reason or sizes else Reason.NOT_REACHABLE,
    )


def _best_split(variance: VarianceModel, per_prompt: float, per_label: float) -> tuple[float, float]:
    """Return prompts and labels per unit of budget, by the square-root law, with no more labels than prompts."""
    whole = math.sqrt(per_prompt * variance.s2_eval) + math.sqrt(per_label * variance.s2_cal)
    n, m = math.sqrt(variance.s2_eval / per_prompt) / whole, math.sqrt(variance.s2_cal / per_label) / whole
    return (n, m) if m <= n else (1 / (per_prompt + per_label), 1 / (per_prompt + per_label))


def _for_budget(
    variance: VarianceModel, budget: float, per_prompt: float, per_label: float, fewest: int
) -> tuple[int, int] | None:
    n, m = (budget * share for share in _best_split(variance, per_prompt, per_label))
    if m < fewest:
        n, m = (budget - fewest * per_label) / per_prompt, float(fewest)
    whole_n, whole_m = math.floor(n + 1e-9), math.floor(m + 1e-9)  # the price of 30 labels must buy 30
    return None if whole_n < whole_m else (whole_n, whole_m)


def _for_variance(
    variance: VarianceModel, wanted: float, per_prompt: float, per_label: float, fewest: int
) -> tuple[int, int]:
    """Return the cheapest whole numbers whose variance is at most the wanted one."""
    wanted *= 1 + 1e-12  # what a plan reached must be found again
    whole = math.sqrt(per_prompt * variance.s2_eval) + math.sqrt(per_label * variance.s2_cal)
    m = whole * math.sqrt(variance.s2_cal / per_label) / wanted
    if m > whole * math.sqrt(variance.s2_eval / per_prompt) / wanted:
        m = (variance.s2_eval + variance.s2_cal) / wanted
    # Rounding up one number can pay for rounding down the other: look around the continuous optimum.
    start = max(fewest, math.floor(m))
    options = ((_prompts_for(variance, wanted, m), m) for m in range(max(fewest, start - 20), start + 21))
    n, m = min(options, key=lambda size: size[0] * per_prompt + size[1] * per_label)
    return int(n), m


def _prompts_for(variance: VarianceModel, wanted: float, m: int) -> float:
    """Return the fewest prompts that reach the wanted variance with m labels: at least m, infinite where none do."""
    left = wanted - variance.s2_cal / m
    if variance.s2_eval == 0:
        return m if left >= 0 else math.inf
    return max(m, math.ceil(variance.s2_eval / left - 1e-9)) if left > 0 else math.inf


def _positive(value: float, argument: str) -> float:
    number = check_number(value, argument=argument, call="plan_budget")
    if not (number > 0 and math.isfinite(number)):
        raise ArgumentError(argument, "positive and finite", value, call="plan_budget")
    return number


def _share(value: float, argument: str) -> float:
    number = check_number(value, argument=argument, call="plan_budget")
    if not 0 < number < 1:
        raise ArgumentError(argument, "in (0, 1)", value, "Use 0.8.", call="plan_budget")
    return number
