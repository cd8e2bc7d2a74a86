"""Drawings that can stand inside an HTML page: SVG with text as text, in the page's own colour."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from unseen.errors import require

__all__ = ["INK", "PALETTE", "Drawing", "drawing"]

# Replaced by `currentColor`, so that lines and words follow the page into dark mode and print.
INK = "#010203"
# Told apart by people with colour-blindness, and by anyone on white and on near-black.
PALETTE = ("#3b82c4", "#d55e00", "#159a74", "#b07cc6", "#b8860b", "#56a9d6", "#888888")

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "axes.axisbelow": True,
    "path.simplify": True,
}


class Drawing:
    """A figure in the making.

    Attributes:
        figure: Matplotlib's figure.
        svg: The finished drawing, once the ``with`` block of :func:`drawing` is left.
    """

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def drawing(name: str, width: float, height: float, alt: str) -> Iterator[Drawing]:
    """Draw on a figure without touching matplotlib's state; the result is in ``svg`` afterwards.

    Arguments:
        name: Unique on the page; the drawing's ids begin with it.
        width: In points; a point of a figure as wide as a phone is about a pixel.
        height: In points.
        alt: What the drawing shows, for those who do not see it.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "bench")
    figures = require("matplotlib.figure", "bench")
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        made = Drawing(figures.Figure(figsize=(width / 72, height / 72), layout="constrained"))
        yield made
        stream = io.StringIO()
        with warnings.catch_warnings():
            # The page's fonts draw the text; it does not matter which letters matplotlib's own font lacks.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
            made.figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    made.svg = _inline(stream.getvalue(), name, alt)


def _inline(text: str, name: str, alt: str) -> str:
    """One SVG element with ids of its own, sized by the page, and without what a page has no use for."""
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None  # matplotlib always writes one
    rest = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', rest)
    rest = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", rest)
    rest = re.sub(r'\bhref="#([^"]+)"', rf'href="#{name}-\1"', rest.replace("xlink:href=", "href="))
    rest = rest.replace(INK, "currentColor")
    rest = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", rest)
    rest = re.sub(r"\n\s*", "\n", rest)
    label = escape(alt, quote=True)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box.group()} role="img" aria-label="{label}">{rest.strip()}'
