"""`factorial`: which factor of a grid of evaluations matters, which interaction, and for what unit.

What it estimates: shares of the variation of cell means, with items as units for the tests; and differences between
levels with the models as units, where the claim is about models.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.factorial.decompose import (
    balanced_squares,
    cell_means,
    contrasts,
    terms_of,
    type_two_squares,
)
from neff.benchmark.factorial.result import FactorialResult, Term, UnitTest
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.records.factor import Factor
from neff.stats import adjust, mean_se, t_interval
from neff.stats._options import check_choice, seeded
from neff.stats._special import binomial_cdf, two_sided_p
from neff.stats._validate import check_count, check_level, check_vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.benchmark.factorial.decompose import Terms

__all__ = ["factorial"]

FEW = 5


def factorial(
    score: Sequence[float],
    factors: Mapping[str, Sequence[Any]],
    *,
    item: Sequence[Any] | None = None,
    unit: str | None = None,
    group: str | None = None,
    order: int | None = None,
    correction: str = "holm",
    level: float = 0.95,
    n_resamples: int = 1000,
    rng: Any = None,
) -> FactorialResult:
    """Divide the variation of scores over a grid of conditions into main effects and interactions.

    Use it on evaluations of every combination of model, prompt, format, task: to see whether "the best prompt" is one,
    or one per model. Items shared by the conditions are the unit of its tests: rows on the same items are not independent,
    and the usual F test, reported beside, takes them as such. Where the claim is about models, name them as `unit`.

    Parameters
    ----------
    score
        Scores, 0/1 or real, shape (n,); NaN = unscored, left out and counted.
    factors
        Level of each row by factor, shape (n,) each; two factors or more.
    item
        Item of each row, shape (n,). Gives permutation tests and bootstrap intervals.
    unit
        A factor whose levels are the units of paired tests of every other two-level factor (and of all pairs of levels
        of factors with up to four): usually the model.
    group
        A factor that groups the units (open and closed models): tests within each group too. It takes no part in the
        decomposition.
    order
        Highest order of interaction; higher ones are then the residual.
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
    Balanced cells: inclusion and exclusion on cell means, shares add to 1. Unbalanced or empty cells: type II sums of
    squares, which do not add up; a note says so. Permutation: levels of the term's factors are shuffled within items,
    together across the other factors, so that the null is that this item's answer does not depend on them; the
    statistic is the term's sum of squares. Near a ceiling an interaction can be a matter of the scale. Cost: `n_resamples`
    decompositions of the cells.

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
    check_choice(
        correction, ("holm", "benjamini-hochberg", "bonferroni", "none"), argument="correction", call="factorial"
    )
    level = check_level(level, call="factorial")
    n_resamples = check_count(n_resamples, argument="n_resamples", call="factorial", minimum=1)
    y = check_vector(score, argument="score", call="factorial", allow_nan=True)
    coded = {name: _coded(name, values, len(y)) for name, values in factors.items()}
    for named in (unit, group):
        if named is not None and named not in coded:
            raise ArgumentError("unit", f"a factor: one of {', '.join(coded)}", named, call="factorial")
    items = None if item is None else _coded("item", item, len(y))
    keep = ~np.isnan(y)
    notes = [f"{int((~keep).sum())} unscored rows left out"] if not keep.all() else []
    used = [name for name in coded if name != group and coded[name].n_levels > 1]
    notes += [f"{name} has one level and is left out" for name in coded if name != group and coded[name].n_levels < 2]
    if len(used) < 2:
        raise ArgumentError("factors", "two or more with two levels or more", used, call="factorial")
    codes = np.stack([coded[name].codes[keep].astype(np.int64) for name in used])
    shape = tuple(coded[name].n_levels for name in used)
    generator, seed = seeded(rng, call="factorial")
    mean, count = cell_means(y[keep], codes, shape)
    terms = terms_of(len(used), order)
    balanced = bool((count == count.flat[0]).all() and count.flat[0] > 0)
    if not balanced:
        notes.append("cells are not equally filled: type II sums of squares, which do not add up")
    few = int(((count > 0) & (count < FEW)).sum())
    if few and items is not None:
        notes.append(f"{few} cells have fewer than {FEW} scores")
    stats = _statistics(y[keep], codes, shape, terms, mean, count, balanced=balanced)
    item_codes = None if items is None else items.codes[keep].astype(np.int64)
    p_items, intervals = _by_item(y[keep], codes, shape, terms, item_codes, level, n_resamples, generator)
    if items is not None and p_items is None:
        notes.append("items do not meet every condition once: no tests by item")
    rows = _terms(used, terms, stats, p_items, intervals, correction)
    units = () if unit is None else _units(y[keep], {n: f[keep] for n, f in coded.items()}, used, unit, group, level)
    total = {size: sum(t.eta2 for t in rows if (t.order == 1) == (size == 1)) for size in (1, 2)}
    return FactorialResult(
        terms=rows, residual=stats["residual"], residual_df=stats["df"], main=total[1], interactions=total[2],
        reversals=_reversals(mean, used), units=units, factors=tuple(used), means=mean,
        levels=tuple(coded[name].levels for name in used), balanced=balanced, n=int(keep.sum()),
        n_items=0 if items is None else len(np.unique(items.codes[keep])), n_cells=int(np.prod(shape)),
        n_empty=int((count == 0).sum()), level=level, correction=correction, seed=seed if item is not None else None,
        reason=Reason.ALL_EQUAL if stats["total"] == 0 else None, notes=tuple(notes),
    )  # fmt: skip


def _coded(name: str, values: Sequence[Any], n: int) -> Factor:
    factor = Factor.of(list(values))
    if len(factor) != n:
        raise ArgumentError(name, f"of {n} values, as the scores", len(factor), call="factorial")
    if (factor.codes < 0).any():
        row = int(np.flatnonzero(factor.codes < 0)[0])
        raise ArgumentError(name, "a level in every row", f"none in row {row + 1}", call="factorial")
    return factor


def _statistics(
    y: NDArray[np.float64],
    codes: NDArray[np.int64],
    shape: tuple[int, ...],
    terms: Terms,
    mean: NDArray[np.float64],
    count: NDArray[np.int64],
    *,
    balanced: bool,
) -> dict[str, Any]:
    total = float(((y - y.mean()) ** 2).sum())
    if balanced:
        each = int(count.flat[0])
        squares = balanced_squares(mean, terms) * each
        dfs = np.array([int(np.prod([shape[i] - 1 for i in term])) for term in terms])
        residual, df = max(total - float(squares.sum()), 0.0), len(y) - 1 - int(dfs.sum())
    else:
        squares, dfs, residual, df = type_two_squares(y, contrasts(codes, shape, terms), terms)
    # Rounding must not pass for a residual.
    residual = residual if df > 0 and residual > 1e-12 * max(total, 1e-300) else (math.nan if df <= 0 else 0.0)
    return {"total": total, "squares": squares, "dfs": dfs, "residual": residual, "df": max(df, 0)}


def _terms(
    used: list[str],
    terms: Terms,
    stats: dict[str, Any],
    p_items: NDArray[np.float64] | None,
    intervals: NDArray[np.float64] | None,
    correction: str,
) -> tuple[Term, ...]:
    from scipy.special import fdtrc

    total, residual, df = stats["total"], stats["residual"], stats["df"]
    error = residual / df if df > 0 and not math.isnan(residual) else math.nan
    adjusted = np.full(len(terms), np.nan) if p_items is None else np.asarray(adjust(p_items, method=correction))  # type: ignore[arg-type]
    rows = []
    for i, term in enumerate(terms):
        ss, own = float(stats["squares"][i]), int(stats["dfs"][i])
        f = ss / own / error if own > 0 and error > 0 else math.nan
        rows.append(
            Term(
                name=":".join(used[j] for j in term), order=len(term), sum_of_squares=ss, df=own,
                eta2=ss / total if total > 0 else math.nan,
                interval=(math.nan, math.nan) if intervals is None else tuple(map(float, intervals[:, i])),  # type: ignore[arg-type]
                partial_eta2=ss / (ss + residual) if not math.isnan(residual) and ss + residual > 0 else math.nan,
                omega2=(ss - own * error) / (total + error) if not math.isnan(error) and total > 0 else math.nan,
                f=f, p_rows=float(fdtrc(own, df, f)) if not math.isnan(f) else math.nan,
                p_items=math.nan if p_items is None else float(p_items[i]), p_adjusted=float(adjusted[i]),
            )
        )  # fmt: skip
    return tuple(rows)


def _by_item(
    y: NDArray[np.float64],
    codes: NDArray[np.int64],
    shape: tuple[int, ...],
    terms: Terms,
    item: NDArray[np.int64] | None,
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return permutation p-values of the terms and intervals of their eta2, where items meet all conditions."""
    if item is None:
        return None, None
    _, item = np.unique(item, return_inverse=True)
    cube, count = cell_means(y, np.vstack([item, codes]), (int(item.max()) + 1, *shape))
    if (count == 0).any() or len(cube) < 2:
        return None, None
    observed = balanced_squares(cube.mean(axis=0), terms)
    p_values = np.empty(len(terms))
    for i, term in enumerate(terms):
        above = 0
        for _ in range(n_resamples):
            shuffled = _shuffled(cube, term, rng)
            above += balanced_squares(shuffled.mean(axis=0), (term,))[0] >= observed[i] * (1 - 1e-12)
        p_values[i] = (1 + above) / (n_resamples + 1)
    drawn = np.empty((n_resamples, len(terms)))
    for b in range(n_resamples):
        mean = cube[rng.integers(len(cube), size=len(cube))].mean(axis=0)
        whole = float(((mean - mean.mean()) ** 2).sum())
        drawn[b] = balanced_squares(mean, terms) / whole if whole > 0 else np.nan
    return p_values, np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)


def _shuffled(cube: NDArray[np.float64], term: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Shuffle the levels of the term's factors within each item, alike across the levels of the others.

    An interaction is shuffled as one factor of all its combinations, after the effects below it are taken out.
    """
    axes = [i + 1 for i in term]
    moved = np.moveaxis(cube, axes, range(1, len(axes) + 1))
    sizes = moved.shape[1 : len(axes) + 1]
    work = moved
    if len(axes) > 1:
        for axis in range(1, len(axes) + 1):
            work = work - work.mean(axis=axis, keepdims=True)
    flat = work.reshape(len(cube), int(np.prod(sizes)), -1)
    order = np.argsort(rng.random(flat.shape[:2]), axis=1)
    out = np.take_along_axis(flat, order[:, :, None], axis=1).reshape(moved.shape)
    return np.moveaxis(out, range(1, len(axes) + 1), axes)


def _reversals(mean: NDArray[np.float64], used: list[str]) -> dict[str, float]:
    """Return for each pair of factors (F, G) the share of level pairs of F whose order differs between levels of G."""
    found = {}
    for i in range(len(used)):
        for j in range(len(used)):
            if i == j:
                continue
            others = tuple(k for k in range(mean.ndim) if k not in (i, j))
            table = np.nanmean(mean, axis=others) if others else mean
            table = table if i < j else table.T  # levels of F in rows
            signs = [np.sign(table[a] - table[b]) for a, b in combinations(range(len(table)), 2)]
            pairs = [(s[c], s[d]) for s in signs for c, d in combinations(range(table.shape[1]), 2)]
            known = [(a, b) for a, b in pairs if not (math.isnan(a) or math.isnan(b))]
            found[f"{used[i]} by {used[j]}"] = float(np.mean([a * b < 0 for a, b in known])) if known else math.nan
    return found


def _units(
    y: NDArray[np.float64], coded: dict[str, Factor], used: list[str], unit: str, group: str | None, level: float
) -> tuple[UnitTest, ...]:
    found = []
    for name in used:
        factor = coded[name]
        if name == unit or factor.n_levels > 4:
            continue
        for a, b in combinations(range(factor.n_levels), 2):
            sets: list[tuple[str, NDArray[np.bool_]]] = [("all", np.ones(len(y), bool))]
            if group is not None:
                g = coded[group]
                sets += [(level_name, g.codes == code) for code, level_name in enumerate(g.levels)]
            found += [_unit_test(y, factor, coded[unit], name, unit, a, b, who, rows, level) for who, rows in sets]
    return tuple(found)


def _unit_test(
    y: NDArray[np.float64], factor: Factor, units: Factor, name: str, unit: str, a: int, b: int, who: str,
    rows: NDArray[np.bool_], level: float,
) -> UnitTest:  # fmt: skip
    means = []
    for code in (a, b):
        chosen = rows & (factor.codes == code)
        count = np.bincount(units.codes[chosen], minlength=units.n_levels)
        total = np.bincount(units.codes[chosen], weights=y[chosen], minlength=units.n_levels)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    diff = means[0] - means[1]
    diff = diff[~np.isnan(diff)]
    mean = mean_se(diff)
    low, high, _ = t_interval(mean.value, mean.standard_error, df=mean.df, level=level)
    plus, minus = int((diff > 0).sum()), int((diff < 0).sum())
    n = plus + minus
    sign = min(1.0, 2 * float(binomial_cdf(min(plus, minus), n, 0.5))) if n else math.nan
    return UnitTest(
        factor=name, a=factor.levels[a], b=factor.levels[b], unit=unit, group=who, difference=mean.value,
        standard_error=mean.standard_error, interval=(low, high), df=mean.df,
        p_value=two_sided_p(mean.value / mean.standard_error, mean.df) if mean.standard_error > 0 else math.nan,
        p_sign=sign, n_units=len(diff), reason=mean.reason,
    )  # fmt: skip
