"""The journal of seeds: SQLite, one transaction per seed, so that a run that is killed goes on where it was.

A seed is found again under the claim, the fingerprint of its code, and its number; and only while every source file of
the user's that was in use when it ran is still the same. Failed seeds of a run that came to its end are run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from neff.claims.outcome import Failure, Measured
from neff.errors import NeffError, RecordsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from neff.claims.outcome import Outcome

__all__ = ["Before", "Journal"]

VERSION = 1
TABLES = """
CREATE TABLE runs (id INTEGER PRIMARY KEY, neff_version TEXT, started TEXT, finished TEXT);
CREATE TABLE seeds (
    claim TEXT, fingerprint TEXT, seed INTEGER, run INTEGER, failure TEXT, first REAL, second REAL, message TEXT,
    output TEXT, seconds REAL, left_behind INTEGER, files TEXT, PRIMARY KEY (claim, fingerprint, seed)
) WITHOUT ROWID;
CREATE TABLE verdicts (
    claim TEXT, run INTEGER, fingerprint TEXT, result TEXT, used TEXT, PRIMARY KEY (claim, run)
) WITHOUT ROWID;
"""


class Before(NamedTuple):
    """What came out of an earlier run: a `ClaimResult` as JSON values, and the values of its seeds."""

    result: dict[str, Any]
    seeds: dict[int, tuple[float, ...]]


class Journal:
    """What was run, seed by seed, and what came out of each run. One process writes at a time.

    Parameters
    ----------
    path
        The file, made where there is none; None keeps the journal in memory only.

    Raises
    ------
    NeffError
        If another run has it open, or its folder cannot be written.
    RecordsError
        If the file is no journal of this version.
    """

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        self._same: dict[tuple[str, str], bool] = {}
        try:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(":memory:" if path is None else str(path), timeout=0.2, isolation_level=None)
            self._open()
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error
        except OSError as error:
            raise NeffError(
                f"the journal {path} cannot be made: {error.strerror}. Give another file: --journal FILE."
            ) from error

    def _open(self) -> None:
        from neff import __version__

        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("BEGIN EXCLUSIVE")
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        empty = not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if found != VERSION and not (found == 0 and empty):
            self._db.execute("ROLLBACK")
            raise RecordsError("is no journal of this version of neff.", "Give another file.", path=self.path)
        if empty:
            for statement in filter(None, map(str.strip, TABLES.split(";"))):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        self.run = self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM runs").fetchone()[0]
        self._db.execute("INSERT INTO runs VALUES (?, ?, ?, NULL)", (self.run, __version__, _now()))
        self._db.execute("COMMIT")

    def _explained(self, error: sqlite3.DatabaseError) -> NeffError:
        if "locked" in str(error):
            return NeffError(
                f"the journal {self.path} is in use by another run. Wait for it, or give another file: --journal FILE."
            )
        if isinstance(error, sqlite3.OperationalError):
            return NeffError(f"the journal {self.path} cannot be used: {error}. Give another file: --journal FILE.")
        return RecordsError("is no journal of neff.", "Give another file.", path=self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def recall(self, claim: str, fingerprint: str) -> dict[int, Outcome]:
        """Return the outcomes of the seeds that were run with the same code, by seed."""
        rows = self._db.execute(
            "SELECT seed, failure, first, second, message, output, seconds, left_behind, files FROM seeds "
            "JOIN runs ON runs.id = seeds.run WHERE claim = ? AND fingerprint = ? "
            "AND (failure IS NULL OR runs.finished IS NULL) ORDER BY seed",
            (claim, fingerprint),
        )
        found: dict[int, Outcome] = {}
        for seed, failure, first, second, message, output, seconds, left, files in rows.fetchall():
            if failure is not None:
                found[seed] = Failure(seed, failure, message, output, seconds)
                continue
            used = json.loads(files)
            if all(self._unchanged(path, digest) for path, digest in used.items()):
                values = (first,) if second is None else (first, second)
                found[seed] = Measured(seed, values, seconds, bool(left), used)
        return found

    def keep(self, claim: str, fingerprint: str, outcome: Outcome) -> None:
        """Write the outcome of one seed; it is on the disk when this returns."""
        row: tuple[Any, ...]
        if isinstance(outcome, Failure):
            row = (outcome.kind, None, None, outcome.message, outcome.output, outcome.seconds, 0, "{}")
        else:
            first, second = (*outcome.values, None)[:2]
            files = json.dumps({_portable(path): digest for path, digest in outcome.files.items()})
            row = (None, first, second, "", "", outcome.seconds, int(outcome.left), files)
        self._write(
            "INSERT OR REPLACE INTO seeds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (claim, fingerprint, outcome.seed, self.run, *row),
        )

    def forget(self, claim: str, fingerprint: str) -> None:
        """Take out the seeds of a claim."""
        self._write("DELETE FROM seeds WHERE claim = ? AND fingerprint = ?", (claim, fingerprint))

    def conclude(self, claim: str, fingerprint: str, result: Mapping[str, Any], used: Iterable[Measured]) -> None:
        """Write what came out of this run, as JSON values, with the seeds that it rests on."""
        texts = (json.dumps(result, allow_nan=False), json.dumps([[m.seed, *m.values] for m in used]))
        self._write("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?)", (claim, self.run, fingerprint, *texts))

    def finish(self) -> None:
        """Say that this run, and any that was killed before it, is over."""
        self._write("UPDATE runs SET finished = ? WHERE finished IS NULL", (_now(),))

    def before(self, claim: str) -> Before | None:
        """Return what came out of the last run before this one that looked at the claim."""
        row = self._db.execute(
            "SELECT result, used FROM verdicts WHERE claim = ? AND run < ? ORDER BY run DESC LIMIT 1", (claim, self.run)
        ).fetchone()
        if row is None:
            return None
        return Before(json.loads(row[0]), {seed: tuple(values) for seed, *values in json.loads(row[1])})

    def seeds(self) -> Iterator[tuple[str, int, str | None, float | None, float | None]]:
        """Yield claim, seed, failure and the two values of every seed, in order."""
        yield from self._db.execute("SELECT claim, seed, failure, first, second FROM seeds ORDER BY claim, seed")

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def _unchanged(self, path: str, digest: str) -> bool:
        if (path, digest) not in self._same:
            try:
                now = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            except OSError:
                now = ""
            self._same[path, digest] = now == digest
        return self._same[path, digest]


def _portable(path: str) -> str:
    """Return a path below the working folder without that folder, so that a journal can be carried elsewhere."""
    inside = os.path.relpath(path)
    return path if inside.startswith("..") else Path(inside).as_posix()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
