"""`VarianceModel`: the two variances of a calibrated mean, and so what prompts and what labels buy.

What it estimates: Var(n, m) = s2_eval / n + s2_cal / m, for n judged prompts of which m are labelled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._validate import check_number

__all__ = ["VarianceModel"]


@dataclass(frozen=True, slots=True)
class VarianceModel:
    """Var(n, m) = s2_eval / n + s2_cal / m of one policy's calibrated mean, in squared label units.

    Attributes
    ----------
    s2_eval
        Variance between prompts that the calibrated judge sees: more prompts remove it.
    s2_cal
        Variance of the labels around the calibrated judge: only more labels remove it.
    source
        How they were found.
    n, m
        Prompts and labelled prompts of the pilot; 0 without one.
    r_squared
        How well the model fits the subsampled variances, where it was fitted to them.
    reason
        Why the model is undefined, or should not be used, or None.
    """

    s2_eval: float
    s2_cal: float
    source: str = "given"
    n: int = 0
    m: int = 0
    r_squared: float = math.nan
    warnings: tuple[str, ...] = ()
    reason: Reason | None = None

    def __post_init__(self) -> None:
        for name in ("s2_eval", "s2_cal"):
            value = check_number(getattr(self, name), argument=name, call="VarianceModel")
            if value < 0 or math.isinf(value):
                fix = "It is a variance, in squared label units."
                raise ArgumentError(name, "0 or more and finite", value, fix, call="VarianceModel")

    def variance(self, n: float, m: float) -> float:
        """Return the variance of a mean over n judged prompts, m of them labelled.

        Examples
        --------
        >>> round(VarianceModel(0.06, 0.03).variance(261, 46) ** 0.5, 6)
        0.029699
        """
        return self.s2_eval / n + self.s2_cal / m

    @classmethod
    def from_quality(cls, r_squared: float, *, label_sd: float = 0.5) -> VarianceModel:
        """Return the model of a judge of known quality, without a pilot.

        Parameters
        ----------
        r_squared
            Share of the label variance that the calibrated judge explains, in [0, 1].
        label_sd
            Standard deviation of the labels; 0.5 is the largest possible on a scale from 0 to 1.

        Notes
        -----
        With f(S) the calibrated judge, Var(label) = Var(f(S)) + E[Var(label | S)]: the first part shrinks with
        prompts, the second with labels. r_squared is the first over the sum, measured where the judge was used before.

        Examples
        --------
        >>> model = VarianceModel.from_quality(0.4)
        >>> model.s2_eval, model.s2_cal
        (0.1, 0.15)
        """
        call = "VarianceModel.from_quality"
        quality = check_number(r_squared, argument="r_squared", call=call)
        spread = check_number(label_sd, argument="label_sd", call=call)
        if not 0 <= quality <= 1:
            raise ArgumentError("r_squared", "in [0, 1]", quality, "It is a squared correlation.", call=call)
        if not (spread > 0 and math.isfinite(spread)):
            raise ArgumentError("label_sd", "positive and finite", spread, call=call)
        return cls(quality * spread**2, (1 - quality) * spread**2, "judge quality")

    def table(self) -> Table:
        """Return a table of one row."""
        columns = (
            Column("s2_eval", "Variance seen by the judge", "number", 5),
            Column("s2_cal", "Variance left to labels", "number", 5),
            Column("source", "From"),
            Column("n", "Prompts", "count"),
            Column("m", "Labelled", "count"),
            Column("r_squared", "R²", "number", 3, help="of the fit to subsampled variances"),
            Column("reason", "Reason"),
        )
        row = (self.s2_eval, self.s2_cal, self.source, self.n, self.m, self.r_squared, str(self.reason or ""))
        return Table(columns, (row,), "What prompts and labels buy")

    def __str__(self) -> str:
        return "\n\n".join([str(self.table()), *(f"Note: {warning}" for warning in self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        data: dict[str, Any] = {"schema": "neff.variance-model/1"}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, float):
                value = json_number(value)
            elif isinstance(value, tuple):
                value = list(value)
            data[f.name] = str(value) if isinstance(value, Reason) else value
        return data
