"""The house rules that a linter does not know: imports, side effects, silent tests, one word for one thing."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import neff

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "neff").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MODULES = sorted(m.name for m in pkgutil.walk_packages(neff.__path__, "neff.") if m.name != "neff.__main__")

OPTIONAL = (
    "cyclopts", "rich", "zstandard", "duckdb", "matplotlib", "pandas", "polars", "pyarrow", "torch", "sklearn",
    "statsmodels", "starlette", "jinja2",
)  # fmt: skip


ON_TORCH = (
    "neff.train.losses", "neff.train.advantages", "neff.train.optim", "neff.train.monitor", "neff.train.plugins",
    "neff.train.branching", "neff.testing.staleness", "neff.sampling.sdm",
)  # fmt: skip
"""Packages whose modules import torch where they begin. They are reached through a name that says what to install."""

RANDOM_CLASSES = {"BitGenerator", "Generator", "PCG64", "RandomState", "SeedSequence", "default_rng"}


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_and_says_what_it_is_for(name):
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"


def test_public_names_exist_and_are_lazy():
    for name in neff.__all__:
        assert getattr(neff, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        neff.nonsense  # noqa: B018
    loaded = run_python("import sys, neff; print(*{m.split('.')[0] for m in sys.modules})").split()
    assert not {"numpy", "scipy", "narwhals", "msgspec"} & set(loaded)


def test_importing_everything_changes_no_global_state():
    """Modules on torch, and claims, which import what their seeds need before they are forked, are left out."""
    light = [name for name in MODULES if not name.startswith((*ON_TORCH, "neff.claims.papers"))]
    code = f"""
import importlib, locale, os, warnings
import numpy as np
def state():
    numbers = np.random.get_state()[1].tolist()
    return list(warnings.filters), os.getcwd(), locale.setlocale(locale.LC_ALL), np.geterr(), numbers
before = state()
for name in {light!r}:
    importlib.import_module(name)
assert before == state()
"""
    run_python(code)


def test_a_minimal_install_evaluates_a_csv(tmp_path):
    """With numpy, scipy, narwhals and msgspec only: every module imports, a CSV is read, evaluated and reported."""
    path = tmp_path / "scores.csv"
    path.write_text(
        "item,model,score\n"
        + "".join(f"q{i},{m},{(i * k) % 3 / 2}\n" for i in range(7) for k, m in ((1, "a"), (2, "b")))
    )
    cli = [name for name in MODULES if not name.startswith(("neff.cli", *ON_TORCH))]
    code = f"""
import sys, importlib
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
for name in {cli!r}:
    importlib.import_module(name)
import neff
result = neff.evaluate({str(path)!r})
neff.write(result, {str(tmp_path / "report.html")!r})
print(len(result.estimates), len(result.comparisons))
"""
    assert run_python(code).split() == ["2", "1"]
    assert (tmp_path / "report.html").stat().st_size > 1000


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_no_global_random_numbers_no_asserts_no_prints(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}: assert is not input validation"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.attr != "get_state":
            # np.random.seed, np.random.normal, ... share one hidden generator; the classes are fine.
            is_random = ast.unparse(node.value) == "np.random"
            assert not is_random or node.attr in RANDOM_CLASSES, f"{path}:{node.lineno}: np.random.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, f"{path}:{node.lineno}: {node.func.id}"
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            # on_ray packs our own objects for our own workers; nothing that a user gave is ever unpickled
            packs = name.split(".")[0] in {"pickle", "dill", "cloudpickle", "joblib"} and path.name != "on_ray.py"
            assert not packs, f"{path}: imports {name}"
            assert not name.startswith("scipy.stats"), f"{path}: scipy.stats costs seconds to import"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_modules_stay_small(path):
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(ROOT / "tests")))
def test_no_tolerance_that_cannot_fail(path):
    """rtol and atol (rel and abs) above 1e-2 hide errors; `rel` of an estimated quantity says so in a comment."""
    text = path.read_text().splitlines()
    for node in ast.walk(ast.parse("\n".join(text))):
        if not (isinstance(node, ast.keyword) and node.arg in {"rtol", "atol", "rel", "abs"}):
            continue
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, (int, float)):
            line = text[node.value.lineno - 1]
            assert node.value.value <= 1e-2 or "#" in line, f"{path}:{node.value.lineno}: {line.strip()}"


WORDS = {
    # what people call it elsewhere: what it is called here
    "alpha": "level", "confidence": "level", "confidence_level": "level", "conf_level": "level",
    "seed": "rng", "random_state": "rng", "generator": "rng",
    "n_boot": "n_resamples", "n_bootstrap": "n_resamples", "num_resamples": "n_resamples", "b": None,
    "groups": "cluster", "cluster_ids": "cluster", "stderr": "standard_error", "se": "standard_error",
    "y_true": "label", "question": "item", "system": "model",
}  # fmt: skip


def _public_functions():
    for home in ("neff.stats", "neff.evaluate", "neff.records"):
        module = importlib.import_module(home)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                yield f"{home}.{name}", thing


PUBLIC = list(_public_functions())


@pytest.mark.parametrize(("name", "function"), PUBLIC, ids=lambda x: x if isinstance(x, str) else "")
def test_one_word_for_one_thing(name, function):
    for parameter in inspect.signature(function).parameters.values():
        better = WORDS.get(parameter.name)
        assert better is None, f"{name}({parameter.name}): the word here is {better!r}"


@pytest.mark.parametrize(("name", "function"), PUBLIC, ids=lambda x: x if isinstance(x, str) else "")
def test_public_functions_are_documented(name, function):
    text = inspect.getdoc(function) or ""
    assert "Examples\n" in text, f"{name} has no executed example"
    assert "Returns\n" in text, f"{name} does not say what it returns"
    if any(
        p.kind is p.POSITIONAL_OR_KEYWORD or p.kind is p.KEYWORD_ONLY
        for p in inspect.signature(function).parameters.values()
    ):
        assert "Parameters\n" in text, f"{name} does not describe its parameters"
