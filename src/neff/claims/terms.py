"""What is declared about a claim before any seed is run, and what is refused."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from neff.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GIB", "Kind", "Terms", "check_terms"]

Kind = Literal["difference", "ratio", "level"]

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Terms:
    """What was declared about a claim before any seed was run. The fields are the arguments of `claim`."""

    says: str
    paper: str | None = None
    published: float | str | None = None
    kind: Kind = "difference"
    margin: float = 0.0
    lower_is_better: bool = False
    level: float = 0.95
    bounds: tuple[float, float] | None = None
    budget: int = 50
    min_seeds: int = 5
    tolerate: int = 0
    deterministic: bool = False
    needs: tuple[str, ...] = ()
    time_limit: float = 120.0
    memory_limit: int = 4 * GIB
    watch: tuple[str, ...] = ()
    quick: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Terms:
        """Rebuild from `to_dict`; what a newer version added is left out."""
        names = {f.name for f in fields(cls)}
        known = {name: value for name, value in data.items() if name in names}
        for name in ("needs", "watch", "bounds"):
            if known.get(name) is not None:
                known[name] = tuple(known[name])
        return cls(**known)


def check_terms(terms: Terms) -> None:
    """Refuse terms that make no sense."""
    says: Any = terms.says
    if not isinstance(says, str) or not says.strip():
        raise ArgumentError("says", "a sentence", says, "Say what is claimed.", call="claim")
    if terms.kind not in get_args(Kind):
        raise ArgumentError("kind", "one of " + ", ".join(get_args(Kind)), terms.kind, call="claim")
    if not _finite(terms.margin):
        raise ArgumentError("margin", "a finite number", terms.margin, call="claim")
    if terms.kind == "ratio" and terms.margin <= 0:
        raise ArgumentError(
            "margin", "above 0 for a ratio", terms.margin, "1 is no improvement, 1.2 is 20% more.", call="claim"
        )
    if not _finite(terms.level) or not 0.5 <= terms.level < 1:
        hint = f"Did you mean {terms.level / 100:g}?" if _finite(terms.level) and 50 <= terms.level < 100 else ""
        raise ArgumentError("level", "in [0.5, 1)", terms.level, hint, call="claim")
    _check_bounds(terms)
    _check_counts(terms)


def _check_bounds(terms: Terms) -> None:
    bounds: Any = terms.bounds
    if bounds is None:
        return
    if len(bounds) != 2 or not all(map(_finite, bounds)) or bounds[0] >= bounds[1]:
        raise ArgumentError("bounds", "a pair (lowest, highest)", bounds, "For example (0, 1).", call="claim")
    if terms.kind == "ratio":
        raise ArgumentError("bounds", "left out for a ratio", bounds, "A ratio is taken on a log scale.", call="claim")


def _check_counts(terms: Terms) -> None:
    for argument, least in (("budget", 2), ("min_seeds", 2), ("tolerate", 0)):
        value = getattr(terms, argument)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ArgumentError(argument, f"a whole number of at least {least}", value, call="claim")
    for argument in ("time_limit", "memory_limit"):
        value = getattr(terms, argument)
        if not _finite(value) or value <= 0:
            unit = "seconds" if argument == "time_limit" else "bytes"
            raise ArgumentError(argument, f"a positive number of {unit}", value, call="claim")


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
