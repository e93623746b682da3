"""Squared norms of the scores of responses, ||grad log pi||^2: exact, two ways, and from the logits alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from neff.errors import ArgumentError
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

__all__ = ["score_sqnorm", "score_sqnorm_proxy", "sum_pi_squared"]


def score_sqnorm(
    model: nn.Module,
    log_prob: Callable[..., Tensor],
    *batch: Tensor,
    method: str = "vmap",
    chunk_size: int | None = None,
) -> Tensor:
    """Return the squared norm of the gradient of each response's log-probability with respect to the parameters.

    Use it for small models, adapters, or to check `score_sqnorm_proxy`. Not for a large model in one go: "vmap" holds
    the gradients of `chunk_size` responses at once, "backward" runs one backward pass for each response.

    Parameters
    ----------
    model
        The policy. Parameters that do not require gradient are left out.
    log_prob
        `log_prob(call, *batch)` returns the log-probability of each response, shape [B], where `call` stands for the
        model: it is called as the model is.
    *batch
        Tensors with the B responses along the first axis.
    method
        "vmap" (per-sample gradients by `torch.func`) or "backward" (one backward pass per response).
    chunk_size
        Responses at a time in "vmap"; all, by default.

    Returns
    -------
    Tensor
        Shape [B], no gradient; the `.grad` of the parameters is not touched.

    Raises
    ------
    ArgumentError
        If there is no batch, `log_prob` does not return [B], or no parameter requires gradient.

    Examples
    --------
    >>> model = torch.nn.Linear(3, 4, bias=False)
    >>> _ = torch.nn.init.zeros_(model.weight)
    >>> def log_prob(call, x, action):
    ...     return torch.log_softmax(call(x), -1).gather(-1, action[:, None])[:, 0]
    >>> x, action = torch.eye(3)[:2], torch.tensor([0, 3])
    >>> score_sqnorm(model, log_prob, x, action).tolist()  # (1 - 1/4)^2 + 3/16
    [0.75, 0.75]
    """
    call = "score_sqnorm"
    method = check_choice(method, ("vmap", "backward"), argument="method", call=call)
    if not batch or any(tensor.shape[:1] != batch[0].shape[:1] for tensor in batch):
        shapes = [tuple(tensor.shape) for tensor in batch]
        raise ArgumentError("batch", "tensors with one row per response", shapes, call=call)
    free = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    if not free:
        raise ArgumentError("model", "with a parameter that requires gradient", type(model).__name__, call=call)
    if batch[0].shape[0] == 0:
        return torch.zeros(0, device=batch[0].device)
    if method == "backward":
        return _by_backward(model, log_prob, batch, call)

    def one(params: dict[str, Tensor], *row: Tensor) -> Tensor:
        value = log_prob(
            lambda *args, **kwargs: functional_call(model, params, args, kwargs), *(tensor[None] for tensor in row)
        )
        return _scalars(value, 1, call)[0]

    def squares(*row: Tensor) -> Tensor:
        found = grad(one)(free, *row)
        return torch.stack([g.float().square().sum() for g in found.values()]).sum()

    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels of attention have no rule for vmap: rows one by one, warned
        found: Tensor = vmap(squares, chunk_size=chunk_size, randomness="different")(*batch)
    return found.detach()


def _by_backward(model: nn.Module, log_prob: Callable[..., Tensor], batch: tuple[Tensor, ...], call: str) -> Tensor:
    params = [p for p in model.parameters() if p.requires_grad]
    found = []
    for i in range(batch[0].shape[0]):
        value = _scalars(log_prob(model, *(tensor[i : i + 1] for tensor in batch)), 1, call)
        grads = torch.autograd.grad(value[0], params, allow_unused=True)
        found.append(torch.stack([g.float().square().sum() for g in grads if g is not None]).sum())
    return torch.stack(found)


def _scalars(value: Any, length: int, call: str) -> Tensor:
    if value.shape != (length,):
        fix = "Sum the log-probabilities of the tokens of each response."
        raise ArgumentError("log_prob", "a function that returns [B]", tuple(value.shape), fix, call=call)
    return torch.as_tensor(value)


def sum_pi_squared(logits: Tensor) -> Tensor:
    """Return the sum of squared token probabilities at each position, [..., V] to [...].

    Use it for `score_sqnorm_proxy` and `optimal_token_advantage`, in the forward pass where the logits are at hand.

    Parameters
    ----------
    logits
        Shape [..., V], of the policy that sampled the tokens' probabilities (temperature included).

    Returns
    -------
    Tensor
        Shape [...], in single precision at least, no gradient.

    Examples
    --------
    >>> sum_pi_squared(torch.zeros(2, 4)).tolist()
    [0.25, 0.25]
    """
    x = logits.detach()
    x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return torch.softmax(x, -1).square().sum(-1)


def score_sqnorm_proxy(lp: Tensor, squares: Tensor, mask: Tensor) -> Tensor:
    """Return the squared score norm of each response as a tabular softmax would have it, from probabilities alone.

    Use it for `opob_baseline` with models too large for per-sample gradients; the weights need proportions only. Not
    where responses share long prefixes or the network's Jacobian differs much between them: it is exact for a table of
    logits, one row per position, and no more than a guide elsewhere.

    Parameters
    ----------
    lp
        Log-probability of each token, shape [B, T].
    squares
        Sum of squared probabilities at each position, shape [B, T] (`sum_pi_squared`).
    mask
        Shape [B, T], non-zero at the tokens of the response.

    Returns
    -------
    Tensor
        Shape [B]: the sum over the tokens of 1 - 2 pi + sum pi^2, no gradient.

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Examples
    --------
    >>> lp = torch.log(torch.tensor([[0.25, 0.25, 0.25]]))
    >>> score_sqnorm_proxy(lp, torch.full((1, 3), 0.25), torch.tensor([[1, 1, 0]])).tolist()
    [1.5]
    """
    for name, tensor in (("squares", squares), ("mask", mask)):
        if tensor.shape != lp.shape:
            must = f"of the shape of lp, {tuple(lp.shape)}"
            raise ArgumentError(name, must, tuple(tensor.shape), call="score_sqnorm_proxy")
    x = lp.detach()
    x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    token = 1 - 2 * x.exp() + squares.detach().to(x.dtype)
    return token.masked_fill(mask == 0, 0.0).clamp(min=0).sum(-1)
