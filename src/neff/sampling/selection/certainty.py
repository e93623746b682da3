"""Self-certainty: how far a model's next-token distributions are from uniform, as a score of a whole answer.

SC_t = KL(uniform || p_t) = logsumexp(z_t) - mean(z_t) - log V, from raw logits; the score of an answer is the mean over
its tokens. The form needs two sums per position, so that a vocabulary can be streamed in blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["METRICS", "CertaintyBound", "VocabularySums", "certainty_bound", "confidence", "self_certainty"]

METRICS = (
    "self-certainty", "negative-entropy", "gini", "distributional-perplexity", "kl-to-uniform", "log-prob",
    "perplexity",
)  # fmt: skip
BLOCK = 4_000_000
"""Logits that are worked on at a time: temporaries stay below 100 MB."""
ROUNDED = 1e-6
"""Probability that rounding may have taken from the tokens that are not reported."""


class VocabularySums(NamedTuple):
    """Sums over a part of the vocabulary at n positions; parts add up to the whole.

    Attributes
    ----------
    top
        Largest logit, shape (n,).
    exp, exp2, exp_z
        Sums of exp(z - top), exp(2 (z - top)) and (z - top) exp(z - top), shape (n,).
    total, size
        Sum of the logits, shape (n,), and how many there are.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.array([[2.0, 0.0, -1.0, 0.5]])
    >>> parts = VocabularySums.of(z[:, :1]) + VocabularySums.of(z[:, 1:])
    >>> round(float(parts.certainty()[0]), 6)
    0.581055
    """

    top: NDArray[np.float64]
    exp: NDArray[np.float64]
    exp2: NDArray[np.float64]
    exp_z: NDArray[np.float64]
    total: NDArray[np.float64]
    size: int

    @classmethod
    def of(cls, z: NDArray[Any]) -> VocabularySums:
        """Sum a block of logits of shape (n, part of the vocabulary), in float64."""
        top = z.max(axis=1).astype(np.float64)
        # Logits that are all -inf have sums of 0: another part of the vocabulary may hold the probability.
        base = np.where(np.isneginf(top), 0.0, np.where(np.isfinite(top), top, np.nan))
        d = (z - base[:, None]).astype(np.float64, copy=False)
        with np.errstate(under="ignore"):
            e = np.exp(d)
            return cls(
                top=top, exp=e.sum(axis=1), exp2=np.einsum("ij,ij->i", e, e),
                exp_z=np.einsum("ij,ij->i", np.where(e > 0, d, 0.0), e), total=z.sum(axis=1, dtype=np.float64),
                size=z.shape[1],
            )  # fmt: skip

    def __add__(self, other: VocabularySums) -> VocabularySums:  # type: ignore[override]
        """Add the sums of another part of the same positions."""
        top = np.maximum(self.top, other.top)
        base = np.where(np.isneginf(top), 0.0, top)
        shift_a, shift_b = self.top - base, other.top - base
        with np.errstate(under="ignore"):
            a, b = np.exp(shift_a), np.exp(shift_b)
        return VocabularySums(
            top=top,
            exp=a * self.exp + b * other.exp,
            exp2=a**2 * self.exp2 + b**2 * other.exp2,
            exp_z=a * (self.exp_z + np.where(a > 0, shift_a, 0.0) * self.exp)
            + b * (other.exp_z + np.where(b > 0, shift_b, 0.0) * other.exp),
            total=self.total + other.total,
            size=self.size + other.size,
        )

    def certainty(self) -> NDArray[np.float64]:
        """Return KL(uniform || p) at each position, in nats: 0 where p is uniform, unbounded above.

        NaN where no logit is above -inf, as everywhere below: there is no distribution then.
        """
        value = self.log_sum() - self.total / self.size - math.log(self.size)
        return np.maximum(value, 0.0)

    def log_sum(self) -> NDArray[np.float64]:
        """Return logsumexp of the logits; NaN where all are -inf."""
        return self.top + np.log(np.where(self.exp > 0, self.exp, np.nan))

    def entropy(self) -> NDArray[np.float64]:
        """Return the entropy of p at each position, in nats."""
        total = np.where(self.exp > 0, self.exp, np.nan)
        value: NDArray[np.float64] = np.log(total) - self.exp_z / total
        return value

    def concentration(self) -> NDArray[np.float64]:
        """Return the sum of squared probabilities at each position."""
        value: NDArray[np.float64] = self.exp2 / np.where(self.exp > 0, self.exp, np.nan) ** 2
        return value

    def log_prob(self, logit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-probability of the token with this logit at each position."""
        value: NDArray[np.float64] = logit - self.log_sum()
        return value


def self_certainty(logits: Any, mask: ArrayLike | None = None, *, vocabulary: str = "all") -> NDArray[np.float64]:
    """Return the self-certainty of each answer: the mean over its tokens of KL(uniform || p), in nats.

    Use it to rank answers to one prompt by the model that gave them, where no reward model is at hand and no vote is
    possible (code, prose). Where answers can be compared, vote: `borda_vote` with these as confidences. Not as a
    training reward: a policy can raise its own confidence.

    Parameters
    ----------
    logits
        Raw logits, before temperature, top-k and grammar masks, at the positions that *predict* the answer's tokens:
        shape (n_answers, n_tokens, V), or (n_tokens, V) for one. numpy, or a CPU tensor of float32 or float64.
    mask
        1 where a position predicts a token of the answer, 0 for prompt and padding, shape (n_answers, n_tokens).
    vocabulary
        "all": every column; a logit of -inf (banned token, padded vocabulary) then makes the score infinite. "finite":
        columns that are -inf at a position are left out there, V being the number of the others.

    Returns
    -------
    ndarray
        Score of each answer, shape (n_answers,); NaN where an answer has no token, or a logit is NaN.

    Raises
    ------
    ArgumentError
        If shapes do not fit.

    Notes
    -----
    The published code averages the distributions *after* each token, one position late: it drops the one that predicts
    the first token. Here the caller gives the predicting positions, logits[prompt_len - 1 : -1]. Cost: one pass over
    the logits in blocks, a few float64 sums per position.

    References
    ----------
    Kang, Zhao and Song, Scalable Best-of-N Selection via Self-Certainty. arXiv:2502.18581

    Examples
    --------
    >>> self_certainty([[2, 0, -1, 0.5], [0, 0, 0, 0], [5, -5, 0, 1]]).round(6)
    array([1.323183])
    """
    return confidence(logits, mask=mask, metric="self-certainty", vocabulary=vocabulary)


def confidence(
    logits: Any,
    *,
    tokens: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    metric: str = "self-certainty",
    vocabulary: str = "all",
) -> NDArray[np.float64]:
    """Return a confidence of each answer, by self-certainty or one of the metrics that it is compared with.

    Parameters
    ----------
    logits, mask, vocabulary
        As in `self_certainty`.
    tokens
        Code of the token that was drawn at each position, shape (n_answers, n_tokens); for "log-prob" and
        "perplexity".
    metric
        "self-certainty"; "negative-entropy"; "gini" (sum p^2); "distributional-perplexity" (-exp of the entropy);
        "kl-to-uniform" (log V - entropy, the other direction); "log-prob" of the drawn tokens; "perplexity"
        (-exp(-log-prob)). Higher is more confident for all.

    Returns
    -------
    ndarray
        Shape (n_answers,).

    Raises
    ------
    ArgumentError
        If shapes do not fit, the metric is unknown, or tokens are missing or no columns of the logits.

    Examples
    --------
    >>> z, drawn = [[[2, 0, -1, 0.5], [0, 0, 0, 0], [5, -5, 0, 1]]], [[0, 1, 0]]
    >>> confidence(z, tokens=drawn, metric="log-prob").round(6), confidence(z, metric="negative-entropy").round(6)
    (array([-0.584478]), array([-0.798047]))
    """
    check_choice(metric, METRICS, argument="metric", call="confidence")
    check_choice(vocabulary, ("all", "finite"), argument="vocabulary", call="confidence")
    z, keep, drawn = _checked(logits, mask, tokens)
    if drawn is None and metric in ("log-prob", "perplexity"):
        raise ArgumentError(
            "tokens", f"given for {metric}", None, "Give the tokens that were drawn.", call="confidence"
        )
    n, length, width = z.shape
    rows = max(1, BLOCK // max(width, 1))
    sums, counts = np.zeros(n), keep.sum(axis=1)
    for i in range(n):
        places = np.flatnonzero(keep[i])
        for start in range(0, len(places), rows):
            at = places[start : start + rows]
            block = np.asarray(z[i, at] if len(at) < length else z[i])
            sums[i] += _values(block, None if drawn is None else drawn[i, at], metric, vocabulary).sum()
    with np.errstate(invalid="ignore"):
        mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return -np.exp(-mean) if metric == "perplexity" else mean


def _values(z: NDArray[Any], drawn: NDArray[np.int64] | None, metric: str, vocabulary: str) -> NDArray[np.float64]:
    sums = VocabularySums.of(z)
    banned = np.isneginf(z).sum(axis=1) if vocabulary == "finite" else 0
    if metric == "self-certainty":
        if vocabulary == "finite" and np.any(banned):
            size = z.shape[1] - banned
            total = np.where(np.isneginf(z), 0.0, z).sum(axis=1, dtype=np.float64)
            size = np.where(size > 0, size, np.nan)
            return np.asarray(np.maximum(sums.log_sum() - total / size - np.log(size), 0.0))
        return sums.certainty()
    if metric == "gini":
        return sums.concentration()
    if metric in ("log-prob", "perplexity"):
        return sums.log_prob(np.take_along_axis(z, drawn[:, None], axis=1)[:, 0].astype(np.float64))  # type: ignore[index]
    entropy = sums.entropy()
    if metric == "kl-to-uniform":
        return np.asarray(np.log(z.shape[1] - banned) - entropy)
    return -np.exp(entropy) if metric == "distributional-perplexity" else -entropy


def _checked(
    logits: Any, mask: ArrayLike | None, tokens: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.int64] | None]:
    z = logits.numpy() if hasattr(logits, "numpy") else np.asarray(logits)
    z = z if z.dtype.kind == "f" else z.astype(np.float64)
    z = z[None] if z.ndim == 2 else z
    if z.ndim != 3 or not z.shape[2]:
        raise ArgumentError("logits", "of shape (n_answers, n_tokens, V)", f"shape {z.shape}", call="confidence")
    keep = np.ones(z.shape[:2], bool) if mask is None else np.asarray(mask, bool).reshape(-1, z.shape[1])
    drawn = None if tokens is None else np.asarray(tokens, np.int64).reshape(-1, z.shape[1])
    for name, array in (("mask", keep), ("tokens", drawn)):
        if array is not None and array.shape != z.shape[:2]:
            got = f"shape {array.shape}"
            raise ArgumentError(name, f"of shape {z.shape[:2]}", got, "One entry per position.", call="confidence")
    outside = None if drawn is None else keep & ((drawn < 0) | (drawn >= z.shape[2]))
    if drawn is not None and outside is not None and outside.any():
        fix = "Mask the positions that are none of the answer's tokens: mask=."
        must = f"0 to {z.shape[2] - 1}, the columns of the logits"
        raise ArgumentError("tokens", must, int(drawn[outside][0]), fix, call="confidence")
    return z, keep, drawn


@dataclass(frozen=True, slots=True)
class CertaintyBound:
    """What the k most likely tokens say of self-certainty.

    Attributes
    ----------
    lower
        It is at least this, with equality where the other tokens are equally likely.
    tail
        Probability that the k tokens leave over, mean over tokens, as reported.
    k, vocabulary
        Tokens reported, and size of the vocabulary.
    """

    lower: float
    tail: float
    k: int
    vocabulary: int


def certainty_bound(log_probs: ArrayLike, *, vocabulary: int, mask: ArrayLike | None = None) -> CertaintyBound:
    """Bound the self-certainty of an answer from below by the log-probabilities of the k most likely tokens.

    Use it where only these are to be had, as from most APIs. Never as self-certainty itself: the rest of the vocabulary
    decides most of it, and from above it is not bounded.

    Parameters
    ----------
    log_probs
        Natural log-probabilities of the k most likely tokens at each position, shape (n_tokens, k).
    vocabulary
        V, the width of the logits.
    mask
        1 where a position counts, shape (n_tokens,).

    Returns
    -------
    CertaintyBound
        The mean over tokens.

    Raises
    ------
    ArgumentError
        If a log-probability is positive, or k is larger than V.

    Notes
    -----
    The sum of log p over the V - k other tokens is largest where they share what is left equally, and the more is left.
    What is left is taken as 1e-6 at least: reported log-probabilities are rounded, and a tail that rounds to 0 would
    make the bound hundreds of nats. Derived here, not in the paper.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.array([0.7, 0.1, 0.1, 0.1])
    >>> exact = -np.log(4 * p).mean()
    >>> bound = certainty_bound(np.log(p[None, :2]), vocabulary=4)
    >>> round(float(exact), 6) == round(bound.lower, 6), round(bound.tail, 6)
    (True, 0.2)
    """
    lp = np.asarray(log_probs, np.float64)
    if lp.ndim != 2 or not 1 <= lp.shape[1] <= vocabulary:
        got = f"shape {lp.shape} for a vocabulary of {vocabulary}"
        raise ArgumentError(
            "log_probs", "of shape (n_tokens, k), k at most the vocabulary", got, call="certainty_bound"
        )
    if (lp > 1e-6).any():
        got_value = float(lp.max())
        raise ArgumentError(
            "log_probs", "natural logs of probabilities", got_value, "0 or less.", call="certainty_bound"
        )
    keep = np.ones(len(lp), bool) if mask is None else np.asarray(mask, bool)
    lp, k = lp[keep], lp.shape[1]
    tail = np.maximum(1 - np.exp(lp).sum(axis=1), 0.0)
    rest = vocabulary - k
    with np.errstate(divide="ignore"):
        others = rest * np.log(np.maximum(tail, ROUNDED) / rest) if rest else np.zeros(len(lp))
    value = -(lp.sum(axis=1) + others) / vocabulary - math.log(vocabulary)
    mean = float(value.mean()) if len(value) else math.nan
    return CertaintyBound(mean, float(tail.mean()) if len(tail) else math.nan, k, vocabulary)
