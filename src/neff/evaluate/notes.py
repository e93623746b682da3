"""What a reader of the numbers must know: sentences that go with an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.evaluate.means.blocks import Block, Unscored
    from neff.records import ItemSums, Records

__all__ = ["judged_notes", "mean_notes", "unused_note"]


def _of_sources(table: Records | ItemSums) -> list[str]:
    return list(dict.fromkeys(note for source in table.sources for note in source.notes))


def mean_notes(table: ItemSums, found: Sequence[Block], unscored: Unscored) -> list[str]:
    """Say what a reader of means must know."""
    notes = _of_sources(table)
    n_unscored = int(table.n_unscored.sum())
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
    notes += _shape_of_answers(table)
    n_labelled = 0 if table.label is None else int((~np.isnan(table.label)).sum())
    if estimator == "judge":
        notes.append("These are means of the judge's scores as they stand: they are not means of labels.")
    else:
        notes.append(f"Values are on the labels' scale: {n_labelled:,} of {len(table):,} answers have a label.")
    return notes


def _shape_of_answers(table: Records) -> list[str]:
    """Say where models answered different items, or some more often than once."""
    answers, models = _counted(table)
    notes = []
    if len(answers) and answers.max() > 1:
        low, high = int(answers.min()), int(answers.max())
        span = str(low) if low == high else f"{low} to {high}"
        each = "" if low == high else "; each answer counts once, so an item with more of them counts more"
        notes.append(
            f"Items have {span} answers per model: one prompt, not several{each}. A row that was written twice is one "
            "of them where no column tells the draws apart."
        )
    present = len(np.unique(table.model.codes[~np.isnan(table.score)]))
    if present > 1 and models.max() == 1:
        notes.append("No two models answered the same item: differences are not paired by item, and wider for it.")
    elif present > 1 and models.min() < present:
        common = int((models == present).sum())
        notes.append(
            f"The models did not answer the same items ({common:,} of {len(models):,} have an answer of every model): "
            "each score is over the model's own items, and a difference is paired where both answered."
        )
    return notes


def _counted(table: Records) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the scored answers of each (item, model) that has any, and the models of each item that has any."""
    scored = ~np.isnan(table.score)
    group = table.metric.codes.astype(np.int64) * max(table.task.n_levels, 1) + table.task.codes
    item = group * max(table.item.n_levels, 1) + table.item.codes
    width = max(table.model.n_levels, 1)
    cell = (item * width + table.model.codes)[scored]
    if len(cell) and int(cell.max()) < 8 * len(cell):  # a table beats sorting
        counts = np.bincount(cell, minlength=(int(cell.max()) // width + 1) * width).reshape(-1, width)
        models = (counts > 0).sum(axis=1)
        return counts[counts > 0], models[models > 0]
    cells, answers = np.unique(cell, return_counts=True)
    return answers, np.unique(cells // width, return_counts=True)[1]


def unused_note(given: Mapping[str, bool], why: str = "Scores are averaged as they stand") -> list[str]:
    """Say which of the options that were given had no effect, and why."""
    names = [name for name, used in given.items() if used]
    return [f"{why}: no effect has {', '.join(names)}."] if names else []
