"""Gradient noise module by module: from norms at two batch sizes, or from the angle of two half-batch gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table
from neff.stats._special import t_quantile
from neff.stats._validate import check_level, check_number, check_vector
from neff.train.batch_size.noise import LABEL, NoiseScale, noise_scale

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

__all__ = ["ModuleNoise", "expected_phi", "gradient_phi", "module_noise_scales", "noise_from_phi"]


@dataclass(frozen=True, slots=True)
class ModuleNoise:
    """Noise scales of the modules of one model, the noisiest first.

    Attributes
    ----------
    modules
        Noise scale by the name of the module.
    """

    modules: dict[str, NoiseScale]

    @property
    def notes(self) -> tuple[str, ...]:
        """What weakens the result."""
        return (LABEL,)

    def table(self) -> Table:
        """Return one row per module."""
        level = next(iter(self.modules.values())).level
        columns = (
            Column("module", "Module"),
            Column("value", "Noise scale", "number", 1),
            Column("interval", f"{100 * level:g}% interval", "interval", 1),
            Column("signal", "Squared gradient", "number"),
            Column("trace", "Trace of the noise", "number"),
            Column("reason", "Reason"),
        )
        rows = tuple((k, v.value, v.interval, v.signal, v.trace, v.reason) for k, v in self.modules.items())
        return Table(columns, rows, "Gradient noise scale, by module")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        rows = [{"module": name} | found.to_dict() for name, found in self.modules.items()]
        for row in rows:
            del row["schema"]
        return {"schema": "neff.module_noise/1", "modules": rows}

    def __str__(self) -> str:
        return f"{self.table()}\nnote: {LABEL}"


def module_noise_scales(
    small_sq_norms: Mapping[str, ArrayLike],
    big_sq_norms: Mapping[str, ArrayLike],
    *,
    b_small: float,
    b_big: float,
    level: float = 0.95,
) -> ModuleNoise:
    """Return the noise scale of every module, from its own squared norms.

    Use it to see which part of a model is noisy at the present batch: a module far noisier than the rest is the one
    that a per-module learning rate would slow down.

    Parameters
    ----------
    small_sq_norms, big_sq_norms
        Squared norms of the module's gradient by its name, shapes as in `noise_scale`. The same names in both.
    b_small, b_big
        Examples behind each.
    level
        Coverage of each interval, in (0, 1).

    Returns
    -------
    ModuleNoise
        The noisiest module first; those without a value last.

    Raises
    ------
    ArgumentError
        If the names differ or there are none.

    References
    ----------
    McCandlish, Kaplan, Amodei and others 2018, arXiv:1812.06162.

    Examples
    --------
    >>> found = module_noise_scales(
    ...     {"body": [3.0, 3.2], "head": [52.0, 51.0]}, {"body": [2.1, 2.0], "head": [2.8, 2.7]}, b_small=1, b_big=64
    ... )
    >>> {name: round(scale.value, 2) for name, scale in found.modules.items()}
    {'head': 25.06, 'body': 0.52}
    """
    if not small_sq_norms or set(small_sq_norms) != set(big_sq_norms):
        got = sorted(set(small_sq_norms) ^ set(big_sq_norms)) or "none"
        raise ArgumentError(
            "big_sq_norms", "of the same modules as small_sq_norms, one or more", got, call="module_noise_scales"
        )
    found = {
        name: noise_scale(norms, big_sq_norms[name], b_small=b_small, b_big=b_big, level=level)
        for name, norms in small_sq_norms.items()
    }
    order = sorted(found, key=lambda name: -found[name].value if not math.isnan(found[name].value) else math.inf)
    return ModuleNoise({name: found[name] for name in order})


def gradient_phi(first: ArrayLike, second: ArrayLike) -> float:
    """Return 1 - cos of the angle between the gradients of two disjoint halves of a batch.

    Parameters
    ----------
    first, second
        The flattened mean gradients of a module on each half, shape (d,).

    Returns
    -------
    float
        In [0, 2]: 0 where the halves agree, about 1 where they have nothing in common. NaN for a zero gradient.

    Notes
    -----
    It is the quantity by which AGVM compares modules, without the factor of the learning rate.

    References
    ----------
    Large-batch Optimization for Dense Visual Predictions (AGVM), arXiv:2210.11078.

    Examples
    --------
    >>> gradient_phi([1.0, 0.0], [1.0, 1.0])  # doctest: +ELLIPSIS
    0.2928...
    """
    a = check_vector(first, argument="first", call="gradient_phi")
    b = check_vector(second, argument="second", call="gradient_phi")
    if a.size != b.size:
        raise ArgumentError("second", f"of length {a.size}", f"length {b.size}", call="gradient_phi")
    tops = [float(np.abs(x).max(initial=0.0)) for x in (a, b)]
    if min(tops) == 0:
        return math.nan
    a, b = a / tops[0], b / tops[1]  # squares of any gradient are then floats
    cosine = float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))
    return 1 - min(max(cosine, -1.0), 1.0)


def expected_phi(noise: float, batch_size: float) -> float:
    """Return what 1 - cos of two half-batch gradients is expected to be: 2 N / (B + 2 N) for noise scale N and batch B.

    Parameters
    ----------
    noise
        Noise scale of the module, in examples, 0 or more.
    batch_size
        Examples in both halves together.

    Returns
    -------
    float
        In [0, 1).

    Notes
    -----
    For isotropic noise in many dimensions. It saturates at 1 where B is far below N, so that modules cannot be told
    apart by it there.

    References
    ----------
    Derived for the quantity of arXiv:2210.11078.

    Examples
    --------
    >>> round(expected_phi(100, 256), 5)
    0.4386
    """
    b = check_number(batch_size, argument="batch_size", call="expected_phi")
    n = check_number(noise, argument="noise", call="expected_phi")
    if not (n >= 0 and 0 < b < math.inf):
        raise ArgumentError("noise", "0 or more, and batch_size above 0", (n, b), call="expected_phi")
    return 1.0 if math.isinf(n) else 2 * n / (b + 2 * n)


def noise_from_phi(phi: ArrayLike, *, batch_size: float, level: float = 0.95) -> NoiseScale:
    """Return the noise scale of a module from 1 - cos of its two half-batch gradients.

    Use it where AGVM already computes the angle. `noise_scale` is better where norms are at hand: this one saturates
    for batches far below the noise scale.

    Parameters
    ----------
    phi
        1 - cos by step, shape (n,). NaN (a zero gradient) is left out.
    batch_size
        Examples in both halves together.
    level
        Coverage of the interval, in (0, 1).

    Returns
    -------
    NoiseScale
        B phi / (2 (1 - phi)) at the mean phi; NaN with `Reason.SATURATED` where the mean is 1 or more. The parts
        (signal and trace) are not known and NaN.

    Raises
    ------
    ArgumentError
        If a phi is outside [0, 2], or the batch is not above 1.

    References
    ----------
    Derived for the quantity of arXiv:2210.11078.

    Examples
    --------
    >>> found = noise_from_phi([0.43, 0.45, 0.44], batch_size=256)
    >>> round(found.value, 1)
    100.6
    """
    call = "noise_from_phi"
    level = check_level(level, call=call)
    b = check_number(batch_size, argument="batch_size", call=call)
    values = check_vector(phi, argument="phi", call=call, allow_nan=True)
    values = values[~np.isnan(values)]
    if not 1 < b < math.inf:
        raise ArgumentError("batch_size", "above 1", b, "Two halves need two examples.", call=call)
    if (values < -1e-9).any() or (values > 2 + 1e-9).any():
        raise ArgumentError("phi", "in [0, 2]", values.tolist()[:5], "Give 1 - cos.", call=call)
    mean = float(values.mean()) if values.size else math.nan
    reason = Reason.EMPTY if not values.size else Reason.SATURATED if mean >= 1 else None
    ends = (math.nan, math.nan)
    if reason is None and values.size < 2:
        reason = Reason.ONE_RUN
    elif reason is None:
        half = t_quantile(0.5 + level / 2, values.size - 1) * float(values.std(ddof=1)) / math.sqrt(values.size)
        ends = (_invert(max(mean - half, 0.0), b), _invert(min(mean + half, 1.0), b))
    nan = math.nan
    return NoiseScale(
        value=_invert(mean, b) if mean < 1 else nan,
        interval=ends,
        level=level,
        signal=nan,
        trace=nan,
        signal_error=nan,
        trace_error=nan,
        b_small=b / 2,
        b_big=b,
        n=int(values.size),
        method="inverse of the expected 1 - cos of two half-batch gradients, t interval of its mean",
        reason=reason,
    )


def _invert(phi: float, batch: float) -> float:
    return math.inf if phi >= 1 else batch * phi / (2 * (1 - phi))
