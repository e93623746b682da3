"""Classical item analysis: difficulty, discrimination, reliability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._validate import as_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["ItemAnalysis", "check_responses", "correlations", "item_analysis"]


@dataclass(frozen=True, slots=True, eq=False)
class ItemAnalysis:
    """Items of a benchmark in classical test theory.

    Attributes
    ----------
    names
        Of the items.
    difficulty
        Mean score over models, shape (n_items,): high is easy.
    discrimination
        Correlation with the sum of the other items (rest score); NaN for an item that all models score alike.
    discrimination_total
        Correlation with the sum of all items, which contains the item itself: too high in short tests.
    reliability
        KR-20 (Cronbach's alpha for scores between 0 and 1), or NaN.
    n_models, n_constant
        Models; items that all models score alike.
    reason
        Why nothing discriminates, or None.
    """

    names: tuple[str, ...]
    difficulty: FloatArray
    discrimination: FloatArray
    discrimination_total: FloatArray
    reliability: float
    n_models: int
    n_constant: int
    reason: Reason | None = None
    warnings: tuple[str, ...] = ()

    def table(self) -> Table:
        """Return one row per item, the least discriminating first; items without a discrimination last."""
        order = np.lexsort((np.arange(len(self.names)), np.nan_to_num(self.discrimination, nan=np.inf)))
        columns = (
            Column("item", "Item"), Column("difficulty", "Mean score", "number", 3),
            Column("discrimination", "Discrimination (rest)", "signed", 3),
            Column("discrimination_total", "With the total", "signed", 3),
        )  # fmt: skip
        return Table(
            columns,
            tuple(
                (name, float(mean), float(rest), float(total))
                for name, mean, rest, total in (
                    (self.names[i], self.difficulty[i], self.discrimination[i], self.discrimination_total[i])
                    for i in order
                )
            ),
        )

    def __str__(self) -> str:
        negative = int((self.discrimination < 0).sum())
        said = (
            f"{len(self.names):,} items, {self.n_models} models: {self.n_constant:,} items say nothing, "
            f"{negative:,} discriminate the wrong way, reliability {self.reliability:.3f}"
        )
        return "\n".join([said, *([str(self.reason)] if self.reason else []), *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.item-analysis/1",
            "items": list(self.names),
            "difficulty": [json_number(x) for x in self.difficulty.tolist()],
            "discrimination": [json_number(x) for x in self.discrimination.tolist()],
            "discrimination_total": [json_number(x) for x in self.discrimination_total.tolist()],
            "reliability": json_number(self.reliability),
            "n_models": self.n_models,
            "n_constant": self.n_constant,
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
        }


def check_responses(responses: ArrayLike, call: str) -> FloatArray:
    """Return a matrix of scores, models by items, all known."""
    y = as_numbers(responses, argument="responses", call=call).astype(np.float64)
    if y.ndim != 2 or not y.size:
        raise ArgumentError(
            "responses", "of shape (n_models, n_items)", f"shape {y.shape}", "One row per model.", call=call
        )
    if not np.isfinite(y).all():
        fix = "Leave those items or models out, or use `fit_irt`, which takes missing answers: missing is not wrong."
        raise ArgumentError("responses", "finite", "NaN or inf", fix, call=call)
    return y


def item_analysis(responses: ArrayLike, *, names: Sequence[str] | None = None) -> ItemAnalysis:
    """Return difficulty and discrimination of every item.

    Use it to find items that say nothing, or the opposite of the others (a wrong key). Not to choose items for models
    that are much stronger: see `split_stability`, on real data the discrimination does not carry over.

    Parameters
    ----------
    responses
        Scores, shape (n_models, n_items), usually 0 and 1.
    names
        Of the items.

    Returns
    -------
    ItemAnalysis
        NaN with a reason where nothing discriminates: one model, one item, all right.

    References
    ----------
    Madaan et al., Quantifying Variance in Evaluation Benchmarks. arXiv:2406.10229

    Examples
    --------
    >>> found = item_analysis([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
    >>> found.discrimination.round(3).tolist(), round(found.reliability, 4)
    ([0.686, 0.48, 0.583, 0.14], 0.6667)
    """
    y = check_responses(responses, "item_analysis")
    n_models, n_items = y.shape
    labels = tuple(str(j) for j in range(n_items)) if names is None else tuple(map(str, names))
    if len(labels) != n_items:
        raise ArgumentError("names", f"of {n_items} names", f"{len(labels)}", call="item_analysis")
    total = y.sum(axis=1)
    rest = total[:, None] - y
    constant = int((np.ptp(y, axis=0) == 0).sum())
    discrimination = correlations(y, rest)
    reason = None
    if n_models < 2:
        reason = Reason.ONE_MODEL
    elif n_items < 2:
        reason = Reason.ONE_ITEM
    elif np.isnan(discrimination).all():
        reason = Reason.ALL_EQUAL
    variance = float(total.var())
    reliability = math.nan
    if n_items > 1 and variance > 0:
        reliability = n_items / (n_items - 1) * (1 - float(y.var(axis=0).sum()) / variance)
    few = (f"{n_models} models: a correlation over them is known to about ±{1 / math.sqrt(max(n_models - 3, 1)):.2f}",)
    return ItemAnalysis(
        labels, y.mean(axis=0), discrimination, correlations(y, total[:, None]), reliability, n_models, constant,
        reason, few if n_models < 100 else (),
    )  # fmt: skip


def correlations(y: FloatArray, with_: FloatArray) -> FloatArray:
    """Return the correlation of each column with its own column of the other, or with the only one; NaN if constant."""
    a, b = y - y.mean(axis=0), with_ - with_.mean(axis=0)
    below = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    above = (a * b).sum(axis=0)
    known = (np.ptp(y, axis=0) > 0) & (np.ptp(with_, axis=0) > 0)
    return np.where(known, above / np.where(known, below, 1.0), np.nan)
