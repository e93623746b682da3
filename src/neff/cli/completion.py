"""`neff completion`."""

from __future__ import annotations

from typing import Literal

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell.

    For example:
      neff completion bash > ~/.local/share/bash-completion/completions/neff
      neff completion zsh > ~/.zfunc/_neff
      neff completion fish > ~/.config/fish/completions/neff.fish

    Parameters
    ----------
    shell
        The shell to complete in.
    """
    from neff.cli.app import build
    from neff.cli.streams import show

    show(build().generate_completion(shell=shell))
    return 0
