"""A check of claims as a document: the finding first, every format, names that cannot steer."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from neff.claims import CheckReport, ClaimResult, Failure, Terms
from neff.claims.decision import decide
from neff.claims.outcome import Measured
from neff.reasons import Reason
from neff.report import Gate, document, render, write
from neff.report.charts import ForestPlot
from neff.report.document import Figure, plain
from neff.results import Provenance, Unread, Verdict

EVIL = "<script>alert(1)</script>\x1b[31m`|*[x](http://a.invalid)@team"
GAINS = (0.31, 0.42, 0.27, 0.39, 0.35, 0.44, 0.29, 0.36, 0.33, 0.41, 0.30)


def result(name, values, seconds=1.5, **options):
    terms = Terms(**{"says": f"{name} is better.", "budget": len(values), **options})
    seeds = [v if isinstance(v, Failure) else Measured(k, v) for k, v in enumerate(values)]
    d = decide(seeds, terms)
    shared = {n: getattr(d, n) for n in ("reason", "value", "standard_error", "interval", "treatment", "control")}
    shared |= {n: getattr(d, n) for n in ("distance", "distance_interval", "n", "failures", "warnings", "method")}
    return ClaimResult(f"claims.py::{name}", terms, d.verdict, d.why, seconds=seconds, **shared)


def pairs(differences):
    return [(1 + d, 1.0) for d in differences]


@pytest.fixture
def report():
    made = Provenance("0.1.0", "neff check claims.py", {}, (), "2026-11-26T01:16:31+00:00")
    held = result("held", pairs(GAINS), margin=0.1, published=0.5, paper="2501.00001")
    ratio = result("ratio", [(math.exp(g), 1.0) for g in GAINS], kind="ratio", margin=2.0)
    same = result("same", pairs([0.0] * 7))
    exact = result("exact", pairs([0.5] * 2), deterministic=True)
    crash = result("crash", [Failure(0, "crash", "ended by SIGSEGV", "last words")])
    return CheckReport((held, ratio, same, exact, crash), seconds=3.25, provenance=made)


def test_the_worst_is_said_first(report):
    doc = document(report)
    assert plain(doc.title) == "2 of 5 claims hold, 1 was not checked, 1 is undecided, 1 fails"
    assert plain(doc.kicker) == "claims.py · 20 seeds · 3.2 s"
    said = [plain(sentence) for sentence in doc.lead]
    assert said[0].startswith(f"ratio: {math.exp(sum(GAINS[:5]) / 5):.3f}×, 95% interval [1.")
    assert said[0].endswith("against a margin of 2× after 5 seeds: fails.")
    assert "(treatment and control gave the same value on every seed: is the treatment switched on?)." in said[1]
    assert said[2] == "crash was not checked: a seed failed (crash)."
    (only,) = (plain(document(replace(report, results=report.results[:1])).title),)
    assert only == "The claim held holds"
    assert plain(document(CheckReport(())).title) == "No claim was checked"


def test_many_claims_are_summed_up(report):
    many = replace(report, results=tuple(replace(report.results[0], claim=f"claims.py::c{k}") for k in range(7)))
    assert plain(document(many).lead[-1]) == "2 more claims in the table."
    assert plain(document(many).title) == "7 of 7 claims hold"


def test_all_claims_are_drawn_on_one_axis(report):
    (figure,) = [b for s in document(report).sections for b in s.blocks if isinstance(b, Figure)]
    assert isinstance(figure.chart, ForestPlot)
    rows = {row.label: row for row in figure.chart.rows}
    for r in report:
        row = rows[r.name]
        if r.verdict is Verdict.HOLDS and r.reason is None:
            assert 0.5 < row.low < row.value < row.high <= 1
        if r.verdict is Verdict.FAILS:
            assert 0 <= row.low < row.value < row.high < 0.5
    assert (rows["exact"].value, rows["same"].value == rows["same"].value) == (1.0, False)
    assert math.isnan(rows["exact"].low)
    assert rows["held"].value == pytest.approx(0.5 * (1 + math.erf(report.results[0].distance / math.sqrt(2))))
    assert [rows[n].strong for n in ("held", "ratio", "same", "exact", "crash")] == [True, True, False, True, False]


def test_what_went_wrong_is_said_with_the_last_words(report):
    broken = replace(report, unread=(Unread("claim_bad.py", "SyntaxError: invalid syntax"),))
    text = render(broken)
    assert "Error: 1 file or claim was not read." in text
    assert "- claim_bad.py: SyntaxError: invalid syntax" in text
    assert "- crash, seed 0: crash: ended by SIGSEGV. It printed last: last words" in text
    assert "What went wrong" not in render(replace(report, results=report.results[:2]))


def test_columns_without_a_use_are_left_out(report):
    text = render(replace(report, results=report.results[1:2]), "markdown")
    assert "Published" not in text.split("<details>")[0]
    assert "| Claim | Verdict | Effect | Interval | Margin | Seeds | Seconds | Why |" in text
    assert "| Published |" in render(report, "markdown")


def test_junit_tells_failures_errors_and_skips_apart(report):
    skipped = ClaimResult("b.py::skip", Terms(says="x"), Verdict.NOT_CHECKED, "needs neff[train]", Reason.MISSING_EXTRA)
    unread = (Unread("c.py", "ImportError: no"), Unread("claims.py::watches", "watch: gone"))
    full = replace(report, results=(*report.results, skipped), unread=unread)
    root = ET.fromstring(render(full, "junit"))  # our own text
    cases = {(s.get("name"), c.get("name")): [child.tag for child in c] for s in root for c in s}
    assert cases == {
        ("claims.py", "held"): ["system-out"],
        ("claims.py", "ratio"): ["failure"],
        ("claims.py", "same"): ["skipped", "system-out"],
        ("claims.py", "exact"): ["system-out"],
        ("claims.py", "crash"): ["error"],
        ("claims.py", "watches"): ["error"],
        ("b.py", "skip"): ["skipped", "system-out"],
        ("c.py", "import"): ["error"],
    }
    assert root.find(".//testcase[@name='held']").get("time") == "1.500"
    assert "seed 0: crash: ended by SIGSEGV\nlast words" in root.find(".//error").text
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == ("8", "1", "3", "2")


def test_it_comes_back_from_json(report):
    again = CheckReport.from_dict(json.loads(render(report, "json")))
    assert render(again, "json") == render(report, "json")
    assert render(again) == render(report)
    assert again.result("held").terms == report.result("held").terms


def test_a_report_is_asked_by_name(report):
    assert report.result("held") is report.result("claims.py::held") is report.results[0]
    with pytest.raises(KeyError, match=r"claim 'other' was not checked; there are \['claims.py::held'"):
        report.result("other")
    assert [len(report), len(list(report))] == [5, 5]
    assert "claims.py::crash: not checked (a seed failed (crash))" in str(report)
    assert report.to_frame("pandas").shape == (5, 14)


def test_names_and_output_cannot_steer(report, tmp_path):
    evil = replace(
        report.results[0],
        claim=f"{EVIL}::{EVIL}",
        terms=replace(report.results[0].terms, says=EVIL, published=EVIL),
        failures=(Failure(0, "crash", EVIL, EVIL),),
        warnings=(EVIL,),
        why=EVIL,
    )
    full = CheckReport((evil, *report.results), (Unread(EVIL, EVIL),), notes=(EVIL,), baseline=True)
    gates = (Gate("fails", passed=False, detail="x: fails"),)
    text = render(full, "text", width=100, gates=gates)
    assert all(len(line) <= 100 for line in text.splitlines())
    for form in ("text", "markdown", "html", "csv", "junit"):
        out = render(full, form, gates=gates)
        assert "\x1b" not in out
        if form in ("html", "junit"):
            assert "<script>alert(1)" not in out
    outside_code = re.sub(r"(`+).+?(?<!`)\1(?!`)", "", render(full, "markdown"))
    assert "alert" in outside_code
    assert not {"<script>", "[x](", "@team"} & {m for m in ("<script>", "[x](", "@team") if m in outside_code}
    for suffix in ("html", "md", "json", "csv", "xml", "txt", "parquet"):
        assert write(full, tmp_path / f"r.{suffix}", gates=gates).stat().st_size > 0
