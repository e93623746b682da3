"""Run the seeds of many claims on a few workers, so that what comes out does not depend on how many there are.

Seeds are consumed in order. One that ran ahead of the seed that decides is kept in the journal and not used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from neff.claims.decision import Course
from neff.claims.outcome import Failure, Measured
from neff.claims.process import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from neff.claims.collecting import Case
    from neff.claims.decision import Decision
    from neff.claims.journal import Journal
    from neff.claims.outcome import Outcome
    from neff.claims.pool import Pool
    from neff.claims.process import Worker

__all__ = ["Checked", "Progress", "run"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a check stands: claims decided so far, and the seeds of the one that has just moved on."""

    n_claims: int
    n_done: int
    claim: str
    n_seeds: int
    budget: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A case with its decision, the seeds that it rests on, and the seconds that they took."""

    case: Case
    decision: Decision
    used: tuple[Measured, ...]
    seconds: float


@dataclass
class _State:
    """One claim on its way."""

    case: Case
    course: Course
    stored: dict[int, Outcome]
    in_flight: dict[int, Worker] = field(default_factory=dict)
    seconds: float = 0.0

    def feed(self) -> bool:
        """Consume the stored seeds in order, as far as they go and are needed; return whether any was."""
        before = self.course.consumed
        while not self.course.done and (outcome := self.stored.get(self.course.consumed)) is not None:
            self.seconds += outcome.seconds
            self.course.add(outcome)
        return self.course.consumed > before

    def used(self) -> tuple[Measured, ...]:
        """Return the seeds that were consumed and measured."""
        consumed = (self.stored[seed] for seed in range(self.course.consumed))
        return tuple(outcome for outcome in consumed if isinstance(outcome, Measured))

    def next_seed(self) -> int | None:
        """Return the first seed that has neither been run nor started, within the budget."""
        for seed in range(self.course.consumed, self.course.budget):
            if seed not in self.stored and seed not in self.in_flight:
                return seed
        return None


def run(
    cases: Sequence[Case],
    pool: Pool,
    journal: Journal,
    *,
    seeds: int | None = None,
    until: float = float("inf"),
    tell: Callable[[Progress], None] | None = None,
) -> list[Checked]:
    """Check the cases and return their decisions in order.

    Parameters
    ----------
    cases
        What to check.
    pool
        Where the workers come from.
    journal
        What is known from earlier runs, and where each seed goes as soon as it has ended.
    seeds
        The most seeds of each claim, instead of its own budget.
    until
        When to stop, by `time.monotonic`.
    tell
        Called after each seed that was consumed.
    """
    states = [_State(case, Course(case.terms, seeds), journal.recall(case.id, case.fingerprint)) for case in cases]

    def moved(state: _State) -> None:
        if state.feed() and tell is not None:
            done = sum(s.course.done for s in states)
            tell(Progress(len(states), done, state.case.name, state.course.consumed, state.course.budget))

    for state in states:
        moved(state)
    while any(not state.course.done for state in states) and monotonic() < until:
        while _start_one(states, pool):
            pass
        for worker, task, outcome in pool.wait(until):
            if task is None or outcome is None:
                found = _import_failed(worker, states)
            else:
                found = [(next(s for s in states if s.in_flight.get(task.seed) is worker), outcome)]
            for state, ended in found:
                state.in_flight.pop(ended.seed, None)
                journal.keep(state.case.id, state.case.fingerprint, ended)
                state.stored[ended.seed] = ended
                moved(state)
                if state.course.done:
                    _call_off(state)
    for state in states:
        _call_off(state)
    return [Checked(s.case, s.course.decision(out_of_time=not s.course.done), s.used(), s.seconds) for s in states]


def _start_one(states: Sequence[_State], pool: Pool) -> bool:
    """Start the seed that is wanted most; return whether there was one and a worker for it.

    As many claims are open at a time as there are workers. The claim with the fewest seeds in flight comes first, so
    that workers run ahead within a claim only where no other claim needs them.
    """
    still = [s for s in states if not s.course.done][: pool.size]
    for state in sorted(still, key=lambda s: len(s.in_flight)):
        seed = state.next_seed()
        if seed is None:
            continue
        worker = pool.worker(state.case.target)
        if worker is None or not worker.idle:
            continue
        case = state.case
        worker.run(Task(seed, case.attribute, case.index, case.terms.time_limit, case.terms.memory_limit))
        state.in_flight[seed] = worker
        return True
    return False


def _import_failed(worker: Worker, states: Sequence[_State]) -> list[tuple[_State, Outcome]]:
    """Return a failed seed for each claim of a file that could be imported once, and now cannot."""
    error = (worker.listing or {}).get("error")
    if error is None:
        return []
    waiting = [s for s in states if s.case.target == worker.target and not s.course.done]
    return [
        (s, Failure(seed, error["failure"], error["message"], error.get("output", "")))
        for s in waiting
        if (seed := s.next_seed()) is not None
    ]


def _call_off(state: _State) -> None:
    """End the seeds of a claim that are not needed any more."""
    for worker in state.in_flight.values():
        worker.abandon()
    state.in_flight.clear()
