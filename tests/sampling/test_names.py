"""One word for one thing in the whole room, and docstrings that render."""

from __future__ import annotations

import inspect
import re

import pytest

import neff.sampling
import neff.sampling.selection
import neff.sampling.stopping

PARTS = (neff.sampling, neff.sampling.selection, neff.sampling.stopping)
PUBLIC = {f"{part.__name__}.{name}": getattr(part, name) for part in PARTS for name in part.__all__}


def calls(thing):
    """Return a function, or a class's own public methods and its constructor, by name."""
    if not inspect.isclass(thing):
        return {thing.__name__: thing}
    own = {k: v for k, v in vars(thing).items() if inspect.isfunction(v) and not k.startswith("_")}
    return own | {"__init__": thing} if "__init__" in vars(thing) else own


@pytest.mark.parametrize("name", PUBLIC)
def test_level_is_the_coverage_of_an_interval_and_nothing_must_name_its_caller(name):
    for call in calls(PUBLIC[name]).values():
        try:
            parameters = inspect.signature(call).parameters
        except ValueError:
            continue  # an enumeration or a warning
        if "level" in parameters:
            assert "float" in str(parameters["level"].annotation)
        if "call" in parameters:
            assert parameters["call"].default is not inspect.Parameter.empty
        if ".stopping." in name:
            assert "threshold" not in parameters  # the score that is enough is the target


@pytest.mark.parametrize("name", PUBLIC)
def test_sections_of_docstrings_are_sections(name):
    for documented in (PUBLIC[name], *calls(PUBLIC[name]).values()):
        assert not re.search(r"^ *[A-Z][a-z]+ -----", inspect.getdoc(documented) or "", re.MULTILINE)
