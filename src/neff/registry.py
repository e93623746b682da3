"""The registry of statistical methods: each declares the properties it is tested by.

A public function of `neff.stats` that is not registered, or that declares no property, fails the build
(`tests/common/test_registry.py`). Registering costs nothing at run time: the function is returned unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kind", "Method", "Property", "method", "methods"]

Kind = Literal[
    "weights",  # f(log_weights) -> number
    "sample",  # f(values) -> number or object with .value
    "influence",  # f(influence, cluster) -> object with .standard_error
    "proportion",  # f(successes, n) -> Interval
    "paired",  # f(x, y) -> number or object
    "p_values",  # f(p) -> adjusted p
    "curve",  # f(x, y) -> fitted y
    "sequence",  # f(y) -> fitted y
    "counts",  # f(counts, statistic) -> object with .value
    "discordant",  # f(n10, n01, n) -> Interval, or f(n10, n01) -> p-value
    "variances",  # f(variances, dfs) -> degrees of freedom
    "family",  # f(number of comparisons) -> number
    "interval",  # f(value, standard_error) -> Interval
    "binomials",  # f(successes, n) -> one number per cell, or object with .shrunk
    "two_binomials",  # f(successes_a, n_a, successes_b, n_b) -> object with .shrunk
    "e_values",  # f(e-values) -> adjusted p
    "shares",  # f(shares of an error rate) -> levels
    "means",  # f(means, variances, n) -> object with .shrunk
]

Property = Literal[
    "permutation_invariant",  # the order of rows does not matter
    "permutation_equivariant",  # outputs follow the order of rows
    "shift_invariant",  # adding a constant changes nothing
    "shift_equivariant",  # adding a constant moves the value by it
    "scale_invariant",  # multiplying by a positive constant changes nothing
    "scale_equivariant",  # multiplying by a positive constant multiplies the value
    "monotone",  # outputs keep the order of inputs
    "bounded_0_1",  # every output lies in [0, 1]
    "symmetric",  # swapping the two samples changes nothing, or only the sign
    "level_monotone",  # a higher level gives a wider interval
    "deterministic",  # same input and seed, same output
]

F = TypeVar("F", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True)
class Method:
    """One registered method."""

    name: str
    function: Callable[..., Any]
    kind: Kind
    properties: frozenset[Property]
    arxiv: str | None = None


_METHODS: dict[str, Method] = {}


def method(kind: Kind, *properties: Property, arxiv: str | None = None) -> Callable[[F], F]:
    """Register the decorated function under its name, with the properties that it promises."""

    def register(function: F) -> F:
        _METHODS[function.__name__] = Method(function.__name__, function, kind, frozenset(properties), arxiv)
        return function

    return register


def methods() -> dict[str, Method]:
    """Return the methods registered so far, by name. Import `neff.stats` first to have them all."""
    return dict(_METHODS)
