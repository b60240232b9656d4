"""Where vignettes are: the checkout's ``vignettes`` folder, or the copies inside an installed package."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from statinf.vignette.errors import VignetteError
from statinf.vignette.parse import Document, front_matter

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Vignette:
    """Name, place and front matter's title, description (or abstract), categories and order of a vignette."""

    name: str
    path: Path
    title: str
    description: str = ""
    categories: tuple[str, ...] = ()
    order: float = float("inf")


def folders() -> list[Path]:
    """Existing folders that are searched, in order."""
    return [f for f in (_PACKAGE.parent / "vignettes", _PACKAGE / "_vignettes") if f.is_dir()]


def describe(path: str | Path) -> Vignette:
    """Read the front matter of one vignette."""
    path = Path(path)
    try:
        meta, _, _ = front_matter(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise VignetteError(f"cannot read the vignette {path}: {error}") from error
    about = str(meta.get("description") or meta.get("abstract") or "").strip()
    categories = meta.get("categories") or []
    names = [categories] if isinstance(categories, str) else categories
    order = meta.get("order", float("inf"))
    if isinstance(order, bool) or not isinstance(order, int | float):
        raise VignetteError(f"{path}: order: {order!r} in the front matter must be a number")
    title = Document(path, meta, ()).title
    return Vignette(path.stem, path, title, about, tuple(str(name) for name in names), order)


def available() -> list[Vignette]:
    """List the vignettes that `find` knows.

    Returns
    -------
    list of Vignette
        Sorted by name; a checkout's file hides the package's copy of the same name. Files whose name starts with an
        underscore are parts of others and left out.

    Raises
    ------
    VignetteError
        If a front matter is malformed.
    """
    paths: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.rglob("*.qmd")):
            if not path.name.startswith("_"):
                paths.setdefault(path.stem, path)
    return [describe(paths[name]) for name in sorted(paths)]


def find(name: str | Path) -> Path:
    """Find a vignette by name or path.

    Parameters
    ----------
    name : str or Path
        Path of a ``.qmd`` file, or a vignette's name with or without the ending.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    VignetteError
        If there is none; the message lists near misses or what there is.
    """
    given = Path(name)
    if given.suffix == ".qmd" and given.is_file():
        return given
    known = {vignette.name: vignette.path for vignette in available()}
    if given.name.removesuffix(".qmd") in known and (given.parent == Path(".")):
        return known[given.name.removesuffix(".qmd")]
    near = difflib.get_close_matches(given.stem, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"
    raise VignetteError(f"no vignette named {str(name)!r}; {hint}")
