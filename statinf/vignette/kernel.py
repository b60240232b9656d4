"""The kernel a vignette runs in: this interpreter, none of the user's settings, no open port."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from statinf.vignette.errors import need
from statinf.vignette.parse import Document


def figure_settings(document: Document) -> dict[str, Any]:
    """Width and height in inches, dots per inch and format of figures, by Quarto's names in the front matter."""
    return {
        "width": float(document.setting("fig-width", 7)),
        "height": float(document.setting("fig-height", 4.4)),
        "dpi": float(document.setting("fig-dpi", 96)),
        "format": str(document.setting("fig-format", "retina")),
    }


def configure(folder: Path, figure: Mapping[str, Any]) -> dict[str, str]:
    """Write the kernel's IPython and matplotlib settings into `folder`; return the variables that point there."""
    formats = {"svg", "retina"} if figure["format"] == "svg" else {"retina"}
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    shell = f"c = get_config()\nc.InlineBackend.figure_formats = {formats!r}\n"
    (profile / "ipython_kernel_config.py").write_text(shell)
    (folder / "matplotlibrc").write_text(
        f"figure.figsize: {figure['width']}, {figure['height']}\nfigure.dpi: {figure['dpi']}\nsvg.hashsalt: statinf\n"
    )
    variables = {
        "IPYTHONDIR": str(folder / "ipython"),
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "QUARTO_FIG_WIDTH": str(figure["width"]),
        "QUARTO_FIG_HEIGHT": str(figure["height"]),
        "QUARTO_FIG_DPI": str(figure["dpi"]),
        "QUARTO_FIG_FORMAT": figure["format"],
    }
    home = Path(__file__).resolve().parents[2]
    if str(home) not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        # a checkout that is not installed: the kernel starts in the vignette's folder and would not see it
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(home), os.environ.get("PYTHONPATH", "")]))
    return variables


def manager(folder: Path) -> Any:
    """Manager of a kernel that keeps its files in `folder` and needs no installed kernelspec."""
    need("ipykernel")
    # without folders to search, "python3" is ipykernel's own description of the current interpreter
    specs = need("jupyter_client.kernelspec").KernelSpecManager(kernel_dirs=[])
    return need("jupyter_client.manager").AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=specs,
        connection_file=str(folder / "kernel.json"),
        **_transport(folder),
    )


def _transport(folder: Path) -> dict[str, str]:
    """Sockets in our own folder rather than open ports, where the system has them and the path is short enough."""
    short = len(str(folder)) < 85
    return {"transport": "ipc", "ip": str(folder / "socket")} if os.name == "posix" and short else {}
