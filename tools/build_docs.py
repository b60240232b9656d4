"""Write the documentation into a folder: vignettes with an index, and the API reference below ``api``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pdoc
import pdoc.render

from statinf.vignette import available, build_index, render

INTRO = (
    "Each page is a Quarto document that was run top to bottom. The functions are described in the "
    "[API reference](api/statinf.html)."
)


def main(folder: Path) -> None:
    cache = folder / ".cache"
    vignettes = available()
    for vignette in vignettes:
        print(render(vignette.path, out=folder, cache=cache), flush=True)
    if vignettes:
        print(build_index(folder, intro=INTRO))
    # made when it is asked for, so pdoc finds no line of source for it
    warnings.filterwarnings("ignore", message="Found '__version__'")
    pdoc.render.configure(docformat="numpy", math=True)
    pdoc.pdoc("statinf", "!statinf.cli", "!statinf.vignette.__main__", output_directory=folder / "api")
    print(folder / "api" / "statinf.html")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/_build"))
