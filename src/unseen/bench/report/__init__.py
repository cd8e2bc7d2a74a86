"""The report on a results' folder: one HTML file that opens anywhere, and its tables as Markdown."""

from __future__ import annotations

from unseen.bench.report.build import Report, write_report

__all__ = ["Report", "write_report"]
