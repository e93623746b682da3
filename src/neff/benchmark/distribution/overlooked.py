"""What KS@N cannot see: computed, not remembered."""

from __future__ import annotations

from neff.benchmark.distribution.exact import p_untied
from neff.results import Column, Table
from neff.stats._validate import check_count

__all__ = ["blind_spots"]


def blind_spots(
    n_reference: int, *, ns: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100), p_threshold: float = 1e-4
) -> Table:
    """Return what passes at each number of draws, for a reference of this size.

    Use it to choose N, or the threshold, before reading a leaderboard.

    Parameters
    ----------
    n_reference
        Size of the reference sample.
    ns
        Numbers of draws.
    p_threshold
        A task is passed above this p-value.

    Returns
    -------
    Table
        Per N: the smallest p-value there is (above the threshold everything passes), the p-value of a model that always
        answers the median, and the smallest gap of distribution functions that fails.

    References
    ----------
    Abaskohi et al., UnpredictaBench. arXiv:2606.06622

    Examples
    --------
    >>> print(blind_spots(10_000, ns=(1, 10, 20, 100)))
      N  Smallest p  Can fail  p of the median only  Median only passes  Gap that fails
      1      0.0002  no                      1.0000  yes                              –
     10    < 0.0001  yes                     0.0078  yes                          0.655
     20    < 0.0001  yes                   < 0.0001  no                           0.479
    100    < 0.0001  yes                   < 0.0001  no                           0.221
    """
    n = check_count(n_reference, argument="n_reference", call="blind_spots", minimum=1)
    rows = []
    for m in ns:
        m = check_count(m, argument="ns", call="blind_spots", minimum=1)
        least = p_untied(n, m, n * m)
        median = p_untied(n, m, -(-n // 2) * m)
        rows.append(
            (m, least, "yes" if least <= p_threshold else "no", median, "yes" if median > p_threshold else "no",
             _failing_gap(n, m, p_threshold) if least <= p_threshold else float("nan"))
        )  # fmt: skip
    columns = (
        Column("n", "N", "count"), Column("smallest_p", "Smallest p", "p"), Column("can_fail", "Can fail"),
        Column("median_p", "p of the median only", "p"), Column("median_passes", "Median only passes"),
        Column("gap", "Gap that fails", "number", 3),
    )  # fmt: skip
    return Table(columns, tuple(rows), "What KS@N cannot see")


def _failing_gap(n: int, m: int, p_threshold: float) -> float:
    """Return the smallest gap whose p-value is at most the threshold, by bisection: the p-value falls with the gap."""
    low, high = 0, n * m
    while high - low > 1:
        middle = (low + high) // 2
        if p_untied(n, m, middle) <= p_threshold:
            high = middle
        else:
            low = middle
    return high / (n * m)
