"""Render a vignette: by Quarto where it is installed, else by our own run of the cells and Pandoc."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from statinf.errors import StatinfError, one_of
from statinf.vignette import sizes
from statinf.vignette.cache import version
from statinf.vignette.crossref import top_level
from statinf.vignette.errors import VignetteError, need
from statinf.vignette.markdown import Page, to_markdown
from statinf.vignette.pandoc import pandoc, table_to_markdown, typst_pdf
from statinf.vignette.parse import Document, read
from statinf.vignette.run import Executed, execute

ENDINGS = {"html": ".html", "docx": ".docx", "gfm": ".md", "latex": ".tex", "pdf": ".pdf", "typst": ".typ"}
ASSETS = Path(__file__).parent / "assets"

_PAGE_SETTINGS = ("papersize", "fontsize", "mainfont", "columns")
_KEPT = (
    "title", "subtitle", "abstract", "description", "keywords", "lang", "csl", "nocite", "references",
    "link-citations", "reference-section-title",
)  # fmt: skip


def render(
    path: str | Path,
    to: Literal["html", "docx", "gfm", "latex", "pdf", "typst"] = "html",
    *,
    out: str | Path | None = None,
    size: str | None = None,
    params: Mapping[str, Any] | None = None,
    cache: str | Path | None = None,
    timeout: float | None = None,
    use_quarto: bool | Literal["auto"] = "auto",
) -> Path:
    """Run a vignette and write it as a page.

    Parameters
    ----------
    path : str or Path
        A ``.qmd`` file.
    to : {"html", "docx", "gfm", "latex", "pdf", "typst"}
        Format. HTML is one self-contained file; GitHub Markdown, LaTeX and Typst keep their figures in a folder
        ``NAME_files`` beside the page; PDF is made by Typst.
    out : path, optional
        File to write, or a folder (anything without the format's ending); by default beside the source.
    size, params, cache, timeout
        As in `statinf.vignette.execute`. `cache` and `timeout` are not used with Quarto.
    use_quarto : bool or "auto"
        ``"auto"`` takes Quarto if it is on the path.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    VignetteError
        If the vignette cannot be read, a cell fails, or a reference, citation or image is missing; the message names
        the file and, where there is one, the line.
    StatinfError
        If an option is unknown or a program is not installed.
    """
    one_of("to", to, tuple(ENDINGS))
    document = read(path)
    target = _target(document.path, to, out)
    quarto = shutil.which("quarto") if use_quarto else None
    if use_quarto is True and not quarto:
        raise StatinfError("use_quarto=True, but there is no program 'quarto' on the path")
    if quarto:
        return _quarto(quarto, document, to, target, size, params)
    executed = execute(document, size=size, params=params, cache=cache, timeout=timeout)
    write(executed, to, target)
    return target


def write(executed: Executed, to: str, target: Path) -> None:
    """Write an executed vignette to `target`; the part of `render` after the run."""
    document = executed.document
    form = "typst" if to == "pdf" else to
    page = to_markdown(executed, form, table_to_markdown)
    with tempfile.TemporaryDirectory(prefix="statinf-vignette-") as name:
        folder = Path(name)
        for file, content in page.media.items():
            (folder / file).write_bytes(content)
        title = f"# {document.title}\n\n{document.meta.get('abstract', '')}\n\n" if to == "gfm" else ""
        text = f"---\n{_metadata(document)}---\n\n{title}{page.markdown}"
        arguments = _arguments(executed, form, page, folder, target)
        beside = to in ("gfm", "latex", "typst")
        done = pandoc(text, arguments, source=document.path, folder=target.parent if beside else folder)
        if to == "pdf":
            typst_pdf(done.decode(), folder, target, document.path)
        else:
            target.write_bytes(done)


def fragment(executed: Executed, page: Page) -> str:
    """HTML of an executed vignette without a head or a title, for a page of a site; figures are addressed by their names."""
    arguments = ["--from=markdown", "--to=html", "--mathml", "--wrap=none"]
    document = executed.document
    if document.meta.get("bibliography") or document.meta.get("references"):
        arguments.append("--citeproc")
    text = f"---\n{_metadata(document)}---\n\n{page.markdown}"
    return pandoc(text, arguments, source=document.path, folder=document.path.resolve().parent).decode()


def _target(source: Path, to: str, out: str | Path | None) -> Path:
    target = Path(out) if out else source.parent
    if target.suffix.lower() != ENDINGS[to]:
        target = target / (source.stem + ENDINGS[to])
    target = target.resolve()
    if target == source.resolve():
        raise VignetteError(f"the page would overwrite its source {source}: name another file with out=")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _arguments(executed: Executed, form: str, page: Page, folder: Path, target: Path) -> list[str]:
    document = executed.document
    places = os.pathsep.join([str(folder), str(document.path.resolve().parent)])
    arguments = ["--from=markdown", f"--resource-path={places}", "--output=-"]
    arguments += ["--to=gfm+alerts"] if form == "gfm" else [f"--to={form}", "--standalone"]
    if document.meta.get("bibliography") or document.meta.get("references"):
        arguments.append("--citeproc")
    if document.setting("toc", form == "html", form) and form != "gfm":
        arguments += ["--toc", f"--toc-depth={int(document.setting('toc-depth', 3, form))}"]
    if document.setting("number-sections", False, form):
        arguments.append("--number-sections")
    if form not in ("html", "gfm"):
        # the title is not a heading there, so the sections move up to the top
        arguments.append(f"--shift-heading-level-by={1 - top_level(document)}")
    if form == "html":
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        made = f"Run with statinf {version()} on Python {python}, size “{executed.size}”."
        arguments += ["--mathml", "--embed-resources", f"--template={ASSETS / 'page.html'}", f"--variable=made={made}"]
        arguments += [f"--css={ASSETS / 'page.css'}", "--section-divs"]
    elif form == "typst":
        arguments.append(f"--include-in-header={ASSETS / 'header.typ'}")
        settings = ((name, document.setting(name, to="typst")) for name in _PAGE_SETTINGS)
        arguments += [f"--variable={name}:{value}" for name, value in settings if value]
    if target.suffix == ".pdf":
        arguments.append("--extract-media=.")
    elif form in ("gfm", "latex", "typst") and (page.media or "![" in page.markdown):
        arguments.append(f"--extract-media={target.stem}_files")
    return arguments


def _metadata(document: Document) -> str:
    meta = {"link-citations": True, **{name: document.meta[name] for name in _KEPT if name in document.meta}}
    meta["title"] = document.title
    meta["lang"] = str(meta.get("lang", "en"))
    here = document.path.resolve().parent
    files = document.meta.get("bibliography") or []
    files = [here / file for file in ([files] if isinstance(files, str) else files)]
    for file in files:
        if not file.is_file():
            raise VignetteError(f"{document.path}: the bibliography {file} does not exist")
    if files:
        meta["bibliography"] = [str(file) for file in files]
    if "csl" in meta:
        meta["csl"] = str(here / meta["csl"])
    authors = document.meta.get("author") or []
    meta["author"] = [_author(a) for a in (authors if isinstance(authors, list) else [authors])]
    date = document.meta.get("date")
    if date:
        meta["date"] = datetime.date.today().isoformat() if date == "today" else str(date)
    return need("yaml").safe_dump(meta, allow_unicode=True, sort_keys=False)


def _author(author: Any) -> str:
    if not isinstance(author, Mapping):
        return str(author)
    name = author.get("name", "")
    return f"{name.get('given', '')} {name.get('family', '')}".strip() if isinstance(name, Mapping) else str(name)


def _quarto(
    quarto: str, document: Document, to: str, target: Path, size: str | None, params: Mapping[str, Any] | None
) -> Path:
    """Let Quarto run the file with this interpreter and write the page."""
    command = [quarto, "render", document.path.name, "--to", "typst" if to == "pdf" else to]
    command += ["--output", target.name, "--output-dir", str(target.parent)]
    command += ["--metadata", "embed-resources:true"] if to == "html" else []
    for name, value in {**(document.meta.get("params") or {}), **(params or {})}.items():
        command += ["-P", f"{name}:{value}"]
    level = sizes.size() if size is None else one_of("size", size, sizes.SIZES)
    variables = {**os.environ, sizes.VARIABLE: level, "QUARTO_PYTHON": sys.executable}
    done = subprocess.run(
        command, cwd=document.path.resolve().parent, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise VignetteError(f"{document.path}: quarto failed\n{done.stderr.strip()}")
    if not target.is_file():
        raise VignetteError(f"{document.path}: quarto ended well but wrote no {target}\n{done.stderr.strip()}")
    return target
