"""Which format is this file? Asked of its content; and what to say where none fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from neff.errors import RecordsError
from neff.records.reader import head_of

if TYPE_CHECKING:
    from pathlib import Path

    from neff.records.reader import Reader

__all__ = ["detect", "readers"]

_PICKLES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".npy", ".npz"})
_CODE = (
    "this is a pickle or an array dump, which neff never opens: it could run code.",
    "Save the table as Parquet or CSV.",
)
_KNOWN = (
    "neff reads the logs of Inspect, lm-eval, HELM, OpenCompass, promptfoo, alpaca_eval, lighteval, Every-Eval-Ever, "
    "TRL, verl and verifiers, and CSV, TSV, JSON Lines, Parquet and Arrow files."
)
_REFUSED: tuple[tuple[re.Pattern[bytes], tuple[str, str]], ...] = (
    (re.compile(rb"\x80[\x02-\x05]|\x93NUMPY|PK\x03\x04.{26}[^\0]{0,80}data\.pkl", re.DOTALL), _CODE),
    (
        re.compile(rb"PK\x03\x04.{26}(\[Content_Types\]|_rels/|xl/)", re.DOTALL),
        ("this is a spreadsheet.", "Export the sheet as CSV (UTF-8)."),
    ),
    (re.compile(rb"SQLite format 3\0"), ("this is an SQLite database.", "Export the table as CSV.")),
    (re.compile(rb"%PDF-"), ("this is a PDF.", _KNOWN)),
    (re.compile(rb"\x28\xb5\x2f\xfd"), ("this file is compressed with zstd.", "Unpack it: unzstd FILE.")),
    (re.compile(rb"BZh[1-9]|\xfd7zXZ"), ("this file is compressed.", "Unpack it, or use gzip.")),
    (re.compile(rb"\x89HDF\r\n"), ("this is an HDF5 file.", "Save the table as Parquet or CSV.")),
    (
        re.compile(rb'\s*\{\s*"schema"\s*:\s*"neff\.'),
        ("this is a result of neff, not records.", "Turn it into a report with: neff report FILE."),
    ),
    (
        re.compile(rb"(?:[^\0]\0){8}|(?:\0[^\0]){8}"),
        (
            "the text looks like UTF-16 without a byte order mark.",
            "Convert it: iconv -f UTF-16LE -t UTF-8 FILE > NEW (or UTF-16BE).",
        ),
    ),
)
"""What is never records, by the first bytes; asked before any reader."""

_UNKNOWN: tuple[tuple[re.Pattern[bytes], tuple[str, str]], ...] = (
    (re.compile(rb"PK\x03\x04"), ("this zip archive is not an Inspect log.", "Unpack it, and give the files in it.")),
    (
        re.compile(rb"\xff\xfe|\xfe\xff"),
        ("this is UTF-16; only CSV and its kin are read in it.", "Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW."),
    ),
    (re.compile(rb"\s*<"), ("this is HTML or XML.", _KNOWN)),
    (re.compile(rb"\s*\{"), ("this JSON object is no log that neff knows.", "Write one JSON object per line.")),
    (re.compile(rb""), ("the format is not known.", _KNOWN)),
)
"""What to say of content that no reader knows."""


def readers() -> tuple[Reader, ...]:
    """Return the readers in the order in which they are asked: the special before the general."""
    from neff.records import (
        alpaca_eval,
        arrow,
        delimited,
        every_eval_ever,
        helm,
        inspect_log,
        jsonlines,
        lighteval,
        lm_eval,
        opencompass,
        parquet,
        promptfoo,
        trl,
        verifiers,
        verl,
    )

    harnesses = (inspect_log, lm_eval, helm, opencompass, promptfoo, alpaca_eval, every_eval_ever)
    dumps = (lighteval, trl, verl, verifiers)
    tables = (parquet, arrow, jsonlines, delimited)
    return tuple(module.READER for module in (*harnesses, *dumps, *tables))


def detect(path: Path) -> Reader:
    """Return the reader for a file: ours, or else that of a plug-in.

    Raises
    ------
    RecordsError
        If no reader knows the content; the message says what it looks like instead.
    """
    if path.suffix.lower() in _PICKLES:
        raise RecordsError(*_CODE, path=path)
    head = head_of(path)
    if not head.strip():
        raise RecordsError("the file is empty.", "Give a file with at least one draw.", path=path)
    for sign, said in _REFUSED:
        if sign.match(head):
            raise RecordsError(*said, path=path)
    for reader in readers():
        if reader.sniff(path, head):
            return reader
    from neff.records.plugins import plugin_for

    found = plugin_for(path)
    if found.reader is not None:
        return found.reader
    problem, fix = next(said for sign, said in _UNKNOWN if sign.match(head))
    raise RecordsError(problem, " ".join((fix, *found.broken)), path=path)
