"""Learning rates that are changed for one step and put back bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from neff.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ScaledRates", "first_device"]


class ScaledRates:
    """The learning rates of an optimizer, times a factor for each parameter group, until `restore`.

    A rate that is a tensor is changed in place, as compiled steps hold on to it.
    """

    def __init__(self, optimizer: Any, call: str) -> None:
        groups = getattr(optimizer, "param_groups", None)
        if not groups or any(group.get("lr") is None for group in groups):
            fix = "Give a torch optimizer with a learning rate in each parameter group."
            raise ArgumentError(
                "optimizer", "an optimizer with learning rates", type(optimizer).__name__, fix, call=call
            )
        self.optimizer = optimizer
        self.call = call
        self._saved: list[Any] | None = None
        self._set: list[Any] = []

    @property
    def active(self) -> bool:
        """Whether the rates are scaled at present."""
        return self._saved is not None

    def apply(self, factors: Sequence[float]) -> None:
        """Multiply the rate of each group by its factor."""
        if self.active:
            fix = "Call restore() after each optimizer step."
            raise ArgumentError(
                "the learning rate", "restored before it is scaled again", "scaled", fix, call=self.call
            )
        self._saved, self._set = [], []
        for group, factor in zip(self.optimizer.param_groups, factors, strict=True):
            rate = group["lr"]
            if isinstance(rate, Tensor):
                self._saved.append(rate.detach().clone())
                rate.mul_(factor)
                self._set.append(rate.detach().clone())
            else:
                self._saved.append(rate)
                group["lr"] = rate * factor
                self._set.append(group["lr"])

    def restore(self, *, check: bool = True) -> None:
        """Put the rates back; nothing where they are not scaled. Says so where someone else changed them."""
        if self._saved is None:
            return
        changed = False
        for group, saved, was in zip(self.optimizer.param_groups, self._saved, self._set, strict=True):
            rate = group["lr"]
            if isinstance(rate, Tensor) and isinstance(saved, Tensor):
                changed |= bool((rate != was).any())
                rate.copy_(saved)
            else:
                changed |= bool(rate != was)
                group["lr"] = saved
        self._saved = None
        if changed and check:
            fix = "A scheduler must step after the rates are restored, or it goes on from the scaled ones."
            raise ArgumentError(
                "the learning rate", "left alone while it is scaled", "another rate", fix, call=self.call
            )


def first_device(optimizer: Any) -> Any:
    """Return the device of the first parameter."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            return parameter.device
    return None
