"""One fuzzed input: made of a plan, read, and checked."""

from __future__ import annotations

import faulthandler
import gzip
import resource
import shutil
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from counts import COUNTERS
from mutations import mutate
from plans import Plan
from seeds import Seed, seeds

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MEGABYTES", "Fuzzer", "TroubleError", "peak"]

SECONDS = 5
HARD_SECONDS = 120
MEGABYTES = 1024


class TroubleError(AssertionError):
    """An input that neff does not handle as it must."""


class Fuzzer:
    """Makes inputs of plans, reads them, and keeps count.

    Parameters
    ----------
    reader
        Whose seeds are changed.
    folder
        Where inputs are written.
    """

    def __init__(self, reader: str, folder: Path) -> None:
        self.reader = reader
        self.seeds = seeds()[reader]
        self.folder = folder
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0
        self.n = 0

    def warm_up(self) -> None:
        """Read every seed: what is loaded on first use counts neither as time nor as memory."""
        for seed in self.seeds:
            self._read(seed, self._write(seed, seed.content), deep=True)

    def run(self, data: bytes) -> None:
        """Read what a plan makes of a seed.

        Raises
        ------
        TroubleError
            If something else than records or an error of neff comes out, late, or with another number of units.
        """
        self.n += 1
        plan = Plan(data)
        seed = plan.choice(self.seeds)
        deep = plan.chance(5)
        path = self._write(seed, mutate(seed.content, seed.kind, plan))
        start = time.process_time()
        faulthandler.dump_traceback_later(HARD_SECONDS, exit=True)
        try:
            self._read(seed, path, deep=deep)
            self._check_use(time.process_time() - start)
        except TroubleError as trouble:
            shown = f"{trouble}\n--reader {self.reader} --plan {data.hex()}"
            raise TroubleError(shown) from trouble.__cause__
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _write(self, seed: Seed, content: bytes) -> Path:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for other in seed.beside:
            if other.name != seed.name:
                shutil.copy(other, self.folder / other.name)
        path = self.folder / seed.name
        path.write_bytes(content)
        return path

    def _read(self, seed: Seed, path: Path, *, deep: bool) -> None:
        from neff import diagnose, read
        from neff.errors import NeffError

        try:
            if deep:
                str(diagnose(path))
            records = read(path, **seed.options)
        except NeffError as error:
            self._check_message(str(error))
            self.outcomes["refused"] += 1
            return
        except Exception as error:
            raise TroubleError(f"{type(error).__name__}: {error}") from error
        self.outcomes["read"] += 1
        self._check(records, seed, path)

    def _check_use(self, seconds: float) -> None:
        self.slowest = max(self.slowest, seconds)
        if seconds > SECONDS:
            raise TroubleError(f"it took {seconds:.1f} s")
        if peak() > MEGABYTES:
            raise TroubleError(f"memory has grown to {peak():.0f} MB")

    def _check_message(self, text: str) -> None:
        if "MemoryError" in text or "Traceback" in text or len(text) > 1500:
            raise TroubleError(f"the message is {text[:300]}")

    def _check(self, records: Any, seed: Seed, path: Path) -> None:
        if not len(records) or sum(source.n_rows for source in records.sources) != len(records):
            raise TroubleError(f"{len(records)} rows, the sources say otherwise")
        for factor in (records.item, records.model, records.task, records.metric):
            "".join(factor.levels).encode(errors="surrogatepass")
        source = records.sources[0]
        if not seed.counted or source.format not in COUNTERS:
            return
        content = path.read_bytes()
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        units, seen = COUNTERS[source.format]
        try:
            expected = units(content, path)
        except Exception as error:
            shown = f"it was read as {source.format}, but cannot be counted: {error!r}"
            raise TroubleError(shown[:500]) from error
        if expected is None:
            return
        self.outcomes["counted"] += 1
        found = seen(records)
        if found not in (expected if isinstance(expected, set) else {expected}):
            raise TroubleError(f"{expected} units in the file, {found} in the records; notes: {source.notes}"[:900])


def peak() -> float:
    """Return the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
