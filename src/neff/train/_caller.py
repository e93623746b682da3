"""Warnings at the line that called this package, however deep inside they arise."""

from __future__ import annotations

import contextlib
import inspect
import os
import warnings
from pathlib import Path

__all__ = ["warn"]

INSIDE = (f"{Path(__file__).parent}{os.sep}", contextlib.contextmanager.__code__.co_filename)


def warn(found: Warning) -> None:
    """Issue the warning at the line outside this package that led to it."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(found, stacklevel=level)
