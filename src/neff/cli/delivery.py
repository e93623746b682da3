"""From result to stdout, files and exit code; what can be refused is refused before any work is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.cli.gates import Condition, check_gates, parse_gate
from neff.cli.streams import say, show, stdout
from neff.cli.verbs import Exit
from neff.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from neff.cli.options import Gates, Output
    from neff.evaluate.result import Evaluation
    from neff.report import Gate
    from neff.results import Comparison

__all__ = ["Delivery", "prepare"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a result goes and what it must pass; made by `prepare` before the work starts."""

    format: str
    files: tuple[Path, ...]
    conditions: tuple[Condition, ...]
    strict: bool
    quiet: bool
    color: bool | None

    def hand_over(self, result: Evaluation) -> int:
        """Write the files, show the result, and return the exit code: a failed gate counts before a tie."""
        gates = check_gates(self.conditions, result)
        unread = [f"not read: {unread.path}: {unread.reason}" for unread in result.unread]
        self.put_out(result, [*unread, *(f"note: {note}" for note in result.notes)], gates)
        failed = [gate for gate in gates if gate.passed is not True]
        for gate in failed:
            say(f"gate failed: {gate.condition}: {gate.detail}")
        if failed:
            return Exit.GATE_FAILED
        if self.strict and (open_ends := inconclusive(result)):
            say(f"inconclusive (--strict): {open_ends[0]}" + _more(len(open_ends) - 1))
            return Exit.INCONCLUSIVE
        return Exit.DONE

    def write_files(self, result: Any, gates: Sequence[Gate] = ()) -> None:
        """Write every file that was asked for, each whole or not at all."""
        from neff import report

        for path in self.files:
            report.write(result, path, gates=gates)
            if not self.quiet:
                say(f"wrote {path}")

    def put_out(self, result: Any, notes: Iterable[str] = (), gates: Sequence[Gate] = ()) -> None:
        """Write the files, then stdout, so that a file that cannot be written leaves stdout empty.

        Parameters
        ----------
        result
            Anything that `neff.report.render` takes.
        notes
            Lines for stderr where stdout does not show them.
        gates
            Outcomes to show with the result.
        """
        from neff import report

        self.write_files(result, gates)
        if self.format != "table" and not self.quiet:
            for note in notes:
                say(note)
        if self.format == "table":
            with stdout() as stream:
                report.show(result, stream, gates=gates, color=self.color)
        else:
            show(report.render(result, self.format, gates=gates))


def prepare(
    output: Output, gates: Gates | None = None, *, inputs: Iterable[Path] = (), junit: bool | None = None
) -> Delivery:
    """Check what can be checked before the records are read.

    Parameters
    ----------
    output, gates
        The options.
    inputs
        The files that will be read: a result never replaces them.
    junit
        Whether there are conditions for a JUnit report to show; by default where `gates` is given.

    Raises
    ------
    ArgumentError
        If two options contradict each other, or a suffix names no format.
    GateError
        If a condition cannot be understood.
    OutputError
        If a file cannot be written where it should go.
    """
    if output.json and output.format not in (None, "json"):
        raise ArgumentError("format", "left out, or json, beside --json", output.format, "Keep one of the two.")
    shows_gates = gates is not None if junit is None else junit
    if not shows_gates and (output.format == "junit" or any(path.suffix.lower() == ".xml" for path in output.output)):
        raise ArgumentError("format", "another one than JUnit", "junit", "There are no gates to report.")
    for path in output.output:
        _check_file(path, inputs)
    if len(set(output.output)) < len(output.output):
        raise ArgumentError("output", "a different file each time", str(output.output[-1]), "Name each file once.")
    return Delivery(
        format="json" if output.json else output.format or "table",
        files=output.output,
        conditions=tuple(parse_gate(text) for text in gates.fail_if) if gates else (),
        strict=gates.strict if gates else False,
        quiet=output.quiet,
        color=False if output.no_color else None,
    )


def _check_file(path: Path, inputs: Iterable[Path]) -> None:
    from neff.report.output import suffixes

    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder. Give a file in it, such as {path / 'report.html'}.")
    known = suffixes()
    if path.suffix.lower() not in known:
        raise ArgumentError("output", f"a file that ends in {' '.join(known)}", str(path), "The suffix is the format.")
    if not path.parent.is_dir():
        raise OutputError(
            f"cannot write {path}: there is no folder {path.parent}. Make it first: mkdir -p {path.parent}"
        )
    for source in inputs:
        if path.exists() and source.exists() and path.samefile(source):
            raise ArgumentError("output", "another file than the input", str(path), "A result never replaces records.")


def inconclusive(result: Evaluation) -> list[str]:
    """Return what the data leave open, one sentence each: a tie with the best, a number undefined, a level refused.

    Where tasks were averaged, the average decides, not each task.
    """
    from neff.evaluate.means import MACRO, MICRO

    groups = result.groups()
    averaged = {metric for task, metric in groups if task in (MACRO, MICRO)}
    found = []
    for task, metric in groups:
        if metric in averaged and task not in (MACRO, MICRO):
            continue
        undefined = [e for e in result.estimates if (e.task, e.metric) == (task, metric) and e.reason is not None]
        found += [f"{e.model} on {task} is undefined: {e.reason}." for e in undefined]
        refused = [e for e in result.estimates if (e.task, e.metric) == (task, metric) and e.refused]
        found += [f"the level of {e.model} on {task} is refused: {e.refused}." for e in refused]
        tied = result.tied(task, metric)
        if len(tied) > 1:
            found.append(f"{tied[0]} and {tied[1]} are not told apart on {task}." + _more(len(tied) - 2))
            continue
        pairs = [c for c in result.comparisons if (c.task, c.metric) == (task, metric)]
        found += [
            _open(c) for c in pairs if c.verdict not in ("holds", "fails") and (not tied or tied[0] in (c.a, c.b))
        ]
    return found


def _open(c: Comparison) -> str:
    words = "not told apart" if c.verdict == "undecided" else str(c.verdict)
    return f"{c.a} and {c.b} are {words} on {c.task}."


def _more(count: int) -> str:
    return f" (and {count} more)" if count > 0 else ""
