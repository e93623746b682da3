"""Read the results of OpenCompass: `results/<model>/<dataset>.json`, with details of each question.

The numbers at the top of such a file are on a scale of 0 to 100; the scores of single questions are right or wrong, and
are read as 1 and 0. Predictions alone (`predictions/<model>/<dataset>.json`) have no scores.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from neff.errors import RecordsError
from neff.records.jsontext import decode
from neff.records.logrows import Attributes, LogInfo, table_of
from neff.records.logvalues import means_differ, number_in
from neff.records.opencompass_details import entries_of, samples_of
from neff.records.reader import Reader, head_of, open_bytes, printable, reading, stem_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER", "results_of"]

_DETAILS = re.compile(rb'"details"\s*:\s*[\[{]')
_ENTRY = re.compile(
    rb'"(example_abbr|origin_prediction|is_correct|correct|cascade_correct|rule_evaluation)"\s*:'
    rb'|"type"\s*:\s*"(GEN|PPL)"'
)
_PREDICTIONS = re.compile(
    rb'\s*\{\s*("0"\s*:\s*\{|"idx"\s*:\s*"?\d+"?\s*,)\s*'
    rb'"(origin_prompt|prediction|gold|in-context examples|testing input|label: [^"]*)"\s*:'
)
_AVERAGES = re.compile(rb'\s*\{\s*"[^"]{1,200}"\s*:\s*-?[0-9.]+(e-?[0-9]+)?\s*[,}]')
_SHARD = re.compile(r"_\d+$")
_RUNS = re.compile(r" \(\d+ runs average\)$")
_ACCURACY = ("accuracy", "score", "acc")


def _sniff(path: Path, head: bytes) -> bool:
    if not head.lstrip().startswith(b"{"):
        return False
    if _PREDICTIONS.match(head) is not None:
        return True
    found = _DETAILS.search(head)
    if found is not None and b"\n{" not in head:  # or these are rows, one per line
        return _ENTRY.search(head, found.end()) is not None
    return _is_result(path) and _AVERAGES.match(head) is not None


def _is_result(path: Path) -> bool:
    """Return whether the file lies where results lie; a file of averages only has no other mark."""
    return path.suffix == ".json" and path.resolve().parent.parent.name == "results"


def results_of(path: Path) -> list[Path]:
    """Return the graded file that stands for a file of predictions."""
    folder = path.parent.parent
    if folder.name != "predictions":
        return []
    names = dict.fromkeys((stem_of(path), _SHARD.sub("", stem_of(path))))
    graded = [folder.with_name("results") / path.parent.name / f"{name}.json" for name in names]
    return [file for file in graded if file.exists()][:1]


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    attributes = Attributes(columns, keep, "details")
    with reading(path):
        if _PREDICTIONS.match(head_of(path)):
            raise _ungraded(path)
        with open_bytes(path) as file:
            fields = decode(file.read(), dict[str, Any], "the file")
        reported = {_RUNS.sub("", name): value for name, value in fields.items() if name != "details"}
        entries = entries_of(fields.get("details"))
        if not entries:
            raise RecordsError(
                f"the file holds only averages ({_summary(reported)}); they cannot be compared question by question.",
                "Run OpenCompass with --dump-eval-details True.",
            )
        stated = [number_in(reported.get(name)) for name in _ACCURACY]
        accuracy = next((value for value in stated if not math.isnan(value)), math.nan)
        found = samples_of(entries, accuracy, attributes)
        scores = [score for sample in found.samples for score in sample.scores.values()]
        differ = means_differ(scores, accuracy, ours_of="the questions", theirs_of="the file (of 100)", scale=100)
        model = printable(path.resolve().parent.name) or "model"
        info = LogInfo(str(path), "opencompass", model, stem_of(path), (*found.notes, *differ))
        return table_of(found.samples, attributes, info)


def _ungraded(path: Path) -> RecordsError:
    graded = results_of(path)
    fix = f"Give {graded[0]}." if graded else "Run the evaluation of OpenCompass (--mode eval) and give results/."
    return RecordsError("these are predictions without scores; the scores are in results/ of the run.", fix)


def _summary(reported: Mapping[str, Any]) -> str:
    numbers = {name: number_in(value) for name, value in reported.items()}
    parts = [f"{name[:40]} {value:.4g}" for name, value in numbers.items() if not math.isnan(value)]
    return ", ".join(parts[:6]) + (", ..." if len(parts) > 6 else "") if parts else "none of them a number"


READER = Reader(name="opencompass", mapped=False, sniff=_sniff, read=_read)
"""The results of OpenCompass."""
