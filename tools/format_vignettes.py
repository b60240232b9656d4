"""Lay out the Python of the vignettes with ruff, at the width of a page's column (``make format`` runs it)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from statinf.vignette.parse import split_fences

FOLDER = Path(__file__).resolve().parents[1] / "vignettes"
WIDTH = 88
"""Characters of a line of code that a rendered page shows whole."""

_NUMBERS = re.compile(r"(?:^( +)-?[\d.]+(?:e-?\d+)?,\n)(?:^\1-?[\d.]+(?:e-?\d+)?,\n){3,}", re.MULTILINE)
_CELL = re.compile(r"^`{3,}\{python\b")


def laid_out(sources: list[str]) -> list[str]:
    """Sources of cells as ruff writes them; it takes them as a notebook's, in which a last semicolon has a meaning."""
    kind = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    cells = [{**kind, "id": f"c{i}", "source": source} for i, source in enumerate(sources)]
    about = {"language_info": {"name": "python"}}
    ruff = shutil.which("ruff") or str(Path(sys.executable).with_name("ruff"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cells.ipynb"
        file.write_text(json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}))
        command = [
            ruff,
            "format",
            "--isolated",
            "--quiet",
            "--preview",
            "--line-length",
            str(WIDTH),
            "--target-version",
            "py311",
        ]
        subprocess.run([*command, str(file)], check=True)
        done = json.loads(file.read_text())["cells"]
    return [_NUMBERS.sub(_row, "".join(cell["source"])) for cell in done]


def _row(found: re.Match[str]) -> str:
    """Numbers that ruff sets below each other, in rows."""
    indent, numbers = found[1], found[0].split()
    return textwrap.fill(" ".join(numbers), WIDTH, initial_indent=indent, subsequent_indent=indent) + "\n"


def formatted(text: str) -> str:
    """A vignette's text with the code of its cells laid out; options and prose stay as they are."""
    pieces = [piece for _, piece, _ in split_fences(text)]
    places = [i for i, (code, piece, _) in enumerate(split_fences(text)) if code and _CELL.match(piece)]
    parts = [_parts(pieces[i]) for i in places]
    for i, (head, _, tail), source in zip(places, parts, laid_out([code for _, code, _ in parts]), strict=True):
        pieces[i] = head + source.strip("\n") + tail
    return "".join(pieces)


def _parts(cell: str) -> tuple[str, str, str]:
    """Opening fence with the cell's options, code, and closing fence."""
    found = re.fullmatch(r"([^\n]*\n(?:#\|[^\n]*\n)*\n*)(.*?)(\n?`{3,}[^\n]*\n?)", cell, re.DOTALL)
    assert found is not None, cell
    return found[1], found[2], found[3]


def main(files: list[str]) -> int:
    """Write the vignettes anew that change; returns the number of lines that stay too long."""
    count = 0
    for path in map(Path, files) if files else sorted(FOLDER.glob("*.qmd")):
        text = path.read_text(encoding="utf-8")
        done = formatted(text)
        if done != text:
            path.write_text(done, encoding="utf-8")
            print(f"{path.name}: laid out")
        for code, piece, line in split_fences(done):
            for number, row in enumerate(piece.split("\n") if code and _CELL.match(piece) else (), line):
                if len(row) > WIDTH and not row.startswith("#|"):
                    count += 1
                    print(f"{path.name}:{number}: {len(row)} characters; ruff leaves texts and comments to you")
    return count


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
