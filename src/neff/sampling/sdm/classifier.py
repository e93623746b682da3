"""`SDMClassifier`: a classifier on embeddings that knows where it must not answer, with scikit-learn's interface."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.sampling.abstention._check import check_matrix, check_target, finite_rows
from neff.sampling.abstention._parameters import Parameters
from neff.sampling.abstention.estimator import Calibration, Support, fit_calibrated
from neff.sampling.abstention.table_result import grade
from neff.sampling.abstention.universal import UniversalEstimator, fit_universal, with_restarts
from neff.sampling.abstention.warnings import NoRegionWarning, RestartWarning, UnderfitWarning
from neff.sampling.sdm.adaptor import Settings, train_adaptor
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from neff.sampling.abstention.decision import SDMDecision
    from neff.sampling.abstention.estimator import SDMEstimator
    from neff.sampling.abstention.region import Region
    from neff.sampling.abstention.table_result import AbstentionRow
    from neff.sampling.sdm.adaptor import Adaptor, AdaptorRun, Selection
    from neff.stats._validate import FloatArray

__all__ = ["SDMClassifier"]

Estimator = Literal["A", "U"]
Rule = Literal["center", "lower", "ensemble"]


class SDMClassifier(Parameters):
    """Similarity-Distance-Magnitude classifier on embeddings of a frozen model.

    Use it where an answer must be given only where it is right with probability `target`, for every class, and where
    inputs may come from elsewhere: a linear adaptor is trained, and an item is answered only if its neighbors in the
    training set agree with it, it is as near to them as calibration items are, and its probability is high. Compare
    with the distance gate in `abstention_table` first, which is cheaper and often does nearly as much.

    Parameters
    ----------
    target
        Accuracy wanted among the answered items of every class, above 0.5 (estimator U: above 1/C): the paper's alpha.
    estimator
        "A": Similarity-Distance-Magnitude Activations, the author's later and canonical form. "U": Universal
        Verification, the earlier one, which answers by its lower bound.
    n_restarts
        How often training and calibration items are pooled, split anew and trained on; the best one is kept.
    width
        M, the columns of the adaptor's features; by default the columns of X, at most 1000.
    n_epochs, batch_size
        By default 200 epochs (50 for U) of batches of 50.
    learning_rate
        By default by the size of the data, see `Settings.of`. The papers use 1e-5 with about 10^4 items of more than
        3000 columns and `width=1000`.
    max_similarity
        The longest similarity that is counted.
    rng
        SPEC 7: initial weights, splits and order.
    tell
        Called with (restart, epoch) as they are done.

    Attributes
    ----------
    classes_
        Class labels, in the order of the columns of `predict_proba`.
    region_
        The high-reliability region: smallest rescaled similarity, a threshold per class.
    reason_
        `Reason.NO_REGION` where no region reaches the target: nothing is ever answered. `Reason.UNDERFIT` where the
        best epoch is the last one. None where all is well.
    warnings_
        The same in sentences; they are also issued as warnings when fitting.
    calibration_
        How the region does on its own calibration items: admitted share, accuracy by class with exact bounds. Too good,
        as the region was chosen on them.
    regions_
        The region of every restart.
    runs_
        One `AdaptorRun` per restart, in order; `best_` is the place of the one that is kept.
    n_features_in_
        Columns of X.

    Notes
    -----
    Not a finite-sample guarantee, see `fit_sdm`. Classes are stratified in every split, where the reference shuffles.
    Cost per restart and epoch: exact neighbours, (N + n) x N x `width` multiplications; the support is kept.

    References
    ----------
    Schmaltz, Similarity-Distance-Magnitude Activations. arXiv:2509.12760
    Schmaltz, Similarity-Distance-Magnitude Universal Verification. arXiv:2502.20167

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(600) % 2
    >>> x = rng.normal(size=(600, 5)) + 2.5 * y[:, None]
    >>> model = SDMClassifier(n_restarts=1, n_epochs=80, rng=1).fit(x, y)
    >>> model.predict(x[:4]).tolist()
    [0, 1, 0, 1]
    >>> found = model.decide([[2.4] * 5, [40.0] * 5])
    >>> found.admitted.tolist()
    [True, False]
    """

    classes_: NDArray[Any]
    region_: Region
    regions_: tuple[Region, ...]
    reason_: Reason | None
    warnings_: tuple[str, ...]
    calibration_: AbstentionRow
    runs_: tuple[AdaptorRun, ...]
    best_: int
    n_features_in_: int

    _estimator_type = "classifier"

    def __init__(
        self, target: float = 0.95, *, estimator: Estimator = "A", n_restarts: int = 10, width: int | None = None,
        n_epochs: int | None = None, batch_size: int = 50, learning_rate: float | None = None,
        max_similarity: int = 2048, rng: Any = None, tell: Callable[[int, int], None] | None = None,
    ) -> None:  # fmt: skip
        self.target = target
        self.estimator = estimator
        self.n_restarts = n_restarts
        self.width = width
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_similarity = max_similarity
        self.rng = rng
        self.tell = tell

    def fit(self, X: Any, y: Any, X_calibration: Any = None, y_calibration: Any = None) -> SDMClassifier:
        """Train the adaptor and find the region.

        Parameters
        ----------
        X, y
            Embeddings, shape (n, D), and labels, shape (n,).
        X_calibration, y_calibration
            Calibration items. By default half of X is set aside. The first restart keeps the two apart as given; later
            ones pool them.

        Warns
        -----
        NoRegionWarning
            If no region reaches the target.
        UnderfitWarning
            If the best epoch is the last one.
        RestartWarning
            If a restart of estimator U has no region.
        """
        x, codes, n_train = self._data(X, y, X_calibration, y_calibration)
        n_classes = len(self.classes_)
        settings = self._settings(n_train or len(x) // 2, x.shape[1])
        generator, self._seed = seeded(self.rng, call="SDMClassifier.fit")
        children = generator.spawn(check_count(self.n_restarts, argument="n_restarts", call="SDMClassifier", minimum=1))
        runs, fits = [], []
        for restart, child in enumerate(children):
            rows, own = self._split(codes, n_train, restart, child)
            tell = None if self.tell is None else partial(self.tell, restart)
            run = train_adaptor(x[rows], codes[rows], x[own], codes[own], n_classes, settings, rng=child, tell=tell)
            runs.append(run)
            fits.append(self._fit_one(run.adaptor, x[rows], codes[rows], x[own], codes[own], child))
        best = min(range(len(runs)), key=lambda i: (runs[i].best, -i))  # of equals the later one
        self.runs_, self.best_ = tuple(runs), best
        self._adaptors, self._fits = [run.adaptor for run in runs], [fit for fit, _ in fits]
        offset, chosen = True, self._fits[best]
        if isinstance(chosen, UniversalEstimator):
            every = [fit for fit in self._fits if isinstance(fit, UniversalEstimator)]
            self._fits[best], offset = with_restarts(chosen, every)
        self.region_ = self._fits[best].region
        self.regions_ = tuple(fit.region for fit, _ in fits)
        self.n_features_in_ = x.shape[1]
        self._report(offset=offset)
        features, labels = fits[best][1]
        self.calibration_ = self._graded("calibration", features, labels)
        return self

    def decide(self, X: Any) -> SDMDecision:
        """Return what the estimator says about new items; a row that is not finite is refused.

        Parameters
        ----------
        X
            Embeddings, shape (n, D).
        """
        fits = self._fitted("_fits", "decide")
        x = check_matrix(X, argument="X", call="SDMClassifier.decide", columns=self.n_features_in_, finite=False)
        good = finite_rows(x)
        found = self._one(fits[self.best_], self._adaptors[self.best_], x[good])
        return found if good.all() else found.spread(good)

    def admit(self, X: Any, *, rule: Rule | None = None) -> NDArray[np.bool_]:
        """Return which items are answered, shape (n,).

        Parameters
        ----------
        X
            Embeddings, shape (n, D).
        rule
            "center": in the region. "lower": still in it at the lower end of the band, for deployment. "ensemble": all
            restarts agree on the class, and all would answer by "lower". By default "center" for estimator A and
            "lower" for U, as in the papers.
        """
        chosen = ("lower" if self.estimator == "U" else "center") if rule is None else rule
        check_choice(chosen, get_args(Rule), argument="rule", call="SDMClassifier.admit")
        if chosen != "ensemble":
            found = self.decide(X)
            return found.admitted if chosen == "center" else found.admitted_low
        fits = self._fitted("_fits", "admit")
        x = check_matrix(X, argument="X", call="SDMClassifier.admit", columns=self.n_features_in_, finite=False)
        good = finite_rows(x)
        every = [self._one(fit, adaptor, x[good]) for fit, adaptor in zip(fits, self._adaptors, strict=True)]
        inside = np.zeros(len(x), np.bool_)
        same = np.all([found.predicted == every[0].predicted for found in every], axis=0)
        inside[good] = same & np.all([found.admitted_low for found in every], axis=0)
        return inside

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predicted class of every item, answered or not, shape (n,)."""
        self._fitted("_fits", "predict")
        x = check_matrix(X, argument="X", call="SDMClassifier.predict", columns=self.n_features_in_)
        adaptor = self._adaptors[self.best_]
        return np.asarray(self.classes_[adaptor.logits(adaptor.features(x)).argmax(axis=1)])

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the SDM probabilities (of U, the rescaled ones), shape (n, C)."""
        self._fitted("_fits", "predict_proba")
        check_matrix(X, argument="X", call="SDMClassifier.predict_proba", columns=self.n_features_in_)
        return self.decide(X).probabilities

    def score(self, X: Any, y: Any) -> float:
        """Return the accuracy of the predictions of all items, answered or not."""
        return float(np.mean(self.predict(X) == np.asarray(y)))

    def calibration_table(self, X: Any, y: Any, *, name: str = "test") -> AbstentionRow:
        """Return how many items of a labelled set are answered and right, over all and by class, with exact bounds."""
        self._fitted("_fits", "calibration_table")
        x = check_matrix(
            X, argument="X", call="SDMClassifier.calibration_table", columns=self.n_features_in_, finite=False
        )
        labels = np.asarray(y)
        place = {label: code for code, label in enumerate(self.classes_.tolist())}
        codes = np.array([place.get(label, -1) for label in labels.tolist()], np.int64)
        return self._graded(name, x, codes)

    def add_support(self, X: Any, y: Any) -> SDMClassifier:
        """Add labelled items to the support without training: similarities and distances change, predictions do not.

        A label that is no class marks items that are known to be out of distribution: they can only lower similarities.
        """
        fits = self._fitted("_fits", "add_support")
        x = check_matrix(X, argument="X", call="SDMClassifier.add_support", columns=self.n_features_in_)
        place = {label: code for code, label in enumerate(self.classes_.tolist())}
        codes = np.array([place.get(label, -1) for label in np.asarray(y).tolist()], np.int64)
        if len(codes) != len(x):
            raise ArgumentError("y", f"of shape ({len(x)},)", f"length {len(codes)}", call="SDMClassifier.add_support")
        for i, (fit, adaptor) in enumerate(zip(fits, self._adaptors, strict=True)):
            h = adaptor.features(x)
            fits[i] = replace(fit, support=fit.support.plus(h, adaptor.logits(h).argmax(axis=1), codes))
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "classes_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier", target_tags=TargetTags(required=True), classifier_tags=ClassifierTags(),
            input_tags=InputTags(), regressor_tags=None, transformer_tags=None,
        )  # fmt: skip

    # --- The parts of fit.

    def _data(
        self, X: Any, y: Any, X_calibration: Any, y_calibration: Any
    ) -> tuple[FloatArray, NDArray[np.int64], int]:
        """Return all items, their codes, and how many of them, from the first on, are for training; 0: not told."""
        call = "SDMClassifier.fit"
        x = check_matrix(X, argument="X", call=call)
        parts = [np.asarray(y)]
        if (X_calibration is None) != (y_calibration is None):
            raise ArgumentError("y_calibration", "given with X_calibration, and only then", None, call=call)
        n_train = 0
        if X_calibration is not None:
            more = check_matrix(X_calibration, argument="X_calibration", call=call, columns=x.shape[1])
            n_train, x = len(x), np.vstack([x, more])
            parts.append(np.asarray(y_calibration))
        if any(part.ndim != 1 for part in parts) or sum(map(len, parts)) != len(x):
            raise ArgumentError("y", "one label per row", [part.shape for part in parts], call=call)
        labels = np.concatenate(parts)
        if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.round(labels)).all()):
            raise ArgumentError("y", "class labels", "fractions or NaN", "Drop unlabelled rows.", call=call)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2 or np.bincount(codes).min() < 2:
            got = dict(zip(self.classes_.tolist(), np.bincount(codes).tolist(), strict=True))
            raise ArgumentError("y", "of two classes or more, each with two items or more", got, call=call)
        check_choice(self.estimator, get_args(Estimator), argument="estimator", call=call)
        check_target(self.target, call=call, least=0.5 if self.estimator == "A" else 1 / len(self.classes_))
        return x, codes.astype(np.int64), n_train

    def _settings(self, n_train: int, n_columns: int) -> Settings:
        call = "SDMClassifier"
        counts = {"batch_size": self.batch_size, "max_similarity": self.max_similarity}
        counts |= {"width": self.width} if self.width is not None else {}
        counts |= {"n_epochs": self.n_epochs} if self.n_epochs is not None else {}
        checked: dict[str, Any] = {
            name: check_count(v, argument=name, call=call, minimum=1) for name, v in counts.items()
        }
        rate = self.learning_rate
        if rate is not None and not 0 < check_number(rate, argument="learning_rate", call=call) < math.inf:
            raise ArgumentError("learning_rate", "above 0", rate, call=call)
        universal = self.estimator == "U"
        checked.setdefault("n_epochs", 50 if universal else 200)
        selection: Selection = "similarity" if universal else "loss"
        return Settings.of(n_train, n_columns, learning_rate=rate, selection=selection, **checked)

    def _split(
        self, codes: NDArray[np.int64], n_train: int, restart: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of training and calibration: as given at first, else halves of every class."""
        if n_train and not restart:
            return np.arange(n_train), np.arange(n_train, len(codes))
        share = n_train / len(codes) if n_train else 0.5
        first, second = [], []
        for c in range(len(self.classes_)):
            rows = rng.permutation(np.flatnonzero(codes == c))
            cut = min(max(round(share * len(rows)), 1), len(rows) - 1)
            first.append(rows[:cut])
            second.append(rows[cut:])
        return np.concatenate(first), np.concatenate(second)

    def _fit_one(
        self, adaptor: Adaptor, train: FloatArray, labels: NDArray[np.int64], x: FloatArray, own: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> tuple[SDMEstimator | UniversalEstimator, tuple[FloatArray, NDArray[np.int64]]]:  # fmt: skip
        h, k = adaptor.features(train), adaptor.features(x)
        support = Support.of(h, adaptor.logits(h).argmax(axis=1), labels, self.max_similarity)
        placed = Calibration.of(support, k, adaptor.logits(k), own)
        if self.estimator == "U":
            return fit_universal(support, placed, target=self.target, rng=rng), (x, own)
        return fit_calibrated(support, placed, self.target), (x, own)

    def _one(self, fit: SDMEstimator | UniversalEstimator, adaptor: Adaptor, x: FloatArray) -> SDMDecision:
        h = adaptor.features(x)
        z = adaptor.logits(h)
        return fit.decide_on(h, z) if isinstance(fit, UniversalEstimator) else fit.decide(h, z)

    def _graded(self, name: str, x: FloatArray, codes: NDArray[np.int64]) -> AbstentionRow:
        found = self.decide(x)
        admitted = found.admitted_low if self.estimator == "U" else found.admitted
        classes = tuple(map(str, self.classes_.tolist()))
        return grade(name, "SDM region", codes, found.predicted, admitted, classes, self.target, 0.95)

    def _report(self, *, offset: bool) -> None:
        run, region = self.runs_[self.best_], self.region_
        found: list[tuple[type[Warning], str]] = []
        if region.reason is not None:
            others = sum(own.reason is None for own in self.regions_)
            why = "The embeddings or the data are too weak for the target, or training was too short."
            said = f"No region reaches {100 * self.target:g}% for every class: nothing is answered. {why}"
            found.append((NoRegionWarning, f"{said} {others} of {len(self.regions_)} restarts have one."))
        if run.underfit:
            said = f"The last of {run.n_epochs} epochs was the best one: raise n_epochs or learning_rate."
            found.append((UnderfitWarning, said))
        if not offset:
            said = "A restart has no region: the smallest similarity has no offset for the variation between restarts."
            found.append((RestartWarning, said))
        self.reason_ = region.reason or (Reason.UNDERFIT if run.underfit else None)
        self.warnings_ = tuple(said for _, said in found)
        for kind, said in found:
            warnings.warn(said, kind, stacklevel=3)
