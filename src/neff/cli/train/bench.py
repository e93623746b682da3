"""`neff train bench`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (the parser looks it up)
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, STATISTICS, Flag, Number, Output, Whole

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["bench"]

RUNS = Group("Runs", sort_key=1)

Words = Annotated[str | None, Parameter(group=RUNS, show_default=False)]

QUICK = {"methods": ("reinforce", "sequence_is", "vcpo", "ess_adaptive_exact"), "lags": (4, 64)}
"""What is run without --full: about a minute."""


def bench(
    *,
    env: Annotated[str, Parameter(group=RUNS)] = "E1,E2,TF",
    methods: Words = None,
    lags: Words = None,
    seeds: Annotated[Whole, Parameter(group=RUNS)] = 3,
    lr: Words = None,
    steps: Annotated[Whole | None, Parameter(group=RUNS)] = None,
    full: Annotated[Flag, Parameter(group=RUNS)] = False,
    cache: Annotated[Path | None, Parameter(group=RUNS, show_default=False)] = None,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    output: Output = NO_OUTPUT,
) -> int:
    """Which losses bear stale rollouts? Small policies trained on data k steps old.

    For example:
      neff train bench
      neff train bench --env TF --methods reinforce,cispo,vcpo --lags 16,64 -o bench.html
      neff train bench --env TF --lags 64 --lr 0.003,0.01
      neff train bench --full --seeds 5 --cache runs.jsonl -o bench.json

    Methods, by the name of their loss: reinforce, token_is, tis, mis, cispo, grpo, dapo, gspo, sequence_is,
    sequence_mis, sequence_tis (also with +opob or +ess_lr), vcpo, ess_adaptive_exact (also _is, _k3 or _none).

    Parameters
    ----------
    env
        Environments, separated by commas. E1: a table of logits, tokens are right or wrong one by one. E2: the same, a
        count must be hit. TF: a small transformer.
    methods
        Methods, separated by commas, or all. By default reinforce, sequence_is, vcpo and ess_adaptive_exact.
    lags
        How many optimizer steps old the data are, separated by commas; 0 is on-policy. By default 4 and 64.
    seeds
        Runs of each.
    lr
        Learning rates, separated by commas; by default each environment's own: 0.3, 0.1, 0.01.
    steps
        Optimizer steps of a run; by default 600, 600 and 250.
    full
        All methods at lags 0, 4, 16, 64 and 128, where nothing else is said: about ten minutes.
    cache
        File of JSON lines that keeps finished runs: a bench that was stopped goes on.
    level
        Coverage of the intervals.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.testing import staleness_study
    from neff.testing.staleness.settings import COMPARED, LAGS

    delivery = prepare(output, inputs=[] if cache is None else [cache])
    chosen: Any = COMPARED if full or methods == "all" else QUICK["methods"]
    if methods not in (None, "all"):
        chosen = _split(methods)
    ages: Any = LAGS if full else QUICK["lags"]
    with progress("training", quiet=output.quiet) as say:
        result = staleness_study(
            environments=_split(env),
            methods=chosen,
            lags=ages if lags is None else [int(k) for k in _numbers(lags, "lags", whole=True)],
            seeds=seeds,
            learning_rates=None if lr is None else _numbers(lr, "lr"),
            steps=steps,
            level=level,
            cache=cache,
            tell=_teller(say),
        )
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0


def _split(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _numbers(text: str, argument: str, *, whole: bool = False) -> list[float]:
    """Return the numbers of a list such as 4,64."""
    from neff.errors import ArgumentError

    found = []
    for word in _split(text):
        try:
            found.append(int(word) if whole else float(word))
        except ValueError:
            must = "whole numbers" if whole else "numbers"
            raise ArgumentError(argument, f"{must} separated by commas", text, call="bench") from None
    return found


def _teller(say: Callable[[str], None]) -> Callable[[int, int, float], None]:
    """Return what puts the progress into the line on the terminal."""

    def tell(done: int, total: int, part: float) -> None:
        say(f"training, {done} of {total} runs done" + (f", the next at {100 * part:.0f}%" if part else ""))

    return tell
