"""What scikit-learn asks of an estimator, without scikit-learn: parameters by name."""

from __future__ import annotations

import inspect
from typing import Any, Self

from neff.errors import ArgumentError

__all__ = ["Parameters"]


class Parameters:
    """An estimator whose `__init__` keeps every argument, unchanged, under its own name: what `clone` needs."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002  (scikit-learn's)
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, and return the estimator."""
        for name, value in params.items():
            if name not in self._names():
                call = f"{type(self).__name__}.set_params"
                raise ArgumentError("params", f"among {', '.join(self._names())}", name, call=call)
            setattr(self, name, value)
        return self

    def _fitted(self, name: str, call: str) -> Any:
        """Return what `fit` has made."""
        try:
            return getattr(self, name)
        except AttributeError:
            raise ArgumentError(
                type(self).__name__, "fitted", "not fitted", "Call fit first.", call=f"{type(self).__name__}.{call}"
            ) from None

    def __repr__(self) -> str:
        standard = inspect.signature(type(self).__init__).parameters
        said = [f"{k}={v!r}" for k, v in self.get_params().items() if v is not standard[k].default]
        return f"{type(self).__name__}({', '.join(said)})"
