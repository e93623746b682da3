"""Saved results: strict JSON out and in, and the schema that it keeps to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neff.benchmark.irt.item_bank import SCHEMA as BANK_SCHEMA
from neff.benchmark.irt.item_bank import ItemBank
from neff.errors import ArgumentTypeError, RecordsError
from neff.evaluate.result import SCHEMA, Evaluation
from neff.testing.staleness.result import SCHEMA as STALENESS_SCHEMA
from neff.testing.staleness.result import StalenessStudy
from neff.train.history import RUN_SCHEMA, STEP_SCHEMA, TrainingRun
from neff.train.run_files import parse_training_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["load", "render_json", "schema"]

_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    SCHEMA: Evaluation.from_dict,
    BANK_SCHEMA: ItemBank.from_dict,
    RUN_SCHEMA: TrainingRun.from_dict,
    STALENESS_SCHEMA: StalenessStudy.from_dict,
}
"""How each kind of saved result is rebuilt; a new room adds its own."""


def render_json(result: Any) -> str:
    """Return a result as strict JSON: no NaN, keys in a fixed order.

    Raises
    ------
    ArgumentTypeError
        If the result has no `to_dict`.
    """
    to_dict = getattr(result, "to_dict", None)
    if to_dict is None:
        raise ArgumentTypeError(
            "result", "a result of neff", result, "Give what neff.evaluate or neff.compare returned.", call="render"
        )
    data = to_dict()
    text = _lines(data, ascii_only=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair from a broken log: only an escape can carry it
        text = _lines(data, ascii_only=True)
    return text + "\n"


def _lines(data: dict[str, Any], *, ascii_only: bool) -> str:
    """Return JSON with one line per field, and one per score or pair: short, and good to compare."""

    def dump(value: Any) -> str:
        return json.dumps(value, allow_nan=False, ensure_ascii=ascii_only)

    def field(value: Any) -> str:
        rows = isinstance(value, list) and value and all(isinstance(row, dict) for row in value)
        return "[\n  " + ",\n  ".join(map(dump, value)) + "\n ]" if rows else dump(value)

    return "{\n " + ",\n ".join(f"{dump(name)}: {field(value)}" for name, value in data.items()) + "\n}"


def load(path: str | Path) -> Any:
    """Read a saved result, to show it again in another form.

    Parameters
    ----------
    path
        A file written by `neff.report.write(result, "result.json")` or `neff evaluate --json`, or the JSON Lines file
        of a training run.

    Returns
    -------
    Evaluation, ItemBank, TrainingRun or StalenessStudy
        Equal to the one that was written.

    Raises
    ------
    RecordsError
        If the file cannot be read, is no JSON, or no result of neff.
    """
    try:
        raw = Path(path).read_bytes()
        if _is_training(raw):
            return parse_training_run(raw, name="" if str(path).startswith("/dev/") else str(path))
        data = json.loads(raw.decode("utf-8-sig"))
    except RecordsError as error:
        raise RecordsError(error.problem, error.fix, path=path) from error
    except OSError as error:
        raise RecordsError(
            f"cannot be read: {error.strerror or error}.", "Give a file written by `neff evaluate -o`.", path=path
        ) from error
    except json.JSONDecodeError as error:
        raise RecordsError(
            f"is not JSON: {error.msg}.", "Give a file written by `neff evaluate -o`.", path=path, line=error.lineno
        ) from error
    except (ValueError, RecursionError) as error:
        raise RecordsError("is not JSON in UTF-8.", "Give a file written by `neff evaluate -o`.", path=path) from error
    if not isinstance(data, dict) or data.get("schema") not in _READERS:
        kind = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise RecordsError(
            f"is not a saved result of neff (schema {kind!r}, expected {' or '.join(map(repr, _READERS))}).",
            "Give a file written by `neff evaluate -o result.json`.",
            path=path,
        )
    try:
        return _READERS[data["schema"]](data)
    except RecordsError as error:
        raise RecordsError(error.problem, error.fix, path=path) from error


def _is_training(raw: bytes) -> bool:
    """Return whether a line among the first few is a step of a training run."""
    lines = raw[: 1 << 20].removeprefix(b"\xef\xbb\xbf").split(b"\n", 20)[:20]
    wanted = f'"{STEP_SCHEMA}"'.encode()
    whole = any(f'"{other}"'.encode() in raw[:200] for other in _READERS)
    return not whole and any(line.startswith(b"{") and wanted in line[:200] for line in lines)


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a saved evaluation.

    Examples
    --------
    >>> schema()["properties"]["schema"]
    {'const': 'neff.evaluation/1'}
    """
    from importlib.resources import files

    text = files("neff.report").joinpath("schema.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]
