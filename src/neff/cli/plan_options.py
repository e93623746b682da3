"""Options of `neff plan`: those of a plan of items, of labels, and of an audit; and which plan they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cyclopts import Group, Parameter

from neff.cli.options import Flag, Number, Whole  # noqa: TC001  (cyclopts reads the annotations)
from neff.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "NO_AUDIT",
    "NO_ITEMS",
    "NO_LABELS",
    "AuditSize",
    "Items",
    "Kind",
    "Labels",
    "given",
    "kind_of",
    "refuse_others",
]

Kind: TypeAlias = Literal["items", "labels", "audit"]

ITEMS = Group("Items (without --label-price or --audit-margin)", sort_key=1.1)
LABELS = Group("Labels (with --label-price)", sort_key=1.2)
AUDIT = Group("Audit (with --audit-margin)", sort_key=1.3)


@Parameter(name="*", group=ITEMS)
@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """How many items tell two models apart.

    Parameters
    ----------
    comparisons
        Divide the error by this many comparisons (Bonferroni). [default: 1]
    unscored
        Leave unscored draws out (the default), or count them as wrong.
    lower_is_better
        A lower score is better.
    b
        Plan for --a against this model only.
    """

    comparisons: Whole | None = None
    unscored: Literal["exclude", "wrong"] | None = None
    lower_is_better: Flag = False
    b: str | None = None


@Parameter(name="*", group=LABELS)
@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """How many answers to judge, and how many of them to label.

    Parameters
    ----------
    label_price
        Price of one label.
    score_price
        Price of one answer with its judge score. [default: 1]
    budget
        What may be spent, in the unit of the prices; or else say which --difference must be found.
    labels
        own: every model's answer to a labelled prompt is labelled (the default). shared: one answer is, and
        comparisons with the other models cannot be graded.
    fewest_labels
        Never plan with fewer labelled prompts. [default: 30]
    correlation
        Of two models' estimates; 0, the default, is cautious.
    judge_r2
        Share of the label variance that the calibrated judge explains, in the place of RECORDS.
    label_sd
        Standard deviation of the labels, beside --judge-r2; by default the largest possible.
    """

    label_price: Number | None = None
    score_price: Number | None = None
    budget: Number | None = None
    labels: Literal["own", "shared"] | None = None
    fewest_labels: Whole | None = None
    correlation: Number | None = None
    judge_r2: Number | None = None
    label_sd: Number | None = None


@Parameter(name="*", group=AUDIT)
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSize:
    """How many probe answers an audit needs.

    Parameters
    ----------
    audit_margin
        The largest mean of label minus calibrated score that would not matter.
    audit_sd
        Standard deviation of label minus calibrated score, in the place of RECORDS.
    audit_bias
        The mean that is really there; 0, the default, is optimistic.
    """

    audit_margin: Number | None = None
    audit_sd: Number | None = None
    audit_bias: Number | None = None


NO_ITEMS, NO_LABELS, NO_AUDIT = Items(), Labels(), AuditSize()

_NAMES = {"items": "items", "labels": "labels", "audit": "an audit"}


def given(options: Items | Labels | AuditSize) -> dict[str, Any]:
    """Return the options that were written."""
    values = {name: getattr(options, name) for name in options.__slots__}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def kind_of(labels: Labels, audit: AuditSize) -> Kind:
    """Return which plan is asked for: an audit's, if any of its options is there, else one of labels, else of items."""
    if given(audit):
        return "audit"
    return "labels" if given(labels) else "items"


def refuse_others(kind: Kind, written: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse options of another plan than the one asked for, and a plan without what makes it one.

    Raises
    ------
    ArgumentError
        If there are such options.
    """
    for other, options in written.items():
        for name, value in options.items():
            if other != kind:
                raise ArgumentError(
                    name,
                    f"left out of a plan of {_NAMES[kind]}",
                    value,
                    f"It belongs to a plan of {_NAMES[other]}; make one plan at a time.",
                )
    needed = {"labels": "label_price", "audit": "audit_margin"}.get(kind)
    if needed and needed not in written[kind]:
        flag = "--" + next(iter(written[kind])).replace("_", "-")
        raise ArgumentError(needed, f"given where {flag} is", None, f"A plan of {_NAMES[kind]} needs it.")
