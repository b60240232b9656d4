"""Pandoc and Typst, from their Python packages or the path."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from statinf.errors import StatinfError, StatinfWarning, issue_warning
from statinf.vignette.errors import VignetteError, need

_FATAL = re.compile(r"Could not fetch resource|citation .* not found|Citeproc: citation", re.IGNORECASE)
_TABLES = "markdown-simple_tables-multiline_tables-native_divs-native_spans-fenced_divs-header_attributes"


def program() -> str:
    """Path of the Pandoc program: the one that ``pypandoc_binary`` brings, else the one on the path.

    Raises
    ------
    StatinfError
        If there is none.
    """
    try:
        return str(need("pypandoc").get_pandoc_path())
    except (StatinfError, OSError) as error:
        found = shutil.which("pandoc")
        if not found:
            raise StatinfError("rendering needs Pandoc, which was not found: pip install pypandoc_binary") from error
        return found


def pandoc(text: str, arguments: Sequence[str], *, source: Path | None = None, folder: Path | None = None) -> bytes:
    """Run Pandoc on `text`.

    Parameters
    ----------
    text : str
        The input.
    arguments : sequence of str
        Options, such as ``["--from=markdown", "--to=html"]``.
    source : Path, optional
        The vignette, for messages.
    folder : Path, optional
        Where to run.

    Returns
    -------
    bytes
        What Pandoc wrote to its standard output.

    Raises
    ------
    VignetteError
        If Pandoc fails, or warns of a missing file or citation. Other warnings are issued as `StatinfWarning`.
    """
    done = subprocess.run([program(), *arguments], input=text.encode(), capture_output=True, cwd=folder, check=False)
    said = done.stderr.decode(errors="replace").strip()
    where = f"{source}: " if source else ""
    if done.returncode:
        raise VignetteError(f"{where}Pandoc failed: {said}")
    for message in filter(None, re.split(r"^\[WARNING\] ", said, flags=re.MULTILINE)):
        if _FATAL.search(message):
            raise VignetteError(f"{where}{message.strip()}")
        issue_warning(f"{where}Pandoc: {message.strip()}", StatinfWarning)
    return done.stdout


def table_to_markdown(text: str) -> str:
    """Markdown of an HTML table, such as a data frame's, for formats that take no HTML."""
    # the style sheet of a data frame is for browsers only, its shape for the prompt
    text = re.sub(r"<style.*?</style>|<small>shape: .*?</small>", "", text, flags=re.DOTALL)
    text = re.sub(r"<table[^>]*dataframe.*?</table>", lambda found: _aligned(found[0]), text, flags=re.DOTALL)
    return pandoc(text, ["--from=html-native_divs-native_spans", f"--to={_TABLES}", "--wrap=none"]).decode().strip()


def _aligned(table: str) -> str:
    """A data frame's table with its names to the left and its columns to the right, in every cell, as Pandoc reads it."""
    rows = re.split(r"(?=<tr)", table)
    for i, row in enumerate(rows):
        cells = iter(range(row.count("<th>") + row.count("<td>")))
        left = 1 if row.count("<th>") else 0
        sides = (f' style="text-align: {"left" if k < left else "right"}">' for k in cells)
        rows[i] = re.sub(r"(<t[hd])>", lambda found, sides=sides: found[1] + next(sides), row)
    return "".join(rows)


def typst_pdf(text: str, folder: Path, out: Path, source: Path) -> None:
    """Compile Typst markup whose images lie in `folder` into a PDF."""
    typst = need("typst")
    main = folder / "main.typ"
    main.write_text(text, encoding="utf-8")
    try:
        typst.compile(str(main), output=str(out))
    except (RuntimeError, OSError) as error:
        raise VignetteError(f"{source}: Typst failed: {error}") from error
