"""What resampling against an imperfect verifier buys: the results of `verifier_curves` and `can_match`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from neff.results import Estimate, Verdict
    from neff.sampling.verifiers.two_type import TwoTypeModel

__all__ = ["CeilingTest", "Reward", "VerifierCurve", "VerifierReport"]


@dataclass(frozen=True, slots=True)
class Reward:
    """The budget with the highest expected reward, where a wrong answer costs `cost`.

    Attributes
    ----------
    cost
        Loss of a wrong answer, in units of a right one.
    best_k, reward
        The best budget, 0 where no attempt pays, and its expected reward per item.
    best_k_range
        5%, 50% and 95% points of the best budget over resampled items: read this, the point alone is unstable. None
        where resampled items give one curve (one item, one cluster, items that are all alike): nothing is known.
    reward_interval
        Of the reward at `best_k`, at the level asked for; NaN where resampled items give one value.
    reward_at_most
        Expected reward of the longest budget.
    curve
        Expected reward at each budget, shape (longest,).
    """

    cost: float
    best_k: int
    reward: float
    best_k_range: tuple[int, int, int] | None
    reward_interval: tuple[float, float]
    reward_at_most: float
    curve: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "cost": self.cost,
            "best_k": self.best_k,
            "reward": json_number(self.reward),
            "best_k_range": None if self.best_k_range is None else list(self.best_k_range),
            "reward_interval": [json_number(x) for x in self.reward_interval],
            "reward_at_most": json_number(self.reward_at_most),
            "curve": [json_number(float(x)) for x in self.curve],
        }


@dataclass(frozen=True, slots=True)
class VerifierCurve:
    """One model resampled until one verifier accepts.

    Attributes
    ----------
    budgets
        1 to the most draws of an item, shape (longest,).
    right, wrong, abstain
        Share of items answered rightly, wrongly, not at all within each budget, shape (longest,).
    right_interval, wrong_interval
        Pointwise intervals over items, shape (longest, 2).
    perfect
        Share answered rightly if the verifier knew: pass@k of the right draws, shape (longest,).
    attempts
        Expected attempts per item at each budget, shape (longest,).
    wrong_at
        Of the acceptances at exactly the k-th attempt, the share that is wrong, shape (longest,); NaN where none is.
    single
        Accuracy of one draw.
    conditional
        Share of right ones among the accepted, mean over items with an accepted draw: the paper's ceiling.
    pooled
        The same over all accepted draws, an item counting as often as it is accepted.
    ceiling
        Accuracy with an unlimited budget, an item without an accepted draw counting as wrong.
    rewards
        By cost.
    model_fit
        The two-type model fitted to the counts, or None where no draw is wrong.
    n_items, n_draws, n_unscored, n_never
        Items, usable draws, draws left out as outcome or acceptance is missing, items of which no draw is accepted.
    metric
        Name of the outcome.
    """

    task: str
    model: str
    verifier: str
    budgets: NDArray[np.int64]
    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    abstain: NDArray[np.float64]
    right_interval: NDArray[np.float64]
    wrong_interval: NDArray[np.float64]
    perfect: NDArray[np.float64]
    attempts: NDArray[np.float64]
    wrong_at: NDArray[np.float64]
    single: Estimate
    conditional: Estimate
    pooled: Estimate
    ceiling: Estimate
    rewards: tuple[Reward, ...]
    model_fit: TwoTypeModel | None
    n_items: int
    n_draws: int
    n_unscored: int
    n_never: int
    metric: str = ""
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""

        def numbers(values: NDArray[Any]) -> list[Any]:
            return [numbers(x) if getattr(x, "ndim", 0) else json_number(float(x)) for x in values]

        lines = ("right", "wrong", "abstain", "right_interval", "wrong_interval", "perfect", "attempts", "wrong_at")
        fit = self.model_fit
        return {
            "task": self.task,
            "model": self.model,
            "metric": self.metric,
            "verifier": self.verifier,
            "budgets": self.budgets.tolist(),
            **{name: numbers(getattr(self, name)) for name in lines},
            **{name: getattr(self, name).to_dict() for name in ("single", "conditional", "pooled", "ceiling")},
            "rewards": [reward.to_dict() for reward in self.rewards],
            "two_types": None
            if fit is None
            else {
                "correctness": list(fit.correctness),
                "share": list(fit.share),
                "completeness": fit.completeness,
                "soundness": fit.soundness,
            },
            "n_items": self.n_items,
            "n_draws": self.n_draws,
            "n_unscored": self.n_unscored,
            "n_never": self.n_never,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class VerifierReport:
    """Curves of every model and verifier.

    Attributes
    ----------
    curves
        One per task, model and verifier.
    correlation
        Pearson correlation over models of single-draw and conditional accuracy, within each task, metric and verifier
        that has 3 models or more; NaN where none has.
    level, seed
        Coverage of the intervals; seed of the bootstrap.
    right_value, abstain_value, price
        Value of a right answer, of none, and the price of one attempt: what rewards are made of.
    """

    curves: tuple[VerifierCurve, ...]
    correlation: float
    level: float
    seed: int | None
    right_value: float = 1.0
    abstain_value: float = 0.0
    price: float = 0.0
    notes: tuple[str, ...] = ()

    def table(self, budgets: tuple[int, ...] = (1, 10, 100)) -> Table:
        """Return what each verifier gives at some budgets."""
        columns = (
            *LABELS,
            Column("k", "Budget", "count"), Column("right", "Right", "number"),
            Column("right_interval", "Interval", "interval"), Column("wrong", "Wrong", "number"),
            Column("abstain", "No answer", "number"), Column("wrong_share", "Wrong of accepted", "number"),
            Column("perfect", "Perfect verifier", "number"), Column("attempts", "Attempts", "number", 2),
        )  # fmt: skip
        rows = []
        for c in self.curves:
            for k in [k for k in budgets if k <= len(c.budgets)]:
                i = k - 1
                accepted = float(c.right[i] + c.wrong[i])
                rows.append((
                    *_labels(c), k, float(c.right[i]), tuple(c.right_interval[i].tolist()),
                    float(c.wrong[i]), float(c.abstain[i]),
                    float(c.wrong[i]) / accepted if accepted else float("nan"), float(c.perfect[i]),
                    float(c.attempts[i]),
                ))  # fmt: skip
        return _varied(columns, rows)

    def rewards(self) -> Table:
        """Return the best budget for each cost of a wrong answer."""
        columns = (
            *LABELS,
            Column("cost", "Cost of a wrong answer", "number", 2), Column("best_k", "Best budget", "count"),
            Column("range", "5 to 95%"), Column("reward", "Reward", "number"),
            Column("interval", "Interval", "interval"), Column("at_most", "Reward of the longest", "number"),
        )  # fmt: skip
        rows = [
            (*_labels(c), r.cost, r.best_k if len(r.curve) else None, _range(r), r.reward, r.reward_interval,
             r.reward_at_most)
            for c in self.curves for r in c.rewards
        ]  # fmt: skip
        return _varied(columns, rows)

    def __str__(self) -> str:
        return f"{self.table()}\n\n{self.rewards()}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.verifier/1",
            "level": self.level,
            "curves": [curve.to_dict() for curve in self.curves],
            "correlation": json_number(self.correlation),
            "right_value": self.right_value,
            "abstain_value": self.abstain_value,
            "price": self.price,
            "seed": self.seed,
            "notes": list(self.notes),
        }


LABELS = (Column("task", "Task"), Column("metric", "Metric"), Column("model", "Model"), Column("verifier", "Verifier"))


def _labels(curve: VerifierCurve) -> tuple[str, str, str, str]:
    return curve.task, curve.metric, curve.model, curve.verifier


def _range(reward: Reward) -> str | None:
    return None if reward.best_k_range is None else f"{reward.best_k_range[0]} to {reward.best_k_range[2]}"


def _varied(columns: tuple[Column, ...], rows: list[tuple[Any, ...]]) -> Table:
    """Return the table without the columns of task, metric and model where these are all the same."""
    names = ("task", "metric", "model")
    keep = [i for i, c in enumerate(columns) if c.name not in names or len({row[i] for row in rows}) > 1]
    return Table(tuple(columns[i] for i in keep), tuple(tuple(row[i] for i in keep) for row in rows))


@dataclass(frozen=True, slots=True)
class CeilingTest:
    """Whether a weak model with a verifier can reach a strong model's single-draw accuracy, on the items of both.

    Attributes
    ----------
    ceiling, target, difference
        Accuracy of the weak model with an unlimited budget, of one draw of the strong one, and their difference.
    standard_error, interval, level, df
        Of the difference, paired by item.
    counting
        "abstentions wrong": an item that is never accepted is wrong (the stricter, and the one that usually matters);
        "abstentions left out": such items do not count, on either side.
    verdict
        holds: it can; fails: it cannot, whatever the budget; undecided.
    n_items, n_left_out
        Items that count; items of either model that do not, as the other has none of that name or no scored draw, or as
        abstentions are left out.
    reason
        Why the interval is undefined, where it is.
    """

    weak: str
    strong: str
    ceiling: float
    target: float
    difference: float
    standard_error: float
    interval: tuple[float, float]
    level: float
    df: float
    counting: str
    verdict: Verdict
    n_items: int
    n_left_out: int = 0
    reason: str = ""

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.weak} with its verifier reaches {self.ceiling:.4f} at most, "
            f"{self.strong} {self.target:.4f} at once: "
            f"difference {self.difference:+.4f} [{low:+.4f}, {high:+.4f}], {self.counting}: {self.verdict}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        names = ("weak", "strong", "counting", "level", "n_items", "n_left_out", "reason")
        numbers = ("ceiling", "target", "difference", "standard_error", "df")
        return {
            **{name: getattr(self, name) for name in names},
            **{name: json_number(getattr(self, name)) for name in numbers},
            "interval": [json_number(x) for x in self.interval],
            "verdict": str(self.verdict),
        }
