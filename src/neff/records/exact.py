"""Sums of floats without rounding: integers on a fixed grid, so that no order, chunking or merging can change a bit.

A float is an integer times a power of two. Its bits are spread over digits of 24 bits whose places are the same for
all floats (digit k counts 2**(24 k)), and digits are added as 64-bit integers. Such sums are exact, so they do not
depend on the order of their terms, and two of them are merged by adding digits. Only at the end is a number rounded,
once, as `math.fsum` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["ExactSums", "centred_squares", "exact_products", "exact_sums", "gather"]

_BITS = 24
_MASK = (1 << _BITS) - 1
_HALF = 27
_ROWS = 1 << 16
"""Rows worked on at once: the temporary arrays stay in the cache."""
_CELLS = 1 << 14
_HEADROOM = 3
"""Digits above the highest that a 64-bit sum of digits can carry into."""


@dataclass(frozen=True, slots=True, eq=False)
class ExactSums:
    """One exact sum per cell.

    Attributes
    ----------
    low
        Place of the lowest digit: `digits[j]` counts multiples of 2**(24 (low + j)).
    digits
        Integers of shape (n_digits, n_cells); not normalised, and negative where the sum is. Good for 2**31 terms
        per cell.

    Examples
    --------
    >>> import numpy as np
    >>> cell = np.array([0, 1, 0, 1])
    >>> exact_sums(cell, np.array([1e16, 0.1, 1.5, 0.2]), 2).floats().tolist()
    [1.0000000000000002e+16, 0.30000000000000004]
    """

    low: int
    digits: NDArray[np.int64]

    @property
    def n_cells(self) -> int:
        """Number of sums."""
        return int(self.digits.shape[1])

    def floats(self) -> NDArray[np.float64]:
        """Return the sums, each rounded once to the nearest float."""
        sums = np.empty(self.n_cells)
        for part in _blocks(self.n_cells, _CELLS):
            sums[part] = _rounded(self.digits[:, part], self.low)
        return sums

    def trimmed(self) -> ExactSums:
        """Return the same sums without digits that are zero in all cells."""
        used = np.flatnonzero(self.digits.any(axis=1))
        if not len(used):
            return ExactSums(0, self.digits[:0])
        first, last = int(used[0]), int(used[-1])
        kept = self.digits[first : last + 1]
        # A view would keep the zeros in memory; where they are few, that is cheaper than a copy.
        return ExactSums(self.low + first, kept if 2 * len(kept) > len(self.digits) else kept.copy())


def exact_sums(cell: NDArray[np.int64], x: NDArray[np.float64], n_cells: int) -> ExactSums:
    """Return the exact sum of the finite terms `x` in each of `n_cells` cells; `cell` is that of each term."""
    return exact_products(cell, x, None, n_cells)


def exact_products(
    cell: NDArray[np.int64], x: NDArray[np.float64], y: NDArray[np.float64] | None, n_cells: int
) -> ExactSums:
    """Return the exact sum of `x * y` in each cell; the products are not rounded. `y` None stands for ones."""
    whole = _whole(x) if y is None or y is x else None
    if whole is not None:  # nearly all scores are 0 and 1: one digit, and no mantissas to take apart
        terms = whole if y is None else whole * whole
        digits = np.zeros((1, n_cells), np.int64)
        np.add.at(digits[0], cell, terms)
        return ExactSums(0, digits).trimmed()
    places = [_places(z) for z in (x, y) if z is not None]
    low = sum(first for first, _ in places)
    high = sum(last for _, last in places)
    low, high = low // _BITS, high // _BITS + 3
    digits = np.zeros((high - low + 1, n_cells), np.int64)
    flat = digits.reshape(-1)
    for rows in _blocks(len(x), _ROWS):
        used = x[rows] != 0
        if y is not None:
            used &= y[rows] != 0
        where = cell[rows][used]
        m, e = _taken_apart(x[rows][used])
        if y is None:
            _deposit(flat, n_cells, where, m, e, low)
            continue
        m2, e2 = (m, e) if y is x else _taken_apart(y[rows][used])
        e = e + e2
        a, b, c, d = m >> _HALF, m & ((1 << _HALF) - 1), m2 >> _HALF, m2 & ((1 << _HALF) - 1)
        _deposit(flat, n_cells, where, b * d, e, low)
        _deposit(flat, n_cells, where, a * d + b * c, e + _HALF, low)
        _deposit(flat, n_cells, where, a * c, e + 2 * _HALF, low)
    return ExactSums(low, digits).trimmed()


def gather(parts: Sequence[ExactSums], places: Sequence[NDArray[np.int64]], n_cells: int) -> ExactSums:
    """Add sums whose cells have new places, none twice within a part, among `n_cells`."""
    filled = [(part, place) for part, place in zip(parts, places, strict=True) if len(part.digits)]
    if not filled:
        return ExactSums(0, np.zeros((0, n_cells), np.int64))
    low = min(part.low for part, _ in filled)
    high = max(part.low + len(part.digits) for part, _ in filled)
    digits = np.zeros((high - low, n_cells), np.int64)
    for part, place in filled:
        for j, row in enumerate(part.digits, part.low - low):
            digits[j, place] += row
    return ExactSums(low, digits).trimmed()


def centred_squares(n: NDArray[np.int64], total: ExactSums, squares: ExactSums) -> NDArray[np.float64]:
    """Return sum (x - mean)^2 in each cell: n sum x^2 - (sum x)^2 without rounding, rounded, and divided by n.

    No digit is lost, however far the scores are from zero. Cells without a term get 0.
    """
    found = np.zeros(len(n))
    for part in _blocks(len(n), _CELLS):
        counts = n[part]
        _, s = _normal(total.digits[:, part])
        _, q = _normal(squares.digits[:, part])
        s_low, q_low = 2 * total.low, squares.low
        low = min(s_low, q_low)
        work = np.zeros((max(s_low + 2 * len(s), q_low + len(q)) - low, len(counts)), np.int64)
        work[q_low - low : q_low - low + len(q)] = q * counts
        for i in range(len(s)):
            for j in range(i, len(s)):
                work[s_low - low + i + j] -= s[i] * s[j] * (1 if i == j else 2)
        found[part] = _rounded(work, low) / np.maximum(counts, 1)
    return found


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _whole(x: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Return the terms as integers where all are small whole numbers, else None."""
    if not len(x):
        return np.zeros(0, np.int64)
    if not (x.min() >= -(1 << 15) and x.max() <= 1 << 15):
        return None
    whole = x.astype(np.int64)
    return whole if bool((whole == x).all()) else None


def _places(x: NDArray[np.float64]) -> tuple[int, int]:
    """Return the place of the lowest bit that a term may have, and of its highest."""
    low, high = 1 << 15, -(1 << 15)
    for rows in _blocks(len(x), _ROWS):
        part = x[rows]
        e = np.frexp(part)[1][part != 0]
        if len(e):
            low, high = min(low, int(e.min())), max(high, int(e.max()))
    return (low - 53, high) if low <= high else (0, 0)


def _taken_apart(x: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return integers m, e with x = m 2**e, abs(m) < 2**53."""
    m, e = np.frexp(x)
    return (m * 2.0**53).astype(np.int64), e.astype(np.int64) - 53


def _deposit(
    flat: NDArray[np.int64],
    n_cells: int,
    cell: NDArray[np.int64],
    m: NDArray[np.int64],
    e: NDArray[np.int64],
    low: int,
) -> None:
    """Add m 2**e, with abs(m) < 2**56, to the three digits that it reaches; the highest takes the sign."""
    k = e // _BITS
    shift = e - k * _BITS
    at = (k - low) * n_cells + cell
    t = (m & _MASK) << shift
    np.add.at(flat, at, t & _MASK)
    t = (((m >> _BITS) & _MASK) << shift) + (t >> _BITS)
    at += n_cells
    np.add.at(flat, at, t & _MASK)
    at += n_cells
    np.add.at(flat, at, ((m >> 2 * _BITS) << shift) + (t >> _BITS))


def _normal(digits: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sign of each number (1 or -1), and its digits in [0, 2**24)."""
    normal, left = _carried(digits)
    sign = np.where(left < 0, -1, 1)
    if (left < 0).any():
        normal, _ = _carried(digits * sign)
    used = len(normal)
    while used and not normal[used - 1].any():
        used -= 1
    return sign, normal[:used]


def _carried(digits: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    normal = np.zeros((len(digits) + _HEADROOM, digits.shape[1]), np.int64)
    carry = np.zeros(digits.shape[1], np.int64)
    for j in range(len(normal)):
        t = carry + digits[j] if j < len(digits) else carry
        normal[j] = t & _MASK
        carry = t >> _BITS
    return normal, carry


def _rounded(digits: NDArray[np.int64], low: int) -> NDArray[np.float64]:
    """Return the floats nearest to the numbers: four digits hold 73 bits or more, and a last bit for all below."""
    sign, normal = _normal(digits)
    if not len(normal):
        return np.zeros(digits.shape[1])
    padded = np.concatenate([np.zeros((3, normal.shape[1]), np.int64), normal])
    below = np.logical_or.accumulate(padded != 0, axis=0)
    top = len(padded) - 1 - np.argmax(padded[::-1] != 0, axis=0)
    top = np.maximum(top, 3)
    column = np.arange(normal.shape[1])
    high = (padded[top, column] << _BITS) | padded[top - 1, column]
    rest = (padded[top - 2, column] << _BITS) | padded[top - 3, column]
    rest |= below[np.maximum(top - 4, 0), column] & (top > 3)
    number = high * 2.0 ** (2 * _BITS) + rest
    with np.errstate(over="ignore", under="ignore"):
        found: NDArray[np.float64] = np.ldexp(sign * number, (top - 6 + low) * _BITS)
    return found
