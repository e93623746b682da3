"""From saved JSON back to `SubtaskScores`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from neff.evaluate.shrinking.result import SubtaskFit, SubtaskRule, SubtaskScore, SubtaskScores
from neff.reasons import Reason
from neff.results._common import from_json, known_fields, pair_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["subtasks_from_dict"]

Row = TypeVar("Row", SubtaskFit, SubtaskRule, SubtaskScore)


def subtasks_from_dict(data: Mapping[str, Any]) -> SubtaskScores:
    """Rebuild what `SubtaskScores.to_dict` wrote.

    Examples
    --------
    >>> scores = SubtaskScores((), (), 0.9, ("few items",))
    >>> subtasks_from_dict(scores.to_dict()) == scores
    True
    """
    return SubtaskScores(
        cells=tuple(_row(SubtaskScore, cell) for cell in data["cells"]),
        fits=tuple(_row(SubtaskFit, fit) for fit in data["fits"]),
        level=float(data["level"]),
        notes=tuple(data["notes"]),
    )


def _row(kind: type[Row], data: Mapping[str, Any]) -> Row:
    """Return one row; its fields say which values are numbers (None: NaN), pairs, or rows of their own."""
    known = known_fields(kind, data)
    kinds = {f.name: str(f.type) for f in fields(kind)}
    for name, value in known.items():
        if kinds[name] == "float":
            known[name] = from_json(value)
        elif kinds[name] == "tuple[float, float]":
            known[name] = pair_from_json(value)
        elif name == "rules":
            known[name] = tuple(_row(SubtaskRule, rule) for rule in value)
        elif name == "reason":
            known[name] = None if value is None else Reason(value)
    return kind(**known)
