"""From paths and names to cases: every claim of every file, imported in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neff.claims.process import Target
from neff.claims.terms import Terms
from neff.errors import RecordsError
from neff.results import Unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from neff.claims.pool import Pool

__all__ = ["BUNDLED", "Case", "Collection", "collect", "targets"]

BUNDLED = "neff.claims.papers"
NAMED = re.compile(r"(^|_)claims?(_|$)")
"""Which files of a folder are looked at: claims.py, claim_speed.py, model_claims.py."""

SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "build", "dist"}
MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to check: a claim, with one set of its parameters.

    Attributes
    ----------
    id
        Where it is and what it is called, `claims.py::faster[size=8]`; the key of the journal.
    name
        The second half of it.
    home
        The first half: the file as it was found, or the module.
    target, attribute, index
        What to import, the name in it, and which of its cases.
    params, terms
        Its parameters, and what was declared.
    missing
        What is not installed, as one would install it.
    fingerprint
        Changes where the file, the parameters, what it watches, or the version of neff change.
    """

    id: str
    name: str
    home: str
    target: Target
    attribute: str
    index: int
    params: Mapping[str, Any]
    terms: Terms
    missing: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """The cases that were found, in order; what could not be imported; and what lacks a package, with its name."""

    cases: tuple[Case, ...]
    unread: tuple[Unread, ...] = ()
    lacking: tuple[tuple[str, str], ...] = ()


def targets(paths: Sequence[str | Path]) -> list[tuple[str, Target]]:
    """Return what to import for paths and module names, each with the name that people read.

    Raises
    ------
    RecordsError
        If something is neither a file, nor a folder with claims, nor the name of a module.
    """
    found: dict[Target, str] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            inside = list(_files(path))
            if not inside:
                fix = "They are looked for in files called claims.py, claim_*.py or *_claims.py."
                raise RecordsError("holds no file of claims.", fix, path=path)
            for file in inside:
                found.setdefault(Target(str(file.resolve())), _shown(file))
        elif path.is_file():
            if path.suffix != ".py":
                raise RecordsError("is no Python file.", "Claims are functions in a .py file.", path=path)
            found.setdefault(Target(str(path.resolve())), _shown(path))
        elif MODULE.fullmatch(str(given)) and not str(given).endswith(".py"):
            found.setdefault(Target(str(given), "module"), str(given))
        else:
            raise RecordsError("does not exist.", "Give a file, a folder, or the name of a module.", path=given)
    return [(label, target) for target, label in found.items()]


def collect(paths: Sequence[str | Path], pool: Pool) -> Collection:
    """Import every target in a worker, several at a time, and return the claims in order.

    Parameters
    ----------
    paths
        Files, folders and module names; a package brings its modules.
    pool
        Where the workers come from; those of the first targets stay for the seeds.
    """
    waiting = deque(targets(paths))
    order: list[tuple[str, Target]] = list(waiting)
    listings: dict[Target, dict[str, Any]] = {}
    while len(listings) < len(order):
        while waiting and pool.worker(waiting[0][1]) is not None:
            waiting.popleft()
        for worker, _, _ in pool.wait():
            listing = worker.listing or {}
            listings[worker.target] = listing
            inner = [Target(name, "module") for name in listing.get("modules", ())]
            new = [(target.where, target) for target in inner if target not in {t for _, t in order}]
            order += new
            waiting.extend(new)
            if listing.get("threads", 1) > 1:
                pool.keep_out(worker.target)
    return _sorted_out(order, listings)


def _sorted_out(order: Sequence[tuple[str, Target]], listings: Mapping[Target, dict[str, Any]]) -> Collection:
    cases, unread, lacking = [], [], []
    for label, target in order:
        listing = listings[target]
        if "error" in listing:
            error = listing["error"]
            if "missing" in error:
                lacking.append((label, error["missing"]))
            else:
                printed = f" It printed last: {error['output'][-300:]}" if error.get("output") else ""
                unread.append(Unread(label, error["message"] + printed))
            continue
        for said in listing["claims"]:
            try:
                cases.append(_case(label, target, said, listing["file"]))
            except OSError as error:
                unread.append(Unread(f"{label}::{said['name']}", f"watch: {error.filename}: {error.strerror}"))
    return Collection(tuple(cases), tuple(unread), tuple(lacking))


def _case(label: str, target: Target, said: Mapping[str, Any], file: str) -> Case:
    terms = Terms.from_dict(said["terms"])
    return Case(
        id=f"{label}::{said['name']}",
        name=said["name"],
        home=label,
        target=target,
        attribute=said["attribute"],
        index=said["case"],
        params=said["params"],
        terms=terms,
        missing=tuple(said["missing"]),
        fingerprint=_fingerprint(Path(file), said["params"], terms.watch),
    )


def _fingerprint(file: Path, params: Mapping[str, Any], watch: Sequence[str]) -> str:
    from neff import __version__

    digest = hashlib.sha256(file.read_bytes())
    digest.update(json.dumps([__version__, dict(params)], sort_keys=True).encode())
    for entry in watch:
        path = file.parent / entry
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for part in inside:
            digest.update(os.path.relpath(part, file.parent).encode() + b"\0" + part.read_bytes())
    return digest.hexdigest()[:32]


def _files(folder: Path) -> Iterator[Path]:
    for inside, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("."))
        yield from (
            Path(inside, name)
            for name in sorted(files)
            if name.endswith(".py") and NAMED.search(name.removesuffix(".py"))
        )


def _shown(path: Path) -> str:
    """Return a path below the working folder without that folder: the same name wherever the project lies."""
    inside = os.path.relpath(path)
    return str(path.resolve()) if inside.startswith("..") else Path(inside).as_posix()
