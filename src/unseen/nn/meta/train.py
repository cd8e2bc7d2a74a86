"""Meta-training: episodes of both loops, with a checkpoint after each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from unseen.errors import ArtifactError
from unseen.metrics import auroc
from unseen.nn.checkpoint import Checkpoint, TrainingState, fingerprint, load_checkpoint, save_checkpoint
from unseen.nn.meta.episodes import LEAST_COVERAGE, Roles, coverage, next_roles, planned_episodes
from unseen.nn.meta.joint import train_joint
from unseen.nn.meta.loops import inner_loop, outer_loop
from unseen.nn.meta.network import MetaNetwork, build_network, scores
from unseen.nn.meta.rows import MetaRows
from unseen.nn.meta.settings import MetaSettings
from unseen.nn.seeding import derive_seed
from unseen.nn.train import Progress, ProgressCallback

__all__ = ["MetaReport", "train_meta"]

# Rows an episode is judged by; enough to order families, few enough to cost little.
_MOST_NORMALS, _MOST_KNOWN = 1000, 100


class MetaReport(BaseModel):
    """What happened in a meta-training; only the time differs between equal runs.

    Arguments:
        history: One record an episode: losses, ``temperature``, ``macro_auroc`` on seen validation rows, and for each
            family ``role/NAME`` (1 inner, 2 outer, 3 both), ``p_normal/NAME`` before and ``auroc/NAME`` after it.
        coverage: How often each family served in the inner and in the outer role.
        kept_episode: The episode (from 1) that was kept.
        selected_episode: The one that the seen families' validation rows select, whichever was kept.
        seconds: The time spent, over all resumed parts.
        messages: What the user should know.
    """

    history: list[dict[str, float]]
    coverage: dict[str, dict[str, int]]
    kept_episode: int
    selected_episode: int
    seconds: float
    messages: list[str] = []


def train_meta(
    rows: MetaRows,
    settings: MetaSettings,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: ProgressCallback | None = None,
    after_episode: Callable[[int, MetaNetwork], None] | None = None,
) -> tuple[MetaNetwork, MetaReport]:
    """Train; the same seed, rows and settings give the same bits, killed and resumed or not.

    An episode's randomness is a function of seed and episode alone, and both loops start their optimizers anew, so the
    network after an episode is all there is to keep.

    Arguments:
        rows: The rows by domain and family; at least one family.
        settings: The constants.
        checkpoint: A file for the state after every episode; ``None`` keeps none.
        resume: Whether to go on from that file where it exists.
        progress: Called after every step.
        after_episode: Called with an episode's number (from 1) and the network; it must not change it.

    Raises:
        TrainingError: If a loss is no longer finite.
        ArtifactError: If the checkpoint belongs to another training or is damaged.
    """
    run = _Run(rows, settings, progress)
    plan = None if checkpoint is None else Checkpoint(checkpoint, resume, _identity(rows, settings))
    if settings.mode == "joint":
        return run.joint(plan)
    if plan is not None and plan.resume and plan.path.exists():
        run.restore(plan)
    while len(run.history) < run.episodes:
        run.episode()
        if plan is not None:
            save_checkpoint(plan.path, run.state(), plan.fingerprint)
        if after_episode is not None:
            after_episode(len(run.history), run.network)
    return run.finish()


class _Run:
    """The mutable side of one meta-training."""

    def __init__(self, rows: MetaRows, settings: MetaSettings, progress: ProgressCallback | None) -> None:
        self.rows, self.settings, self.progress = rows, settings, progress
        self.network = build_network(rows.normals.shape[1], settings)
        self.episodes = planned_episodes(len(rows.families), settings.episodes)
        if settings.directions == "one":
            self.episodes = settings.episodes
        self.history: list[dict[str, float]] = []
        # The selected episode's weights, and the mean of the weights so far.
        self.best: dict[str, Any] | None = None
        self.mean: dict[str, Any] | None = None
        self.seconds_before, self.started = 0.0, time.perf_counter()
        self.normals_judged = rows.normals_validation[:_MOST_NORMALS]
        self.known_judged = [rows.judged(family)[:_MOST_KNOWN] for family in range(len(rows.families))]

    def episode(self) -> None:
        """Run one episode."""
        number, settings, rows = len(self.history), self.settings, self.rows
        rng = np.random.default_rng(derive_seed(settings.seed, "episode", number))
        hardness = self._hardness()
        roles = next_roles(self.roles(), hardness, rng, directions=settings.directions, families=settings.families)
        record: dict[str, float] = {}
        for family, name in enumerate(rows.families):
            record[f"role/{name}"] = float((family in roles.inner) + 2 * (family in roles.outer))
            record[f"p_normal/{name}"] = float(hardness[family])
        if settings.inner:
            record["inner_loss"] = inner_loop(
                self.network,
                rows,
                roles.inner,
                number,
                settings,
                rng,
                name=f"inner loop of episode {number + 1}",
                labelled_of=self._labelled_of(roles),
                progress=self._shown(number),
            )
        if settings.outer:
            record |= outer_loop(self.network, rows, roles.outer, settings, rng)
        if settings.average:
            self._average(number)
        if settings.last_calibration and number + 1 == self.episodes:
            outer_loop(self.network, rows, tuple(range(len(rows.families))), settings, rng)
        record |= self._judge()
        self.history.append(record)
        if settings.keep == "selected" and self.selected == len(self.history):
            self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}

    def _average(self, number: int) -> None:
        """Take the weights into the mean over the second half of the episodes; after the last, keep that mean."""
        first = self.episodes // 2
        if number < first:
            return
        weights = self.network.state_dict()
        if self.mean is None:
            self.mean = {name: tensor.clone() for name, tensor in weights.items()}
        else:
            for name, mean in self.mean.items():
                mean += (weights[name] - mean) / (number - first + 1)
        if number + 1 == self.episodes:
            self.network.load_state_dict(self.mean)

    def _labelled_of(self, roles: Roles) -> tuple[int, ...]:
        """Whose anomalies the inner loop may see: the inner role's as released, all but the outer role's in ours."""
        if self.settings.mode == "released":
            return roles.inner
        return tuple(family for family in range(len(self.rows.families)) if family not in roles.outer)

    def roles(self) -> list[Roles]:
        """The roles of the episodes so far."""

        def serving(record: dict[str, float], bit: int) -> Iterator[int]:
            return (f for f, name in enumerate(self.rows.families) if int(record[f"role/{name}"]) & bit)

        return [Roles(tuple(serving(record, 1)), tuple(serving(record, 2))) for record in self.history]

    @property
    def selected(self) -> int:
        """The episode (from 1) with the best seen macro AUROC, the earliest of equals."""
        values = [record["macro_auroc"] for record in self.history]
        return int(np.argmax(values)) + 1

    def _hardness(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The mean probability of being normal of each family's rows: high where they are missed."""
        values = [scores(self.network, X, 0.0) for X in self.known_judged]
        return np.array([float(np.mean(1.0 / (1.0 + np.exp(np.clip(s, -700.0, 700.0))))) for s in values])

    def _judge(self) -> dict[str, float]:
        """AUROC of each family on seen validation rows, and their mean."""
        normal = scores(self.network, self.normals_judged, self.settings.step)
        areas = [auroc(normal, scores(self.network, X, self.settings.step)) for X in self.known_judged]
        named = {f"auroc/{name}": area for name, area in zip(self.rows.families, areas, strict=True)}
        return {**named, "macro_auroc": math.fsum(areas) / len(areas)}

    def _shown(self, episode: int) -> ProgressCallback | None:
        progress = self.progress
        if progress is None:
            return None

        def show(event: Progress, /) -> None:
            done = (event.epoch - 1) * event.steps + event.step
            steps = event.epochs * event.steps
            progress(Progress("meta-learning", episode + 1, self.episodes, done, steps, event.rows_per_second))

        return show

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    def state(self) -> TrainingState:
        # Both loops start their optimizers anew: the place of an optimizer's state is free for the mean.
        mean = {} if self.mean is None else {0: self.mean}
        return TrainingState(self.network.state_dict(), self.best, mean, self.history, self.seconds)

    def restore(self, plan: Checkpoint) -> None:
        state = load_checkpoint(plan.path, plan.fingerprint)
        try:
            self.network.load_state_dict(state.module)
        except RuntimeError as error:
            raise ArtifactError(f"The checkpoint {plan.path} does not fit this network: {error}") from error
        self.best, self.history, self.seconds_before = state.best, state.history, state.seconds
        self.mean = state.optimizer.get(0)

    def finish(self) -> tuple[MetaNetwork, MetaReport]:
        kept = len(self.history)
        if self.best is not None:
            kept = self.selected
            self.network.load_state_dict(self.best)
        counts = coverage(self.roles(), len(self.rows.families))
        messages = []
        scarce = [name for name, row in zip(self.rows.families, counts, strict=True) if row.min() < LEAST_COVERAGE]
        if scarce and self.settings.directions == "multi":
            messages.append(f"{len(scarce)} families served less than twice in a role: {', '.join(scarce[:5])}")
        report = MetaReport(
            history=self.history,
            coverage={
                name: {"inner": int(row[0]), "outer": int(row[1])}
                for name, row in zip(self.rows.families, counts, strict=True)
            },
            kept_episode=kept,
            selected_episode=self.selected,
            seconds=self.seconds,
            messages=messages,
        )
        return self.network.eval(), report

    def joint(self, plan: Checkpoint | None) -> tuple[MetaNetwork, MetaReport]:
        """The control in one go; its history has one record."""
        trained = train_joint(self.network, self.rows, self.settings, checkpoint=plan, progress=self.progress)
        record = {"loss": trained.history[-1]["loss"], **self._judge()}
        self.history = [record]
        report = MetaReport(
            history=self.history,
            coverage={},
            kept_episode=1,
            selected_episode=1,
            seconds=trained.seconds,
            messages=trained.messages,
        )
        return self.network.eval(), report


def _identity(rows: MetaRows, settings: MetaSettings) -> str:
    return fingerprint(
        "meta",
        settings,
        rows.normals,
        rows.domain,
        rows.known,
        rows.family,
        repr((rows.family_domain, rows.families, rows.domains)),
        rows.normals_validation,
        rows.known_validation,
        rows.family_validation,
        rows.inner_known,
        rows.inner_family,
    )
