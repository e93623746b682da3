"""The critical batch size at several checkpoints of one training run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError
from neff.results import Column, Table, json_number
from neff.stats._options import seeded
from neff.train.batch_size.critical import critical_batch_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import ArrayLike

    from neff.train.batch_size.result import CriticalBatchSize

__all__ = ["CheckpointedBatchSizes", "critical_batch_sizes"]


@dataclass(frozen=True, slots=True)
class CheckpointedBatchSizes:
    """Critical batch sizes along a training run.

    Attributes
    ----------
    checkpoints
        One result per checkpoint, in the order of training.
    """

    checkpoints: tuple[CriticalBatchSize, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What weakens the results, each said once with the checkpoints it is about."""
        about: dict[str, list[str]] = {}
        for found in self.checkpoints:
            for warning in found.warnings:
                about.setdefault(warning, []).append(found.checkpoint)
        every = len(self.checkpoints)
        return tuple(
            warning if len(where) == every else f"{', '.join(where)}: {warning}" for warning, where in about.items()
        )

    def table(self) -> Table:
        """Return one row per checkpoint."""
        level = self.checkpoints[0].level
        columns = (
            Column("checkpoint", "Checkpoint"),
            Column("critical_batch_size", "Critical batch size"),
            Column("interval", f"{100 * level:g}% interval"),
            Column("next_batch_size", "First batch that fails", "count"),
            Column("tolerance", "Tolerance", "number", 3),
            Column("n", "Seeds", "count"),
            Column("reason", "Reason"),
        )
        rows = tuple(
            (
                f.checkpoint,
                f.describe(),
                f.describe_interval(),
                None if math.isinf(f.next_batch_size) else f.next_batch_size,
                f.tolerance,
                f.n,
                f.reason,
            )
            for f in self.checkpoints
        )
        return Table(columns, rows, "Critical batch size, by checkpoint")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        rows = [found.to_dict() for found in self.checkpoints]
        for row in rows:
            del row["schema"]
        return {"schema": "neff.critical_batch_sizes/1", "checkpoints": rows}

    def chart_data(self) -> dict[str, list[Any]]:
        """Return the numbers of the figure: critical batch size by checkpoint."""
        return {
            "checkpoint": [found.checkpoint for found in self.checkpoints],
            "value": [found.value for found in self.checkpoints],
            "low": [json_number(found.interval[0]) for found in self.checkpoints],
            "high": [json_number(found.interval[1]) for found in self.checkpoints],
        }

    def __str__(self) -> str:
        return "\n".join([str(self.table()), *(f"note: {note}" for note in self.notes)])


def critical_batch_sizes(
    branches: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    tolerance: float = 0.01,
    level: float = 0.95,
    n_resamples: int = 4000,
    rng: np.random.Generator | int | None = None,
) -> CheckpointedBatchSizes:
    """Return the critical batch size at each checkpoint of a run.

    Use it to plan a warm-up of the batch size: double the batch where the critical batch size is above twice the
    present one.

    Parameters
    ----------
    branches
        By checkpoint, in the order of training: batch sizes and losses as in `critical_batch_size`.
    tolerance, level, n_resamples, rng
        As in `critical_batch_size`.

    Returns
    -------
    CheckpointedBatchSizes
        One result per checkpoint.

    Raises
    ------
    ArgumentError
        If there is no checkpoint, or as in `critical_batch_size`.

    References
    ----------
    Merrill, Arora, Groeneveld and Hajishirzi 2025, arXiv:2505.23971.

    Examples
    --------
    >>> found = critical_batch_sizes(
    ...     {"0": ([32, 64, 128], [[2.32, 2.31, 2.33]]), "16k": ([32, 64, 128], [[2.2, 2.2, 2.2]])}
    ... )
    >>> [result.describe() for result in found.checkpoints]
    ['64', 'at least 128']
    """
    call = "critical_batch_sizes"
    if not branches:
        raise ArgumentError("branches", "of one checkpoint or more", "none", call=call)
    generator, _ = seeded(rng, call=call)
    children = generator.spawn(len(branches))
    return CheckpointedBatchSizes(
        tuple(
            critical_batch_size(
                batches, losses, tolerance=tolerance, level=level, n_resamples=n_resamples, rng=child,
                checkpoint=str(name),
            )
            for (name, (batches, losses)), child in zip(branches.items(), children, strict=True)
        )
    )  # fmt: skip
