"""Randomness that is a function of a seed, and never touches torch's global state."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["derive_seed", "generator", "isolated_rng"]

# The global generator belongs to the process: were two threads to swap it at once, one would give back the other's.
_swap = threading.RLock()


def derive_seed(seed: int, *path: int | str) -> int:
    """A seed for one purpose, derived from the user's seed and a path that names the purpose.

    Neighbouring seeds and epochs give unrelated streams, which adding small numbers to the seed would not.

    Arguments:
        seed: The user's seed.
        path: Names and numbers of the purpose, for example ``"shuffle", 3``.

    Returns:
        A number in ``[0, 2**63)``.

    Example:
        >>> derive_seed(0, "shuffle", 1) == derive_seed(0, "shuffle", 1)
        True
        >>> derive_seed(0, "shuffle", 1) == derive_seed(0, "shuffle", 2)
        False
    """
    text = repr((int(seed), *path)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def generator(seed: int, *path: int | str) -> torch.Generator:
    """A fresh CPU generator for one purpose (see `derive_seed`)."""
    return torch.Generator().manual_seed(derive_seed(seed, *path))


@contextmanager
def isolated_rng(seed: int, *path: int | str) -> Iterator[None]:
    """Seed torch's global CPU generator inside the block, and give it back untouched afterwards.

    Needed because dropout and the initialisers of `torch.nn` take no generator of their own. Threads wait for each
    other at the block's entrance.

    Arguments:
        seed: The user's seed.
        path: Names and numbers of the purpose, as in `derive_seed`.
    """
    with _swap, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, *path))
        yield
