"""The progress line: on a terminal, after a while, and gone when the work is done."""

from __future__ import annotations

import io
import sys
from time import sleep

import pytest

from neff.cli import progress as module
from neff.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *, patience: float, quiet: bool = False) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "PATIENCE", patience)
    with progress("reading", quiet=quiet):
        for _ in range(500):
            if stream.getvalue():
                break
            sleep(0.01 if patience == 0 and not quiet and stream.isatty() else 0)
    return stream.getvalue()


def test_on_a_terminal_it_appears_and_is_wiped_out(monkeypatch: pytest.MonkeyPatch) -> None:
    written = lines(monkeypatch, Terminal(), patience=0.0)
    assert written.startswith("\rneff: reading ... 0 s")
    assert written.endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("stream", "patience", "quiet"), [(io.StringIO, 0.0, False), (Terminal, 0.0, True), (Terminal, 60.0, False)]
)
def test_elsewhere_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], patience: float, quiet: bool
) -> None:
    assert lines(monkeypatch, stream(), patience=patience, quiet=quiet) == ""


def test_it_is_wiped_out_where_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(ZeroDivisionError), progress("reading"):
        raise ZeroDivisionError
    assert stream.getvalue() == ""
