"""`Items`: logits, labels and features of items under the names of their splits, checked once for all abstainers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.sampling.abstention._check import check_matrix, check_probabilities
from neff.sampling.abstention.activation import softmax
from neff.stats._validate import check_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.stats._validate import FloatArray

__all__ = ["Items", "as_items"]

TRAIN, CALIBRATION = "train", "calibration"
ALIASES = {"training": TRAIN, "support": TRAIN, "cal": CALIBRATION, "calib": CALIBRATION}
SMALLEST = np.finfo(np.float64).tiny


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Items of all splits.

    Attributes
    ----------
    logits, probabilities
        Shape (n, C).
    labels
        Codes of the right classes, shape (n,); -1 where there is none.
    split
        Name of each item's split, shape (n,).
    classes
        Names of the C classes.
    sets
        Names of the splits that are neither train nor calibration, in the order of their first item.
    features, log_weights
        Shapes (n, D), (n,); None where there are none.
    """

    logits: FloatArray
    probabilities: FloatArray
    labels: NDArray[np.int64]
    split: NDArray[Any]
    classes: tuple[str, ...]
    sets: tuple[str, ...]
    features: FloatArray | None = None
    log_weights: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, name: str) -> NDArray[np.int64]:
        """Return the rows of a split."""
        return np.flatnonzero(self.split == name)

    @property
    def train(self) -> NDArray[np.int64]:
        """Labelled rows of the training split."""
        rows = self.rows(TRAIN)
        return rows[self.labels[rows] >= 0]

    @property
    def calibration(self) -> NDArray[np.int64]:
        """Labelled rows of the calibration split."""
        rows = self.rows(CALIBRATION)
        return rows[self.labels[rows] >= 0]

    @property
    def asked(self) -> NDArray[np.int64]:
        """Rows of all sets."""
        return np.flatnonzero(~np.isin(self.split, (TRAIN, CALIBRATION)))


def as_items(
    logits: Any,
    labels: Any,
    split: Any,
    *,
    features: Any = None,
    classes: Sequence[Any] | None = None,
    probabilities: bool = False,
    log_weights: Any = None,
    call: str,
) -> Items:
    """Check and gather.

    Raises
    ------
    ArgumentError
        If shapes do not fit, a value is not finite, a label is no class, or a split is missing.
    """
    if probabilities:
        p = check_probabilities(logits, call=call)
        p = p / p.sum(axis=1, keepdims=True)
        z = np.log(np.maximum(p, SMALLEST))
    else:
        z = check_matrix(logits, argument="logits", call=call)
        if z.shape[1] < 2:
            fix = "For a yes-or-no classifier give both logits, (0, z)."
            raise ArgumentError("logits", "of two classes or more", f"shape {z.shape}", fix, call=call)
        p = softmax(z)
    n = len(z)
    told = [_word(s) for s in _column(split, "split", n, call)]
    if "" in told:
        fix = "Name the split of every item, or drop the row."
        raise ArgumentError("split", "known for every item", f"none in row {told.index('')}", fix, call=call)
    names = np.array([ALIASES.get(s.lower(), s) for s in told], dtype=object)
    codes, known = _labels(_column(labels, "labels", n, call), z.shape[1], classes, call)
    h = None
    if features is not None:
        h = check_matrix(features, argument="features", call=call, rows=n, finite=False)
    weights = None
    if log_weights is not None:
        weights = check_vector(log_weights, argument="log_weights", call=call, allow_nan=True, allow_inf=True)
        if len(weights) != n:
            raise ArgumentError("log_weights", f"of shape ({n},)", f"length {len(weights)}", call=call)
    sets = tuple(dict.fromkeys(name for name in names.tolist() if name not in (TRAIN, CALIBRATION)))
    found = Items(z, p, codes, names, known, sets, h, weights)
    _check_splits(found, call)
    return found


def _check_splits(items: Items, call: str) -> None:
    there = ", ".join(dict.fromkeys(items.split.tolist())) or "no rows"
    if not len(items.calibration):
        fix = "Set items aside that the classifier was not trained on, and call their split 'calibration'."
        raise ArgumentError("split", "with labelled items of 'calibration'", there, fix, call=call)
    if not items.sets:
        fix = "Add a set to answer, such as 'test', and a shifted one."
        raise ArgumentError("split", "with a set beside 'train' and 'calibration'", there, fix, call=call)
    fitted = np.r_[items.calibration, items.train]
    if items.features is not None and not np.isfinite(items.features[fitted]).all():
        row = int(fitted[~np.isfinite(items.features[fitted]).all(axis=1)][0])
        fix = "Drop the row: only items of other sets may lack features, they are refused."
        raise ArgumentError(
            "features", "finite in train and calibration", f"NaN or infinity in row {row}", fix, call=call
        )
    if items.log_weights is not None:
        needed = items.log_weights[np.r_[items.calibration, items.asked]]
        if np.isnan(needed).any() or np.isposinf(needed).any():
            fix = "Give a log likelihood ratio for every item that is not in train."
            raise ArgumentError("log_weights", "known and below infinity", "NaN or infinity", fix, call=call)


def _column(values: Any, argument: str, n: int, call: str) -> list[Any]:
    found = values.tolist() if hasattr(values, "tolist") else list(values)
    if len(found) != n or any(isinstance(v, (list, tuple)) for v in found[:1]):
        raise ArgumentError(argument, f"of shape ({n},)", f"length {len(found)}", "One value per row.", call=call)
    return list(found)


def _labels(
    values: list[Any], n_classes: int, classes: Sequence[Any] | None, call: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return codes (-1 where a label is missing) and the names of the classes."""
    words = [_word(v) for v in values]
    if classes is not None:
        names = [_word(c) for c in classes]
        if len(names) != n_classes or len(set(names)) < len(names):
            must = f"{n_classes} different names, one per column of the logits"
            raise ArgumentError("classes", must, list(classes), call=call)
    elif all(w.isdigit() and int(w) < n_classes for w in words if w):
        names = [str(c) for c in range(n_classes)]
    else:
        names = sorted({w for w in words if w})
        if len(names) != n_classes:
            fix = "Name the columns of the logits: classes=."
            raise ArgumentError("labels", f"of {n_classes} classes", names, fix, call=call)
    place = {name: code for code, name in enumerate(names)}
    unknown = [w for w in words if w and w not in place]
    if unknown:
        fix = "Leave the label empty where no class is right."
        raise ArgumentError("labels", f"among the classes {', '.join(names[:10])}", unknown[0], fix, call=call)
    return np.array([place[w] if w else -1 for w in words], np.int64), tuple(names)


def _word(value: Any) -> str:
    """Return a label as text: 1.0 is 1, and a missing one is empty."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
