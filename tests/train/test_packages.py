"""The packages of the train room: every public name is there, on first use, and says what to install for it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

PACKAGES = ("advantages", "batch_size", "branching", "energy", "losses", "monitor", "optim")
REFERENCE = Path(__file__).parents[2] / "docs/reference/train"
DOCUMENTED = [
    line for page in sorted(REFERENCE.glob("*.md")) for line in re.findall(r"(?m)^::: (\S+)", page.read_text())
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there(name):
    package = importlib.import_module(f"neff.train.{name}")
    assert package.__all__
    assert all(getattr(package, public) is not None for public in package.__all__)


@pytest.mark.parametrize("name", PACKAGES)
def test_what_the_reference_documents_can_be_imported_from_the_package(name):
    """Not only from the module where it happens to be."""
    start = f"neff.train.{name}."
    found = {path.rsplit(".", 1)[1] for path in DOCUMENTED if path.startswith(start) and path.count(".") == 4}
    assert found or name == "branching"
    assert found <= set(importlib.import_module(f"neff.train.{name}").__all__)


def test_without_torch_the_extra_is_named():
    code = """
import importlib, sys
sys.modules["torch"] = None
from neff.errors import MissingExtraError
for name in ("advantages.whiten", "branching.TorchBranch", "losses.grpo", "monitor.Monitor", "optim.AGVM"):
    package, public = name.split(".")
    try:
        getattr(importlib.import_module(f"neff.train.{package}"), public)
    except MissingExtraError as error:
        assert "neff[train]" in str(error)
        print(name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == [
        "advantages.whiten", "branching.TorchBranch", "losses.grpo", "monitor.Monitor", "optim.AGVM",
    ]  # fmt: skip
