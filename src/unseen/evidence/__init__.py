"""Evidences: each is fitted on prepared rows and gives every row scores, higher for more anomalous."""

from unseen.evidence.sculpted import SculptedFlow, SculptedRecipe

__all__ = ["SculptedFlow", "SculptedRecipe"]
