"""Executed notebooks kept under a hash of everything that decides their outputs."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from statinf.vignette.errors import need
from statinf.vignette.parse import Document


def version() -> str:
    """Version of the installed package, or ``"unknown"`` in a bare checkout."""
    try:
        return metadata.version("statinf-toolkit")
    except metadata.PackageNotFoundError:
        return "unknown"


def package_digest(folder: Path | None = None) -> str:
    """Hash of the package's own source: in a checkout the version alone does not change with the code."""
    folder = folder or Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def key(document: Document, sources: list[str], settings: dict[str, Any]) -> str:
    """Name of the cached notebook: cell sources, package, interpreter, size, parameters and figure settings.

    Data files that a vignette reads are not part of it.
    """
    parts = {
        "sources": sources,
        "settings": settings,
        "version": version(),
        "package": package_digest(),
        "python": sys.version,
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    return f"{document.path.stem}-{digest[:20]}.ipynb"


def load(file: Path) -> Any | None:
    """Read a cached notebook, or None if there is none or it cannot be read."""
    nbformat = need("nbformat")
    try:
        return nbformat.read(file, as_version=4)
    except (OSError, ValueError):
        return None


def save(notebook: Any, file: Path) -> None:
    """Write a notebook so that a reader never sees half of it."""
    nbformat = need("nbformat")
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    nbformat.write(notebook, part)
    part.replace(file)
