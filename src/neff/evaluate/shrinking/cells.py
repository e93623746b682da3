"""The scored cells of one metric as arrays, and what is fitted to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.evaluate.shrinking.result import SubtaskFit, SubtaskRule, SubtaskScore
from neff.reasons import Reason
from neff.stats._rules import RAW, compare_rules, mean_interval
from neff.stats._shrinkage_fit import BETA_BINOMIAL, LINEAR, TARGET
from neff.stats.shrinkage import shrink_means, shrink_rates
from neff.stats.shrinkage_target import cross_fit, margin_means

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.results import Estimate
    from neff.stats import ShrinkageFit

__all__ = ["FEW_CELLS", "GIVEN", "MEAN", "PREDICTION", "Cells", "fit_cells", "undefined"]

MEAN, PREDICTION, GIVEN = "mean of the others", "prediction", "given target"

FEW_CELLS = 20
"""Below this many cells nothing is predicted: a regression on so few follows their noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The scored cells of one metric, shape (n_cells,) each.

    `n` counts items, or clusters of items; `successes` is None where the scores are no counts of right items.
    """

    estimates: tuple[Estimate, ...]
    raw: NDArray[np.float64]
    variance: NDArray[np.float64]
    n: NDArray[np.float64]
    successes: NDArray[np.float64] | None
    model: NDArray[np.intp]
    task: NDArray[np.intp]

    @classmethod
    def of(cls, estimates: Sequence[Estimate]) -> Cells:
        """Gather the cells."""
        raw = np.array([e.value for e in estimates], np.float64)
        n = np.array([e.n_items if e.n_clusters is None else e.n_clusters for e in estimates], np.float64)
        variance = np.array([_variance(e) for e in estimates], np.float64)
        plain = all(e.n_clusters is None and e.n == e.n_items for e in estimates)
        codes = [
            np.unique(np.array(names, np.str_), return_inverse=True)[1].astype(np.intp)
            for names in ([e.model for e in estimates], [e.task for e in estimates])
        ]
        return cls(tuple(estimates), raw, variance, n, _successes(raw, variance, n) if plain else None, *codes)

    @property
    def n_models(self) -> int:
        """Number of models."""
        return int(self.model.max(initial=-1)) + 1

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return int(self.task.max(initial=-1)) + 1

    @property
    def cluster(self) -> NDArray[np.intp] | None:
        """Cells that share questions are not independent: one cluster per task, where there are several models."""
        return self.task if self.n_models > 1 else None

    def shrink(self, target: Any, level: float) -> ShrinkageFit:
        """Shrink towards one target."""
        if self.successes is not None:
            return shrink_rates(self.successes, self.n, target=target, level=level)
        return shrink_means(self.raw, self.variance, self.n, target=target, level=level)

    def predict(
        self, extra: NDArray[np.float64] | None, predictor: Any, *, n_folds: int, rng: np.random.Generator
    ) -> NDArray[np.float64] | None:
        """Predict each cell from its model's other tasks, its task's other models, and further covariates.

        None where there are too few cells, or only one model or task.
        """
        if self.raw.size < FEW_CELLS or min(self.n_models, self.n_tasks) < 2:
            return None

        def features(training: NDArray[np.bool_]) -> NDArray[np.float64]:
            margins = margin_means(self.raw, self.n, (self.model, self.task), training)
            return margins if extra is None else np.column_stack([margins, extra])

        bounds = (0.0, 1.0) if self.successes is not None else (float(self.raw.min()), float(self.raw.max()))
        return cross_fit(self.raw, self.n, features, predictor, n_folds=n_folds, bounds=bounds, rng=rng)


def _variance(e: Estimate) -> float:
    """Return an unbiased estimate of the variance of the score; NaN for a single item or cluster."""
    if e.reason in (Reason.ALL_EQUAL, Reason.EQUAL_CLUSTERS):
        return 0.0  # no basis for an interval, but 0 is what the unbiased estimate is
    return e.standard_error**2


def _successes(
    raw: NDArray[np.float64], variance: NDArray[np.float64], n: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the counts if every mean and variance is that of a count of successes, else None."""
    hits = np.round(raw * n)
    expected = np.divide(hits * (n - hits), n * n * (n - 1), out=np.full_like(n, np.nan), where=n > 1)
    inside = (hits >= 0) & (hits <= n) & (np.abs(raw * n - hits) <= 1e-9 * n)
    agree = np.isclose(variance, expected, rtol=1e-6, atol=1e-15, equal_nan=True)
    return hits if bool((inside & agree).all()) else None


def fit_cells(
    metric: str, cells: Cells, targets: Mapping[str, Any], *, wanted: str | None, level: float
) -> tuple[SubtaskFit, list[SubtaskScore]]:
    """Fit every target, compare all rules, and shrink towards the wanted one (None: the one of lower risk)."""
    fits = {name: cells.shrink(target, level) for name, target in targets.items()}
    first = next(iter(fits.values()))
    risks = {RAW: first.cell_risks[RAW]}
    for name, fit in fits.items():
        risks |= {name: fit.cell_risks[TARGET], _shrunk_to(name): fit.cell_risks[LINEAR]}
    if BETA_BINOMIAL in first.cell_risks:
        risks[BETA_BINOMIAL] = first.cell_risks[BETA_BINOMIAL]
    rules, best = compare_rules(risks, reference=first.reference, cluster=cells.cluster, level=level)
    of = {rule.rule: rule for rule in rules}
    chosen = wanted or min(fits, key=lambda name: of[_shrunk_to(name)].risk)
    shown, prior = fits[chosen], first.beta_binomial
    gain, interval = mean_interval(risks[RAW][0] - risks[_shrunk_to(chosen)][0], cells.cluster, level)
    summary = SubtaskFit(
        metric=metric,
        n_cells=cells.raw.size,
        shrunk_by=_shrunk_to(chosen),
        lam=shown.lam,
        reference=first.reference,
        best=best,
        gain=gain,
        gain_interval=interval[:2],
        prior_mean=math.nan if prior is None else prior.mean,
        pseudo_count=math.nan if prior is None else prior.pseudo_count,
        rules=tuple(
            SubtaskRule(metric, r.rule, r.risk, r.ratio, r.difference, r.interval[:2], r.interval.reason) for r in rules
        ),
        reason=shown.reason,
    )
    beta = np.full(cells.raw.size, np.nan) if prior is None else prior.shrunk
    columns = (shown.target, shown.weight, shown.shrunk, beta)
    rows = [_score(e, *map(float, values)) for e, *values in zip(cells.estimates, *columns, strict=True)]
    return summary, rows


def _shrunk_to(target: str) -> str:
    return f"shrunk to {target}"


def undefined(e: Estimate) -> SubtaskScore:
    """Return a cell without a score."""
    return _score(e, math.nan, math.nan, math.nan, math.nan)


def _score(e: Estimate, target: float, weight: float, shrunk: float, beta_binomial: float) -> SubtaskScore:
    return SubtaskScore(
        task=e.task,
        metric=e.metric,
        model=e.model,
        n_items=e.n_items,
        n_unscored=e.n_unscored,
        raw=e.value,
        interval=e.interval,
        interval_method=e.method,
        target=target,
        weight=weight,
        shrunk=shrunk,
        beta_binomial=beta_binomial,
        reason=e.reason,
    )
