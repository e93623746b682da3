"""Exceptions and warnings of neff: which argument, what it must be, what was given, and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "GateError",
    "MissingDependencyError",
    "MissingExtraError",
    "NeffError",
    "NeffWarning",
    "OutputError",
    "RecordsError",
    "RecordsWarning",
    "TrainingWarning",
    "at_most",
]


class NeffError(Exception):
    """Root of every error that neff raises on purpose."""


def _sentence(call: str, argument: str, must: str, got: object, fix: str) -> str:
    shown = repr(got)
    if len(shown) > 120:
        shown = shown[:117] + "..."
    text = f"{call}: {argument} must be {must}, got {shown}."
    return f"{text} {fix}" if fix else text


class ArgumentError(NeffError, ValueError):
    """An argument has a value that the call cannot use.

    Parameters
    ----------
    argument
        Name of the argument.
    must
        What it must be, to follow the words "must be".
    got
        What was given.
    fix
        One sentence that says what to do ("Did you mean 0.95?").
    call
        Name of the public call.
    """

    def __init__(self, argument: str, must: str, got: object, fix: str = "", *, call: str = "neff") -> None:
        self.argument = argument
        self.fix = fix
        super().__init__(_sentence(call, argument, must, got, fix))


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument has a type that the call cannot use; also a `TypeError`."""


class RecordsError(NeffError, ValueError):
    """A file or frame of records cannot be read or makes no sense (command line: exit code 3).

    Parameters
    ----------
    problem
        What is wrong, one sentence.
    fix
        What to do, one sentence.
    path
        The file, where there is one.
    line
        The 1-based line or row, where there is one.
    """

    def __init__(self, problem: str, fix: str = "", *, path: Path | str | None = None, line: int | None = None) -> None:
        self.problem = problem = at_most(problem)
        self.fix = fix = at_most(fix)
        self.path = path
        self.line = line
        where = "" if path is None else f"{path}: " if line is None else f"{path}, line {line}: "
        super().__init__(f"{where}{problem} {fix}".rstrip())


def at_most(sentence: str, most: int = 700) -> str:
    """Return a sentence without its middle where a name in it is a book."""
    return sentence if len(sentence) <= most else f"{sentence[: most // 2]}…{sentence[-most // 2 :]}"


class MissingExtraError(NeffError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs an optional package. Install it with: pip install 'neff[{extra}]'")


class MissingDependencyError(NeffError, ImportError):
    """A package that is none of our extras is needed, such as the caller's own frame library."""

    def __init__(self, what: str, package: str) -> None:
        self.package = package
        super().__init__(f"{what} needs {package}. Install it with: pip install {package}")


class OutputError(NeffError, OSError):
    """A result could not be written; nothing was left half-written."""


class GateError(NeffError, ValueError):
    """A `--fail-if` condition cannot be understood."""


class NeffWarning(UserWarning):
    """Root of every warning of neff."""


class RecordsWarning(NeffWarning):
    """Something in the records deserves a look, but the result is still right."""


class TrainingWarning(NeffWarning):
    """Something in a training batch deserves a look; what the loss or the step does with it is defined."""
