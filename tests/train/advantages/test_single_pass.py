"""One backward pass per response gives what the loss with exact norms gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from neff.errors import ArgumentError
from neff.train.advantages import opob_advantage, opob_backward, score_sqnorm
from neff.train.advantages.warnings import DroppedWeightWarning, LoneResponseWarning


def problem():
    torch.manual_seed(4)
    model = nn.Sequential(nn.Embedding(7, 4), nn.Tanh(), nn.Linear(4, 7)).double()
    tokens = torch.randint(7, (11, 5))
    mask = (torch.arange(5) < torch.randint(1, 6, (11, 1))).double()
    rewards = torch.randint(3, (11,)).double()
    group = torch.tensor([0, 1, 0, 1, 0, 2, 2, 2, 2, 3, 3])
    rewards[9:] = 1.0  # nothing to learn in the last group
    return model, tokens, mask, torch.randn(11, dtype=torch.float64), rewards, group


def log_prob(call, tokens, mask):
    lp = torch.log_softmax(call(tokens.roll(1, 1)), -1).gather(-1, tokens[..., None])[..., 0]
    return (lp * mask).sum(-1)


@pytest.mark.parametrize("lengths", [False, True])
def test_the_gradient_is_that_of_the_loss(lengths):
    model, tokens, mask, log_w, rewards, group = problem()
    square = score_sqnorm(model, log_prob, tokens, mask, method="backward")
    output = opob_advantage(log_w, square, rewards, group)
    scale = mask.sum(1) if lengths else torch.ones(11, dtype=torch.float64)
    weight = log_w.exp().clamp(max=8) * output.advantages / scale
    expected = torch.autograd.grad(-(weight * log_prob(model, tokens, mask)).mean(), list(model.parameters()))
    found = opob_backward(
        lambda i: log_prob(model, tokens[i : i + 1], mask[i : i + 1])[0],
        log_w,
        rewards,
        group,
        parameters=model.parameters(),
        lengths=mask.sum(1) if lengths else None,
    )
    np.testing.assert_allclose(found.advantages.numpy(), output.advantages.numpy(), rtol=1e-5, atol=1e-12)
    for p, g in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(p.grad, g, rtol=1e-4, atol=1e-9)  # norms are in single precision
    assert found.metrics["mean_sqnorm"] == pytest.approx(float(square[group < 3].mean()), rel=1e-5)
    assert found.warnings == ("equal_rewards",)


def test_it_adds_to_the_gradient_and_leaves_out_what_is_dropped():
    model, tokens, mask, log_w, rewards, group = problem()
    log_w[0], group[1] = math.nan, 9
    calls = []

    def score(i):
        calls.append(i)
        return log_prob(model, tokens[i : i + 1], mask[i : i + 1])[0]

    for p in model.parameters():
        p.grad = torch.ones_like(p)
    with pytest.warns(DroppedWeightWarning), pytest.warns(LoneResponseWarning):
        output = opob_backward(score, log_w, rewards, group, parameters=model.parameters())
    assert 0 not in calls
    assert 1 not in calls
    assert output.valid.tolist() == [False] + [True] * 10
    first = [p.grad - 1 for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    with pytest.warns(DroppedWeightWarning), pytest.warns(LoneResponseWarning):
        opob_backward(score, log_w, rewards, group, parameters=model.parameters())
    for p, g in zip(model.parameters(), first, strict=True):
        np.testing.assert_allclose(p.grad, g, atol=1e-12)


def test_bad_input():
    p = nn.Parameter(torch.zeros(3))
    with pytest.raises(ArgumentError, match="a function that returns a scalar"):
        opob_backward(lambda _: p, torch.zeros(2), [1.0, 0.0], [0, 0], parameters=[p])
    with pytest.raises(ArgumentError, match="clip must be above 0"):
        opob_backward(lambda _: p[0], torch.zeros(2), [1.0, 0.0], [0, 0], parameters=[p], clip=0)


def test_a_gradient_that_is_not_finite_is_refused_by_place():
    logits = nn.Parameter(torch.zeros(3))

    def log_prob(i):
        value = torch.log_softmax(logits, 0)[i]
        return value * math.nan if i == 1 else value

    with pytest.raises(ArgumentError, match=r"a finite gradient \(that of response 1 is not\), got nan"):
        opob_backward(log_prob, torch.zeros(3), [1.0, 0.0, 0.5], [0, 0, 0], parameters=[logits])
    assert logits.grad is None


def test_weights_that_are_all_zero_are_named():
    logits = nn.Parameter(torch.zeros(3))
    found = opob_backward(
        lambda i: torch.log_softmax(logits, 0)[i], torch.full((2,), -math.inf), [1.0, 0.0], [0, 0], parameters=[logits]
    )
    assert found.warnings == ("zero_weights",)
    assert not logits.grad.any()
