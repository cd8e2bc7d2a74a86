"""The rows of one meta-training, and the few that each part of it draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SYNTHETIC", "MetaRows", "batches", "cycled", "inner_rows"]

Matrix = NDArray[np.float32]

# The family of rows that are nobody's: shuffled normals.
SYNTHETIC = -1


@dataclass(frozen=True, eq=False)
class MetaRows:
    """Prepared rows by domain and family.

    Attributes:
        normals: Normals to learn from, shape (n, d).
        domain: The domain of each, as a number, shape (n,).
        known: The shots: known anomalies to calibrate against, shape (m, d).
        family: The family of each, as a number, shape (m,).
        family_domain: The domain each family is tied to.
        families: The families' names.
        domains: The domains' names.
        normals_validation: Held-out normals.
        known_validation: Held-out known anomalies; a family may have none.
        family_validation: The family of each.
        inner_known: Anomalies that the inner loop sees: none as published, known ones in the mode ``"released"``.
        inner_family: The family of each, or ``SYNTHETIC`` for those of every episode.
    """

    normals: Matrix
    domain: NDArray[np.intp]
    known: Matrix
    family: NDArray[np.intp]
    family_domain: tuple[int, ...]
    families: tuple[str, ...]
    domains: tuple[str, ...]
    normals_validation: Matrix
    known_validation: Matrix
    family_validation: NDArray[np.intp]
    inner_known: Matrix
    inner_family: NDArray[np.intp]

    def shots(self, family: int) -> Matrix:
        """One family's shots."""
        return np.asarray(self.known[self.family == family])

    def judged(self, family: int) -> Matrix:
        """The rows one family is judged by: held-out ones, or its shots where it has none."""
        held_out: Matrix = self.known_validation[self.family_validation == family]
        return held_out if len(held_out) else self.shots(family)

    @property
    def untied(self) -> list[int]:
        """Domains no family is tied to."""
        return sorted(set(range(len(self.domains))) - set(self.family_domain))

    def inner_domains(self, families: Sequence[int], episode: int) -> list[int]:
        """The domains whose normals are learned: those of the families, and in turn one that no family is tied to."""
        chosen = {self.family_domain[family] for family in families}
        if self.untied:
            chosen.add(self.untied[episode % len(self.untied)])
        return sorted(chosen)


def inner_rows(
    pool: NDArray[np.intp], *, epochs: int, steps: int | None, batch: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], int]:
    """The normals of one inner loop and its passes over them: all, or as many as the limit on its steps allows.

    Example:
        >>> rows, passes = inner_rows(np.arange(1000), epochs=10, steps=2, batch=100, rng=np.random.default_rng(0))
        >>> len(rows), passes
        (200, 1)
    """
    steps_a_pass = -(-len(pool) // batch)
    if steps is None or steps_a_pass * epochs <= steps:
        return pool, epochs
    if steps <= steps_a_pass:
        size = min(steps * batch, len(pool))
        return np.sort(rng.choice(pool, size=size, replace=False)), 1
    return pool, steps // steps_a_pass


def cycled(rows: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Batches of one size without end: every row once in random order, then again in another."""
    left = np.empty(0, dtype=np.intp)
    while True:
        while len(left) < size:
            left = np.concatenate([left, rng.permutation(rows)])
        yield left[:size]
        left = left[size:]


def batches(pools: Sequence[Matrix], size: int, rng: np.random.Generator) -> Iterator[tuple[Matrix, NDArray[np.intp]]]:
    """Batches that hold as many rows of each pool, and the pool of each row.

    Arguments:
        pools: Rows by pool.
        size: Rows a pool has in a batch.
        rng: The source of randomness.
    """
    draws = [cycled(len(pool), size, rng) for pool in pools]
    of = np.repeat(np.arange(len(pools)), size)
    while True:
        yield np.concatenate([pool[next(draw)] for pool, draw in zip(pools, draws, strict=True)]), of
