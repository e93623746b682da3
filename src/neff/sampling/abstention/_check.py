"""Arguments that the abstainers share: matrices of logits and features, codes of classes, the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import as_numbers, check_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.stats._validate import FloatArray

__all__ = ["check_codes_of", "check_matrix", "check_probabilities", "check_target", "finite_rows"]


def check_matrix(
    values: Any, *, argument: str, call: str, rows: int | None = None, columns: int | None = None, finite: bool = True
) -> FloatArray:
    """Return a float64 matrix of the given shape."""
    array = as_numbers(values, argument=argument, call=call)
    if array.ndim != 2:
        raise ArgumentError(argument, "a matrix, one row per item", f"shape {array.shape}", call=call)
    if rows is not None and len(array) != rows:
        raise ArgumentError(argument, f"of {rows} rows", f"{len(array)} rows", "Give one row per item.", call=call)
    if columns is not None and array.shape[1] != columns:
        fix = "Give the same columns as in fit."
        raise ArgumentError(argument, f"of {columns} columns", f"{array.shape[1]} columns", fix, call=call)
    matrix: FloatArray = array.astype(np.float64)
    if finite and not np.isfinite(matrix).all():
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        fix = f"Found {len(bad)} such rows, the first is row {bad[0]}; drop or mend them."
        raise ArgumentError(argument, "finite", float(matrix[bad[0]][~np.isfinite(matrix[bad[0]])][0]), fix, call=call)
    return matrix


def check_probabilities(values: Any, *, call: str) -> FloatArray:
    """Return probabilities, rows that sum to 1, at least two classes."""
    matrix = check_matrix(values, argument="probabilities", call=call)
    if matrix.shape[1] < 2:
        raise ArgumentError("probabilities", "of two classes or more", f"shape {matrix.shape}", call=call)
    if matrix.size and (matrix.min() < 0 or np.abs(matrix.sum(axis=1) - 1).max() > 1e-4):
        row = int(np.argmax(np.maximum(np.abs(matrix.sum(axis=1) - 1), -matrix.min(axis=1))))
        fix = f"Row {row} is not; give softmax(logits)."
        raise ArgumentError(
            "probabilities", "0 or more, each row of sum 1", matrix[row].round(6).tolist(), fix, call=call
        )
    return matrix


def check_codes_of(labels: Any, *, argument: str, call: str, n: int, n_classes: int) -> NDArray[np.int64]:
    """Return class codes 0 to C - 1, one per row."""
    array = as_numbers(labels, argument=argument, call=call)
    if array.shape != (n,):
        raise ArgumentError(argument, f"of shape ({n},)", f"shape {array.shape}", "Give one label per row.", call=call)
    codes = array.astype(np.int64)
    wrong = (codes != array) | (codes < 0) | (codes >= n_classes)
    if wrong.any():
        must = f"codes 0 to {n_classes - 1}, the columns of the logits"
        raise ArgumentError(argument, must, array[wrong][0].item(), call=call)
    return codes


def check_target(target: Any, *, call: str, least: float = 0.5) -> float:
    """Return the accuracy that is asked for among the answered items, above `least` and below 1."""
    value = check_level(target, call=call) if not 0 < np.asarray(target) < 1 else float(target)
    if value <= least:
        fix = "0.95 asks for 95% right among the answered items."
        raise ArgumentError("target", f"above {least:g} and below 1", value, fix, call=call)
    return value


def finite_rows(features: FloatArray, logits: FloatArray | None = None) -> NDArray[np.bool_]:
    """Return which rows are free of NaN and infinity."""
    good = np.isfinite(features).all(axis=1)
    return np.asarray(good if logits is None else good & np.isfinite(logits).all(axis=1), np.bool_)
