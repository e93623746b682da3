"""What the result types share: how a number is written, in JSON and for people."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from neff.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "df_from_json",
    "from_json",
    "json_number",
    "json_value",
    "known_fields",
    "pair_from_json",
    "percent",
    "plain",
    "signed",
]


def json_number(value: float) -> float | None:
    """Return the number, or None where it is not finite: strict JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def json_value(value: Any) -> Any:
    """Return a field of a result as a JSON value: a number or None, a reason as its text, anything else as it is."""
    if isinstance(value, float):
        return json_number(value)
    return str(value) if isinstance(value, Reason) else value


def from_json(value: float | None) -> float:
    """Return the number, NaN for None."""
    return math.nan if value is None else float(value)


def df_from_json(data: Mapping[str, Any]) -> float:
    """Return the degrees of freedom; None stands for infinity where there is a standard error, else for NaN."""
    if data.get("df") is not None:
        return float(data["df"])
    return math.nan if data.get("standard_error") is None else math.inf


def pair_from_json(pair: Sequence[float | None]) -> tuple[float, float]:
    """Return an interval, NaN for None."""
    return from_json(pair[0]), from_json(pair[1])


def known_fields(cls: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `data` that are fields of the class; a newer file may hold more."""
    names = {f.name for f in fields(cls)}
    return {name: value for name, value in data.items() if name in names}


def plain(value: float) -> str:
    """Return four digits, or a dash."""
    return "–" if math.isnan(value) else f"{value:.4f}"


def signed(value: float) -> str:
    """Return four digits with a sign, or a dash."""
    return "–" if math.isnan(value) else f"{value:+.4f}"


def percent(level: float) -> str:
    """Return a level as a percentage."""
    return f"{100 * level:g}%"
