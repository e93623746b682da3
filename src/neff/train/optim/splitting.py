"""The two halves of a batch, for `AGVM.half`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from neff.errors import ArgumentError

__all__ = ["split_halves"]


def split_halves(batch: Any) -> tuple[Any, Any]:
    """Return the two halves of a batch of tensors, along the first axis.

    Use it for `AGVM.half`.

    Parameters
    ----------
    batch
        A tensor, or a tuple, list or mapping of tensors, with the examples along the first axis. Lists of as many
        entries, such as texts, are halved too; other values are passed to both.

    Returns
    -------
    tuple
        The first and the second half, of the same kind as the batch.

    Raises
    ------
    ArgumentError
        If the number of examples is odd or 0, or differs between the tensors.

    Examples
    --------
    >>> split_halves({"x": torch.arange(4)})
    ({'x': tensor([0, 1])}, {'x': tensor([2, 3])})
    """
    sizes = sorted({tensor.shape[0] for tensor in _tensors(batch) if tensor.ndim})
    size = sizes[0] if len(sizes) == 1 else 0
    if size < 2 or size % 2:
        fix = "Halves must be of the same size: drop the last example of an odd batch."
        raise ArgumentError("batch", "an even number of examples, at least 2", sizes, fix, call="split_halves")
    return _slice(batch, slice(0, size // 2), size), _slice(batch, slice(size // 2, size), size)


def _tensors(batch: Any) -> list[Tensor]:
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else [batch]
    return [part for part in parts if isinstance(part, torch.Tensor)]


def _slice(batch: Any, rows: slice, size: int) -> Any:
    def cut(part: Any) -> Any:
        of_examples = part.ndim > 0 if isinstance(part, torch.Tensor) else isinstance(part, list) and len(part) == size
        return part[rows] if of_examples else part

    if isinstance(batch, Mapping):
        return {name: cut(part) for name, part in batch.items()}
    if isinstance(batch, list | tuple):
        parts = [cut(part) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return cut(batch)
