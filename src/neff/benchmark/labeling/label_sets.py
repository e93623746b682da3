"""Labels of an item as a set: one label, several, none, or unknown."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from neff.errors import ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["Labels", "as_text", "indicators", "label_sets"]

Labels: TypeAlias = frozenset[str]
NO_LABELS: Labels = frozenset()


def as_text(label: Any) -> str:
    """Return a label as text: 3 and 3.0 are one label, as they are in a table that was read as numbers."""
    if isinstance(label, bool | np.bool_) or not isinstance(label, numbers.Real):
        return str(label).strip()
    return f"{float(label):.17g}"


def label_sets(values: Sequence[Any], *, argument: str, call: str) -> list[Labels | None]:
    """Return the labels of each item: a text or number is one, a list or set several, None, NaN and "" unknown.

    Raises
    ------
    ArgumentTypeError
        If a cell is none of these.
    """
    return [_labels(value, argument, call) for value in values]


def _labels(value: Any, argument: str, call: str) -> Labels | None:
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        # An empty place within a list is no label, and a list within it would become a label of brackets.
        return NO_LABELS.union(*(_one(label, argument, call) for label in value))
    return _one(value, argument, call) or None


def _one(value: Any, argument: str, call: str) -> Labels:
    """Return one label as a set, an empty one where it is unknown."""
    if value is None or (isinstance(value, numbers.Real) and math.isnan(value)):
        return NO_LABELS
    if isinstance(value, str | numbers.Real | bool | np.bool_):
        text = as_text(value)
        return frozenset({text}) if text else NO_LABELS
    raise ArgumentTypeError(argument, "a label or a list of labels per item", value, call=call)


def indicators(sets: Sequence[Labels], labels: Iterable[str]) -> NDArray[np.bool_]:
    """Return whether each item has each label, shape (n_items, n_labels)."""
    place = {label: j for j, label in enumerate(labels)}
    found = np.zeros((len(sets), len(place)), bool)
    for i, own in enumerate(sets):
        found[i, [place[label] for label in own]] = True
    return found
