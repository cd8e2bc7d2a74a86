"""Scoring with exported models; free of torch and of everything that trains."""

from __future__ import annotations

from unseen.runtime.scorer import OnnxScorer, ScoredRows

__all__ = ["OnnxScorer", "ScoredRows"]
