"""From a results' folder to the report's files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from unseen.atomic import atomic_write, check_writable
from unseen.bench.report.gather import ReportData, gather
from unseen.bench.report.html import render_html
from unseen.bench.report.markdown import render_markdown
from unseen.errors import InputError, require

__all__ = ["Report", "write_report"]


@dataclass(frozen=True, eq=False)
class Report:
    """A written report.

    Attributes:
        data: What it says.
        html: The HTML file.
        size: Its size in bytes.
        markdown: The Markdown file, where one was asked for.
    """

    data: ReportData
    html: Path
    size: int
    markdown: Path | None


def write_report(
    results: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    markdown: str | os.PathLike[str] | None = None,
    command: str = "",
    now: datetime | None = None,
) -> Report:
    """Write the report on a results' folder.

    Arguments:
        results: What ``unseen bench run`` wrote.
        out: The HTML file to write.
        markdown: A Markdown file to write too, without the drawings.
        command: How the report is made, to be said in it.
        now: The date to be said in it; the present by default.

    Raises:
        InputError: If the folder holds no usable results or a file cannot be written.
        MissingExtraError: If jinja2 or matplotlib is not installed.
    """
    for module in ("jinja2", "matplotlib"):
        require(module, "bench")
    folder = Path(results).expanduser()
    if not folder.is_dir():
        raise InputError(f"{results}: no such folder; give the one that `unseen bench run --out` wrote")
    for path in (out, markdown):
        if path is not None:
            check_writable(Path(path))
    date = f"{now or datetime.now(UTC):%Y-%m-%d}"
    data = gather(folder)
    page = render_html(data, command=command, date=date).encode()
    with atomic_write(Path(out)) as file:
        file.write(page)
    if markdown is not None:
        with atomic_write(Path(markdown)) as file:
            file.write(render_markdown(data, command=command, date=date).encode())
    return Report(data, Path(out), len(page), None if markdown is None else Path(markdown))
