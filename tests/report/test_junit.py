"""JUnit: XML that parses, counts that add up, and only a failed gate fails."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from neff.report import Gate, render
from neff.results import Verdict

GATES = (
    Gate("lower(diff) < -0.01", passed=True, detail="10 checked, none < -0.01"),
    Gate("value(score) < 0.6", passed=False, detail="value of model-04 is 0.43"),
    Gate("upper(diff) < 0", passed=None, detail="too few items"),
)


def counts(element):
    return {key: int(element.get(key)) for key in ("tests", "failures", "errors", "skipped")}


@pytest.mark.parametrize("name", ["five models", "two models", "undefined", "hostile", "tasks and metrics", "nothing"])
@pytest.mark.parametrize("gates", [(), GATES])
def test_counts_add_up(samples, name, gates):
    result = samples[name]
    root = ET.fromstring(render(result, "junit", gates=gates))
    assert root.tag == "testsuites"
    total = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in root:
        cases = list(suite)
        assert counts(suite) == {
            "tests": len(cases),
            "failures": len(suite.findall("testcase/failure")),
            "errors": 0,
            "skipped": len(suite.findall("testcase/skipped")),
        }
        for key, number in counts(suite).items():
            total[key] += number
    assert counts(root) == total
    assert total["tests"] == len(gates) + len(result.comparisons)
    assert total["failures"] == (1 if gates else 0)


def test_gates_pass_fail_and_are_undecided(make):
    suite = ET.fromstring(render(make(2, 53), "junit", gates=GATES))[0]
    assert suite.get("name") == "gates"
    passed, failed, undecided = suite
    assert passed.get("name") == "fail if lower(diff) < -0.01"
    assert [child.tag for child in passed] == ["system-out"]
    assert failed.find("failure").get("message") == "value of model-04 is 0.43"
    assert undecided.find("skipped").get("message") == "undecided: too few items"


@pytest.mark.parametrize(
    ("verdict", "children", "message"),
    [
        (Verdict.HOLDS, ["system-out"], None),
        (Verdict.FAILS, ["system-out"], None),
        (Verdict.UNDECIDED, ["skipped", "system-out"], "undecided"),
        (Verdict.NOT_CHECKED, ["skipped"], "not checked"),
    ],
)
def test_a_comparison_passes_when_told_apart_and_is_skipped_otherwise(make, verdict, children, message):
    result = make(2, 53)
    result = replace(result, comparisons=(replace(result.comparisons[0], verdict=verdict),))
    (case,) = ET.fromstring(render(result, "junit")).iter("testcase")
    assert [child.tag for child in case] == children
    assert case.get("classname") == "neff.compare.all.accuracy"
    if message:
        assert case.find("skipped").get("message") == message


def test_the_reason_of_an_undefined_difference_is_the_message(make_undefined):
    root = ET.fromstring(render(make_undefined(), "junit"))
    messages = [skipped.get("message") for skipped in root.iter("skipped")]
    assert messages.count("not checked: no items in common") == 4


def test_the_time_is_that_of_the_result(make):
    suite = ET.fromstring(render(make(2, 53), "junit"))[0]
    assert suite.get("timestamp") == "2026-01-13T12:00:00"


def test_names_come_through_readable(make):
    result = make(2, 53, names=["<b>&\"'", "x\x1b[31m\x00\ufffe"])
    (case,) = ET.fromstring(render(result, "junit")).iter("testcase")
    assert "<b>&\"'" in case.get("name")
    assert "x\\x1b[31m\\x00\\ufffe" in case.get("name")


def test_a_result_without_comparisons_has_its_gates_only():
    from neff.results import Column, Table

    root = ET.fromstring(render(Table((Column("n", "n"),), (("a",),)), "junit", gates=GATES))
    assert counts(root) == {"tests": 3, "failures": 1, "errors": 0, "skipped": 1}
