"""What readers of energy logs share: which column holds what, labels of rows, and rows of one run added up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from neff.errors import ArgumentError, RecordsError

if TYPE_CHECKING:
    from neff.train.energy.runs import EnergyRun, Kind
    from neff.train.log_tables import LogTable

__all__ = ["Meter", "Options", "added", "extras", "labels"]

Meter: TypeAlias = Literal["auto", "wall", "total", "gpu", "cpu", "ram"]
GROUP = ("setting", "group", "config", "configuration", "precision", "project_name")
RUN = ("run", "run_id", "seed", "trial")
YES, NO = {"1", "true", "yes", "y"}, {"0", "false", "no", "n", ""}


@dataclass(frozen=True, slots=True)
class Options:
    """Which column holds what, for all readers."""

    group: str | None
    block: str | None
    run: str | None
    samples: str | None
    reached: str | None
    energy: str | None
    seconds: str | None
    meter: Meter
    kind: Kind | None


def labels(table: LogTable, options: Options, call: str, *, run: bool = True) -> tuple[list[str], list[str], list[str]]:
    """Return setting, block and run of every row; block and run are empty where there is no column."""
    group = table.find(options.group, GROUP, argument="group", call=call)
    if group is None:
        fix = f"The log has: {', '.join(table.columns)}; file and folder stand for where it is."
        raise ArgumentError("group", "the column of the setting", "none found", fix, call=call)
    block = table.find(options.block, ("block", "session"), argument="block", call=call)
    of_run = table.find(options.run, RUN if run else (), argument="run", call=call)
    empty = [""] * len(table)
    blocks = table.words(block) if block else empty
    return table.words(group), blocks, table.words(of_run) if of_run else empty


def extras(table: LogTable, options: Options, call: str) -> tuple[list[float], list[bool]]:
    """Return samples, and whether the target was reached, of every row."""
    samples = table.find(options.samples, (), argument="samples", call=call)
    reached = table.find(options.reached, (), argument="reached", call=call)
    counts = table.numbers(samples).tolist() if samples else [math.nan] * len(table)
    return counts, _told(table, reached) if reached else [True] * len(table)


def _told(table: LogTable, name: str) -> list[bool]:
    found = []
    for i, word in enumerate(table.words(name)):
        if word.lower() not in YES | NO:
            path, line = table.where[i]
            said, fix = f"column {name!r} holds {word!r}.", "Give 1 or 0, true or false, yes or no."
            raise RecordsError(said, fix, path=path, line=line)
        found.append(word.lower() in YES)
    return found


def added(rows: list[EnergyRun]) -> tuple[list[EnergyRun], list[str]]:
    """Add up the rows of each named run of a setting and block; rows without a name are runs of their own.

    Whether the target was reached is what the last row of the run says.
    """
    found: dict[tuple[str, str, str], EnergyRun] = {}
    alone: list[EnergyRun] = []
    parts = 0
    for row in rows:
        key = (row.setting, row.block, row.run)
        if not row.run:
            alone.append(row)
        elif key in found:
            parts += 1
            one = found[key]
            found[key] = replace(
                one,
                joules=one.joules + row.joules,
                seconds=one.seconds + row.seconds,
                samples=one.samples + row.samples,
                reached=row.reached,
            )
        else:
            found[key] = row
    runs = [replace(r, run="/".join(part for part in (r.setting, r.block, r.run) if part)) for r in found.values()]
    return [*alone, *runs], ["Rows of one run were added up: the run is the unit."] if parts else []
