"""The sculpted-flow evidence: one encoder shaped by known anomalies, one flow over the normals' latents."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from unseen.errors import ArtifactError
from unseen.evidence.balance import Balance, balanced_rows, synthetic_negatives
from unseen.nn.encoders import Encoder
from unseen.nn.flows import LatentFlow
from unseen.nn.inference import run_in_chunks
from unseen.nn.scorer import SculptedScorer, Triage, Whitening, flow_input
from unseen.nn.sculpt import FlowSettings, SculptSettings, train_encoder, train_flow
from unseen.nn.state import load_arrays, restore, to_arrays
from unseen.nn.train import Progress, ProgressCallback
from unseen.stages import stage

__all__ = ["SculptedFlow", "SculptedRecipe"]


class SculptedRecipe(BaseModel):
    """Everything that defines the training of one encoder and its flow; the defaults are the published recipe.

    Arguments:
        sculpt: Stage 1 (encoder and loss).
        flow: Stage 2.
        balance: Which rows stage 1 sees (see :func:`~unseen.evidence.balance.balanced_rows`).
        encoder_steps: Where set, stage 1 takes about this many steps instead of epochs; fewer on small tables, which
            are gone through at most 60 times, or for 250 steps.
        flow_steps: The same for stage 2.
        latent_directions: Project the latent onto at most this many principal directions before the flow; ``None``
            leaves it as it is.
        row_directions: Let the flow see this many principal directions of the prepared row as well.
        triage: The triage score (see :class:`~unseen.nn.scorer.SculptedScorer`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sculpt: SculptSettings = SculptSettings()
    flow: FlowSettings = FlowSettings()
    balance: Balance = "largest-class"
    encoder_steps: int | None = Field(default=None, ge=1)
    flow_steps: int | None = Field(default=None, ge=1)
    latent_directions: int | None = Field(default=None, ge=1)
    row_directions: int | None = Field(default=None, ge=1)
    triage: Triage = "difference"


class SculptedFlow:
    """A fitted sculpted flow; two scores a row, triage and density.

    Arguments:
        scorer: Encoder, triage and flow as one network.
        report: What happened in training.
    """

    views = ("triage", "density")

    def __init__(self, scorer: SculptedScorer, report: dict[str, Any]) -> None:
        self.scorer = scorer.eval()
        self.report = report

    @classmethod
    def fit(
        cls,
        normals: NDArray[np.float32],
        known: NDArray[np.float32],
        classes: NDArray[np.str_],
        normals_validation: NDArray[np.float32],
        known_validation: NDArray[np.float32],
        recipe: SculptedRecipe,
        *,
        seed: int,
        name: str = "",
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: ProgressCallback | None = None,
    ) -> Self:
        """Train both stages.

        Arguments:
            normals: Prepared normal rows, shape (n, d).
            known: Prepared rows of known anomalies, shape (m, d); without any, synthetic ones stand in.
            classes: Their classes, shape (m,).
            normals_validation: Held-out normals for early stopping.
            known_validation: Held-out known anomalies.
            recipe: The constants.
            seed: Seeds everything.
            name: Put before the names of the stages in progress.
            checkpoint: A folder for checkpoints; it must exist, and is this member's alone.
            resume: Go on from them.
            progress: Called after every step.

        Raises:
            TrainingError: If a loss is no longer finite.
            ArtifactError: If a checkpoint belongs to other data or settings.
        """
        shown, negatives = _shown_rows(normals, known, classes, recipe.balance, seed)
        if not len(known_validation):
            # One known row can only be fitted on; the epoch is then judged on what it was trained on.
            known_validation = negatives[: max(1, len(normals_validation))]
        X, mask = _joined(shown, negatives)
        stage_one = recipe.sculpt.model_copy(
            update={"seed": seed, **_epochs(recipe.encoder_steps, recipe.sculpt, len(X))}
        )
        encoded = stage(f"{name}encoder")(train_encoder)(
            X,
            mask,
            *_joined(normals_validation, known_validation),
            stage_one,
            checkpoint=None if checkpoint is None else checkpoint / "encoder.checkpoint",
            resume=resume,
            progress=_named(progress, name),
        )
        projections = _fit_projections(recipe, normals, encoded.encoder)
        Z, Z_validation = (_flow_rows(rows, encoded.encoder, *projections) for rows in (normals, normals_validation))
        stage_two = recipe.flow.model_copy(update={"seed": seed, **_epochs(recipe.flow_steps, recipe.flow, len(Z))})
        density = stage(f"{name}flow")(train_flow)(
            Z,
            Z_validation,
            stage_two,
            checkpoint=None if checkpoint is None else checkpoint / "flow.checkpoint",
            resume=resume,
            progress=_named(progress, name),
        )
        scorer = SculptedScorer(encoded.encoder, density.flow, encoded.centroids, recipe.triage, *projections)
        report = {
            "encoder": encoded.report.model_dump(mode="json"),
            "flow": density.report.model_dump(mode="json"),
            "warmup_steps": encoded.warmup_steps,
            "synthetic_negatives": not len(known),
        }
        return cls(scorer, report)

    def score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Triage and density scores of prepared rows, shape (n, 2)."""
        return self.scorer.scores(X)

    @property
    def messages(self) -> list[str]:
        """What the user should know of the training, in plain words; nothing after :meth:`from_state`."""
        return [
            line for stage in ("encoder", "flow") if stage in self.report for line in self.report[stage]["messages"]
        ]

    def places(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where rows lie as the flow sees them: the whitened latent beside the whitened row, shape (n, m)."""
        scorer = self.scorer
        return _flow_rows(X, scorer.encoder, scorer.latent_projection, scorer.row_projection)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and JSON-able settings from which :meth:`from_state` rebuilds the evidence."""
        scorer = self.scorer
        arrays = {f"encoder/{name}": array for name, array in to_arrays(scorer.encoder).items()}
        arrays |= {f"flow/{name}": array for name, array in to_arrays(scorer.flow).items()}
        arrays["centroids"] = scorer.centroids.numpy()
        for name in _PROJECTIONS:
            projection = getattr(scorer, name)
            if projection is not None:
                arrays |= {f"{name}/{part}": array for part, array in to_arrays(projection).items()}
        return arrays, {
            "encoder": scorer.encoder.config(),
            "flow": scorer.flow.config(),
            "triage": scorer.triage,
        }

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If arrays are missing or do not fit the settings.
        """

        def under(part: str) -> dict[str, NDArray[Any]]:
            return {n.removeprefix(f"{part}/"): a for n, a in arrays.items() if n.startswith(f"{part}/")}

        encoder, flow = (restore(meta[part], under(part)) for part in ("encoder", "flow"))
        centroids = arrays.get("centroids")
        if not isinstance(encoder, Encoder) or not isinstance(flow, LatentFlow) or centroids is None:
            raise ArtifactError("the model's encoder or flow is missing; save the model again")
        if centroids.shape != (2, encoder.latent) or not np.isfinite(centroids).all():
            raise ArtifactError("the model's centroids are damaged; save the model again")
        if meta["triage"] not in get_args(Triage):
            raise ArtifactError(f"the model's triage score {meta['triage']!r} is unknown to this release")
        projections = [_restore_projection(under(name)) for name in _PROJECTIONS]
        scorer = SculptedScorer(encoder, flow, centroids, meta["triage"], *projections)
        try:
            scorer.scores(np.zeros((1, encoder.features), dtype=np.float32))
        except RuntimeError as error:
            raise ArtifactError("the model's encoder, projections and flow do not fit together") from error
        return cls(scorer, {})


def _shown_rows(
    normals: NDArray[np.float32], known: NDArray[np.float32], classes: NDArray[np.str_], balance: Balance, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The normals and anomalies that stage 1 sees."""
    rng = np.random.default_rng([seed, zlib.crc32(b"sculpted rows")])
    if not len(known):
        return normals, synthetic_negatives(normals, len(normals), rng)
    chosen, drawn = balanced_rows(len(normals), classes, balance, rng)
    return normals[chosen], known[drawn]


def _joined(
    normals: NDArray[np.float32], anomalies: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """All rows, and which of them are anomalies."""
    X = np.concatenate([normals, anomalies])
    return X, np.arange(len(X)) >= len(normals)


_PROJECTIONS = ("latent_projection", "row_projection")


def _fit_projections(
    recipe: SculptedRecipe, normals: NDArray[np.float32], encoder: Encoder
) -> tuple[Whitening | None, Whitening | None]:
    latent = row = None
    if recipe.latent_directions is not None:
        latent = Whitening.fit(run_in_chunks(encoder, normals), recipe.latent_directions)
    if recipe.row_directions is not None:
        row = Whitening.fit(normals, recipe.row_directions)
    return latent, row


def _flow_rows(
    X: NDArray[np.float32], encoder: Encoder, latent: Whitening | None, row: Whitening | None
) -> NDArray[np.float32]:
    return run_in_chunks(lambda x: flow_input(x, encoder(x), latent, row), X)


def _restore_projection(arrays: Mapping[str, NDArray[Any]]) -> Whitening | None:
    if not arrays:
        return None
    matrix = arrays.get("matrix")
    if matrix is None or matrix.ndim != 2:
        raise ArtifactError("the model's projection is damaged; save the model again")
    projection = Whitening(*matrix.shape)
    load_arrays(projection, arrays)
    return projection


# A training of so many steps is judged about this often; each judgement costs a pass over the validation rows.
_JUDGED = 20
# More passes than this over a small table learn it by heart, but for very small ones a few steps more.
_MOST_PASSES = 60
_FEWEST_STEPS = 250


def _epochs(steps: int | None, settings: SculptSettings | FlowSettings, rows: int) -> dict[str, int]:
    if steps is None:
        return {}
    a_pass = max(rows / settings.batch_size, 1.0)
    steps = min(steps, max(_FEWEST_STEPS, round(_MOST_PASSES * a_pass)))
    passes = max(1, round(steps / a_pass))
    a_time = max(1, passes // _JUDGED)
    return {"epochs": max(1, round(passes / a_time)), "passes": a_time}


def _named(progress: ProgressCallback | None, name: str) -> ProgressCallback | None:
    if progress is None or not name:
        return progress

    def show(event: Progress, /) -> None:
        progress(Progress(name + event.phase, *(getattr(event, f) for f in _PROGRESS_FIELDS)))

    return show


_PROGRESS_FIELDS = ("epoch", "epochs", "step", "steps", "rows_per_second")
