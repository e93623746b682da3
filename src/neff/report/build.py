"""Evaluation -> Document: what is said, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neff.evaluate.result import Evaluation
from neff.report.body import body
from neff.report.document import (
    Block,
    Bullets,
    Details,
    Document,
    Gate,
    Paragraph,
    Section,
    TableBlock,
    Text,
    document,
    gate_notices,
)
from neff.report.estimators import estimator_sections
from neff.report.file_tables import sources_table, unread_table
from neff.report.groups import Group, groups
from neff.report.headline_many import headline
from neff.report.levels import calibration_sections, level_sections, refusals
from neff.report.method import method_bullets
from neff.report.opening import facts, footer, kicker, notices
from neff.report.subtasks import subtask_sections
from neff.report.text import Name, join_names, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["evaluation_document"]

LONGEST_NOTE = 600


@document.register(Evaluation)
def evaluation_document(result: Evaluation, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of an evaluation: the finding, key figures, scores, differences, notes, origin."""
    parts = groups(result)
    title, lead = headline(parts)
    return Document(
        title=title,
        kind="evaluation report",
        kicker=kicker(parts) if parts else (),
        lead=lead,
        facts=facts(result, parts),
        notices=(*refusals(result), *gate_notices(gates), *notices(result)),
        sections=(*body(parts), *_subtasks(result), *estimator_sections(result), *_context(result, parts)),
        footer=footer(result),
    )


def _subtasks(result: Evaluation) -> tuple[Section, ...]:
    return () if result.subtasks is None else subtask_sections(result.subtasks, within=result)


def _context(result: Evaluation, parts: list[Group]) -> list[Section]:
    sections = []
    notes: list[Text] = [(shorten(note, LONGEST_NOTE),) for note in result.notes]
    notes += _warnings(result)
    if notes:
        sections.append(Section(("Notes",), (Bullets(tuple(notes)),), "context"))
    sections += [*level_sections(result), *calibration_sections(result)]
    if result.unread:
        table = unread_table(result)
        sections.append(Section(("Files not read",), (TableBlock(table, "Files not read"),), "context"))
    if parts:
        sections.append(Section(("How the numbers were made",), (Bullets(method_bullets(result, parts)),), "context"))
    origin = _origin(result)
    if origin:
        sections.append(Section(("Sources",), origin, "origin"))
    return sections


def _warnings(result: Evaluation) -> list[Text]:
    """Return each warning once, with the models or pairs that it is about."""
    about: dict[str, dict[str, None]] = {}
    for e in result.estimates:
        for warning in (*e.warnings, *((str(e.reason),) if e.reason is not None else ())):
            about.setdefault(warning.rstrip("."), {})[e.model or e.task] = None
    for c in result.comparisons:
        for warning in c.warnings:
            about.setdefault(warning.rstrip("."), {})[f"{c.a} − {c.b}"] = None
    return [(*join_names(names, 3), f": {shorten(warning, LONGEST_NOTE)}.") for warning, names in about.items()]


def _origin(result: Evaluation) -> tuple[Block, ...]:
    p = result.provenance
    if p is None:
        return ()
    blocks: list[Block] = []
    sources = sources_table(result)
    if sources is not None:
        blocks.append(TableBlock(sources, "Files that were read", open=len(sources) <= 10))
    options: list[Text] = [(f"{name}: ", Name(_option(value))) for name, value in p.options.items()]
    if options:
        blocks.append(Details("Options", (Bullets(tuple(options)),)))
    if p.call:
        blocks.insert(0, Paragraph(("Call: ", Name(p.call))))
    return tuple(blocks)


def _option(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_option(v)}" for name, v in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_option, value)) or "none"
    return "none" if value is None else str(value)
