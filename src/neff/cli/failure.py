"""From exception to exit code and one sentence on stderr; a traceback only where NEFF_DEBUG is set."""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any

from neff.cli.streams import say
from neff.cli.verbs import VERBS, Exit
from neff.errors import ArgumentError, NeffError, NeffWarning, RecordsError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["explain", "guarded"]

FLAGS = {
    "correction_method": "--correction",
    "detectable": "--difference",
    "environments": "--env",
    "learning_rates": "--lr",
    "mode": "--calibration",
    "n_comparisons": "--comparisons",
    "n_policies": "--policies",
    "n_policies_in_family": "--policies",
    "n_workers": "--workers",
    "paths": "RECORDS",
    "price_label": "--label-price",
    "price_score": "--score-price",
    "r_squared": "--judge-r2",
    "rng": "--seed",
    "verb": "VERB",
}
"""Arguments of the library whose option has another name."""

OF_VERB = {
    ("audit", "calibration"): "--calibrate-on",
    ("plan", "bias"): "--audit-bias",
    ("plan", "margin"): "--audit-margin",
    ("plan", "models"): "--a",
    ("plan", "sd"): "--audit-sd",
    ("sampling", "features"): "--embedding",
    ("sampling", "n_epochs"): "--epochs",
    ("sampling", "n_restarts"): "--restarts",
}
"""Options whose name depends on the verb."""

_HINTED = re.compile(r"\b(estimator|scale|calibration|mode)=(?:'([^']*)'|\(([^)]*)\))")


def guarded(run: Callable[[list[str]], int], argv: list[str]) -> int:
    """Run, and turn whatever is raised into a sentence and an exit code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", NeffWarning)
            warnings.showwarning = _show_warning
            return run(argv)
    except KeyboardInterrupt:
        say("interrupted.")
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001  (the last line of defence: a user never sees a traceback unasked)
        if os.environ.get("NEFF_DEBUG"):
            traceback.print_exc()
        code, sentence = explain(error, _verb(argv))
        say(sentence)
        return code


def _verb(argv: list[str]) -> str:
    """Return the verb that was asked for, of one word or two."""
    two = " ".join(argv[:2])
    return two if any(verb.name == two for verb in VERBS) else "".join(argv[:1])


def explain(error: Exception, verb: str) -> tuple[int, str]:
    """Return the exit code and the sentence for an exception.

    Examples
    --------
    >>> explain(ArgumentError("n_resamples", "at least 1", 0, call="evaluate"), "evaluate")
    (2, '--n-resamples must be at least 1, got 0.')
    """
    if isinstance(error, ArgumentError):
        return Exit.USAGE, _as_options(_as_option(error, verb))
    if isinstance(error, RecordsError):
        return Exit.UNREADABLE, _as_options(str(error))
    if isinstance(error, NeffError):  # also OutputError, which is an OSError too
        return Exit.USAGE, str(error)
    if isinstance(error, MemoryError):
        return Exit.UNREADABLE, "not enough memory for these records. Give fewer files, or a wider machine."
    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        return Exit.UNREADABLE, f"{where}{error.strerror or type(error).__name__}."
    if type(error).__module__.startswith("cyclopts"):
        return Exit.USAGE, _usage(error, verb)
    return Exit.BUG, (
        f"this is a bug in neff, please report it: {type(error).__name__}: {error} "
        "(set NEFF_DEBUG=1 to see where it happened)."
    )


def _as_options(text: str) -> str:
    """Return a sentence with the fix as one types it: scale=(1, 5) is --scale 1 5.

    Examples
    --------
    >>> _as_options("Use estimator='judge', or scale=(1, 5).")
    'Use --estimator judge, or --scale 1 5.'
    """
    return _HINTED.sub(lambda m: f"{FLAGS.get(m[1], '--' + m[1])} {m[2] or m[3].replace(',', '')}", text)


def _as_option(error: ArgumentError, verb: str) -> str:
    """Return the sentence with the option's name where the library says the argument's."""
    text = str(error)
    head, middle, tail = text.partition(f": {error.argument} must be ")
    if not middle or " " in head:
        return text
    return f"{_option(error.argument, verb)} must be {tail}"


def _option(argument: str, verb: str) -> str:
    """Return how an argument of the library is written on the command line; itself where the verb has no such option.

    Examples
    --------
    >>> [_option(name, "sampling verifier") for name in ("costs", "n_resamples", "records", "rng", "vocabulary")]
    ['--cost', '--n-resamples', 'RECORDS', '--seed', 'vocabulary']
    """
    listed = OF_VERB.get((verb.partition(" ")[0], argument)) or FLAGS.get(argument)
    if listed is not None:
        return listed
    flag = "--" + argument.replace("_", "-")
    known = _options_of(verb)
    spelled = (flag, flag.removesuffix("s"), argument.upper(), argument.upper().removesuffix("S"))
    return next((name for name in spelled if name in known), argument if known else flag)


def _options_of(verb: str) -> frozenset[str]:
    """Return all that may be given after a verb, empty where there is no such verb."""
    from neff.cli.app import build

    if verb not in [each.name for each in VERBS]:
        return frozenset()
    app = build()
    for word in verb.split():
        app = app[word]
    return frozenset(name for argument in app.assemble_argument_collection() for name in argument.names)


def _usage(error: Any, verb: str) -> str:
    """Return what the parser found wrong, with the next step where it names none."""
    error.verbose = False
    text = str(error).strip()
    help_ = f"See `neff {verb} --help`."
    kind = type(error).__name__
    if kind == "CoercionError" and error.msg is not None and error.token is not None:
        return f"{error.token.keyword or error.argument.name} {error.msg} {help_}"
    if kind == "MissingArgumentError" and error.argument is not None:
        flag = error.argument.name
        return f"{flag} needs a value; write {flag}=VALUE where it starts with a hyphen. {help_}"
    if kind == "UnusedCliTokensError":
        return f"{' '.join(map(repr, error.unused_tokens))} cannot be placed. {help_}"
    return text if "Did you mean" in text else f"{text} {help_}"


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,  # noqa: ARG001  (the signature of warnings.showwarning)
    line: str | None = None,
) -> None:
    if issubclass(category, NeffWarning):
        say(f"warning: {message}")
    elif os.environ.get("NEFF_DEBUG"):
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))
