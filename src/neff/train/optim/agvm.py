"""AGVM: a learning rate for each module, so that all modules have the gradient noise of one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_count, check_number
from neff.train._caller import warn
from neff.train.optim._halves import RankHalves, phi
from neff.train.optim._rates import ScaledRates
from neff.train.optim.warnings import UnstableGradientWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["AGVM", "agvm_ratio"]


def agvm_ratio(anchor: float, module: float, *, clamp: tuple[float, float] = (0.5, 10.0), eps: float = 1e-6) -> float:
    """Return the factor of a module's learning rate from the noise of the anchor's gradient and of its own.

    Use it where noise is measured elsewhere (`neff.train.batch_size.gradient_phi`). Not smoothed: `AGVM` averages over
    updates.

    Parameters
    ----------
    anchor, module
        One minus the cosine between the gradients of two halves of the batch, in [0, 2].
    clamp
        Bounds on the ratio of the two, before the root: the factor stays within [0.707, 3.162] by default.
    eps
        Added to both, above 0.

    Returns
    -------
    float
        sqrt(clamp((anchor + eps) / (module + eps))).

    Raises
    ------
    ArgumentError
        If `eps` is not above 0.

    Examples
    --------
    >>> [round(agvm_ratio(0.02, module), 7) for module in (0.02, 0.005, 0.08)]
    [1.0, 1.99985, 0.7071068]
    """
    if not eps > 0:
        raise ArgumentError("eps", "above 0", eps, "Two halves may agree exactly.", call="agvm_ratio")
    return math.sqrt(min(max((anchor + eps) / (module + eps), clamp[0]), clamp[1]))


class AGVM:
    """Scale the learning rate of each module until its gradient is as noisy as that of an anchor module.

    Use it with large batches and networks whose modules see very different numbers of signals per example (a head on
    every pixel, a classifier once per image). Its mechanism is confirmed at small scale (see the guide), a gain in
    training is not: no setting that we tried had one beyond the noise of seeds. Not during warm-up of the learning
    rate, which is the usual cause of divergence, and not with a noisy anchor, which raises all other rates.

    Parameters
    ----------
    optimizer
        Any torch optimizer with a learning rate in each parameter group.
    modules
        Name to module (or parameters): each parameter group must lie within one; several groups may share one. None:
        the `"name"` of each parameter group.
    anchor
        Name of the module that keeps its rate.
    tau
        Optimizer steps from one update to the next.
    alpha
        Weight of the past at an update, in [0, 1).
    start
        First step with an update: after the warm-up of the learning rate.
    clamp, eps
        As for `agvm_ratio`.
    precondition
        "auto": compare directions as Adam sees them where the optimizer keeps second moments; "none": raw gradients.
    across_ranks
        Under data parallelism: the halves are the first and second half of the ranks, of which there must be an even
        number with batches of the same size. Every rank builds the object at the same time, and calls `reduce`.

    Attributes
    ----------
    factors
        Present factor of each module, all 1 at first.
    phi
        One minus the cosine of each module at the last update; NaN where it was undefined.
    steps, n_skipped
        Optimizer steps so far, and modules left out of an update for NaN or infinity.

    Raises
    ------
    ArgumentError
        If the anchor is unknown, a group has no module or several, or an option is out of range.

    Notes
    -----
    With isotropic noise of scale S, E[phi] = 2 S / (B + 2 S) at batch size B. Decoupled weight decay is scaled too.
    Costs one more copy of the gradients at an update, nothing else.

    References
    ----------
    Xue et al., arXiv:2210.11078. The clamp is in the released code, not in our source for the paper.

    Examples
    --------
    >>> import torch
    >>> from neff.train.optim import split_halves
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.ModuleDict({"body": torch.nn.Linear(5, 3), "head": torch.nn.Linear(3, 1)})
    >>> groups = [{"params": list(m.parameters()), "name": name} for name, m in model.items()]
    >>> agvm = AGVM(torch.optim.SGD(groups, lr=0.1), anchor="body", tau=2)
    >>> for _ in range(3):
    ...     x = torch.randn(8, 5)
    ...     agvm.optimizer.zero_grad()
    ...     for part in split_halves(x) if agvm.due else [x]:
    ...         model["head"](model["body"](part).tanh()).square().mean().backward()
    ...         agvm.half()
    ...     agvm.step()
    >>> agvm.steps, sorted(agvm.phi), agvm.factors["body"]
    (3, ['body', 'head'], 1.0)
    """

    def __init__(
        self,
        optimizer: Any,
        modules: Mapping[str, nn.Module | Iterable[Tensor]] | None = None,
        *,
        anchor: str,
        tau: int = 10,
        alpha: float = 0.97,
        start: int = 0,
        clamp: tuple[float, float] = (0.5, 10.0),
        eps: float = 1e-6,
        precondition: str = "auto",
        across_ranks: bool = False,
    ) -> None:
        call = "AGVM"
        self._rates = ScaledRates(optimizer, call)
        self._owner = _owners(optimizer, modules)
        names = list(dict.fromkeys(self._owner))
        self.anchor = check_choice(anchor, names, argument="anchor", call=call)
        self.tau = check_count(tau, argument="tau", call=call, minimum=1)
        self.start = check_count(start, argument="start", call=call)
        self.alpha = check_number(alpha, argument="alpha", call=call)
        if not 0 <= self.alpha < 1:
            raise ArgumentError("alpha", "at least 0 and below 1", alpha, call=call)
        self.clamp = (float(clamp[0]), float(clamp[1]))
        if not 0 < self.clamp[0] <= 1 <= self.clamp[1]:
            raise ArgumentError("clamp", "bounds around 1", clamp, call=call)
        self.eps = check_number(eps, argument="eps", call=call)
        if not 0 < self.eps < math.inf:
            raise ArgumentError("eps", "above 0", eps, "Two halves may agree exactly.", call=call)
        self.precondition = check_choice(precondition, ("auto", "none"), argument="precondition", call=call)
        self.factors = dict.fromkeys(names, 1.0)
        self.phi = dict.fromkeys(names, math.nan)
        self.steps = self.n_skipped = 0
        self._first: list[Tensor | None] | None = None
        self._measured = False
        self._ranks = RankHalves() if across_ranks else None

    @property
    def optimizer(self) -> Any:
        """The optimizer whose rates are scaled."""
        return self._rates.optimizer

    @property
    def due(self) -> bool:
        """Whether the coming step is an update, which needs the gradients of two halves."""
        wait = self.steps - self.start
        return len(self.factors) > 1 and wait >= 0 and wait % self.tau == 0

    def half(self) -> None:
        """Take the gradients of one half of the batch: call it after the backward pass of each.

        The second call leaves their mean in the parameters: the gradient of the batch, where each half's loss is a
        mean. Several micro-batches may make a half. Does nothing where no update is due.

        Raises
        ------
        ArgumentError
            If it is called a third time before `step`, or the halves are those of the ranks.
        """
        if not self.due:
            return
        if self._ranks is not None or self._measured:
            fix = "Call reduce() once." if self._ranks is not None else "Call step() after two halves."
            raise ArgumentError("the halves", "two for each step, on one rank", "another call", fix, call="AGVM.half")
        parameters = self._parameters()
        if self._first is None:
            self._first = [p.grad for p in parameters]
            for p in parameters:
                p.grad = None
            return
        second = [p.grad for p in parameters]
        self._update(self._first, second)
        for p, a, b in zip(parameters, self._first, second, strict=True):
            p.grad = _mean(a, b)
        self._first, self._measured = None, True

    def reduce(self) -> None:
        """Reduce the gradients of the ranks, in halves: call it after a backward pass that was not synchronized.

        Under DistributedDataParallel run the backward pass within `model.no_sync()` where `due` is true, then call
        this; it leaves the mean over all ranks in the parameters. Does nothing where no update is due.

        Raises
        ------
        ArgumentError
            If the halves are not those of the ranks, or it is called twice before `step`.
        """
        if not self.due:
            return
        if self._ranks is None or self._measured:
            fix = "Build AGVM with across_ranks=True and call it once."
            raise ArgumentError("the halves", "those of the ranks", "another call", fix, call="AGVM.reduce")
        parameters = self._parameters()
        first, second = self._ranks.gather([p.grad for p in parameters], parameters)
        self._update(first, second)
        for p, a, b in zip(parameters, first, second, strict=True):
            p.grad = _mean(a, b)
        self._measured = True

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """Take the optimizer step with the rate of each module, and put the rates back.

        Raises
        ------
        ArgumentError
            If an update is due and the gradients of its halves were not given.
        """
        if self.due and not self._measured:
            fix = "Where `due` is true call half() after each of two backward passes, or reduce() across ranks."
            raise ArgumentError("the halves", "given before an update", "none or one", fix, call="AGVM.step")
        self._rates.apply([self.factors[name] for name in self._owner])
        try:
            result = self.optimizer.step(*args, **kwargs)
        except BaseException:
            self._rates.restore(check=False)
            raise
        self._rates.restore()
        self.steps += 1
        self._measured = False
        return result

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint between two steps must keep."""
        return {"factors": dict(self.factors), "steps": self.steps, "n_skipped": self.n_skipped, "anchor": self.anchor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        ArgumentError
            If it is of other modules or of another anchor.
        """
        call = "AGVM.load_state_dict"
        if set(state["factors"]) != set(self.factors):
            raise ArgumentError("state", f"of the modules {sorted(self.factors)}", sorted(state["factors"]), call=call)
        if state["anchor"] != self.anchor:
            raise ArgumentError("state", f"of the anchor {self.anchor!r}", state["anchor"], call=call)
        self.factors = {name: float(state["factors"][name]) for name in self.factors}
        self.steps, self.n_skipped = int(state["steps"]), int(state["n_skipped"])
        self._first, self._measured = None, False

    def _parameters(self) -> list[Any]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def _update(self, first: list[Tensor | None], second: list[Tensor | None]) -> None:
        found = phi(self.optimizer, self._owner, first, second, adam=self.precondition == "auto")
        if self._ranks is not None:
            found = self._ranks.agree(found)
        self.phi = {name: value for name, (value, _) in found.items()}
        bad = sum(broken for _, broken in found.values())
        if bad:
            self.n_skipped += bad
            warn(UnstableGradientWarning(UnstableGradientWarning.__doc__ or ""))
        base = self.phi[self.anchor]
        for name, value in self.phi.items():
            if name != self.anchor and not math.isnan(base) and not math.isnan(value):
                target = agvm_ratio(base, value, clamp=self.clamp, eps=self.eps)
                self.factors[name] = self.alpha * self.factors[name] + (1 - self.alpha) * target


def _owners(optimizer: Any, modules: Mapping[str, nn.Module | Iterable[Tensor]] | None) -> list[str]:
    """Return the module of each parameter group."""
    if modules is None:
        names = [group.get("name") for group in optimizer.param_groups]
        if any(not isinstance(name, str) for name in names):
            fix = 'Give modules={...}, or parameter groups with a "name".'
            raise ArgumentError("optimizer", "one whose parameter groups have names", names, fix, call="AGVM")
        return [str(name) for name in names]
    owner: dict[int, str] = {}
    for name, module in modules.items():
        for p in module.parameters() if isinstance(module, nn.Module) else module:
            if owner.setdefault(id(p), name) != name:
                fix = "A shared parameter belongs to one module: list it once."
                raise ArgumentError("modules", "disjoint", f"{owner[id(p)]!r} and {name!r} share one", fix, call="AGVM")
    found = []
    for i, group in enumerate(optimizer.param_groups):
        names_of = sorted({owner.get(id(p), "") for p in group["params"]})
        if len(names_of) != 1 or names_of == [""]:
            fix = "Give each module parameter groups of its own."
            got = f"group {i} with parameters of {[name or 'none' for name in names_of]}"
            raise ArgumentError("optimizer", "one whose groups lie within a module each", got, fix, call="AGVM")
        found.append(names_of[0])
    return found


def _mean(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        one = a if b is None else b
        return None if one is None else one.div_(2)
    return a.add_(b).div_(2)  # in place: both are ours
