"""How claims are stated, and what is refused before anything runs."""

from __future__ import annotations

import json
import math

import pytest

from neff.claims import Claim, Level, Paired, Terms, claim
from neff.claims.spec import EXTRAS, missing
from neff.errors import ArgumentError, ArgumentTypeError


def declare(**options):
    return claim(**{"says": "It is better.", **options})(lambda seed: Paired(seed, 0.0))


def test_a_claim_is_still_called_like_the_function():
    @claim(says="Better.", margin=0.5)
    def better(seed):
        return Paired(seed + 1.0, seed)

    assert isinstance(better, Claim)
    assert better(3) == Paired(4.0, 3)
    assert (better.name, better.terms.margin, better.case_names()) == ("better", 0.5, ("better",))
    assert Level(0.3).value == 0.3


def test_the_margin_is_no_improvement_by_default():
    assert (declare().terms.margin, declare(kind="ratio").terms.margin, declare(kind="level").terms.margin) == (0, 1, 0)
    assert declare(kind="ratio", margin=0.95).terms.margin == 0.95


def test_each_case_has_a_name_of_its_own():
    @claim(says="Better.", params=[{"size": 8, "kind": "wide"}, {"size": 16}], name="wide")
    def better(seed, size, kind="slim"):
        return Paired(size, seed)

    assert better.case_names() == ("wide[size=8, kind=wide]", "wide[size=16]")
    assert better(1, size=2) == Paired(2, 1)


def test_terms_survive_json():
    made = declare(bounds=(0, 1), needs="train", watch=["a.json"], published="+3 points", paper="2501.00001").terms
    assert made.needs == ("train",)
    again = Terms.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made
    assert Terms.from_dict({**made.to_dict(), "of a later version": 3}) == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"says": " "}, "claim: says must be a sentence, got ' '"),
        ({"kind": "quotient"}, "kind must be one of difference, ratio, level, got 'quotient'"),
        ({"margin": math.nan}, "margin must be a finite number, got nan"),
        ({"kind": "ratio", "margin": 0}, "margin must be above 0 for a ratio, got 0. 1 is no improvement"),
        ({"level": 95}, "level must be in .0.5, 1., got 95. Did you mean 0.95?"),
        ({"level": True}, "level must be in"),
        ({"bounds": (1, 0)}, "bounds must be a pair .lowest, highest., got"),
        ({"bounds": (0, math.inf)}, "bounds must be a pair"),
        ({"bounds": (0, 1), "kind": "ratio"}, "bounds must be left out for a ratio"),
        ({"budget": 1}, "budget must be a whole number of at least 2, got 1"),
        ({"budget": 9.5}, "budget must be a whole number"),
        ({"min_seeds": 1}, "min_seeds must be a whole number of at least 2"),
        ({"tolerate": -1}, "tolerate must be a whole number of at least 0"),
        ({"time_limit": 0}, "time_limit must be a positive number of seconds, got 0"),
        ({"memory_limit": math.inf}, "memory_limit must be a positive number of bytes"),
        ({"params": [{}, {}]}, "params must be different in each case"),
        ({"params": [{"size": 3}]}, "params must be the keyword arguments of <lambda>.seed, ....*unexpected keyword"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        declare(**options)


def test_params_are_json_values():
    with pytest.raises(ArgumentTypeError, match="params must be mappings of JSON values"):
        claim(says="Better.", params=[{"size": {1, 2}}])(lambda seed, size: Paired(size, seed))


def test_a_function_without_a_seed_is_refused():
    with pytest.raises(ArgumentError, match="too many positional arguments"):
        claim(says="Better.")(lambda: Paired(1, 0))


def test_what_is_missing_is_named_as_one_installs_it(monkeypatch):
    monkeypatch.setitem(EXTRAS, "train", ("no_such_torch",))
    assert missing(["train", "json", "no_such_package.inner"]) == ("neff[train]", "no_such_package.inner")
    assert missing([]) == ()


def test_the_extras_are_those_of_the_project():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS) <= set(project["optional-dependencies"])
