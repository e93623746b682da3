"""`evaluate`: every model's score, every pair of models, and who cannot be told from the best."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.means.blocks import Block, Unscored, blocks
from neff.evaluate.means.group import Pairs, groups
from neff.evaluate.options import Aggregate, Options
from neff.evaluate.result import Evaluation, group_key
from neff.records import Records, as_records
from neff.results import Provenance
from neff.stats._options import seeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.means.pair import PairedTest
    from neff.stats.multiplicity import Correction

__all__ = ["evaluate"]


def evaluate(
    records: Any,
    *,
    level: float = 0.95,
    correction: Correction = "holm",
    margin: float = 0.0,
    aggregate: Aggregate = "macro",
    unscored: Unscored = "exclude",
    lower_is_better: bool | None = None,
    pairs: Pairs = True,
    tests: Sequence[PairedTest] = (),
    n_resamples: int = 10_000,
    rng: int | np.random.Generator | None = None,
    **columns: Any,
) -> Evaluation:
    """Score every model with an honest interval, and compare every pair on the same items.

    Use it on any set of scored answers: several models on the same items, with or without repeats and clusters.
    Do not use it to calibrate a judge against labels, or on answers that were sampled from another model.

    Parameters
    ----------
    records
        `Records`; a path or list of paths (CSV, JSONL, Parquet, Inspect, lm-eval logs, folders of them); any
        dataframe; or a dict of arrays. One row per draw, or one column per model.
    level
        Coverage of the intervals, in (0, 1).
    correction
        For the comparisons of each (task, metric): "holm" and "bonferroni" bound the chance of any false
        difference, "benjamini-hochberg" the expected share of false ones, "none" nothing.
    margin
        A better model must win by more than this, in units of the score. Declare it before looking.
    aggregate
        Average over tasks, where there are several: "macro" (each task counts once), "micro" (each item counts
        once) or "none".
    unscored
        "exclude" draws without a score from the mean (they are counted), or call them "wrong" (score 0).
    lower_is_better
        True for losses; by default what the log says about its metric, else False.
    pairs
        True for all pairs, False for none, or the pairs (a, b) to compare.
    tests
        Further paired tests, any of "mcnemar", "permutation", "bootstrap"; their p-values go to `Comparison.tests`.
    n_resamples, rng
        Of the permutation and bootstrap tests. `rng` is a Generator, an int, or None (SPEC 7).
    **columns
        Which column is what, where `records` is not yet a `Records`: `item`, `model`, `score`, `draw`, `task`,
        `metric`, `cluster`, `label`, `weight`, `target`, `wide`; see `neff.read`.

    Returns
    -------
    Evaluation
        Estimates, comparisons, the models tied with the best, notes.

    Raises
    ------
    ArgumentError
        If an option has a value that cannot be used.
    RecordsError
        If the records cannot be read or make no sense.

    Notes
    -----
    Estimand: the expected score on items like these, each item counting once. Standard errors treat items (or
    clusters) as the random sample: answers to one item are averaged first, so that repeats narrow the interval
    only by what sampling contributes [1]_. Clustered errors are CRV1 with t quantiles of (clusters - 1) degrees
    of freedom. Plain 0/1 scores get Wilson intervals, their differences Tango's score interval and McNemar's
    mid-p: the normal interval covers too rarely below a few hundred items [2]_.

    Cost: O(n log n) in draws, then O(items) per pair of models.

    References
    ----------
    .. [1] Miller, "Adding Error Bars to Evals", arXiv:2411.00640.
    .. [2] Bowyer et al., "Don't use the CLT in LLM evals with fewer than a few hundred datapoints",
       arXiv:2503.01747.

    Examples
    --------
    >>> scores = {"item": [1, 2, 3, 4, 5] * 2, "model": ["a"] * 5 + ["b"] * 5, "score": [1, 1, 1, 0, 1, 0, 1, 0, 0, 1]}
    >>> result = evaluate(scores)
    >>> print(result.estimate("a"))
    a · all · score: 0.8000 ± 0.2000, 95% interval [0.3755, 0.9638], n = 5
    >>> print(result.comparison("a", "b").describe_verdict())
    not told apart
    """
    options = Options(
        level=level,
        correction=correction,
        margin=margin,
        aggregate=aggregate,
        unscored=unscored,
        tests=tuple(tests),
        n_resamples=n_resamples,
        lower_is_better=lower_is_better,
    )
    generator, drawn = seeded(rng, call="evaluate")
    seed = drawn if options.tests else None  # nothing else here is random
    table = as_records(records, **columns)
    if len(table) == 0:
        raise RecordsError("there are no rows.", "Give records with at least one scored draw.")
    _check_pairs(pairs, table.model.levels)
    found = list(blocks(table, unscored=unscored))
    lower = frozenset(table.metric.levels if lower_is_better else ())
    if lower_is_better is None:
        lower = table.lower_is_better & frozenset(table.metric.levels)
    metrics = list(dict.fromkeys(block.metric for block in found))
    todo = groups(found, aggregate)
    outcomes = [group.run(options, pairs, generator, lower_is_better=group.metric in lower) for group in todo]
    warned = [f"{group.task}: {o.warning}" for group, o in zip(todo, outcomes, strict=True) if o.warning]
    return Evaluation(
        estimates=tuple(e for outcome in outcomes for e in outcome.estimates),
        comparisons=tuple(replace(c, seed=seed) if c.tests else c for outcome in outcomes for c in outcome.comparisons),
        tied_with_best={
            group_key(group.task, group.metric, metrics): outcome.tied
            for group, outcome in zip(todo, outcomes, strict=True)
            if outcome.tied
        },
        level=level,
        correction=correction,
        lower_is_better=lower,
        notes=(*_notes(table, found, unscored), *warned),
        unread=table.unread,
        provenance=_provenance("evaluate", table, options, seed, columns),
        backend=table.backend,
    )


def _check_pairs(pairs: Pairs, models: Sequence[str]) -> None:
    for pair in () if isinstance(pairs, bool) else pairs:
        for model in pair:
            if model not in models:
                raise ArgumentError(
                    "pairs",
                    "names of models in the records",
                    model,
                    f"There are: {', '.join(models[:20])}.",
                    call="evaluate",
                )


def _notes(table: Records, found: Sequence[Block], unscored: Unscored) -> list[str]:
    """Say what a reader of the numbers must know."""
    notes = list(dict.fromkeys(note for source in table.sources for note in source.notes))
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


def _provenance(call: str, table: Records, options: Options, seed: int | None, columns: dict[str, Any]) -> Provenance:
    from neff import __version__

    asked = {name: _plain(value) for name, value in columns.items() if value is not None}
    return Provenance(
        neff_version=__version__,
        call=call,
        options=options.to_dict() | {"seed": seed, "columns": asked},
        sources=tuple(source.to_dict() for source in table.sources),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool)) else str(value)
