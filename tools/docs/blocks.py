"""Run Python blocks that share a namespace, and keep what they put out: text, the last value and figures."""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import io
import json
import re
import subprocess
import sys
import traceback
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from statinf.errors import StatinfError, StatinfWarning
from statinf.vignette.cache import package_digest

DPI = 144
_ECHOED = re.compile(r"\[?<(?:matplotlib\.|Figure|Axes)|Text\(|array\(\[+<Axes|\{.*<Axes", re.DOTALL)


class BlockError(StatinfError):
    """A block of a page failed."""


@dataclass(frozen=True)
class Output:
    """What a block put out: its text, and its figures as PNG."""

    text: str = ""
    figures: tuple[bytes, ...] = ()
    warned: str = ""


@cache
def _digest() -> str:
    return package_digest() + sys.version


def run(codes: Sequence[str], where: str, kept: Path, *, optional: Collection[int] = ()) -> list[Output]:
    """Run blocks one after another in one namespace, or read their outputs back.

    Parameters
    ----------
    codes : sequence of str
        Each is a block.
    where : str
        What the blocks are of, for the message if one fails.
    kept : Path
        Folder of earlier outputs. Blocks, package and interpreter decide which of them are read.
    optional : collection of int
        Numbers of blocks that may fail, by an exception of the library or a TypeError: they have no output then.

    Returns
    -------
    list of Output
        One for each block.

    Raises
    ------
    BlockError
        If a block fails, with its traceback.
    """
    key = hashlib.sha256(json.dumps([_digest(), list(codes), sorted(optional)]).encode()).hexdigest()[:24]
    file = kept / f"{key}.json"
    if file.is_file():
        return [_read(item) for item in json.loads(file.read_text(encoding="utf-8"))]
    outputs = _all(codes, where, optional)
    kept.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps([_written(output) for output in outputs]), encoding="utf-8")
    part.replace(file)
    return outputs


def _all(codes: Sequence[str], where: str, optional: Collection[int]) -> list[Output]:
    import matplotlib
    import numpy as np

    space: dict[str, Any] = {"__name__": "page"}
    np.random.seed(0)  # noqa: NPY002 - a page that draws from the global state shows the same numbers every time
    outputs = []
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.use("agg")
        for number, code in enumerate(codes):
            try:
                outputs.append(_one(code, space))
            except Exception as error:
                if number in optional and isinstance(error, StatinfError | TypeError | AttributeError):
                    outputs.append(Output())
                    continue
                trace = "".join(traceback.format_exception_only(error))
                raise BlockError(f"{where}: block {number + 1} failed.\n\n{code}\n\n{trace}") from error
    return outputs


def _one(code: str, space: dict[str, Any]) -> Output:
    import matplotlib.pyplot as plt

    tree = ast.parse(code)
    end = tree.body[-1] if tree.body else None
    last = end if isinstance(end, ast.Expr) else None
    if last is not None:
        tree.body.pop()
    silent = code.rstrip().endswith(";")
    printed = io.StringIO()
    plt.close("all")
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", StatinfWarning)
        exec(compile(tree, "<page>", "exec"), space)
        value = eval(compile(ast.Expression(last.value), "<page>", "eval"), space) if last is not None else None
    figures = tuple(_png(plt.figure(number)) for number in plt.get_fignums())
    plt.close("all")
    text = printed.getvalue()
    shown = "" if value is None or silent else repr(value)
    if shown and not (figures and _ECHOED.match(shown)):
        text += shown
    warned = "\n".join(dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught))
    return Output(text.rstrip().strip("\n"), figures, warned)


def _png(figure: Any) -> bytes:
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    return held.getvalue()


def _written(output: Output) -> dict[str, Any]:
    return {
        "text": output.text,
        "figures": [base64.b64encode(f).decode() for f in output.figures],
        "warned": output.warned,
    }


def _read(item: dict[str, Any]) -> Output:
    return Output(item["text"], tuple(base64.b64decode(f) for f in item["figures"]), item["warned"])


@cache
def laid_out(code: str, width: int = 80) -> str:
    """Code in lines that fit the column of a page, by ruff where it is installed."""
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.is_file():
        return code
    command = [str(ruff), "format", "--quiet", f"--line-length={width}", "--stdin-filename=page.py", "-"]
    done = subprocess.run(command, input=code, capture_output=True, text=True, check=False)
    return done.stdout.rstrip() if done.returncode == 0 else code


def fenced(text: str, classes: str = "text") -> str:
    """A fenced block that `text` cannot close."""
    marks = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return f"{marks}{classes}\n{text}\n{marks}"


def shown(output: Output, files: Sequence[str], alt: str) -> str:
    """Markdown of a block's output; `files` are the addresses of its figures."""
    parts = [fenced(output.warned, "{ .text .output .warned }")] if output.warned else []
    parts += [fenced(output.text, "{ .text .output }")] if output.text else []
    for file, content in zip(files, output.figures, strict=True):
        parts.append(f'![{alt}]({file}){{ .figure width="{round(_width(content) * 96 / DPI)}" loading=lazy }}')
    return "\n\n".join(parts)


def _width(png: bytes) -> int:
    return int.from_bytes(png[16:20], "big")
