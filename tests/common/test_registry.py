"""Every public function of `neff.stats` is registered, and is tested here by the properties that it declares.

A new method needs nothing but its decorator; one whose signature differs from its kind adds a line to `CALLS`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neff.stats
from neff.registry import Kind, Property, methods
from neff.stats import Interval, IsotonicFit

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = [
    importlib.import_module(f"neff.stats.{info.name}")
    for info in pkgutil.iter_modules(neff.stats.__path__)
    if not info.name.startswith("_")
]
PUBLIC = {name: getattr(module, name) for module in MODULES for name in module.__all__}
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if inspect.isfunction(thing)}
METHODS = methods()


# --- What each kind takes -----------------------------------------------------------------------------------

SIZES = (1, 2, 3, 31)  # 31 is enough for every method, the others are edge cases


def vectors(elements: st.SearchStrategy[Any], *, columns: int = 1) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
    """Vectors of one common length, as a tuple. Eighths are exact, so that shifts and scales make no new ties."""

    def of_size(n: int) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
        column = st.lists(elements, min_size=n, max_size=n).map(np.array)
        return st.tuples(*[column] * columns)

    return st.sampled_from(SIZES).flatmap(of_size)


eighths = st.integers(-80, 80).map(lambda i: i / 8)
names = st.integers(0, 6)


def binomials(samples: int) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
    """Successes and trials of cells, once per sample."""
    columns = vectors(st.integers(0, 12), columns=2 * samples)
    return columns.map(lambda t: tuple(f(x, y) for x, y in pairs_of(t) for f in (np.minimum, np.maximum)))


def pairs_of(columns: tuple[np.ndarray, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Trials are 1 or more."""
    return [(columns[i], columns[i + 1] + 1) for i in range(0, len(columns), 2)]


@dataclass(frozen=True)
class Inputs:
    """How to make the arguments of a kind, and which of them are rows, move with a shift, or with a scale."""

    strategy: st.SearchStrategy[tuple[Any, ...]]
    ordinary: tuple[Any, ...]
    rows: tuple[int, ...] = ()
    shift: tuple[int, ...] = ()
    scale: tuple[int, ...] = ()


rng = np.random.default_rng(41)
NORMAL, OTHER = rng.normal(size=31), rng.normal(size=31)
ASKED = 2 + np.arange(31) % 7
RIGHT = rng.binomial(ASKED, 0.3 + 0.4 * (np.arange(31) % 2))
GROUPS = (np.arange(31) % 7, np.arange(31) % 5)

KINDS: dict[Kind, Inputs] = {
    "weights": Inputs(vectors(eighths), (2 * NORMAL,), rows=(0,), shift=(0,)),
    "sample": Inputs(vectors(eighths), (NORMAL,), rows=(0,), shift=(0,), scale=(0,)),
    "influence": Inputs(
        st.tuples(vectors(eighths), st.randoms(use_true_random=False)).map(
            lambda pair: (
                pair[0][0] - pair[0][0].mean(),
                np.array([pair[1].randrange(7) for _ in pair[0][0]]),
                np.array([pair[1].randrange(5) for _ in pair[0][0]]),
            )
        ),
        (NORMAL - NORMAL.mean(), *GROUPS),
        rows=(0, 1, 2),
        scale=(0,),
    ),
    "proportion": Inputs(
        st.integers(1, 97).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
        (23, 31),
    ),
    "paired": Inputs(vectors(eighths, columns=2), (NORMAL, NORMAL + OTHER), rows=(0, 1), shift=(0, 1), scale=(0, 1)),
    "p_values": Inputs(vectors(st.floats(0, 1)), (rng.uniform(size=31),), rows=(0,)),
    "curve": Inputs(vectors(eighths, columns=2), (NORMAL, NORMAL + OTHER), rows=(0, 1), shift=(1,), scale=(1,)),
    "sequence": Inputs(vectors(eighths), (NORMAL,), shift=(0,), scale=(0,)),
    "counts": Inputs(
        st.lists(st.integers(0, 40), min_size=4, max_size=4).map(lambda c: (np.array(c),)),
        (np.array([13, 5, 7, 11]),),
    ),
    "discordant": Inputs(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 60)).map(
            lambda t: (t[0], t[1], t[0] + t[1] + t[2])
        ),
        (9, 3, 50),
    ),
    "variances": Inputs(
        vectors(st.integers(0, 80).map(lambda i: i / 8)).map(lambda t: (t[0], 1.0 + np.arange(len(t[0])) % 13)),
        (np.abs(NORMAL), 1.0 + np.arange(31) % 13),
        rows=(0, 1),
        scale=(0,),
    ),
    "interval": Inputs(
        st.tuples(eighths, st.integers(1, 80).map(lambda i: i / 8)), (0.5, 0.25), shift=(0,), scale=(0, 1)
    ),
    "family": Inputs(st.tuples(st.integers(1, 500)), (7,)),
    "binomials": Inputs(binomials(1), (RIGHT, ASKED), rows=(0, 1)),
    "two_binomials": Inputs(binomials(2), (RIGHT, ASKED, RIGHT[::-1], ASKED[::-1]), rows=(0, 1, 2, 3)),
    "e_values": Inputs(vectors(st.floats(0, 1e6)), (np.exp(2 * NORMAL),), rows=(0,)),
    "shares": Inputs(
        vectors(st.integers(1, 80)).map(lambda t: (t[0] / t[0].sum(),)), ((1.0 + np.arange(31) % 7) / 200,), rows=(0,)
    ),
    "means": Inputs(
        vectors(eighths, columns=3).map(lambda t: (t[0], np.abs(t[1]), 1.0 + np.abs(t[2]))),
        (NORMAL, 0.1 + np.abs(OTHER), 1.0 + np.arange(31) % 7),
        rows=(0, 1, 2),
        shift=(0,),
    ),
}


def accuracy(counts: np.ndarray) -> np.ndarray:
    """A statistic of four cells, defined for all counts but zeros."""
    right, total = counts[:, 0] + counts[:, 3], counts.sum(axis=1)
    return np.divide(right, total, out=np.full(len(counts), np.nan), where=total > 0)


def jeffreys(successes: np.ndarray, n: np.ndarray) -> np.ndarray:
    """A rule that was fixed before the data."""
    return (successes + 0.5) / (n + 1)


def last(sequence: Any) -> Interval:
    """The interval after all values: those before depend on their order."""
    return Interval(float(sequence.low[-1]), float(sequence.high[-1]))


def log_ratio(f: Callable[..., Any], x: np.ndarray, y: np.ndarray, **kw: Any) -> Interval:
    ratio = f(np.exp(x / 8), np.exp(y / 8), **kw)
    return Interval(np.log(ratio.low) if ratio.low else -np.inf, np.log(ratio.high))


few = {"n_resamples": 199, "rng": 5}
CALLS: dict[str, Callable[..., Any]] = {
    "approximate_sure": lambda f, x, n: f(jeffreys, x, n),
    "beta_binomial": lambda f, x, n: f(x, n).shrunk,
    "bootstrap_counts": lambda f, counts, **kw: f(counts, accuracy, **few, **kw),
    "bootstrap_mean": lambda f, values, **kw: f(values, **few, **kw),
    "bootstrap_paired": lambda f, x, y, **kw: f(x, y, **few, **kw),
    "cell_means": lambda f, values, cell, _: f(values, cell),
    "cross_fitted_target": lambda f, x, y: f(y, x, bounds=(-np.inf, np.inf)),
    "bounded_sequence": lambda f, values: f(values, bounds=(-16, 16)),
    "confidence_sequence": lambda f, values, **kw: last(f(values, **kw)),
    "crv1": lambda f, phi, a, _: f(phi, a),
    "e_process": lambda f, values: float(f(values).log_e[-1]),
    "mcnemar": lambda f, n10, n01, _: f(n10, n01),
    "paired_sequence": lambda f, values, **kw: Interval(*f(values, **kw).interval),
    "permutation_paired": lambda f, x, y: f(x, y, **few),
    "ratio_sequence": log_ratio,
    "shrink_differences": lambda f, *counts: f(*counts).shrunk,
    "shrink_means": lambda f, *cells: f(*cells).shrunk,
    "shrink_rates": lambda f, x, n: f(x, n).shrunk,
    "t_interval": lambda f, value, error, **kw: f(value, error, df=11, **kw),
}


class Reading(NamedTuple):
    """The numbers of a result: those that say where, and those that say how wide."""

    place: np.ndarray
    width: np.ndarray


def read(result: Any) -> Reading:
    if isinstance(result, IsotonicFit):
        result = result.predict(np.linspace(-11, 11, 37))
    place, width = [], []
    if isinstance(result, float | np.ndarray):
        place.append(result)
    elif hasattr(result, "p_value"):  # a test: its statistic is not its answer
        place.append(result.p_value)
    elif hasattr(result, "low"):
        place.append([result.low, result.high])
    elif hasattr(result, "value"):
        place.append(result.value)
        place.append(getattr(result, "interval", [])[:2])
    if hasattr(result, "standard_error"):
        width.append(result.standard_error)
    assert place or width, f"no number found in {result!r}"
    flat = [np.concatenate([np.ravel(part) for part in parts] or [[]]).astype(float) for parts in (place, width)]
    return Reading(*flat)


def close(actual: np.ndarray, expected: np.ndarray) -> bool:
    return np.allclose(actual, expected, rtol=1e-9, atol=1e-10, equal_nan=True)


def same(actual: Reading, expected: Reading) -> None:
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)


def change(args: tuple[Any, ...], which: tuple[int, ...], by: Callable[[Any], Any]) -> tuple[Any, ...]:
    assert which, "this kind has nothing that the property changes: add it to KINDS, or drop the property"
    return tuple(by(value) if i in which else value for i, value in enumerate(args))


# --- One check per property ---------------------------------------------------------------------------------

Call = Any


def permutation_invariant(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(args[kind.rows[0]]))))
    same(read(f(*change(args, kind.rows, lambda rows: rows[order]))), read(f(*args)))


def permutation_equivariant(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(args[kind.rows[0]]))))
    np.testing.assert_allclose(f(*change(args, kind.rows, lambda rows: rows[order])), f(*args)[order], rtol=1e-12)


def shift_invariant(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    step = data.draw(st.integers(-4096, 4096))
    same(read(f(*change(args, kind.shift, lambda x: x + step))), read(f(*args)))


def shift_equivariant(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    step = data.draw(st.integers(-4096, 4096))
    moved, still = read(f(*change(args, kind.shift, lambda x: x + step))), read(f(*args))
    np.testing.assert_allclose(moved.place, still.place + step, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved.width, still.width, rtol=1e-7, atol=1e-9)


def scale_invariant(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    factor = 2.0 ** data.draw(st.integers(-20, 20))
    same(read(f(*change(args, kind.scale, lambda x: x * factor))), read(f(*args)))


def scale_equivariant(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    factor = 2.0 ** data.draw(st.integers(-20, 20))
    grown, still = read(f(*change(args, kind.scale, lambda x: x * factor))), read(f(*args))
    same(Reading(grown.place / factor, grown.width / factor), still)


def monotone(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    if kind is KINDS["proportion"]:
        successes, n = args
        if successes < n:
            assert np.all(read(f(successes + 1, n)).place >= read(f(successes, n)).place)
        return
    if kind is KINDS["family"]:
        assert f(args[0] + 1) > f(args[0])
        return
    result = f(*args)
    order = np.argsort(args[0], kind="stable")
    assert np.all(np.diff(result[order]) >= 0)


def bounded_0_1(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    numbers = read(f(*args)).place
    assert np.all(np.isnan(numbers) | ((numbers >= 0) & (numbers <= 1)))


def symmetric(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    first, second, *rest = args
    result, swapped = read(f(first, second, *rest)).place, read(f(second, first, *rest)).place
    assert close(swapped, result) or close(swapped, -result[::-1])


def level_monotone(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    results = [f(*args, level=level) for level in (0.5, 0.8, 0.95, 0.999)]
    if isinstance(results[0], float):  # a quantile: the half-width itself
        assert results == sorted(set(results))
        return
    intervals = [getattr(result, "interval", result) for result in results]
    for inner, outer in pairwise(intervals):
        assert np.isnan(inner.low) or outer.low <= inner.low <= inner.high <= outer.high


def deterministic(f: Call, kind: Inputs, args: tuple[Any, ...], data: st.DataObject) -> None:
    for one, other in zip(read(f(*args)), read(f(*args)), strict=True):
        np.testing.assert_array_equal(one, other)


CHECKS: dict[Property, Callable[..., None]] = {
    check.__name__: check
    for check in (
        permutation_invariant,
        permutation_equivariant,
        shift_invariant,
        shift_equivariant,
        scale_invariant,
        scale_equivariant,
        monotone,
        bounded_0_1,
        symmetric,
        level_monotone,
        deterministic,
    )
}


def caller(name: str) -> Callable[..., Any]:
    method = METHODS[name]
    adapter = CALLS.get(name)
    return method.function if adapter is None else partial(adapter, method.function)


# --- The tests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_public_function_is_registered(name: str) -> None:
    assert name in METHODS, f"{name} is public: decorate it with neff.registry.method(kind, *properties)"
    assert METHODS[name].function is FUNCTIONS[name], f"two functions are called {name}"
    assert METHODS[name].properties, f"{name} declares no property"


def test_every_registered_method_is_public() -> None:
    assert sorted(METHODS) == sorted(FUNCTIONS)
    assert set(FUNCTIONS) <= set(neff.stats.__all__)


def test_every_kind_and_property_is_known_here() -> None:
    assert set(KINDS) == set(get_args(Kind))
    assert set(CHECKS) == set(get_args(Property))
    assert set(CALLS) <= set(METHODS)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_ordinary_data_give_numbers(name: str) -> None:
    """The property tests below would pass on a method that always returns NaN; this one would not."""
    numbers = read(caller(name)(*KINDS[METHODS[name].kind].ordinary))
    assert np.all(np.isfinite(numbers.place))
    assert np.all(numbers.width > 0)


@pytest.mark.parametrize(
    ("name", "promise"),
    [(name, promise) for name, method in sorted(METHODS.items()) for promise in sorted(method.properties)],
)
def test_method_keeps_its_promise(name: str, promise: Property) -> None:
    kind = KINDS[METHODS[name].kind]
    check = CHECKS[promise]

    # half of the time on ordinary data, where the result is known to be a number
    @settings(max_examples=15, deadline=None)
    @given(st.data(), st.just(kind.ordinary) | kind.strategy)
    def keeps(data: st.DataObject, args: tuple[Any, ...]) -> None:
        check(caller(name), kind, args, data)

    keeps()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_data_are_positional_and_options_are_keywords(name: str) -> None:
    options = {"axis", "k", "level", "method", "n_resamples", "prior", "rng", "share", "weights", "cluster2"}
    for parameter in inspect.signature(METHODS[name].function).parameters.values():
        is_option = parameter.name in options - ({"k"} if METHODS[name].kind == "family" else set())
        if is_option:
            assert parameter.kind is parameter.KEYWORD_ONLY, f"{name}({parameter.name})"
        assert parameter.kind not in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}, f"a typo would pass in {name}"
