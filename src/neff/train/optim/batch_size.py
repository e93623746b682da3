"""A batch size that doubles whenever the measured critical batch size is more than twice as large."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats._options import check_choice
from neff.stats._validate import check_count, check_number
from neff.train._caller import warn
from neff.train.batch_size.rates import KNOWN, rule_of
from neff.train.optim._rates import ScaledRates
from neff.train.optim.warnings import AlignmentWarning

__all__ = ["BatchSizeWarmup", "Critical"]

Critical: TypeAlias = Sequence[tuple[float, float]] | Callable[[int], float | None]
"""Critical batch size by amount of data seen: pairs (seen, critical batch size), or a function of what was seen."""


class BatchSizeWarmup:
    """Double the batch size when the critical batch size is more than twice as large, and raise the learning rate.

    Use it with a critical batch size that was measured at a few checkpoints (`neff.train.critical_batch_size`): it is
    near zero at the start and grows, so a batch that grows with it saves steps at no cost in loss. Not with a batch
    size whose learning rate was never tuned: the gain over it is then partly that of a better rate.

    Parameters
    ----------
    optimizer
        A torch optimizer.
    critical
        Pairs (seen, critical batch size), the first at or before the start: each holds until the next. Or a function
        that is called with what was seen, and returns the present one (None or NaN: not known, no change). Under data
        parallelism every rank must get the same answer.
    batch_size
        The first batch size, over all ranks. It, `critical` and `seen` are in one unit: examples, or tokens.
    max_batch_size
        Never larger than this.
    multiple_of
        What a batch must be a multiple of: micro-batch times ranks. The first is rounded up, with a warning.
    rule
        Learning rate by the ratio of batch sizes: "sqrt" (Adam and its kin, RMSprop, Adagrad) or "linear" (SGD).
        None: by the kind of optimizer.
    scheduler
        A `LambdaLR` in steps of the first batch size: it is made to follow what was seen instead of the steps taken, so
        that its shape in data stays. Call `scheduler.step()` after `advance`.
    lr_schedule
        Instead of a scheduler: a function of what was seen, whose value multiplies the first learning rate.

    Attributes
    ----------
    batch_size, seen, ratio
        Present batch size; data seen so far; present over first batch size.
    history
        (seen, batch size) at the start and at each change.

    Raises
    ------
    ArgumentError
        If the optimizer is of an unknown kind and no rule is given, a scheduler is not a `LambdaLR`, pairs are not in
        order, or a number is out of range.

    Warns
    -----
    AlignmentWarning
        If `batch_size` was rounded up.

    Notes
    -----
    A change waits until the data taken from the loader are a whole number of the new batches, so that a loader that is
    rebuilt goes on at the same place. It changes the present rate, `initial_lr` and the scheduler's base rates.

    References
    ----------
    Merrill et al., arXiv:2505.23971.

    Examples
    --------
    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.AdamW([weight], lr=0.01)
    >>> warmup = BatchSizeWarmup(optimizer, [(0, 50), (100, 200)], batch_size=32)
    >>> while warmup.seen < 500:
    ...     grown = warmup.advance()  # after optimizer.step() on warmup.batch_size examples
    >>> warmup.history, round(optimizer.param_groups[0]["lr"] / 0.01, 4)
    ([(0, 32), (128, 128)], 2.0)
    """

    def __init__(
        self,
        optimizer: Any,
        critical: Critical,
        *,
        batch_size: int,
        max_batch_size: int | None = None,
        multiple_of: int = 1,
        rule: str | None = None,
        scheduler: Any = None,
        lr_schedule: Callable[[int], float] | None = None,
    ) -> None:
        call = "BatchSizeWarmup"
        ScaledRates(optimizer, call)  # it has learning rates
        self.optimizer = optimizer
        self.critical = critical if callable(critical) else _pairs(critical)
        size = check_count(batch_size, argument="batch_size", call=call, minimum=1)
        unit = check_count(multiple_of, argument="multiple_of", call=call, minimum=1)
        self.batch_size = self.first_batch_size = math.ceil(size / unit) * unit
        if self.batch_size != size:
            warn(AlignmentWarning(AlignmentWarning.__doc__ or ""))
        self.max_batch_size = math.inf
        if max_batch_size is not None:
            self.max_batch_size = check_count(max_batch_size, argument="max_batch_size", call=call, minimum=1)
            if self.batch_size > self.max_batch_size:
                must = f"at least the first batch size, {self.batch_size}"
                raise ArgumentError("max_batch_size", must, max_batch_size, call=call)
        self.rule = _rule(optimizer, rule)
        if scheduler is not None and lr_schedule is not None:
            raise ArgumentError("lr_schedule", "None with a scheduler", lr_schedule, "Give one of the two.", call=call)
        self.scheduler, self.lr_schedule = scheduler, lr_schedule
        self.seen = self._taken = 0
        self.history: list[tuple[int, int]] = [(0, self.batch_size)]
        for group in optimizer.param_groups:
            rate = group["lr"]
            group.setdefault("initial_lr", rate.clone() if hasattr(rate, "clone") else rate)
        if scheduler is not None:
            self._follow(scheduler)
        self._set_rates(1.0)

    @property
    def ratio(self) -> int:
        """Present batch size over the first one: a whole number."""
        return self.batch_size // self.first_batch_size

    def advance(self, n: int | None = None) -> bool:
        """Count one batch, and double the batch size where it is time: call it after each optimizer step.

        Parameters
        ----------
        n
            What the batch held, where that is not `batch_size` (a last, smaller one; tokens without padding).

        Returns
        -------
        bool
            Whether the batch size changed: rebuild the loader, or draw more micro-batches.
        """
        self.count(n)
        return self.decide()

    def count(self, n: int | None = None) -> None:
        """Count one batch, or a part of it, without a change of the batch size."""
        more = self.batch_size if n is None else check_count(n, argument="n", call="BatchSizeWarmup.count")
        self.seen += more
        self._taken += more
        self._set_rates(1.0)

    def decide(self, *, taken: int | None = None) -> bool:
        """Double the batch size where the critical one is more than twice as large and the data are aligned.

        Parameters
        ----------
        taken
            What was taken from the loader since its start, where that is not all that was counted (a new epoch).

        Returns
        -------
        bool
            Whether the batch size changed.
        """
        limit = self._critical()
        taken = self._taken if taken is None else taken
        before = self.batch_size
        while limit > 2 * self.batch_size <= self.max_batch_size and taken % (2 * self.batch_size) == 0:
            self.batch_size *= 2
        if self.batch_size == before:
            return False
        grown = self.batch_size // before
        self.history.append((self.seen, self.batch_size))
        self._set_rates(math.sqrt(grown) if self.rule == "sqrt" else float(grown))
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint between two steps must keep; the optimizer's state keeps the learning rates."""
        return {
            "batch_size": self.batch_size,
            "first_batch_size": self.first_batch_size,
            "seen": self.seen,
            "taken": self._taken,
            "history": [list(pair) for pair in self.history],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint, after the optimizer (and the scheduler) went on from theirs.

        Raises
        ------
        ArgumentError
            If it started at another batch size.
        """
        if state["first_batch_size"] != self.first_batch_size:
            must, got = f"of a run that started at batch size {self.first_batch_size}", state["first_batch_size"]
            raise ArgumentError("state", must, got, call="BatchSizeWarmup.load_state_dict")
        self.batch_size, self.seen = int(state["batch_size"]), int(state["seen"])
        self._taken = int(state["taken"])
        self.history = [(int(seen), int(size)) for seen, size in state["history"]]
        self._set_rates(1.0)

    def _critical(self) -> float:
        if callable(self.critical):
            value = self.critical(self.seen)
            number = math.nan if value is None else check_number(value, argument="critical", call="BatchSizeWarmup")
            if number == math.inf:  # it would double for ever
                raise ArgumentError("critical", "finite, or None where it is not known", number, call="BatchSizeWarmup")
            return -math.inf if math.isnan(number) else number
        return next((size for start, size in reversed(self.critical) if start <= self.seen), -math.inf)

    def _set_rates(self, factor: float) -> None:
        """Multiply what the rates start from, and set the present ones."""
        shape = None if self.lr_schedule is None else float(self.lr_schedule(self.seen))
        for group in self.optimizer.param_groups:
            group["initial_lr"] *= factor
            rate = group["lr"] * factor if shape is None else group["initial_lr"] * shape
            if hasattr(group["lr"], "copy_"):  # a tensor that compiled steps hold on to
                group["lr"].copy_(rate)
            else:
                group["lr"] = rate
        if self.scheduler is not None:
            self.scheduler.base_lrs = [rate * factor for rate in self.scheduler.base_lrs]
            vars(self.scheduler)["_last_lr"] = [group["lr"] for group in self.optimizer.param_groups]  # what is logged

    def _follow(self, scheduler: Any) -> None:
        """Let the scheduler's functions see steps of the first batch size."""
        lambdas = getattr(scheduler, "lr_lambdas", None)
        if lambdas is None:
            must = "a LambdaLR, whose functions of the step can be given the data seen instead"
            fix = "Give lr_schedule, a function of what was seen."
            raise ArgumentError("scheduler", must, type(scheduler).__name__, fix, call="BatchSizeWarmup")
        scheduler.lr_lambdas = [self._by_data(function) for function in lambdas]

    def _by_data(self, function: Callable[[float], float]) -> Callable[[int], float]:
        def at(_: int) -> float:
            steps = self.seen / self.first_batch_size
            return function(int(steps) if steps == int(steps) else steps)

        return at


def _rule(optimizer: Any, rule: str | None) -> str:
    if rule is not None:
        return check_choice(rule, ("sqrt", "linear"), argument="rule", call="BatchSizeWarmup")
    found = rule_of(optimizer)
    if found is not None:
        return found
    fix = 'Say how its learning rate goes with the batch size: rule="sqrt" or "linear".'
    raise ArgumentError("optimizer", KNOWN, type(optimizer).__name__, fix, call="BatchSizeWarmup")


def _pairs(critical: Any) -> list[tuple[float, float]]:
    call = "BatchSizeWarmup"
    try:
        pairs = [(float(seen), float(size)) for seen, size in critical]
    except (TypeError, ValueError) as error:
        fix = "Give [(0, 64), (100_000, 128)]."
        raise ArgumentTypeError("critical", "pairs (seen, critical batch size)", critical, fix, call=call) from error
    starts = [seen for seen, _ in pairs]
    if not pairs or starts != sorted(set(starts)) or not all(math.isfinite(x) for pair in pairs for x in pair):
        must = "pairs (seen, critical batch size) of finite numbers, in rising order of what was seen"
        raise ArgumentError("critical", must, critical, call=call)
    return pairs
