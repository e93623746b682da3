"""Argument checks of the ground floor: each returns the standardised argument or says what to mend."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np

from neff.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "FloatArray",
    "IntArray",
    "as_numbers",
    "check_codes",
    "check_count",
    "check_level",
    "check_number",
    "check_rng",
    "check_same_length",
    "check_vector",
    "check_weights",
]

FloatArray: TypeAlias = "npt.NDArray[np.float64]"
IntArray: TypeAlias = "npt.NDArray[np.intp]"


def _is_real(value: Any) -> TypeGuard[float]:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def check_level(level: Any, *, call: str) -> float:
    """Return the confidence level as a float in (0, 1).

    Examples
    --------
    >>> check_level(0.9, call="wilson")
    0.9
    >>> check_level(95, call="wilson")
    Traceback (most recent call last):
        ...
    neff.errors.ArgumentError: wilson: level must be a number between 0 and 1, got 95. Did you mean 0.95?
    """
    must = "a number between 0 and 1"
    if not _is_real(level):
        raise ArgumentTypeError("level", must, level, "Give a share such as 0.95.", call=call)
    if 0 < level < 1:
        return float(level)
    if 1 < level < 100:
        fix = f"Did you mean {float(level) / 100:g}?"
    elif level == 1:
        fix = "An interval that always covers is unbounded; 0.99 is a high level."
    else:
        fix = "Give a share such as 0.95."
    raise ArgumentError("level", must, level, fix, call=call)


def check_rng(rng: Any, *, call: str) -> np.random.Generator:
    """Return a Generator from a Generator, a non-negative int or None (fresh entropy), after SPEC 7.

    A Generator is returned as it is, so that draws go on where the caller's left off.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        return np.random.default_rng()
    must = "a numpy Generator, an int or None"
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        if rng < 0:
            raise ArgumentError("rng", must, rng, "A seed is 0 or more.", call=call)
        return np.random.default_rng(int(rng))
    fix = "Use numpy.random.default_rng(seed)."
    if isinstance(rng, np.random.RandomState):
        fix = "RandomState is the legacy generator: use numpy.random.default_rng(seed)."
    raise ArgumentTypeError("rng", must, rng, fix, call=call)


def check_number(value: Any, *, argument: str, call: str) -> float:
    """Return one real number as a float. NaN and infinity pass: the caller decides what they mean."""
    if not _is_real(value):
        raise ArgumentTypeError(argument, "one number", value, "Give a float.", call=call)
    return float(value)


def check_count(value: Any, *, argument: str, call: str, minimum: int = 0) -> int:
    """Return a whole number of at least `minimum` as an int; 7.0 passes, as sums are floats."""
    must = f"a whole number of at least {minimum}"
    if not _is_real(value):
        raise ArgumentTypeError(argument, must, value, "Give a count.", call=call)
    if not math.isfinite(value) or value != math.floor(value):
        raise ArgumentError(argument, must, value, "Give a count, not a share or a mean.", call=call)
    if value < minimum:
        raise ArgumentError(argument, must, value, call=call)
    return int(value)


def check_vector(
    values: Any, *, argument: str, call: str, allow_nan: bool = False, allow_inf: bool = False
) -> FloatArray:
    """Return the values as a one-dimensional float64 array; the first bad value is named by its position.

    Lists, arrays, series and CPU tensors of numbers or booleans pass; text and dates do not, even where
    numpy would convert them.
    """
    array = as_numbers(values, argument=argument, call=call)
    if array.ndim != 1:
        raise ArgumentError(
            argument,
            "one-dimensional",
            f"shape {array.shape}",
            "Give one value per row; ravel() makes a vector.",
            call=call,
        )
    vector: FloatArray = array.astype(np.float64, copy=False)
    if not allow_nan:
        _refuse(np.isnan(vector), vector, "free of NaN", argument, call)
    if not allow_inf:
        _refuse(np.isinf(vector), vector, "finite", argument, call)
    return vector


def as_numbers(values: Any, *, argument: str, call: str) -> np.ndarray[Any, Any]:
    """Return the values as a numeric array of any shape; text, dates and masked arrays are refused."""
    if isinstance(values, np.ma.MaskedArray):  # np.asarray would drop the mask without a word
        raise ArgumentTypeError(
            argument, "a plain array", "a masked array", "Use filled(numpy.nan) or compressed().", call=call
        )
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O" and not any(isinstance(value, str | bytes) for value in array.flat):
            array = array.astype(np.float64)  # None becomes NaN, Decimal and Fraction become floats
    except (TypeError, ValueError, RuntimeError) as error:
        fix = f"Give numbers in one regular shape ({error})."
        raise ArgumentTypeError(argument, "an array of numbers", type(values).__name__, fix, call=call) from error
    if array.dtype.kind not in "biuf":
        raise ArgumentTypeError(
            argument, "an array of numbers", f"dtype {array.dtype}", "Convert it to float first.", call=call
        )
    return array


def _refuse(bad: npt.NDArray[np.bool_], vector: FloatArray, must: str, argument: str, call: str) -> None:
    if bad.any():
        first, count = int(np.argmax(bad)), int(np.count_nonzero(bad))
        fix = f"Found {count} of {vector.size}, the first at position {first}; drop or mend those rows."
        raise ArgumentError(argument, must, float(vector[first]), fix, call=call)


def check_weights(weights: Any, *, argument: str = "weights", call: str, length: int | None = None) -> FloatArray:
    """Return non-negative finite weights, of the given length where one is given."""
    vector = check_vector(weights, argument=argument, call=call)
    _refuse(vector < 0, vector, "0 or more", argument, call)
    if length is not None and vector.size != length:
        raise ArgumentError(
            argument, f"of length {length}", f"length {vector.size}", "Give one weight per value.", call=call
        )
    return vector


def check_same_length(*, call: str, **vectors: Any) -> int:
    """Return the common length of the named vectors."""
    lengths = {name: len(vector) for name, vector in vectors.items()}
    first, n = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != n:
            raise ArgumentError(
                name,
                f"as long as {first} ({n})",
                f"length {length}",
                "Give one value per row in each.",
                call=call,
            )
    return n


def check_codes(values: Any, *, argument: str, call: str, length: int | None = None) -> tuple[IntArray, int]:
    """Return group codes 0..G-1 of any one-dimensional array (ints, text, booleans, dates), and G.

    Codes follow the sorted order of the values, so they do not depend on the order of rows. Missing values
    (NaN, None, NaT) are refused: a row without a cluster has no place in a clustered standard error.

    Examples
    --------
    >>> check_codes(["b", "a", "b"], argument="cluster", call="mean_se")
    (array([1, 0, 1]), 2)
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise ArgumentError(argument, "one-dimensional", f"shape {array.shape}", "Give one cluster per row.", call=call)
    if length is not None and array.size != length:
        raise ArgumentError(
            argument, f"of length {length}", f"length {array.size}", "Give one cluster per row.", call=call
        )
    missing = _missing(array)
    if missing.any():
        first = int(np.argmax(missing))
        fix = f"Position {first} is missing; give that row a cluster of its own, or drop it."
        raise ArgumentError(argument, "known for every row", array[first], fix, call=call)
    if array.dtype.kind in "iu" and array.size:
        low, high = int(array.min()), int(array.max())
        if high - low < 4 * array.size and high <= np.iinfo(np.intp).max:  # count instead of sorting
            offset = array.astype(np.intp) - low
            rank = np.cumsum(np.bincount(offset) > 0) - 1
            return rank[offset].astype(np.intp, copy=False), int(rank[-1]) + 1
    if array.dtype.kind == "O":  # mixed types do not sort: order by type, then by text
        ordered = sorted(set(array.tolist()), key=lambda v: (type(v).__name__, str(v)))
        code = {value: i for i, value in enumerate(ordered)}
        return np.fromiter((code[v] for v in array.tolist()), np.intp, array.size), len(ordered)
    unique, inverse = np.unique(array, return_inverse=True)
    return inverse.astype(np.intp, copy=False), int(unique.size)


def _missing(array: np.ndarray[Any, Any]) -> npt.NDArray[np.bool_]:
    missing = np.zeros(array.shape, np.bool_)
    if array.dtype.kind == "f":
        missing |= np.isnan(array)
    elif array.dtype.kind in "mM":
        missing |= np.isnat(array)
    elif array.dtype.kind == "O":
        missing[:] = [not _is_known(value) for value in array]
    return missing


def _is_known(value: Any) -> bool:
    same = value == value  # NaN and NaT differ from themselves; pandas.NA answers neither yes nor no
    return value is not None and isinstance(same, bool | np.bool_) and bool(same)
