"""The two loops of one episode: learn the normals, then calibrate the decision surface with few labelled anomalies."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unseen.errors import TrainingError
from unseen.nn.meta.losses import cross_entropy, normal_loss, outer_loss
from unseen.nn.meta.network import MetaNetwork, perturbed
from unseen.nn.meta.pcgrad import project_conflicts
from unseen.nn.meta.rows import SYNTHETIC, Matrix, MetaRows, batches, inner_rows
from unseen.nn.meta.settings import MetaSettings
from unseen.nn.train import ProgressCallback, Step, TrainSettings, train

__all__ = ["inner_loop", "outer_loop"]


def inner_loop(
    network: MetaNetwork,
    rows: MetaRows,
    families: tuple[int, ...],
    episode: int,
    settings: MetaSettings,
    rng: np.random.Generator,
    *,
    name: str,
    labelled_of: tuple[int, ...] = (),
    progress: ProgressCallback | None = None,
) -> float:
    r"""Train encoder, head and decoder on the normals of the inner role: :math:`-\log p_\mathrm{normal}` and restoring.

    Arguments:
        network: Changed in place, but for its temperature, which counts as 1.
        rows: All rows; in mode ``"released"`` the inner families' anomalies are seen too, at most 20,000 a family.
        families: The inner role.
        episode: Its number, from 0.
        settings: The constants.
        rng: Draws the rows where a limit on the steps leaves no time for all.
        labelled_of: The families whose anomalies are seen, where any are; the inner role by default.
        name: The training's name; its randomness follows from the seed and this.
        progress: Called after every step.

    Returns:
        The last pass's mean loss.

    Raises:
        TrainingError: If loss or gradient are no longer finite.
    """
    pool = np.flatnonzero(np.isin(rows.domain, rows.inner_domains(families, episode)))
    X, known, epochs = _inner_data(rows, pool, (*(labelled_of or families), SYNTHETIC), settings, rng)
    is_anomaly = torch.from_numpy(np.arange(len(X) + len(known)) >= len(X))

    def batch_loss(batch: tuple[Tensor, ...], _: Step) -> Tensor:
        x, anomalous = batch
        if not settings.reconstruction:
            return cross_entropy(network.margin(x), anomalous)
        views, error = network.views(x)
        # On normals alone the cross-entropy is -log p_normal.
        loss = cross_entropy(network.head_margin(views), anomalous)
        kept = error[~anomalous]
        return loss + settings.reconstruction * kept.mean() if len(kept) else loss

    constants = TrainSettings(
        epochs=epochs,
        batch_size=settings.inner_batch,
        optimizer="adamw",
        learning_rate=settings.inner_rate,
        weight_decay=settings.weight_decay,
        keep="last",
        seed=settings.seed,
    )
    data = (torch.from_numpy(np.concatenate([X, known])), is_anomaly)
    # Here the temperature counts as 1 and must not even decay.
    network.log_temperature.requires_grad_(False)
    try:
        report = train(network, batch_loss, data, constants, progress=progress, name=name)
    finally:
        network.log_temperature.requires_grad_(True)
    return report.history[-1]["loss"]


def outer_loop(
    network: MetaNetwork,
    rows: MetaRows,
    families: tuple[int, ...],
    settings: MetaSettings,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Train head and temperature on the outer families' shots, each against as many normals of its domain.

    The encoder is frozen and stays as it is to the last bit, unless the settings unfreeze its last block.

    Arguments:
        network: Changed in place and left in evaluation mode: what is calibrated is what will score.
        rows: All rows.
        families: The outer role.
        settings: The constants.
        rng: Draws batches and the orders of PCGrad.

    Returns:
        The mean ``outer_loss``, the ``conflicts`` a step, and the ``temperature``.

    Raises:
        TrainingError: If the loss is no longer finite.
    """
    network.eval()
    run = _Outer(network, settings, len(families))
    each = max(1, settings.outer_batch // 2 // len(families))
    anomalies = [rows.shots(family) for family in families]
    normals = [rows.normals[rows.domain == rows.family_domain[family]] for family in families]
    steps = settings.outer_epochs * math.ceil(max(len(shots) for shots in anomalies) / each)
    if settings.shuffled_outer:
        anomalies, normals = _shuffled(anomalies, normals, rng)
    tied_rows, shown_rows = batches(normals, each, rng), batches(anomalies, each, rng)
    clean_rows = batches([rows.normals], each * len(families), rng)
    losses, conflicts = [], 0
    for _ in range(steps):
        (tied, of_tied), (shown, of_shown), (clean, _) = next(tied_rows), next(shown_rows), next(clean_rows)
        orders = [rng.permutation(len(families) + 1).tolist() for _ in range(len(families) + 1)]
        loss, found = run.step(
            torch.from_numpy(np.concatenate([tied, shown])),
            torch.from_numpy(np.concatenate([of_tied, of_shown])),
            torch.from_numpy(np.arange(len(tied) + len(shown)) >= len(tied)),
            torch.from_numpy(clean),
            orders,
        )
        if not math.isfinite(loss):
            raise TrainingError(f"the outer loop's loss is {loss}: check that the prepared features are finite")
        losses.append(loss)
        conflicts += found
    return {
        "outer_loss": math.fsum(losses) / steps,
        "conflicts": conflicts / steps,
        "temperature": float(network.log_temperature.detach().exp()),
    }


def _inner_data(
    rows: MetaRows, pool: NDArray[np.intp], families: tuple[int, ...], settings: MetaSettings, rng: np.random.Generator
) -> tuple[Matrix, Matrix, int]:
    """Normals of the pool, the families' anomalies where any are seen, and how many times to pass over them."""
    labelled = [rows.inner_known[rows.inner_family == family] for family in families]
    labelled = [known for known in labelled if len(known)]
    # Where anomalies are seen too, they are half of a step's rows.
    share = settings.inner_batch // 2 if labelled else settings.inner_batch
    chosen, epochs = inner_rows(pool, epochs=settings.inner_epochs, steps=settings.inner_steps, batch=share, rng=rng)
    X = rows.normals[chosen]
    if labelled:
        labelled = [known[rng.integers(len(known), size=-(-len(X) // len(labelled)))] for known in labelled]
    known = np.concatenate([*labelled, rows.inner_known[:0]])
    if settings.replay:
        X = _replayed(X, rows.normals, np.zeros(len(rows.normals), dtype=np.intp), settings.replay, rng)
        known = _replayed(known, rows.inner_known, rows.inner_family, settings.replay, rng)
    return X, known, epochs


def _replayed(
    rows: Matrix, everything: Matrix, family: NDArray[np.intp], share: float, rng: np.random.Generator
) -> Matrix:
    """The rows with a share of them, at random, exchanged for rows of all families in equal parts."""
    size = round(share * len(rows))
    _, codes, counts = np.unique(family, return_inverse=True, return_counts=True)
    if not size or not len(everything):
        return rows
    weights = 1.0 / counts[codes]
    changed = rows.copy()
    drawn = rng.choice(len(everything), size=size, p=weights / weights.sum())
    changed[rng.permutation(len(rows))[:size]] = everything[drawn]
    return changed


class _Outer:
    """The optimizer of one outer loop, and its step."""

    def __init__(self, network: MetaNetwork, settings: MetaSettings, families: int) -> None:
        self.network, self.settings, self.families = network, settings, families
        self.head = list(network.head.parameters())
        self.rest = [] if settings.fixed_temperature else [network.log_temperature]
        groups = [{"params": self.head, "lr": settings.head_rate}]
        if self.rest:
            groups.append({"params": list(self.rest), "lr": settings.temperature_rate})
        self.block: list[nn.Parameter] = []
        if settings.unfrozen_rate is not None:
            self.block = list(network.encoder.blocks[-1].parameters())
            groups.append({"params": self.block, "lr": settings.unfrozen_rate})
        self.rest += self.block
        self.optimizer = torch.optim.Adam(groups)

    def step(
        self, x: Tensor, family: Tensor, is_anomaly: Tensor, clean: Tensor, orders: list[list[int]]
    ) -> tuple[float, int]:
        """One step; the mean loss over tasks, and the number of conflicts between them."""
        network, settings = self.network, self.settings
        x = perturbed(network, x, settings.step)
        with torch.set_grad_enabled(bool(self.block)):
            views, seen_clean = network.seen(x), network.seen(clean)
        margin = network.head_margin(views)
        tasks = [normal_loss(network.head_margin(seen_clean), network.log_temperature.exp())]
        tasks += [
            outer_loss(
                margin[family == number],
                is_anomaly[family == number],
                network.log_temperature,
                least=settings.margin,
                margin_weight=settings.margin_weight,
                temperature_weight=settings.temperature_weight,
            )
            for number in range(self.families)
        ]
        total = torch.stack(tasks).sum()
        conflicts = 0
        if settings.pcgrad:
            parts = [torch.autograd.grad(task, self.head, retain_graph=True) for task in tasks]
            joined, conflicts = project_conflicts(torch.stack([_flat(part) for part in parts]), orders)
            _set_gradients(self.head, joined)
        else:
            _set_gradients(self.head, _flat(torch.autograd.grad(total, self.head, retain_graph=True)))
        if self.rest:
            # The temperature, and the block where it is unfrozen, follow the plain sum: PCGrad acts on the head.
            _set_gradients(self.rest, _flat(torch.autograd.grad(total, self.rest)))
        self.optimizer.step()
        return float(total.detach()) / len(tasks), conflicts


def _shuffled(
    anomalies: list[Matrix], normals: list[Matrix], rng: np.random.Generator
) -> tuple[list[Matrix], list[Matrix]]:
    """The pools with labels permuted among a family's shots and as many of its normals."""
    mixed: tuple[list[Matrix], list[Matrix]] = ([], [])
    for shots, pool in zip(anomalies, normals, strict=True):
        both: NDArray[np.float32] = np.concatenate([shots, pool[rng.permutation(len(pool))[: len(shots)]]])
        both = both[rng.permutation(len(both))]
        mixed[0].append(both[: len(shots)])
        mixed[1].append(both[len(both) - len(shots) :])
    return mixed


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _set_gradients(parameters: list[nn.Parameter], flat: Tensor) -> None:
    start = 0
    for parameter in parameters:
        size = parameter.numel()
        parameter.grad = flat[start : start + size].view_as(parameter).clone()
        start += size
