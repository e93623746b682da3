"""The adaptor of SDM: a linear map to features, a linear map to logits, trained under the SDM loss.

Similarities and distances are constants of the loss; they are computed anew after every epoch, exactly, in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from neff.sampling.abstention.activation import sdm_loss
from neff.sampling.abstention.estimator import Calibration, Support

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from neff.stats._validate import FloatArray

__all__ = ["Adaptor", "AdaptorRun", "Selection", "Settings", "train_adaptor"]

Selection = Literal["loss", "similarity"]
TRAVEL = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Adaptor:
    """A trained adaptor: features and logits of raw vectors.

    Attributes
    ----------
    mean, scale
        Of all entries of the training matrix: two numbers, not one per column.
    weight, bias
        Shapes (M, D), (M,).
    head, head_bias
        Shapes (C, M), (C,).
    """

    mean: float
    scale: float
    weight: FloatArray
    bias: FloatArray
    head: FloatArray
    head_bias: FloatArray

    def features(self, x: FloatArray) -> FloatArray:
        """Return h', shape (n, M)."""
        return np.asarray((x - self.mean) / self.scale @ self.weight.T + self.bias, np.float64)

    def logits(self, features: FloatArray) -> FloatArray:
        """Return z' of features, shape (n, C)."""
        return np.asarray(features @ self.head.T + self.head_bias, np.float64)


@dataclass(frozen=True, slots=True)
class Settings:
    """How an adaptor is trained; every number is filled in."""

    width: int
    learning_rate: float
    n_epochs: int
    batch_size: int
    max_similarity: int
    selection: Selection = "loss"
    plain: bool = False

    @classmethod
    def of(
        cls, n: int, n_columns: int, *, width: int | None = None, learning_rate: float | None = None,
        n_epochs: int | None = None, batch_size: int = 50, max_similarity: int = 2048, selection: Selection = "loss",
        plain: bool = False,
    ) -> Settings:  # fmt: skip
        """Fill in what is None by the size of the training set.

        The learning rate is such that Adam, which moves a weight by about the rate per step, can move it by 20 times
        its largest initial value 1/sqrt(D) over the whole training; at most 0.01.

        Examples
        --------
        >>> Settings.of(600, 64)
        Settings(width=64, learning_rate=0.00104..., n_epochs=200, batch_size=50, ..., plain=False)
        """
        epochs = 200 if n_epochs is None else n_epochs
        steps = epochs * math.ceil(n / batch_size)
        rate = min(TRAVEL / (math.sqrt(n_columns) * steps), 0.01) if learning_rate is None else learning_rate
        return cls(
            min(n_columns, 1000) if width is None else width, rate, epochs, batch_size, max_similarity, selection, plain
        )


@dataclass(frozen=True, slots=True, eq=False)
class AdaptorRun:
    """One training: the adaptor of the best epoch, and how it went.

    Attributes
    ----------
    adaptor
        Of the best epoch.
    best_epoch, n_epochs
        1-based, of how many.
    criterion
        Class-balanced mean SDM loss on the calibration items after each epoch (or minus the class-balanced mean of the
        median similarity): lower is better.
    best
        Its lowest value; infinite where a class has no calibration item.
    """

    adaptor: Adaptor
    best_epoch: int
    n_epochs: int
    criterion: tuple[float, ...]
    best: float

    @property
    def underfit(self) -> bool:
        """Whether the last epoch was the best one."""
        return self.best_epoch == self.n_epochs


def train_adaptor(
    train: FloatArray,
    labels: NDArray[np.int64],
    calibration: FloatArray,
    calibration_labels: NDArray[np.int64],
    n_classes: int,
    settings: Settings,
    *,
    rng: np.random.Generator,
    tell: Callable[[int], None] | None = None,
) -> AdaptorRun:
    """Train an adaptor, and keep the epoch that does best on the calibration items.

    Parameters
    ----------
    train, labels
        Finite vectors and class codes, shapes (N, D), (N,).
    calibration, calibration_labels
        Shapes (n, D), (n,).
    n_classes
        C.
    settings
        See `Settings.of`. With `plain` the loss is the softmax cross-entropy throughout (q = e - 2, d = 1): the
        control.
    rng
        Initial weights and the order of the items; no other randomness.
    tell
        Called with each epoch when it is done.

    Notes
    -----
    On the CPU, in single precision. An epoch costs one pass, and exact neighbours of the training and calibration items
    among the training items: (N + n) x N x M multiplications.
    """
    mean, scale = float(train.mean()), float(train.std(ddof=1))
    scale = scale if scale > 0 else 1.0
    shapes = {"weight": (settings.width, train.shape[1]), "head": (n_classes, settings.width)}
    start = {}
    for name, (rows, columns) in shapes.items():
        bound = 1 / math.sqrt(columns)
        start[name] = rng.uniform(-bound, bound, (rows, columns))
        start[f"{name}_bias"] = rng.uniform(-bound, bound, rows)
    weights = {name: torch.tensor(values, dtype=torch.float32, requires_grad=True) for name, values in start.items()}
    optimizer = torch.optim.Adam(list(weights.values()), lr=settings.learning_rate)
    x = torch.tensor((train - mean) / scale, dtype=torch.float32)
    y = torch.tensor(labels)
    base = np.ones(len(train))  # ln(2 + q), with q = e - 2 in the first epoch
    d = np.ones(len(train))
    best, best_loss, best_epoch, losses = None, math.inf, 0, []
    for epoch in range(1, settings.n_epochs + 1):
        factor, divisor = (torch.tensor(v, dtype=torch.float32)[:, None] for v in (d * base, base))
        _epoch(weights, optimizer, x, y, factor, divisor[:, 0], rng.permutation(len(train)), settings.batch_size)
        adaptor = _as_adaptor(weights, mean, scale)
        h = adaptor.features(train)
        z = adaptor.logits(h)
        support = Support.of(h, z.argmax(axis=1), labels, settings.max_similarity)
        own = adaptor.features(calibration)
        loss = _criterion(support, own, adaptor.logits(own), calibration_labels, settings)
        losses.append(loss)
        if loss <= best_loss:
            best, best_loss, best_epoch = adaptor, loss, epoch
        if not settings.plain and epoch < settings.n_epochs:
            placed = Calibration.of(support, h, z, labels, own=True)
            base, d = np.log(2.0 + placed.similarity), placed.distance_quantile
        if tell is not None:
            tell(epoch)
    return AdaptorRun(
        adaptor if best is None else best, best_epoch or settings.n_epochs, settings.n_epochs, tuple(losses), best_loss
    )


def _epoch(
    weights: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
    factor: torch.Tensor,
    divisor: torch.Tensor,
    order: NDArray[np.int64],
    batch_size: int,
) -> None:
    for begin in range(0, len(order), batch_size):
        rows = torch.from_numpy(order[begin : begin + batch_size])
        h = torch.nn.functional.linear(x[rows], weights["weight"], weights["weight_bias"])
        z = torch.nn.functional.linear(h, weights["head"], weights["head_bias"])
        each = torch.nn.functional.cross_entropy(factor[rows] * z, y[rows], reduction="none") / divisor[rows]
        optimizer.zero_grad()
        each.mean().backward()
        optimizer.step()


def _as_adaptor(weights: dict[str, torch.Tensor], mean: float, scale: float) -> Adaptor:
    arrays = {name: tensor.detach().numpy().astype(np.float64) for name, tensor in weights.items()}
    return Adaptor(mean, scale, arrays["weight"], arrays["weight_bias"], arrays["head"], arrays["head_bias"])


def _criterion(
    support: Support, features: FloatArray, logits: FloatArray, labels: NDArray[np.int64], settings: Settings
) -> float:
    """Return what is lowest at the best epoch, each class counting the same."""
    n_classes = logits.shape[1]
    if len(np.unique(labels)) < n_classes:
        return math.inf
    if settings.plain:
        values = sdm_loss(logits, np.full(len(labels), math.e - 2), np.ones(len(labels)))[
            np.arange(len(labels)), labels
        ]
        return float(np.mean([values[labels == c].mean() for c in range(n_classes)]))
    placed = Calibration.of(support, features, logits, labels)
    if settings.selection == "similarity":
        return -float(np.mean([np.median(placed.similarity[labels == c]) for c in range(n_classes)]))
    values = sdm_loss(logits, placed.similarity, placed.distance_quantile)[np.arange(len(labels)), labels]
    return float(np.mean([values[labels == c].mean() for c in range(n_classes)]))
