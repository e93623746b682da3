"""Names of the benchmark room: each is there once, is no module, and is what its part says it is."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import neff.benchmark

PARTS = [m.name for m in pkgutil.iter_modules(neff.benchmark.__path__, "neff.benchmark.") if m.ispkg]


@pytest.mark.parametrize("name", PARTS)
def test_names_are_no_modules(name):
    """A module of the name of a function hides it, once it is imported."""
    part = import_module(name)
    for public in part.__all__:
        assert not inspect.ismodule(getattr(part, public)), public
        assert not inspect.ismodule(getattr(part, public)), public  # also the second time


def test_the_room_has_the_names_of_its_parts():
    every = [(name, public) for name in PARTS for public in import_module(name).__all__]
    names = [public for _, public in every]
    assert sorted(names) == sorted(set(names))
    assert set(neff.benchmark.__all__) == set(names) - {"factorial"}
    for name, public in every:
        if public != "factorial":
            assert getattr(neff.benchmark, public) is getattr(import_module(name), public)


def test_the_next_items_can_be_imported():
    from neff.benchmark.fluid import next_items

    assert callable(next_items)


def test_names_of_schemas_have_one_form():
    room = Path(neff.benchmark.__path__[0])
    found = {x for path in room.rglob("*.py") for x in re.findall(r'"(neff\.[^"/ ]+/\d+)"', path.read_text())}
    assert len(found) > 20
    assert all(re.fullmatch(r"neff\.[a-z]+(-[a-z]+)*/\d+", name) for name in found), found
