"""What is found about batch sizes, how sure that is, and what was measured for it: `CriticalBatchSize`, `Tradeoff`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from neff.reasons import Reason
from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from neff.results import Verdict

__all__ = ["BatchRow", "CriticalBatchSize", "Tradeoff", "TradeoffRow", "batch_number"]

SCHEMA = "neff.critical_batch_size/1"
TRADEOFF_SCHEMA = "neff.batch_tradeoff/1"


def batch_number(value: float) -> str:
    """Return a batch size as text.

    Examples
    --------
    >>> batch_number(1024.0), batch_number(float("inf")), batch_number(223.68)
    ('1,024', '∞', '223.7')
    """
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch size of a branched training.

    Attributes
    ----------
    batch_size
        Examples or tokens per step.
    loss, standard_error
        Mean loss at the end of the window over the seeds, and its standard error; NaN for one seed.
    excess
        Loss minus the lowest mean loss of a smaller batch; NaN for the first.
    interval
        Interval of the excess.
    passes
        Whether the excess is within the tolerance, and the loss finite.
    verdict
        "holds": the whole interval is within the tolerance; "fails": all of it beyond; else "undecided".
    n
        Seeds.
    """

    batch_size: float
    loss: float
    standard_error: float
    excess: float
    interval: tuple[float, float]
    passes: bool
    verdict: Verdict
    n: int


@dataclass(frozen=True, slots=True)
class CriticalBatchSize:
    """The largest batch size without loss of token efficiency, at one checkpoint.

    Attributes
    ----------
    value
        The critical batch size B*: the largest batch tried that passes, as all smaller ones do.
    multiplier
        k*, B* over the smallest batch.
    interval
        Interval of B*. Its upper end is infinite where the largest batch tried may pass.
    censored
        True where the largest batch tried passes: the critical batch size is at least `value`.
    next_batch_size
        The smallest batch tried that fails, so that B* lies below it; infinite where none does.
    rows
        What was measured, one row per batch size.
    tolerance
        Excess of loss that counts as none, declared before looking.
    definition
        What "critical" means here.
    level, n, method, reason, warnings, seed
        As in `Estimate`; `n` counts seeds.
    checkpoint
        Where in training it was measured, in the caller's words.
    """

    value: float
    multiplier: float
    interval: tuple[float, float]
    level: float
    censored: bool
    next_batch_size: float
    rows: tuple[BatchRow, ...]
    tolerance: float
    definition: str
    n: int
    method: str
    reason: Reason | None = None
    warnings: tuple[str, ...] = ()
    seed: int | None = None
    checkpoint: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What weakens the result."""
        return self.warnings

    def describe(self) -> str:
        """Return the critical batch size in words, never a censored number alone.

        Examples
        --------
        >>> from neff.train.batch_size import critical_batch_size
        >>> critical_batch_size([32, 64], [[2.0, 2.0]]).describe()
        'at least 64'
        """
        return f"at least {batch_number(self.value)}" if self.censored else batch_number(self.value)

    def describe_interval(self) -> str:
        """Return the interval in words; an en dash where there is none."""
        low, high = self.interval
        if math.isnan(low):
            return "–"
        if math.isinf(high):
            return f"{batch_number(low)} or more"
        return batch_number(low) if low == high else f"{batch_number(low)} to {batch_number(high)}"

    def table(self) -> Table:
        """Return one row per batch size."""
        columns = (
            Column("batch_size", "Batch", "count"),
            Column("loss", "Loss", "number"),
            Column("standard_error", "SE", "number"),
            Column("excess", "Excess", "signed", help="loss minus the lowest loss of a smaller batch"),
            Column("interval", f"{100 * self.level:g}% interval", "interval"),
            Column("passes", "Within tolerance"),
            Column("verdict", "Verdict"),
            Column("n", "Seeds", "count"),
        )
        rows = tuple(
            (r.batch_size, r.loss, r.standard_error, r.excess, r.interval, _yes(r.passes), str(r.verdict), r.n)
            for r in self.rows
        )
        return Table(columns, rows, "Loss at the end of the window, by batch size")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN and infinity as None; `censored` tells an infinite end from a missing one."""
        return {
            "schema": SCHEMA,
            "checkpoint": self.checkpoint or None,
            "value": json_number(self.value),
            "multiplier": json_number(self.multiplier),
            "interval": [json_number(end) for end in self.interval],
            "interval_open": math.isinf(self.interval[1]),
            "level": self.level,
            "censored": self.censored,
            "next_batch_size": json_number(self.next_batch_size),
            "tolerance": self.tolerance,
            "definition": self.definition,
            "n": self.n,
            "method": self.method,
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
            "seed": self.seed,
            "batch_sizes": [
                {
                    "batch_size": row.batch_size,
                    "loss": json_number(row.loss),
                    "standard_error": json_number(row.standard_error),
                    "excess": json_number(row.excess),
                    "interval": [json_number(end) for end in row.interval],
                    "passes": row.passes,
                    "verdict": str(row.verdict),
                    "n": row.n,
                }
                for row in self.rows
            ],
        }

    def chart_data(self) -> dict[str, list[float]]:
        """Return the numbers of the figure: loss by batch size."""
        return {
            "batch_size": [row.batch_size for row in self.rows],
            "loss": [row.loss for row in self.rows],
            "standard_error": [row.standard_error for row in self.rows],
        }

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        head = (
            f"Critical batch size ({self.definition}, tolerance {self.tolerance:g}): {self.describe()}, "
            f"{100 * self.level:g}% interval {self.describe_interval()}{why}"
        )
        return "\n".join([head, "", str(self.table()), *(f"note: {note}" for note in self.notes)])


def _yes(passes: bool) -> str:  # noqa: FBT001  (one word for one value)
    return "yes" if passes else "no"


class TradeoffRow(NamedTuple):
    """One batch size: mean examples to the target, standard error, fitted value, runs, and runs that failed."""

    batch_size: float
    examples: float
    standard_error: float
    fitted: float
    n: int
    n_censored: int
    used: bool


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """The fitted steps-examples trade-off.

    Attributes
    ----------
    value
        Bc, the critical batch size in this sense; NaN where it is not identified.
    interval
        Its interval; an infinite upper end where the slope may be 0.
    examples_min, slope
        Emin, the examples that small batches need, and the further examples per unit of batch size. In the unit given
        (epochs, say); their ratio is Bc.
    examples_min_interval, slope_interval
        Their intervals.
    rows
        What was measured, one row per batch size.
    n, n_censored
        Runs used, and runs left out because they did not reach the target.
    definition, unit, level, method, reason, warnings, seed
        What "critical" means here; the unit of `examples`; the rest as in `Estimate`.
    """

    value: float
    interval: tuple[float, float]
    level: float
    examples_min: float
    examples_min_interval: tuple[float, float]
    slope: float
    slope_interval: tuple[float, float]
    rows: tuple[TradeoffRow, ...]
    n: int
    n_censored: int
    definition: str
    unit: str
    method: str
    reason: Reason | None = None
    warnings: tuple[str, ...] = ()
    seed: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What weakens the result."""
        return self.warnings

    def examples(self, batch_size: float) -> float:
        """Return the fitted cost of a batch size, in the unit of the data."""
        return self.examples_min + self.slope * batch_size

    def describe(self) -> str:
        """Return the critical batch size in words."""
        return str(Reason.NOT_IDENTIFIED) if math.isnan(self.value) else batch_number(self.value)

    def table(self) -> Table:
        """Return one row per batch size."""
        columns = (
            Column("batch_size", "Batch", "count"),
            Column("examples", self.unit.capitalize(), "number", 2),
            Column("standard_error", "SE", "number", 2),
            Column("fitted", "Fitted", "number", 2),
            Column("n", "Runs", "count"),
            Column("n_censored", "Did not reach it", "count"),
            Column("used", "In the fit"),
        )
        rows = tuple((*row[:-1], "yes" if row.used else "no") for row in self.rows)
        return Table(columns, rows, f"{self.unit.capitalize()} to the target, by batch size")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN and infinity as None."""
        return {
            "schema": TRADEOFF_SCHEMA,
            "value": json_number(self.value),
            "interval": [json_number(end) for end in self.interval],
            "interval_open": math.isinf(self.interval[1]),
            "level": self.level,
            "examples_min": json_number(self.examples_min),
            "examples_min_interval": [json_number(end) for end in self.examples_min_interval],
            "slope": json_number(self.slope),
            "slope_interval": [json_number(end) for end in self.slope_interval],
            "unit": self.unit,
            "definition": self.definition,
            "n": self.n,
            "n_censored": self.n_censored,
            "method": self.method,
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
            "seed": self.seed,
            "batch_sizes": [
                {**row._asdict(), **{name: json_number(getattr(row, name)) for name in TradeoffRow._fields[1:4]}}
                for row in self.rows
            ],
        }

    def chart_data(self) -> dict[str, list[float]]:
        """Return the numbers of the figure: measured and fitted cost by batch size."""
        return {name: [float(getattr(row, name)) for row in self.rows] for name in TradeoffRow._fields[:4]}

    def __str__(self) -> str:
        low, high = self.interval
        ends = (
            "" if math.isnan(low) else f", {100 * self.level:g}% interval [{batch_number(low)}, {batch_number(high)}]"
        )
        fit = f"{self.unit} = {self.examples_min:.4g} + {self.slope:.4g} B"
        head = f"Critical batch size ({self.definition}): {self.describe()}{ends}; {fit}"
        return "\n".join([head, "", str(self.table()), *(f"note: {note}" for note in self.warnings)])
