"""`neff train energy`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Group, Parameter

from neff.cli.options import COLUMNS, NO_OUTPUT, STATISTICS, Flag, Input, Number, Output

__all__ = ["energy"]

METER = Group("Energy", sort_key=1)

Name = Annotated[str | None, Parameter(group=COLUMNS)]


def energy(
    *logs: Input,
    group: Name = None,
    block: Name = None,
    run: Name = None,
    per: Name = None,
    reached: Name = None,
    energy: Name = None,
    seconds: Name = None,
    where: Annotated[tuple[str, ...], Parameter(group=COLUMNS, show_default=False)] = (),
    meter: Annotated[Literal["auto", "wall", "total", "gpu", "cpu", "ram"], Parameter(group=METER)] = "auto",
    kind: Annotated[Literal["measured", "estimated", "unknown"] | None, Parameter(group=METER)] = None,
    pue: Annotated[Number, Parameter(group=METER)] = 1.0,
    idle_watts: Annotated[Number, Parameter(group=METER)] = 0.0,
    margin: Annotated[Number, Parameter(group=STATISTICS)] = 0.05,
    baseline: Annotated[str | None, Parameter(group=STATISTICS)] = None,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    correction: Annotated[
        Literal["holm", "benjamini-hochberg", "benjamini-yekutieli", "bonferroni", "none"], Parameter(group=STATISTICS)
    ] = "holm",
    discard_first: Annotated[Flag, Parameter(group=STATISTICS)] = False,
    output: Output = NO_OUTPUT,
) -> int:
    """Which setting needs less energy, and is the difference real?

    For example:
      neff train energy runs.csv --group precision --block session
      neff train energy emissions.csv --group project_name --meter gpu
      neff train energy smi/ --group folder --margin 0.05 -o energy.html
      neff train energy runs.csv --group batch --per samples --reached converged

    Reads codecarbon's emissions.csv, logs of zeus, CSV of nvidia-smi, and tables with energy, or with time and power.
    The unit is the run: its samples or epochs are added up, never compared. With blocks, runs are paired.

    Parameters
    ----------
    logs
        Files or folders: CSV, JSON Lines, Parquet; - is stdin.
    group
        Column of the setting; file and folder stand for where a row comes from.
    block
        Column of the block: a session of the warm machine in which every setting ran once.
    run
        Column of the run; its rows are added up.
    per
        Column of examples or tokens: compare energy per sample, not per run.
    reached
        Column that says whether a run reached the target; one that did not is left out and counted.
    energy
        Column of the energy, in joules, or in kWh where its name ends so.
    seconds
        Column of the duration.
    where
        Only rows with COLUMN=VALUE. Repeatable.
    meter
        What to take where there are several; auto is the wall meter if there is one, else the total, else the GPU.
    kind
        measured or estimated, where you know what the log does not say.
    pue
        Power usage effectiveness of the building.
    idle_watts
        Idle power to take off: net energy.
    margin
        Share that counts as no difference; declare it before you look.
    baseline
        Compare every setting with this one only.
    level
        Coverage of the intervals.
    correction
        Correction for comparing many pairs.
    discard_first
        Leave out the first block, in which the machine warms up.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import as_given
    from neff.errors import ArgumentError
    from neff.train.energy import compare_energy, read_energy

    if not logs:
        fix = "For example: neff train energy runs.csv (- reads stdin)."
        raise ArgumentError("logs", "at least one file or folder", "none", fix)
    delivery = prepare(output, inputs=logs)
    with progress("reading", quiet=output.quiet):
        log = read_energy(
            as_given(logs),
            group=group,
            block=block,
            run=run,
            samples=per,
            reached=reached,
            energy=energy,
            seconds=seconds,
            meter=meter,
            kind=kind,
            pue=pue,
            idle_watts=idle_watts,
            where=where,
        )
    result = compare_energy(
        log,
        per="sample" if per else "target" if reached else "run",
        baseline=baseline,
        margin=margin,
        level=level,
        correction=correction,
        discard_first=discard_first,
    )
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0
