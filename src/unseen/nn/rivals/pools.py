"""Rows by domain, and batches with as many rows of every domain and class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unseen.nn.train import TrainSettings

__all__ = ["EPOCH_STEPS", "Pool", "Pools"]

# Rows are drawn, so no epoch passes over them, and domains may share their normals: an epoch is so many steps.
EPOCH_STEPS = 20

# A batch takes at most so many domains, others each time: with few rows of each a covariance is noise.
_MOST = 4


@dataclass(frozen=True)
class Pool:
    """One domain's rows.

    Attributes:
        normals: Prepared normals, shape (n, d), at least one.
        known: Prepared known anomalies, shape (m, d), at least one.
    """

    normals: NDArray[np.float32]
    known: NDArray[np.float32]


class Pools:
    """Draws batches from domains.

    Arguments:
        pools: The domains' rows.
    """

    def __init__(self, pools: Sequence[Pool]) -> None:
        self.normals = [torch.from_numpy(np.ascontiguousarray(pool.normals)) for pool in pools]
        self.known = [torch.from_numpy(np.ascontiguousarray(pool.known)) for pool in pools]
        self.most = min(_MOST, len(pools))

    def __len__(self) -> int:
        return len(self.normals)

    @property
    def features(self) -> int:
        """The number of prepared columns."""
        return self.normals[0].shape[1]

    def clock(self, settings: TrainSettings) -> Tensor:
        """Stands in for the training's rows, which are drawn instead; it only counts the steps of an epoch."""
        return torch.empty(EPOCH_STEPS * settings.batch_size)

    def draw(self, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw rows with replacement.

        Arguments:
            rows: Rows of either class in all domains together, divided evenly.
            generator: The source of randomness.

        Returns:
            The domains drawn from, shape (k,), and their rows, shape (k, 2, n, d): normals, then known anomalies.
        """
        chosen = torch.randperm(len(self), generator=generator)[: self.most]
        # A covariance needs two rows of each class at least.
        each = max(2, rows // self.most)
        drawn = [
            part[torch.randint(len(part), (each,), generator=generator)]
            for domain in chosen.tolist()
            for part in (self.normals[domain], self.known[domain])
        ]
        return chosen, torch.stack(drawn).view(len(chosen), 2, each, -1)
