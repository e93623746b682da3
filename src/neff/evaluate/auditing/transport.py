"""May a calibrator be used where it was not fitted? An equivalence test on a held-out labelled probe.

What it estimates: the mean residual, label minus calibrated score, in the population that the probe was drawn from,
taking the calibrator as given. "Not significantly different from 0" is no evidence that it transports: a small probe
always finds that. So the residual must be shown to lie within a margin that was declared before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Verdict, json_number
from neff.stats._special import normal_quantile, t_quantile
from neff.stats._validate import check_codes, check_count, check_level, check_number, check_vector, check_weights
from neff.stats.cluster import mean_se

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["FEWEST_CLUSTERS", "Transport", "checked_margin", "transport"]

FEWEST_CLUSTERS = 20
"""Fewer effective clusters cannot show that a calibrator transports, however small the residual looks."""

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Transport:
    """How far a calibrator is off on average for one policy, and the verdict on the declared margin.

    Attributes
    ----------
    policy
        Whose answers were probed.
    residual
        Mean of label minus calibrated score, in label units: above 0 the calibrator is too low.
    standard_error, df, interval, level
        By clusters, with t quantiles at `level`, divided among the policies audited together.
    n, n_unlabelled, n_clusters, n_eff
        Labelled probe rows, probe rows without a label, their clusters, and the clusters they are worth given
        unequal weight.
    margin
        The largest residual that would not matter, declared before looking; None: none was declared.
    margin_to_hold
        The smallest margin for which these data say "holds", if there are clusters enough.
    detectable
        The residual that a probe of this precision finds different from 0 with a chance of 80%.
    verdict
        holds: the interval lies within the margin, on at least 20 effective clusters; fails: it lies wholly
        outside; undecided: neither; not graded: no margin; not checked: no labelled probe.
    reason
        Why a number is undefined, or None.
    """

    policy: str
    residual: float = math.nan
    standard_error: float = math.nan
    df: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    level: float = 0.95
    n: int = 0
    n_unlabelled: int = 0
    n_clusters: int = 0
    n_eff: float = math.nan
    margin: float | None = None
    margin_to_hold: float = math.nan
    detectable: float = math.nan
    verdict: Verdict = Verdict.NOT_CHECKED
    reason: Reason | None = None

    def __str__(self) -> str:
        if self.verdict is Verdict.NOT_CHECKED:
            return f"{self.policy}: not checked ({self.reason})"
        if math.isnan(self.standard_error):
            return f"{self.policy}: {self.verdict}: mean residual {self.residual:+.4f}, no interval ({self.reason})"
        low, high = self.interval
        return (
            f"{self.policy}: {self.verdict}: mean residual {self.residual:+.4f} ± {self.standard_error:.4f}, interval "
            f"[{low:+.4f}, {high:+.4f}], {self.n_eff:.0f} effective clusters; a margin of {self.margin_to_hold:.4f} "
            f"would {'hold' if self.n_eff >= FEWEST_CLUSTERS else 'need at least 20 of them'}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        data: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, tuple):
                value = [json_number(part) for part in value]
            elif isinstance(value, float):
                value = json_number(value)
            elif isinstance(value, Reason | Verdict):
                value = str(value)
            data[f.name] = value
        return data


def checked_margin(margin: float | None, call: str) -> float | None:
    """Return a margin above 0, or None."""
    if margin is None:
        return None
    number = check_number(margin, argument="margin", call=call)
    if not (number > 0 and math.isfinite(number)):
        fix = "Declare the largest bias, in label units, that would not matter."
        raise ArgumentError("margin", "positive and finite", margin, fix, call=call)
    return number


def transport(
    residual: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    margin: float | None = None,
    level: float = 0.95,
    n_policies_in_family: int = 1,
    policy: str = "",
) -> Transport:
    """Test whether the mean residual of a calibrator lies within a margin.

    Parameters
    ----------
    residual
        Label minus calibrated score of each probe row, shape (n,); NaN = unlabelled, such rows are counted only.
    cluster
        What makes rows dependent (the prompt), shape (n,); None takes every row as independent.
    weights
        Sampling weights, shape (n,), 0 or more; rows of weight 0 take no part.
    margin
        The largest mean residual that would not matter, in label units, declared before looking.
    level
        Coverage of the interval, for all policies of the family together.
    n_policies_in_family
        How many policies are audited in one go; the error is divided among them (Bonferroni).
    policy
        Name for the result.

    Returns
    -------
    Transport
        With a verdict.

    Raises
    ------
    ArgumentError
        If the margin is not positive, lengths differ, or a residual is infinite.

    Notes
    -----
    Weighted mean delta; variance C/(C-1) sum_g (sum v (r - delta))^2 / (sum v)^2 over C clusters; effective clusters
    (sum_g V_g)^2 / sum_g V_g^2 with V_g the weight of a cluster; t quantile with that many, rounded down, less one.
    At a true residual equal to the margin, "holds" has a chance of at most (1 - level) / 2. O(n).

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (transport test; as an equivalence test in
    the code of release 0.9.3). Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657.

    Examples
    --------
    >>> found = transport([0.02, -0.04] * 40, margin=0.05)
    >>> str(found.verdict), round(found.residual, 3), round(found.margin_to_hold, 3)
    ('holds', -0.01, 0.017)
    """
    call = "transport"
    level, margin = check_level(level, call=call), checked_margin(margin, call)
    family = check_count(n_policies_in_family, argument="n_policies_in_family", call=call, minimum=1)
    r = check_vector(residual, argument="residual", call=call, allow_nan=True)
    v = np.ones(r.size) if weights is None else check_weights(weights, call=call, length=r.size)
    codes = (
        np.arange(r.size) if cluster is None else check_codes(cluster, argument="cluster", call=call, length=r.size)[0]
    )
    unlabelled = int(np.isnan(r).sum())
    used = ~np.isnan(r) & (v > 0)
    r, v = r[used], v[used]
    if r.size == 0:
        reason = Reason.NO_LABELS if unlabelled == len(used) else Reason.ZERO_WEIGHT
        return Transport(policy, level=level, n_unlabelled=unlabelled, margin=margin, reason=reason)
    found = mean_se(r, weights=v, cluster=codes[used])
    mass = np.bincount(np.unique(codes[used], return_inverse=True)[1], v / v.max())
    worth = float(mass.sum()) ** 2 / float(np.square(mass).sum())
    df = math.floor(worth + 1e-9) - 1.0
    error = found.standard_error if df >= 1 else math.nan
    t = t_quantile(1 - (1 - level) / family / 2, df) if df >= 1 else math.nan
    low, high = found.value - t * error, found.value + t * error
    return Transport(
        policy=policy,
        residual=found.value,
        standard_error=error,
        df=df,
        interval=(low, high),
        level=level,
        n=r.size,
        n_unlabelled=unlabelled,
        n_clusters=len(mass),
        n_eff=worth,
        margin=margin,
        margin_to_hold=max(abs(low), abs(high)),
        detectable=(t + normal_quantile(POWER)) * error,
        verdict=_verdict(low, high, margin, worth),
        reason=found.reason if df >= 1 else Reason.ONE_CLUSTER,
    )


def _verdict(low: float, high: float, margin: float | None, worth: float) -> Verdict:
    if margin is None:
        return Verdict.NOT_GRADED
    if low > margin or high < -margin:
        return Verdict.FAILS
    if -margin <= low and high <= margin and worth >= FEWEST_CLUSTERS - 1e-9:
        return Verdict.HOLDS
    return Verdict.UNDECIDED
