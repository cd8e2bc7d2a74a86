from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from unseen.baselines import BASELINES
from unseen.baselines.base import Baseline

HIDDEN = ("beacon", "ftp_bruteforce", "service_scan", "slow_read", "udp_scan")

# Most of these equal a benign flow in every feature: no method can tell them, so they say nothing about any.
TWINS = ("portscan", "syn_flood")

# Enough steps to learn from 1,500 rows.
STEPS = 300
# Larger networks: fewer suffice, and cost as much.
RIVAL_STEPS = 120


class Split:
    """Some 1,500 rows of real traffic to fit on, and others to test on, hidden families among them."""

    def __init__(self, X: pa.Table, y: np.ndarray) -> None:
        rng = np.random.default_rng(2)
        shuffled = rng.permutation(len(y))
        benign, known = (shuffled[mask[shuffled]] for mask in (y == "benign", ~np.isin(y, ("benign", *HIDDEN, *TWINS))))
        hidden = shuffled[np.isin(y, HIDDEN)[shuffled]]
        train = np.sort(np.concatenate([benign[:1100], known[:400]]))
        test = np.sort(np.concatenate([benign[1100:2600], known[400:1200], hidden[:700]]))
        self.X, self.y = X.take(train), y[train]
        self.X_test, self.y_test = X.take(test), y[test]
        self.normal_test = self.X_test.filter(pa.array(self.y_test == "benign"))


@pytest.fixture(scope="session")
def split(lab: tuple[pa.Table, np.ndarray]) -> Split:
    return Split(*lab)


@pytest.fixture(scope="session", autouse=True)
def short_training() -> Iterator[None]:
    """Networks train for fewer steps here than in earnest."""
    from unseen.baselines import coral, mtae, mtl_red, networks, odin, resad
    from unseen.nn.meta.presets import FAST
    from unseen.nn.rivals import classifier

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "_STEPS", STEPS)
        patch.setattr(networks, "_DEVNET_STEPS", STEPS)
        # Half the width and half the depth: enough for what is tested.
        small = FAST.model_copy(update={"width": 64, "blocks": 1})
        patch.setattr(classifier, "FAST", small)
        for rival in (coral, mtae, mtl_red, odin, resad):
            patch.setattr(rival, "_STEPS", RIVAL_STEPS)
        for rival in (coral, mtl_red, odin):
            patch.setattr(rival, "_SHORT", RIVAL_STEPS // 8)
        yield


@pytest.fixture(scope="session")
def fitted_of(split: Split) -> Callable[[str], Any]:
    """Each baseline, fitted once for all tests."""

    @cache
    def fit(name: str) -> Baseline:
        made = BASELINES[name](normal="benign")
        assert isinstance(made, Baseline)
        return made.fit(split.X, split.y)

    return fit


@pytest.fixture(params=list(BASELINES))
def fitted(request: pytest.FixtureRequest, fitted_of: Callable[[str], Any]) -> Any:
    return fitted_of(request.param)
