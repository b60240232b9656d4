"""``statinf demo``: each family on real data, printed, drawn and written as one report."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statinf.cli.families import FAMILIES, modules
from statinf.errors import DataError, StatinfError, one_of

if TYPE_CHECKING:
    from statinf.results.demo import DemoSection

DOTS_PER_INCH = 144


@dataclass(frozen=True)
class Shown:
    """A section that was run: its name, what it put out, and (caption, PNG file) for each figure."""

    name: str
    section: DemoSection
    figures: tuple[tuple[str, Path], ...]
    seconds: float


def run(options: argparse.Namespace) -> int:
    from statinf.cli.report import write

    wanted = tuple(one_of("--only", name, FAMILIES) for name in options.only or FAMILIES)
    found = dict(modules("demo", wanted))
    if not found:
        raise StatinfError(f"there is no demonstration of {', '.join(wanted)} in this version.")
    folder = _folder(options.out)
    shown = []
    for name, module in found.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        shown.append(show(name, module, folder))
    report = write(shown, folder / "report.html")
    figures = sum(len(s.figures) for s in shown)
    print(f"{_count(len(shown), 'section')}, {_count(figures, 'figure')} in {sum(s.seconds for s in shown):.1f} s")
    print(f"report: {report.resolve()}")
    return 0


def show(name: str, module: Any, folder: Path) -> Shown:
    """Run one section, print its tables and save its figures as ``NAME-1.png``, ``NAME-2.png``, ..."""
    begun = time.perf_counter()
    section = module.section()
    print(f"{section.title}\n{'=' * len(section.title)}\n{_wrapped(section.intro)}\n")
    if section.code:
        print("\n".join(f"    {line}".rstrip() for line in section.code.strip().splitlines()) + "\n")
    for table in section.tables:
        print(table.to_text() + "\n")
    figures = []
    for number, (caption, draw) in enumerate(section.figures, start=1):
        file = folder / f"{name}-{number}.png"
        _save(draw, file)
        figures.append((caption, file))
        print(f"figure: {file} ({caption})")
    print(flush=True)
    return Shown(name, section, tuple(figures), time.perf_counter() - begun)


def _wrapped(text: str) -> str:
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))
    return "\n\n".join(textwrap.fill(paragraph, width) for paragraph in paragraphs)


def _save(draw: Any, file: Path) -> None:
    """Draw without a display; the maker may return a figure, axes or an array of axes."""
    import matplotlib

    before = matplotlib.get_backend(auto_select=False)
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    try:
        drawn = draw()
        figure = np.ravel(np.asarray(drawn, dtype=object))[0].figure
        figure.savefig(file, dpi=DOTS_PER_INCH, bbox_inches="tight")
        plt.close(figure)
    finally:
        if before:
            matplotlib.use(before)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _folder(path: str) -> Path:
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out {path}: cannot make this folder ({error.strerror}).") from error
    return folder
