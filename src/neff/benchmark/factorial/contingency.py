"""Pearson's chi-squared test of a table of counts, with its assumption checked and an exact way out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._options import seeded
from neff.stats._special import chi2_sf
from neff.stats._validate import as_numbers, check_count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ContingencyTest", "chi_squared"]


@dataclass(frozen=True, slots=True)
class ContingencyTest:
    """A chi-squared test.

    Attributes
    ----------
    statistic, df, p_value
        Without continuity correction; the p-value is that of `method`.
    smallest_expected
        Smallest expected count; below 5 the chi-squared distribution is no guide.
    method
        "chi-squared", or "permutation" where an expected count is below 5.
    cramers_v
        Size of the association, 0 to 1.
    reason
        Why the test is undefined, or None.
    """

    statistic: float
    df: int
    p_value: float
    smallest_expected: float
    method: str
    cramers_v: float
    n: int
    seed: int | None = None
    reason: Reason | None = None

    def table(self) -> Table:
        """Return one row."""
        columns = (
            Column("statistic", "chi2", "number"), Column("df", "df", "count"), Column("p", "p", "p"),
            Column("v", "Cramér's V", "number"), Column("least", "Smallest expected", "number", 1),
        )  # fmt: skip
        return Table(columns, ((self.statistic, self.df, self.p_value, self.cramers_v, self.smallest_expected),))

    def __str__(self) -> str:
        if self.reason is not None:
            return f"undefined: {self.reason}"
        return (
            f"chi2({self.df}) = {self.statistic:.4f}, p = {self.p_value:.4g} ({self.method}), V = {self.cramers_v:.3f}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        numbers = ("statistic", "p_value", "smallest_expected", "cramers_v")
        return {
            "schema": "neff.contingency/1", "df": self.df, "method": self.method, "n": self.n, "seed": self.seed,
            "reason": None if self.reason is None else str(self.reason),
        } | {name: json_number(getattr(self, name)) for name in numbers}  # fmt: skip


def chi_squared(table: ArrayLike, *, n_resamples: int = 9999, rng: Any = None) -> ContingencyTest:
    """Test whether the rows of a table of counts have the same distribution over its columns.

    Use it on independent counts: each item in one cell. Not on answers of several conditions to the same items: those
    are paired, see `neff.stats.mcnemar` and `factorial`. Also to recompute a published statistic from its counts.

    Parameters
    ----------
    table
        Counts, shape (r, c).
    n_resamples, rng
        Permutations where an expected count is below 5 (SPEC 7).

    Returns
    -------
    ContingencyTest
        Statistic, p-value, and how far the assumption holds.

    Raises
    ------
    ArgumentError
        If the table holds something else than counts.

    Examples
    --------
    >>> print(chi_squared([[433, 141], [430, 144], [415, 159], [415, 159]]))
    chi2(3) = 2.4897, p = 0.4772 (chi-squared), V = 0.033
    """
    counts = as_numbers(table, argument="table", call="chi_squared").astype(np.float64)
    bad = counts.ndim != 2 or not (np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts))).all()
    if bad or min(counts.shape) < 2:
        raise ArgumentError(
            "table", "counts in two rows and two columns or more", table, "Not shares.", call="chi_squared"
        )
    n_resamples = check_count(n_resamples, argument="n_resamples", call="chi_squared", minimum=1)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    n = int(counts.sum())
    if min(counts.shape, default=0) < 2:
        nan = math.nan
        return ContingencyTest(nan, 0, nan, nan, "undefined", nan, n, reason=Reason.ALL_EQUAL if n else Reason.EMPTY)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / n
    statistic = float(((counts - expected) ** 2 / expected).sum())
    df = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    least, seed, method = float(expected.min()), None, "chi-squared"
    p = chi2_sf(statistic, df)
    if least < 5:
        generator, seed = seeded(rng, call="chi_squared")
        p, method = _permuted(counts, expected, statistic, n_resamples, generator), "permutation"
    v = math.sqrt(statistic / (n * (min(counts.shape) - 1)))
    return ContingencyTest(statistic, df, p, least, method, v, n, seed)


def _permuted(
    counts: NDArray[np.float64],
    expected: NDArray[np.float64],
    statistic: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> float:
    rows = np.repeat(np.arange(counts.shape[0]), counts.sum(axis=1).astype(int))
    columns = np.repeat(np.arange(counts.shape[1]), counts.sum(axis=0).astype(int))
    size = counts.size
    above = 0
    for _ in range(n_resamples):
        drawn = np.bincount(rows * counts.shape[1] + rng.permutation(columns), minlength=size).reshape(counts.shape)
        above += float(((drawn - expected) ** 2 / expected).sum()) >= statistic * (1 - 1e-12)
    return (1 + above) / (n_resamples + 1)
