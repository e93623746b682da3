"""Batch-size warm-up in the Trainer of transformers (and of TRL): gradient accumulation is the lever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from neff.errors import ArgumentError, MissingExtraError
from neff.train.optim.batch_size import BatchSizeWarmup

try:
    from transformers import TrainerCallback
    from transformers.trainer_callback import ExportableState
except ModuleNotFoundError as error:
    raise MissingExtraError("neff.train.BatchSizeWarmupCallback", "trl") from error

if TYPE_CHECKING:
    from neff.train.optim.batch_size import Critical

__all__ = ["BatchSizeWarmupCallback"]


class BatchSizeWarmupCallback(TrainerCallback, ExportableState):  # type: ignore[misc]  # transformers is not typed
    """`BatchSizeWarmup` for `transformers.Trainer`: more micro-batches per optimizer step, no loader is rebuilt.

    Use it as `Trainer(..., callbacks=[BatchSizeWarmupCallback([(0, 64), (100_000, 128)])])`. The schedule of the
    learning rate keeps its shape in examples, and training ends at the number of examples that was asked for, after
    fewer steps. Not with DeepSpeed, which fixes the accumulation at its start.

    Parameters
    ----------
    critical
        Critical batch size in examples, as for `BatchSizeWarmup`.
    max_batch_size, rule
        As for `BatchSizeWarmup`.

    Attributes
    ----------
    warmup
        The `BatchSizeWarmup`, from the start of training on.

    Raises
    ------
    ArgumentError
        At the start of training: if the optimizer is of an unknown kind and no rule is given, the schedule of the
        learning rate is not a `LambdaLR`, DeepSpeed is used, or a run is resumed at a larger batch size without
        `ignore_data_skip=True` (Trainer finds its place in the data from the number of steps, which no longer tells).

    Notes
    -----
    Every log carries `batch_size` and `examples_seen`. The state is saved in Trainer's checkpoints; resume with
    `restore_callback_states_from_checkpoint=True`. A function as `critical` is taken from the callback given to the new
    Trainer.

    References
    ----------
    Merrill et al., arXiv:2505.23971.

    Examples
    --------
    >>> BatchSizeWarmupCallback([(0, 64), (100_000, 128)]).state()["args"]["critical"]
    [(0, 64), (100000, 128)]
    """

    given_function: ClassVar[Any] = None

    def __init__(
        self, critical: Critical | None = None, *, max_batch_size: int | None = None, rule: str | None = None
    ) -> None:
        if callable(critical):
            type(self).given_function = staticmethod(critical)
        self.critical = critical
        self.max_batch_size = max_batch_size
        self.rule = rule
        self.warmup: BatchSizeWarmup | None = None
        self.saved: dict[str, Any] | None = None
        self._micro = self._in_epoch = self._planned = self._before = 0

    def state(self) -> dict[str, Any]:
        """Return what Trainer writes into a checkpoint."""
        critical = None if callable(self.critical) else self.critical
        args = {"critical": critical, "max_batch_size": self.max_batch_size, "rule": self.rule}
        saved = self.saved if self.warmup is None else self.warmup.state_dict()
        return {"args": args, "attributes": {"saved": saved}}

    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,  # noqa: ARG002
        optimizer: Any = None,
        lr_scheduler: Any = None,
        **_: Any,
    ) -> None:
        """Take hold of the optimizer and of the schedule of the learning rate."""
        call = "BatchSizeWarmupCallback"
        if args.deepspeed is not None:
            raise ArgumentError("deepspeed", "off", args.deepspeed, "It fixes gradient accumulation.", call=call)
        critical = self.critical if self.critical is not None else type(self).given_function
        if critical is None:
            raise ArgumentError("critical", "given", None, "Give [(0, 64), (100_000, 128)].", call=call)
        self._micro = state.train_batch_size * args.world_size
        self._before = args.gradient_accumulation_steps
        first = self._micro * self._before
        bare = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
        self.warmup = BatchSizeWarmup(
            bare,
            critical,
            batch_size=first,
            max_batch_size=self.max_batch_size,
            multiple_of=self._micro,
            rule=self.rule,
            scheduler=lr_scheduler,
        )
        self._planned = state.max_steps * first
        if self.saved is not None:
            self.warmup.load_state_dict(self.saved)
            if self.warmup.batch_size != first and not args.ignore_data_skip:
                fix = "Trainer finds its place in the data from the number of steps, which no longer tells."
                raise ArgumentError("ignore_data_skip", "True to resume at a larger batch", False, fix, call=call)  # noqa: FBT003
            args.gradient_accumulation_steps = self.warmup.batch_size // self._micro

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Trainer counts micro-batches from the start of an epoch."""
        self._in_epoch = 0

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Count a micro-batch."""
        self._count()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Count the last micro-batch of a step, before Trainer steps the schedule of the learning rate."""
        self._count()

    def _count(self) -> None:
        if self.warmup is not None:
            self.warmup.count(self._micro)
            self._in_epoch += self._micro

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Grow the batch, or end the training."""
        if self.warmup is None:
            return
        if self.warmup.decide(taken=self._in_epoch):
            args.gradient_accumulation_steps = self.warmup.batch_size // self._micro
        if self.warmup.seen >= self._planned:
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Put the gradient accumulation back."""
        args.gradient_accumulation_steps = self._before

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:  # noqa: ARG002
        """Add the batch size to what is logged."""
        if self.warmup is not None and logs is not None:
            more = {"batch_size": self.warmup.batch_size, "examples_seen": self.warmup.seen}
            logs |= more
            if state.log_history:
                state.log_history[-1] |= more  # a copy was made before
