"""`at_k`: everything that repeated answers say about a budget of k answers, with intervals.

What it estimates: the mean over items of what k fresh draws would give. Two intervals go with it, for two questions:
over items and draws (would other items of this kind give the same?) and over draws only (would other draws of these
items?).
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.sampling.combinatorics import budgets
from neff.sampling.draws import Draws, as_draws, draws_of
from neff.sampling.repeats.estimators import PerItem, best_of_k, majority_at_k, passes, weighted_at_k
from neff.sampling.repeats.result import AtK
from neff.sampling.repeats.rows import comparisons, estimates
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from neff.results import Estimate
    from neff.sampling.repeats.rows import Found

__all__ = ["at_k", "pass_at_k", "pass_hat_k"]


def pass_at_k(n: ArrayLike, c: ArrayLike, k: int) -> Any:
    """Return pass@k, the chance that at least one of k draws is right, from c right ones of n recorded.

    Unbiased for k fresh draws, where 1 - (1 - c/n)^k is too low. Use `at_k` for a data set with intervals.

    Parameters
    ----------
    n, c
        Draws of each item and right ones among them, counts of one shape.
    k
        Budget, 1 or more.

    Returns
    -------
    ndarray
        Of the same shape, in [0, 1]; NaN where k > n, which no number can stand for.

    Raises
    ------
    ArgumentError
        If k is not a count, or c is not between 0 and n.

    References
    ----------
    Chen et al., Evaluating Large Language Models Trained on Code. arXiv:2107.03374

    Examples
    --------
    >>> pass_at_k([10, 10, 3], [3, 0, 1], 5).round(4)
    array([0.9167, 0.    ,    nan])
    """
    from neff.sampling.combinatorics import at_least

    n, c = _counts(n, c, "pass_at_k")
    return at_least(n, c, check_count(k, argument="k", call="pass_at_k", minimum=1), 1)


def pass_hat_k(n: ArrayLike, c: ArrayLike, k: int) -> Any:
    """Return pass^k, the chance that all of k draws are right, from c right ones of n recorded: C(c, k) / C(n, k).

    For systems that must not fail: an agent that solves a task in 9 of 10 tries does so 8 times in a row rarely.

    Parameters
    ----------
    n, c
        Draws of each item and right ones among them, counts of one shape.
    k
        Draws that must all be right, 1 or more.

    Returns
    -------
    ndarray
        Of the same shape, in [0, 1]; NaN where k > n.

    Raises
    ------
    ArgumentError
        If k is not a count, or c is not between 0 and n.

    References
    ----------
    Yao, Shinn, Razavi and Narasimhan, tau-bench. arXiv:2406.12045

    Examples
    --------
    >>> pass_hat_k([8, 8, 4], [5, 5, 3], 4).round(4)
    array([0.0714, 0.0714, 0.    ])
    """
    from neff.sampling.combinatorics import all_right

    n, c = _counts(n, c, "pass_hat_k")
    return all_right(n, c, check_count(k, argument="k", call="pass_hat_k", minimum=1))


def _counts(n: ArrayLike, c: ArrayLike, call: str) -> tuple[Any, Any]:
    total, right = np.asarray(n, np.float64), np.asarray(c, np.float64)
    if total.ndim and right.ndim and total.shape != right.shape:
        raise ArgumentError("c", f"of the shape of n, {total.shape}", right.shape, "One count per item.", call=call)
    total, right = np.broadcast_arrays(total, right)
    for name, values in (("n", total), ("c", right)):
        bad = ~((values >= 0) & (values == np.floor(values)) & np.isfinite(values))
        if bad.any():
            fix = "A fraction is not a number of passes."
            raise ArgumentError(name, "a count", float(values[bad].flat[0]), fix, call=call)
    over = right > total
    if over.any():
        raise ArgumentError("c", "at most n", float(right[over].flat[0]), "Is the order (n, c, k)?", call=call)
    return total, right


def at_k(
    outcomes: Any,
    *,
    k: Sequence[int] | int = (1, 2, 5, 10),
    scores: Any = None,
    answers: Any = None,
    at_least: Sequence[int] = (),
    weighted: str | None = None,
    short: str = "refuse",
    level: float = 0.95,
    n_resamples: int = 2000,
    rng: Any = None,
    **columns: Any,
) -> AtK:
    """Estimate what k answers give: pass@k, pass^k, majority and best of k, each with two intervals.

    Use it on several recorded answers per item, from which it draws budgets of k without replacement: exact formulas,
    no simulation (but for `weighted` votes below all draws). Not for extrapolation beyond the recorded draws, and not
    where answers to an item depend on each other (one conversation, a cached prefix at temperature 0).

    Parameters
    ----------
    outcomes
        0/1 or bool, NaN = unscored: an array of shape (n_items, n_draws), or one sequence per item (ragged). Or
        records (paths, a dataframe, `Records`), whose score is the outcome.
    k
        Budgets; results come in ascending order of them.
    scores
        A verifier's score of each draw, of the same shape; for records, the name of the column. Gives "best-of-k".
    answers
        The answer of each draw, None where none could be read; for records, the name of the column. Gives
        "majority@k".
    at_least
        Further counts j: "at-least-j@k", the chance of j right ones or more.
    weighted
        "sum", "mean", "max" or "log-sum": the vote in which an answer's draws bring their scores. Needs both.
    short
        Items with fewer than k usable draws: "refuse" (default) makes the value undefined, "drop" leaves them out and
        says how many; the value is then about other items at each k.
    level
        Coverage of the intervals.
    n_resamples, rng
        Random subsets per item, and their generator (SPEC 7), where a vote has no exact form.
    **columns
        Column names, as in `neff.read`, where `outcomes` are records.

    Returns
    -------
    AtK
        Estimates, fixed-item intervals and comparisons.

    Raises
    ------
    ArgumentError
        If an outcome is not 0, 1 or missing, shapes differ, or an option is unknown.
    RecordsError
        If records cannot be read.

    Notes
    -----
    Estimand: the mean over items of the chance that k fresh draws give a right answer by the rule. Each item's
    estimate is a U-statistic of its draws, unbiased for every k up to their number. Over items: t interval of the mean
    (by cluster where one is given), Wilson's where each item gives 0 or 1 (one draw per item; k = n). Over draws: the
    sum of the items' variances, unbiased for pass@k, pass^k and at-least-j from two disjoint subsets (n >= 2k), else a
    plug-in; jackknife for majority and best of k, which errs on the wide side. Draws without an answer or a score take
    no part in votes; unscored draws in nothing. A vote over random subsets has the variance that these leave in its
    `components["subsets"]`.
    Cost: in distinct (n, c) for pass@k; items x draws for best of k; for votes, steeper in draws and answers.

    References
    ----------
    Chen et al., Evaluating Large Language Models Trained on Code. arXiv:2107.03374
    Wang et al., Self-Consistency Improves Chain of Thought Reasoning. arXiv:2203.11171

    Examples
    --------
    >>> found = at_k([[1, 0, 0, 1], [0, 0, 0, 1], [1, 1, 1, 0], [0, 0, 1, 0], [1, 1, 0, 0]], k=(1, 2))
    >>> print(found)
    Metric   Value  Interval (items)  Interval (draws)  Items  Draws
    pass@1  0.4500  [0.1903, 0.7097]  [0.2167, 0.6833]      5     20
    pass@2  0.7333  [0.4557, 1.0000]  [0.4412, 1.0000]      5     20
    pass^1  0.4500  [0.1903, 0.7097]  [0.2167, 0.6833]      5     20
    pass^2  0.1667  [0.0000, 0.4201]  [0.0000, 0.3833]      5     20
    """
    level = check_level(level, call="at_k")
    ks = budgets(k, call="at_k")
    if not ks or len(set(ks)) < len(ks):
        raise ArgumentError("k", "one or more different budgets", list(ks), "For example k=(1, 2, 5, 10).", call="at_k")
    js = tuple(check_count(x, argument="at_least", call="at_k", minimum=1) for x in at_least)
    check_choice(short, ("refuse", "drop"), argument="short", call="at_k")
    if weighted is not None:
        check_choice(weighted, ("sum", "mean", "max", "log-sum"), argument="weighted", call="at_k")
        if scores is None or answers is None:
            fix = "A weighted vote needs scores= and answers=."
            raise ArgumentError("weighted", "left out without scores and answers", weighted, fix, call="at_k")
    n_resamples = check_count(n_resamples, argument="n_resamples", call="at_k", minimum=2)
    generator, seed = seeded(rng, call="at_k")
    parts = _parts(outcomes, scores, answers, columns)
    found: list[Found] = []
    for draws in parts:
        for name, per_item in _metrics(draws, ks, js, weighted, n_resamples, generator):
            found += [(draws, name.format(k=x), per_item, i) for i, x in enumerate(ks)]
    pairs = [estimates(draws, name, per, i, level, short) for draws, name, per, i in found]
    random = weighted is not None or any(per.simulated is not None for _, _, per, _ in found)
    return AtK(
        estimates=tuple(a for a, _ in pairs),
        fixed=tuple(b for _, b in pairs),
        comparisons=comparisons(found, level, short),
        ks=ks,
        notes=_notes(parts, ks, [a for a, _ in pairs], n_resamples),
        seed=seed if random else None,
    )


def _parts(outcomes: Any, scores: Any, answers: Any, columns: dict[str, Any]) -> list[Draws]:
    from neff.records import Records

    table = isinstance(outcomes, (str, dict, Records)) or hasattr(outcomes, "__fspath__") or bool(columns)
    table |= hasattr(outcomes, "columns") or hasattr(outcomes, "__arrow_c_stream__")
    table |= isinstance(outcomes, (list, tuple)) and bool(outcomes) and isinstance(outcomes[0], (str, PathLike))
    if table:
        return draws_of(outcomes, scores=scores, answers=answers, call="at_k", **columns)
    return [as_draws(outcomes, scores=scores, answers=answers, call="at_k")]


def _metrics(
    draws: Draws,
    ks: tuple[int, ...],
    js: tuple[int, ...],
    weighted: str | None,
    n_resamples: int,
    rng: np.random.Generator,
) -> list[tuple[str, PerItem]]:
    found = [("pass@{k}", passes(draws, ks, [1] * len(ks))), ("pass^{k}", passes(draws, ks, ks))]
    found += [(f"at-least-{j}@{{k}}", passes(draws, ks, [j] * len(ks))) for j in js]
    if draws.answer is not None:
        found.append(("majority@{k}", majority_at_k(draws, ks, n_resamples=n_resamples, rng=rng)))
    if draws.score is not None:
        found.append(("best-of-{k}", best_of_k(draws, ks)))
    if weighted is not None:
        found.append(
            (f"weighted-{weighted}@{{k}}", weighted_at_k(draws, ks, how=weighted, n_resamples=n_resamples, rng=rng))
        )
    return found


def _notes(parts: list[Draws], ks: tuple[int, ...], found: list[Estimate], n_resamples: int) -> tuple[str, ...]:
    notes = []
    fewest = min((int(d.scored.min()) for d in parts if d.n_items), default=0)
    unscored = sum(int(np.isnan(d.outcome).sum()) for d in parts)
    if unscored:
        notes.append(f"{unscored:,} draws are unscored: they are left out, not counted as wrong.")
    if max(ks) > fewest:
        notes.append(f"The item with the fewest scored draws has {fewest}; no k above it is known for all items.")
    elif 2 * max(ks) > fewest:
        notes.append("Above half the draws per item, the variance over draws is a plug-in, not an unbiased estimate.")
    left = max((e.components.get("subsets", 0.0) for e in found), default=0.0)
    if left > 0:
        error = f"{left**0.5:.2g}"
        notes.append(
            f"Votes over {n_resamples:,} random subsets per item: they leave a standard error of {error} at most."
        )
    return tuple(notes)
