"""The queue of old policies is the queue of batches that it stands for."""

from __future__ import annotations

from collections import deque

import pytest
import torch

from neff.testing.staleness.lag import PolicyQueue


@pytest.mark.parametrize("k", [0, 1, 4, 7])
def test_a_queue_of_policies_is_a_queue_of_batches(k):
    """The batch that a FIFO of k batches, filled with the first policy's, gives out at every step."""
    batches = deque([0] * k)  # k batches of policy 0, before training
    queue = PolicyQueue([k])
    for step in range(23):
        batches.append(step)  # the policy before this step's update adds a batch
        queue.put(torch.tensor([[float(step)]]))
        trained_on = batches.popleft()
        assert trained_on == max(0, step - k)
        assert queue.oldest().item() == trained_on
        assert queue.age(0) == step - trained_on


def test_each_run_has_a_lag_of_its_own():
    lags = [5, 0, 2, 11]
    queue = PolicyQueue(lags)
    for step in range(17):
        queue.put(torch.arange(4.0)[:, None] + 100 * step)
        expected = [run + 100 * max(0, step - k) for run, k in enumerate(lags)]
        assert queue.oldest().flatten().tolist() == expected
        assert [queue.age(run) for run in range(4)] == [min(step, k) for k in lags]
