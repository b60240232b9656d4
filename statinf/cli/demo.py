"""``statinf demo``: one question through all families, then each family on real data, printed, drawn and as one report."""

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
from statinf.cli.tour import INTRO, TITLE, Told, walk
from statinf.errors import DataError, StatinfError, one_of

if TYPE_CHECKING:
    from statinf.results.demo import DemoSection

DOTS_PER_INCH = 144
TOUR = "tour"


@dataclass(frozen=True)
class Shown:
    """A section that was run: its name, what it put out, and (caption, PNG file) for each figure."""

    name: str
    section: DemoSection
    figures: tuple[tuple[str, Path], ...]
    seconds: float


@dataclass(frozen=True)
class Tour:
    """The steps of the tour that were run, each with the PNG file of its figure."""

    steps: tuple[tuple[Told, Path], ...]
    seconds: float


def run(options: argparse.Namespace) -> int:
    from statinf.cli.report import write

    known = (TOUR, *FAMILIES)
    wanted = tuple(one_of("--only", name, known) for name in options.only or known)
    found = dict(modules("demo", tuple(name for name in wanted if name != TOUR)))
    if not found and TOUR not in wanted:
        raise StatinfError(f"there is no demonstration of {', '.join(wanted)} in this version.")
    folder = _folder(options.out)
    tour = guide(folder) if TOUR in wanted else None
    shown = []
    for name, module in found.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        shown.append(show(name, module, folder))
    report = write(shown, folder / "report.html", tour)
    figures = sum(len(s.figures) for s in shown) + (len(tour.steps) if tour else 0)
    seconds = sum(s.seconds for s in shown) + (tour.seconds if tour else 0.0)
    parts = f"the tour and {_count(len(shown), 'section')}" if tour else _count(len(shown), "section")
    print(f"{parts}, {_count(figures, 'figure')} in {seconds:.1f} s")
    print(f"report: {report.resolve()}")
    return 0


def guide(folder: Path) -> Tour:
    """Run the tour, print its words and save its figures as ``tour-1.png``, ``tour-2.png``, ..."""
    begun = time.perf_counter()
    print(f"{TOUR} ...", file=sys.stderr, flush=True)
    print(f"{TITLE}\n{'=' * len(TITLE)}\n{_wrapped(INTRO)}\n")
    steps = []
    for number, told in enumerate(walk(), start=1):
        print(f"{told.step.title}\n{'-' * len(told.step.title)}\n{_code(told.step.code)}{_wrapped(told.words)}\n")
        file = folder / f"{TOUR}-{number}.png"
        _save(told.draw, file)
        steps.append((told, file))
        print(f"figure: {file} ({told.step.caption})\n", flush=True)
    return Tour(tuple(steps), time.perf_counter() - begun)


def show(name: str, module: Any, folder: Path) -> Shown:
    """Run one section, print its tables and save its figures as ``NAME-1.png``, ``NAME-2.png``, ..."""
    begun = time.perf_counter()
    section = module.section()
    print(f"{section.title}\n{'=' * len(section.title)}\n{_wrapped(section.intro)}\n")
    if section.code:
        print(_code(section.code), end="")
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


def _code(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip().splitlines()) + "\n\n"


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
