"""The trained part of Similarity-Distance-Magnitude estimators: an adaptor on torch, and the classifier around it."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "Adaptor": "adaptor",
    "AdaptorRun": "adaptor",
    "SDMClassifier": "classifier",
    "train_adaptor": "adaptor",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
