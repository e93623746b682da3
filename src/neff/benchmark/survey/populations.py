"""Is a model closer to a population, or just to uniform? Divergences question by question, and by subgroup."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.survey.divergence import entropy_share, kl_divergence
from neff.errors import ArgumentError
from neff.results import Column, Table, json_number
from neff.stats import mean_se, t_interval
from neff.stats._validate import check_level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from neff.reasons import Reason

__all__ = ["GroupDivergence", "PopulationComparison", "compare_populations"]


@dataclass(frozen=True, slots=True)
class GroupDivergence:
    """How far a model is from one group: mean KL(model || group) over questions, bits, and the group's own entropy.

    `reason` says why there is no number or no interval, or is None.
    """

    group: str
    divergence: float
    interval: tuple[float, float]
    entropy: float
    closer_than_uniform: float
    n_questions: int
    n_infinite: int
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class PopulationComparison:
    """A model's answers against reference populations, and against uniform.

    Attributes
    ----------
    groups
        One per group.
    to_uniform
        Mean KL(model || uniform) over questions, bits.
    model_entropy
        Mean entropy of the model's answers, as a share of the largest.
    entropy_correlation
        Correlation over groups of their divergence with their entropy; near -1 the "alignment" with groups is only
        their closeness to uniform. NaN below 3 groups.
    """

    groups: tuple[GroupDivergence, ...]
    to_uniform: float
    model_entropy: float
    entropy_correlation: float
    level: float
    smooth: float

    def table(self) -> Table:
        """Return one row per group, the closest first."""
        columns = (
            Column("group", "Group"), Column("divergence", "KL(model, group)", "number"),
            Column("interval", "Interval", "interval"), Column("entropy", "Entropy of group", "number"),
            Column("closer", "Closer than uniform", "percent"), Column("n", "Questions", "count"),
            Column("infinite", "Infinite", "count"),
        )  # fmt: skip
        order = sorted(self.groups, key=lambda g: g.divergence)
        rows = (
            (g.group, g.divergence, g.interval, g.entropy, g.closer_than_uniform, g.n_questions, g.n_infinite)
            for g in order
        )
        return Table(columns, tuple(rows))

    def __str__(self) -> str:
        said = f"to uniform {self.to_uniform:.4f} bits; correlation with entropy {self.entropy_correlation:+.3f}"
        return f"{self.table()}\n{said}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.populations/1",
            "groups": [
                {
                    "group": g.group,
                    "divergence": json_number(g.divergence),
                    "interval": [json_number(x) for x in g.interval],
                    "entropy": json_number(g.entropy),
                    "closer_than_uniform": json_number(g.closer_than_uniform),
                    "n_questions": g.n_questions,
                    "n_infinite": g.n_infinite,
                    "reason": None if g.reason is None else str(g.reason),
                }
                for g in self.groups
            ],
            "to_uniform": json_number(self.to_uniform),
            "model_entropy": json_number(self.model_entropy),
            "entropy_correlation": json_number(self.entropy_correlation),
            "level": self.level,
            "smooth": self.smooth,
        }


def compare_populations(
    model: Sequence[ArrayLike],
    groups: Mapping[str, Sequence[ArrayLike]],
    *,
    smooth: float = 0.0,
    level: float = 0.95,
) -> PopulationComparison:
    """Compare a model's answers with those of groups of people, and with uniform answers.

    Use it with adjusted answers (`adjusted_answers`), not with those of one order: those compare places. A model that
    answers nearly uniformly looks closest to the group whose answers are most even: read the correlation.

    Parameters
    ----------
    model
        Distribution of the model's answers to each question; questions may differ in their options.
    groups
        The same of each group, by name, same questions in the same order.
    smooth
        Added to every option of a group, see `kl_divergence`. Without it a question on which a group has an empty
        option that the model uses is left out, and counted.
    level
        Coverage of the intervals over questions.

    Returns
    -------
    PopulationComparison
        Divergences by group.

    Raises
    ------
    ArgumentError
        If questions differ in number or options, there is none, or no group.

    References
    ----------
    Dominguez-Olmedo, Hardt and Mendler-Duenner, Questioning the Survey Responses of Large Language Models.
    arXiv:2306.07951

    Examples
    --------
    >>> model = [[0.5, 0.5], [0.3, 0.3, 0.4], [0.6, 0.4]]
    >>> groups = {"even": [[0.5, 0.5], [0.3, 0.4, 0.3], [0.5, 0.5]], "firm": [[0.9, 0.1], [0.8, 0.1, 0.1], [0.2, 0.8]]}
    >>> found = compare_populations(model, groups)
    >>> [(g.group, round(g.divergence, 3)) for g in found.groups]
    [('even', 0.024), ('firm', 0.713)]
    """
    level = check_level(level, call="compare_populations")
    if not len(model):
        raise ArgumentError("model", "answers to one question or more", "none", call="compare_populations")
    if not groups:
        raise ArgumentError("groups", "at least one", "none", call="compare_populations")
    uniform = np.array([kl_divergence(p) for p in model])
    found = []
    for name, answers in groups.items():
        if len(answers) != len(model):
            got = f"{len(answers)} of {name}"
            raise ArgumentError("groups", f"answers to {len(model)} questions", got, call="compare_populations")
        kl = np.array([kl_divergence(p, q, smooth=smooth) for p, q in zip(model, answers, strict=True)])
        finite = np.isfinite(kl)
        mean = mean_se(kl[finite])
        low, high, reason = t_interval(mean.value, mean.standard_error, df=mean.df, level=level)
        found.append(
            GroupDivergence(
                name, mean.value, (low, high), float(np.mean([entropy_share(q) for q in answers])),
                float((kl < uniform).mean()), int(finite.sum()), int((~finite).sum()), mean.reason or reason,
            )
        )  # fmt: skip
    pairs = np.array([(g.divergence, g.entropy) for g in found if not math.isnan(g.divergence)])
    enough = len(pairs) >= 3 and bool((pairs.std(axis=0) > 0).all())
    return PopulationComparison(
        tuple(found), float(uniform.mean()), float(np.mean([entropy_share(p) for p in model])),
        float(np.corrcoef(pairs.T)[0, 1]) if enough else math.nan, level, smooth,
    )  # fmt: skip
