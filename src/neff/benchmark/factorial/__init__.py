"""Grids of evaluations: which factor matters, which interaction, for what unit, and what was chosen by looking."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "ContingencyTest": "contingency",
    "FactorialResult": "result",
    "FrozenChoice": "validation",
    "LearningCurve": "learning",
    "Term": "result",
    "UnitTest": "result",
    "chi_squared": "contingency",
    "choose_on_dev": "validation",
    "factorial": "analysing",
    "fit_learning_curve": "learning",
    "split_items": "validation",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
