"""`Estimate`: one number with what is known about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neff.reasons import Reason
from neff.results._common import df_from_json, from_json, json_number, known_fields, pair_from_json, percent, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neff.results.provenance import Provenance

__all__ = ["Estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with what is known about it.

    Attributes
    ----------
    value
        The estimate, in the units of the score. NaN where it is undefined; then `reason` says why.
    standard_error
        Its standard error, same units. NaN where undefined, never 0 for lack of data.
    interval
        (low, high) of the confidence interval at `level`.
    level
        Coverage of the interval, 0.95 by default.
    df
        Degrees of freedom of the reference t distribution; infinity for a normal one.
    n
        Number of scored draws used.
    n_items, n_clusters
        Number of items and of clusters they form (None where no cluster was given).
    n_unscored
        Draws without a score: counted, not used, and not wrong.
    n_eff
        Effective sample size: what `n_eff_of` says there would be, for the same precision.
    n_eff_of
        Relative to what `n_eff` is counted ("independent items with one draw each").
    method
        How value, standard error and interval were computed, in words.
    assumptions, warnings
        What must be true for the interval to cover; what weakens it here.
    reason
        Why a number is undefined, or None.
    refused
        Why the value must not be read as a level, in words; empty where it may. The number is kept.
    components
        Named parts of the variance, e.g. {"item": .., "sampling": ..}: variances in squared score units.
    task, model, metric
        What was estimated.
    seed
        Seed of the random numbers used, or None.
    provenance
        Where it came from.

    Examples
    --------
    >>> estimate = Estimate(value=0.75, standard_error=0.02, interval=(0.711, 0.789), n=480, model="base")
    >>> print(estimate)
    base: 0.7500 ± 0.0200, 95% interval [0.7110, 0.7890], n = 480
    """

    value: float
    standard_error: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    level: float = 0.95
    df: float = math.inf
    n: int = 0
    n_items: int = 0
    n_clusters: int | None = None
    n_unscored: int = 0
    n_eff: float = math.nan
    n_eff_of: str = ""
    method: str = ""
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    reason: Reason | None = None
    refused: str = ""
    components: Mapping[str, float] = field(default_factory=dict)
    task: str = ""
    model: str = ""
    metric: str = ""
    seed: int | None = None
    provenance: Provenance | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        name = " · ".join(part for part in (self.model, self.task, self.metric) if part) or "estimate"
        if math.isnan(self.value):
            return f"{name}: undefined ({self.reason or 'no reason recorded'}), n = {self.n}"
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"{name}: {self.value:.4f} ± {plain(self.standard_error)}, {percent(self.level)} interval "
            f"[{plain(self.interval[0])}, {plain(self.interval[1])}], n = {self.n:,}{why}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        return {
            "task": self.task,
            "model": self.model,
            "metric": self.metric,
            "value": json_number(self.value),
            "standard_error": json_number(self.standard_error),
            "interval": [json_number(self.interval[0]), json_number(self.interval[1])],
            "level": self.level,
            "df": json_number(self.df),
            "n": self.n,
            "n_items": self.n_items,
            "n_clusters": self.n_clusters,
            "n_unscored": self.n_unscored,
            "n_eff": json_number(self.n_eff),
            "n_eff_of": self.n_eff_of,
            "components": {name: json_number(value) for name, value in self.components.items()},
            "method": self.method,
            "assumptions": list(self.assumptions),
            "reason": None if self.reason is None else str(self.reason),
            "refused": self.refused or None,
            "warnings": list(self.warnings),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Estimate:
        """Rebuild from `to_dict`."""
        known = known_fields(cls, data)
        for name in ("value", "standard_error", "n_eff"):
            known[name] = from_json(known.get(name))
        known["df"] = df_from_json(data)
        known["interval"] = pair_from_json(known.get("interval", (None, None)))
        known["components"] = {k: from_json(v) for k, v in known.get("components", {}).items()}
        known["reason"] = None if known.get("reason") is None else Reason(known["reason"])
        known["refused"] = known.get("refused") or ""
        known["warnings"] = tuple(known.get("warnings", ()))
        known["assumptions"] = tuple(known.get("assumptions", ()))
        return cls(**known)
