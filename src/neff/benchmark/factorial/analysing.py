"""`factorial`: which factor of a grid of evaluations matters, which interaction, and for what unit.

What it estimates: shares of the variation of cell means, with items as units for the tests; and differences between
levels with the models as units, where the claim is about models.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.factorial.by_item import item_design, item_intervals, item_noise, item_p_value
from neff.benchmark.factorial.by_row import FEW, logit_shares, squares_of_rows
from neff.benchmark.factorial.by_unit import MOST_LEVELS, unit_tests
from neff.benchmark.factorial.decompose import balanced_squares, cell_means, terms_of
from neff.benchmark.factorial.result import FactorialResult, Term
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.records.factor import Factor
from neff.stats import adjust
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_level, check_number, check_vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.benchmark.factorial.by_item import ItemDesign
    from neff.benchmark.factorial.decompose import Terms
    from neff.stats.multiplicity import Correction

__all__ = ["factorial"]

NEAR_END = 0.05


def factorial(
    score: Sequence[float],
    factors: Mapping[str, Sequence[Any]],
    *,
    item: Sequence[Any] | None = None,
    unit: str | None = None,
    group: str | None = None,
    order: int | None = None,
    margin: float | None = None,
    correction: Correction = "holm",
    level: float = 0.95,
    n_resamples: int = 1000,
    rng: Any = None,
) -> FactorialResult:
    """Divide the variation of scores over a grid of conditions into main effects and interactions.

    Use it on evaluations of every combination of model, prompt, format, task: to see whether "the best prompt" is one,
    or one per model. Items shared by the conditions are the unit of its tests: rows on the same items are not
    independent, and the usual F test, reported beside, takes them as such. Where the claim is about models, name them
    as `unit`.

    Parameters
    ----------
    score
        Scores, 0/1 or real, shape (n,); NaN = unscored, left out and counted.
    factors
        Level of each row by factor, shape (n,) each; two factors or more.
    item
        Item of each row, shape (n,). Gives permutation tests and bootstrap intervals. An item meets every combination
        of levels; of a factor that belongs to the item (its category) it has one.
    unit
        A factor whose levels are the units of paired tests of all pairs of levels of every other factor with up to
        four: usually the model.
    group
        A factor that groups the units (open and closed models): tests within each group too. It takes no part in the
        decomposition.
    order
        Highest order of interaction; higher ones are then the residual.
    margin
        For the tests over units: a difference below this is none worth having. Gives the p-value of equivalence.
    correction
        "holm" for a few planned terms, "benjamini-hochberg" for a screen.
    level
        Coverage of the intervals.
    n_resamples, rng
        Permutations and bootstrap resamples of items (SPEC 7).

    Returns
    -------
    FactorialResult
        Terms, reversals, and tests over units.

    Raises
    ------
    ArgumentError
        If lengths differ, a factor is unknown, or there are fewer than two factors with two levels.

    Notes
    -----
    With items: inclusion and exclusion on cell means, so that eta2 is a share of the variation *of cell means* and adds
    to 1. omega2 is without what the sampling of items adds, and the interval is for that: eta2 itself is too large on
    few items, above all for terms of many degrees of freedom. Permutation: the levels of each factor of a term are
    shuffled within items, alike across the other factors, after the effects below it are taken out; for a main effect
    the null is that no item's answer depends on the factor. For a factor that belongs to items, items are shuffled
    between its levels.

    Without items: of the variation *of rows*. Balanced cells give shares that add to 1 with the residual; unbalanced or
    empty cells give type II sums of squares, which do not add up.

    Near a floor or ceiling an interaction can be a matter of the scale: `eta2_logit` is the share on log odds of the
    cell means. Cost: `n_resamples` shuffles of all items per term.

    References
    ----------
    McLaren et al., Magic Words or Methodical Work? arXiv:2603.26898
    McMillan, Structured Context Engineering for File-Native Agentic Systems. arXiv:2602.05447

    Examples
    --------
    >>> model = ["a", "a", "b", "b"] * 2
    >>> prompt = ["x", "y"] * 4
    >>> round(factorial([0.2, 0.8, 0.8, 0.2] * 2, {"model": model, "prompt": prompt}).interactions, 6)
    1.0
    """
    kinds = ("holm", "benjamini-hochberg", "benjamini-yekutieli", "bonferroni", "none")
    check_choice(correction, kinds, argument="correction", call="factorial")
    level = check_level(level, call="factorial")
    n_resamples = check_count(n_resamples, argument="n_resamples", call="factorial", minimum=1)
    order = None if order is None else check_count(order, argument="order", call="factorial", minimum=1)
    if margin is not None and not (0 < check_number(margin, argument="margin", call="factorial") < math.inf):
        raise ArgumentError("margin", "a positive number", margin, call="factorial")
    if group is not None and unit is None:
        raise ArgumentError("unit", "given with `group`", None, "Name the factor that is grouped.", call="factorial")
    y = check_vector(score, argument="score", call="factorial", allow_nan=True)
    coded = {name: _coded(name, values, len(y)) for name, values in factors.items()}
    keep = ~np.isnan(y)
    y, coded = (
        y[keep],
        {name: Factor.of([x for x, k in zip(f.names(), keep, strict=True) if k]) for name, f in coded.items()},
    )
    items = None if item is None else _coded("item", item, len(keep)).codes[keep].astype(np.int64)
    notes = [f"{int((~keep).sum())} unscored rows left out"] if not keep.all() else []
    used = tuple(name for name in coded if name != group and coded[name].n_levels > 1)
    notes += [f"{name} has one level and is left out" for name in coded if name != group and coded[name].n_levels < 2]
    if len(used) < 2:
        raise ArgumentError("factors", "two or more with two levels or more", list(used), call="factorial")
    groups = _groups(coded, used, unit, group)
    codes = np.stack([coded[name].codes.astype(np.int64) for name in used])
    shape = tuple(coded[name].n_levels for name in used)
    terms = terms_of(len(used), order)
    generator, seed = seeded(rng, call="factorial")
    mean, count = cell_means(y, codes, shape)
    stats = squares_of_rows(y, mean, count, terms)
    design = None if items is None else item_design(y, codes, shape, items)
    if design is None:
        p_items, intervals = np.full(len(terms), np.nan), np.full((2, len(terms)), np.nan)
    else:
        mean = design.mean()
        stats |= _on_items(design, mean, terms)
        p_items = np.array([item_p_value(design, term, n_resamples, generator) for term in terms])
        intervals = item_intervals(design, terms, level, n_resamples, generator)
        if np.isnan(intervals).any() and stats["total"] > 0:
            notes.append("the cells differ too little beyond the sampling of items: shares have no interval")
    notes += _notes(count, stats, design, items, used, terms, mean)
    rows = _terms(used, terms, stats, p_items, intervals, logit_shares(mean, count, y, terms), correction)
    levels = tuple(coded[name].levels for name in used)
    units: tuple[Any, ...] = ()
    if unit is not None:
        options: dict[str, Any] = {"margin": margin, "level": level, "correction": correction}
        units = unit_tests(mean, used, levels, unit, groups, **options)
        many = [name for name, own in zip(used, levels, strict=True) if name != unit and len(own) > MOST_LEVELS]
        notes += [f"{name} has more than {MOST_LEVELS} levels: no tests over {unit}" for name in many]
    known = [t for t in rows if not math.isnan(t.eta2)]
    total = [sum(t.eta2 for t in known if (t.order == 1) == first) if known else math.nan for first in (True, False)]
    return FactorialResult(
        terms=rows, residual=stats["residual"], residual_df=stats["df"], main=total[0], interactions=total[1],
        reversals=_reversals(mean, used), units=units, factors=used, means=mean, levels=levels,
        balanced=stats["balanced"], by_item=design is not None, n=len(y),
        n_items=0 if items is None else len(np.unique(items)), n_cells=int(np.prod(shape)),
        n_empty=int((count == 0).sum()), level=level, correction=correction,
        seed=seed if design is not None else None,
        reason=Reason.ALL_EQUAL if not stats["total"] > 0 else None, notes=tuple(notes),
    )  # fmt: skip


def _coded(name: str, values: Sequence[Any], n: int) -> Factor:
    factor = Factor.of(list(values))
    if len(factor) != n:
        raise ArgumentError(name, f"of {n} values, as the scores", len(factor), call="factorial")
    if (factor.codes < 0).any():
        row = int(np.flatnonzero(factor.codes < 0)[0])
        raise ArgumentError(name, "a level in every row", f"none in row {row + 1}", call="factorial")
    return factor


def _groups(
    coded: dict[str, Factor], used: tuple[str, ...], unit: str | None, group: str | None
) -> dict[str, NDArray[np.bool_]]:
    """Return which units are in each group, all of them first."""
    if unit is None:
        return {}
    if unit not in used:
        raise ArgumentError("unit", f"a factor with two levels or more: {', '.join(used)}", unit, call="factorial")
    units = coded[unit]
    found = {"all": np.ones(units.n_levels, bool)}
    if group is None:
        return found
    if group not in coded:
        raise ArgumentError("group", f"a factor: one of {', '.join(coded)}", group, call="factorial")
    member = np.zeros((coded[group].n_levels, units.n_levels), bool)
    member[coded[group].codes, units.codes] = True
    if (member.sum(axis=0) > 1).any():
        name = units.levels[int(np.flatnonzero(member.sum(axis=0) > 1)[0])]
        raise ArgumentError(
            "group", f"one per {unit}", f"{name!r} in two", "Make it a factor of its own.", call="factorial"
        )
    return found | dict(zip(coded[group].levels, member, strict=True))


def _on_items(design: ItemDesign, mean: NDArray[np.float64], terms: Terms) -> dict[str, Any]:
    """Return the decomposition of the variation of cell means, each cell counting once."""
    squares = balanced_squares(mean, terms)
    total = float(((mean - mean.mean()) ** 2).sum())
    total = total if total > 1e-24 * max(float(np.abs(mean).max()), 1e-300) ** 2 * mean.size else 0.0
    noise, _ = item_noise(design, terms)
    left = total - noise[-1]
    n, crossed = len(design.table), not design.nested
    rest, df = (
        total - float(squares.sum()),
        mean.size - 1 - sum(int(np.prod([mean.shape[i] - 1 for i in t])) for t in terms),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        partial = squares / (squares + (n - 1) * noise[:-1]) if crossed else np.full(len(terms), np.nan)
        omega2 = (squares - noise[:-1]) / left if left > 1e-9 * total else np.full(len(terms), np.nan)
    dfs = np.array([int(np.prod([mean.shape[i] - 1 for i in term])) for term in terms])
    return {"total": total, "squares": squares, "dfs": dfs, "residual": max(rest, 0.0) if df > 0 else math.nan,
            "df": df, "omega2": omega2, "partial": partial, "balanced": True}  # fmt: skip


def _notes(
    count: NDArray[np.int64], stats: dict[str, Any], design: ItemDesign | None, items: NDArray[np.int64] | None,
    used: tuple[str, ...], terms: Terms, mean: NDArray[np.float64],
) -> list[str]:  # fmt: skip
    notes = []
    if design is None and not stats["balanced"]:
        notes.append("cells are not equally filled: type II sums of squares, which do not add up")
    empty, few = int((count == 0).sum()), int(((count > 0) & (count < FEW)).sum())
    if empty:
        notes.append(f"{empty} of {count.size} cells are empty")
    if few and items is not None:
        notes.append(f"{few} cells have fewer than {FEW} scores")
    if items is not None and design is None:
        notes.append("items do not meet every condition: no tests by item, and the shares are of the variation of rows")
    if design is not None and design.n_left_out:
        notes.append(f"{design.n_left_out} items lack a condition and are left out")
    notes += [
        f"{':'.join(used[j] for j in term)} cannot be told from other terms in these cells"
        for term, df in zip(terms, stats["dfs"], strict=True)
        if df == 0
    ]
    if design is None and stats["df"] == 0:
        notes.append("one score per cell: the highest interaction cannot be told from noise")
    known = mean[~np.isnan(mean)]
    inside = len(known) and known.min() >= 0 and known.max() <= 1
    if inside and (known.max() > 1 - NEAR_END or known.min() < NEAR_END):
        notes.append("some cells are near 0 or 1, where interactions can be a matter of the scale: see log odds")
    return notes


def _terms(
    used: tuple[str, ...], terms: Terms, stats: dict[str, Any], p_items: NDArray[np.float64],
    intervals: NDArray[np.float64], logit: NDArray[np.float64], correction: Correction,
) -> tuple[Term, ...]:  # fmt: skip
    from scipy.special import fdtrc

    adjusted = adjust(p_items, method=correction)
    rows = []
    for i, term in enumerate(terms):
        own, f, total = int(stats["dfs"][i]), float(stats["f"][i]), stats["total"]
        known = own > 0 and total > 0
        rows.append(
            Term(
                name=":".join(used[j] for j in term), order=len(term), df=own,
                sum_of_squares=float(stats["squares"][i]),
                eta2=float(stats["squares"][i]) / total if known else math.nan,
                interval=(float(intervals[0, i]), float(intervals[1, i])) if known else (math.nan, math.nan),
                partial_eta2=float(stats["partial"][i]) if known else math.nan,
                omega2=float(stats["omega2"][i]) if known else math.nan,
                eta2_logit=float(logit[i]) if known else math.nan,
                f=f, p_rows=float(fdtrc(own, stats["f_df"], f)) if not math.isnan(f) else math.nan,
                p_items=float(p_items[i]), p_adjusted=float(adjusted[i]),
            )
        )  # fmt: skip
    return tuple(rows)


def _reversals(mean: NDArray[np.float64], used: tuple[str, ...]) -> dict[str, float]:
    """Return for each pair of factors (F, G) the share of level pairs of F whose order differs between levels of G."""
    found = {}
    for i in range(len(used)):
        for j in range(len(used)):
            if i == j:
                continue
            others = tuple(k for k in range(mean.ndim) if k not in (i, j))
            table = _mean_over(mean, others)
            table = table if i < j else table.T  # levels of F in rows
            signs = [np.sign(table[a] - table[b]) for a, b in combinations(range(len(table)), 2)]
            pairs = [(s[c], s[d]) for s in signs for c, d in combinations(range(table.shape[1]), 2)]
            known = [(a, b) for a, b in pairs if not (math.isnan(a) or math.isnan(b))]
            found[f"{used[i]} by {used[j]}"] = float(np.mean([a * b < 0 for a, b in known])) if known else math.nan
    return found


def _mean_over(mean: NDArray[np.float64], axes: tuple[int, ...]) -> NDArray[np.float64]:
    """Return means over the cells that are filled, NaN where none is."""
    known = ~np.isnan(mean)
    count = known.sum(axis=axes)
    return np.asarray(np.where(count > 0, np.where(known, mean, 0).sum(axis=axes) / np.maximum(count, 1), np.nan))
