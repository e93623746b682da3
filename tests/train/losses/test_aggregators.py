"""Aggregators against loops, and against their meaning."""

from __future__ import annotations

import pytest
import torch

from neff.train.losses import AGGREGATORS, aggregate

VALUES = torch.tensor([[1.0, 2.0, 3.0], [4.0, 9.0, 9.0], [5.0, 7.0, 9.0], [9.0, 9.0, 9.0], [1.0, 1.0, 9.0]])
MASK = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 0]])
ROWS = [[1.0, 2, 3], [4.0], [7.0], [1.0, 1]]

EXPECTED = {
    "token-mean": 19 / 7,
    "local-token-mean": 19 / 7,
    "token-sum": 19.0,
    "seq-mean-token-mean": (2 + 4 + 7 + 1) / 4,
    "seq-mean-token-sum": 19 / 4,
    "seq-mean-token-sum-norm": 19 / 4 / 3,
}


@pytest.mark.parametrize("how", AGGREGATORS)
def test_each_aggregator(how):
    values = VALUES.masked_fill(MASK == 0, float("nan")).requires_grad_()
    got = aggregate(values, MASK, how=how)
    assert got.item() == pytest.approx(EXPECTED[how], rel=1e-6)
    got.backward()
    assert values.grad.isfinite().all()
    assert not values.grad[MASK == 0].any()


def test_a_response_without_a_token_is_no_response():
    for how in AGGREGATORS:
        keep = torch.tensor([0, 1, 2, 4])
        assert aggregate(VALUES, MASK, how=how) == aggregate(VALUES[keep], MASK[keep], how=how)


def test_sizes_of_the_whole_step():
    assert aggregate(VALUES, MASK, how="token-mean", n_tokens=38).item() == pytest.approx(0.5)
    assert aggregate(VALUES, MASK, how="token-mean", n_tokens=torch.tensor(38)).item() == pytest.approx(0.5)
    assert aggregate(VALUES, MASK, how="local-token-mean", n_tokens=38).item() == pytest.approx(19 / 7)
    assert aggregate(VALUES, MASK, how="seq-mean-token-sum", n_sequences=19).item() == pytest.approx(1.0)
    got = aggregate(VALUES, MASK, how="seq-mean-token-sum-norm", n_sequences=19, norm_length=4)
    assert got.item() == pytest.approx(0.25)


def test_nothing_is_zero():
    for how in AGGREGATORS:
        assert aggregate(VALUES, torch.zeros(5, 3), how=how) == 0
        assert aggregate(torch.zeros(0, 3), torch.zeros(0, 3), how=how) == 0
