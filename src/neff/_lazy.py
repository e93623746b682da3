"""Names of a package that are loaded on first use, with the extra to install where one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neff.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy"]


def lazy(
    package: str, homes: Mapping[str, str], *, extra: str | None = None, needs: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`, for names that live in modules below it.

    Parameters
    ----------
    package
        The `__name__` of the package.
    homes
        Module of each public name, relative to the package: `{"ess_adaptive": "losses.ess_adaptive"}`.
    extra, needs
        The extra of neff, and the top-level module it brings, without which a home cannot be imported.

    Returns
    -------
    tuple
        `(__getattr__, __dir__)`.

    Examples
    --------
    >>> get, names = lazy("neff.stats", {"ess": "weights"})
    >>> get("ess").__name__, names()
    ('ess', ['ess'])
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(f"{package}.{home}")
        except ModuleNotFoundError as error:
            if extra is None or (error.name or "").partition(".")[0] != needs:
                raise
            raise MissingExtraError(f"{package}.{name}", extra) from error
        return getattr(module, name)

    def __dir__() -> list[str]:  # noqa: N807
        return sorted(homes)

    return __getattr__, __dir__
