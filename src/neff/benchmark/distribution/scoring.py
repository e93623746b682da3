"""`ks_at_n`: on how many tasks are a model's first N draws not told from the target distribution?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neff.benchmark.distribution.companions import energy_z, jensen_shannon, wasserstein_z
from neff.benchmark.distribution.exact import gaps, p_tied, p_untied
from neff.benchmark.distribution.overlooked import blind_spots
from neff.benchmark.distribution.result import KSAtN, TaskKS
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Estimate
from neff.stats import wilson
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_level, check_number, check_vector

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["ks_at_n"]


def ks_at_n(
    targets: Mapping[str, ArrayLike],
    draws: Mapping[str, Mapping[str, ArrayLike]],
    *,
    ns: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100),
    p_threshold: float = 1e-4,
    invalid: str = "drop",
    discrete: Collection[str] | None = None,
    order: str = "first",
    n_orders: int = 20,
    distances: bool = True,
    level: float = 0.95,
    rng: Any = None,
) -> KSAtN:
    """Return KS@N: the share of tasks on which the first N draws of a model are not told from the target distribution.

    Use it to ask whether a model, a simulator or a panel can serve as a random source, and as a regression test of
    samplers. Not as a proof that it can: at a threshold of 1e-4 the test is lenient; `blind` of the result says what
    passes.

    Parameters
    ----------
    targets
        Samples of the target of each task (10,000 each in the paper).
    draws
        By model, then by task: values in the order of the calls, NaN where an answer was no number. Calls must be
        independent, not turns of one conversation.
    ns
        Numbers of draws.
    p_threshold
        A task is passed where p is above.
    invalid
        "drop": invalid draws are left out, as in the paper, and later ones move up; where fewer than N are left, those
        are used, and `n_used` says so. This rewards failing on hard tasks. "fail": a task whose first N draws are not N
        valid ones is failed.
    discrete
        Tasks whose p-value is exact given ties, by name; None: those whose target has ties.
    order, n_orders, rng
        "first" N draws, or the median p-value of `n_orders` "random" subsets of N (SPEC 7), whatever the order.
    distances
        Compute Jensen-Shannon divergence, Wasserstein and energy z scores too.
    level
        Coverage of the intervals, over tasks.

    Returns
    -------
    KSAtN
        Models by the score at the largest N. A task without a valid draw is skipped under "drop", failed under "fail".

    Raises
    ------
    ArgumentError
        If a task has no target, a name in `discrete` is no task, or there is no draw at all.

    Notes
    -----
    p-values are exact: by lattice paths without ties, given the ties otherwise, where the paper takes 10^6
    permutations.

    References
    ----------
    Abaskohi et al., UnpredictaBench. arXiv:2606.06622

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> targets = {f"t{k}": rng.normal(size=1000) for k in range(5)}
    >>> draws = {"fair": {t: rng.normal(size=50) for t in targets}, "stuck": {t: np.zeros(50) for t in targets}}
    >>> print(ks_at_n(targets, draws, ns=(1, 10, 50), distances=False).table())
    Model    KS@1   KS@10   KS@50    Interval @50  Invalid draws
    fair   100.0%  100.0%  100.0%  [0.566, 1.000]           0.0%
    stuck  100.0%  100.0%    0.0%  [0.000, 0.434]           0.0%
    """
    call = "ks_at_n"
    level = check_level(level, call=call)
    counts = tuple(sorted({check_count(n, argument="ns", call=call, minimum=1) for n in ns}))
    p_threshold = check_number(p_threshold, argument="p_threshold", call=call)
    check_choice(invalid, ("drop", "fail"), argument="invalid", call=call)
    check_choice(order, ("first", "random"), argument="order", call=call)
    if not counts:
        raise ArgumentError("ns", "at least one number of draws", ns, "Such as (20, 100).", call=call)
    if not 0 < p_threshold < 1:
        raise ArgumentError("p_threshold", "between 0 and 1", p_threshold, "The paper's is 1e-4.", call=call)
    n_orders = check_count(n_orders, argument="n_orders", call=call, minimum=1)
    generator, seed = seeded(rng, call=call)
    if discrete is not None:
        discrete = {discrete} if isinstance(discrete, str) else set(discrete)
        if not discrete <= set(targets):
            fix = f"The tasks are {sorted(targets)[:20]}."
            raise ArgumentError("discrete", "names of tasks", min(discrete - set(targets)), fix, call=call)
    known = {task: _target(values, task) for task, values in targets.items()}
    how = _How(counts, p_threshold, invalid, order, n_orders, distances)
    found: list[TaskKS] = []
    for model in sorted(draws):
        for task in sorted(draws[model]):
            if task not in known:
                raise ArgumentError("targets", f"of every task, also {task!r}", sorted(known)[:5], call=call)
            tied = task in discrete if discrete is not None else _has_ties(known[task])
            found.append(_score(model, task, known[task], draws[model][task], how, tied=tied, rng=generator))
    if not found:
        raise ArgumentError("draws", "of at least one model on one task", "none", call=call)
    models = sorted(draws)
    scores = {
        m: tuple(_share([t for t in found if t.model == m], k, level, m) for k in range(len(counts))) for m in models
    }
    models.sort(key=lambda m: (-np.nan_to_num(scores[m][-1].value, nan=-1.0), m))
    sizes = sorted(v.size for v in known.values())
    return KSAtN(
        models=tuple(models), ns=counts, scores=tuple(scores[m] for m in models), tasks=tuple(found),
        blind=blind_spots(sizes[len(sizes) // 2], ns=counts, p_threshold=p_threshold), invalid=invalid,
        p_threshold=p_threshold, level=level, order=order, seed=seed if order == "random" else None,
        warnings=_warnings(found, counts, sizes[0], p_threshold, invalid),
    )  # fmt: skip


def _target(values: ArrayLike, task: str) -> FloatArray:
    v = check_vector(values, argument=f"targets[{task!r}]", call="ks_at_n")
    if not v.size:
        raise ArgumentError(f"targets[{task!r}]", "at least one value", "none", call="ks_at_n")
    return v


def _has_ties(values: FloatArray) -> bool:
    return bool(np.unique(values).size < values.size)


class _How(NamedTuple):
    ns: tuple[int, ...]
    p_threshold: float
    invalid: str
    order: str
    n_orders: int
    distances: bool


def _score(
    model: str,
    task: str,
    target: FloatArray,
    given: ArrayLike,
    how: _How,
    *,
    tied: bool,
    rng: np.random.Generator,
) -> TaskKS:
    ns, drop = how.ns, how.invalid == "drop"
    y = check_vector(given, argument=f"draws[{model!r}][{task!r}]", call="ks_at_n", allow_nan=True, allow_inf=True)
    fine = np.isfinite(y)
    valid = y[fine]
    p_values: list[float] = []
    passed: list[bool | None] = []
    used: list[int] = []
    for n in ns:
        values = valid[:n] if drop else y[:n][fine[:n]]
        used.append(values.size)
        if not drop and values.size < n:
            p_values.append(math.nan)
            passed.append(False)
        elif not values.size:
            p_values.append(math.nan)
            passed.append(None)
        else:
            if how.order == "first":
                p = _p(target, values, tied=tied)
            else:
                p = _random_p(target, valid, n, how.n_orders, rng, tied=tied)
            p_values.append(p)
            passed.append(p > how.p_threshold)
    statistic = gaps(target, valid[: ns[-1]])[0] / (target.size * min(valid.size, ns[-1])) if valid.size else math.nan
    extra: dict[str, Any] = {}
    if how.distances and valid.size:
        extra = {
            "js": jensen_shannon(target, valid),
            "wasserstein": wasserstein_z(target, valid),
            "energy": energy_z(target, valid),
        }
    return TaskKS(
        model, task, y.size, valid.size, tuple(p_values), tuple(passed), tuple(used), statistic,
        "exact" if tied else "none", **extra,
    )  # fmt: skip


def _p(target: FloatArray, values: FloatArray, *, tied: bool) -> float:
    gap, in_target, in_values = gaps(target, values)
    if not tied:
        return p_untied(target.size, values.size, gap)
    return p_tied(in_target + in_values, target.size, values.size, gap)


def _random_p(
    target: FloatArray, valid: FloatArray, n: int, n_orders: int, rng: np.random.Generator, *, tied: bool
) -> float:
    """Return the median p-value over random subsets: half of the orders of calls would pass."""
    size = min(n, valid.size)
    return float(np.median([_p(target, rng.choice(valid, size, replace=False), tied=tied) for _ in range(n_orders)]))


def _share(tasks: list[TaskKS], k: int, level: float, model: str) -> Estimate:
    told = [t.passed[k] for t in tasks if t.passed[k] is not None]
    if not told:
        return Estimate(
            math.nan, level=level, model=model, metric="KS@N", reason=Reason.NO_SCORED, n_unscored=len(tasks)
        )
    n, hits = len(told), sum(map(bool, told))
    p = hits / n
    low, high, _ = wilson(hits, n, level=level)
    return Estimate(
        p, math.sqrt(p * (1 - p) / n) if 0 < p < 1 else math.nan, (low, high), level=level, n=n, n_items=n, model=model,
        metric="KS@N", method="share of tasks, Wilson's interval", n_unscored=len(tasks) - n,
    )  # fmt: skip


def _warnings(
    found: list[TaskKS], ns: tuple[int, ...], n_reference: int, p_threshold: float, invalid: str
) -> tuple[str, ...]:
    said = []
    always = [n for n in ns if p_untied(n_reference, n, n_reference * n) > p_threshold]
    if always:
        said.append(f"KS@{', KS@'.join(map(str, always))} cannot fail with {n_reference:,} values of the target")
    median = [n for n in ns if n not in always and p_untied(n_reference, n, -(-n_reference // 2) * n) > p_threshold]
    if median:
        said.append(f"a model that only answers the median passes KS@{', KS@'.join(map(str, median))}")
    short = sum(0 < t.n_used[-1] < ns[-1] for t in found)
    if short and invalid == "drop":
        said.append(
            f"{short} of {len(found)} model-task pairs have fewer than {ns[-1]} valid draws and are tested with those, "
            "which is easier to pass; invalid='fail' counts them as failed"
        )
    if sum(1 for t in found if t.n_valid == 0):
        said.append(f"{sum(1 for t in found if t.n_valid == 0)} model-task pairs have no valid draw")
    return tuple(said)
