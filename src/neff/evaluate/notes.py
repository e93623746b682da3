"""What a reader of the numbers must know: sentences that go with an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.means.blocks import Block, Unscored
    from neff.records import Records

__all__ = ["judged_notes", "mean_notes"]


def _of_sources(table: Records) -> list[str]:
    return list(dict.fromkeys(note for source in table.sources for note in source.notes))


def mean_notes(table: Records, found: Sequence[Block], unscored: Unscored) -> list[str]:
    """Say what a reader of means must know."""
    notes = _of_sources(table)
    n_unscored = int(np.isnan(table.score).sum())
    if n_unscored:
        how = "counted, not used" if unscored == "exclude" else "counted as wrong (score 0)"
        notes.append(f"{n_unscored:,} of {len(table):,} draws have no score: {how}.")
    uneven = [b for b in found if len(b.models) > 1 and ((b.draws > 0) != (b.draws[:, :1] > 0)).any()]
    if uneven:
        notes.append(
            "The models were not scored on the same items: each score is over the model's own items, "
            "each difference over the common ones."
        )
    repeats = [b.draws[b.draws > 0] for b in found]
    if any((draws > 1).any() for draws in repeats):
        low = min(int(draws.min()) for draws in repeats if len(draws))
        high = max(int(draws.max()) for draws in repeats if len(draws))
        span = str(low) if low == high else f"{low} to {high}"
        notes.append(f"Items have {span} scored draws per model; they are averaged within the item.")
    return notes


def judged_notes(table: Records, estimator: str) -> list[str]:
    """Say what a reader of calibrated means must know."""
    notes = _of_sources(table)
    n_unscored = int(np.isnan(table.score).sum())
    if n_unscored:
        notes.append(f"{n_unscored:,} of {len(table):,} draws have no score: counted, not used.")
    n_labelled = 0 if table.label is None else int((~np.isnan(table.label)).sum())
    if estimator == "judge":
        notes.append("These are means of the judge's scores as they stand: they are not means of labels.")
    else:
        notes.append(f"Values are on the labels' scale: {n_labelled:,} of {len(table):,} answers have a label.")
    return notes
