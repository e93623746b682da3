"""The glossary says which word is used for what; the code agrees."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).resolve().parents[2] / "docs/glossary.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, flags=re.DOTALL | re.MULTILINE))
ONE_WORD_FOR_ONE_THING = {
    *("item", "model", "draw", "task", "score", "label", "log_weights", "cluster", "level", "rng", "n_resamples"),
    *("n_eff", "n_eff_fraction", "n_eff_of", "standard_error", "interval", "verdict"),
}


def owner_of(dotted):
    """Return the object that a dotted name stands for; a public name wins over a module of the same name."""
    found = importlib.import_module("neff")
    path = "neff"
    for part in dotted.split(".")[1:]:
        path = f"{path}.{part}"
        module = getattr(found, part, None)
        found = importlib.import_module(path) if module is None else module
    if inspect.ismodule(found):
        found = getattr(found, path.rpartition(".")[2])
    return found


def exists(place):
    """Return whether `neff.f(parameter=)` or `neff.Class.attribute` exists."""
    call = re.fullmatch(r"([\w.]+)\((\w+)=\)", place)
    if call:
        return call[2] in inspect.signature(owner_of(call[1])).parameters
    owner, _, attribute = place.rpartition(".")
    return attribute in {field.name for field in dataclasses.fields(owner_of(owner))}


def test_the_words_of_the_design_are_all_there():
    assert not ONE_WORD_FOR_ONE_THING - set(ENTRIES)


@pytest.mark.parametrize("word", ENTRIES)
def test_each_word_has_a_definition_and_is_used_in_the_api_as_stated(word):
    definition, _, api = ENTRIES[word].partition("API: ")
    assert len(definition.split()) >= 5
    places = re.findall(r"`([^`]+)`", api)
    assert places
    for place in places:
        assert re.search(rf"\b{word}=?\)?$", place), f"{place} does not end in {word}"
        assert exists(place), place


def test_a_place_that_does_not_exist_is_found_out():
    assert exists("neff.ess(log_weights=)")
    assert not exists("neff.ess(log_weight=)")
    assert exists("neff.Estimate.n_eff")
    assert not exists("neff.Estimate.ess")
