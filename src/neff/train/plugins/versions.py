"""Which versions of the host packages the plug-ins were written for and tested against."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from neff.errors import MissingExtraError, NeffError

__all__ = ["SUPPORTED", "UnsupportedVersionError", "check_version"]

SUPPORTED: dict[str, tuple[str, str]] = {"trl": ("1.16", "1.17"), "verl": ("0.9.1", "0.10")}
"""First version of each host, and the first one that is too new. Tested: trl 1.16.0, verl 0.9.1."""


class UnsupportedVersionError(NeffError, ImportError):
    """The installed host is not one that this plug-in knows: it overrides methods that change between versions."""


def check_version(host: str) -> str:
    """Return the version of the installed host.

    Parameters
    ----------
    host
        "trl" or "verl".

    Returns
    -------
    str
        Its version, which is supported.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    UnsupportedVersionError
        If its version is outside `SUPPORTED`.

    Examples
    --------
    >>> SUPPORTED["trl"]
    ('1.16', '1.17')
    """
    try:
        found = version(host)
    except PackageNotFoundError as error:
        raise MissingExtraError(f"neff.train.plugins.{host}", host) from error
    low, high = SUPPORTED[host]
    if not _numbers(low) <= _numbers(found) < _numbers(high):
        text = f"neff.train.plugins.{host} works with {host}>={low},<{high}, and {found} is installed."
        raise UnsupportedVersionError(f"{text} Install it with: pip install '{host}>={low},<{high}'")
    return found


def _numbers(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, without zeros at the end: 1.16.0rc1 counts as 1.16."""
    numbers = []
    for part in text.split("."):
        digits = part[: next((k for k, letter in enumerate(part) if not letter.isdigit()), len(part))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
