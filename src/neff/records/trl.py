"""Read the completions that TRL logs while it trains: `completions_<step>.parquet`.

The columns are step, prompt, completion, one per reward function, what else was logged, and advantage. There are no
log-probs and no group numbers: a group is the same prompt within a step, and its completions are draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neff.errors import RecordsError
from neff.records.duck import engine, quoted, refuse_too_many, scan
from neff.records.footer import column_names
from neff.records.logrows import LONG, Attributes, LogInfo, Sample, table_of
from neff.records.logvalues import Scores
from neff.records.reader import Reader, printable, reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_FIRST = ("step", "prompt", "completion")
_ADVANTAGE = "advantage"
_NUMBERS = (
    "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT",
    "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
)  # fmt: skip
_NO_LOG_PROBS = "there are no log-probs in the file: importance weights cannot be computed from it"


def _sniff(path: Path, head: bytes) -> bool:
    return head.startswith(b"PAR1") and _is_ours(column_names(path))


def _is_ours(names: Sequence[str]) -> bool:
    """Return whether the first columns are step, prompt, completion; the name of the whole schema comes before."""
    return tuple(names[1:4]) == _FIRST


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    if columns.item or columns.score or columns.model:  # the caller says what the columns are: a plain table
        from neff.records import parquet

        return parquet.read(path, columns, keep)
    attributes = Attributes(columns, keep, "column")
    with reading(path):
        roles = {attributes.key(name) for name in (*columns.clusters(), columns.label, columns.weight) if name}
        rows, rewards = _rows(path, roles, attributes.named())
        if not rows:
            raise RecordsError("the file has no rows.", "Wait for the step, or run it again.")
        scores = Scores()
        samples = [
            Sample(
                f"{prompt} @ {row['step']}",
                None,
                attributes.pick({name: value for name, value in row.items() if name not in rewards}),
                {name: scores.number(name, row[name]) for name in rewards},
            )
            for prompt, row in rows
        ]
        folder = path.resolve().parent
        run = printable((folder.parent if folder.name == "completions" else folder).name) or "run"
        notes = (
            *scores.notes(),
            "an item is a prompt within a step, its completions are draws; the folder names the run",
            f"metrics are the columns of numbers ({', '.join(rewards)}): TRL does not mark which of them are rewards",
            _NO_LOG_PROBS,
        )
        return table_of(samples, attributes, LogInfo(str(path), "trl", run, "rollouts", notes))


def _rows(path: Path, roles: set[str], named: Sequence[str]) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Return the hash of the prompt and the plain columns of each row, and the names of the rewards."""
    with engine(path) as connection:
        described = connection.execute(f"DESCRIBE SELECT * FROM {scan(path)}").fetchall()  # noqa: S608  (quoted)
        kinds = {str(row[0]): str(row[1]) for row in described}
        if not all(name in kinds for name in _FIRST):
            raise RecordsError("there is no column step, prompt or completion.", "Give the file as TRL wrote it.")
        if not _is_plain("step", kinds["step"]):
            raise RecordsError("column 'step' does not hold numbers.", "Give the file as TRL wrote it.")
        rewards = [
            name
            for name, kind in kinds.items()
            if name not in (*_FIRST, _ADVANTAGE) and name not in roles and kind.startswith(_NUMBERS) and "[" not in kind
        ]
        if not rewards:
            raise RecordsError("no column holds numbers.", "Give a file with at least one reward column.")
        refuse_too_many(connection, path)
        kept = [name for name, kind in kinds.items() if name in named or name in rewards or _is_plain(name, kind)]
        short = [quoted(name) if name in named or kinds[name] != "VARCHAR" else _if_short(name) for name in kept]
        cells = ", ".join(["md5(prompt::VARCHAR)", *short])
        found = connection.execute(f"SELECT {cells} FROM {scan(path)}").fetchall()  # noqa: S608  (quoted)
    return [(str(row[0])[:16], dict(zip(kept, row[1:], strict=True))) for row in found], rewards


def _is_plain(name: str, kind: str) -> bool:
    """Return whether a column without a role can be kept; prompts and completions are never fetched."""
    return name not in _FIRST[1:] and (kind == "VARCHAR" or (kind.startswith(_NUMBERS) and "[" not in kind))


def _if_short(name: str) -> str:
    """Return a text that may be kept, NULL for a longer one: one long text can stand for a million rows."""
    return f"CASE WHEN length({quoted(name)}) <= {LONG} THEN {quoted(name)} END"


READER = Reader(name="trl", mapped=False, sniff=_sniff, read=_read)
"""The completions of TRL."""
