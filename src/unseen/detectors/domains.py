"""Domains of normals, and which of them each family is tied to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from unseen.schema import shorten

__all__ = ["FEWEST", "Domains", "assign_domains"]

# Fewer normals than this are no domain to learn from.
FEWEST = 32

# Rows the clusters are found on; more change them little and cost time.
_CLUSTERED = 10_000


@dataclass(frozen=True, eq=False)
class Domains:
    """The domains of the normals to learn from.

    Attributes:
        names: Their names.
        of: The domain of each normal row, as a number, shape (n,).
        tied: The domain each family is tied to, in the order of the families.
        messages: What was joined or found otherwise than asked for.
    """

    names: tuple[str, ...]
    of: NDArray[np.intp]
    tied: tuple[int, ...]
    messages: list[str]


def assign_domains(
    normals: NDArray[np.float32],
    named: NDArray[np.str_] | None,
    known: NDArray[np.float32],
    known_named: NDArray[np.str_] | None,
    classes: NDArray[np.str_],
    families: list[str],
    *,
    clusters: int,
    seed: int,
) -> Domains:
    """Find the domains by name or by clustering, and tie each family to one.

    A family belongs to the domain that most of its rows name. Where they name none that has normals, it is tied to the
    one nearest to its rows: that whose mean normal is nearest to most of them.

    Arguments:
        normals: Prepared normals, shape (n, d).
        named: The domain of each, or ``None`` to cluster them.
        known: Prepared known anomalies, shape (m, d).
        known_named: The domain of each, or ``None``.
        classes: The family of each.
        families: The families in order.
        clusters: How many domains to find where none are named; fewer where the normals are few.
        seed: Seeds the clustering.
    """
    messages: list[str] = []
    if named is None:
        names, of = _clustered(normals, clusters, seed)
    else:
        names, of = _named(normals, named, messages)
    centres = _centres(normals, of, len(names))
    tied = []
    for family in families:
        rows = classes == family
        home = None if known_named is None else _most_frequent(known_named[rows], names)
        tied.append(_nearest(known[rows], centres) if home is None else home)
    if len(names) == 1:
        messages.append("there is one domain of normals: every episode learns the same normals")
    elif len(families) > 1 and len(set(tied)) == 1:
        messages.append(f"all families are tied to the domain {names[tied[0]]!r}; the others take turns beside it")
    return Domains(names, of, tuple(tied), messages)


def _clustered(normals: NDArray[np.float32], clusters: int, seed: int) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    most = max(1, min(clusters, len(normals) // FEWEST))
    if most == 1:
        return ("all",), np.zeros(len(normals), dtype=np.intp)
    rng = np.random.default_rng([seed, 0xD0])
    sample = normals if len(normals) <= _CLUSTERED else normals[np.sort(rng.permutation(len(normals))[:_CLUSTERED])]
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: some stay empty and are dropped below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(most, n_init=1, random_state=int(rng.integers(2**31))).fit(sample)
    of = _labels(normals, found.cluster_centers_.astype(np.float32))
    of = _joined(normals, of, most)
    present, of = np.unique(of, return_inverse=True)
    return tuple(f"cluster {number + 1}" for number in range(len(present))), of.astype(np.intp)


def _named(
    normals: NDArray[np.float32], named: NDArray[np.str_], messages: list[str]
) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    all_names, of = np.unique(named, return_inverse=True)
    counts = np.bincount(of)
    joined = _joined(normals, of.astype(np.intp), len(all_names))
    small = [str(name) for name, count in zip(all_names, counts, strict=True) if count < FEWEST]
    present, codes = np.unique(joined, return_inverse=True)
    if small and len(all_names) > 1:
        messages.append(
            f"domains with fewer than {FEWEST} normals to learn from were joined to their nearest: {shorten(small)}"
        )
    return tuple(str(name) for name in all_names[present]), codes.astype(np.intp)


def _joined(normals: NDArray[np.float32], of: NDArray[np.intp], domains: int) -> NDArray[np.intp]:
    """Join each domain that is too small to the nearest that is not, or all where none is large enough."""
    counts = np.bincount(of, minlength=domains)
    large = np.flatnonzero(counts >= FEWEST)
    if not large.size:
        large = np.array([int(np.argmax(counts))])
    centres = _centres(normals, of, domains)
    target = np.arange(domains)
    for small in np.setdiff1d(np.flatnonzero(counts), large):
        target[small] = large[int(np.argmin(np.square(centres[large] - centres[small]).sum(axis=1)))]
    return np.asarray(target[of], dtype=np.intp)


def _centres(normals: NDArray[np.float32], of: NDArray[np.intp], domains: int) -> NDArray[np.float64]:
    centres = np.zeros((domains, normals.shape[1]))
    for domain in range(domains):
        rows = normals[of == domain]
        if len(rows):
            centres[domain] = rows.mean(axis=0, dtype=np.float64)
    return centres


def _labels(rows: NDArray[np.float32], centres: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.intp]:
    distance = np.stack([np.square(rows - centre).sum(axis=1) for centre in centres])
    return np.asarray(distance.argmin(axis=0), dtype=np.intp)


def _nearest(rows: NDArray[np.float32], centres: NDArray[np.float64]) -> int:
    return int(np.bincount(_labels(rows, centres), minlength=len(centres)).argmax())


def _most_frequent(values: NDArray[np.str_], names: tuple[str, ...]) -> int | None:
    """The position of the most frequent value that is among the names."""
    counts = [int(np.count_nonzero(values == name)) for name in names]
    return int(np.argmax(counts)) if max(counts) else None
