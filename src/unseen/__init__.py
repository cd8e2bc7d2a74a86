"""Unseen detects anomaly classes nobody has seen yet, with alarms at a calibrated false-alarm rate."""

__version__ = "0.1.0.dev0"
