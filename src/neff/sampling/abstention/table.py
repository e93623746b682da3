"""`abstention_table`: which ways to abstain keep their promise, on the same items and under a shift.

What it estimates: for each way to abstain, how many items of a set are answered and how many of the answers are right,
over all and by right and predicted class, with exact bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.sampling.abstention._check import check_target
from neff.sampling.abstention.gates import METHODS, gates
from neff.sampling.abstention.items import as_items
from neff.sampling.abstention.selective import risk_coverage
from neff.sampling.abstention.table_result import AbstentionTable, grade
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_level, check_vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neff.sampling.abstention.gates import Gate
    from neff.sampling.abstention.items import Items
    from neff.sampling.abstention.selective import RiskCoverage

__all__ = ["abstention_table"]


def abstention_table(
    logits: Any,
    labels: Any,
    split: Any,
    *,
    features: Any = None,
    classes: Sequence[Any] | None = None,
    probabilities: bool = False,
    methods: Sequence[str] | None = None,
    sdm: Any = None,
    confidences: Mapping[str, Any] | None = None,
    log_weights: Any = None,
    target: float = 0.95,
    gate_quantile: float = 0.95,
    level: float = 0.95,
    rng: Any = None,
) -> AbstentionTable:
    """Put ways to abstain side by side on the same items, and on items from elsewhere.

    Use it before a classifier or verifier answers on its own. Bring a shifted set: what holds on items like the
    calibration items says nothing about others.

    Parameters
    ----------
    logits
        Shape (n, C), of a classifier that was trained on none of the calibration items; two columns or more.
    labels
        The right class of each item, shape (n,); None or NaN where no class is right.
    split
        "train", "calibration", or the name of a set, shape (n,). All other names are sets to answer.
    features
        Embeddings, shape (n, D), for the distance gate and SDM. An item whose features are not finite is refused by
        both.
    classes
        Names of the columns of the logits; by default 0 to C - 1, or the labels in alphabetical order.
    probabilities
        Whether `logits` are probabilities.
    methods
        Of all, softmax, temperature, threshold, lac, class-conditional, aps, weighted-lac, distance, sdm; by default
        those that the data carry.
    sdm
        An `SDMClassifier`, fitted here on the train and calibration items unless it is fitted; or "given", estimator A
        on features and logits as they are. None: no SDM.
    confidences
        Further confidences by name, of the predictions of `logits`, shape (n,): answered from the target on.
    log_weights
        Log likelihood ratios of the inputs, sets over calibration, shape (n,), for weighted-lac.
    target
        Accuracy wanted among the answered items, above 1/2.
    gate_quantile
        Share of calibration items within the distance gate.
    level
        Coverage of each interval, and of the bound behind "threshold".
    rng
        For the random part of APS (SPEC 7).

    Returns
    -------
    AbstentionTable
        A row per set and method.

    Raises
    ------
    ArgumentError
        If shapes do not fit, a label is no class, or a method needs what is not given.

    Notes
    -----
    Intervals are Clopper and Pearson's, each for itself: of very many rows some miss. A verdict is about all answers of
    a row; look at the worst class too. Calibration items are used by all methods alike; an `SDMClassifier` with
    restarts pools them with the training items and splits anew. Cost: that of exact neighbours, items x training items
    x D.

    References
    ----------
    Schmaltz, Similarity-Distance-Magnitude Universal Verification. arXiv:2502.20167

    Examples
    --------
    >>> rng = np.random.default_rng(5)
    >>> label = np.arange(900) % 2
    >>> x = rng.normal(size=(900, 2)) * 0.6 + 2 * label[:, None]
    >>> split = np.repeat(["train", "calibration", "test", "shifted"], [300, 300, 200, 100])
    >>> x[800:] = [[9.0, -2.0]]  # all from a place where nothing was seen
    >>> z = np.stack([2 - x.sum(axis=1), x.sum(axis=1) - 2], axis=1)
    >>> table = abstention_table(z, label, split, features=x, methods=["softmax", "distance"], rng=1)
    >>> for row in table.rows:
    ...     print(f"{row.set:7}  {row.method:24}  {row.accuracy.n_right:3} of {row.n_admitted:3}  {row.verdict}")
    test     softmax                   139 of 139  holds
    test     temperature and distance  186 of 186  holds
    shifted  softmax                    50 of 100  fails
    shifted  temperature and distance    0 of   0  not checked
    """
    call = "abstention_table"
    target = check_target(target, call=call)
    level = check_level(level, call=call)
    generator, seed = seeded(rng, call=call)
    items = as_items(
        logits, labels, split, features=features, classes=classes, probabilities=probabilities,
        log_weights=log_weights, call=call,
    )  # fmt: skip
    chosen = _methods(methods, items, sdm, call)
    options = {
        "target": target,
        "level": level,
        "gate_quantile": gate_quantile,
        "sdm": sdm,
        "seed": int(generator.integers(2**63)),
        "confidences": _confidences(confidences, len(items), call),
        "call": call,
    }
    made = gates(items, chosen, options)
    rows = [_row(items, name, gate, target, level) for name in items.sets for gate in made]
    return AbstentionTable(
        rows=tuple(rows),
        methods=tuple(gate.state for gate in made),
        curves=_curves(items, made),
        target=target,
        level=level,
        classes=items.classes,
        n_train=len(items.train),
        n_calibration=len(items.calibration),
        seed=seed,
        notes=_notes(items, made, chosen),
    )


def _methods(methods: Sequence[str] | None, items: Items, sdm: Any, call: str) -> tuple[str, ...]:
    if sdm is not None and sdm != "given" and not hasattr(sdm, "decide"):
        raise ArgumentError("sdm", "an SDMClassifier, 'given' or None", sdm, call=call)
    if methods is not None:
        found = tuple(methods)
        for name in found:
            check_choice(name, METHODS, argument="methods", call=call)
        if "sdm" in found and sdm is None:
            raise ArgumentError("sdm", "an SDMClassifier or 'given' where methods has 'sdm'", None, call=call)
        return found
    missing = set()
    if items.log_weights is None:
        missing.add("weighted-lac")
    if items.features is None or not len(items.train):
        missing.add("distance")
    if sdm is None:
        missing.add("sdm")
    return tuple(name for name in METHODS if name not in missing)


def _confidences(given: Mapping[str, Any] | None, n: int, call: str) -> dict[str, Any]:
    found = {}
    for name, values in (given or {}).items():
        vector = check_vector(values, argument=f"confidences[{name!r}]", call=call, allow_nan=True)
        if len(vector) != n:
            raise ArgumentError(f"confidences[{name!r}]", f"of shape ({n},)", f"length {len(vector)}", call=call)
        found[str(name)] = np.where(np.isnan(vector), -np.inf, vector)
    return found


def _row(items: Items, name: str, gate: Gate, target: float, level: float) -> Any:
    rows = items.rows(name)
    return grade(
        name,
        gate.state.name,
        items.labels[rows],
        gate.predicted[rows],
        gate.admitted[rows],
        items.classes,
        target,
        level,
    )


def _curves(items: Items, made: Sequence[Gate]) -> dict[tuple[str, str], RiskCoverage]:
    """Return the curve of each set and each method with an order, on the labelled items."""
    found = {}
    for name in items.sets:
        rows = items.rows(name)
        rows = rows[items.labels[rows] >= 0]
        for gate in made:
            if gate.confidence is not None and len(rows):
                wrong = (gate.predicted[rows] != items.labels[rows]).astype(np.float64)
                found[name, gate.state.name] = risk_coverage(gate.confidence[rows], wrong)
    return found


def _notes(items: Items, made: Sequence[Gate], chosen: Sequence[str]) -> tuple[str, ...]:
    found = [f"{gate.state.name}: {gate.state.reason}." for gate in made if gate.state.reason is not None]
    found += [f"{gate.state.name}: {note}" for gate in made for note in gate.state.notes]
    if len(items.sets) == 1:
        found.append("There is one set: nothing here says what happens on other inputs.")
    if "distance" not in chosen and (items.features is None or not len(items.train)):
        found.append(
            "Without features of training items there is no distance gate, the cheapest guard against a shift."
        )
    counts = np.bincount(items.labels[items.calibration], minlength=len(items.classes))
    if counts.min() < counts.max() / 3:
        least, most = int(counts.argmin()), int(counts.argmax())
        found.append(
            f"Classes of the calibration items are uneven: {counts[least]} of {items.classes[least]}, "
            f"{counts[most]} of {items.classes[most]}."
        )
    return tuple(dict.fromkeys(found))
