"""`TorchBranch`: the step protocol of `neff.train.batch_size.branch` around a model and an optimizer of PyTorch."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from neff.errors import ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TorchBranch"]


class _State(NamedTuple):
    model: dict[str, Any]
    optimizer: dict[str, Any]
    rates: list[float]
    n_seen: int
    training: bool
    gradients: list[torch.Tensor | None]


class TorchBranch:
    """A PyTorch model and optimizer that can be branched.

    Use it for `neff.train.batch_size.branch` where one process holds the model. For sharded models write the six
    methods of `neff.train.batch_size.Branchable` around your own trainer.

    Parameters
    ----------
    model
        The model; its parameters and buffers are the checkpoint.
    optimizer
        Its optimizer; moments and learning rates are part of the checkpoint.
    loss
        `loss(model, batch)`: the mean loss over a batch, a scalar tensor.
    batch
        `batch(start, stop, seed)`: examples start..stop - 1 of the data order `seed`, on the model's device.
    held_out
        `held_out(model)`: the mean loss on a fixed set of 8,000 examples or more, called without gradients.
    schedule
        Factor of the learning rate as a function of examples seen; constant by default. A schedule in steps would be
        stretched by a larger batch.
    n_seen
        Examples seen before, where the schedule stands.
    max_norm
        Clip the norm of the averaged gradient to this, as in the run that is measured.

    Notes
    -----
    The learning rates of the groups at construction are the base ones: a step uses base x factor x schedule(n_seen).
    The snapshot is a copy on the model's device. Random numbers drawn in the model (dropout) come from torch's
    generator, which is seeded by `seed` and the place in the data for each step and put back afterwards.

    Examples
    --------
    >>> from neff.train.batch_size import branch
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Linear(3, 1)
    >>> inputs = torch.randn(4000, 3)
    >>> targets = inputs.sum(1, keepdim=True)
    >>> def loss(model, batch):
    ...     return torch.nn.functional.mse_loss(model(batch[0]), batch[1])
    >>> def batch(start, stop, seed):
    ...     order = torch.randperm(4000, generator=torch.Generator().manual_seed(seed))[start:stop]
    ...     return inputs[order], targets[order]
    >>> trainer = TorchBranch(
    ...     model,
    ...     torch.optim.Adam(model.parameters(), lr=0.01),
    ...     loss=loss,
    ...     batch=batch,
    ...     held_out=lambda model: loss(model, (inputs, targets)),
    ... )
    >>> found = branch(trainer, batch_size=8, window=4000, multipliers=(1, 2, 4), seeds=(0, 1))
    >>> found.plan.steps, [round(factor, 3) for factor in found.factors]
    ((500, 250, 125), [1.0, 1.414, 2.0])
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        loss: Callable[[torch.nn.Module, Any], torch.Tensor],
        batch: Callable[[int, int, int], Any],
        held_out: Callable[[torch.nn.Module], Any] | None = None,
        schedule: Callable[[int], float] | None = None,
        n_seen: int = 0,
        max_norm: float | None = None,
    ) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise ArgumentTypeError("optimizer", "a torch optimizer", optimizer, call="TorchBranch")
        self.model = model
        self.optimizer = optimizer
        self._loss, self._batch, self._held_out, self._schedule = loss, batch, held_out, schedule
        self._max_norm = max_norm
        self._n_seen = n_seen
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._factor = 1.0

    @property
    def n_seen(self) -> int:
        """Examples seen, where the schedule stands."""
        return self._n_seen

    def snapshot(self) -> _State:
        """Return a copy of weights, gradients, buffers, optimizer state and schedule position."""
        return _State(
            {name: value.detach().clone() if torch.is_tensor(value) else copy.deepcopy(value)
             for name, value in self.model.state_dict().items()},
            copy.deepcopy(self.optimizer.state_dict()),
            [group["lr"] for group in self.optimizer.param_groups],
            self._n_seen,
            self.model.training,
            [None if p.grad is None else p.grad.detach().clone() for p in self._parameters()],
        )  # fmt: skip

    def restore(self, checkpoint: _State) -> None:
        """Go back to a snapshot, with the learning rates as they were."""
        self.model.load_state_dict(checkpoint.model)
        self.model.train(checkpoint.training)
        # The optimizer would go on to change the tensors that it is given.
        self.optimizer.load_state_dict(copy.deepcopy(checkpoint.optimizer))
        for group, rate in zip(self.optimizer.param_groups, checkpoint.rates, strict=True):
            group["lr"] = rate
        for p, gradient in zip(self._parameters(), checkpoint.gradients, strict=True):
            p.grad = None if gradient is None else gradient.clone()  # a loop that adds to them must not find ours
        self._n_seen, self._factor = checkpoint.n_seen, 1.0

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate of every later step."""
        self._factor = factor

    def step(self, start: int, stop: int, *, seed: int) -> float:
        """Train one step and return the loss before it."""
        shape = 1.0 if self._schedule is None else self._schedule(self._n_seen)
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * self._factor * shape
        data = self._batch(start, stop, seed)
        with torch.random.fork_rng(devices=self._cuda()):
            torch.manual_seed((seed * 1_000_003 + start) % 2**63)
            loss = self._loss(self.model, data)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self._max_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._max_norm)
        self.optimizer.step()
        self._n_seen += stop - start
        return float(loss.detach())

    def probe(self) -> float:
        """Return the loss on the fixed set, in evaluation mode."""
        if self._held_out is None:
            raise ArgumentTypeError(
                "held_out", "given where the loss is 'probe'", None, 'Or branch with loss="ema".', call="TorchBranch"
            )
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                return float(self._held_out(self.model))
        finally:
            self.model.train(training)

    def _parameters(self) -> list[torch.Tensor]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def _cuda(self) -> list[int]:
        devices = {p.device.index for p in self.model.parameters() if p.device.type == "cuda"}
        return sorted(index for index in devices if index is not None)
