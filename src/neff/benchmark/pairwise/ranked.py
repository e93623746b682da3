"""`rank_battles`: strengths and ranks from pairwise verdicts, with the judge's preference for a place taken out.

What it estimates: log strengths s with log odds s_i - s_j (+ the preference for the left place) that i beats j.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.pairwise.links import LINKS
from neff.benchmark.pairwise.newton import Fit, Layout, components, fit_counts, free_directions
from neff.benchmark.pairwise.ranking import Player, Ranking
from neff.benchmark.pairwise.uncertainty import battle_rows, bootstrap, centering, model_covariance, sandwich
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Estimate
from neff.stats import adjust
from neff.stats._options import check_choice, seeded
from neff.stats._special import t_quantile, two_sided_p
from neff.stats._validate import check_count, check_level, check_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from neff.benchmark.pairwise.battles import Battles

__all__ = ["rank_battles"]

INFERENCES = ("sandwich", "model", "bootstrap")
FEW = 10
"""Clusters below which the ranking rests on little."""
NOTHING = 1e-8
"""A standard error below this is rounding: verdicts that do not vary are no proof of certainty."""


def rank_battles(
    battles: Battles,
    *,
    model: str = "bradley-terry",
    position: bool = True,
    covariates: Mapping[str, ArrayLike] | None = None,
    prior: float = 0.0,
    inference: str = "sandwich",
    level: float = 0.95,
    n_resamples: int = 500,
    rng: Any = None,
) -> Ranking:
    """Rank players from pairwise verdicts, with intervals of strengths and of ranks.

    Use it on votes of people or of a judge model. Not for scores that each player got by itself: compare those, which
    is sharper. Elo ratings depend on the order of battles; these do not.

    Parameters
    ----------
    battles
        From `battles_of`.
    model
        "bradley-terry": a tie is half a win for each. "davidson", "rao-kupper": ties have a parameter of their own;
        without a tie both are the first.
    position
        Whether to fit a preference for the left place, and take it out.
    covariates
        Left minus right of what else sways the judge (length, style), by name, shape (n_battles,).
    prior
        Weight of a normal prior on the strengths, 1 / variance; 0 for none. With one, undefeated and disconnected
        players get a finite strength, which then is the prior's; intervals count it as one more observation.
    inference
        "sandwich": robust, by cluster where the battles have one; "model": from the likelihood, the better one where a
        player has few battles; "bootstrap": clusters (or battles) drawn anew, with refits.
    level
        Coverage of the intervals.
    n_resamples, rng
        Of the bootstrap (SPEC 7).

    Returns
    -------
    Ranking
        The best first.

    Raises
    ------
    ArgumentError
        If there is no battle, or an option is unknown.

    Notes
    -----
    Battles are counted per ordered pair first, so that the cost of a step is in pairs and players, not in battles;
    about seven Newton steps. Strengths exist only within a component of the graph of who took something from whom: an
    undefeated player, or groups that never met, are named in `reason` and get no number. Nor does what the design
    cannot tell apart: strengths and the preference for a place, where each player is always on the same side. Rank
    intervals come from all paired differences, Holm-adjusted. Intervals by cluster are t at one less than the clusters.
    Covariates take one row per battle.

    References
    ----------
    Liusie, Manakul and Gales, LLM Comparative Assessment. arXiv:2307.07889
    Chiang et al., Chatbot Arena: An Open Platform for Evaluating LLMs by Human Preference. arXiv:2403.04132

    Examples
    --------
    >>> from neff.benchmark.pairwise import battles_of
    >>> told = [("a", "b", "x"), ("a", "c", "x"), ("b", "c", "tie"), ("b", "a", "x"), ("c", "a", "y"), ("b", "c", "y")]
    >>> left, right, winner = zip(*told)
    >>> print(rank_battles(battles_of(left, right, winner), position=False, inference="model").players[0].name)
    a
    """
    check_choice(model, LINKS, argument="model", call="rank_battles")
    check_choice(inference, INFERENCES, argument="inference", call="rank_battles")
    level = check_level(level, call="rank_battles")
    if not (math.isfinite(check_number(prior, argument="prior", call="rank_battles")) and prior >= 0):
        raise ArgumentError("prior", "0 or more", prior, call="rank_battles")
    if not len(battles):
        raise ArgumentError("battles", "at least one with a verdict", "none", call="rank_battles")
    if battles.soft and model != "bradley-terry":
        fix = "Use model='bradley-terry', or hard verdicts."
        raise ArgumentError("model", "'bradley-terry' for probabilities", model, fix, call="rank_battles")
    generator, seed = seeded(rng, call="rank_battles")
    named, columns = _covariates(covariates, len(battles))
    whole = battles.counts()
    parts = np.zeros(battles.n_players, np.int64) if prior else components(whole, battles.n_players)
    ties = model != "bradley-terry" and bool((whole.ties > 0).any())
    link = model if ties else "bradley-terry"
    layout = Layout(battles.n_players, position, len(named), ties)
    if columns is not None:
        whole = battle_rows(battles)
    inside = parts[whole.left] == parts[whole.right]
    counts = type(whole)(*(x[inside] for x in whole))
    kept = None if columns is None else columns[inside]
    layout = replace(layout, free=free_directions(counts, layout, parts, kept, ridge=prior))
    fit = fit_counts(counts, layout, link, covariates=kept, ridge=prior)
    covariance = bread = model_covariance(fit, layout, parts)
    if inference == "sandwich":
        covariance = sandwich(bread, battles, layout, link, fit, parts, columns)
    elif inference == "bootstrap":
        n_resamples = check_count(n_resamples, argument="n_resamples", call="rank_battles", minimum=10)
        covariance = bootstrap(battles, layout, link, fit, parts, columns, prior, n_resamples, generator)
    if inference != "model":  # the prior is an observation too
        covariance = covariance + prior * bread[:, : layout.n] @ bread[: layout.n]
    return _ranking(
        battles, layout, fit, covariance, parts, named, level, f"{model}, {inference} intervals",
        battles.n_clusters - 1 if battles.cluster is not None and inference != "model" else math.inf,
        seed if inference == "bootstrap" else None,
    )  # fmt: skip


def _covariates(given: Mapping[str, ArrayLike] | None, n: int) -> tuple[tuple[str, ...], NDArray[np.float64] | None]:
    if not given:
        return (), None
    columns = np.stack([np.asarray(values, np.float64) for values in given.values()], axis=1)
    if columns.shape[0] != n or not np.isfinite(columns).all():
        fix = "One finite number per battle that has a verdict."
        raise ArgumentError("covariates", f"of {n} numbers each", f"shape {columns.shape}", fix, call="rank_battles")
    return tuple(given), columns


def _ranking(
    battles: Battles,
    layout: Layout,
    fit: Fit,
    covariance: NDArray[np.float64],
    parts: NDArray[np.int64],
    named: tuple[str, ...],
    level: float,
    method: str,
    df: float,
    seed: int | None,
) -> Ranking:
    n = layout.n
    strength = (centering(layout, parts) @ fit.parameters)[:n]
    sizes = np.bincount(parts, minlength=1)
    # The component with most players is ranked; in one of a single player there is nothing to rank.
    undefined = (sizes[parts] == 1) | layout.is_free[:n]
    if not fit.converged:
        undefined = np.ones(n, bool)
    se = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    se[~(se > NOTHING)] = np.nan
    strength, errors = np.where(undefined, np.nan, strength), np.where(undefined, np.nan, se[:n])
    main = int(np.argmax(np.bincount(parts)))
    order = np.lexsort((np.where(undefined, 0.0, -np.nan_to_num(strength)), parts != main, undefined))
    better = _surely_better(strength, covariance[:n, :n], parts, level, df)
    wins, ties, total = _tally(battles)
    z = t_quantile((1 + level) / 2, df)
    players = []
    for rank, i in enumerate(order, start=1):
        half, value = z * errors[i], float(strength[i])
        players.append(
            Player(
                name=battles.names[i], strength=value, standard_error=float(errors[i]),
                interval=(float(value - half), float(value + half)),
                rank=None if undefined[i] or parts[i] != main else rank,
                rank_interval=(1 + int(better[:, i].sum()), n - int(better[i].sum())), wins=float(wins[i]),
                ties=float(ties[i]), battles=float(total[i]), component=int(parts[i]),
            )
        )  # fmt: skip
    extras = _extras(layout, fit, se, named, level, z, len(battles))
    tied = None if method.startswith("bradley-terry") else extras.get("ties", _unknown("ties", level, len(battles)))
    few = battles.cluster is not None and battles.n_clusters < FEW
    return Ranking(
        players=tuple(players), position_effect=extras.get("position"), tie_parameter=tied,
        covariate_effects=tuple(extras[name] for name in named), covariance=covariance[np.ix_(order, order)],
        level=level, n_battles=len(battles), n_dropped=battles.n_dropped, n_components=len(np.unique(parts)),
        method=method, df=df, reason=_reason(battles, layout, parts, fit, errors, undefined), seed=seed,
        warnings=(f"{battles.n_clusters} clusters: the intervals rest on few independent units",) if few else (),
    )  # fmt: skip


def _surely_better(
    strength: NDArray[np.float64], v: NDArray[np.float64], parts: NDArray[np.int64], level: float, df: float
) -> NDArray[np.bool_]:
    """Return whether row is better than column, Holm-adjusted over all pairs of a component."""
    n = len(strength)
    better = np.zeros((n, n), bool)
    i, j = np.triu_indices(n, 1)
    known = (parts[i] == parts[j]) & ~np.isnan(strength[i]) & ~np.isnan(strength[j])
    i, j = i[known], j[known]
    if not len(i):
        return better
    diff = strength[i] - strength[j]
    se = np.sqrt(np.maximum(v[i, i] + v[j, j] - 2 * v[i, j], 0.0))
    p = np.array(
        [two_sided_p(d / s, df) if s > NOTHING else 1.0 for d, s in zip(diff.tolist(), se.tolist(), strict=True)]
    )
    sure = np.asarray(adjust(p, method="holm")) < 1 - level
    better[i[sure & (diff > 0)], j[sure & (diff > 0)]] = True
    better[j[sure & (diff < 0)], i[sure & (diff < 0)]] = True
    return better


def _tally(battles: Battles) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    c, n = battles.counts(), battles.n_players

    def total(of_left: NDArray[np.float64], of_right: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(c.left, of_left, n) + np.bincount(c.right, of_right, n), np.float64)

    wins, ties = total(c.left_wins, c.right_wins), total(c.ties, c.ties)
    return wins, ties, wins + ties + total(c.right_wins, c.left_wins)


def _extras(
    layout: Layout, fit: Fit, se: NDArray[np.float64], named: tuple[str, ...], level: float, z: float, n: int
) -> dict[str, Estimate]:
    places = {"position": layout.at_place} if layout.place else {}
    places |= {name: layout.n + layout.place + j for j, name in enumerate(named)}
    places |= {"ties": layout.at_tie} if layout.ties else {}
    found = {}
    for name, j in places.items():
        if not fit.converged or layout.is_free[j]:
            found[name] = _unknown(name, level, n)
            continue
        value, error = float(fit.parameters[j]), float(se[j])
        found[name] = Estimate(
            value, error, (value - z * error, value + z * error), level=level, n=n, metric=name, method="log odds",
            reason=Reason.NO_STANDARD_ERROR if math.isnan(error) else None,
        )  # fmt: skip
    return found


def _unknown(name: str, level: float, n: int) -> Estimate:
    return Estimate(math.nan, level=level, n=n, metric=name, method="log odds", reason=Reason.NOT_IDENTIFIED)


def _reason(
    battles: Battles,
    layout: Layout,
    parts: NDArray[np.int64],
    fit: Fit,
    errors: NDArray[np.float64],
    undefined: NDArray[np.bool_],
) -> str:
    """Say why some strengths have no number or no interval, or cannot be compared."""
    if not fit.converged:
        return "no finite estimate: some strength, or the preference for a place, is not bounded by the battles"
    said = []
    alone = np.bincount(parts)[parts] == 1
    others = [battles.names[i] for i in np.flatnonzero((parts != np.argmax(np.bincount(parts))) | alone)]
    if others:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        said.append(
            f"not comparable with the others, as they always won, always lost, or never met: {shown}. "
            "More battles, or prior=1, give them a number."
        )
    if layout.is_free.any() and not alone.all():
        said.append(
            "strengths, the preference for a place and covariates cannot all be told apart in these battles: ask pairs "
            "both ways round, or leave one out (position=False)."
        )
    if np.isnan(errors[~undefined]).any():
        one = "one battle" if battles.cluster is None else "all battles share one cluster"
        why = one if battles.n_clusters < 2 else "the verdicts do not vary, as all are ties"
        said.append(f"no interval: {why}.")
    return " ".join(said)
