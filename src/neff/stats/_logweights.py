"""Weights as logarithms, in numpy or torch: checks, and the shift that keeps exp() in range."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import FloatArray, as_numbers

__all__ = ["check_log_weights", "log_vector", "namespace", "relative_weights"]


def namespace(array: Any) -> Any:
    """Return torch for a tensor and numpy for all else, without importing torch."""
    return sys.modules["torch"] if type(array).__module__.partition(".")[0] == "torch" else np


def check_log_weights(log_weights: Any, weights: Any, call: str, axis: int = -1) -> tuple[Any, Any, bool]:
    """Return (namespace, array of at least single precision, whether the array holds logarithms)."""
    if (log_weights is None) == (weights is None):
        got = "neither" if weights is None else "both"
        raise ArgumentError("log_weights", "given, or else weights", got, "Give exactly one.", call=call)
    log = weights is None
    argument, given = ("log_weights", log_weights) if log else ("weights", weights)
    xp = namespace(given)
    if xp is np:
        array: Any = as_numbers(given, argument=argument, call=call).astype(np.float64, copy=False)
    else:
        array = given if given.dtype in (xp.float32, xp.float64) else given.to(xp.float32)
    if not -array.ndim <= axis < array.ndim:
        must, shape = f"an array with an axis {axis}", f"shape {tuple(array.shape)}"
        raise ArgumentError(argument, must, shape, "Give one weight per row.", call=call)
    bad = xp.isnan(array) | (array == math.inf) if log else ~((array >= 0) & (array < math.inf))
    if bool(bad.any()):
        must = "below infinity and not NaN" if log else "finite and 0 or more"
        first = tuple(np.argwhere(np.asarray(bad.tolist()))[0].tolist())
        fix = f"Found {int(bad.sum())}, the first at position {first[0] if len(first) == 1 else first}."
        raise ArgumentError(argument, must, float(array[first]), fix, call=call)
    return xp, array, log


def relative_weights(xp: Any, array: Any, axis: int, *, log: bool) -> tuple[Any, Any]:
    """Return the weights relative to the largest along the axis, and the largest (its logarithm if `log`)."""
    largest = (np.max if xp is np else xp.amax)(array, axis, keepdims=True)
    if log:
        # where all weights are 0, any finite scale will do: every relative weight is then exp(-inf) = 0
        return xp.exp(array - xp.where(largest == -math.inf, xp.zeros_like(largest), largest)), largest
    return array / xp.where(largest == 0, xp.ones_like(largest), largest), largest


def log_vector(log_weights: Any, call: str) -> FloatArray:
    """Return log weights as a numpy vector."""
    xp, array, _ = check_log_weights(log_weights, None, call)
    if array.ndim != 1:
        shape = f"shape {tuple(array.shape)}"
        raise ArgumentError("log_weights", "one-dimensional", shape, "Call it once per row.", call=call)
    vector: FloatArray = array if xp is np else array.detach().cpu().numpy().astype(np.float64)
    return vector
