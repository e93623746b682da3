"""How an estimator behaves on one data set: the same twice, in any order, loud where there is too little."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from neff.errors import NeffError
from neff.records.table import Records

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["EstimateLike", "Estimator", "behaviour", "take"]


class EstimateLike(Protocol):
    """What an estimator must return; `neff.Estimate` is one."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def standard_error(self) -> float:
        """Its standard error."""

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high)."""

    @property
    def reason(self) -> Any:
        """Why something is NaN, or None."""


Estimator: TypeAlias = "Callable[[Any], EstimateLike]"


def take(data: Any, rows: NDArray[Any]) -> Any:
    """Return the chosen rows of records, of an array, or of a tuple or dict of arrays."""
    if isinstance(data, Records):
        return data.take(rows)
    if isinstance(data, dict):
        return {name: np.asarray(column)[rows] for name, column in data.items()}
    if isinstance(data, tuple):
        return tuple(np.asarray(column)[rows] for column in data)
    return np.asarray(data)[rows]


def behaviour(estimate: Estimator, data: Any, rng: np.random.Generator) -> list[str]:
    """Return one sentence per broken property."""
    if isinstance(data, dict | tuple):
        n_rows = len(next(iter(data.values())) if isinstance(data, dict) else data[0])
    else:
        n_rows = len(data)
    first = estimate(data)
    failures = []
    if not _same(first, estimate(data), 0.0):
        failures.append("the same data give two different results; fix the seed of what is random.")
    elif not _same(first, other := estimate(take(data, rng.permutation(n_rows))), 1e-9):
        failures.append(f"the result depends on the order of rows: {_shown(first)}, or {_shown(other)}.")
    item = np.arange(min(1, n_rows))
    if isinstance(data, Records) and n_rows:  # one item, with all its draws and models
        key = data.task.codes.astype(np.int64) * data.item.n_levels + data.item.codes
        item = np.flatnonzero(key == key[0])
    failures += _few(estimate, take(data, item[:0]), "no data")
    failures += _few(estimate, take(data, item), "one item")
    return failures


def _numbers(result: EstimateLike) -> list[float]:
    return [float(number) for number in (result.value, result.standard_error, *result.interval)]


def _same(first: EstimateLike, second: EstimateLike, tolerance: float) -> bool:
    return np.allclose(_numbers(first), _numbers(second), rtol=tolerance, atol=tolerance / 1e3, equal_nan=True)


def _shown(result: EstimateLike) -> str:
    value, error, low, high = _numbers(result)
    return f"{value:.12g} ± {error:.12g} [{low:.12g}, {high:.12g}]"


def _few(estimate: Estimator, data: Any, name: str) -> list[str]:
    try:
        result = estimate(data)
    except NeffError:
        return []  # a refusal that says why is loud enough
    except Exception as error:  # noqa: BLE001  (whatever it is, it is reported)
        return [f"with {name} it raises {type(error).__name__} ({error}), which is not a NeffError."]
    numbers = _numbers(result)
    value, error_, low, high = numbers
    if name == "no data" and not math.isnan(value):
        return [f"with no data the value is {value:g}; it must be NaN with a reason."]
    if error_ == 0 or high <= low:
        return [f"with {name} it claims to know the value exactly: {_shown(result)}."]
    if any(map(math.isnan, numbers)) and result.reason is None:
        return [f"with {name} it gives NaN without a reason."]
    return []
