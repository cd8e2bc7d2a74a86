"""Opening a page in a real browser, where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)
_MEASURE = """
const frame = document.querySelector('iframe');
frame.addEventListener('load', () => {
  const page = frame.contentDocument;
  page.querySelectorAll('details').forEach(e => { e.open = true; });
  const wide = [...page.body.querySelectorAll('*')].filter(e =>
    !e.closest('.scroll') && !e.closest('svg') && e.getBoundingClientRect().right > %(width)d + 0.5);
  const named = [...page.querySelectorAll('svg[role=img]')].filter(e => e.getAttribute('aria-label'));
  document.title = JSON.stringify({
    width: page.documentElement.scrollWidth,
    wide: wide.slice(0, 5).map(e => e.tagName + ' ' + e.textContent.slice(0, 60)),
    drawings: page.querySelectorAll('svg[role=img]').length, named: named.length,
    scripts: page.querySelectorAll('script').length,
    text: page.body.innerText,
  });
});
"""


@dataclass(frozen=True)
class Seen:
    """What the browser saw: the page's width, its text, what was too wide, and its console."""

    width: int
    wide: list[str]
    drawings: int
    named: int
    scripts: int
    text: str
    console: list[str]


def seen(page: str, width: int) -> Seen:
    """Open a page in a window of this width; skips the test where no Chromium is installed.

    A headless window has a least width, so the page stands in a frame.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium is installed: the report is not opened in a browser")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.html"
        path.write_text(
            f'<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><body style="margin:0">'
            f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{escape(page, quote=True)}"></iframe>'
            f"<script>{_MEASURE % {'width': width}}</script>",
            encoding="utf-8",
        )
        made = subprocess.run(
            [browser, *FLAGS, f"--user-data-dir={folder}/profile", "--dump-dom", path.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    title = re.search(r"<title>(.*?)</title>", made.stdout.split("<iframe")[0], re.DOTALL)
    assert title is not None, made.stderr[-2000:]
    console = [line for line in made.stderr.splitlines() if "CONSOLE" in line]
    return Seen(console=console, **json.loads(unescape(title.group(1))))
