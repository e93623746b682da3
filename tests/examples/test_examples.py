"""Every example runs from another folder, and prints what its docstring says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MAKES_DATA = "make_digits_example.py"


def shown(name):
    """Return the indented block under "It prints" in the docstring of an example."""
    docstring = ast.get_docstring(ast.parse((EXAMPLES / name).read_text(encoding="utf-8")))
    return dedent(re.search(r"It prints[^\n]*:\n\n(.*)\Z", docstring, re.DOTALL)[1]).strip()


def run(name, folder):
    environment = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


FOUND = {path.relative_to(EXAMPLES).as_posix() for kind in ("*.py", "benchmark/*.py") for path in EXAMPLES.glob(kind)}


@pytest.mark.parametrize("name", sorted(FOUND - {MAKES_DATA}))
def test_example_prints_what_it_says(name, tmp_path):
    assert run(name, tmp_path) == shown(name)
    assert not list(tmp_path.iterdir())


def numbers(text):
    return [float(word) for word in re.findall(r"[-+]?\d+\.\d+", text)]


@pytest.mark.slow
def test_the_maker_of_the_example_prints_about_what_it_says(monkeypatch, capsys, tmp_path):
    """Other versions of scikit-learn fit slightly other models; nothing is written into the package here."""
    pytest.importorskip("sklearn")
    namespace = {"__name__": "maker", "__file__": str(EXAMPLES / MAKES_DATA)}
    exec(compile((EXAMPLES / MAKES_DATA).read_text(encoding="utf-8"), MAKES_DATA, "exec"), namespace)
    namespace["FOLDER"] = tmp_path
    namespace["main"]()
    printed, said = capsys.readouterr().out.strip(), shown(MAKES_DATA)
    assert re.sub(r"[-+]?\d+\.\d+", "#", printed) == re.sub(r"[-+]?\d+\.\d+", "#", said)
    assert numbers(printed) == pytest.approx(numbers(said), abs=1e-2)
    assert len(list(tmp_path.iterdir())) == 4
