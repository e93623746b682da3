"""The few words of SVG that the figures need: escaped, short, and without a single inline style."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from neff.report.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["figure", "n", "safe", "tag", "text_width"]


def safe(text: object) -> str:
    """Return text for HTML and SVG: control characters made visible, markup escaped, quotes too."""
    return escape(clean(text), quote=True)


def n(value: float) -> str:
    """Return a coordinate, to a tenth of a pixel.

    Examples
    --------
    >>> n(12.0), n(0.25), n(-0.04)
    ('12', '0.2', '0')
    """
    short = f"{value:.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


def tag(name: str, inner: str = "", **attributes: object) -> str:
    """Return an element; `class_` is the attribute class, and numbers are shortened.

    Examples
    --------
    >>> tag("rect", x=1.0, width=2, class_="a")
    '<rect x="1" width="2" class="a"/>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{n(value) if isinstance(value, float) else safe(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def figure(
    body: Iterable[str], *, width: float, height: float, identity: str, title: str, description: str, kind: str
) -> str:
    """Return an SVG image with a title and a description for those who cannot see it."""
    head = (
        f'<svg class="{kind}" role="img" viewBox="0 0 {n(width)} {n(height)}" width="{n(width)}" height="{n(height)}" '
        f'aria-labelledby="{identity}-t {identity}-d"><title id="{identity}-t">{safe(title)}</title>'
        f'<desc id="{identity}-d">{safe(description)}</desc>'
    )
    return head + "".join(body) + "</svg>"


def text_width(characters: int, size: float) -> float:
    """Return about how wide text of the system's sans serif is, in pixels."""
    return 0.6 * size * characters  # the widest common fonts; others leave a little air
