"""Records by metric and task: what is estimated apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neff.records import Records

__all__ = ["by_task"]


def by_task(records: Records) -> Iterator[tuple[str, str, Records]]:
    """Yield (task, metric, its rows) for each that has rows, sorted by metric and task."""
    group = records.metric.codes.astype(np.int64) * records.task.n_levels + records.task.codes
    present = np.unique(group).tolist()
    order = np.argsort(group, kind="stable") if len(present) > 1 else None
    edges = [] if order is None else [*np.searchsorted(group[order], present).tolist(), len(group)]
    for i, code in enumerate(present):
        metric, task = divmod(code, records.task.n_levels)
        rows = records if order is None else records.take(order[edges[i] : edges[i + 1]])
        yield records.task.levels[task], records.metric.levels[metric], rows
