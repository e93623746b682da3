"""Multiple-choice answers: what a model prefers by content, and what by the place or letter of the option."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "LetterBias": "letters",
    "LetterBiases": "letters",
    "OptionOrder": "order",
    "PopulationComparison": "populations",
    "adjusted_answers": "order",
    "compare_populations": "populations",
    "entropy_share": "divergence",
    "kl_divergence": "divergence",
    "letter_bias": "letters",
    "option_orders": "order",
    "uniform_tail": "order",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
