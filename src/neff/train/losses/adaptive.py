"""A loss that needs no clip range: the effective sample size of the batch caps the weights and sets the pull back.

Two forms differ in the pull towards the sampler, (1 - e) KL(pi || mu). The reference implementation takes k3 at the
sampler's tokens, whose mean is not that KL but a chi-square-like penalty that explodes where the policy has left the
sampler; here that is `kl="k3_behaviour"`. The default is mended: the exact KL where the full distributions are given,
and else its importance-weighted estimate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.train.losses._batch import LOG_LIMIT, proximal, read
from neff.train.losses._finish import Penalty, finish, token_mean
from neff.train.losses.ratios import RatioSummary, sum_dtype, widen

if TYPE_CHECKING:
    from typing import Unpack

    from torch import Tensor

    from neff.train.losses._batch import Batch
    from neff.train.losses.aggregators import Aggregator
    from neff.train.losses.options import LossOptions
    from neff.train.losses.output import LossOutput

__all__ = ["ess_adaptive", "p3o", "p4o"]

FORMS = ("auto", "is", "exact", "k3_behaviour", "none")
SCOPES = ("micro-batch", "optimizer-step")
K3_LIMIT = 10.0


def ess_adaptive(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,  # noqa: ARG001  (one call shape for all losses)
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    kl: Literal["auto", "is", "exact", "k3_behaviour", "none"] = "auto",
    scope: Literal["micro-batch", "optimizer-step"] = "micro-batch",
    ess: RatioSummary | Tensor | float | None = None,
    lp_full: Tensor | None = None,
    blp_full: Tensor | None = None,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the ESS-adaptive loss (P3O), -sg(min(rho, e)) A lp + (1 - e) KL(pi || mu) per token.

    rho = exp(lp - blp), and e in [1/n, 1] is the effective sample size of the n valid tokens' ratios as a share of n.
    Use it on fresh or stale rollouts alike, with nothing to tune. What it gives is robustness to staleness and
    learning rate, not a higher optimum; it is slower where nothing would go wrong, since all weights are at most e.

    Parameters
    ----------
    lp, blp, advantages, mask, rlp, aggregate, **options
        As for `reinforce`.
    olp
        Not used; see `p4o`.
    kl
        The pull towards the sampler:

        - "is": sg(rho log rho) lp has the gradient of KL(pi || mu) in expectation, and vanishes where the policy has
          left a token. Its variance is that of the ratios: clip the gradient norm.
        - "exact": the KL itself, from `lp_full` and `blp_full`. Best, where the sampler kept its distributions.
        - "auto" (default): "exact" where both are given, else "is".
        - "k3_behaviour": log rho + 1/rho - 1, as in the reference implementation, with 1/rho cut at e^10.
        - "none".
    scope
        Over what e is measured. "micro-batch": over this call, so that e depends on the size of a micro-batch. Better
        "optimizer-step": over all micro-batches and ranks of the step, measured before and given as `ess`; gradient
        accumulation is then the same as one big batch.
    ess
        With scope "optimizer-step": a `RatioSummary` over the whole step, or e itself, in (0, 1].
    lp_full, blp_full
        Log-probabilities of all tokens of the vocabulary, shape [B, T, V], under the current policy (with gradient)
        and the sampler, for the exact KL.

    Returns
    -------
    LossOutput
        Weights are min(rho, e). Metrics: `ess_used` (e), `kl_behaviour` (mean of the KL's estimate), `capped_fraction`.

    Raises
    ------
    ArgumentError
        As for `reinforce`; if `scope` and `ess` do not go together, or `kl="exact"` lacks the distributions.

    Notes
    -----
    Estimand of e: 1 / (1 + chi2(pi || mu)) per token. It deliberately differs from the reference in four cases, in
    every form of `kl`: ratios that overflow (the reference takes e = 1, as if on-policy; here e is exact), ratios that
    are all tiny (there e falls to 0; here e = 1, with a `RatioShiftWarning`), e above 1 by rounding (here at most 1),
    and NaN (here an error). O(n).

    References
    ----------
    arXiv:2605.12380. arXiv:1905.01756.

    Examples
    --------
    >>> import torch
    >>> blp = torch.log(torch.tensor([[0.2, 0.5, 0.5, 0.5]]))
    >>> lp = torch.log(torch.tensor([[0.8, 0.5, 0.5, 0.5]])).requires_grad_()
    >>> out = ess_adaptive(lp, blp, torch.tensor([1.0]), torch.ones(1, 4))
    >>> [round(w, 6) for w in out.weights[0].tolist()]  # e = 49/76
    [0.644737, 0.644737, 0.644737, 0.644737]
    >>> round(out.metrics["kl_behaviour"].item(), 6)  # (4 log 4 + 0 + 0 + 0) / 4
    1.386294
    """
    form = _form("ess_adaptive", kl, lp_full, blp_full)
    _check_scope("ess_adaptive", scope, ess=ess)
    batch = read("ess_adaptive", lp, blp, advantages, mask, olp=None, rlp=rlp, options=options)
    e = _fraction("ess_adaptive", batch.tokens if ess is None else ess, batch)
    extra = None
    penalties: tuple[Penalty, ...] = ()
    if form == "exact":
        divergence = _exact_kl(batch, lp_full, blp_full)
        behaviour, extra = divergence.detach(), divergence * (1 - e).to(divergence.dtype)
    else:
        behaviour, slopes = _estimate(form, batch.log_ratio, batch.ratio)
        penalties = () if form == "none" else (Penalty(behaviour, slopes, 1 - e),)
    return _adaptive(batch, e, behaviour, penalties, extra, aggregate, {})


p3o = ess_adaptive
"""The paper's name of `ess_adaptive`; `kl="k3_behaviour"` is its reference implementation."""


def p4o(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    kl: Literal["is", "k3_behaviour", "none"] = "is",
    scope: Literal["micro-batch", "optimizer-step"] = "micro-batch",
    ess: RatioSummary | Tensor | float | None = None,
    ess_proximal: RatioSummary | Tensor | float | None = None,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of P4O: `ess_adaptive` with two anchors, the sampler and the proximal policy.

    The pull is towards a mixture of both, each weighted by 1 minus the effective sample size of the ratios to it, and
    e is the smaller of the two. The authors found it no better than P3O. With `olp` equal to `lp` it is
    `ess_adaptive`.

    Parameters
    ----------
    lp, blp, advantages, mask, rlp, aggregate, scope, ess, **options
        As for `ess_adaptive`.
    olp
        Log-probabilities under the proximal policy, shape [B, T]; those of the current one by default.
    kl
        As for `ess_adaptive`, towards the mixture; "k3_behaviour" is the reference.
    ess_proximal
        With scope "optimizer-step": the same as `ess`, of the ratios lp - olp.

    Returns
    -------
    LossOutput
        Weights are min(rho, e). Metrics as for `ess_adaptive`, and `ess_proximal`.

    Raises
    ------
    ArgumentError
        As for `ess_adaptive`.

    References
    ----------
    arXiv:2605.12380.

    Examples
    --------
    >>> import torch
    >>> blp, lp = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-0.5, -2.5]])
    >>> one, mask = torch.tensor([1.0]), torch.ones(1, 2)
    >>> torch.equal(p4o(lp, blp, one, mask, olp=lp).loss, ess_adaptive(lp, blp, one, mask).loss)
    True
    """
    check_choice(kl, ("is", "k3_behaviour", "none"), argument="kl", call="p4o")
    _check_scope("p4o", scope, ess=ess, ess_proximal=ess_proximal)
    batch = read("p4o", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    with torch.no_grad():
        e_behaviour = e = _fraction("p4o", batch.tokens if ess is None else ess, batch)
        if batch.log_proximal is None and ess_proximal is None:  # the current policy is no anchor: its share is 0
            e_proximal, log_mixture = torch.ones_like(e), batch.log_ratio
        else:
            log_proximal = batch.log_ratio.new_zeros(()) if batch.log_proximal is None else batch.log_proximal
            near = proximal(batch) if ess_proximal is None else ess_proximal
            e_proximal = _fraction("p4o", near, batch, argument="ess_proximal")
            e = torch.minimum(e_behaviour, e_proximal)
            log_mixture = _log_mixture(batch, log_proximal, 1 - e_behaviour, 1 - e_proximal)
        behaviour, slopes = _estimate(kl, log_mixture, batch.ratio)
        pull = torch.where(1 - e > 1e-6, 1 - e, 0.0)
    penalties = () if kl == "none" else (Penalty(behaviour, slopes, pull),)
    return _adaptive(batch, e, behaviour, penalties, None, aggregate, {"ess_proximal": e_proximal})


def _log_mixture(batch: Batch, log_proximal: Tensor, w_behaviour: Tensor, w_proximal: Tensor) -> Tensor:
    """Return log(pi / mixture) = -log sum_k share_k exp(-log(pi / anchor_k)) at each token."""
    both = w_behaviour + w_proximal
    shares = torch.where(both > 0, w_behaviour / both, 1.0), torch.where(both > 0, w_proximal / both, 0.0)
    first, second = (share.log().to(batch.ratio.dtype) for share in shares)
    return torch.logaddexp(first - batch.log_ratio, second - log_proximal).neg_().mul_(batch.mask)


def _adaptive(
    batch: Batch,
    e: Tensor,
    behaviour: Tensor,
    penalties: tuple[Penalty, ...],
    extra: Tensor | None,
    aggregate: str,
    metrics: dict[str, Tensor],
) -> LossOutput:
    cap = e.to(batch.ratio.dtype)
    w = torch.minimum(batch.ratio, cap)
    metrics = metrics | {
        "ess_used": e,
        "kl_behaviour": token_mean(batch, behaviour),
        "capped_fraction": torch.count_nonzero(batch.ratio > cap) / batch.tokens.n,
    }
    return finish(batch, w * batch.values(), w, aggregate=aggregate, penalties=penalties, extra=extra, metrics=metrics)


def _estimate(kl: str, log: Tensor, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Return the estimate of the KL at each token and its slope, from log(pi / anchor) and the ratio to the sampler."""
    if kl == "k3_behaviour":
        tail = (-log).clamp(-K3_LIMIT, K3_LIMIT).exp_()
        return log + tail - 1, torch.where(log.abs() <= K3_LIMIT, 1 - tail, 1.0)
    weighted = (ratio * log).clamp_(max=math.exp(LOG_LIMIT))
    return weighted, weighted


def _exact_kl(batch: Batch, lp_full: Tensor | None, blp_full: Tensor | None) -> Tensor:
    """Return sum_v p (log p - log b) at each token, 0 where the mask is, with the graph of `lp_full`."""
    keep = batch.mask > 0
    found = []
    for name, tensor in (("lp_full", lp_full), ("blp_full", blp_full)):
        if tensor is None or tensor.ndim != 3 or tensor.shape[:2] != keep.shape:
            must = f"of shape [B, T, V] = {(*keep.shape, 'V')}"
            got = None if tensor is None else tuple(tensor.shape)
            raise ArgumentError(name, must, got, 'Or use kl="is", which needs no distributions.', call=batch.call)
        found.append(widen(tensor)[keep])
    p, b = found[0], found[1].detach()
    if p.shape != b.shape:
        raise ArgumentError("blp_full", f"of {p.shape[-1]} tokens, as lp_full", b.shape[-1], call=batch.call)
    if not bool(torch.isfinite(b).all() & torch.isfinite(p).all()):
        fix = "A sampler that cuts its distribution (top-p, top-k) has no finite KL."
        raise ArgumentError("lp_full and blp_full", "finite at valid tokens", "NaN or infinity", fix, call=batch.call)
    divergence = (p.exp() * (p - b)).sum(-1)
    return torch.zeros(keep.shape, dtype=divergence.dtype, device=divergence.device).masked_scatter(keep, divergence)


def _form(call: str, kl: str, lp_full: Tensor | None, blp_full: Tensor | None) -> str:
    check_choice(kl, FORMS, argument="kl", call=call)
    if kl != "auto":
        return kl
    if (lp_full is None) != (blp_full is None):
        name = "lp_full" if lp_full is None else "blp_full"
        raise ArgumentError(name, "given together with the other", None, "The exact KL needs both.", call=call)
    return "is" if lp_full is None else "exact"


def _check_scope(call: str, scope: str, **given: object) -> None:
    check_choice(scope, SCOPES, argument="scope", call=call)
    for name, value in given.items():
        if scope == "optimizer-step" and value is None:
            fix = "Add the `tokens` of a pass over all micro-batches, and all_reduce() the sum."
            raise ArgumentError(name, 'given with scope="optimizer-step"', None, fix, call=call)
        if scope == "micro-batch" and value is not None:
            raise ArgumentError(name, 'None with scope="micro-batch"', value, 'Use scope="optimizer-step".', call=call)


def _fraction(call: str, ess: RatioSummary | Tensor | float, batch: Batch, argument: str = "ess") -> Tensor:
    """Return e as a 0-d tensor; 1 for an empty batch, whose loss is 0 whatever e is."""
    device = batch.ratio.device
    if isinstance(ess, RatioSummary):
        e = ess.ess_fraction
    elif isinstance(ess, torch.Tensor):
        e = ess.detach().reshape(())
    else:
        if isinstance(ess, bool) or not isinstance(ess, int | float) or not 0 < ess <= 1:
            fix = "It is the share of n; divide the effective sample size by n."
            raise ArgumentError(argument, "a RatioSummary or a share in (0, 1]", ess, fix, call=call)
        e = torch.tensor(float(ess))
    e = e.to(device=device, dtype=sum_dtype(device))
    return torch.where((batch.tokens.n == 0) & e.isnan(), 1.0, e)
