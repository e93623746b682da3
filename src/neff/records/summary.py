"""Per-item sums: all that means and paired comparisons need to know of the draws, in one row per item and model.

`ItemSums` add up: over chunks of a file, files, workers of a cluster. The sums are exact (`neff.records.exact`), so the
result is the same to the last bit, whatever the order of rows, the chunks and the workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.errors import RecordsError
from neff.records.cells import group
from neff.records.drawsets import DrawSets
from neff.records.exact import ExactSums, centred_squares, exact_products, exact_sums, gather
from neff.results.plain import clean, middle_cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.records.cells import Cells
    from neff.records.factor import Factor
    from neff.records.table import Records, Source
    from neff.results import Unread

__all__ = ["ItemSums", "WeightSums"]


class WeightSums(NamedTuple):
    """Exact sums over the draws of each cell: of weights, of weight times score, of the weights of unscored draws."""

    weight: ExactSums
    weighted: ExactSums
    unscored: ExactSums


@dataclass(frozen=True, slots=True, eq=False)
class ItemSums:
    """Sums over the draws of each cell: one (metric, task, item, model).

    They are mergeable: `a + b` are the sums of both sets of draws, exactly.

    Attributes
    ----------
    item, model, task, metric
        Who answered what, as `Factor` of n_cells rows, sorted by metric, task, item and model.
    n, n_unscored
        Draws with and without a score, shape (n_cells,).
    total
        Exact sum of the scores; or the scores themselves, shape (n_cells,), where no cell has more than one.
    squares
        Exact sum of the squared scores; None where no cell has more than one.
    fractional
        Whether a score of the cell is neither 0 nor 1, shape (n_cells,).
    weights
        Sums of weights, or None.
    clusters
        Zero, one or two groupings, `Factor` of n_cells rows each.
    seen
        The draws of each cell, where it must be seen whether one comes twice; else None.
    lower_is_better, sources, unread, backend
        As in `Records`.

    Examples
    --------
    >>> from neff.records import Records
    >>> records = Records.build(item=["q", "q", "r"], model=["a"] * 3, score=[0.1, 0.2, 1.0])
    >>> sums = ItemSums.of(records)
    >>> sums.n.tolist(), sums.means().tolist()
    ([2, 1], [0.15000000000000002, 1.0])
    >>> (ItemSums.of(records.take([0])) + ItemSums.of(records.take([2, 1]))).means().tolist()
    [0.15000000000000002, 1.0]
    """

    item: Factor
    model: Factor
    task: Factor
    metric: Factor
    n: NDArray[np.int64]
    n_unscored: NDArray[np.int64]
    total: ExactSums | NDArray[np.float64]
    squares: ExactSums | None
    fractional: NDArray[np.bool_]
    weights: WeightSums | None = None
    clusters: tuple[Factor, ...] = ()
    seen: DrawSets | None = None
    lower_is_better: frozenset[str] = frozenset()
    sources: tuple[Source, ...] = ()
    unread: tuple[Unread, ...] = ()
    backend: str | None = None

    def __len__(self) -> int:
        return self.n_draws

    def __add__(self, other: ItemSums) -> ItemSums:
        from neff.records.merging import merge

        return merge([self, other])

    def __str__(self) -> str:
        return (
            f"sums over {self.n_draws:,} draws: {self.model.n_levels} models × {self.item.n_levels:,} items, "
            f"{self.task.n_levels} task(s), metric(s) {middle_cut(clean(', '.join(self.metric.levels)), 400)}"
        )

    @property
    def n_cells(self) -> int:
        """Number of (metric, task, item, model)."""
        return len(self.n)

    @property
    def n_draws(self) -> int:
        """Number of draws, scored or not."""
        return int(self.n.sum() + self.n_unscored.sum())

    @classmethod
    def of(cls, records: Records, draw: Factor | None = None) -> ItemSums:
        """Return the sums over a table of draws; labels and other columns are not carried.

        Parameters
        ----------
        records
            One row per draw.
        draw
            The draw of each row, where parts that are merged later may hold the same.

        Raises
        ------
        RecordsError
            If a draw occurs twice.
        """
        found, place = group(records)
        n_cells = len(found.row)
        seen, twice = (None, None) if draw is None else DrawSets.of(draw, place, n_cells)
        if twice is not None:
            raise _twice(found, twice)
        score = records.score
        missing = np.isnan(score)
        n_unscored = np.bincount(place[missing], minlength=n_cells)
        weights = None if records.weight is None else _weights(place, score, records.weight, missing, n_cells)
        if missing.any():
            place, score = place[~missing], score[~missing]
        n = np.bincount(place, minlength=n_cells)
        total, squares = _sums(place, score, n)
        fractional = np.zeros(n_cells, bool)
        fractional[place[(score != 0) & (score != 1)]] = True
        return cls(
            item=found.item,
            model=found.model,
            task=found.task,
            metric=found.metric,
            n=n,
            n_unscored=n_unscored,
            total=total,
            squares=squares,
            fractional=fractional,
            weights=weights,
            clusters=tuple(cluster[found.row] for cluster in records.clusters),
            seen=seen,
            lower_is_better=records.lower_is_better,
            sources=records.sources,
            unread=records.unread,
            backend=records.backend,
        )

    def means(self, *, unscored_as_zero: bool = False) -> NDArray[np.float64]:
        """Return the (weighted) mean score of each cell: sum and division are rounded once each; NaN without a score.

        Parameters
        ----------
        unscored_as_zero
            Whether a draw without a score counts, as 0.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.weights is not None:
                return np.asarray(self.weights.weighted.floats() / self.weight_totals(unscored_as_zero))
            total = self.total.floats() if isinstance(self.total, ExactSums) else self.total
            return np.asarray(total / (self.n + self.n_unscored if unscored_as_zero else self.n))

    def weight_totals(self, unscored_as_zero: bool) -> NDArray[np.float64]:  # noqa: FBT001  (the same word as above)
        """Return the sum of the weights of the draws that count; there must be weights."""
        if self.weights is None:
            raise RecordsError("there are no weights.", "Name them: --weight COLUMN.")
        parts = [self.weights.weight, self.weights.unscored][: 2 if unscored_as_zero else 1]
        return gather(parts, [np.arange(self.n_cells)] * len(parts), self.n_cells).floats()

    def within(self, *, unscored_as_zero: bool = False) -> NDArray[np.float64]:
        """Return the sum of squared deviations of each cell's draws from `means`, without cancellation."""
        n = self.n + self.n_unscored if unscored_as_zero else self.n
        if self.squares is None and not (unscored_as_zero and (n > 1).any()):
            return np.zeros(self.n_cells)
        total, squares = self.exact()
        about = centred_squares(n, total, squares)
        if self.weights is None:
            return about
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = total.floats() / n - self.means(unscored_as_zero=unscored_as_zero)
        return np.where(n > 0, about + n * np.square(shift), 0.0)

    def exact(self) -> tuple[ExactSums, ExactSums]:
        """Return the exact sums of scores and their squares."""
        if isinstance(self.total, ExactSums) and self.squares is not None:
            return self.total, self.squares
        scores = np.asarray(self.total)  # one score per cell at most, 0 where there is none
        cells = np.arange(self.n_cells)
        return exact_sums(cells, scores, self.n_cells), exact_products(cells, scores, scores, self.n_cells)


def _sums(
    place: NDArray[np.int64], score: NDArray[np.float64], n: NDArray[np.int64]
) -> tuple[ExactSums | NDArray[np.float64], ExactSums | None]:
    if int(n.max(initial=0)) <= 1:
        total = np.zeros(len(n))
        total[place] = score + 0.0  # -0.0 becomes 0.0, as it does in a sum
        return total, None
    return exact_sums(place, score, len(n)), exact_products(place, score, score, len(n))


def _weights(
    place: NDArray[np.int64],
    score: NDArray[np.float64],
    weight: NDArray[np.float64],
    missing: NDArray[np.bool_],
    n_cells: int,
) -> WeightSums:
    scored = ~missing
    cell, used = place[scored], weight[scored]
    return WeightSums(
        exact_sums(cell, used, n_cells),
        exact_products(cell, used, score[scored], n_cells),
        exact_sums(place[missing], weight[missing], n_cells),
    )


def _twice(cells: Cells, cell: int) -> RecordsError:
    item, model = cells.item[[cell]].names()[0], cells.model[[cell]].names()[0]
    return RecordsError(
        f"item {item!r} of model {model!r} has a draw twice.",
        "Remove the repeated rows; to count them as repeats, name the columns to use, without --draw.",
    )
