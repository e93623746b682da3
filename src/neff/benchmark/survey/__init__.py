"""Survey answers: preferences for content and for the place of an option, populations, and whole rows held apart."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "ColumnDistance": "discriminator",
    "DiscriminatorTest": "discriminator",
    "LetterBias": "letters",
    "LetterBiases": "letters",
    "OptionOrder": "order",
    "PlaceAndLabel": "crossing",
    "PopulationComparison": "populations",
    "adjusted_answers": "order",
    "compare_populations": "populations",
    "crossed_presentations": "crossing",
    "discriminator_test": "discriminating",
    "entropy_share": "divergence",
    "kl_divergence": "divergence",
    "letter_bias": "letters",
    "option_orders": "order",
    "place_and_label": "crossing",
    "uniform_tail": "order",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
