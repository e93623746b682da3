"""Every way to abstain as one `Gate` per method: a prediction for each item, and whether it is given."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.sampling.abstention.activation import softmax
from neff.sampling.abstention.conformal import SplitConformal
from neff.sampling.abstention.distance_gate import DistanceGate
from neff.sampling.abstention.estimator import fit_sdm
from neff.sampling.abstention.selective import selective_threshold
from neff.sampling.abstention.temperature import TemperatureScaling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from neff.sampling.abstention.decision import SDMDecision
    from neff.sampling.abstention.items import Items
    from neff.stats._validate import FloatArray

__all__ = ["METHODS", "Gate", "MethodState", "gates"]


@dataclass(frozen=True, slots=True)
class MethodState:
    """What a method was fitted to.

    Attributes
    ----------
    name, says
        The method, and what it admits.
    numbers
        Its thresholds and the like.
    n_eff
        Calibration items that it rests on; a weighted method's effective number.
    reason
        Why it admits nothing, or must not be relied on.
    notes
        Sentences that a reader must know.
    """

    name: str
    says: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    n_eff: float = math.nan
    reason: Reason | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """What a method does with all items, arrays of shape (n,).

    Attributes
    ----------
    state
        What it was fitted to.
    predicted
        Codes of the predictions.
    admitted
        Whether the prediction is given as an answer.
    confidence
        The order in which the method would give answers; None where it has none.
    """

    state: MethodState
    predicted: NDArray[np.int64]
    admitted: NDArray[np.bool_]
    confidence: FloatArray | None = None


class Decider(Protocol):
    """What is asked of a classifier with similarity, distance and magnitude."""

    def fit(self, X: Any, y: Any, X_calibration: Any = None, y_calibration: Any = None) -> Any:
        """Fit to training and calibration items."""

    def decide(self, X: Any) -> SDMDecision:
        """Say what to do with new items."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """Return the parameters."""


def _all(items: Items, options: Mapping[str, Any]) -> list[Gate]:  # noqa: ARG001
    found = items.probabilities
    state = MethodState("all", "every item is answered")
    return [Gate(state, found.argmax(axis=1), np.ones(len(items), np.bool_))]


def _softmax(items: Items, options: Mapping[str, Any]) -> list[Gate]:
    sure = items.probabilities.max(axis=1)
    state = MethodState("softmax", "probability of at least the target", {"threshold": options["target"]})
    return [Gate(state, items.probabilities.argmax(axis=1), sure >= options["target"], sure)]


def _scaled(items: Items) -> tuple[TemperatureScaling, FloatArray]:
    rows = items.calibration
    scaling = TemperatureScaling().fit(items.logits[rows], items.labels[rows])
    return scaling, softmax(items.logits / scaling.temperature_)


def _temperature(items: Items, options: Mapping[str, Any]) -> list[Gate]:
    scaling, p = _scaled(items)
    notes: tuple[str, ...] = ()
    if scaling.reason_ is not None:
        why = "Every calibration item is right" if scaling.temperature_ < 1 else "The logits say nothing of the labels"
        notes = (f"{why}: no temperature is the best one.",)
    state = MethodState(
        "temperature", "probability of at least the target after temperature scaling",
        {"threshold": options["target"], "temperature": scaling.temperature_}, len(items.calibration),
        scaling.reason_, notes,
    )  # fmt: skip
    return [Gate(state, p.argmax(axis=1), p.max(axis=1) >= options["target"], p.max(axis=1))]


def _threshold(items: Items, options: Mapping[str, Any]) -> list[Gate]:
    sure, predicted = items.probabilities.max(axis=1), items.probabilities.argmax(axis=1)
    rows = items.calibration
    found = selective_threshold(
        sure[rows],
        (predicted[rows] != items.labels[rows]).astype(float),
        risk=1 - options["target"],
        level=options["level"],
    )
    says = f"probability above a threshold whose error has an upper {100 * options['level']:g}% bound within the target"
    numbers = {"threshold": found.threshold, "upper_error": found.upper}
    reason = None if found.reason is None else Reason.NO_REGION
    state = MethodState("bounded threshold", says, numbers, len(rows), reason)
    return [Gate(state, predicted, sure > found.threshold)]  # its order is that of softmax


def _conformal(items: Items, options: Mapping[str, Any], name: str, says: str, **kind: Any) -> list[Gate]:
    rows, p = items.calibration, items.probabilities
    weighted = kind.pop("weighted", False)
    sets = SplitConformal(options["target"], rng=options["seed"], **kind)
    weights = items.log_weights if weighted else None
    sets.fit(p[rows], items.labels[rows], log_weights=None if weights is None else weights[rows])
    inside = np.zeros(p.shape, np.bool_)
    asked = items.asked
    inside[asked] = sets.predict_set(p[asked], log_weight=None if weights is None else weights[asked])
    single = inside.sum(axis=1) == 1
    n_eff = float(np.min(sets.n_eff_))
    low, high = sets.spread_
    notes = [f"Coverage given this calibration set lies between {low:.3f} and {high:.3f} in 90% of such sets."]
    if not math.isfinite(np.max(sets.threshold_)) and not weighted:
        notes = ["Too few calibration items for the target: a class is in every set."]
    numbers = {"threshold": float(np.max(sets.threshold_))} if not weighted else {}
    state = MethodState(name, f"sets of one class, {says}", numbers, n_eff, None, tuple(notes))
    return [Gate(state, np.where(single, inside.argmax(axis=1), p.argmax(axis=1)), single)]


def _lac(items: Items, options: Mapping[str, Any]) -> list[Gate]:
    return _conformal(items, options, "LAC", "least ambiguous sets")


def _by_class(items: Items, options: Mapping[str, Any]) -> list[Gate]:
    return _conformal(items, options, "LAC by class", "least ambiguous sets, a threshold per class", by_class=True)


def _aps(items: Items, options: Mapping[str, Any]) -> list[Gate]:
    return _conformal(items, options, "APS", "adaptive prediction sets", score="aps")


def _weighted(items: Items, options: Mapping[str, Any]) -> list[Gate]:
    if items.log_weights is None:
        raise _lacks("log_weights", "given for weighted-lac", options)
    return _conformal(items, options, "weighted LAC", "likelihood-ratio weights", weighted=True)


def _distance(items: Items, options: Mapping[str, Any]) -> list[Gate]:
    if items.features is None or not len(items.train):
        raise _lacks("features", "given for distance, with items of the split 'train'", options)
    scaling, p = _scaled(items)
    gate = DistanceGate(options["gate_quantile"]).fit(items.features[items.train], items.features[items.calibration])
    near = np.zeros(len(items), np.bool_)
    near[items.asked] = gate.predict(items.features[items.asked])
    sure = p.max(axis=1)
    says = (
        f"as temperature, and no further from the training items than {100 * options['gate_quantile']:g}% of the "
        "calibration items"
    )
    numbers = {"threshold": options["target"], "temperature": scaling.temperature_, "distance": gate.threshold_}
    state = MethodState("temperature and distance", says, numbers, len(items.calibration), scaling.reason_)
    return [Gate(state, p.argmax(axis=1), near & (sure >= options["target"]), np.where(near, sure, sure - 1))]


def _sdm(items: Items, options: Mapping[str, Any]) -> list[Gate]:
    chosen = options["sdm"]
    if items.features is None or not len(items.train):
        raise _lacks("features", "given for sdm, with items of the split 'train'", options)
    train, own, asked = items.train, items.calibration, items.asked
    if chosen == "given":
        h, z, y = items.features, items.logits, items.labels
        fit = fit_sdm(h[train], z[train], y[train], h[own], z[own], y[own], target=options["target"])
        found, minimum, reason = fit.decide(h[asked], z[asked]), fit.region.minimum, fit.reason
        notes: tuple[str, ...] = ("Features and logits as given, no adaptor trained.",)
    else:
        model = _fit(chosen, items)
        found, minimum, reason = model.decide(items.features[asked]), model.region_.minimum, model.reason_
        notes = tuple(model.warnings_)
    p = np.where(np.isnan(found.probability), 0.0, found.probability)
    numbers = {"minimum_similarity": minimum}
    kinds = (
        ("SDM", "SDM probability of at least the target", p >= options["target"]),
        ("SDM region", "in the high-reliability region", found.admitted),
        ("SDM region, lower", "in that region at the lower end of its band", found.admitted_low),
    )
    made = []
    for k, (name, says, admitted) in enumerate(kinds):
        whole, predicted, sure = np.zeros(len(items), np.bool_), np.zeros(len(items), np.int64), np.zeros(len(items))
        whole[asked], predicted[asked], sure[asked] = admitted, np.maximum(found.predicted, 0), p
        state = MethodState(name, says, numbers, len(own), reason if k else None, notes if not k else ())
        made.append(Gate(state, predicted, whole, sure if not k else None))
    return made


def _fit(chosen: Any, items: Items) -> Any:
    """Return a fitted classifier: the one that is given where it is fitted, else a copy fitted here."""
    if hasattr(chosen, "classes_"):
        if list(map(str, chosen.classes_)) != list(map(str, range(len(items.classes)))):
            fix = "Fit it on codes 0 to C - 1, or give it unfitted."
            raise ArgumentError("sdm", "fitted to the codes of the classes", list(chosen.classes_), fix)
        return chosen
    if items.features is None:
        raise ArgumentError("features", "given with sdm", None)
    copy = type(chosen)(**chosen.get_params(deep=False))
    train, own = items.train, items.calibration
    return copy.fit(items.features[train], items.labels[train], items.features[own], items.labels[own])


def _lacks(argument: str, must: str, options: Mapping[str, Any]) -> ArgumentError:
    return ArgumentError(argument, must, None, "Leave the method out, or give them.", call=options["call"])


METHODS: dict[str, Callable[[Items, Mapping[str, Any]], list[Gate]]] = {
    "all": _all,
    "softmax": _softmax,
    "temperature": _temperature,
    "threshold": _threshold,
    "lac": _lac,
    "class-conditional": _by_class,
    "aps": _aps,
    "weighted-lac": _weighted,
    "distance": _distance,
    "sdm": _sdm,
}
"""Methods of `abstention_table` by their option."""


def gates(items: Items, methods: tuple[str, ...], options: Mapping[str, Any]) -> list[Gate]:
    """Return the gates of the methods, and of confidences that a user gives."""
    found = [gate for name in methods for gate in METHODS[name](items, options)]
    predicted = items.probabilities.argmax(axis=1)
    for name, values in options["confidences"].items():
        state = MethodState(name, "the confidence given is at least the target", {"threshold": options["target"]})
        found.append(Gate(state, predicted, values >= options["target"], values))
    return found
