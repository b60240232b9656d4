"""Warnings stand at the line of the caller's code that asked for the result."""

from __future__ import annotations

import functools
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import statinf as si
from contract.verbs import DATA
from statinf.errors import issue_warning

ROOT = Path(__file__).resolve().parents[1] / "statinf"
TWIN = DATA.assign(w=DATA["x"] + DATA["z"])
FIT = si.lm("y ~ x", DATA)
CALLS = {
    "level": lambda: FIT.conf_int(level=0.05),
    "clusters": lambda: si.lm("y ~ x", TWIN.assign(few=[0, 1, 2] * (len(TWIN) // 3)), cluster="few"),
    "predict": lambda: FIT.predict({"x": [1.0, float("nan")]}),
    "repeated": lambda: si.lm("y ~ x + x", DATA),
    "aliased": lambda: si.lm("y ~ x + z + w", TWIN),
    "unsupported": lambda: si.lm("y ~ x + z + w", TWIN).predict(TWIN.assign(w=1.0)),
    "iv": lambda: si.iv("y ~ t | x + z + w | offered", TWIN),
    "rq": lambda: si.rq("y ~ x", DATA, tau=[0.5, 0.25]),
    "balance": lambda: si.balance("t ~ x + z + w", TWIN),
    "conformal": lambda: si.conformal("y ~ x", DATA.head(12), level=0.99),
    "lsa": lambda: si.lsa("y ~ x + z", DATA, inference="batch-means"),
    "td": lambda: si.td("y ~ x", DATA, next="x_next", discount=0.5, inference="random-scaling"),
    "bootstrap": lambda: si.lm("y ~ x", DATA).bootstrap(5),
    "shift": lambda: si.density_ratio("~ x", DATA, DATA.assign(x=DATA["x"] + 3.0)),
}


@pytest.mark.parametrize("name", CALLS)
def test_warnings_point_at_the_caller(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[name]()
    ours = [w for w in caught if issubclass(w.category, si.StatinfWarning)]
    assert ours
    line = CALLS[name].__code__.co_firstlineno
    assert {(w.filename, w.lineno) for w in ours} == {(__file__, line)}


def test_a_function_of_the_caller_that_the_package_calls_is_the_callers_code():
    def f(column):
        FIT.conf_int(level=0.05)
        return column

    with pytest.warns(si.StatinfWarning, match="level") as caught:
        si.lm("y ~ f(x)", DATA, context={"f": f})
    line = f.__code__.co_firstlineno + 1
    assert {(w.filename, w.lineno) for w in caught} == {(__file__, line)}


@pytest.mark.parametrize(
    ("around", "place"),
    [
        (["statinf/a.py", "lib/functools.py", "statinf/b.py", "lib/contextlib.py", "mine.py"], "mine.py"),
        (["statinf/a.py", "site-packages/sklearn.py", "statinf/b.py", "mine.py"], "mine.py"),
        (["statinf/a.py", "site-packages/theirs.py", "mine.py"], "site-packages/theirs.py"),
        (["statinf/a.py", "mine.py", "statinf/b.py", "other.py"], "mine.py"),
    ],
)
def test_calls_that_run_through_other_packages(around, place):
    """The callers from the inside out, by file."""
    call = functools.partial(issue_warning, "x", si.StatinfWarning)
    for file in around:
        name = file.removeprefix("lib/").removeprefix("site-packages/").removesuffix(".py").replace("/", ".")
        scope = {"__name__": name, "inner": call}
        exec(compile("def outer():\n    inner()\n", file, "exec"), scope)
        call = scope["outer"]
    with pytest.warns(si.StatinfWarning) as caught:
        call()
    assert caught[0].filename == place


def test_another_thread_is_no_place():
    with ThreadPoolExecutor(1) as pool, pytest.warns(si.StatinfWarning, match="level") as caught:
        pool.submit(FIT.conf_int, level=0.05).result()
    assert str(ROOT) not in caught[0].filename


def test_every_warning_goes_through_the_helper():
    direct = [
        str(path.relative_to(ROOT))
        for path in sorted(ROOT.rglob("*.py"))
        if path.name != "errors.py"
        and re.search(r"\bwarnings\.warn\(|\bstacklevel\b", path.read_text(encoding="utf-8"))
    ]
    assert direct == []
