"""Write what the index of papers rests on, and its two pages.

    python docs/make_papers.py                           functions.json, docs/papers.md and docs/paper-index.html
    python docs/make_papers.py --measure JOURNAL [WORD]  check the bundled claims first (those with a word in their
                                                         name), and write what they came to into measured.json
    python docs/make_papers.py --from CHECK.json         the same from what `neff check -o CHECK.json` saved

Titles, summaries, the main function and the command are in src/neff/claims/papers/papers.csv. Where else a paper is in
neff is read from the code: a function says so with `@method(..., arxiv="...")`, or cites `arXiv:...` in a docstring. A
paper is "whole" only when it is in `DONE`: a function that uses one formula of a paper is not the paper's method. Both
pages are made from `neff.claims.paper_index()`; tests fail when they are out of date.
"""
# ruff: noqa: INP001

from __future__ import annotations

import ast
import csv
import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from neff import report
from neff.claims import paper_index
from neff.report.papers import measured_text, published_text

if TYPE_CHECKING:
    from neff.claims import CheckReport, IndexedPaper

DOCS = Path(__file__).resolve().parent
SOURCE = DOCS.parent / "src/neff"
DATA = SOURCE / "claims/papers"
MEASURED = DATA / "measured.json"
ARXIV = re.compile(r"arXiv:\s?(\d{4}\.\d{4,5})")

DONE: frozenset[str] = frozenset({
    "2605.12380", "2505.23971", "2409.07853", "2602.17616", "2310.10505", "2210.11078", "2411.17501", "2310.03262",
    "2506.22376", "2502.18581", "2509.11106", "2508.13144", "2406.10229", "2509.04013",
    "2606.06622", "2307.07889", "2603.26898", "2602.05447", "2306.07951", "2411.00890",
})  # fmt: skip
"""arXiv ids of papers whose method is in neff, whole, with its tests."""

ALSO = {
    "1507.02646": "Vehtari, Simpson, Gelman, Yao and Gabry, Pareto smoothed importance sampling",
    "1512.04922": "Johari, Pekelis and Walsh, Always Valid Inference: Bringing Sequential Analysis to A/B Testing",
    "1810.08240": "Howard et al., Time-uniform, nonparametric, nonasymptotic confidence sequences",
    "1906.07801": "Grünwald, de Heide and Koolen, Safe Testing",
    "1912.06116": "Vovk and Wang, E-values: Calibration, combination, and applications",
    "2009.02824": "Wang and Ramdas, False discovery rate control with e-values",
    "2010.09686": "Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting",
    "2103.06476": "Waudby-Smith et al., Time-uniform central limit theory and asymptotic confidence sequences",
    "2210.01948": "Ramdas, Grünwald, Vovk and Shafer, Game-theoretic statistics and safe anytime-valid inference",
    "2310.03722": (
        "Wang and Ramdas, Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance"
    ),
    "2411.00640": "Miller, Adding Error Bars to Evals: A Statistical Approach to Language Model Evaluations",
    "2503.01747": "Bowyer et al., Don't use the CLT in LLM evals with fewer than a few hundred datapoints",
    "1812.06162": "McCandlish, Kaplan, Amodei et al., An Empirical Model of Large-Batch Training",
    "1707.06347": "Schulman et al., Proximal Policy Optimization Algorithms",
    "1905.01756": "Fakoor, Chaudhari and Smola, P3O: Policy-on Policy-off Policy Optimization",
    "1912.09729": "Ye et al., Mastering Complex Control in MOBA Games with Deep Reinforcement Learning",
    "2110.00641": "Hilton, Cobbe and Schulman, Batch size-invariance for policy optimization",
    "2402.03300": "Shao et al., DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models",
    "2402.14740": "Ahmadian et al., Back to Basics: Revisiting REINFORCE Style Optimization for ... Feedback in LLMs",
    "2503.14476": "Yu et al., DAPO: An Open-Source LLM Reinforcement Learning System at Scale",
    "2503.20783": "Liu et al., Understanding R1-Zero-Like Training: A Critical Perspective",
    "2501.03262": "Hu et al., REINFORCE++",
    "2505.23585": "Hao et al., On-Policy RL with Optimal Reward Baseline",
    "2506.13585": "MiniMax, MiniMax-M1: Scaling Test-Time Compute Efficiently with Lightning Attention",
    "2507.18071": "Zheng et al., Group Sequence Policy Optimization",
    "2512.02556": "DeepSeek-AI, DeepSeek-V3.2: Pushing the Frontier of Open Large Language Models",
    "2602.10693": "Shen et al., VESPO: Variational Sequence-level Soft Policy Optimization for Off-Policy LLM Training",
    "2107.03374": "Chen et al., Evaluating Large Language Models Trained on Code",
    "2203.11171": "Wang et al., Self-Consistency Improves Chain of Thought Reasoning in Language Models",
    "2407.21787": "Brown et al., Large Language Monkeys: Scaling Inference Compute with Repeated Sampling",
    "2502.17578": "Schaeffer et al., How Do Large Language Monkeys Get Their Power (Laws)?",
    "2510.05197": "Kazdan et al., Efficient Prediction of Pass@k Scaling in Large Language Models",
    "2305.11860": "Aggarwal, Madaan, Yang and Mausam, Let's Sample Step by Step: Adaptive-Consistency",
    "2401.10480": "Li et al., Escape Sky-high Cost: Early-stopping Self-Consistency for Multi-step Reasoning",
    "2403.04132": "Chiang et al., Chatbot Arena: An Open Platform for Evaluating LLMs by Human Preference",
    "2406.12045": "Yao, Shinn, Razavi and Narasimhan, tau-bench",
    "1609.00451": "Sadinle, Lei and Wasserman, Least Ambiguous Set-Valued Classifiers with Bounded Error Levels",
    "1705.08500": "Geifman and El-Yaniv, Selective Classification for Deep Neural Networks",
    "1805.08206": "Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers",
    "1904.06019": "Tibshirani, Barber, Candès and Ramdas, Conformal Prediction Under Covariate Shift",
    "2006.02544": "Romano, Sesia and Candès, Classification with Valid and Adaptive Coverage",
    "2009.14193": (
        "Angelopoulos, Bates, Malik and Jordan, Uncertainty Sets for Image Classifiers using Conformal Prediction"
    ),
    "2110.01052": "Angelopoulos, Bates, Candès, Jordan and Lei, Learn then Test: Calibrating Predictive Algorithms",
    "2509.12760": "Schmaltz, Similarity-Distance-Magnitude Activations",
}
"""References outside the list of papers. Every arXiv id in the source is in one of the two."""

HEAD = """\
# Papers

Generated by `python docs/make_papers.py`; a test fails when this page is out of date. The same as a page that can be
searched and filtered: [paper index](paper-index.html), or `neff papers`.

**Whole**: the method is in neff as the paper states it, with tests. **In part**: functions use a part of it. **Not
yet**: nothing of it is there. Published and measured are figures of the paper's headline claim; ours were measured at
the scale of a laptop, each against a control that was given the same care, with a margin that was declared before, seed
by seed until the interval decided. A claim that fails at this scale is reported, and says nothing about the paper's own
scale. What each claim measures, and what it cannot show, is in the module of that name in `neff.claims.papers`; [how
claims are checked](guide/claims.md).

"""


class Name(NamedTuple):
    """A public name, and whether it is registered with the paper or only cites it."""

    public: str
    registered: bool


def citations(source: Path = SOURCE) -> dict[str, list[Name]]:
    """Return the public names that belong to each arXiv id."""
    found: dict[str, set[Name]] = {}
    for path in sorted(source.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = ".".join(path.relative_to(source.parent).with_suffix("").parts).removesuffix(".__init__")
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            public = public_name(module, node.name)
            for arxiv, registered in _of_node(node) if public else ():
                found.setdefault(arxiv, set()).add(Name(public, registered))
    return {arxiv: sorted(names) for arxiv, names in found.items()}


def _of_node(node: ast.FunctionDef | ast.ClassDef) -> set[tuple[str, bool]]:
    registered = {
        keyword.value.value
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
        if keyword.arg == "arxiv" and isinstance(keyword.value, ast.Constant)
    }
    cited = set(ARXIV.findall(ast.get_docstring(node) or "")) - registered
    return {(arxiv, True) for arxiv in registered} | {(arxiv, False) for arxiv in cited}


def public_name(module: str, name: str) -> str | None:
    """Return the shortest public name, that of the first package on the way that exports it; None where none does.

    Examples
    --------
    >>> public_name("neff.stats.weights", "ess")
    'neff.ess'
    """
    parts = module.split(".")
    for depth in range(1, len(parts)):
        package = ".".join(parts[:depth])
        if name in getattr(import_module(package), "__all__", ()):
            return f"{package}.{name}"
    return None


def functions() -> dict[str, Any]:
    """Return the state of each paper of the list, and the public names that belong to it, the nearest first.

    Raises
    ------
    SystemExit
        If the code and the lists contradict each other.
    """
    with (DATA / "papers.csv").open(encoding="utf-8", newline="") as file:
        listed = {paper["arxiv"]: paper["function"] for paper in csv.DictReader(file)}
    where = citations()
    for arxiv in where:
        if arxiv not in {*listed, *ALSO}:
            raise SystemExit(f"{where[arxiv][0].public} cites arXiv:{arxiv}: add it to ALSO in {__file__}")
    for arxiv in DONE - where.keys():
        raise SystemExit(f"arXiv:{arxiv} is in DONE, but no public name is registered with it or cites it")
    cited = Counter(name.public for names in where.values() for name in names)  # what cites few papers is about them
    papers = {}
    for arxiv, main in listed.items():
        names = sorted(where.get(arxiv, []), key=lambda name: (*_distance(name, main), cited[name.public], name.public))
        if main and main not in [name.public for name in names]:
            raise SystemExit(f"papers.csv gives {main} for arXiv:{arxiv}, which no public name of that path cites")
        state = "whole" if arxiv in DONE else "in part" if names else "not yet"
        papers[arxiv] = {"state": state, "functions": [name.public for name in names]}
    return papers


def _distance(name: Name, main: str) -> tuple[bool, bool, bool]:
    return name.public != main, name.public.startswith("neff.testing."), not name.registered


def functions_json() -> str:
    """Return functions.json."""
    rows = ",\n  ".join(f"{json.dumps(arxiv)}: {json.dumps(found)}" for arxiv, found in functions().items())
    return '{"made by": "python docs/make_papers.py",\n "papers": {\n  ' + rows + "\n }}\n"


def page() -> str:
    """Return docs/papers.md."""
    index = paper_index()
    states = [paper.state for paper in index]
    counts = ", ".join(f"{states.count(word)} {word}" for word in ("whole", "in part", "not yet"))
    where = citations()
    lines = [
        f"## The {len(index)} papers\n",
        f"{counts}.\n",
        "| | paper | date | room | where in neff | command | published | measured | verdict | run | state |",
        "|--:|---|---|---|---|---|---|---|---|---|---|",
        *map(_row, index),
        "\n## The claims\n",
        "Intervals are 95% confidence sequences: they cover at all numbers of seeds together. × is a ratio.\n",
        "| claim | paper | published | measured | margin | verdict | seeds |",
        "|---|---|---|---|--:|---|--:|",
        *(line for paper in index for line in _claims(paper)),
        "\n## Also implemented\n",
        "References outside that list, whose advice or method neff follows.\n",
        "| paper | where in neff |",
        "|---|---|",
        *(
            f"| {title}, {_link(arxiv)} | {_names([name.public for name in where.get(arxiv, [])])} |"
            for arxiv, title in ALSO.items()
        ),
    ]
    return HEAD + "\n".join(lines) + "\n"


def html() -> str:
    """Return docs/paper-index.html."""
    return report.render(paper_index(), "html")


def _row(paper: IndexedPaper) -> str:
    head = paper.headline
    cells = (
        str(paper.number),
        f"{_cell(paper.title)}, {_link(paper.arxiv)}. {_cell(paper.summary)}",
        paper.date or "–",
        f"`{paper.room}`",
        _names(paper.functions),
        f"`neff {paper.command}`" if paper.command else "–",
        "–" if head is None else _cell(published_text(head)),
        "not yet" if head is None else _cell(measured_text(head)),
        paper.verdict,
        "–" if head is None else head.date,
        paper.state,
    )
    return f"| {' | '.join(cells)} |"


def _claims(paper: IndexedPaper) -> list[str]:
    lines = []
    for m in paper.measured:
        r = m.result
        case = "".join(f", {name} `{value}`" for name, value in r.params.items())
        unit = "×" if r.terms.kind == "ratio" else ""
        cells = (
            _cell(r.terms.says) + case,
            _link(paper.arxiv),
            _cell(published_text(m)),
            _cell(measured_text(m)),
            f"{r.terms.margin:.3g}{unit}".replace("-", "−"),
            str(r.verdict),
            str(r.n),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _link(arxiv: str) -> str:
    return f"[arXiv:{arxiv}](https://arxiv.org/abs/{arxiv})"


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def measure(journal: str, words: list[str]) -> None:
    """Check the bundled claims and write what they came to; claims without one of the words keep what they had."""
    from neff.claims import check

    take(check("neff.claims.papers", only=words, n_workers=2, journal=journal), whole=not words)


def take(found: CheckReport, *, whole: bool) -> None:
    """Write measured.json anew, or with what was found in the place of what there was."""
    for unread in found.unread:
        raise SystemExit(f"{unread.path}: {unread.reason}")
    before = [] if whole else json.loads(MEASURED.read_text(encoding="utf-8"))["claims"]
    MEASURED.write_text(measured_json(before, found), encoding="utf-8")
    sys.stdout.write(f"measured {len(found)} claims in {found.seconds:.0f} s\n")


def measured_json(before: list[dict[str, Any]], found: CheckReport) -> str:
    """Return measured.json: the rows that there were and those that were found, by module, as the module has them."""
    from neff import __version__

    p = found.provenance
    date = p.created[:10] if p else datetime.now(UTC).date().isoformat()
    version = p.neff_version if p else __version__
    rows = {row["claim"]: row for row in before}
    for result in found:
        kept = {name: value for name, value in result.to_dict().items() if name not in ("change", "before")}
        rows[result.claim] = {**kept, "date": date, "neff_version": version}
    order = {claim: k for home in sorted({claim.partition("::")[0] for claim in rows}) for k, claim in _places(home)}
    names = sorted(rows, key=lambda claim: (claim.partition("::")[0], order.get(claim, len(order))))
    lines = ",\n  ".join(json.dumps(rows[claim], allow_nan=False) for claim in names)
    about = '"schema": "neff.measured/1", "made by": "python docs/make_papers.py --measure JOURNAL"'
    return f'{{{about},\n "claims": [\n  {lines}\n ]}}\n'


def _places(home: str) -> list[tuple[int, str]]:
    """Return the claims of a module, numbered: the first one is the paper's headline."""
    from importlib import import_module
    from importlib.util import find_spec

    from neff.claims.loading import describe

    known = describe(import_module(home))["claims"] if find_spec(home) else []
    return [(k, f"{home}::{claim['name']}") for k, claim in enumerate(known)]


def main(argv: list[str]) -> None:
    """Do what the words say."""
    if argv[:1] == ["--measure"]:
        measure(argv[1], argv[2:])
    elif argv[:1] == ["--from"]:
        from neff.claims import CheckReport

        take(CheckReport.from_dict(json.loads(Path(argv[1]).read_text(encoding="utf-8"))), whole=False)
    for path, make in (
        (DATA / "functions.json", functions_json), (DOCS / "papers.md", page), (DOCS / "paper-index.html", html),
    ):  # fmt: skip
        path.write_text(make(), encoding="utf-8")
        sys.stdout.write(f"wrote {path.relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
