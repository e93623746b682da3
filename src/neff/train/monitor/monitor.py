"""`Monitor`: collect per micro-batch, report per optimizer step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_level
from neff.train._caller import warn
from neff.train.findings import CheckRefusedError, CheckWarning, Finding
from neff.train.monitor.rows import as_numbers, gather_rows, host_column, sequence_rows
from neff.train.monitor.stepwise import step_findings
from neff.train.monitor.summary import COLUMNS, summarise
from neff.train.warning_rule import EarlyWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from neff.train.history import StepReport
    from neff.train.monitor.sinks import Sink

__all__ = ["Monitor"]

OnRefuse = Literal["warn", "raise"]


class Monitor:
    """What each optimizer step's batch was worth, and what is wrong with it.

    Use it in any loop that updates a policy on samples of another one (an older one, or another engine's): `observe` in
    every micro-batch, `close_step` once per optimizer step. It changes nothing in the training. Not a stopping rule:
    low effective sample sizes also occur in runs that train well.

    Parameters
    ----------
    *sinks
        Callables that take a `StepReport`: `JsonlSink("run.jsonl")`, `TensorBoardSink(writer)`, `TrackerSink(wandb)`, a
        function. Only rank 0 hands reports to them.
    level
        Coverage of intervals.
    findings
        What checks before the run found; they stand in the first report.
    early_warning
        True, or an `EarlyWarning` with options of its own: warn where the token ESS sinks after the reward's peak.
    on_refuse
        "warn" warns once for each check that refuses during the run; "raise" raises `CheckRefusedError` after the
        sinks have the report.
    process_group
        The `torch.distributed` group that shares an optimizer step; the default one where it is initialised.

    Notes
    -----
    `observe` queues a few reductions on the device of `lp` and waits for nothing. `close_step` copies ten numbers per
    response to the host, and is a collective where there are several ranks: every rank must call it, also one that
    observed nothing. All numbers are over the whole optimizer step, whichever way it was cut into micro-batches and
    ranks, to rounding. Ratios are never truncated and sums are taken relative to the largest.

    References
    ----------
    arXiv:2602.17616 (sequence ESS), arXiv:2605.12380 (token ESS).

    Examples
    --------
    >>> import torch
    >>> monitor = Monitor()
    >>> lp, blp = torch.tensor([[-1.0, -2.0], [-0.5, -1.5]]), torch.tensor([[-1.5, -2.0], [-0.5, -2.0]])
    >>> monitor.observe(lp, blp, torch.ones(2, 2), rewards=[1.0, 0.0], group=[7, 7], policy_step=3)
    >>> report = monitor.close_step(step=5)
    >>> round(report.ess_token.value, 4), report.lag_max, report.informative_group_share
    (0.9434, 2.0, 1.0)
    """

    def __init__(
        self,
        *sinks: Sink,
        level: float = 0.95,
        findings: Iterable[Finding] = (),
        early_warning: bool | EarlyWarning = False,
        on_refuse: OnRefuse = "warn",
        process_group: Any = None,
    ) -> None:
        self.sinks = sinks
        self.level = check_level(level, call="Monitor")
        check_choice(on_refuse, ("warn", "raise"), argument="on_refuse", call="Monitor")
        self.on_refuse = on_refuse
        self.process_group = process_group
        self.early_warning = EarlyWarning() if early_warning is True else early_warning or None
        self.last: StepReport | None = None
        self._found = list(findings)
        self._batches: list[tuple[Tensor, Any, Any, Any]] = []
        self._said: set[str] = set()
        self._equal_steps = 0
        self._next_step = 0

    def observe(
        self,
        lp: Tensor,
        blp: Tensor,
        mask: Tensor,
        *,
        rewards: Tensor | Sequence[float] | None = None,
        group: Any = None,
        entropy: Tensor | None = None,
        cap: float | Tensor | None = None,
        policy_step: Any = None,
    ) -> None:
        """Take one micro-batch; nothing waits for the device.

        Parameters
        ----------
        lp
            Log-probability of each sampled token under the current policy, shape [B, T], nats.
        blp
            The same under the policy that sampled it, with the sampler's temperature.
        mask
            Shape [B, T]; non-zero at tokens of the response.
        rewards
            Reward of each response, shape [B].
        group
            Which prompt each response belongs to, shape [B]: numbers or texts that mean the same on every rank.
            Standard errors are then between prompts; without it, between responses.
        entropy
            Entropy of the policy at each token, shape [B, T], nats.
        cap
            What the loss truncates ratios at, a number or a 0-d tensor.
        policy_step
            Optimizer step of the weights that sampled each response: a number, or shape [B].

        Raises
        ------
        ArgumentError
            If shapes do not match, a value is no number, or `cap` is not above 0.
        """
        rows = sequence_rows(lp, blp, mask, entropy=entropy, cap=cap)
        n = len(rows)
        given = (("rewards", rewards), ("group", group), ("policy_step", policy_step))
        kept = [host_column(name, value, n) for name, value in given]
        self._batches.append((rows, kept[0], kept[1], kept[2]))

    def note(self, *findings: Finding) -> None:
        """Put findings into the next report."""
        self._found += findings

    def close_step(
        self,
        step: int | None = None,
        *,
        learning_rate: float | None = None,
        lr_factor: float | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> StepReport:
        """Return the report of the optimizer step, hand it to the sinks, and start the next one.

        Parameters
        ----------
        step
            Number of the optimizer step; by default one more than the last.
        learning_rate, lr_factor
            Of this step: the rate that was used, and the factor that ESS scaling put on it.
        metrics
            Numbers of the caller's own, such as the loss or the gradient norm.

        Returns
        -------
        StepReport
            The same on every rank.

        Raises
        ------
        ArgumentError
            If a number is none.
        CheckRefusedError
            With `on_refuse="raise"`, if a check refused.
        """
        number = self._next_step if step is None else int(step)
        batches, self._batches = self._batches, []
        rows, ranks = gather_rows(_to_host(batches, number), self.process_group)
        own, self._found = tuple(self._found), []
        report = summarise(
            rows,
            step=number,
            level=self.level,
            learning_rate=_float(learning_rate, "learning_rate"),
            lr_factor=_float(lr_factor, "lr_factor"),
            n_micro_batches=len(batches),
            n_ranks=ranks,
            metrics={str(name): _float(value, f"metrics[{name!r}]") for name, value in (metrics or {}).items()},
        )
        report = self._with_findings(report, rows, own)
        self.last, self._next_step = report, number + 1
        if _rank() == 0:
            for sink in self.sinks:
                sink(report)
        self._speak(report.findings)
        return report

    def _with_findings(self, report: StepReport, rows: NDArray[np.float64], own: tuple[Finding, ...]) -> StepReport:
        from dataclasses import replace

        of = {name: rows[:, k] for k, name in enumerate(COLUMNS)}
        equal = report.n_tokens > 0 and bool((of["n_zero"] == of["n_good"]).all())
        self._equal_steps = self._equal_steps + 1 if equal else 0
        found = (*own, *step_findings(report, of, equal_steps=self._equal_steps))
        watch = self.early_warning
        if watch is not None and watch.update(report.ess_token.value, report.reward):
            found = (*found, watch.finding())
        return replace(report, findings=found) if found else report

    def _speak(self, findings: tuple[Finding, ...]) -> None:
        """Say each finding once in a run; the reports carry them every time."""
        for finding in findings:
            if finding.severity != "note" and finding.name not in self._said:
                self._said.add(finding.name)
                if not (finding.severity == "refuse" and self.on_refuse == "raise") and _rank() == 0:
                    warn(CheckWarning(str(finding)))
        refused = [str(finding) for finding in findings if finding.severity == "refuse"]
        if refused and self.on_refuse == "raise":
            raise CheckRefusedError(" ".join(refused))

    def close(self) -> None:
        """Close the sinks that can be closed. What was observed since the last step is left out."""
        for sink in self.sinks:
            close = getattr(sink, "close", None)
            if close is not None:
                close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rank() -> int:
    distributed = torch.distributed
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def _float(value: Any, argument: str) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(argument, "a number", value, call="Monitor.close_step") from error


def _to_host(batches: Sequence[tuple[Tensor, Any, Any, Any]], step: int) -> NDArray[np.float64]:
    """Return the rows of all micro-batches on the host: the one wait for the device."""
    if not batches:
        return np.empty((0, len(COLUMNS)))
    device = torch.cat([rows if rows.dtype == batches[0][0].dtype else rows.double() for rows, *_ in batches])
    rows = device.cpu().double().numpy()
    sizes = [len(batch[0]) for batch in batches]
    reward, group, policy = (
        np.concatenate([as_numbers(batch[k], n) for batch, n in zip(batches, sizes, strict=True)]) for k in (1, 2, 3)
    )
    return np.column_stack([rows, reward, group, step - policy])
