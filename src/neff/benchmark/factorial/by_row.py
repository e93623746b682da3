"""Rows as units: the decomposition of the variation of all scores, and of the log odds of cell means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.factorial.decompose import balanced_squares, type_two_squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.factorial.decompose import Terms

__all__ = ["FEW", "logit_shares", "squares_of_rows"]

FEW = 5


def squares_of_rows(
    y: NDArray[np.float64], mean: NDArray[np.float64], count: NDArray[np.int64], terms: Terms
) -> dict[str, Any]:
    """Return the decomposition of the variation of rows."""
    shape = mean.shape
    total = float(((y - y.mean()) ** 2).sum()) if len(y) else math.nan
    filled = count > 0
    between = float((count[filled] * (mean[filled] - y.mean()) ** 2).sum())
    balanced = bool((count == count.flat[0]).all() and count.flat[0] > 0)
    if balanced:
        squares = balanced_squares(mean, terms) * int(count.flat[0])
        dfs = np.array([int(np.prod([shape[i] - 1 for i in term])) for term in terms])
        rest = between - float(squares.sum())
        df = int(filled.sum()) - 1 - int(dfs.sum())
    else:
        squares, dfs, rest, df = type_two_squares(mean, count, terms)
    residual, df = max(total - between, 0.0) + max(rest, 0.0), df + len(y) - int(filled.sum())
    # Rounding must not pass for a variation.
    dust = 1e-12 * max(abs(float(y.mean())) if len(y) else 0.0, math.sqrt(total) if total > 0 else 0.0) ** 2
    total = total if total > dust else 0.0
    residual = math.nan if df <= 0 else residual if residual > dust else 0.0
    error = residual / df if df > 0 else math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where((dfs > 0) & (error > 0), squares / np.maximum(dfs, 1) / error, np.nan)
        omega2 = (squares - dfs * error) / (total + error) if total > 0 else np.full(len(terms), np.nan)
        partial = np.where(squares + residual > 0, squares / (squares + residual), np.nan)
    return {"total": total, "squares": squares, "dfs": dfs, "residual": residual, "df": max(df, 0), "f": f,
            "f_df": max(df, 0), "omega2": omega2, "partial": partial, "balanced": balanced}  # fmt: skip


def logit_shares(
    mean: NDArray[np.float64], count: NDArray[np.int64], y: NDArray[np.float64], terms: Terms
) -> NDArray[np.float64]:
    """Return eta2 of the log odds of cell means; NaN where scores are no shares, or a cell is empty or at an end."""
    nothing = np.full(len(terms), np.nan)
    if not len(y) or y.min() < 0 or y.max() > 1 or (count == 0).any():
        return nothing
    if (mean <= 0).any() or (mean >= 1).any():
        if count.min() < FEW:
            return nothing
        mean = (mean * count + 0.5) / (count + 1)
    odds = np.log(mean / (1 - mean))
    total = float(((odds - odds.mean()) ** 2).sum())
    return balanced_squares(odds, terms) / total if total > 1e-20 else nothing
