"""What a refit of the calibrator needs from the rows: sums per prompt, laid out once, weighted many times.

A labelled row enters through the count and the sum of labels of its cell (fold, policy, score). An answer enters a
mean through the labelled scores next to its own score, between which every isotonic curve is a line. Both are sparse
matrices over prompts, so that B resamples of prompt weights are a product, however the scores are spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.calibrating.knots import locate
from neff.evaluate.judge.direct import FEWEST_OWN
from neff.evaluate.refitting.batched import batched_isotonic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged

    Sparse: TypeAlias = Any  # scipy.sparse has no types

__all__ = ["RefitPlan"]


@dataclass(frozen=True, slots=True, eq=False)
class _Training:
    """The labels that one curve is learned from: `pool` adds up cells, (U_k, C), to the knots `at`, (U_k,)."""

    at: NDArray[np.int64]
    pool: Sparse

    @classmethod
    def of(cls, knot: NDArray[np.int64], rows: NDArray[np.bool_]) -> _Training:
        at, code = np.unique(knot[rows], return_inverse=True)
        cells = np.flatnonzero(rows)
        return cls(at, _sparse(np.ones(len(cells)), code, cells, (len(at), len(knot))))


@dataclass(frozen=True, slots=True, eq=False)
class RefitPlan:
    """Everything about the rows that does not change between resamples of G prompts.

    Attributes
    ----------
    n_prompts, n_policies
        G and P.
    knots
        Distinct labelled scores, ascending, shape (U,).
    answers, size
        How much each prompt's answers weigh at each (policy, knot), (P U, G), and how many they are, (P, G).
    fold, owner, knot
        Of each cell of labelled rows that occurs, shape (C,).
    count, total
        Rows and sum of labels of each cell by prompt, (C, G).
    count_inverse, total_inverse
        The same with each row counted by 1 / propensity; the same objects where none is known.
    trainings
        What the curve from all labels is learned from, then those without each fold.
    known_propensity, corrected, complete
        Which policies have propensities, are corrected by their own labels, are labelled in full; shape (P,).
    """

    n_prompts: int
    n_policies: int
    knots: NDArray[np.float64]
    answers: Sparse
    size: Sparse
    fold: NDArray[np.int64]
    owner: NDArray[np.int64]
    knot: NDArray[np.int64]
    count: Sparse
    total: Sparse
    count_inverse: Sparse
    total_inverse: Sparse
    trainings: tuple[_Training, ...]
    known_propensity: NDArray[np.bool_]
    corrected: NDArray[np.bool_]
    complete: NDArray[np.bool_]

    @property
    def width(self) -> int:
        """Most numbers that one resample takes in one array."""
        return max(1, self.n_prompts, self.n_policies * len(self.knots), len(self.fold))

    @classmethod
    def of(cls, judged: Sequence[Judged], folds: FoldMap) -> RefitPlan:
        """Lay out the rows of all policies."""
        prompts, code = np.unique(np.concatenate([part.prompt for part in judged]), return_inverse=True)
        owner = np.repeat(np.arange(len(judged)), [part.n for part in judged])
        score = np.concatenate([part.score for part in judged])
        label = np.concatenate([part.label for part in judged])
        known = ~np.isnan(label)
        inverse = np.concatenate([np.ones(p.n) if p.propensity is None else 1 / p.propensity for p in judged])[known]
        knots, knot = np.unique(score[known], return_inverse=True)
        fold = folds.of(prompts)[code[known]]
        if int(fold.min()) == int(fold.max()):
            fix = "Deal the labelled prompts with balanced_folds."
            raise ArgumentError("folds", "such that labels lie in at least 2", "one", fix, call="bootstrap_refit")
        cells, cell = np.unique((fold * len(judged) + owner[known]) * len(knots) + knot, return_inverse=True)
        cell_knot, cell_fold = cells % len(knots), cells // (len(knots) * len(judged))

        def by_cell(values: NDArray[np.float64]) -> Sparse:
            return _sparse(values, cell, code[known], (len(cells), len(prompts)))

        left, share = locate(knots, score)
        at = owner * len(knots) + left
        inner = share > 0
        count, total = by_cell(np.ones(len(cell))), by_cell(label[known])
        unequal = any(part.propensity is not None for part in judged)
        return cls(
            n_prompts=len(prompts),
            n_policies=len(judged),
            knots=knots,
            answers=_sparse(
                np.concatenate([1 - share, share[inner]]),
                np.concatenate([at, at[inner] + 1]),
                np.concatenate([code, code[inner]]),
                (len(judged) * len(knots), len(prompts)),
            ),
            size=_sparse(np.ones(len(score)), owner, code, (len(judged), len(prompts))),
            fold=cell_fold,
            owner=cells // len(knots) % len(judged),
            knot=cell_knot,
            count=count,
            total=total,
            count_inverse=by_cell(inverse) if unequal else count,
            total_inverse=by_cell(inverse * label[known]) if unequal else total,
            trainings=tuple(_Training.of(cell_knot, cell_fold != k) for k in range(-1, folds.n_folds)),
            known_propensity=np.array([part.propensity is not None for part in judged]),
            corrected=np.array([len(np.unique(p.prompt[p.labelled])) >= FEWEST_OWN for p in judged]),
            complete=np.array([p.n > 0 and bool(p.labelled.all()) for p in judged]),
        )

    def estimate(self, weights: NDArray[np.float64], scale: tuple[float, float]) -> NDArray[np.float64]:
        """Return the augmented means under prompt weights of shape (B, G), shape (B, P)."""
        prompts = np.ascontiguousarray(weights.T)
        count, total, size = self.count @ prompts, self.total @ prompts, self.size @ prompts
        full = self._curve(self.trainings[0], count, total, scale)
        answers = (self.answers @ prompts).reshape(self.n_policies, len(self.knots), -1)
        residual = self.total_inverse @ prompts
        counted = self.count_inverse @ prompts
        for k, training in enumerate(self.trainings[1:]):
            mine = self.fold == k
            if mine.any():
                held_out = self._curve(training, count, total, scale)
                residual[mine] -= counted[mine] * held_out[:, self.knot[mine]].T
        cells = np.arange(len(self.owner))
        by_policy = _sparse(np.ones(len(cells)), self.owner, cells, (self.n_policies, len(cells)))
        labelled, labels = by_policy @ count, by_policy @ total
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.einsum("pub,bu->pb", answers, full) / size
            stands_for = np.where(self.known_propensity[:, None], size, labelled)
            augmented = means + (by_policy @ residual) / stands_for
            found = np.where(self.corrected[:, None], augmented, means)
            found = np.where(self.complete[:, None], labels / labelled, found)
        return np.asarray(found.T, np.float64)

    def _curve(
        self,
        training: _Training,
        count: NDArray[np.float64],
        total: NDArray[np.float64],
        scale: tuple[float, float],
    ) -> NDArray[np.float64]:
        """Return the isotonic curve at every knot, shape (B, U); a knot without labels lies between its neighbours."""
        mass, label = (training.pool @ count).T, (training.pool @ total).T
        mean = np.divide(label, mass, out=np.zeros_like(label), where=mass > 0)
        points = self.knots[training.at]
        fitted = np.clip(batched_isotonic(mean, mass, points=points), *scale)
        if len(points) == len(self.knots):
            return fitted
        left, share = locate(points, self.knots)
        right = np.minimum(left + 1, len(points) - 1)
        between: NDArray[np.float64] = fitted[:, left] * (1 - share) + fitted[:, right] * share
        return between


def _sparse(
    values: NDArray[np.float64], row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int]
) -> Sparse:
    from scipy.sparse import coo_array

    return coo_array((values, (row, column)), shape=shape).tocsr()
