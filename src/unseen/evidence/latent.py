"""The sculpted flow as one evidence among others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from numpy import float64
from numpy.typing import NDArray

from unseen.errors import ArtifactError
from unseen.evidence.base import Arrays, EvidenceRows, Matrix
from unseen.evidence.recipes import FAST
from unseen.evidence.sculpted import SculptedFlow, SculptedRecipe

__all__ = ["Sculpted"]


class Sculpted:
    """A latent space shaped by known anomalies, or synthetic ones where there are none, and a flow over its normals.

    References:
        | Latent Sculpting for Zero-Shot Generalization
        | https://arxiv.org/abs/2512.22179

    Arguments:
        flow: The fitted encoder and flow.
    """

    name: ClassVar[str] = "sculpted"
    views: ClassVar[tuple[str, ...]] = ("triage", "density")
    supervised: ClassVar[bool] = False
    uses_known: ClassVar[bool] = True
    alone: ClassVar[bool] = False

    def __init__(self, flow: SculptedFlow) -> None:
        self.flow = flow

    @classmethod
    def fit(
        cls,
        rows: EvidenceRows,
        *,
        seed: int,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Callable[..., None] | None = None,
        recipe: SculptedRecipe = FAST,
    ) -> Self:
        """Train encoder and flow, with a checkpoint each epoch where a folder for them is given."""
        return cls(
            SculptedFlow.fit(
                rows.normals,
                rows.known,
                rows.classes,
                rows.normals_validation,
                rows.known_validation,
                recipe,
                seed=seed,
                checkpoint=checkpoint,
                resume=resume,
                progress=progress,
            )
        )

    def score(self, X: Matrix) -> NDArray[float64]:
        """Triage and density scores, shape (n, 2)."""
        return self.flow.score(X)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The networks' weights and configurations."""
        return self.flow.state()

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If arrays are missing or do not fit the settings.
        """
        try:
            return cls(SculptedFlow.from_state(arrays, meta))
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, ArtifactError):
                raise
            raise ArtifactError("the model's sculpted flow is damaged; save the model again") from error
