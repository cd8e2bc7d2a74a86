"""Rows that keep coming: logs, pipes, captures and interfaces in, alarms out."""

from __future__ import annotations
