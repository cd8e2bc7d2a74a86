"""What the documentation says can be done: commands and options exist, examples run, every command is described."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import unseen
from unseen.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted(info.name for info in pkgutil.walk_packages(unseen.__path__, "unseen."))
_BLOCK = re.compile(r"^```(\S*) ?([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """The code blocks of one language: what stands behind the language, and the code."""
    return [(mark, code) for found, mark, code in _BLOCK.findall(page.read_text()) if found == language]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every `unseen …` line of the pages, in blocks and in the running text, with the page's name."""
    for page in PAGES:
        text = page.read_text()
        spoken = [code for language in ("sh", "") for _, code in blocks(page, language)]
        lines = [line for code in spoken for line in re.sub(r"\\\n\s*", "", code).splitlines()]
        lines += re.findall(r"`(unseen [^`\n]+)`", _BLOCK.sub("", text))
        for line in lines:
            for part in line.split("&&"):
                if part.strip().startswith("unseen "):
                    yield page.name, shlex.split(part.partition(" #")[0])[1:]


@pytest.mark.parametrize("name", ["unseen", *MODULES])
def test_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", unseen.UnseenWarning)
        failed, _ = doctest.testmod(module, verbose=False)
    assert failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_prompts_in_pages_run(page: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False, verbose=False)
    assert failed == 0


def test_python_blocks_run(tmp_path: Path) -> None:
    """Blocks of one page run one after the other in one process; those marked `skip` need files of the reader's own."""
    ran = 0
    for page in PAGES:
        code = []
        for mark, block in blocks(page, "python"):
            if mark.strip() == "skip" or block.lstrip().startswith(">>>"):
                continue
            # A block that begins with a file's name is that file.
            named = re.match(r"# (\w+\.py)\n", block)
            if named:
                (tmp_path / named[1]).write_text(block)
            else:
                code.append(block)
        if code:
            (tmp_path / "page.py").write_text("\n".join(code))
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            line = [sys.executable, "page.py"]
            done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{page.name}: {done.stderr}"
            ran += 1
    assert all(mark in ("", "skip") for page in PAGES for mark, _ in blocks(page, "python"))
    assert ran or not any(blocks(page, "python") for page in PAGES)


def found_command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and the words after its name."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


# Stands for a word of one's own, as in `unseen data add NAME PATH`.
_OMITTED = {"…", "COMMAND"}


@pytest.mark.parametrize(("page", "words"), list(commands()), ids=lambda value: " ".join(value)[:60])
def test_commands_in_pages_exist(page: str, words: list[str]) -> None:
    command, rest = found_command(words)
    assert not getattr(command, "commands", {}) or not rest or rest[0].startswith("-") or rest[0] in _OMITTED, (
        f"{page} names a command that does not exist: unseen {' '.join(words)}"
    )
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options = {word.partition("=")[0].strip("[]") for word in rest if word.strip("[").startswith("-") and len(word) > 1}
    unknown = {option for option in options if option not in {*known, "--help"}}
    assert not unknown, f"{page}: unseen {' '.join(words)} has no option {unknown}"


def test_complete_lines_parse() -> None:
    """Lines of shell blocks must be whole: arguments and required options are there, and values have their type."""
    parsed = 0
    for page in PAGES:
        for _, code in blocks(page, "sh"):
            for line in re.sub(r"\\\n\s*", "", code).splitlines():
                for part in line.partition(" #")[0].split("&&"):
                    words = shlex.split(part)
                    if words[:1] != ["unseen"] or not words[1:]:
                        continue
                    command, rest = found_command(words[1:])
                    command.make_context(" ".join(words), list(rest))
                    parsed += 1
    assert parsed > 10


def test_every_command_and_option_of_fit_and_score_is_described() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()

    def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        yield path, command
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, f"{path} {name}")

    for path, command in walk(typer.main.get_command(app), "unseen"):
        assert f"`{path}" in page or f"## {path}\n" in page or path == "unseen", f"docs/cli.md lacks {path}"
        if path in ("unseen fit", "unseen score", "unseen evaluate", "unseen demo"):
            for parameter in command.params:
                for option in parameter.opts:
                    assert not option.startswith("--") or option in page, f"docs/cli.md lacks {path} {option}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
