"""From seeds to a verdict: hold the anytime-valid interval against the margin after every seed, until it decides.

Pure: outcomes in, decision out. The interval covers the true effect at all numbers of seeds together, so that looking
after each of them costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neff.claims.effects import effect, exp, mean_and_sd, method_words, problem, sequence
from neff.claims.outcome import Failure
from neff.reasons import Reason
from neff.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neff.claims.outcome import Outcome
    from neff.claims.terms import Terms

__all__ = ["Course", "Decision", "decide"]

ALL_THE_SAME = (Reason.ALL_EQUAL, Reason.ALL_DIFFERENCES_EQUAL, Reason.EQUAL_ARMS)
NAN_PAIR = (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the seeds of one claim say.

    Attributes
    ----------
    verdict
        holds, fails, undecided; or not checked, where seeds failed.
    why
        What the verdict rests on, in one sentence without a full stop.
    reason
        Why a number is undefined, or the claim was not checked; None otherwise.
    value, standard_error, interval
        The effect, turned so that larger is better (but a level, which stays as it is): mean difference, geometric
        mean of the ratios, or mean level.
    treatment, control
        Means of the two arms (geometric for a ratio); NaN for a level.
    distance, distance_interval
        How far the effect lies beyond the margin towards "holds", in standard deviations of one seed (of its
        logarithm, for a ratio).
    n
        Seeds that were measured and used.
    failures
        Seeds that failed, in order.
    warnings
        What weakens the verdict.
    method
        How the interval was computed.
    """

    verdict: Verdict
    why: str
    reason: Reason | None = None
    value: float = math.nan
    standard_error: float = math.nan
    interval: tuple[float, float] = NAN_PAIR
    treatment: float = math.nan
    control: float = math.nan
    distance: float = math.nan
    distance_interval: tuple[float, float] = NAN_PAIR
    n: int = 0
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    method: str = ""


def decide(outcomes: Iterable[Outcome], terms: Terms, *, budget: int | None = None) -> Decision:
    """Return the decision on a claim from its seeds in order; seeds beyond the one that decides are not looked at.

    Parameters
    ----------
    outcomes
        `Measured` or `Failure`, one per seed.
    terms
        What was declared.
    budget
        The most seeds, instead of `terms.budget`.

    Returns
    -------
    Decision
        The verdict, and what it rests on.

    Examples
    --------
    >>> from neff.claims import Measured, Terms
    >>> gains = [0.031, 0.042, 0.027, 0.039, 0.035, 0.044, 0.029, 0.036]
    >>> seeds = [Measured(k, (0.7 + gain, 0.7)) for k, gain in enumerate(gains)]
    >>> found = decide(seeds, Terms(says="Better by more than a point.", margin=0.01))
    >>> str(found.verdict), found.n
    ('holds', 5)
    """
    course = Course(terms, budget)
    for outcome in outcomes:
        course.add(outcome)
        if course.done:
            break
    return course.decision()


class Course:
    """The seeds of one claim as they come in, in order.

    Parameters
    ----------
    terms
        What was declared.
    budget
        The most seeds, instead of `terms.budget`.
    """

    def __init__(self, terms: Terms, budget: int | None = None) -> None:
        self.terms = terms
        self.budget = terms.budget if budget is None else budget
        self.done = False
        self.consumed = 0
        self.failures: list[Failure] = []
        self.left_behind = 0
        self._values: list[tuple[float, ...]] = []
        self._effects: list[float] = []
        self._sequence = sequence(terms)

    @property
    def least(self) -> int:
        """Seeds that are needed whatever they say."""
        return 2 if self.terms.deterministic else min(self.terms.min_seeds, self.budget)

    @property
    def n(self) -> int:
        """Seeds measured and used."""
        return len(self._effects)

    def add(self, outcome: Outcome) -> None:
        """Take the next seed; after `done` nothing is taken any more."""
        if self.done:
            return
        self.consumed += 1
        if not isinstance(outcome, Failure):
            self.left_behind += outcome.left
            trouble = problem(outcome.values, self.terms)
            if trouble is None:
                gain = effect(outcome.values, self.terms)
                self._values.append(outcome.values)
                self._effects.append(gain)
                self._sequence.update(gain)
            else:
                outcome = Failure(outcome.seed, "out of range", trouble)
        if isinstance(outcome, Failure):
            self.failures.append(outcome)
        self.done = self._stops()

    def decision(self, *, out_of_time: bool = False) -> Decision:
        """Return what the seeds so far say.

        Parameters
        ----------
        out_of_time
            The claim was stopped from outside, before its budget was spent.
        """
        terms = self.terms
        warnings = self._warnings()
        if len(self.failures) > terms.tolerate:
            allowed = f", and {terms.tolerate} may" if terms.tolerate else ""
            kinds = ", ".join(dict.fromkeys(failure.kind for failure in self.failures))
            count = "a seed" if len(self.failures) == 1 else f"{len(self.failures)} seeds"
            why = f"{count} failed ({kinds}){allowed}"
            return self._told(Verdict.NOT_CHECKED, why, Reason.FAILED_SEED, NAN_PAIR, warnings)
        if not self._effects:
            why = "no time was left to run it" if out_of_time else "every seed failed"
            cause = Reason.OUT_OF_TIME if out_of_time else Reason.FAILED_SEED
            return self._told(Verdict.NOT_CHECKED, why, cause, NAN_PAIR, warnings)
        if terms.deterministic:
            return self._compared(warnings)
        interval, reason = self._interval()
        verdict = self._verdict() if self.n >= self.least else None
        if verdict is not None:
            side = "beyond" if verdict is Verdict.HOLDS else "short of"
            return self._told(verdict, f"the whole interval is {side} the margin", None, interval, warnings)
        return self._told(Verdict.UNDECIDED, self._open(reason, out_of_time), reason, interval, warnings)

    def _stops(self) -> bool:
        if len(self.failures) > self.terms.tolerate or self.consumed >= self.budget:
            return True
        if self.terms.deterministic:
            return self.n >= 2
        return self.n >= self.least and self._verdict() is not None

    def _verdict(self) -> Verdict | None:
        """Return what the interval decides, on the scale of the analysis (logarithms for a ratio)."""
        low, high = self._sequence.low, self._sequence.high
        line = math.log(self.terms.margin) if self.terms.kind == "ratio" else self.terms.margin
        if self.terms.kind == "level" and self.terms.lower_is_better:
            low, high, line = -high, -low, -line
        if low > line:
            return Verdict.HOLDS
        return Verdict.FAILS if high < line else None

    def _interval(self) -> tuple[tuple[float, float], Reason | None]:
        """Return the interval on the scale of the analysis; NaN with the reason where nothing is known yet."""
        low, high = self._sequence.low, self._sequence.high
        if math.isfinite(low) and math.isfinite(high):
            return (low, high), None
        if self._sequence.reason is Reason.ALL_EQUAL:  # to the last bit, or but for rounding
            if self.terms.kind == "level":
                return NAN_PAIR, Reason.ALL_EQUAL
            equal = all(treatment == control for treatment, control in self._values)
            return NAN_PAIR, Reason.EQUAL_ARMS if equal else Reason.ALL_DIFFERENCES_EQUAL
        return NAN_PAIR, Reason.TOO_FEW

    def _open(self, reason: Reason | None, out_of_time: bool) -> str:  # noqa: FBT001
        if reason is Reason.EQUAL_ARMS:
            return "treatment and control gave the same value on every seed: is the treatment switched on?"
        if reason in ALL_THE_SAME:
            same = "value" if self.terms.kind == "level" else self.terms.kind
            return f"every seed gave the same {same}; where the seed makes no difference, declare deterministic=True"
        spent = "no time was left" if out_of_time else f"the budget of {self.budget} seeds is spent"
        return spent if reason is Reason.TOO_FEW else f"{spent}, and the interval still holds the margin"

    def _compared(self, warnings: tuple[str, ...]) -> Decision:
        """Decide a claim that was declared deterministic."""
        if self.n < 2:
            return self._told(Verdict.UNDECIDED, "two seeds are needed", Reason.TOO_FEW, NAN_PAIR, warnings)
        if len(set(self._values)) > 1:
            why = "declared deterministic, but the seeds differ"
            return self._told(Verdict.NOT_CHECKED, why, Reason.NOT_DETERMINISTIC, NAN_PAIR, warnings)
        found, line = self._effects[0], self.terms.margin
        if self.terms.kind == "ratio":
            line = math.log(line)
        beyond = found < line if self.terms.kind == "level" and self.terms.lower_is_better else found > line
        verdict = Verdict.HOLDS if beyond else Verdict.FAILS
        why = f"the same on every seed, and {'' if beyond else 'not '}beyond the margin"
        return self._told(verdict, why, Reason.DETERMINISTIC, NAN_PAIR, warnings)

    def _warnings(self) -> tuple[str, ...]:
        said = []
        if self.failures and len(self.failures) <= self.terms.tolerate:
            said.append(
                f"{len(self.failures)} of {self.consumed} seeds failed and are left out, as was declared: fair only if "
                "failing has nothing to do with which arm is better."
            )
        if self.left_behind:
            said.append(f"{self.left_behind} of {self.consumed} seeds left processes behind; they were ended.")
        return tuple(said)

    def _told(
        self,
        verdict: Verdict,
        why: str,
        reason: Reason | None,
        interval: tuple[float, float],
        warnings: tuple[str, ...],
    ) -> Decision:
        """Return the decision with its numbers, on the scale that people read."""
        mean, sd = mean_and_sd(self._effects)
        if reason in ALL_THE_SAME:
            sd = math.nan  # what is left is rounding
        ratio = self.terms.kind == "ratio"
        line = math.log(self.terms.margin) if ratio else self.terms.margin
        error = sd / math.sqrt(self.n) if self.n > 1 and sd > 0 else math.nan
        turn = -1 if self.terms.kind == "level" and self.terms.lower_is_better else 1
        low, high = (turn * (end - line) / sd if sd > 0 else math.nan for end in interval[::turn])
        arms = [mean_and_sd([v[k] for v in self._values], log=ratio)[0] for k in (0, 1)] if self._paired() else []
        treatment, control = arms or NAN_PAIR
        return Decision(
            verdict,
            why,
            reason,
            value=exp(mean) if ratio else mean,
            standard_error=exp(mean) * error if ratio else error,
            interval=(exp(interval[0]), exp(interval[1])) if ratio else interval,
            treatment=treatment,
            control=control,
            distance=turn * (mean - line) / sd if sd > 0 else math.nan,
            distance_interval=(low, high),
            n=self.n,
            failures=tuple(self.failures),
            warnings=warnings,
            method=method_words(self.terms),
        )

    def _paired(self) -> bool:
        return bool(self._values) and self.terms.kind != "level"
