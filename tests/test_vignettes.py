"""Every vignette runs from top to bottom at the size of a check."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import pytest

from statinf.vignette import execute
from statinf.vignette.index import HEADINGS
from statinf.vignette.parse import Cell, read
from statinf.vignette.sizes import VARIABLE

FOLDER = Path(__file__).resolve().parents[1] / "vignettes"
# a name that starts with an underscore is a part that others include
FILES = sorted(path for path in FOLDER.rglob("*.qmd") if not path.name.startswith("_"))
IN_A_KERNEL = "start"
SECONDS_A_CELL = 120
COLUMN = 88


def test_there_are_vignettes():
    assert FILES


@contextmanager
def shell(folder: Path) -> Iterator:
    """A shell of IPython in this process, which makes every representation that a page could ask for.

    A kernel for each of the vignettes would load and compile everything anew, most of the time of their tests.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    settings = Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.ipython_dir = str(folder)
    made = InteractiveShell(config=settings)
    made.display_formatter.active_types = made.display_formatter.format_types
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.use("agg")
        warnings.simplefilter("ignore")
        try:
            yield made
        finally:
            made.reset(new_session=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vignette_runs(path, tmp_path, monkeypatch, capsys):
    from IPython.utils.capture import capture_output

    document = read(path)
    parameters = document.meta.get("params") or {}
    monkeypatch.setenv(VARIABLE, "smoke")
    monkeypatch.chdir(path.parent)
    said = []
    with shell(tmp_path) as ipython:
        ipython.user_ns.update(parameters)
        for part in document.parts:
            if isinstance(part, Cell) and part.runs:
                sources, allowed = [part.source], bool(part.options.get("error"))
            else:
                sources, allowed = ([] if isinstance(part, Cell) else [source for source, _ in part.inline()]), False
            for source in sources:
                with capture_output() as captured:
                    done = ipython.run_cell(source)
                said += [captured.stdout, *captured.outputs]
                assert done.success or allowed, f"{path.name}: {captured.stdout}\n{captured.stderr}"
            if isinstance(part, Cell) and "parameters" in (part.options.get("tags") or []):
                ipython.user_ns.update(parameters)
    assert any(said), f"{path.name} has no cell that puts anything out"


def test_a_vignette_runs_in_a_kernel():
    done = execute(FOLDER / f"{IN_A_KERNEL}.qmd", size="smoke", timeout=SECONDS_A_CELL)
    assert done.size == "smoke"
    assert done.outputs


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vignette_says_what_it_is(path):
    from statinf.vignette import available

    about = {vignette.path: vignette for vignette in available()}[path]
    assert about.title
    assert about.description, f"{path.name} needs an abstract or a description in its front matter"
    assert about.categories[:1] and about.categories[0] in HEADINGS, f"{path.name} stands under no family of the index"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_code_fits_the_column_of_a_page(path):
    for part in read(path).parts:
        if isinstance(part, Cell) and part.options["echo"] and part.options["include"]:
            long = [row for row in part.source.split("\n") if len(row) > COLUMN]
            assert not long, f"{path.name}:{part.line}: `make format` lays the code out; what stays: {long}"
