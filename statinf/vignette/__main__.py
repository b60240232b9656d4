"""``python -m statinf.vignette``: render, run, list and index vignettes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

from statinf.errors import OptionError, StatinfError
from statinf.vignette.errors import need
from statinf.vignette.sizes import SIZES


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.action(options)
    except StatinfError as error:
        print(f"statinf.vignette: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("statinf.vignette: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m statinf.vignette", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name: str, words: str, action: object) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=words, description=words)
        made.set_defaults(action=action)
        return made

    for name, words, action in (
        ("render", "run vignettes and write pages", _render),
        ("run", "run vignettes and write nothing", _run),
    ):
        made = command(name, words, action)
        made.add_argument("files", nargs="+", metavar="FILE", help="a .qmd file or the name of a vignette")
        made.add_argument("--size", choices=SIZES, help="amount of work (default: STATINF_VIGNETTE, else reduced)")
        made.add_argument("--cache", metavar="FOLDER", help="keep executed notebooks here and reuse them")
        made.add_argument("--timeout", type=float, metavar="SECONDS", help="limit for one cell (default: none)")
        made.add_argument(
            "-P", "--param", action="append", default=[], metavar="NAME:VALUE", help="set a parameter; may be repeated"
        )
        if name == "render":
            made.add_argument("--to", default="html", choices=("html", "docx", "gfm", "latex", "pdf", "typst"))
            made.add_argument("--out", metavar="PATH", help="folder or file to write (default: beside the source)")
            made.add_argument("--no-quarto", action="store_true", help="do not use quarto even where it is installed")
    command("list", "list the vignettes", _list)
    index = command("index", "write index.html for a folder of rendered pages", _index)
    index.add_argument("folder")
    index.add_argument("--title", default="statinf: vignettes")
    index.add_argument("--intro", default="", help="introduction, in Markdown")
    return parser


def _params(given: Sequence[str]) -> dict[str, Any]:
    """Values of ``-P NAME:VALUE``, read as YAML, as Quarto reads them."""
    yaml = need("yaml")
    values = {}
    for one in given:
        name, colon, text = one.partition(":")
        if not colon or not name.strip().isidentifier():
            raise OptionError(f"-P {one}: write a parameter as NAME:VALUE, such as level:0.9.")
        try:
            values[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise OptionError(f"-P {one}: the value cannot be read ({error}).") from error
    return values


def _render(options: argparse.Namespace) -> int:
    from statinf.vignette import find, render

    for name in options.files:
        begun = time.perf_counter()
        page = render(
            find(name),
            options.to,
            out=options.out,
            size=options.size,
            params=_params(options.param),
            cache=options.cache,
            timeout=options.timeout,
            use_quarto=False if options.no_quarto else "auto",
        )
        print(f"{page} ({time.perf_counter() - begun:.1f} s)")
    return 0


def _run(options: argparse.Namespace) -> int:
    from statinf.vignette import execute, find

    for name in options.files:
        begun = time.perf_counter()
        values = _params(options.param)
        done = execute(find(name), size=options.size, params=values, cache=options.cache, timeout=options.timeout)
        print(f"{done.document.path}: every cell ran at size {done.size} ({time.perf_counter() - begun:.1f} s)")
    return 0


def _list(options: argparse.Namespace) -> int:
    from statinf.vignette import available

    for vignette in available():
        print(f"{vignette.name:<24} {vignette.title}")
    return 0


def _index(options: argparse.Namespace) -> int:
    from statinf.vignette import build_index

    print(build_index(options.folder, title=options.title, intro=options.intro))
    return 0


if __name__ == "__main__":
    sys.exit(main())
