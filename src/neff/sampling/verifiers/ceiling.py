"""`can_match`: whether a weak model with a verifier can ever reach a strong model's single answer."""

from __future__ import annotations

import math

import numpy as np

from neff.errors import ArgumentError, ArgumentTypeError
from neff.results import Verdict
from neff.sampling.draws import Draws
from neff.sampling.verifiers.curves import counts_of
from neff.sampling.verifiers.result import CeilingTest
from neff.stats import mean_se, t_interval
from neff.stats._options import check_choice
from neff.stats._validate import check_level, check_number

__all__ = ["can_match"]


def can_match(
    weak: Draws, strong: Draws, *, counting: str = "abstentions wrong", margin: float = 0.0, level: float = 0.95
) -> CeilingTest:
    """Test whether a weak model with a verifier can reach a strong model's single-draw accuracy, whatever the budget.

    Use it before buying more samples of a cheap model. Both sides are taken on the items that both answered.

    Parameters
    ----------
    weak
        Draws with acceptances.
    strong
        Draws of the other model; only their outcomes count.
    counting
        "abstentions wrong" or "abstentions left out" (the paper's conditional accuracy).
    margin
        The weak model must come within this of the strong one, 0 or more, declared before looking.
    level
        Coverage of the interval; the verdict uses it two-sided.

    Returns
    -------
    CeilingTest
        With the verdict.

    Raises
    ------
    ArgumentError
        If the weak draws have no acceptances, the two have no item in common, or an option is unknown.

    Notes
    -----
    The ceiling is a plug-in from the recorded draws: an item whose right answer is accepted less often than once in
    them counts as lost. Paired by item, t interval, by cluster where `weak` has clusters. Where all items differ alike
    there is no spread to build on: the interval is then the exact one of units that all gave the same.

    References
    ----------
    Stroebl, Kapoor and Narayanan, Inference Scaling fLaws. arXiv:2411.17501

    Examples
    --------
    >>> from neff.sampling import as_draws
    >>> right, accepted = [[1, 0], [0, 0], [0, 1], [0, 0]], [[1, 1], [0, 1], [1, 1], [0, 0]]
    >>> weak = as_draws(right, accepts=accepted)
    >>> strong = as_draws([[1], [1], [1], [1]])
    >>> print(can_match(weak, strong).verdict)
    fails
    """
    check_choice(counting, ("abstentions wrong", "abstentions left out"), argument="counting", call="can_match")
    level = check_level(level, call="can_match")
    if not (math.isfinite(check_number(margin, argument="margin", call="can_match")) and margin >= 0):
        raise ArgumentError("margin", "0 or more", margin, "0.02 allows two points less.", call="can_match")
    for name, draws in (("weak", weak), ("strong", strong)):
        if not isinstance(draws, Draws):
            raise ArgumentTypeError(name, "Draws", draws, "as_draws(...), or draws_of(records).", call="can_match")
    if weak.accept is None:
        fix = "as_draws(outcomes, accepts=...), or draws_of(records, accepts=COLUMN)."
        raise ArgumentError("weak", "draws with acceptances", "none", fix, call="can_match")
    counts = counts_of(weak)
    place = {name: i for i, name in enumerate(strong.items)}
    rows = np.array([i for i, name in enumerate(weak.items) if name in place], np.int64)
    other = np.array([place[weak.items[i]] for i in rows], np.int64)
    scored = strong.scored
    keep = (counts.n[rows] > 0) & (scored[other] > 0) if len(rows) else np.zeros(0, bool)
    if counting == "abstentions left out":
        keep &= counts.accepted[rows] > 0
    rows, other = rows[keep], other[keep]
    if not len(rows):
        fix = "Both need the same item names, with scored draws."
        raise ArgumentError("strong", "draws for the items of weak", "no item in common", fix, call="can_match")
    ceiling = counts.both[rows] / np.maximum(counts.accepted[rows], 1)
    target = strong.right[other] / scored[other]
    mean = mean_se(ceiling - target, cluster=None if weak.cluster is None else weak.cluster[rows])
    low, high, reason = t_interval(mean.value, mean.standard_error, df=mean.df, level=level)
    if np.ptp(ceiling - target) <= 1e-12:
        (low, high), reason = _of_equal(mean.value, mean.n_clusters or len(rows), level), None
    verdict = Verdict.UNDECIDED
    if low >= -margin:
        verdict = Verdict.HOLDS
    elif high < -margin:
        verdict = Verdict.FAILS
    return CeilingTest(
        weak=weak.model or "the weak model", strong=strong.model or "the strong model", ceiling=float(ceiling.mean()),
        target=float(target.mean()), difference=mean.value, standard_error=mean.standard_error, interval=(low, high),
        level=level, df=mean.df, counting=counting, verdict=verdict, n_items=len(rows),
        n_left_out=weak.n_items + strong.n_items - 2 * len(rows), reason=str(reason or ""),
    )  # fmt: skip


def _of_equal(value: float, units: int, level: float) -> tuple[float, float]:
    """Return the interval of a mean in [-1, 1] from units that all gave one value: exact, without a spread.

    At the level, no more than a share s = 1 - ((1 - level) / 2)^(1 / units) of all units can differ from those seen;
    these may lie at either end.
    """
    other = 1 - ((1 - level) / 2) ** (1 / units)
    return value - (1 + value) * other, value + (1 - value) * other
