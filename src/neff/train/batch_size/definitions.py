"""What "critical" means: three definitions are in use, and they differ by orders of magnitude."""

from __future__ import annotations

__all__ = ["BATCH_SIZE_DEFINITIONS", "EXAMPLES_DOUBLE", "NO_LOSS"]

NO_LOSS = "no loss of token efficiency"
EXAMPLES_DOUBLE = "twice the examples"

BATCH_SIZE_DEFINITIONS: dict[str, str] = {
    NO_LOSS: "the largest batch that ends a window of examples with no more loss than every smaller batch, "
    "up to a tolerance (branched training)",
    EXAMPLES_DOUBLE: "the batch at which a target loss costs twice the examples, and twice the steps, of the best "
    "possible (the steps-examples trade-off)",
    "20% more steps": "the batch at which a target loss takes 20% more steps than perfect scaling would; it is used "
    "elsewhere, not here",
}
"""The meanings of "critical batch size" in use, by the name that results carry in `definition`."""
