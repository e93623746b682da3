"""Is a difference of two runs more than the luck of seeds and of items?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from neff.errors import ArgumentError
from neff.results import json_number
from neff.stats._special import t_quantile
from neff.stats._validate import check_count, check_level, check_number

__all__ = ["NoiseVerdict", "difference_or_noise"]


@dataclass(frozen=True, slots=True)
class NoiseVerdict:
    """What a difference is worth.

    Attributes
    ----------
    difference
        Score of one run minus that of the other.
    seed_limit, sampling_limit, total_limit
        Differences up to these are what seeds, items, and both together give between runs of one recipe. NaN where the
        figure was not given.
    within_seed_noise, within_sampling_noise, within_noise
        Whether the difference is within each; None where the limit is unknown.
    level
        Share of differences of equals that are within a limit.
    """

    difference: float
    seed_limit: float
    sampling_limit: float
    total_limit: float
    level: float
    warnings: tuple[str, ...] = ()

    @property
    def within_seed_noise(self) -> bool | None:
        """Whether seeds alone explain it."""
        return _within(self.difference, self.seed_limit)

    @property
    def within_sampling_noise(self) -> bool | None:
        """Whether the choice of items alone explains it."""
        return _within(self.difference, self.sampling_limit)

    @property
    def within_noise(self) -> bool | None:
        """Whether both together explain it."""
        return _within(self.difference, self.total_limit)

    def __str__(self) -> str:
        words = {True: "within", False: "beyond", None: "unknown against"}
        parts = [
            f"{words[found]} {name} noise" + ("" if math.isnan(limit) else f" (±{limit:.4f})")
            for name, found, limit in (
                ("seed", self.within_seed_noise, self.seed_limit),
                ("sampling", self.within_sampling_noise, self.sampling_limit),
                ("total", self.within_noise, self.total_limit),
            )
        ]
        return "\n".join([f"{self.difference:+.4f}: {', '.join(parts)}", *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.noise-verdict/1",
            "difference": self.difference,
            "seed_limit": json_number(self.seed_limit),
            "sampling_limit": json_number(self.sampling_limit),
            "total_limit": json_number(self.total_limit),
            "within_seed_noise": self.within_seed_noise,
            "within_sampling_noise": self.within_sampling_noise,
            "within_noise": self.within_noise,
            "level": self.level,
            "warnings": list(self.warnings),
        }


def _within(difference: float, limit: float) -> bool | None:
    return None if math.isnan(limit) else abs(difference) < limit


def difference_or_noise(
    difference: float,
    *,
    seed_sd: float = math.nan,
    n_seeds: int | None = None,
    paired_se: float = math.nan,
    level: float = 0.95,
) -> NoiseVerdict:
    """Say whether a difference of two single runs is within seed noise, within sampling noise, or within both together.

    Use it on a gain of a training change measured by one run each. The standard error of the items must be that of the
    paired differences (`neff.compare`), not two unpaired ones, which are larger.

    Parameters
    ----------
    difference
        In units of the score.
    seed_sd
        Standard deviation of a score over seeds (`seed_variance`), NaN where unknown.
    n_seeds
        Number of seeds it comes from: the limit then uses t at n_seeds - 1; None where it is known for sure.
    paired_se
        Standard error of the difference over items, NaN where unknown.
    level
        Of the limits.

    Returns
    -------
    NoiseVerdict
        The limits, and on which side the difference is.

    Notes
    -----
    A difference of two runs has sqrt(2) times the seed deviation. The total adds the squares; where the seeds were
    scored on the same items this counts no item noise twice, as items are common to both runs.

    References
    ----------
    Madaan et al., Quantifying Variance in Evaluation Benchmarks. arXiv:2406.10229

    Examples
    --------
    >>> print(difference_or_noise(0.012, seed_sd=0.008, paired_se=0.004))
    +0.0120: within seed noise (±0.0222), beyond sampling noise (±0.0078), within total noise (±0.0235)
    """
    call = "difference_or_noise"
    level = check_level(level, call=call)
    given = {"difference": difference, "seed_sd": seed_sd, "paired_se": paired_se}
    d, sd, se = (check_number(value, argument=name, call=call) for name, value in given.items())
    if not math.isfinite(d):
        raise ArgumentError("difference", "finite", d, call=call)
    for name, value in (("seed_sd", sd), ("paired_se", se)):
        if value < 0:
            raise ArgumentError(name, "0 or more", value, call=call)
    if n_seeds is not None and check_count(n_seeds, argument="n_seeds", call=call) < 2:
        raise ArgumentError("n_seeds", "2 or more", n_seeds, "One seed has no deviation: leave seed_sd out.", call=call)
    p = (1 + level) / 2
    z, t = t_quantile(p, math.inf), t_quantile(p, math.inf if n_seeds is None else n_seeds - 1)
    of_seeds, of_items = t * math.sqrt(2) * sd, z * se
    warnings = []
    if math.isnan(sd):
        warnings.append("seed noise unknown: a difference beyond sampling noise may still be luck of the seed")
    if math.isnan(se):
        warnings.append("sampling noise unknown")
    return NoiseVerdict(d, of_seeds, of_items, math.hypot(of_seeds, of_items), level, tuple(warnings))
