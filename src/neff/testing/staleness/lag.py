"""Lag in optimizer steps: the batch of step t was sampled by the policy of step t - k."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["PolicyQueue"]


class PolicyQueue:
    """The policies that sampled the batches of a first-in-first-out queue of k batches, k per run.

    A queue of k batches begins with k batches of the first policy; each step adds a batch of the policy before the
    update and trains on the oldest. So step t trains on data from step max(0, t - k). A batch is sampled when it is
    taken out, not when it is put in: the same batch, and none is sampled that nobody trains on.

    Parameters
    ----------
    lags
        k of each run, 0 or more.

    Examples
    --------
    >>> queue = PolicyQueue([0, 2])
    >>> for step in range(4):
    ...     queue.put(torch.full((2, 1), float(step)))
    ...     print(queue.oldest().flatten().tolist())
    [0.0, 0.0]
    [1.0, 0.0]
    [2.0, 0.0]
    [3.0, 1.0]
    """

    def __init__(self, lags: Sequence[int]) -> None:
        self._lags = list(lags)
        self._policies: deque[Tensor] = deque(maxlen=max(self._lags, default=0) + 1)

    def put(self, theta: Tensor) -> None:
        """Add the policies of all runs (R, P) before this step's update; the tensor is kept and must not change."""
        self._policies.append(theta)

    def oldest(self) -> Tensor:
        """Return the policies (R, P) whose batches this step trains on."""
        newest = len(self._policies) - 1
        return torch.stack([self._policies[max(0, newest - k)][run] for run, k in enumerate(self._lags)])

    def age(self, run: int) -> int:
        """Return how many steps old the batch of a run is now; less than its lag in the first steps."""
        return min(self._lags[run], len(self._policies) - 1)
