"""An experiment of seconds: toy methods on the small table of the runner's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.bench.conftest import FAMILIES

from unseen.bench.data import DataSpec
from unseen.bench.experiments import Experiment, Outcome, Variant, run_experiment
from unseen.bench.protocol import Protocol, user_protocol

TOY = "toy_methods:Distance"


@pytest.fixture
def toy() -> Experiment:
    return Experiment(
        name="toy",
        title="A toy",
        question="Does distance from the mean beat chance?",
        design=("One thing is changed.",),
        protocols=("lab",),
        variants=(
            Variant("distance", "distance from the normals' mean", TOY),
            Variant("few labels", "the same with two rows a class", TOY, shots=2),
            Variant("chance", "a score without meaning", "random"),
            Variant("slow one", "asked for by name", TOY, {"power": 1.0}, slow=True),
        ),
        reference="distance",
        answer=lambda outcome: [f"{len(outcome.renamed)} results."],
        seeds=(0, 1),
    )


@pytest.fixture
def hidden(small_spec: DataSpec) -> tuple[Protocol, DataSpec]:
    """Two families hidden together."""
    return user_protocol(small_spec.name, classes=FAMILIES[:2]), small_spec


@pytest.fixture
def each(small_spec: DataSpec) -> tuple[Protocol, DataSpec]:
    """One family hidden at a time."""
    return user_protocol(f"{small_spec.name}-each"), small_spec


@pytest.fixture
def ran(toys: None, tmp_path: Path, hidden: tuple[Protocol, DataSpec]) -> Callable[..., Outcome]:
    """Runs an experiment on the small table."""

    def run(experiment: Experiment, **options: Any) -> Outcome:
        given: dict[str, Any] = {"results": tmp_path / "r", "protocols": [hidden], "command": ["unseen"], **options}
        return run_experiment(experiment, **given)

    return run
