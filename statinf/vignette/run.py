"""Run a vignette's cells in a Jupyter kernel of the current interpreter."""

from __future__ import annotations

import ast
import os
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statinf.errors import one_of
from statinf.optional import MissingPackageError
from statinf.vignette import cache as store
from statinf.vignette import kernel, sizes
from statinf.vignette.errors import VignetteError, need
from statinf.vignette.parse import Cell, Document, read

# a printed value goes through str(), as Quarto does; an object that speaks Markdown is displayed
_INLINE = "(lambda value: value if hasattr(value, '_repr_markdown_') else print(value, end=''))(\n{}\n)"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Executed:
    """A vignette with what its cells put out.

    `outputs` maps the position of a cell in ``document.parts`` to its Jupyter outputs; `inline` maps (position of the
    prose, number of the expression in it) to Markdown. `seconds` is the time of the run, nan from the cache.
    """

    document: Document
    outputs: Mapping[int, tuple[Mapping[str, Any], ...]]
    inline: Mapping[tuple[int, int], str]
    size: str
    seconds: float


def execute(
    path: str | Path | Document,
    *,
    size: str | None = None,
    params: Mapping[str, Any] | None = None,
    cache: str | Path | None = None,
    timeout: float | None = None,
) -> Executed:
    """Run every cell and inline expression of a vignette, top to bottom, in a fresh kernel.

    The kernel is the current interpreter, started in the vignette's folder; no installed kernelspec is looked at, nor
    the user's IPython and matplotlib settings.

    Parameters
    ----------
    path : str, Path or Document
        A ``.qmd`` file.
    size : {"smoke", "reduced", "full"}, optional
        What `statinf.vignette.size` answers inside the vignette; by default its value here.
    params : mapping, optional
        Values over those of ``params:`` in the front matter. They are assigned after the cell tagged ``parameters``, or
        before the first cell if none is.
    cache : path, optional
        Folder of executed notebooks: a run with the same cells, package, size and parameters is read back.
    timeout : float, optional
        Seconds one cell may take; no limit by default.

    Returns
    -------
    Executed
        The document and its outputs.

    Raises
    ------
    VignetteError
        If a cell fails: the message names the file and the line and ends with the traceback.
    MissingPackageError
        If Jupyter is not installed, or a package that a cell needs.
    StatinfError
        If `size` is unknown, or the vignette has no parameter of a name in `params`.
    """
    document = path if isinstance(path, Document) else read(path)
    _check_params(document, params or {})
    level = sizes.size() if size is None else one_of("size", size, sizes.SIZES)
    values = {**(document.meta.get("params") or {}), **(params or {})}
    notebook = _notebook(document, values)
    figure = kernel.figure_settings(document)
    started = time.perf_counter()
    settings = {"size": level, "params": values, "figure": figure}
    file = Path(cache) / store.key(document, [c.source for c in notebook.cells], settings) if cache else None
    known = store.load(file) if file else None
    if known is None:
        _run(notebook, document, level, figure, timeout)
        if file:
            store.save(notebook, file)
    seconds = time.perf_counter() - started if known is None else float("nan")
    return _collect(document, known or notebook, level, seconds)


def _check_params(document: Document, params: Mapping[str, Any]) -> None:
    """Refuse a parameter that the vignette does not have."""
    known = set(document.meta.get("params") or {})
    tagged = [p for p in document.parts if isinstance(p, Cell) and "parameters" in (p.options.get("tags") or [])]
    if not tagged:
        return
    try:
        assigned = ast.walk(ast.parse(tagged[0].source))
    except SyntaxError:  # the run names its line
        return
    for node in assigned:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    for name in params:
        if name not in known:
            one_of(f"{document.path}: parameter", name, tuple(sorted(known)))


def _notebook(document: Document, values: Mapping[str, Any]) -> Any:
    v4 = need("nbformat.v4")
    cells: list[Any] = []

    def add(source: str, **where: Any) -> None:
        tags = where.pop("tags", [])
        cells.append(v4.new_code_cell(source, metadata={"statinf": where, "tags": tags}))

    assigned = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    tagged = [p for p in document.parts if isinstance(p, Cell) and "parameters" in (p.options.get("tags") or [])]
    if assigned and not tagged:
        add(assigned, line=1)
    for position, part in enumerate(document.parts):
        if isinstance(part, Cell):
            tags = ["raises-exception"] if part.options.get("error") else []
            add(part.source if part.runs else "", part=position, line=part.line, tags=tags)
            if assigned and part in tagged[:1]:
                add(assigned, line=part.line)
            continue
        for number, (expression, line) in enumerate(part.inline()):
            add(_INLINE.format(expression), part=position, inline=number, line=line)
    return v4.new_notebook(cells=cells)


def _run(notebook: Any, document: Document, level: str, figure: Mapping[str, Any], timeout: float | None) -> None:
    nbclient = need("nbclient")
    errors = need("nbclient.exceptions")
    current: list[Any] = []
    with tempfile.TemporaryDirectory(prefix="statinf-vignette-") as name, open(Path(name) / "stderr", "w+b") as said:
        folder = Path(name)
        variables = {**os.environ, sizes.VARIABLE: level, **kernel.configure(folder, figure)}
        client = nbclient.NotebookClient(
            notebook,
            km=kernel.manager(folder),
            timeout=timeout,
            resources={"metadata": {"path": str(document.path.resolve().parent)}},
            on_cell_start=lambda cell, cell_index: current.append(cell),
        )
        try:
            # cleaning up is not the default with a manager of our own
            client.execute(env=variables, stderr=said, cleanup_kc=True)
        except errors.CellExecutionError as error:
            if error.ename == MissingPackageError.__name__:
                raise MissingPackageError(f"{_line(document, current)}: {error.evalue}") from None
            raise VignetteError(_failure(document, current[-1], error)) from None
        except errors.CellTimeoutError as error:
            raise VignetteError(f"{_line(document, current)}: the cell took longer than {timeout} s") from error
        except errors.DeadKernelError as error:
            last = said.seek(0) or said.read().decode(errors="replace").strip()[-2000:]
            raise VignetteError(f"{_line(document, current)}: the kernel died\n{last}".strip()) from error
        except AssertionError:
            if client.km is not None:
                raise
            # on Ctrl-C the client shuts the kernel down and then trips over its absence
            raise KeyboardInterrupt from None


def _line(document: Document, current: list[Any]) -> str:
    return f"{document.path}:{current[-1].metadata['statinf']['line'] if current else 1}"


def _failure(document: Document, cell: Any, error: Any) -> str:
    outputs = [o for o in cell.outputs if o.output_type == "error"]
    trace = _ANSI.sub("", "\n".join(outputs[-1].traceback) if outputs else str(error))
    found = re.search(r"Cell In\s?\[\d+\], line (\d+)", trace)
    where = cell.metadata["statinf"]
    inside = int(found[1]) - 1 if found and "inline" not in where else 0
    line = where["line"] + inside
    label = getattr(document.parts[where.get("part", 0)], "label", "")
    what = f"cell {label!r}" if label else "inline expression" if "inline" in where else "cell"
    return f"{document.path}:{line}: {what} failed with {error.ename}: {error.evalue}\n\n{trace}"


def _collect(document: Document, notebook: Any, level: str, seconds: float) -> Executed:
    outputs: dict[int, tuple[Mapping[str, Any], ...]] = {}
    inline: dict[tuple[int, int], str] = {}
    for cell in notebook.cells:
        where = cell.metadata["statinf"]
        if "inline" in where:
            inline[where["part"], where["inline"]] = "".join(_inline_text(output) for output in cell.outputs)
        elif "part" in where:
            outputs[where["part"]] = tuple(cell.outputs)
    return Executed(document, outputs, inline, level, seconds)


def _inline_text(output: Any) -> str:
    if output.output_type == "stream":
        return re.sub(r"([\\`*_<>\[\]$~^|@#])", r"\\\1", output.text) if output.name == "stdout" else ""
    return str(output.get("data", {}).get("text/markdown", "")).strip()
