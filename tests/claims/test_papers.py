"""The bundled claims: each states what it must, runs a seed, and is the one that was measured; the quick ones again."""

from __future__ import annotations

import csv
import importlib
import json
import math
import pkgutil
import re
from pathlib import Path

import pytest

import neff.claims.papers
from neff.claims import Claim, ClaimResult, Level, Paired, Terms, check, paper_index
from neff.results import Verdict

FOLDER = Path(neff.claims.papers.__file__).parent
ON_THE_MACHINE = ("processor_time",)
"""Claims whose figures depend on the processor."""


def bundled():
    for info in pkgutil.iter_modules(neff.claims.papers.__path__):
        module = importlib.import_module(f"neff.claims.papers.{info.name}")
        for made in vars(module).values():
            if isinstance(made, Claim):
                for name, params in zip(made.case_names(), made.params, strict=True):
                    yield module, made, name, params


CASES = list(bundled())
IDS = [f"{module.__name__.rpartition('.')[2]}::{name}" for module, _, name, _ in CASES]
MARKS = [pytest.param(*case, marks=() if case[1].terms.quick else pytest.mark.slow) for case in CASES]


def listed():
    with (FOLDER / "papers.csv").open(encoding="utf-8", newline="") as file:
        return {row["arxiv"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize(("module", "made", "name", "params"), CASES, ids=IDS)
def test_a_claim_says_what_a_reader_needs(module, made, name, params):
    terms = made.terms
    assert terms.paper in listed()
    assert terms.published is not None
    assert terms.says.endswith(".")
    assert len(made.function.__doc__) > 20
    # what was published, under which conditions it is measured here, and what that cannot show
    for word in (f"arXiv:{terms.paper}", "Published", "Here: ", "cannot show: "):
        assert word in " ".join(module.__doc__.split())


def test_each_module_is_about_one_paper():
    for module in {case[0] for case in CASES}:
        papers = {made.terms.paper for own, made, _, _ in CASES if own is module}
        assert papers == set(re.findall(r"arXiv:(\d{4}\.\d{5})", module.__doc__))


@pytest.mark.parametrize(("module", "made", "name", "params"), MARKS, ids=IDS)
def test_one_seed_runs(module, made, name, params):
    found = made(3, **params)
    values = (found.value,) if isinstance(found, Level) else (found.treatment, found.control)
    assert isinstance(found, Level if made.terms.kind == "level" else Paired)
    assert all(map(math.isfinite, values))
    if made.terms.kind == "ratio":
        assert min(values) > 0
    if made.terms.deterministic:
        assert made(4, **params) == found


def test_what_was_measured_are_the_claims_that_there_are():
    """A claim that was added or changed must be measured again: python docs/make_papers.py --measure JOURNAL [WORD]."""
    rows = json.loads((FOLDER / "measured.json").read_text(encoding="utf-8"))["claims"]
    measured = {row["claim"]: row for row in rows}
    assert len(measured) == len(rows)
    assert set(measured) == {f"{module.__name__}::{name}" for module, _, name, _ in CASES}
    for module, made, name, params in CASES:
        row = measured[f"{module.__name__}::{name}"]
        assert Terms.from_dict(row["terms"]) == made.terms, name
        assert row["params"] == params
    order = {f"{module.__name__}::{name}": k for k, (module, _, name, _) in enumerate(CASES)}
    for module in {case[0].__name__ for case in CASES}:  # the headline first
        places = [order[claim] for claim in measured if claim.startswith(f"{module}::")]
        assert places == sorted(places)


def test_every_measured_claim_has_a_verdict_from_seeds_that_all_ran():
    for paper in paper_index():
        for measured in paper.measured:
            r = measured.result
            assert r.verdict in (Verdict.HOLDS, Verdict.FAILS, Verdict.UNDECIDED), r.claim
            assert not r.failures
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", measured.date)
            assert measured.neff_version
            assert r.n >= 2
            assert r.terms.deterministic or all(map(math.isfinite, r.interval)), r.claim


def test_the_quick_claims_come_out_as_measured(tmp_path):
    """What `neff check --quick` runs, with the same seeds: no verdict may turn round, no seed may fail."""
    before = {m.result.claim: m.result for paper in paper_index() for m in paper.measured}
    report = check(quick=True, n_workers=2)
    assert not report.unread
    assert {r.claim for r in report} == {claim for claim, r in before.items() if r.terms.quick}
    for now in report:
        then: ClaimResult = before[now.claim]
        assert not now.failures, (now.claim, now.failures)
        if now.name in ON_THE_MACHINE:
            continue
        assert {now.verdict, then.verdict} != {Verdict.HOLDS, Verdict.FAILS}, now.claim
        if then.terms.deterministic:
            assert now.value == pytest.approx(then.value, rel=1e-6), now.claim
        else:
            low, high = then.interval
            assert low <= now.value <= high, now.claim


def test_the_problems_of_the_verifier_claims_are_those_of_the_data(neff_data):
    from neff.sampling import draws_of
    from neff.sampling.verifiers.curves import counts_of

    path = neff_data / "humaneval_codegen16b_samples.csv.gz"
    columns = {"item": "task", "score": "correct", "draw": "draw"}
    stored = json.loads((FOLDER / "humaneval.json").read_text(encoding="utf-8"))
    order = sorted(range(len(stored["problem"])), key=lambda i: str(stored["problem"][i]))
    for accepts, name in (("accept_base", "tests"), ("accept_weak", "one_test")):
        (draws,) = draws_of(path, accepts=accepts, call="test", **columns)
        counts = counts_of(draws)
        place = sorted(range(draws.n_items), key=lambda i: str(draws.items[i]))
        assert [int(counts.accepted[i]) for i in place] == [stored[name][i] for i in order]
        assert [int(counts.right[i]) for i in place] == [stored["right"][i] for i in order]
        assert [int(counts.both[i]) for i in place] == [stored["right"][i] for i in order]  # right ones are accepted
        assert set(counts.n.tolist()) == {100}
