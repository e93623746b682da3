"""Norms of scores: two exact ways and the proxy, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from neff.errors import ArgumentError
from neff.train.advantages import score_sqnorm, score_sqnorm_proxy, sum_pi_squared


class Table(nn.Module):
    """A policy that is a table of logits, a row per position."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.randn(5, 7, generator=torch.Generator().manual_seed(1)))

    def forward(self, tokens):
        return self.logits.expand(len(tokens), -1, -1)


def log_prob(call, tokens, mask):
    lp = torch.log_softmax(call(tokens), -1).gather(-1, tokens[..., None])[..., 0]
    return (lp * mask).sum(-1)


def batch():
    g = torch.Generator().manual_seed(2)
    tokens = torch.randint(7, (11, 5), generator=g)
    mask = (torch.arange(5) < torch.randint(1, 6, (11, 1), generator=g)).float()
    return tokens, mask


@pytest.mark.parametrize("options", [{}, {"chunk_size": 3}, {"method": "backward"}])
def test_the_proxy_is_exact_for_a_table(options):
    model, (tokens, mask) = Table(), batch()
    exact = score_sqnorm(model, log_prob, tokens, mask, **options)
    logits = model(tokens)
    lp = torch.log_softmax(logits, -1).gather(-1, tokens[..., None])[..., 0]
    proxy = score_sqnorm_proxy(lp, sum_pi_squared(logits), mask)
    np.testing.assert_allclose(exact.numpy(), proxy.numpy(), rtol=1e-5)
    assert model.logits.grad is None
    assert not exact.requires_grad
    assert not proxy.requires_grad


def test_both_exact_ways_agree_on_a_network_with_a_frozen_layer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Linear(4, 7))
    model[0].requires_grad_(requires_grad=False)
    tokens, mask = batch()
    one = score_sqnorm(model, log_prob, tokens, mask)
    two = score_sqnorm(model, log_prob, tokens, mask, method="backward")
    np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-5)
    by_hand = torch.autograd.grad(
        log_prob(model, tokens[:1], mask[:1])[0], [p for p in model.parameters() if p.requires_grad]
    )
    assert float(one[0]) == pytest.approx(sum(float(g.square().sum()) for g in by_hand), rel=1e-5)


def test_extreme_logits_do_not_overflow():
    x = torch.tensor([[1e4, 0.0], [-1e4, -1e4]])
    np.testing.assert_allclose(sum_pi_squared(x).numpy(), [1, 0.5])
    assert sum_pi_squared(x.half()).dtype == torch.float32


def test_masked_entries_are_not_seen():
    nan = torch.tensor([[-1.0, float("nan")]])
    assert torch.isfinite(score_sqnorm_proxy(nan, nan.abs() / 2, torch.tensor([[1, 0]]))).all()


def test_bad_input():
    model, (tokens, mask) = Table(), batch()
    with pytest.raises(ArgumentError, match=r"a function that returns \[B\]"):
        score_sqnorm(model, lambda call, t, m: call(t).sum(-1) * m, tokens, mask)
    with pytest.raises(ArgumentError, match="one row per response"):
        score_sqnorm(model, log_prob, tokens, mask[:3])
    with pytest.raises(ArgumentError, match="a parameter that requires gradient"):
        score_sqnorm(nn.Identity(), log_prob, tokens, mask)
    with pytest.raises(ArgumentError, match="squares must be of the shape of lp"):
        score_sqnorm_proxy(mask, mask[:, :2], mask)
    assert score_sqnorm(model, log_prob, tokens[:0], mask[:0]).shape == (0,)
