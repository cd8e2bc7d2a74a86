"""Rivals a user would pick instead, by their short names: same rows, preparation, labels and calibration for all."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unseen.detectors import Detector

__all__ = ["BASELINES", "Entry"]


@dataclass(frozen=True)
class Entry:
    """A baseline that is imported when it is first made, so that listing names costs nothing.

    Attributes:
        module: The module of this package it lives in.
        name: Its class.
        about: One line.
        in_all: Whether a benchmark of all methods means it too.
    """

    module: str
    name: str
    about: str
    in_all: bool = True

    def load(self) -> type[Detector]:
        """The class."""
        cls: type[Detector] = getattr(importlib.import_module(f"{__name__}.{self.module}"), self.name)
        return cls

    def __call__(self, **parameters: Any) -> Detector:
        """An unfitted detector with these constructor arguments."""
        return self.load()(**parameters)


BASELINES: dict[str, Entry] = {
    "isolation-forest": Entry("isolation", "IsolationForest", "how few random cuts set a row apart"),
    "knn": Entry("neighbours", "KNN", "distance to the 10th nearest normal"),
    "lof": Entry("neighbours", "LOF", "density against that of the 20 nearest normals"),
    "ocsvm": Entry("one_class_svm", "OneClassSVM", "one-class support vector machine, radial kernel"),
    "ecod": Entry("tails", "ECOD", "how far out each column's value is, added up"),
    "copod": Entry("tails", "COPOD", "the same by an empirical copula"),
    "pca": Entry("gaussian", "PCA", "distance from the normals' principal subspace"),
    "mahalanobis": Entry("gaussian", "Mahalanobis", "distance in units of the normals' covariance"),
    "gaussian-mixture": Entry("gaussian", "GaussianMixture", "density under twelve Gaussians"),
    "autoencoder": Entry("networks", "Autoencoder", "reconstruction error of a small network"),
    "deep-svdd": Entry("networks", "DeepSVDD", "distance from a learned centre"),
    "raw-flow": Entry("networks", "RawFlow", "density under a flow on the whitened features"),
    "boosting": Entry("boosting", "Boosting", "LightGBM, normals against known anomalies"),
    "extra-trees": Entry("supervised", "ExtraTrees", "random trees, normals against known anomalies"),
    "mlp": Entry("supervised", "MLP", "a small network, normals against known anomalies"),
    "boosting-negatives": Entry("boosting", "BoostingNegatives", "LightGBM with shuffled normals as more anomalies"),
    "xgbod": Entry("xgbod", "XGBOD", "XGBoost on features and classic detectors' scores"),
    "devnet": Entry("networks", "DevNet", "a network trained on deviations from a Gaussian prior"),
    # Meta-learning's published rivals: they cost more than all others together and are asked for by name.
    "coral": Entry("coral", "CORAL", "a classifier whose latents have the same moments in all families", in_all=False),
    "mtae": Entry("mtae", "MTAE", "a classifier on a latent that restores rows of every family", in_all=False),
    "d-mtae": Entry("mtae", "DMTAE", "the same from rows with 30 % of their entries blanked", in_all=False),
    "mtl-red": Entry(
        "mtl_red", "MTLRED", "a classifier whose latent restores the row and shares little with it", in_all=False
    ),
    "odin": Entry("odin", "ODIN", "a classifier asked again after a small step towards normal", in_all=False),
    "resad": Entry("resad", "ResAD", "density of a row's difference from its nearest normal reference", in_all=False),
}
