"""One row of sums per sequence: small enough to keep, and enough for everything that is reported about a step.

Rows are made on the device of the log-probabilities, without waiting for it. They leave it once per optimizer step.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats._validate import check_number
from neff.train.losses.ratios import valid, widen
from neff.train.monitor.summary import COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["gather_rows", "host_column", "sequence_rows"]

_LOWEST = -1e30
_EXACT = 2**53


def sequence_rows(
    lp: Tensor, blp: Tensor, mask: Tensor, *, entropy: Tensor | None = None, cap: float | Tensor | None = None
) -> Tensor:
    """Return the device columns of `COLUMNS` for each sequence, shape [B, len(DEVICE_COLUMNS)].

    A valid token whose log-ratio is NaN or infinite is dropped and counted. Padding may hold anything.
    """
    _check(lp, cap, blp=blp, mask=mask, entropy=entropy)
    with torch.no_grad():
        ratio = widen(lp.detach()) - widen(blp.detach())
        keep = valid(mask)
        good = keep & ratio.isfinite()
        total = torch.where(good, ratio, 0.0).sum(-1)
        ratio = ratio.masked_fill_(~good, -math.inf)
        top = ratio.amax(-1) if ratio.shape[1] else ratio.new_full(ratio.shape[:1], -math.inf)
        zeros = (ratio == 0).sum(-1)
        missing = torch.full_like(total, math.nan)
        hits, log_cap = missing, missing
        if cap is not None:
            level = torch.as_tensor(cap, dtype=total.dtype, device=total.device).detach().reshape(()).log()
            hits, log_cap = (ratio > level).sum(-1), level.expand_as(total)
        weight = ratio.sub_(top.clamp(min=_LOWEST).unsqueeze(-1)).exp_()
        first = weight.sum(-1)
        second = weight.square_().sum(-1)
        spread = missing if entropy is None else torch.where(keep, widen(entropy.detach()), 0.0).sum(-1)
        n_good, n_kept = good.sum(-1), keep.sum(-1)
        columns = (n_good, n_kept, total, top, first, second, zeros, spread, hits, log_cap)
        return torch.stack([column.to(total.dtype) for column in columns], -1)


def _check(lp: Tensor, cap: float | Tensor | None, **others: Tensor | None) -> None:
    call = "Monitor.observe"
    for name, tensor in {"lp": lp, **others}.items():
        if tensor is None and name == "entropy":
            continue
        if not isinstance(tensor, torch.Tensor):
            raise ArgumentTypeError(name, "a tensor", type(tensor).__name__, "Use torch.as_tensor.", call=call)
        if tensor.shape != lp.shape:
            must = f"of the shape of lp, {tuple(lp.shape)}"
            raise ArgumentError(name, must, tuple(tensor.shape), "One value per token.", call=call)
    if lp.ndim != 2:
        raise ArgumentError("lp", "of shape [B, T]", tuple(lp.shape), "One row per response.", call=call)
    if isinstance(cap, torch.Tensor):
        if cap.numel() != 1:  # its value is not looked at: that would wait for the device
            raise ArgumentError("cap", "one number", f"shape {tuple(cap.shape)}", call=call)
    elif cap is not None and not check_number(cap, argument="cap", call=call) > 0:
        raise ArgumentError("cap", "above 0", cap, "It bounds the ratio, not its logarithm.", call=call)


def host_column(name: str, given: Any, n: int) -> Any:
    """Return one value per sequence, still where it was given; None is NaN, and texts of `group` become numbers."""
    if given is None:
        return None
    if isinstance(given, torch.Tensor):
        column: Any = given.detach().clone()
    else:
        column = np.array(given)
        if column.dtype.kind in "OUS":
            column = np.array([_number_of(name, value) for value in column.ravel().tolist()]).reshape(column.shape)
        if name == "group" and column.dtype.kind == "f" and np.isnan(column).any():
            raise ArgumentError(name, "known for every response", math.nan, call="Monitor.observe")
    if column.ndim == 0:
        return column
    if column.shape != (n,):
        fix = "One value per response of the micro-batch, or one for all."
        raise ArgumentError(name, f"of shape ({n},)", tuple(column.shape), fix, call="Monitor.observe")
    return column


def _number_of(name: str, value: Any) -> float:
    """Return a number that two ranks agree on: of the text of a group, 53 bits of its digest."""
    if isinstance(value, (Real, torch.Tensor)):
        return float(value)
    if name != "group":
        if value is None:
            return math.nan
        raise ArgumentError(name, "numbers, None for one that is not known", value, call="Monitor.observe")
    if value is None:
        raise ArgumentError(name, "known for every response", value, call="Monitor.observe")
    import hashlib

    digest = hashlib.blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return float(int.from_bytes(digest, "big") % _EXACT)


def as_numbers(column: Any, n: int) -> NDArray[np.float64]:
    """Return a column of `host_column` as n floats; NaN where it was not given. Waits for the device."""
    if column is None:
        return np.full(n, math.nan)
    if isinstance(column, torch.Tensor):
        column = column.cpu()
        column = (column.double() if column.is_floating_point() else column).numpy()
    return np.broadcast_to(np.asarray(column, dtype=np.float64), (n,))


def gather_rows(rows: NDArray[np.float64], group: Any = None) -> tuple[NDArray[np.float64], int]:
    """Return the rows of all ranks, in the order of the ranks, and how many ranks there are.

    Every rank of the process group must call it, also one without a row. Two collectives.
    """
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return rows, 1
    world = distributed.get_world_size(group)
    if world == 1:
        return rows, 1
    device = torch.device("cuda", torch.cuda.current_device()) if "nccl" in distributed.get_backend(group) else None
    sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(world)]
    distributed.all_gather(sizes, torch.tensor([len(rows)], device=device), group=group)
    counts = [int(size) for size in sizes]
    padded = torch.zeros(max(*counts, 1), len(COLUMNS), dtype=torch.float64, device=device)
    padded[: len(rows)] = torch.from_numpy(np.ascontiguousarray(rows))
    gathered = [torch.empty_like(padded) for _ in range(world)]
    distributed.all_gather(gathered, padded, group=group)
    parts = [part[:count].cpu().numpy() for part, count in zip(gathered, counts, strict=True)]
    return np.concatenate(parts), world
