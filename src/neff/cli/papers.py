"""`neff papers`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, Output

__all__ = ["papers"]

WHICH = Group("Which papers", sort_key=1)
Word = Annotated[str | None, Parameter(group=WHICH, show_default=False)]


def papers(*, room: Word = None, verdict: Word = None, find: Word = None, output: Output = NO_OUTPUT) -> int:
    """Show the papers that neff is built on, and what their claims came to at our scale.

    For example:
      neff papers
      neff papers --room train --verdict fails
      neff papers --find "batch size" --json
      neff papers -o papers.html

    Figures are those of the last measurement, see their dates; `neff check` measures them again.

    Parameters
    ----------
    room
        Only papers of this room: evaluate, train, sampling, ...
    verdict
        Only papers whose headline claim holds, fails, is undecided or not checked; or "not yet", those without a claim.
    find
        Only papers with this text in title, summary, arXiv id, functions or claims.
    """
    from neff.claims import paper_index
    from neff.cli.delivery import prepare
    from neff.cli.verbs import Exit

    delivery = prepare(output)
    index = paper_index(room=room, verdict=verdict, find=find)
    delivery.put_out(index, () if index.papers else ("note: no paper fits.",))
    return Exit.DONE
