"""Many small means at once: linear shrinkage, tuned by an unbiased estimate of its risk.

Compound estimation: the cells' true means are fixed numbers, not draws from a prior, and may be related to the
sizes. What is tuned, and what is promised, is the average squared error over the cells at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from neff.errors import ArgumentError
from neff.registry import method
from neff.stats._beta_binomial import fit_counts
from neff.stats._options import check_choice
from neff.stats._rules import RuleRisk
from neff.stats._shrinkage_fit import Setup, ShrinkageFit, fit_cells
from neff.stats._validate import check_level, check_same_length, check_vector
from neff.stats.beta_binomial import counts_of, fit_of, prior_risk, variance_of
from neff.stats.intervals import clopper_pearson, wilson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._shrinkage import Shape
    from neff.stats._validate import FloatArray

__all__ = ["RuleRisk", "ShrinkageFit", "shrink_means", "shrink_rates"]


@method("binomials", "permutation_equivariant", "bounded_0_1", "deterministic", arxiv="2512.25042")
def shrink_rates(
    successes: ArrayLike,
    n: ArrayLike,
    *,
    target: ArrayLike | Literal["mean"] = "mean",
    lam: float | None = None,
    shape: Shape = "pseudo-count",
    cluster: ArrayLike | None = None,
    interval: Literal["wilson", "clopper-pearson"] = "wilson",
    level: float = 0.95,
) -> ShrinkageFit:
    """Shrink many proportions towards a target, by the amount with the lowest estimated risk.

    Use it for tables of pass rates with few answers per cell (task, skill, language, model x category, prompt):
    the shrunk rates are closer to the truth on average. It earns its keep with a good `target`, such as the
    predictions of `cross_fitted_target`; without one, the beta-binomial rule that is fitted beside it is usually as
    good or better, and `best` names it. Not for testing single cells: extremes are pulled in.

    Parameters
    ----------
    successes
        Number of successes of each cell, shape (n_cells,), whole.
    n
        Number of answers of each cell, shape (n_cells,), 1 or more; they may differ.
    target
        "mean": the pooled rate of all other cells. Or fixed numbers in [0, 1], one for all or shape (n_cells,), that
        do not depend on the cell's own answers. A target that has seen them makes the risk look lower than it is.
    lam
        Pseudo-count to use instead of the tuned one; 0 is the raw rate, infinity the target.
    shape
        "pseudo-count": weight lam / (lam + n). "isotonic": any weight that does not rise with n.
    cluster
        Cluster of each cell, shape (n_cells,), for the intervals of risks and gain: cells that share questions
        are not independent.
    interval
        Interval of the raw rates: "wilson", or "clopper-pearson" where it must never cover too rarely.
    level
        Of the intervals, in (0, 1).

    Returns
    -------
    ShrinkageFit
        Raw, target and shrunk rates, the beta-binomial ones, the estimated risk of each rule. With fewer than three
        cells of two answers or more nothing is tuned: the raw rates come back, with the reason.

    Raises
    ------
    ArgumentError
        If counts are not whole or out of range, the target or `lam` is, or lengths differ.

    Notes
    -----
    Estimand: the mean over cells of (estimate - p)^2. With v = X (n - X) / (n^2 (n - 1)), unbiased for the variance
    of X / n, U = (1 - 2 b) v + b^2 (X / n - target)^2 is unbiased for the risk of weight b at every n >= 2 and p, with
    no normal approximation; the plug-in variance (X / n) (1 - X / n) / n is 0 where all answers agree, and stops the
    shrinkage just there. Cells with one answer do not take part in the tuning and are shrunk with its result. Assumes
    independent answers within a cell. Cost O(600 n_cells).

    RECONSTRUCTED from the abstract of the paper and checked by exact enumeration: its body could not be read. Its
    estimator, tuning and interval may differ from these.

    References
    ----------
    Chen and Lei 2025, Compound Estimation for Binomials, arXiv:2512.25042.

    Examples
    --------
    >>> fit = shrink_rates([0, 1, 3, 7, 2], [4, 5, 6, 20, 3], target=0.25)
    >>> round(fit.lam, 3), fit.shrunk.round(4).tolist()
    (9.899, [0.1781, 0.2332, 0.3443, 0.3169, 0.3469])
    >>> [(rule.rule, round(rule.risk, 4)) for rule in fit.rules], fit.best
    ([('raw', 0.0426), ('target', 0.0196), ('linear', 0.0268), ('beta-binomial', 0.0239)], 'beta-binomial')
    """
    call = "shrink_rates"
    hits, trials = counts_of(successes, n, call=call, names=("successes", "n"))
    rate, size = hits / trials, trials.astype(np.float64)
    setup = Setup.of(
        rate, size, target=target, lam=lam, shape=shape, cluster=cluster, level=level, bounds=(0.0, 1.0), call=call
    )
    check_choice(interval, ("wilson", "clopper-pearson"), argument="interval", call=call)
    one = wilson if interval == "wilson" else clopper_pearson
    around = [one(x, m, level=setup.level)[:2] for x, m in zip(hits.tolist(), trials.tolist(), strict=True)]
    prior = fit_counts(hits, trials)
    return fit_cells(
        rate,
        variance_of(hits, trials),
        size,
        np.array(around, np.float64).reshape(-1, 2),
        setup,
        beta=(fit_of(prior, hits, trials), prior_risk(prior, hits, trials)),
    )


@method("means", "permutation_equivariant", "shift_equivariant", "deterministic", arxiv="2512.25042")
def shrink_means(
    means: ArrayLike,
    variances: ArrayLike,
    n: ArrayLike,
    *,
    target: ArrayLike | Literal["mean"] = "mean",
    lam: float | None = None,
    shape: Shape = "pseudo-count",
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> ShrinkageFit:
    """Shrink many means of any scores towards a target, by the amount with the lowest estimated risk.

    Use it for scores between 0 and 1, for paired differences per cell, and for cells with clustered answers;
    `cell_means` makes the three arguments from rows. For plain counts use `shrink_rates`, which also fits
    the beta-binomial rule.

    Parameters
    ----------
    means
        Mean of each cell, shape (n_cells,), finite.
    variances
        Unbiased estimate of the variance of each mean (sample variance / n, or a clustered one), shape (n_cells,),
        0 or more; NaN where there is none, such as n = 1.
    n
        Size of each cell, shape (n_cells,), above 0: answers, or independent clusters of them.
    target
        "mean": the mean of all other cells, weighted by n. Or fixed numbers, one for all or shape (n_cells,), that
        do not depend on the cell's own answers.
    lam, shape, cluster
        As in `shrink_rates`.
    level
        Of the intervals, in (0, 1). Those of the raw means are Student t with n - 1 degrees of freedom, undefined
        where the variance is 0 or NaN.

    Returns
    -------
    ShrinkageFit
        Raw, target and shrunk means and the estimated risk of each rule.

    Raises
    ------
    ArgumentError
        If a mean is not finite, a variance negative, a size not above 0, `lam` negative, or lengths differ.

    Notes
    -----
    U = (1 - 2 b) v + b^2 (mean - target)^2 is unbiased for the risk whenever v is for the variance; sizes and targets
    must not depend on the cell's answers. RECONSTRUCTED; see `shrink_rates`.

    References
    ----------
    Chen and Lei 2025, Compound Estimation for Binomials, arXiv:2512.25042.

    Examples
    --------
    >>> fit = shrink_means([0.62, 0.40, 0.55, 0.71], [0.01, 0.02, 0.01, 0.02], [12, 6, 12, 6])
    >>> fit.shrunk.round(3).tolist(), round(fit.lam, 1)
    ([0.56, 0.598, 0.583, 0.557], 96.8)
    """
    call = "shrink_means"
    raw = check_vector(means, argument="means", call=call)
    variance = check_vector(variances, argument="variances", call=call, allow_nan=True)
    size = check_vector(n, argument="n", call=call)
    check_same_length(call=call, means=raw, variances=variance, n=size)
    for name, values, bad, must in (
        ("variances", variance, variance < 0, "0 or more, or NaN"),
        ("n", size, size <= 0, "above 0"),
    ):
        if bad.any():
            first = int(np.argmax(bad))
            raise ArgumentError(name, must, float(values[first]), f"Position {first}.", call=call)
    anything = (-np.inf, np.inf)
    setup = Setup.of(
        raw, size, target=target, lam=lam, shape=shape, cluster=cluster, level=level, bounds=anything, call=call
    )
    return fit_cells(raw, variance, size, _t_intervals(raw, variance, size, setup.level), setup)


def _t_intervals(means: FloatArray, variance: FloatArray, size: FloatArray, level: float) -> FloatArray:
    """Return Student t intervals of all means, shape (n_cells, 2); NaN where the variance is 0 or unknown."""
    from scipy.special import stdtrit

    level = check_level(level, call="shrink_means")
    usable = (variance > 0) & (size > 1)
    half = np.full_like(means, np.nan)
    half[usable] = stdtrit(size[usable] - 1, 0.5 + level / 2) * np.sqrt(variance[usable])
    return np.stack([means - half, means + half], axis=1)
