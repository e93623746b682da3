"""Adam and gradient clipping for many runs in one tensor, each with a learning rate of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["Adam", "clip"]

BETA1, BETA2, EPS, MAX_NORM = 0.9, 0.95, 1e-8, 1.0


class Adam:
    """`torch.optim.AdamW` without weight decay, one row per run.

    Parameters
    ----------
    theta
        Parameters (R, P), for shape and type.
    """

    def __init__(self, theta: Tensor) -> None:
        self._mean = torch.zeros_like(theta)
        self._square = torch.zeros_like(theta)
        self._steps = [0] * len(theta)

    def change(self, gradient: Tensor, rates: Sequence[float], active: Sequence[bool] | None = None) -> Tensor:
        """Return what to add to the parameters.

        Parameters
        ----------
        gradient
            Shape (R, P).
        rates
            Learning rate of each run.
        active
            Which runs make a step; the others keep their state, and get 0. By default all.
        """
        mean = torch.lerp(self._mean, gradient, 1 - BETA1)
        square = (self._square * BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        moves = [True] * len(rates) if active is None else list(active)
        if not all(moves):
            row = torch.tensor(moves)[:, None]
            mean, square = torch.where(row, mean, self._mean), torch.where(row, square, self._square)
        self._mean, self._square = mean, square
        self._steps = [count + move for count, move in zip(self._steps, moves, strict=True)]
        # Python floats: a power in a tensor may round differently in a longer one.
        sizes = [-r * m / (1 - BETA1 ** max(k, 1)) for r, m, k in zip(rates, moves, self._steps, strict=True)]
        roots = [(1 - BETA2 ** max(k, 1)) ** 0.5 for k in self._steps]
        return self._column(sizes) * mean / (square.sqrt() / self._column(roots) + EPS)

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self._mean.dtype)[:, None]


def clip(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return gradients (R, P) of norm at most 1, and the norms (R,) before, in float64: weights can be huge."""
    norm = torch.linalg.vector_norm(gradient, dim=1, dtype=torch.float64)
    scale = (MAX_NORM / (norm + 1e-6)).clamp(max=1.0)
    return gradient * scale.to(gradient.dtype)[:, None], norm
