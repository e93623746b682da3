"""Run every example of README and docs, and compare what comes out with what the pages show.

`python docs/run_pages.py` lists the differences; with `--write` it puts the present output into the pages. Pages may be
named. In a ```python block the lines after `>>>` are run, in a ```console block the lines after `$`: `neff ...` through
the command line in this process (with `> FILE`), `head`, `cat` and `echo $?` by small stand-ins. A page is one session,
in a folder of its own with the files of docs/data and the example of claims; `...` in an output stands for anything.
"""
# ruff: noqa: INP001

from __future__ import annotations

import doctest
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=indent)``` *$", re.DOTALL | re.MULTILINE
)
PROMPT = {"python": ">>> ", "console": "$ "}
PASSED_ON = {"COLUMNS": "100", "MPLBACKEND": "agg", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Difference:
    """An example whose output is not what the page shows."""

    page: Path
    line: int
    source: str
    shown: str
    got: str

    def __str__(self) -> str:
        where = f"{self.page.relative_to(ROOT)}:{self.line}: {self.source}"
        return f"{where}\n--- shown\n{self.shown}\n--- got\n{self.got}\n"


@dataclass
class Session:
    """The state of one page: its names, and the exit code of its last command."""

    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    code: int = 0

    def run(self, language: str, source: str) -> str:
        """Run one example and return what a terminal would show."""
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            if language == "python":
                self._statement(source)
            else:
                self._command(source)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).rstrip()

    def _statement(self, source: str) -> None:
        try:
            exec(compile(source + "\n", "<page>", "single"), self.names)  # noqa: S102  (our own pages)
        except Exception as error:  # noqa: BLE001  (shown, as Python would)
            kind = type(error)
            home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
            print(f"Traceback (most recent call last):\n    ...\n{home}{kind.__qualname__}: {error}")  # noqa: T201

    def _command(self, source: str) -> None:
        program, *argv = shlex.split(source.replace("\\\n", " "))
        if program == "neff":
            from neff.cli.app import main

            if argv[-2:-1] == [">"]:
                *argv, _, name = argv
                with Path(name).open("w", encoding="utf-8") as file, redirect_stdout(file):
                    self.code = int(main(argv))
            else:
                self.code = int(main(argv))
        elif source == "echo $?":
            print(self.code)  # noqa: T201
        elif program in ("head", "cat"):
            lines = Path(argv[-1]).read_text(encoding="utf-8").splitlines()
            print("\n".join(lines[: int(argv[1]) if program == "head" else None]))  # noqa: T201
        else:
            raise ValueError(f"a console block may run neff, head, cat and echo $?, not {source!r}; use a sh block")


def pages() -> list[Path]:
    """Return README and every page of the docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def run(page: Path, *, write: bool = False) -> list[Difference]:
    """Run the examples of a page in order; return those whose output is different, or write the output."""
    text = page.read_text(encoding="utf-8")
    found: list[Difference] = []
    parts, end, session = [], 0, Session()
    old = {name: os.environ.get(name) for name in PASSED_ON}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        os.environ.update(PASSED_ON)
        try:
            for file in sorted([*(ROOT / "docs/data").glob("*.csv"), ROOT / "examples/claims/claims.py"]):
                shutil.copy(file, folder)
            for fence in FENCE.finditer(text):
                if fence["language"] in PROMPT:
                    first = text.count("\n", 0, fence.start("body")) + 1
                    body = _run_block(fence, session, page, first, found)
                    parts += [text[end : fence.start("body")], body]
                    end = fence.end("body")
        finally:
            for name, value in old.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
    if write and found:
        page.write_text("".join(parts) + text[end:], encoding="utf-8")
    return found


def _run_block(fence: re.Match[str], session: Session, page: Path, first: int, found: list[Difference]) -> str:
    """Run one block; return its body with the present output, and add to `found` what differs."""
    language, indent = fence["language"], fence["indent"]
    lines = [line.removeprefix(indent).rstrip() for line in fence["body"].splitlines()]
    if not lines or not lines[0].startswith(PROMPT[language]):
        raise ValueError(f"{page}:{first}: a {language} block starts with {PROMPT[language]!r}")
    checker = doctest.OutputChecker()
    body: list[str] = []
    for start, source, shown, blanks in _examples(lines, language):
        typed = [line for line in lines[start:] if line][: source.count("\n") + 1]
        got = session.run(language, source)
        if not checker.check_output(shown + "\n" * bool(shown), got + "\n" * bool(got), doctest.ELLIPSIS):
            found.append(Difference(page, first + start, source, shown, got))
            shown = got
        body += [*typed, *shown.splitlines(), *[""] * blanks]
    return "".join(f"{indent}{line}".rstrip() + "\n" for line in body)


def _examples(lines: list[str], language: str) -> Iterator[tuple[int, str, str, int]]:
    """Yield the line, source, shown output and trailing blank lines of each example of a block."""
    prompt = PROMPT[language]
    i = 0
    while i < len(lines):
        start = i
        source = [lines[i].removeprefix(prompt)]
        i += 1
        if language == "python":
            while i < len(lines) and (lines[i] == "..." or lines[i].startswith("... ")):
                source.append(lines[i][4:])
                i += 1
        else:
            while source[-1].endswith("\\"):
                source.append(lines[i])
                i += 1
        shown = []
        while i < len(lines) and not lines[i].startswith(prompt):
            shown.append(lines[i])
            i += 1
        blanks = len(shown) - len("\n".join(shown).rstrip().splitlines())
        yield start, "\n".join(source), "\n".join(shown).rstrip(), blanks


def main(argv: list[str]) -> int:
    """Run the named pages, or all; return 1 where something differs, with `--write` also after writing."""
    named = [Path(name).resolve() for name in argv if name != "--write"] or pages()
    if "--write" in argv:
        named = [page for page in named if run(page, write=True)]
    found = [difference for page in named for difference in run(page)]
    for difference in found:
        print(difference)  # noqa: T201
    if found and "--write" in argv:
        print("These change from run to run: put ... in the place of what changes.")  # noqa: T201
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
