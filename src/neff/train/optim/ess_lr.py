"""A learning rate that shrinks, for one step, with the effective sample size of the batch."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neff.errors import ArgumentError, ArgumentTypeError
from neff.reasons import Reason
from neff.stats._options import check_choice
from neff.stats._validate import check_number
from neff.train._caller import warn
from neff.train.losses.ratios import RatioSummary
from neff.train.optim._rates import ScaledRates, first_device
from neff.train.optim.warnings import DroppedRatioWarning, MissingLogProbsWarning, SkippedStepWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EssLRScaler", "LRScale"]

KEPT = (None, Reason.MISSING_LOG_PROBS)
"""Reasons for which a step is taken all the same."""


@dataclass(frozen=True, slots=True)
class LRScale:
    """What one optimizer step did with the learning rate.

    Attributes
    ----------
    factor
        Of the learning rate, in [0, 1]; 0 for a step that is skipped.
    ess_fraction
        Effective sample size of the whole batch as a share of `n`; NaN where it is undefined, with a `reason`.
    n, n_dropped
        Log-ratios that counted, and those left out as NaN or plus infinity; over all micro-batches and ranks.
    reason
        None, or why `ess_fraction` is undefined: missing log-probabilities (factor 1); no values, all weights zero, or
        log-ratios not finite in a summary (the step is skipped).
    """

    factor: float
    ess_fraction: float
    n: int
    n_dropped: int
    reason: Reason | None = None

    @property
    def skip(self) -> bool:
        """Whether the step is skipped."""
        return self.reason not in KEPT

    def metrics(self) -> dict[str, float]:
        """Return floats for a tracker; the learning rate that the trainer logs is the unscaled one."""
        names = {"lr_factor": self.factor, "lr_ess_fraction": self.ess_fraction}
        return names | {"lr_n": float(self.n), "lr_n_dropped": float(self.n_dropped)}


class EssLRScaler:
    """Multiply the learning rate of each step by a function of the effective sample size of its batch.

    Use it with stale or mismatched rollouts under any loss: a batch in which few responses carry the weight moves the
    model less. Not as the only guard: a low effective sample size is no proof of a collapse, and a run without
    importance weights can collapse at an effective sample size of 1. Scaling the loss instead does nothing under Adam.

    Parameters
    ----------
    optimizer
        Any torch optimizer with a learning rate in each parameter group.
    rule
        "sqrt" (for Adam and its kin) or "linear" (for SGD) in the ratio of the effective sample size to `reference`.
    reference
        The share that an on-policy run has, in (0, 1]: 1, or what `calibrate` measures. Numerical mismatch alone lowers
        it on long responses (0.55 in the paper's multi-turn runs); with 1 the rate would then be cut for good.
    floor
        Smallest factor, in [0, 1]; None for none. The square root of one over the batch is the natural one.
    process_group
        Ranks that share the batch; all, by default. The summary of weights is reduced over them once per step.

    Attributes
    ----------
    reference
        As above.
    last
        `LRScale` of the last step; None before.

    Notes
    -----
    The factor is rule(min(1, ess_fraction / reference)) over the whole batch of the optimizer step, exact under
    gradient accumulation and data parallelism, from untruncated weights. Every rank must take the same steps. With
    DeepSpeed call `scale` before the last backward pass, which makes the step, and `restore` after it.

    References
    ----------
    Huang et al., arXiv:2602.17616, equations 4 and 5. The floor is not the paper's.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.SGD([weight], lr=0.5)
    >>> scaler = EssLRScaler(optimizer)
    >>> for micro_batch in ([0.0, 0.0], [0.0, 5.0]):
    ...     scaler.observe(torch.log1p(torch.tensor(micro_batch)))
    >>> with scaler.step() as scale:
    ...     rate = optimizer.param_groups[0]["lr"]
    ...     _ = optimizer.step()
    >>> round(scale.ess_fraction, 6), round(rate, 6), optimizer.param_groups[0]["lr"]  # 81 / (4 * 39)
    (0.519231, 0.360288, 0.5)
    """

    def __init__(
        self,
        optimizer: Any,
        *,
        rule: str = "sqrt",
        reference: float = 1.0,
        floor: float | None = None,
        process_group: Any = None,
    ) -> None:
        call = "EssLRScaler"
        self.rule = check_choice(rule, ("sqrt", "linear"), argument="rule", call=call)
        self.reference = _share(reference, "reference", call, zero=False)
        self.floor = None if floor is None else _share(floor, "floor", call, zero=True)
        self.process_group = process_group
        self.last: LRScale | None = None
        self._rates = ScaledRates(optimizer, call)
        self._own_step: tuple[bool, Any] | None = None
        self.reset()

    @property
    def optimizer(self) -> Any:
        """The optimizer whose rates are scaled."""
        return self._rates.optimizer

    def reset(self) -> None:
        """Forget what was observed since the last step."""
        self._summary: RatioSummary | None = None
        self._missing = self._dropped = 0

    def observe(self, log_w: Tensor | RatioSummary | None, mask: Tensor | None = None) -> None:
        """Take the log-ratios of one micro-batch in.

        Parameters
        ----------
        log_w
            Log importance weight of each response (`sequence_log_ratio`) or of each token, or a `RatioSummary` of them
            (`LossOutput.sequences`). None where the sampler's log-probabilities are missing: the step is then not
            scaled at all, on any rank.
        mask
            Non-zero where `log_w` counts, of the same shape.

        Warns
        -----
        DroppedRatioWarning
            If a log-ratio is NaN or plus infinity. It is left out.
        """
        if log_w is None:
            self._missing += 1
            return
        summary, dropped = _summary(log_w, mask)
        self._dropped += dropped
        self._summary = summary if self._summary is None else self._summary + summary

    def calibrate(self, *steps: Tensor | RatioSummary) -> float:
        """Set `reference` to the mean effective share of optimizer steps at lag 0, and return it.

        Parameters
        ----------
        *steps
            Log-ratios, or their summary, of the whole batch of each step, taken where policy and sampler have the same
            weights. Summaries are reduced over the ranks.

        Returns
        -------
        float
            The new reference, in (0, 1].
        """
        reduced = [_summary(step, None)[0].all_reduce(self.process_group) for step in steps]
        shares = [float(summary.ess_fraction) for summary in reduced]
        if not shares or any(math.isnan(share) for share in shares):
            fix = "Give one vector of log-ratios for each step."
            raise ArgumentError(
                "steps", "at least one, each with a response", shares, fix, call="EssLRScaler.calibrate"
            )
        self.reference = math.fsum(shares) / len(shares)
        return self.reference

    def scale(self, log_w: Tensor | RatioSummary | None = None, mask: Tensor | None = None) -> LRScale:
        """Scale the learning rates for the step that follows, by all that was observed since the last one.

        Parameters
        ----------
        log_w, mask
            As for `observe`, to do both in one call.

        Returns
        -------
        LRScale
            The factor and why. If it is to be skipped, `optimizer.step` does nothing until `restore`.

        Warns
        -----
        MissingLogProbsWarning
            If log-probabilities are missing: the factor is 1, never that of the step before.
        SkippedStepWarning
            If the batch is empty on all ranks, or all weights are 0.
        """
        if self._rates.active:
            self._rates.apply([])  # says so
        if log_w is not None:
            self.observe(log_w, mask)
        self.last = scale = self._measure()
        self.reset()
        if scale.reason is not None:
            kind = SkippedStepWarning if scale.skip else MissingLogProbsWarning
            warn(kind(kind.__doc__ or str(scale.reason)))
        self._rates.apply([scale.factor] * len(self.optimizer.param_groups))
        if scale.skip:
            self._own_step = ("step" in vars(self.optimizer), vars(self.optimizer).get("step"))
            self.optimizer.step = _no_step
        return scale

    def restore(self) -> None:
        """Put the learning rates back, bit for bit.

        Raises
        ------
        ArgumentError
            If a rate was changed while it was scaled: a scheduler must step after `restore`.
        """
        self._restore(check=True)

    def _restore(self, *, check: bool) -> None:
        if self._own_step is not None:
            had, step = self._own_step
            self._own_step = None
            if had:
                self.optimizer.step = step
            else:
                del self.optimizer.step
        self._rates.restore(check=check)

    @contextmanager
    def step(self, log_w: Tensor | RatioSummary | None = None, mask: Tensor | None = None) -> Iterator[LRScale]:
        """Scale within a block that takes the optimizer step, and restore after it, also where it raises.

        Parameters
        ----------
        log_w, mask
            As for `observe`; not needed where the micro-batches were observed.
        """
        scale = self.scale(log_w, mask)
        try:
            yield scale
        except BaseException:
            self._restore(check=False)
            raise
        self._restore(check=True)

    def _measure(self) -> LRScale:
        summary = self._summary or RatioSummary.empty(first_device(self.optimizer))
        flags = torch.tensor(
            [float(self._missing), float(self._dropped), float(self._summary is not None)],
            dtype=summary.n.dtype,
            device=summary.n.device,
        )
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(flags, group=self.process_group)
            summary = summary.all_reduce(self.process_group)
        missing, dropped, seen = flags.tolist()
        n, share = torch.stack([summary.n, summary.ess_fraction]).tolist()
        counts = (int(n), int(dropped))
        if missing or not seen:
            return LRScale(1.0, math.nan, *counts, Reason.MISSING_LOG_PROBS)
        if n == 0:
            return LRScale(0.0, math.nan, *counts, Reason.EMPTY)
        if math.isnan(share):
            reason = Reason.ZERO_WEIGHT if float(summary.sum_w) == 0 else Reason.NOT_FINITE
            return LRScale(0.0, math.nan, *counts, reason)
        ratio = min(1.0, share / self.reference)
        factor = math.sqrt(ratio) if self.rule == "sqrt" else ratio
        return LRScale(factor if self.floor is None else max(factor, self.floor), share, *counts)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint between two steps must keep."""
        return {"rule": self.rule, "reference": self.reference, "floor": self.floor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        call = "EssLRScaler.load_state_dict"
        self.rule = check_choice(state["rule"], ("sqrt", "linear"), argument="rule", call=call)
        self.reference = _share(state["reference"], "reference", call, zero=False)
        self.floor = None if state["floor"] is None else _share(state["floor"], "floor", call, zero=True)
        self.reset()


def _summary(log_w: Tensor | RatioSummary, mask: Tensor | None) -> tuple[RatioSummary, int]:
    """Return the summary of what is usable, and how many are not."""
    if isinstance(log_w, RatioSummary):
        return log_w, 0
    if not isinstance(log_w, torch.Tensor):
        got, fix = type(log_w).__name__, "Use torch.as_tensor."
        raise ArgumentTypeError("log_w", "a tensor or a RatioSummary", got, fix, call="EssLRScaler")
    keep = torch.ones_like(log_w, dtype=torch.bool) if mask is None else mask != 0
    bad = (log_w.isnan() | (log_w == math.inf)).logical_and(keep) if keep.shape == log_w.shape else None
    dropped = 0 if bad is None else int(bad.sum())
    if dropped and bad is not None:
        warn(DroppedRatioWarning(DroppedRatioWarning.__doc__ or ""))
        keep = keep & ~bad
    return RatioSummary.of(log_w, keep), dropped


def _share(value: float, argument: str, call: str, *, zero: bool) -> float:
    number = check_number(value, argument=argument, call=call)
    if not (0 <= number <= 1 and (zero or number > 0)):
        raise ArgumentError(argument, "between 0 and 1" if zero else "above 0 and at most 1", value, call=call)
    return number


def _no_step(*_: Any, **__: Any) -> None:
    """Take no step."""
