"""What is wrong with a fit that still gives decisions, each under a name of its own."""

from __future__ import annotations

from neff.errors import NeffWarning

__all__ = ["AbstentionWarning", "NoRegionWarning", "RestartWarning", "UnderfitWarning"]


class AbstentionWarning(NeffWarning):
    """Root of the warnings about abstention."""


class NoRegionWarning(AbstentionWarning):
    """No region of the calibration items reaches the target for every class: every item is refused."""


class UnderfitWarning(AbstentionWarning):
    """The best epoch is the last one: more epochs, or a larger learning rate, would do better."""


class RestartWarning(AbstentionWarning):
    """A restart of estimator U has no region: the offset for the variation between restarts is not defined."""
