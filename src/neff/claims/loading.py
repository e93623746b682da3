"""Import a file or a module and list its claims; runs in a worker's process only."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import pkgutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neff.claims.spec import Claim, missing

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Sources", "describe", "find", "load"]


def load(target: str, kind: str) -> ModuleType:
    """Import a file by its path (kind "file"), with its folder importable, or a module by its name (kind "module")."""
    here = str(Path.cwd())
    if kind == "module":
        sys.path.insert(0, here)
        return importlib.import_module(target)
    path = Path(target).resolve()
    sys.path[:0] = [str(path.parent), here]
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"claims_in_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def describe(module: ModuleType) -> dict[str, Any]:
    """Return the claims that the module itself makes, in the order it makes them, and the modules of a package."""
    claims = [
        {
            "name": name,
            "params": dict(params),
            "attribute": attribute,
            "case": k,
            "terms": made.terms.to_dict(),
            "missing": list(missing(made.terms.needs)),
        }
        for attribute, made in vars(module).items()
        if isinstance(made, Claim) and made.function.__module__ == module.__name__
        for k, (name, params) in enumerate(zip(made.case_names(), made.params, strict=True))
    ]
    inner = [f"{module.__name__}.{m.name}" for m in pkgutil.iter_modules(getattr(module, "__path__", ()))]
    return {"claims": claims, "modules": sorted(inner), "file": getattr(module, "__file__", None)}


def find(module: ModuleType, attribute: str) -> Claim:
    """Return the claim of that name."""
    made = getattr(module, attribute)
    if not isinstance(made, Claim):
        raise TypeError(f"{attribute} is no claim any more")
    return made


class Sources:
    """The source files in use that nobody installed: of the modules that were loaded since this was made."""

    def __init__(self) -> None:
        self._known: set[str] = set(sys.modules)
        self._files: dict[str, str] = {}
        apart = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
        self._apart = tuple(f"{folder.resolve()}{os.sep}" for folder in apart)

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of the source of each module that is neither installed nor Python's, by path."""
        for name, module in list(sys.modules.items()):
            source = getattr(module, "__file__", None)
            if name in self._known or not isinstance(source, str):
                continue
            self._known.add(name)
            path = os.path.realpath(source)
            if path.endswith(".py") and not path.startswith(self._apart) and os.path.isfile(path):  # noqa: PTH113
                try:
                    self._files[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
                except OSError:
                    self._files[path] = ""  # never the same again
        return dict(sorted(self._files.items()))
