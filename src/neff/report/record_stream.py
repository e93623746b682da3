"""Records that do not fit into memory, part by part: read once to see that they are sound, and once to be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from neff.errors import RecordsError
from neff.records.combine import file_labels
from neff.records.detect import detect
from neff.records.factor import Factor
from neff.records.parts import Part, parts_of
from neff.records.reader import reading
from neff.records.streaming import NeedsRowsError, settled_sums
from neff.records.sums import sum_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from neff.records.combine import ByFile
    from neff.records.files import File
    from neff.records.layout import Layout
    from neff.records.reader import Reader
    from neff.records.streaming import Request
    from neff.records.summary import ItemSums

__all__ = ["RecordStream"]


class RecordStream:
    """The parts of files that can be read, in order; the files are checked when the stream is made.

    Parameters
    ----------
    files, request
        What to read.
    by_file, strict
        As in `read`.

    Attributes
    ----------
    notes, unread
        As in `Source.notes` and `Records.unread`.
    """

    def __init__(self, files: Sequence[File], request: Request, *, by_file: ByFile, strict: bool) -> None:
        self._found: list[tuple[File, Request]] = []
        self._rows: list[int] = []

        def sums_of(file: File) -> ItemSums:
            sums, settled = settled_sums(file, request)
            self._found.append((file, settled))
            self._rows.append(int(sums.n.sum() + sums.n_unscored.sum()))
            return sums

        whole = sum_files(files, sums_of, by_file=by_file, strict=strict)
        self._numbered = by_file == "draws"
        several = by_file == "models" and len(self._found) > 1
        names = [Path(file.shown) for file, _ in self._found]
        self._labels = file_labels(names) if several else [""] * len(names)
        self.notes = tuple(dict.fromkeys(note for source in whole.sources for note in source.notes))
        self.unread = whole.unread

    def __iter__(self) -> Iterator[Part]:
        with_draws = None
        for (file, request), label, n_checked in zip(self._found, self._labels, self._rows, strict=True):
            n = 0
            for part in self._file(file, request):
                n += len(part.table)
                if with_draws is None:
                    with_draws = part.draw is not None
                if with_draws != (part.draw is not None):
                    raise NeedsRowsError("some files number their draws and some do not.", "Read them into memory.")
                model = part.table.model
                if label:
                    model = Factor.from_codes(model.codes, [f"{name} @ {label}" for name in model.levels])
                yield Part(replace(part.table, model=model), None if self._numbered else part.draw)
            if n != n_checked:
                problem = f"the file changed while it was read: it had {n_checked:,} rows, and then {n:,}."
                raise RecordsError(problem, "Wait until it is written, or copy it first.", path=file.shown)

    def _file(self, file: File, request: Request) -> Iterator[Part]:
        with reading(file.path, file.shown):
            reader = detect(file.path)
            layout = _layout(reader, file, request)
            if layout is None:
                table = reader.read(file.path, request.columns, "mapped")
                yield Part(table, Factor.of(table.draw.tolist()))
            else:
                yield from parts_of(reader, file, layout)


def _layout(reader: Reader, file: File, request: Request) -> Layout | None:
    """Return the layout of a file that is read in parts, None for one that is read whole."""
    if reader.chunks is None or reader.header is None:
        return None
    layout = request.columns.resolve(tuple(reader.header(file.path)), path=file.path, keep="mapped")
    return None if layout.loose or layout.target is not None else request.applied(layout)
