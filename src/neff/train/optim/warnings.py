"""What is wrong with an optimizer step that is still defined, each under a name of its own."""

from __future__ import annotations

from neff.errors import TrainingWarning

__all__ = [
    "AlignmentWarning",
    "DroppedRatioWarning",
    "MissingLogProbsWarning",
    "SkippedStepWarning",
    "UnstableGradientWarning",
]


class MissingLogProbsWarning(TrainingWarning):
    """No log-probabilities of the sampler for some of the batch: the learning rate is not scaled in this step."""


class DroppedRatioWarning(TrainingWarning):
    """Some log-ratios are NaN or plus infinity; they are left out of the effective sample size."""


class SkippedStepWarning(TrainingWarning):
    """The batch holds no usable response, or no weight above 0: the optimizer step is skipped."""


class UnstableGradientWarning(TrainingWarning):
    """The gradient of a half batch holds NaN or infinity: its module keeps its old factor."""


class AlignmentWarning(TrainingWarning):
    """The batch size was rounded up to a whole number of micro-batches on every rank."""
