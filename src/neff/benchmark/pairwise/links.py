"""From the strength difference of a pair to the chances of a win, a tie and a loss: three concave models.

d is the difference of log strengths, with the preference for the left place and covariates in it; tau is the tie
parameter. Each model returns, per row, its log-likelihood and the derivatives by (d, tau).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LINKS", "Link", "Pieces", "chances", "pieces"]

Link = Literal["bradley-terry", "davidson", "rao-kupper"]
LINKS: tuple[str, ...] = ("bradley-terry", "davidson", "rao-kupper")


class Pieces(NamedTuple):
    """Log-likelihood of the rows and its derivatives by d and tau, per unit of weight; shape (n_rows,) each."""

    value: NDArray[np.float64]
    g_d: NDArray[np.float64]
    g_t: NDArray[np.float64]
    h_dd: NDArray[np.float64]
    h_dt: NDArray[np.float64]
    h_tt: NDArray[np.float64]


def chances(link: str, d: NDArray[np.float64], tau: float) -> tuple[NDArray[np.float64], ...]:
    """Return the chances of a win of the left side, a tie, and a win of the right one."""
    from scipy.special import expit

    if link == "davidson":
        top = np.maximum(np.maximum(d, 0.0), d / 2 + tau)
        parts = np.exp(np.stack([d - top, d / 2 + tau - top, -top]))
        left, tie, right = parts / parts.sum(axis=0)
        return left, tie, right
    if link == "rao-kupper":
        left, right = expit(d - tau), expit(-d - tau)
        return left, np.maximum(1 - left - right, 0.0), right
    left = expit(d)
    return left, np.zeros_like(d), 1 - left


def pieces(
    link: str,
    d: NDArray[np.float64],
    tau: float,
    win: NDArray[np.float64],
    tie: NDArray[np.float64],
    loss: NDArray[np.float64],
) -> Pieces:
    """Return the pieces of rows with so many wins of the left side, ties and losses."""
    if link == "davidson":
        return _davidson(d, tau, win, tie, loss)
    if link == "rao-kupper":
        return _rao_kupper(d, tau, win, tie, loss)
    return _bradley_terry(d, win + tie / 2, loss + tie / 2)


def _bradley_terry(d: NDArray[np.float64], win: NDArray[np.float64], loss: NDArray[np.float64]) -> Pieces:
    from scipy.special import expit, log_expit

    p, n, zero = expit(d), win + loss, np.zeros_like(d)
    return Pieces(win * log_expit(d) + loss * log_expit(-d), win - n * p, zero, -n * p * (1 - p), zero, zero)


def _davidson(
    d: NDArray[np.float64], tau: float, win: NDArray[np.float64], tie: NDArray[np.float64], loss: NDArray[np.float64]
) -> Pieces:
    """Chances are proportional to exp(d), exp(d / 2 + tau) and 1: a multinomial logit, linear in d and tau."""
    p, q, r = chances("davidson", d, tau)
    n = win + tie + loss
    with np.errstate(divide="ignore", invalid="ignore"):
        value = sum(np.where(k > 0, k * np.log(x), 0.0) for k, x in ((win, p), (tie, q), (loss, r)))
    mean = p + q / 2
    return Pieces(
        np.asarray(value), win + tie / 2 - n * mean, tie - n * q, -n * (p + q / 4 - mean**2), -n * (q / 2 - q * mean),
        -n * q * (1 - q),
    )  # fmt: skip


def _rao_kupper(
    d: NDArray[np.float64], tau: float, win: NDArray[np.float64], tie: NDArray[np.float64], loss: NDArray[np.float64]
) -> Pieces:
    """Return the pieces of the ordered logit model: a tie lies between two thresholds at -tau and tau."""
    from scipy.special import expit, log_expit

    u, v = expit(d - tau), expit(-d - tau)  # chances of the two wins
    q = np.maximum(1 - u - v, 1e-300)
    # Derivatives of u by (d, tau) are (a, -a), of v (-b, -b).
    a, b = u * (1 - u), v * (1 - v)
    qd, qt = b - a, a + b
    ad, bd = a * (1 - 2 * u), -b * (1 - 2 * v)
    at, bt = -a * (1 - 2 * u), -b * (1 - 2 * v)
    qdd, qdt, qtt = bd - ad, bt - at, at + bt
    with np.errstate(divide="ignore"):
        value = win * log_expit(d - tau) + loss * log_expit(-d - tau) + np.where(tie > 0, tie * np.log(q), 0.0)
    return Pieces(
        value,
        win * (1 - u) - loss * (1 - v) + tie * qd / q,
        -win * (1 - u) - loss * (1 - v) + tie * qt / q,
        -win * a - loss * b + tie * (qdd / q - (qd / q) ** 2),
        win * a - loss * b + tie * (qdt / q - qd * qt / q**2),
        -win * a - loss * b + tie * (qtt / q - (qt / q) ** 2),
    )
