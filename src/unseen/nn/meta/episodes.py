"""Which families serve in which role, episode by episode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_COVERAGE", "Roles", "coverage", "next_roles", "planned_episodes", "role_sizes"]

# Every family serves in each role at least so often.
LEAST_COVERAGE = 2

_MOST_INNER, _MOST_OUTER = 2, 3


@dataclass(frozen=True)
class Roles:
    """The families of one episode, by number: those whose normals are learned, and those calibrated against."""

    inner: tuple[int, ...]
    outer: tuple[int, ...]


def role_sizes(families: int) -> tuple[int, int]:
    """How many families serve in the inner and in the outer role.

    Two and three where there are enough; a lone family serves in both roles at once.

    Example:
        >>> [role_sizes(n) for n in (1, 2, 3, 4, 5, 9)]
        [(1, 1), (1, 1), (1, 2), (2, 2), (2, 3), (2, 3)]
    """
    inner = max(1, min(_MOST_INNER, families // 2))
    return inner, max(1, min(_MOST_OUTER, families - inner))


def planned_episodes(families: int, episodes: int) -> int:
    """The number of episodes: as asked for, or as many as every family needs to serve twice in both roles.

    Example:
        >>> planned_episodes(4, 20), planned_episodes(4, 1), planned_episodes(40, 20)
        (20, 7, 43)
    """
    if families == 1:
        return max(episodes, LEAST_COVERAGE)
    # A few more than the places need: a family in the outer role cannot take its turn in the inner one.
    needed = max(math.ceil(LEAST_COVERAGE * families / size) for size in role_sizes(families))
    return max(episodes, needed + 3)


def coverage(history: Sequence[Roles], families: int) -> NDArray[np.int64]:
    """How often each family served in the inner and in the outer role, shape (families, 2)."""
    counts = np.zeros((families, 2), dtype=np.int64)
    for roles in history:
        counts[list(roles.inner), 0] += 1
        counts[list(roles.outer), 1] += 1
    return counts


def next_roles(
    history: Sequence[Roles],
    hardness: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    directions: Literal["multi", "one"] = "multi",
    families: Literal["hard", "random"] = "hard",
) -> Roles:
    """The next episode's roles: in round-robin, those first that served least often, among them the hardest.

    Arguments:
        history: The roles of the episodes before.
        hardness: How hard each family is, shape (families,): the mean probability of being normal of its rows.
        rng: Breaks ties, and chooses where families are taken at random.
        directions: ``"one"`` repeats the first episode's roles.
        families: ``"random"`` takes any of those that served least often.
    """
    number = len(hardness)
    if directions == "one" and history:
        return history[0]
    served = coverage(history, number)
    # Drawn in either case, so that both choices see the same random numbers.
    tie = rng.random(number)
    order = tie if families == "random" else -hardness
    inner_size, outer_size = role_sizes(number)
    if number == 1:
        return Roles((0,), (0,))
    outer = _first(np.lexsort([tie, order, served[:, 1]]), outer_size)
    rest = np.setdiff1d(np.arange(number), outer)
    # Among equals, one that served much in the outer role has had fewer chances.
    inner = _first(rest[np.lexsort([tie[rest], -served[rest, 1], served[rest, 0]])], inner_size)
    return Roles(inner, outer)


def _first(order: NDArray[np.intp], size: int) -> tuple[int, ...]:
    return tuple(sorted(int(family) for family in order[:size]))
