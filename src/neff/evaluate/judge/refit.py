"""The bootstrap that refits the calibrator: every prompt gets a random weight, and everything is learned again.

What it estimates: the sampling distribution of all policies' augmented means together, the calibrator included.
Isotonic calibration sees only sums per fold and distinct score, so 2,000 refits are one matrix product and 2,000
short sequences, not 2,000 passes over the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.judge.direct import FEWEST_OWN
from neff.stats._options import seeded
from neff.stats.isotonic import isotonic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.evaluate.judge.data import Judged
    from neff.evaluate.judge.folds import FoldMap

__all__ = ["RefitBootstrap", "batched_isotonic", "bootstrap_refit"]

SHORT = 48
"""Up to this many distinct scores all resamples are pooled together; beyond it one by one, which is then faster."""

WORK = 4_000_000
"""Most weights drawn at a time (32 MB)."""


@dataclass(frozen=True, slots=True, eq=False)
class RefitBootstrap:
    """Resampled means, shape (B, n_policies); a row is one resample, so differences of columns are paired."""

    policies: tuple[str, ...]
    means: NDArray[np.float64]
    seed: int | None

    def standard_errors(self) -> NDArray[np.float64]:
        """Return the standard deviation of each policy's mean, shape (n_policies,)."""
        return np.asarray(self.means.std(axis=0, ddof=1))

    def interval(self, a: str, b: str | None = None, *, level: float = 0.95) -> tuple[float, float]:
        """Return the percentile interval of policy a, or of a minus b."""
        values = self.means[:, self.policies.index(a)]
        if b is not None:
            values = values - self.means[:, self.policies.index(b)]
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def p_value(self, a: str, b: str) -> float:
        """Return the two-sided sign share of a minus b, smoothed by one; never below 2 / (B + 1)."""
        values = self.means[:, self.policies.index(a)] - self.means[:, self.policies.index(b)]
        fewer = min(int((values <= 0).sum()), int((values >= 0).sum()))
        return min(1.0, 2 * (fewer + 1) / (len(values) + 1))


def bootstrap_refit(
    judged: Sequence[Judged],
    folds: FoldMap,
    *,
    scale: tuple[float, float] = (0.0, 1.0),
    n_resamples: int = 2000,
    rng: int | np.random.Generator | None = None,
) -> RefitBootstrap:
    """Resample prompts, refit the monotone calibrator with all its folds, and re-estimate every policy.

    Use it as a check on the analytic interval, or where its assumptions are thin; percentile intervals cover too
    rarely below about 20 labelled prompts. Not for covariates or the two-stage mode.

    Parameters
    ----------
    judged
        All policies; prompts shared between them share a code and a weight, which keeps pairs paired.
    folds
        Folds of the prompts.
    scale
        Lowest and highest possible label.
    n_resamples
        Number of refits.
    rng
        Generator, seed or None (SPEC 7).

    Returns
    -------
    RefitBootstrap
        The resampled augmented means (plug-in means where a policy has fewer than 5 labelled prompts).

    Raises
    ------
    ArgumentError
        If there are no labels.

    Notes
    -----
    Exponential(1) weights per prompt (the Bayesian bootstrap): no resample loses its labels, so none is skipped.
    Cost: O(B G U) for B resamples of G prompts and U cells (policy, fold, distinct score), in blocks.

    References
    ----------
    Rubin 1981, Ann. Statist. 9:130. Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150.
    """
    generator, seed = seeded(rng, call="bootstrap_refit")
    if not any(part.labelled.any() for part in judged):
        raise ArgumentError("judged", "with labels for at least one policy", "none", call="bootstrap_refit")
    plan = _Plan.of(judged, folds)
    means = np.empty((n_resamples, len(judged)))
    block = max(1, WORK // max(plan.n_prompts, 1))
    for start in range(0, n_resamples, block):
        stop = min(start + block, n_resamples)
        weights = generator.exponential(size=(stop - start, plan.n_prompts))
        means[start:stop] = plan.estimate(weights, scale)
    return RefitBootstrap(tuple(part.policy for part in judged), means, seed)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Which sums the estimate needs, per prompt; everything that does not change between resamples.

    `labels` has shape (G, P K U) for counts and the same for sums of labels, `answers` (G, P V): sparse matrices of
    what each prompt adds to each cell (policy, fold, labelled score) and (policy, score).
    """

    n_prompts: int
    n_policies: int
    n_folds: int
    knots: NDArray[np.float64]
    scores: NDArray[np.float64]
    counts: _Cells
    sums: _Cells
    answers: _Cells
    corrected: NDArray[np.bool_]

    @classmethod
    def of(cls, judged: Sequence[Judged], folds: FoldMap) -> _Plan:
        known = [part.labelled for part in judged]
        knots = np.unique(np.concatenate([p.score[k] for p, k in zip(judged, known, strict=True)]))
        scores = np.unique(np.concatenate([part.score for part in judged]))
        prompts, code = np.unique(np.concatenate([part.prompt for part in judged]), return_inverse=True)
        owner = np.repeat(np.arange(len(judged)), [part.n for part in judged])
        score = np.concatenate([part.score for part in judged])
        label = np.concatenate([part.label for part in judged])
        rows = ~np.isnan(label)
        fold = folds.of(prompts)[code[rows]]
        n_folds, n_knots = folds.n_folds, len(knots)
        cell = (owner[rows] * n_folds + fold) * n_knots + np.searchsorted(knots, score[rows])
        size = len(judged) * n_folds * n_knots
        return cls(
            n_prompts=len(prompts),
            n_policies=len(judged),
            n_folds=n_folds,
            knots=knots,
            scores=scores,
            counts=_Cells.of(code[rows], cell, np.ones(int(rows.sum())), size),
            sums=_Cells.of(code[rows], cell, label[rows], size),
            answers=_Cells.of(
                code,
                owner * len(scores) + np.searchsorted(scores, score),
                np.ones(len(score)),
                len(judged) * len(scores),
            ),
            corrected=np.array([len(np.unique(p.prompt[k])) >= FEWEST_OWN for p, k in zip(judged, known, strict=True)]),
        )

    def estimate(self, weights: NDArray[np.float64], scale: tuple[float, float]) -> NDArray[np.float64]:
        """Return the augmented means under prompt weights of shape (B, G), shape (B, n_policies)."""
        shape = (len(weights), self.n_policies, self.n_folds, len(self.knots))
        count = self.counts.under(weights).reshape(shape)
        total = self.sums.under(weights).reshape(shape)
        mass, label = count.sum(axis=1), total.sum(axis=1)  # all policies' labels fit one calibrator
        full = self._curve(mass.sum(axis=1), label.sum(axis=1), scale)
        answers = self.answers.under(weights).reshape(len(weights), self.n_policies, len(self.scores))
        at_scores = self._between(full)
        means = np.einsum("bps,bs->bp", answers, at_scores) / answers.sum(axis=2)
        residual = np.zeros((len(weights), self.n_policies))
        for k in range(self.n_folds):
            held_out = self._curve(mass.sum(axis=1) - mass[:, k], label.sum(axis=1) - label[:, k], scale)
            residual += total[:, :, k].sum(axis=2) - np.einsum("bpu,bu->bp", count[:, :, k], held_out)
        with np.errstate(invalid="ignore", divide="ignore"):
            correction = residual / count.sum(axis=(2, 3))
        return np.where(self.corrected, means + correction, means)

    def _curve(
        self, mass: NDArray[np.float64], label: NDArray[np.float64], scale: tuple[float, float]
    ) -> NDArray[np.float64]:
        """Return the isotonic fit at the labelled scores, shape (B, U); scores without mass lie between neighbours."""
        empty = mass <= 1e-12
        mean = np.where(empty, 0.0, label / np.where(empty, 1.0, mass))
        fitted = np.clip(batched_isotonic(mean, np.where(empty, 0.0, mass)), *scale)
        if empty.any():
            for row in np.flatnonzero(empty.any(axis=1)):
                there = ~empty[row]
                fitted[row] = np.interp(self.knots, self.knots[there], fitted[row, there])
        return fitted

    def _between(self, fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fit at every score, linear between labelled scores and level outside, shape (B, V)."""
        if len(self.knots) == 1:
            return np.repeat(fitted, len(self.scores), axis=1)
        right = np.clip(np.searchsorted(self.knots, self.scores), 1, len(self.knots) - 1)
        share = (self.scores - self.knots[right - 1]) / (self.knots[right] - self.knots[right - 1])
        share = np.clip(share, 0.0, 1.0)
        return fitted[:, right - 1] * (1 - share) + fitted[:, right] * share


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """A sparse (n_prompts, n_cells) matrix, of which only columns that occur are kept."""

    matrix: object
    n_cells: int

    @classmethod
    def of(cls, prompt: NDArray[np.int64], cell: NDArray[np.int64], value: NDArray[np.float64], n_cells: int) -> _Cells:
        from scipy.sparse import coo_array

        n_prompts = int(prompt.max()) + 1 if len(prompt) else 0
        return cls(coo_array((value, (cell, prompt)), shape=(n_cells, n_prompts)).tocsr(), n_cells)

    def under(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted sums of every cell, shape (B, n_cells)."""
        matrix = self.matrix
        return np.asarray((matrix @ weights[:, : matrix.shape[1]].T).T)  # type: ignore[attr-defined]


def batched_isotonic(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the isotonic fit of every row, values and weights of shape (B, U); a weight of 0 takes no part.

    Short rows use the max-min formula on cumulative sums, all resamples at once: fitted_j is the largest over starts
    a <= j of the smallest over ends b >= j of the mean of a..b.
    """
    n_rows, n = values.shape
    if n > SHORT:
        return np.array([_one(v, w) for v, w in zip(values, weights, strict=True)])
    mass = np.concatenate([np.zeros((n_rows, 1)), np.cumsum(weights, axis=1)], axis=1)
    total = np.concatenate([np.zeros((n_rows, 1)), np.cumsum(weights * values, axis=1)], axis=1)
    fitted = np.full((n_rows, n), -np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        for start in range(n):
            means = (total[:, start + 1 :] - total[:, start : start + 1]) / (
                mass[:, start + 1 :] - mass[:, start : start + 1]
            )
            means = np.where(np.isnan(means), np.inf, means)
            best = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
            best = np.where(np.isposinf(best), -np.inf, best)
            np.maximum(fitted[:, start:], best, out=fitted[:, start:])
    return fitted


def _one(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(isotonic(values, weights=weights))
