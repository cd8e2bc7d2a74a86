"""The fitted preprocessing: Arrow columns in, one finite float32 matrix out."""

from unseen.prepare.preparer import Preparer, Tally
from unseen.prepare.settings import PRESETS, ColumnPolicy, PrepareSettings, Ratio

__all__ = ["PRESETS", "ColumnPolicy", "PrepareSettings", "Preparer", "Ratio", "Tally"]
