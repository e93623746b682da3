"""The finding over several tasks or metrics, in plain words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from neff.report.groups import decided, main_group, same_pair
from neff.report.headline import group_lead, group_title
from neff.report.text import Name, plural
from neff.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Text
    from neff.report.groups import Group
    from neff.results import Comparison

__all__ = ["group_word", "headline"]


def headline(groups: Sequence[Group]) -> tuple[Text, tuple[Text, ...]]:
    """Return the title of a report and its leading sentences."""
    if not groups:
        return ("There are no scores",), ()
    main = main_group(groups)
    tasks = [g for g in groups if not g.is_average]
    if main is None:
        parts = [g for g in groups if g.is_average] or tasks
        pair = same_pair(parts)
        return _pair_over(parts, *pair) if pair else (_title_of_many(parts), _lead_of_many(parts))
    # One average over the tasks is what was asked for; the tasks follow.
    over = () if main.best is None or len(groups) == 1 else _standing_over(tasks, main.best.model)
    return group_title(main), (*group_lead(main), *over)


def group_word(groups: Sequence[Group]) -> str:
    """Return what the groups are: tasks, metrics, or both."""
    if len({g.metric for g in groups}) == 1:
        return "task"
    return "metric" if len({g.task for g in groups}) == 1 else "task and metric"


def _pair_over(
    groups: Sequence[Group], a: str, b: str, comparisons: Sequence[Comparison]
) -> tuple[Text, tuple[Text, ...]]:
    """Say where one of two models is better, and where they cannot be told apart."""
    better = Counter(c.a if c.verdict is Verdict.HOLDS else c.b for c in comparisons if decided(c))
    open_ = sum(decided(c) is False for c in comparisons)
    total, places, margin = len(comparisons), _places(groups), comparisons[0].margin
    if margin:
        wins = sum(c.verdict is Verdict.HOLDS for c in comparisons)
        where = f" by more than {margin:g} in {wins:,} of {total:,} {places}"
        title: Text = (Name(a), " is better than ", Name(b), where)
    elif not better:
        title = (Name(a), " and ", Name(b), f" cannot be told apart in any of {total:,} {places}")
    else:
        winner = a if better[a] >= better[b] else b
        where = f"all {total:,}" if better[winner] == total else f"{better[winner]:,} of {total:,}"
        title = (Name(winner), " is better than ", Name(b if winner == a else a), f" in {where} {places}")
    lead: list[Text] = []
    if open_ and (better or margin):
        lead.append((f"In {open_:,} of {total:,} the data do not tell.",))
    if better[a] and better[b] and not margin:
        loser = b if better[a] >= better[b] else a
        lead.append((Name(loser), f" is better in {better[loser]:,}."))
    return title, (*lead, *(_lead_of_many(groups) if total <= 3 else ()))


def _title_of_many(groups: Sequence[Group]) -> Text:
    best = Counter(g.best.model for g in groups if g.best is not None)
    if not best:
        return ("No score could be computed",)
    word, total = group_word(groups), len(groups)
    models = {e.model for g in groups for e in g.estimates}
    (model, wins), *rest = best.most_common(2)
    if len(models) == 1:
        return Name(model), f" on {plural(total, word, 'task and metric pairs' if ' ' in word else '')}"
    where = _places(groups)
    if wins == total:
        return Name(model), f" scores best in all {total:,} {where}"
    if rest and rest[0][1] == wins:
        return (f"No model leads: {len(best):,} models score best in at least one of {total:,} {where}",)
    return Name(model), f" scores best in {wins:,} of {total:,} {where}"


def _lead_of_many(groups: Sequence[Group]) -> tuple[Text, ...]:
    if len(groups) <= 3:
        lines = []
        for group in groups:
            parts = [part for sentence in group_lead(group) for part in (*sentence, " ")]
            lines.append((*group.title, ": ", *parts[:-1]) if group.title else tuple(parts[:-1]))
        return tuple(lines)
    front = Counter(model for g in groups for model in _front(g))
    if not front or not any(g.comparisons for g in groups):
        return ()
    wins = Counter(g.best.model for g in groups if g.best is not None)
    leader = max(front, key=lambda model: (front[model], wins[model]))
    alone = sum(len(_front(g)) == 1 and g.behind > 0 for g in groups)
    stands = "nowhere" if alone == 0 else f"in {alone:,} of {len(groups):,}"
    return (*_standing_over(groups, leader), (f"The best model stands alone {stands}.",))


def _front(group: Group) -> tuple[str, ...]:
    return () if group.best is None else (group.best.model, *group.not_told_apart)


def _standing_over(groups: Sequence[Group], model: str) -> tuple[Text, ...]:
    """Say in how many groups a model is best, or cannot be told from the best."""
    compared = [g for g in groups if g.comparisons and g.best is not None]
    if len(compared) < 2:
        return ()
    wins = sum(g.best is not None and g.best.model == model for g in compared)
    fronts = sum(model in _front(g) for g in compared)
    where = f"of {len(compared):,} {_places(compared)}"
    if not wins:
        return ((Name(model), f" scores best in none {where}, but cannot be told from the best in {fronts:,}."),)
    more = f", and cannot be told from the best in {fronts - wins:,} more" if fronts > wins else ""
    return ((Name(model), f" scores best in {wins:,} {where}{more}."),)


def _places(groups: Sequence[Group]) -> str:
    word = group_word(groups)
    return "combinations of task and metric" if " " in word else f"{word}s"
