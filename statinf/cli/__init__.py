"""The command ``statinf``: a demonstration, the table of methods, the vignettes, and what is installed."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from statinf.errors import StatinfError

__all__ = ["main"]

_FORMATS = ("html", "docx", "gfm", "latex", "pdf", "typst")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after ``statinf``; by default those of the process.

    Returns
    -------
    int
        Exit status: 0 if all went well, 1 for an error that statinf names, 2 for a command that cannot be read (raised
        as SystemExit by argparse), 130 after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal of a narrow character set shows a name such as Candès with a mark instead of ending the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.error("a command is needed; `statinf --help` lists them")
    try:
        # a command's imports are its own: `statinf methods` does not wait for matplotlib
        code = import_module(f"statinf.cli.{options.command}").run(options)
        # here rather than at the exit, where a reader that has gone ends in a complaint of Python's
        sys.stdout.flush()
        return code
    except StatinfError as error:
        print(f"statinf {options.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # the reader, such as `head`, has seen enough; without this Python complains while closing stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        print(f"statinf {options.command}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"statinf {options.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="statinf", description=__doc__)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and stop")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, words: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")

    demo = command(
        "demo", "take one question through all families, fit real data with each, and write a report with figures"
    )
    demo.add_argument("--out", default="demo-output", metavar="DIR", help="folder of the report (default: %(default)s)")
    demo.add_argument("--only", action="append", metavar="FAMILY", help="this family, or tour, only; may be repeated")

    methods = command("methods", "list every method with its paper and guarantee")
    methods.add_argument("verb", nargs="?", metavar="VERB", help="those of one verb, such as balance")
    methods.add_argument("--markdown", action="store_true", help="as a Markdown table")

    reproduce = command("reproduce", "run a vignette and write it as a page")
    reproduce.add_argument("name", nargs="?", metavar="NAME", help="a vignette or a .qmd file; without it, list them")
    reproduce.add_argument(
        "--all", action="store_true", help="run all, and write REPRODUCED.md; done ones are not run again"
    )
    reproduce.add_argument("--again", action="store_true", help="with --all: run those with a record as well")
    reproduce.add_argument("--full", action="store_true", help="at the sizes of the paper (may take hours)")
    reproduce.add_argument(
        "--within",
        type=float,
        metavar="MINUTES",
        help="with --all --full: those alone that take no more, by what their records at size reduced took",
    )
    reproduce.add_argument("--to", default="html", choices=_FORMATS, help="format of the page (default: %(default)s)")
    reproduce.add_argument("--out", default=".", metavar="PATH", help="folder or file to write (default: here)")

    command("info", "show versions, devices and the compilation cache")
    return parser


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __call__(self, *_: object) -> None:
        import statinf

        print(f"statinf {statinf.__version__}")
        raise SystemExit(0)
