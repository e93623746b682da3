"""`neff audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import GATES, NO_COLUMNS, NO_OUTPUT, Columns, Flag, Input, Number, Output, Whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from neff.cli.delivery import Delivery
    from neff.evaluate import Audit
    from neff.report import Gate

__all__ = ["audit"]

AUDIT = Group("Audit", sort_key=1)

Paths = Annotated[tuple[Input, ...], Parameter(group=AUDIT, show_default=False)]
Names = Annotated[tuple[str, ...], Parameter(group=AUDIT, show_default=False)]
Verdicts = Annotated[
    tuple[Literal["fails", "undecided", "not-checked"], ...], Parameter(group=GATES, show_default=False)
]


def audit(
    *probe: Input,
    calibrate_on: Paths = (),
    calibrate_on_model: Names = (),
    margin: Annotated[Number | None, Parameter(group=AUDIT)] = None,
    scale: Annotated[tuple[Number, Number], Parameter(group=AUDIT)] = (0.0, 1.0),
    calibration: Annotated[Literal["auto", "monotone", "two-stage"], Parameter(group=AUDIT)] = "auto",
    covariate: Names = (),
    policies: Annotated[Whole | None, Parameter(group=AUDIT)] = None,
    level: Annotated[Number, Parameter(group=AUDIT)] = 0.95,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
    strict: Annotated[Flag, Parameter(group=GATES)] = False,
    fail_if: Verdicts = (),
) -> int:
    """Is the calibrated judge right about a new model, month or domain?

    For example:
      neff audit probe.csv --calibrate-on labels.csv --margin 0.05
      neff audit records.csv --calibrate-on-model base --margin 0.02
      neff audit probe.csv --calibrate-on labels.csv --margin 0.05 --fail-if fails --strict

    The probe is a random sample of answers with labels that the calibration has not seen. Within the margin the
    calibration holds; a probe too small to tell is undecided, it does not pass.

    Parameters
    ----------
    probe
        Files or folders of scored answers with labels; every model is audited by itself; - is stdin.
    calibrate_on
        File or folder whose labels fit the calibration. Repeatable.
    calibrate_on_model
        Instead: a model of the probe whose labels fit it; the other models are audited. Repeatable.
    margin
        The largest mean of label minus calibrated score that would not matter, in units of the label; declare it
        before you look. Without it nothing is graded.
    scale
        Lowest and highest possible label: --scale 1 5.
    calibration
        monotone: the label rises with the score. two-stage: any smooth shape, and covariates.
    covariate
        Column that predicts the label beside the score. Repeatable.
    policies
        Divide the error by this many audited policies; by default those of the probe.
    level
        Coverage of the intervals, of all policies together.
    strict
        Exit with 4 where a policy is undecided, not graded or not checked.
    fail_if
        Exit with 1 where this is the verdict on a policy; one that is not graded or not checked fails too. Repeatable.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records
    from neff.errors import ArgumentError
    from neff.evaluate import audit as run

    paths = existing(probe, "audit")
    delivery = prepare(output, inputs=[*paths, *calibrate_on], junit=bool(fail_if))
    if bool(calibrate_on) == bool(calibrate_on_model):
        raise ArgumentError(
            "calibrate_on_model" if calibrate_on else "calibrate_on",
            "left out beside --calibrate-on" if calibrate_on else "given, or else --calibrate-on-model",
            list(calibrate_on_model) or None,
            "Name the records whose labels fit the calibration, or models of the probe.",
        )
    if fail_if and margin is None:
        raise ArgumentError("margin", "declared where --fail-if is given", None, "Without a margin nothing is graded.")
    table = read_records(paths, columns, also=covariate, quiet=output.quiet)
    _check_names(calibrate_on, calibrate_on_model, table.model.levels)
    source: dict[str, Any] = {"calibrate_on": calibrate_on_model}
    if calibrate_on:
        source = {"calibration": read_records(calibrate_on, columns, also=covariate, quiet=output.quiet)}
    with progress("auditing", quiet=output.quiet):
        result = run(
            table,
            **source,
            covariates=covariate,
            mode=calibration,
            scale=scale,
            margin=margin,
            n_policies_in_family=policies,
            level=level,
        )
    return _hand_over(result, delivery, fail_if, strict=strict)


def _check_names(paths: Sequence[Path], named: Sequence[str], models: Sequence[str]) -> None:
    """Refuse a model that is not there, or that stands in the place of a file."""
    from difflib import get_close_matches

    from neff.errors import ArgumentError

    for name in named:
        if name not in models:
            close = get_close_matches(name, models, n=1)
            fix = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(models[:20])}."
            raise ArgumentError("calibrate_on_model", "a model of the probe", name, fix)
    for path in paths:
        if not path.exists() and str(path) in models:
            raise ArgumentError(
                "calibrate_on", "a file or folder", str(path), f"It is a model: --calibrate-on-model {path}."
            )


def _hand_over(result: Audit, delivery: Delivery, fail_if: Sequence[str], *, strict: bool) -> int:
    """Write the files, show the result, and return the exit code: a failed gate counts before an open verdict."""
    from neff.cli.streams import say
    from neff.cli.verbs import Exit
    from neff.results import Verdict

    gates = tuple(_gate(word, result) for word in dict.fromkeys(fail_if))
    delivery.put_out(result, [f"note: {note}" for note in result.notes], gates)
    failed = [gate for gate in gates if not gate.passed]
    for gate in failed:
        say(f"gate failed: {gate.condition}: {gate.detail}")
    if failed:
        return Exit.GATE_FAILED
    open_ = [row for row in result.rows if row.verdict not in (Verdict.HOLDS, Verdict.FAILS)]
    if strict and (open_ or not result.rows):
        first = f"{open_[0].policy}: {open_[0].verdict}" if open_ else "no policy was audited"
        say(f"inconclusive (--strict): {first}." + (f" (and {len(open_) - 1} more)" if len(open_) > 1 else ""))
        return Exit.INCONCLUSIVE
    return Exit.DONE


def _gate(word: str, result: Audit) -> Gate:
    """Hold the verdicts against one that must not be: what could not be checked must not pass."""
    from neff.report import Gate
    from neff.results import Verdict

    wanted = Verdict(word.replace("-", " "))
    broken = [row for row in result.rows if row.verdict in (wanted, Verdict.NOT_GRADED, Verdict.NOT_CHECKED)]
    if not result.rows:
        return Gate(word, passed=False, detail="no policy was audited")
    if not broken:
        return Gate(word, passed=True, detail=f"{len(result.rows)} checked, none {wanted}")
    more = f" (and {len(broken) - 3} more)" if len(broken) > 3 else ""
    return Gate(word, passed=False, detail="; ".join(f"{row.policy}: {row.verdict}" for row in broken[:3]) + more)
