"""The opening of an evaluation's report: what was looked at, three or four key figures, warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.report.document import Fact, Notice
from neff.report.groups import decided, main_group
from neff.report.headline_many import group_word
from neff.report.text import Name, number, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.result import Evaluation
    from neff.report.document import Text
    from neff.report.groups import Group

__all__ = ["facts", "footer", "kicker", "notices"]

UNNAMED = ("", "all", "score")  # what records call a task or metric that has no name
_CORRECTIONS = {
    "holm": "Holm",
    "benjamini-hochberg": "Benjamini–Hochberg",
    "benjamini-yekutieli": "Benjamini–Yekutieli",
    "bonferroni": "Bonferroni",
}


def kicker(groups: Sequence[Group]) -> Text:
    """Return what was looked at: how many models, tasks and metrics, or the name of the only one."""
    words: list[str] = [plural(len({e.model for g in groups for e in g.estimates}), "model")]
    tasks = dict.fromkeys(g.task for g in groups if not g.is_average)
    metrics = dict.fromkeys(g.metric for g in groups)
    for names, word in ((tasks, "task"), (metrics, "metric")):
        if len(names) > 1:
            words.append(plural(len(names), word))
        else:
            words += [Name(name) for name in names if name not in UNNAMED]
    return tuple(part for i, word in enumerate(words) for part in ((" · ", word) if i else (word,)))


def facts(result: Evaluation, groups: Sequence[Group]) -> tuple[Fact, ...]:
    """Return the key figures: the best score, pairs told apart, the sample, the level."""
    if not groups:
        return ()
    main = main_group(groups)
    level = Fact("Confidence", f"{100 * result.level:g}%", ("of each interval, taken alone",))
    counted = [main] if main is not None else list(groups)
    comparisons = [c for g in counted for c in g.comparisons]
    told = sum(decided(c) is True for c in comparisons)
    words = _pairs_words(result, len(comparisons), main is None, groups)
    apart = (Fact("Told apart", f"{told:,} of {len(comparisons):,}", (words,)),) if comparisons else ()
    return (_first(main, groups), *apart, _sample(main, groups), level)


def _first(main: Group | None, groups: Sequence[Group]) -> Fact:
    if main is None:
        tasks = len({g.task for g in groups if not g.is_average})
        word = group_word(groups)
        return Fact("Tasks", f"{tasks:,}") if word == "task" else Fact(f"{word.capitalize()}s", f"{len(groups):,}")
    label = "Best score" if len(main.estimates) > 1 else "Score"
    best = main.best
    return Fact(label, "–") if best is None else Fact(label, number(best.value, main.digits), (Name(best.model),))


def _sample(main: Group | None, groups: Sequence[Group]) -> Fact:
    estimates = [e for g in groups if not g.is_average for e in g.estimates]
    draws, unscored = sum(e.n for e in estimates), sum(e.n_unscored for e in estimates)
    drawn = plural(draws, "scored answer") + (f", {unscored:,} unscored" if unscored else "")
    if main is None:
        return Fact("Answers", f"{draws:,}", (f"{unscored:,} more without a score" if unscored else "all scored",))
    if main.is_average:
        return Fact("Tasks", f"{len({g.task for g in groups if not g.is_average}):,}", (drawn,))
    return Fact("Items", f"{max((e.n_items for e in estimates), default=0):,}", (drawn,))


def _pairs_words(result: Evaluation, pairs: int, within: bool, groups: Sequence[Group]) -> str:  # noqa: FBT001
    if pairs == 1:
        return "pair of models"
    if result.correction == "none":
        return "pairs, no correction"
    where = f" within each {group_word(groups)}" if within else ""
    return f"pairs, {_CORRECTIONS.get(result.correction, result.correction)}-corrected{where}"


def notices(result: Evaluation) -> tuple[Notice, ...]:
    """Return what must not be missed: files that were not read."""
    if not result.unread:
        return ()
    files = plural(len(result.unread), "file was", "files were")
    return (Notice("warning", (f"{files} not read. The reasons are listed under “Files not read”.",)),)


def footer(result: Evaluation) -> tuple[str, ...]:
    """Return the version and the time."""
    p = result.provenance
    parts = [f"neff {p.neff_version}".strip() if p else "neff"]
    if p and p.created:
        parts.append(p.created)
    return tuple(parts)
