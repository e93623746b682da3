"""`Ranking`: players by strength, with intervals of strengths and of ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Comparison, Estimate, Table, json_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Player", "Ranking"]


@dataclass(frozen=True, slots=True)
class Player:
    """One player.

    Attributes
    ----------
    name
        Of the player.
    strength, standard_error, interval
        Log strength relative to the mean of its component; a difference of 1 is odds of 2.7 to 1. NaN where the
        battles do not bound it; `reason` of the ranking says why.
    rank, rank_interval
        1 is best, None where there is no strength, or it cannot be compared with those of the largest component; and
        between which ranks it may lie: ahead of it are all that are surely better (Holm over all pairs).
    wins, ties, battles
        Weighted numbers.
    component
        Players of different components cannot be compared.
    """

    name: str
    strength: float
    standard_error: float
    interval: tuple[float, float]
    rank: int | None
    rank_interval: tuple[int, int]
    wins: float
    ties: float
    battles: float
    component: int


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Players by strength.

    Attributes
    ----------
    players
        The best first; those without a strength last.
    position_effect
        Preference for the left place in log odds, 0 where there is none; None where it was not fitted.
    tie_parameter
        Of the Davidson or Rao-Kupper model; None for Bradley-Terry.
    covariate_effects
        By name of the covariate.
    covariance
        Of the strengths, in the order of `players`, shape (n_players, n_players).
    n_battles, n_dropped, n_components
        Battles used, battles without a verdict, and components of the graph of who took something from whom.
    method, reason
        How it was fitted; why some strengths are undefined, in words, or empty.
    df
        Degrees of freedom of the intervals: one less than the clusters, or infinity.
    """

    players: tuple[Player, ...]
    position_effect: Estimate | None
    tie_parameter: Estimate | None
    covariate_effects: tuple[Estimate, ...]
    covariance: NDArray[np.float64]
    level: float
    n_battles: int
    n_dropped: int
    n_components: int
    method: str
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seed: int | None = None
    df: float = math.inf

    def __getitem__(self, name: str) -> Player:
        for player in self.players:
            if player.name == name:
                return player
        raise KeyError(name)

    def difference(self, a: str, b: str) -> Comparison:
        """Return the difference of two log strengths, with its interval.

        Raises
        ------
        KeyError
            If a player is unknown.
        """
        from neff.stats import t_interval
        from neff.stats._special import two_sided_p

        place = {player.name: i for i, player in enumerate(self.players)}
        i, j = place[a], place[b]
        value = self.players[i].strength - self.players[j].strength
        if self.players[i].component != self.players[j].component:
            value = math.nan
        v = self.covariance
        se = math.sqrt(max(float(v[i, i] + v[j, j] - 2 * v[i, j]), 0.0)) if not math.isnan(value) else math.nan
        se = se if se > 1e-8 else math.nan
        low, high, reason = t_interval(value, se, df=self.df, level=self.level)
        p = two_sided_p(value / se, self.df) if se > 0 else math.nan
        return Comparison(
            a, b, value, se, (low, high), level=self.level, p_value=p, p_adjusted=p, reason=reason, method=self.method
        )

    def tied_with_best(self) -> tuple[str, ...]:
        """Return the players of which none is surely better."""
        return tuple(player.name for player in self.players if player.rank_interval[0] == 1)

    def table(self) -> Table:
        """Return one row per player."""
        columns = (
            Column("rank", "Rank", "count"), Column("name", "Player"), Column("strength", "Log strength", "signed"),
            Column("interval", "Interval", "interval"), Column("ranks", "Ranks"), Column("battles", "Battles", "count"),
            Column("wins", "Won", "percent"), Column("component", "Component", "count"),
        )  # fmt: skip
        rows = tuple(
            (p.rank, p.name, p.strength, p.interval, f"{p.rank_interval[0]} to {p.rank_interval[1]}", p.battles,
             (p.wins + p.ties / 2) / p.battles if p.battles else math.nan, p.component)
            for p in self.players
        )  # fmt: skip
        keep = 8 if self.n_components > 1 else 7
        return Table(columns[:keep], tuple(row[:keep] for row in rows))

    def __str__(self) -> str:
        extra = [f"{name}: {e.value:+.4f} [{e.interval[0]:+.4f}, {e.interval[1]:+.4f}]" for name, e in self._extras()]
        return "\n".join([str(self.table()), *extra, *([self.reason] if self.reason else [])])

    def _extras(self) -> list[tuple[str, Estimate]]:
        named = [("left place", self.position_effect), ("ties", self.tie_parameter)]
        return [(name, e) for name, e in named if e is not None] + [(e.metric, e) for e in self.covariate_effects]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.ranking/1",
            "players": [
                {
                    "name": p.name,
                    "strength": json_number(p.strength),
                    "standard_error": json_number(p.standard_error),
                    "interval": [json_number(x) for x in p.interval],
                    "rank": p.rank,
                    "rank_interval": list(p.rank_interval),
                    "wins": p.wins,
                    "ties": p.ties,
                    "battles": p.battles,
                    "component": p.component,
                }
                for p in self.players
            ],
            "position_effect": None if self.position_effect is None else self.position_effect.to_dict(),
            "tie_parameter": None if self.tie_parameter is None else self.tie_parameter.to_dict(),
            "covariate_effects": [e.to_dict() for e in self.covariate_effects],
            "level": self.level,
            "n_battles": self.n_battles,
            "n_dropped": self.n_dropped,
            "n_components": self.n_components,
            "method": self.method,
            "reason": self.reason or None,
            "warnings": list(self.warnings),
            "df": json_number(self.df),
            "seed": self.seed,
        }
