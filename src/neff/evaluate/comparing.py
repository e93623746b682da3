"""`compare`: two models or two runs, item by item."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.api import evaluate
from neff.records import Records, as_records

if TYPE_CHECKING:
    import numpy as np

    from neff.evaluate.result import Evaluation

__all__ = ["compare"]


def compare(
    a: Any,
    b: Any,
    *,
    records: Any = None,
    rng: int | np.random.Generator | None = None,
    **options: Any,
) -> Evaluation:
    """Compare two models, or two runs, item by item.

    Use it to decide between two: a before and an after, a model and its successor. For more than two use
    `evaluate`, which corrects for the number of comparisons.

    Parameters
    ----------
    a, b
        With `records`: the names of two models in it. Without: two sets of records (paths, dataframes,
        `Records`), each with one model; two runs of one model are told apart by their file names.
    records
        Records that hold both models.
    rng
        Of the permutation and bootstrap tests (SPEC 7).
    **options
        Those of `evaluate`, and its column names.

    Returns
    -------
    Evaluation
        With the comparison a minus b for each task (and their average), and both models' scores.

    Raises
    ------
    ArgumentError
        If a model is unknown, or a side has several models and none was named.
    RecordsError
        If the records cannot be read, or the two sides have no item in common.

    Examples
    --------
    >>> before = {"item": [1, 2, 3, 4], "model": ["m"] * 4, "score": [0.2, 0.5, 0.4, 0.9]}
    >>> after = {"item": [1, 2, 3, 4], "model": ["m"] * 4, "score": [0.4, 0.6, 0.6, 0.9]}
    >>> result = compare(after, before)
    >>> print(result.comparisons[0])
    m (a) - m (b): +0.1250 ± 0.0479, 95% interval [-0.0273, +0.2773], 4 common items, not told apart
    """
    columns = {name: options.pop(name) for name in list(options) if name not in _EVALUATE_OPTIONS}
    if records is not None:
        for name, value in (("a", a), ("b", b)):
            if not isinstance(value, str):
                raise ArgumentError(
                    name, "the name of a model when records= is given", value, "Or leave out records=.", call="compare"
                )
        table = as_records(records, **columns)
        names = (a, b)
    else:
        table, names = _two_sides(as_records(a, **columns), as_records(b, **columns))
    result = evaluate(table, pairs=[names], rng=rng, **options)
    kept = tuple(e for e in result.estimates if e.model in names)
    if all(math.isnan(c.difference) for c in result.comparisons):
        raise RecordsError(
            f"{names[0]} and {names[1]} have no scored item in common.",
            "Check the item column: paired comparison needs the same item names on both sides.",
        )
    provenance = None if result.provenance is None else replace(result.provenance, call="compare")
    return replace(result, estimates=kept, provenance=provenance)


_EVALUATE_OPTIONS = frozenset(name for name in evaluate.__kwdefaults__ or {} if name not in ("pairs", "rng"))


def _two_sides(left: Records, right: Records) -> tuple[Records, tuple[str, str]]:
    """Stack two runs; where both have the same model name, tell them apart."""
    names = []
    for argument, side in (("a", left), ("b", right)):
        if side.model.n_levels != 1:
            raise ArgumentError(
                argument,
                "records of one model",
                list(side.model.levels[:10]),
                "Name the two models: compare('M1', 'M2', records=...).",
                call="compare",
            )
        names.append(side.model.levels[0])
    if names[0] == names[1]:
        stems = [_stem(left, "a"), _stem(right, "b")]
        if stems[0] == stems[1]:
            stems = ["a", "b"]
        names = [f"{name} ({stem})" for name, stem in zip(names, stems, strict=True)]
        left, right = left.renamed(names[0]), right.renamed(names[1])
    return Records.concat([left, right]), (names[0], names[1])


def _stem(side: Records, default: str) -> str:
    return PurePath(side.sources[0].path).stem if side.sources and side.sources[0].path else default
