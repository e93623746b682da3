"""The index of papers: what each is about, where neff has it, and what its claims came to at the scale of a laptop.

Three files beside the claims are read: the list of papers with a summary of each, the functions that belong to them
(from the source), and what `neff check` measured last. The last two are written by `python docs/make_papers.py`.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, get_args

from neff.claims.result import ClaimResult
from neff.results import Column, Table, Verdict
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["IndexedPaper", "Measurement", "PaperIndex", "State", "paper_index"]

SCHEMA = "neff.papers/1"
NOT_YET = "not yet"
State = Literal["whole", "in part", "not yet"]
"""Whether a paper's method is in neff: as the paper states it, some of it, or nothing."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one claim of a paper came to.

    Attributes
    ----------
    result
        Verdict, effect and interval, seeds, and what was declared.
    date, neff_version
        When it was measured, and with which version.
    """

    result: ClaimResult
    date: str
    neff_version: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**self.result.to_dict(), "date": self.date, "neff_version": self.neff_version}


@dataclass(frozen=True, slots=True)
class IndexedPaper:
    """A paper, where neff has it, and what was measured.

    Attributes
    ----------
    number, title, date, arxiv, room
        From the list of papers; `date` is empty where it is not known.
    summary
        What it is about, in one line.
    command
        The verb that runs it, such as "train cbs"; empty where there is none.
    state
        Whether its method is in neff.
    functions
        Public names that belong to it, the nearest first.
    measured
        Its claims in the order of its module, the headline first.
    """

    number: int
    title: str
    date: str
    arxiv: str
    room: str
    summary: str
    command: str
    state: State
    functions: tuple[str, ...] = ()
    measured: tuple[Measurement, ...] = ()

    @property
    def url(self) -> str:
        """Its page at arXiv."""
        return f"https://arxiv.org/abs/{self.arxiv}"

    @property
    def headline(self) -> Measurement | None:
        """Its first claim, or None where there is none yet."""
        return self.measured[0] if self.measured else None

    @property
    def verdict(self) -> str:
        """The verdict on its headline, or "not yet"."""
        return str(self.headline.result.verdict) if self.headline else NOT_YET

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {
            name: getattr(self, name)
            for name in ("number", "title", "date", "arxiv", "url", "room", "summary", "command", "state", "verdict")
        }
        return {
            **plain,
            "date": self.date or None,
            "command": f"neff {self.command}" if self.command else None,
            "functions": list(self.functions),
            "claims": [measured.to_dict() for measured in self.measured],
        }


@dataclass(frozen=True, slots=True)
class PaperIndex:
    """Papers in the order of the list.

    Attributes
    ----------
    papers
        One `IndexedPaper` each.
    of
        How many papers the whole list has.
    """

    papers: tuple[IndexedPaper, ...]
    of: int

    def __len__(self) -> int:
        return len(self.papers)

    def __iter__(self) -> Iterator[IndexedPaper]:
        return iter(self.papers)

    def paper(self, arxiv: str) -> IndexedPaper:
        """Return a paper by its arXiv id.

        Raises
        ------
        KeyError
            If it is not among these.
        """
        for paper in self.papers:
            if paper.arxiv == arxiv:
                return paper
        raise KeyError(arxiv)

    @property
    def measured(self) -> tuple[Measurement, ...]:
        """All claims of these papers."""
        return tuple(measured for paper in self.papers for measured in paper.measured)

    def table(self) -> Table:
        """Return one row per paper, with its headline claim."""
        columns = (
            Column("number", "Number", "count"),
            Column("title", "Paper"),
            Column("date", "Date"),
            Column("arxiv", "arXiv"),
            Column("room", "Room"),
            Column("summary", "Summary"),
            Column("state", "In neff"),
            Column("functions", "Functions"),
            Column("command", "Command"),
            Column("says", "Claim"),
            Column("published", "Published"),
            Column("value", "Measured", "number"),
            Column("interval", "Interval", "interval", help="at all numbers of seeds together"),
            Column("margin", "Margin", "number"),
            Column("verdict", "Verdict"),
            Column("n_claims", "Claims", "count"),
            Column("measured", "Date of run"),
        )
        return Table(columns, tuple(_row(paper) for paper in self.papers), "Papers")

    def __str__(self) -> str:
        lines = []
        for paper in self.papers:
            head = paper.headline
            found = "" if head is None else f": {head.result.shown(head.result.value)} {head.result.shown_interval()}"
            lines.append(f"{paper.arxiv} {paper.title}: {paper.verdict}{found}")
        return "\n".join(lines) or "no papers"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        return {"schema": SCHEMA, "papers": [paper.to_dict() for paper in self.papers], "of": self.of}


def _row(paper: IndexedPaper) -> tuple[Any, ...]:
    nan = float("nan")
    head = paper.headline
    found: tuple[Any, ...] = ("", "", nan, (nan, nan), nan)
    if head is not None:
        r = head.result
        published = "" if r.terms.published is None else str(r.terms.published)
        found = (r.terms.says, published, r.value, r.interval, r.terms.margin)
    own = (paper.number, paper.title, paper.date, paper.arxiv, paper.room, paper.summary, paper.state)
    where = (", ".join(paper.functions), paper.command)
    return (*own, *where, *found, paper.verdict, len(paper.measured), head.date if head else "")


def paper_index(*, room: str | None = None, verdict: str | None = None, find: str | None = None) -> PaperIndex:
    """Return the papers that neff is built on, with what was measured of each.

    Use it to see whether a method does at small scale what its paper says, before building on it. The figures were
    measured when the index was made, see the dates; `neff check` measures them again.

    Parameters
    ----------
    room
        Only papers of this room: "evaluate", "train", ...
    verdict
        Only papers whose headline claim has this verdict: "holds", "fails", "undecided", "not checked"; or "not yet",
        those without a claim.
    find
        Only papers with this text in title, summary, arXiv id, functions or claims; case does not matter.

    Returns
    -------
    PaperIndex
        In the order of the list.

    Raises
    ------
    ArgumentError
        If there is no such room or verdict.

    Examples
    --------
    >>> index = paper_index(room="train", find="ReMax")
    >>> [(paper.arxiv, paper.verdict, paper.headline.result.n > 4) for paper in index]
    [('2310.10505', 'holds', True)]
    """
    papers = _papers()
    if room is not None:
        check_choice(room, tuple(dict.fromkeys(p.room for p in papers)), argument="room", call="paper_index")
    if verdict is not None:
        known = (*(str(v) for v in Verdict if v is not Verdict.NOT_GRADED), NOT_YET)
        check_choice(verdict, known, argument="verdict", call="paper_index")
    kept = [
        p
        for p in papers
        if (room is None or p.room == room)
        and (verdict is None or p.verdict == verdict)
        and (find is None or find.lower() in _text(p))
    ]
    return PaperIndex(tuple(kept), len(papers))


def _text(paper: IndexedPaper) -> str:
    says = [m.result.terms.says for m in paper.measured]
    return "\n".join((paper.title, paper.summary, paper.arxiv, paper.command, *paper.functions, *says)).lower()


def _data(name: str) -> str:
    return files("neff.claims").joinpath("papers", name).read_text(encoding="utf-8")


def _papers() -> tuple[IndexedPaper, ...]:
    where = json.loads(_data("functions.json"))["papers"]
    measured: dict[str, list[Measurement]] = {}
    for row in json.loads(_data("measured.json"))["claims"]:
        found = Measurement(ClaimResult.from_dict(row), row["date"], row["neff_version"])
        measured.setdefault(str(found.result.terms.paper), []).append(found)
    papers = []
    for row in csv.DictReader(_data("papers.csv").splitlines()):
        known = where.get(row["arxiv"], {"state": NOT_YET, "functions": []})
        paper = IndexedPaper(
            number=int(row["number"]), title=row["title"], date=row["date"], arxiv=row["arxiv"], room=row["room"],
            summary=row["summary"], command=row["command"], state=_state(known["state"]),
        )  # fmt: skip
        own = tuple(measured.get(row["arxiv"], ()))
        papers.append(replace(paper, functions=tuple(known["functions"]), measured=own))
    return tuple(papers)


def _state(text: str) -> State:
    for state in get_args(State):
        if text == state:
            found: State = state
            return found
    raise ValueError(f"functions.json: {text!r} is no state")
