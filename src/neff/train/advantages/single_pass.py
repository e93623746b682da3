"""The gradient of VCPO with one backward pass per response: norms, baselines and gradient in one go."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError
from neff.stats._validate import check_number
from neff.train.advantages._groups import AdvantageOutput, as_vector, finish, sample_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

__all__ = ["opob_backward"]


def opob_backward(
    log_prob: Callable[[int], Tensor],
    log_w: Any,
    rewards: Any,
    group: Any,
    *,
    parameters: Iterable[Tensor],
    lengths: Any = None,
    clip: float = 8.0,
) -> AdvantageOutput:
    """Add the gradient of the VCPO loss to the parameters' `.grad`, with exact score norms at no second backward pass.

    Use it where per-sample gradients do not fit in memory: a micro-batch is one response, and two buffers of the size
    of the gradient take their place. Not where responses are short and a batch of them is much faster than one at a
    time: there `score_sqnorm_proxy` and a loss cost less.

    Parameters
    ----------
    log_prob
        `log_prob(i)` runs the model on response i and returns the sum of its tokens' log-probabilities, a scalar.
    log_w, rewards, group
        As for `opob_advantage`.
    parameters
        Those to give a gradient.
    lengths
        Number of tokens of each response, shape [B]: the loss is then the mean over the tokens of each; None for the
        sum.
    clip
        Truncation of the importance weights in the loss.

    Returns
    -------
    AdvantageOutput
        As `opob_advantage` with plug-in baselines and exact norms; `metrics["mean_sqnorm"]` is the mean squared norm
        of the responses that the model was run on, those of groups whose rewards differ.

    Raises
    ------
    ArgumentError
        If shapes differ, `log_prob` does not return a scalar, or its gradient is not finite (the gradients of earlier
        groups are then added already).

    Warns
    -----
    UnscoredRewardWarning, DroppedWeightWarning, LoneResponseWarning
        As for `opob_advantage`.

    Notes
    -----
    Loss: -(1/B) sum of min(w, clip) (R - b) / sigma times the log-probability (over the length), B the valid responses.
    Groups are worked off one after the other, and each must lie on one rank.

    References
    ----------
    Huang et al., arXiv:2602.17616.

    Examples
    --------
    >>> logits = torch.nn.Parameter(torch.zeros(3))
    >>> actions = [0, 1, 2, 2]
    >>> output = opob_backward(
    ...     lambda i: torch.log_softmax(logits, 0)[actions[i]],
    ...     torch.zeros(4),
    ...     [1.0, 0.0, 0.5, 0.5],
    ...     [0, 0, 0, 0],
    ...     parameters=[logits],
    ... )
    >>> [round(g, 4) for g in logits.grad[:2].tolist()]
    [-0.3536, 0.3536]
    """
    call = "opob_backward"
    reward = as_vector(rewards, "rewards", call)
    length, device = reward.shape[0], reward.device
    log = as_vector(log_w, "log_w", call, length=length, device=device).double()
    tokens = torch.ones(length, dtype=torch.float64, device=device)
    if lengths is not None:
        tokens = as_vector(lengths, "lengths", call, length=length, device=device).double().clamp(min=1)
    if not check_number(clip, argument="clip", call=call) > 0:
        raise ArgumentError("clip", "above 0", clip, call=call)
    sample = sample_of(reward, group, call=call, valid=~log.isnan() & (log < math.inf))
    centered = (sample.values - sample.means()[:, None]) * sample.present
    deviation = (centered.square().sum(1) / sample.counts.clamp(min=1)).sqrt()
    sigma = sample.groups.spread(torch.where((deviation > 1e-8) & sample.spread_out(), deviation, 1.0))
    n_valid = max(int(sample.valid.sum()), 1)
    share = (log.clamp(max=math.log(clip)).exp() / (tokens * n_valid * sigma)).tolist()

    params = [p for p in parameters if p.requires_grad]
    baseline, square = sample.rewards.clone(), torch.zeros_like(sample.rewards)
    names: tuple[str, ...] = ()
    learns = sample.spread_out()  # equal rewards, or a lone one: nothing to run the model for
    run = sample.groups.spread(learns) & sample.valid
    for g in learns.nonzero()[:, 0].tolist():
        rows = ((sample.groups.code == g) & sample.valid).nonzero()[:, 0].tolist()
        with_reward, plain = ([torch.zeros_like(p) for p in params] for _ in range(2))
        for i in rows:
            value = log_prob(i)
            if value.ndim != 0:
                raise ArgumentError("log_prob", "a function that returns a scalar", tuple(value.shape), call=call)
            score = torch.autograd.grad(value, params, materialize_grads=True)
            square[i] = norm = sum(float(s.float().square().sum()) for s in score)
            if not math.isfinite(norm):
                must = f"a function with a finite gradient (that of response {i} is not)"
                fix = "It would make the gradient of all parameters NaN: mask its tokens, or leave the response out."
                raise ArgumentError("log_prob", must, norm, fix, call=call)
            torch._foreach_add_(plain, score, alpha=share[i])
            torch._foreach_add_(with_reward, score, alpha=share[i] * float(sample.rewards[i]))
        omega = 2 * log[rows] + square[rows].log()
        b = 0.0
        if bool(omega.amax() > -math.inf):
            b = float((torch.softmax(omega, 0) * sample.rewards[rows]).sum())
        else:
            names = ("zero_weights",)
        baseline[rows] = b
        torch._foreach_add_(with_reward, plain, alpha=-b)
        for p, gradient in zip(params, with_reward, strict=True):
            p.grad = -gradient if p.grad is None else p.grad - gradient
    extra = {"mean_sqnorm": float(square[run].mean())}
    return finish(sample, (sample.rewards - baseline) / sigma, baseline, extra, *names)
