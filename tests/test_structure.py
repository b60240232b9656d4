"""The shape of the repository: sizes of files, what an import costs, what the constraints may say."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 500
# Heavy packages that only the functions that need them may import
LATE = ("jax", "jaxlib", "cvxpy", "arviz", "statsmodels", "sklearn", "matplotlib", "optax", "formulaic", "pandas")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_source_file_is_too_long():
    files = sources("statinf", "tests", "benchmarks", "tools")
    assert len(files) > 50
    long = {str(path.relative_to(ROOT)): lines(path) for path in files if lines(path) > LONGEST}
    assert not long, f"split these at a seam: {long}"


def test_most_files_are_short():
    assert statistics.median(lines(path) for path in sources("statinf") if path.name != "__init__.py") < 150


def test_every_module_says_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in sources("statinf")
        if (text := path.read_text(encoding="utf-8")).strip() and not text.lstrip().startswith(('"""', 'r"""'))
    ]
    assert not silent, f"these start without a docstring: {silent}"


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _nodes(path: Path) -> list[ast.AST]:
    """Classes and imports of a file, those inside of functions too; expressions hold none."""
    found, left = [], [*_tree(path).body]
    while left:
        node = left.pop()
        if isinstance(node, ast.ClassDef | ast.Import | ast.ImportFrom):
            found.append(node)
        for block in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(node, block, [])
            left += inner if isinstance(inner, list) else []
    return found


def _kinds(path: Path) -> set[str]:
    """Names of the classes that a file defines, aliases of types among them; a leading underscore tells none apart."""
    found = [node.name for node in _nodes(path) if isinstance(node, ast.ClassDef)]
    targets = [node.targets[0] for node in _tree(path).body if isinstance(node, ast.Assign)]
    found += [target.id for target in targets if isinstance(target, ast.Name)]
    # constants are in capitals throughout, variables in small letters
    return {name for name in (name.lstrip("_") for name in found) if name[:1].isupper() and not name.isupper()}


def test_one_class_name_one_thing():
    places = defaultdict(list)
    for path in sources("statinf"):
        for name in _kinds(path):
            places[name].append(str(path.relative_to(ROOT)))
    shared = {name: files for name, files in places.items() if len(files) > 1}
    assert not shared, f"name these apart, each for what it is: {shared}"
    renamed = [
        f"{path.relative_to(ROOT)}: {name.name} as {name.asname}"
        for path in sources("statinf")
        for node in _nodes(path)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("statinf")
        for name in node.names
        if name.name in places and name.asname not in (None, name.name)
    ]
    assert not renamed, f"import these by their own names: {renamed}"


def _fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_statinf_imports_no_heavy_package():
    loaded = _fresh(f"import sys, statinf; print(*[name for name in {LATE!r} if name in sys.modules])")
    assert loaded == ""


def test_reading_every_public_name_imports_nothing_slow():
    """Verbs read their methods' records at once; what a method computes with comes when it runs."""
    slow = ("scipy.stats", "scipy.optimize", "scipy.spatial", *LATE)
    code = f"import sys, statinf; [getattr(statinf, v) for v in statinf.__all__]; print(*[m for m in {slow!r} if m in sys.modules])"
    assert _fresh(code) == ""


def test_importing_every_module_starts_no_device():
    """No module of the library makes a JAX array while it is imported, which would settle the caller's devices."""
    code = """
import importlib, pkgutil, sys, statinf
for found in pkgutil.walk_packages(statinf.__path__, "statinf."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
bridge = sys.modules.get("jax._src.xla_bridge")
print(bool(bridge is not None and bridge._backends))
"""
    assert _fresh(code) == "False"


def test_every_public_name_is_there():
    listed = _fresh("import statinf; print(*getattr(statinf, '__all__', ()))").split()
    missing = _fresh(f"import statinf; print(*[name for name in {listed!r} if not hasattr(statinf, name)])")
    assert missing == ""


def test_the_changelog_has_a_place_for_the_next_version():
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"version: {project['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_constraints_are_names_versions_and_markers_only():
    pin = re.compile(r"#.*|[a-z0-9._-]+==[0-9][\w.]*( ; [\w .'<>=!()]+)?")
    odd = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not pin.fullmatch(line)]
    assert not odd


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    names = {re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-") for requirement in wanted} - {
        "statinf-toolkit"
    }
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    assert names <= pinned


def test_triangular_systems_go_by_lapack_itself():
    # SciPy's function estimates a condition on all threads, which small matrices wait for.
    own = ROOT / "statinf" / "numerics" / "linear" / "triangular.py"
    scipys = re.compile(r"scipy\.linalg import.*solve_triangular")
    assert not [path for path in sources("statinf") if path != own and scipys.search(path.read_text(encoding="utf-8"))]


def test_no_files_import_each_other_in_a_circle():
    """Imports inside of functions count; those for type checkers alone do not."""
    modules = {_module(path): path for path in sources("statinf")}
    needs = {name: _imported(path, modules) - {name} for name, path in modules.items()}
    while free := {name for name, own in needs.items() if not own & needs.keys()}:
        for name in free:
            del needs[name]
    # What is left stands in a circle, or above one.
    while top := needs.keys() - {needed for own in needs.values() for needed in own}:
        for name in top:
            del needs[name]
    assert not needs, f"these import each other: {sorted(needs)}; move what they share below both"


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(path: Path, modules: dict[str, Path]) -> set[str]:
    guarded = {
        id(node)
        for guard in ast.walk(_tree(path))
        if isinstance(guard, ast.If) and "TYPE_CHECKING" in ast.unparse(guard.test)
        for node in ast.walk(guard)
    }
    found = set()
    for node in _nodes(path):
        if not isinstance(node, ast.ImportFrom) or id(node) in guarded:
            continue
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            found.add(inner if inner in modules else node.module)
    return found & modules.keys()
