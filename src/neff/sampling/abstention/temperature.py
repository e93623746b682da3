"""`TemperatureScaling`: one number that makes the probabilities of a classifier as sure as it is right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.sampling.abstention._check import check_codes_of, check_matrix
from neff.sampling.abstention._parameters import Parameters
from neff.sampling.abstention.activation import log_softmax, softmax

if TYPE_CHECKING:
    from neff.stats._validate import FloatArray

__all__ = ["TemperatureScaling"]

LOWEST, HIGHEST = math.log(1e-3), math.log(1e3)


class TemperatureScaling(Parameters):
    """Divide logits by the temperature with the highest likelihood of held-out labels.

    Use it before any threshold on probabilities. It changes no prediction, and not the order of items within one
    prediction much; it does not help under shift, where the held-out items no longer say how sure to be.

    Attributes
    ----------
    temperature_
        Above 1 where the classifier is too sure.
    reason_
        `Reason.NOT_IDENTIFIED` where the likelihood has no highest point: every held-out label is predicted, and the
        temperature is the smallest that is tried, 0.001; or the logits say nothing of the labels, and it is 1000.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> label = np.arange(500) % 2
    >>> logits = 3 * (rng.normal(size=(500, 2)) + np.eye(2)[label])  # three times too sure
    >>> round(TemperatureScaling().fit(logits, label).temperature_, 1)
    3.0
    """

    temperature_: float
    reason_: Reason | None

    def fit(self, logits: Any, labels: Any) -> TemperatureScaling:
        """Find the temperature.

        Parameters
        ----------
        logits
            Shape (n, C), of items that the classifier was not trained on.
        labels
            Codes of their classes, the columns of the logits, shape (n,).
        """
        call = "TemperatureScaling.fit"
        z = check_matrix(logits, argument="logits", call=call)
        if not len(z) or z.shape[1] < 2:
            raise ArgumentError("logits", "of one item and two classes or more", f"shape {z.shape}", call=call)
        y = check_codes_of(labels, argument="labels", call=call, n=len(z), n_classes=z.shape[1])
        from scipy.optimize import minimize_scalar

        rows = np.arange(len(z))

        def loss(log_temperature: float) -> float:
            return -float(log_softmax(z / math.exp(log_temperature))[rows, y].mean())

        found = minimize_scalar(loss, bounds=(LOWEST, HIGHEST), method="bounded", options={"xatol": 1e-7})
        right = bool((z[rows, y] >= z.max(axis=1)).all())
        self.temperature_ = math.exp(LOWEST) if right else math.exp(float(found.x))
        at_end = float(found.x) > HIGHEST - 1e-3
        self.reason_ = Reason.NOT_IDENTIFIED if right or at_end else None
        return self

    def predict_proba(self, logits: Any) -> FloatArray:
        """Return the probabilities of new items, shape (n, C)."""
        temperature = self._fitted("temperature_", "predict_proba")
        return softmax(check_matrix(logits, argument="logits", call="TemperatureScaling.predict_proba") / temperature)
