"""Small made rows of two domains and four families, and settings that train in a moment."""

from __future__ import annotations

import numpy as np

from unseen.nn.meta.rows import MetaRows
from unseen.nn.meta.settings import MetaSettings

SMALL = MetaSettings(width=16, latent=8, blocks=1, episodes=3, inner_epochs=1, inner_batch=64, outer_epochs=2, seed=3)

FEATURES = 6


def made_rows(families: int = 4, shots: int = 12, *, shift: float = 3.0) -> MetaRows:
    rng = np.random.default_rng(0)

    def normal(domain: int, size: int) -> np.ndarray:
        return (rng.standard_normal((size, FEATURES)) + domain).astype(np.float32)

    def anomalous(family: int, size: int) -> np.ndarray:
        row = np.zeros(FEATURES)
        row[family % FEATURES] = shift
        return (rng.standard_normal((size, FEATURES)) + family % 2 + row).astype(np.float32)

    numbers = np.repeat(np.arange(families), shots)
    return MetaRows(
        normals=np.concatenate([normal(0, 150), normal(1, 150)]),
        domain=np.repeat([0, 1], 150),
        known=np.concatenate([anomalous(family, shots) for family in range(families)]),
        family=numbers,
        family_domain=tuple(family % 2 for family in range(families)),
        families=tuple(f"family {family}" for family in range(families)),
        domains=("monday", "tuesday"),
        normals_validation=np.concatenate([normal(0, 60), normal(1, 60)]),
        known_validation=np.concatenate([anomalous(family, shots) for family in range(families)]),
        family_validation=numbers,
        inner_known=np.empty((0, FEATURES), dtype=np.float32),
        inner_family=np.empty(0, dtype=np.intp),
    )
