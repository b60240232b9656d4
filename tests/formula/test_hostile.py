"""Formulas from a stranger: nothing runs, each ends in a `FormulaError` within a second, nothing else is raised."""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statinf.errors import FormulaError
from statinf.formula import design

MARK = "STATINF_HOSTILE_MARK"


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 60
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": rng.uniform(1, 2, size=n),
            "i": np.arange(n),
            "g": rng.choice(["a", "b", "c"], size=n),
            "__class__": rng.normal(size=n),
            "os.system('true')": rng.normal(size=n),
        }
    )


# Pieces that a factor might be made of; each is tried in several places of a formula below.
CODE = [
    "__import__('os').system('touch SENTINEL')",
    "__import__('os').environ.setdefault('MARK', '1')",
    "exec('import os')",
    "eval('1')",
    "eval(compile('1', 'x', 'eval'))",
    "open('SENTINEL', 'w')",
    "open('SENTINEL', 'w').write('x')",
    "print(x)",
    "input()",
    "breakpoint()",
    "globals()",
    "locals()['x']",
    "vars(x)",
    "dir(x)",
    "getattr(x, 'shape')",
    "getattr(x, '__class__')",
    "setattr(x, 'a', 1)",
    "type(x)",
    "id(x)",
    "len(x)",
    "sum(x)",
    "max(x)",
    "list(x)",
    "str(x)",
    "range(10**9)",
    "help(x)",
    "quit()",
    "exit(1)",
    "os.system('touch SENTINEL')",
    "os.environ",
    "sys.exit(1)",
    "sys.modules",
    "subprocess.run(['touch', 'SENTINEL'])",
    "importlib.import_module('os')",
    "builtins.open('SENTINEL', 'w')",
    "pathlib.Path('SENTINEL').touch()",
    "shutil.rmtree('SENTINEL')",
    "pickle.loads('x')",
    "np.load('SENTINEL')",
    "np.save('SENTINEL', x)",
    "np.savetxt('SENTINEL', x)",
    "np.fromfile('SENTINEL')",
    "np.memmap('SENTINEL')",
    "np.loadtxt('SENTINEL')",
    "np.genfromtxt('SENTINEL')",
    "np.ctypeslib.load_library('c', '/lib')",
    "np.f2py.compile('x')",
    "np.lib.format.open_memmap('SENTINEL')",
    "np.random.seed(1)",
    "np.random.normal(x)",
    "np.frompyfunc(x, 1, 1)",
    "np.vectorize(x)",
    "np.apply_along_axis(x, 0, x)",
    "np.testing.runstring('1', x)",
    "np.linalg.inv(x)",
    "np.zeros(10**12)",
    "np.ones(x)",
    "np.I(x)",
    "np.__dict__",
    "np.log.__call__(x)",
    "np.log.at(x, 0)",
    "np.log.reduce(x)",
    "np.exp.__self__(x)",
    "np",
    "numpy.load('SENTINEL')",
    "pd.read_pickle('SENTINEL')",
    "pd.eval('1')",
    "x.__class__",
    "x.__class__.__bases__",
    "x.__class__.__mro__[1].__subclasses__()",
    "().__class__.__bases__[0].__subclasses__()",
    "''.__class__",
    "x.tofile('SENTINEL')",
    "x.dump('SENTINEL')",
    "x.sum()",
    "x.values.base",
    "x.shape",
    "x.T.T.T.T",
    "log.__globals__",
    "log.__self__.__dict__",
    "I.__globals__['os']",
    "I.__code__",
    "poly.__wrapped__(x)",
    "bs.__defaults__",
    "C.__class__",
    "__class__.__mro__",
    "__builtins__",
    "__name__",
    "__file__",
    "__loader__",
    "_state",
    "lambda: 1",
    "lambda x: x",
    "(lambda: 1)()",
    "(lambda f: f(f))(lambda f: f(f))",
    "[v for v in x]",
    "{v for v in x}",
    "{v: v for v in x}",
    "(v for v in x)",
    "[q := 1]",
    "(q := x)",
    "I(q := x)",
    "f'{x}'",
    "f'{x!r}'",
    "f'{__import__(\"os\")}'",
    "'{0.__class__}'.format(x)",
    "'%s' % x",
    "'a' 'b'",
    "b'bytes'",
    "'a' * 10**9",
    "'a' + 'b'",
    "[1] * 10**9",
    "[x] + [z]",
    "(1,) * 10**9",
    "await x",
    "yield x",
    "yield from x",
    "async x",
    "x if z else i",
    "x[0]",
    "x[0:1]",
    "x[...]",
    "x[x > 0]",
    "'abc'[0]",
    "[1, 2][0]",
    "{'a': 1}['a']",
    "{'a': x}",
    "{1, 2}",
    "...",
    "x @ z",
    "x << 2",
    "x >> 2",
    "x ^ z ^ __import__('os')",
    "x is z",
    "x is not None",
    "x in z",
    "x in ['a']",
    "x in [[1], [1, 2]]",
    "x in []",
    "x in None",
    "x == 'a'",
    "x == [1, 2]",
    "x == None",
    "x < 'a'",
    "g < 'b'",
    "g == 1",
    "g == 'nobody'",
    "g in ['a', None]",
    "g in [['a']]",
    "g == g",
    "not g",
    "g and x",
    "log(g)",
    "log(*x)",
    "log(**x)",
    "log(*[x, z])",
    "log(x, z)",
    "log(x, out=z)",
    "log(x, where=z)",
    "log(x, dtype='O')",
    "exp(x, z)",
    "minimum(x, z, i)",
    "maximum(x, z, out=i)",
    "where(x > 0, x, z, i)",
    "where(x)",
    "round(x, 2, z)",
    "round(x, out=z)",
    "round(x, 'a')",
    "round(x, z)",
    "I()",
    "I(x, z)",
    "I(*x)",
    "I(x=x)",
    "log()",
    "log(log)",
    "log(x)(z)",
    "log(x).real",
    "log('a')",
    "log(None)",
    "log([1])",
    "log(1j)",
    "I(1j * x)",
    "I('x')",
    "I(9**9**9)",
    "9**9**9",
    "I(x**9**9**9**9)",
    "I(x * 1e999)",
    "I(x * " + "9" * 400 + ")",
    "I(x * " + "9" * 5000 + ")",
    "I(0x" + "f" * 5000 + " * x)",
    "I(x * 1" + "_0" * 500 + ")",
    "Q()",
    "Q(x)",
    "Q('x', 'z')",
    "Q('nobody')",
    "Q(*['x'])",
    "Q(name='x')",
    "Q(f'{x}')",
    "Q('x' + 'z')",
    "Q(None)",
    "Q(1)",
    "Q(['x'])",
    "Q(Q('x'))",
    "Q('x').shape",
    "Q('__import__(\"os\")')",
    "`__import__('os').system('touch SENTINEL')`",
    "`eval('1')`",
    "`x`.shape",
    "`x`(1)",
    "`log`(x)",
    "`x``z`",
    "`x`z",
    "``",
    "`nobody`",
    "`x` `z`",
    "C()",
    "C(nobody)",
    "C(g, x)",
    "C(g, log)",
    "C(g, contr)",
    "C(g, contr.nobody)",
    "C(g, contr.__class__)",
    "C(g, contr.sum.__globals__)",
    "C(g, contr.sum, contr.sum)",
    "C(g, contr.treatment('nobody'))",
    "C(g, contr.treatment(x))",
    "C(g, contr.treatment(__import__('os')))",
    "C(g, contr.treatment(base=[1]))",
    "C(g, contr.treatment(zzz=1))",
    "C(g, contr.sum(1, 2, 3, 4))",
    "C(g, contr.poly(scores=[1, 1, 1]))",
    "C(g, contr.poly(scores='abc'))",
    "C(g, contr.poly(scores=[1]))",
    "C(g, contr.custom([[1]]))",
    "C(g, contr.custom({'a': 1}))",
    "C(g, contr.helmert(reverse=[]) * 2)",
    "C(g, [[1, 2], [3, 4]])",
    "C(g, [[1, 0], [0, 1], ['a', 'b']])",
    "C(g, 5)",
    "C(g, 'contr.sum')",
    "C(g, None, None)",
    "C(g, levels=x)",
    "C(g, levels=[x, z])",
    "C(g, levels=[[1], [2]])",
    "C(g, levels=5)",
    "C(g, levels='abc')",
    "C(g, levels=[])",
    "C(g, levels=['a'])",
    "C(g, levels=['a', 'a', 'b', 'c'])",
    "C(g, levels=[None, 'a', 'b', 'c'])",
    "C(g, levels=__import__('os'))",
    "C(g, levels=list('abc'))",
    "C(g, levels=['a', 'b', 'c'] * 10**9)",
    "C(g, evil=1)",
    "C(g, **{'levels': 1})",
    "C(*g)",
    "C(C(g))",
    "C(poly(x, 2))",
    "C('g')",
    "C([1, 2])",
    "log(C(g))",
    "contr.sum",
    "contr.sum(x)",
    "contr.__class__(x)",
    "Treatment('a')",
    "poly()",
    "poly(x, 10**9)",
    "poly(x, 1000000000)",
    "poly(x, -1)",
    "poly(x, 2.5)",
    "poly(x, 'a')",
    "poly(x, z)",
    "poly(x, True)",
    "poly(x, raw='yes')",
    "poly(x, 2, False, {})",
    "poly(x, 2, _state={})",
    "poly(x, degree=2, degree=3)",
    "poly(x, 2, degree=3)",
    "poly(g, 2)",
    "poly([1, 2], 1)",
    "poly(1, 1)",
    "poly(*x)",
    "poly(x, **{'degree': 2})",
    "poly(__import__('os'), 2)",
    "poly(poly(x, 2), 2)",
    "log(poly(x, 2))",
    "bs(x, df=10**9)",
    "bs(x, df=1000000000)",
    "bs(x, df=1e9)",
    "bs(x, df=-4)",
    "bs(x, degree=1000000)",
    "bs(x, df=4, degree=-1)",
    "bs(x, knots=x)",
    "bs(x, knots='abc')",
    "bs(x, knots=[1, [2]])",
    "bs(x, knots=[1e999])",
    "bs(x, knots=range(10**9))",
    "bs(x, df=5, lower_bound='a')",
    "bs(x, df=5, lower_bound=100)",
    "bs(x, df=5, upper_bound=-100)",
    "bs(x, df=5, extrapolation='evil')",
    "bs(x, df=5, extrapolation=__import__('os'))",
    "bs(x, df=5, include_intercept=[])",
    "bs(x, df=5, _state=1)",
    "cr(x, df=1000000000)",
    "cr(x, constraints=[[1]])",
    "cr(x, df=4, constraints='evil')",
    "cr(x, df=4, cyclic=True)",
    "cr(x)",
    "cc(x, df=10**9)",
    "cs(x, df=0)",
    "scale(x, 'evil')",
    "scale(x, ddof=10**9)",
    "scale(x, _state={})",
    "scale(g)",
    "scale(scale)",
    "center(x, True)",
    "center(x, __import__('os'))",
    "hashed(g)",
    "hashed(g, levels=10**9)",
    "lag(x)",
    "te(x, z)",
    "stateful_transform(x)",
    "nobody(x)",
    "nobody",
    "offset(g)",
    "offset()",
    "offset(x, z)",
    "offset(offset(x))",
    "offset(x).shape",
    "offset(__import__('os'))",
    "log(offset(x))",
    "offset(poly(x, 2))",
    "{__import__('os').system('touch SENTINEL')}",
    "{open('SENTINEL', 'w')}",
    "{x.shape}",
    "{{x}}",
    "{}",
    "{x; z}",
    "{import os}",
    "{x\nz}",
    "{lambda: x}",
    "import os",
    "from os import system",
    "del x",
    "x = 1",
    "x; z",
    "x, z",
    "x\\\nz",
    "x # comment\n)",
    "assert x",
    "raise x",
    "return x",
    "pass",
    "global x",
    "class A: pass",
    "def f(): pass",
    "with x: pass",
    "while True: pass",
    "for v in x: pass",
    "try: x",
    "@x",
    "$x",
    "!x",
    "?",
    "x ? z",
    "x => z",
    "x -> z",
    "x ++",
    "** x",
    "x **",
    "x ** z",
    "x ** -1",
    "x ** 0",
    "x ** 1000",
    "x^^2",
    "x ^ g",
    "(x + z)**9**9",
    "(x + z + i)**99",
    "((((x + z)**9)**9)**9)",
    "x:",
    ":x",
    "x::z",
    "x //",
    "x %in%",
    "x %z% i",
    "x | z",
    "(x | z)",
    "(x ~ z)",
    "[x ~ z]",
    "x ~ z",
    "~",
    "[x]",
    "(x",
    "x)",
    "(x]",
    "((x)",
    "'x",
    '"x',
    "`x",
    "x'",
    "I('x)",
    "I(\"x')",
    "'''x",
    "'\\",
    "x\x00z",
    "x\x07",
    "\x1b[31mx",
    "x\u200bz",
    "x\u202ez",
    "x\ufeff",
    "x\ud800",
    "x\x7f",
    "\uff58",
    "\uff4c\uff4f\uff47(x)",
    "\U0001d5d1",
    "__\uff49mport__('os')",
    "e\u1d65al('1')",
    "\u03b1",
    "\u0435val('1')",
    "x\u2028z",
    "x\u037e z",
    "'abc':x",
    "'abc'",
    "1e999:x",
    "0:x",
    "5",
    "2 * x * nobody",
    "x:nobody",
    "nobody:nobody",
    "1:1:nobody",
    "log(x)log(z)",
    "x z",
    "x 1",
    "1 x",
    "1x",
    "x.",
    ".x",
    "x..z",
    "x.1",
]

PLACES = ["y ~ {}", "y ~ x + I({})", "{} ~ x", "y ~ z:{}", "y ~ x | {}", "y ~ log({}) + z"]

# Legal where they stand: the place, not the code, makes the difference.
LEGAL_THERE = {
    ("y ~ x + I({})", "x == None"),
}


def attempt(formula: object, data: pd.DataFrame, roles: tuple[str, ...] = ("a", "b")) -> BaseException | None:
    # The thread's own time: what others do on the machine does not count.
    start = time.thread_time()
    raised: BaseException | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            design(formula, data, roles=roles)  # type: ignore[arg-type]
        except BaseException as error:
            raised = error
    assert time.thread_time() - start < 1.0, f"{str(formula)[:60]!r} took too long"
    return raised


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path, monkeypatch):
    """No file appears, the environment and the modules stay as they were, and no data changes."""
    monkeypatch.chdir(tmp_path)
    environment, modules = dict(os.environ), set(sys.modules)
    yield
    assert list(tmp_path.iterdir()) == []
    assert {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"} == {
        k: v for k, v in environment.items() if k != "PYTEST_CURRENT_TEST"
    }
    assert not {"subprocess_evil", "this", "antigravity"} & (set(sys.modules) - modules)


def test_there_are_enough_of_them():
    assert len(set(CODE)) >= 300


@pytest.mark.parametrize("code", list(dict.fromkeys(CODE)), ids=lambda c: ascii(c)[1:50])
def test_nothing_hostile_runs_or_passes(code, tmp_path):
    code = code.replace("SENTINEL", str(tmp_path / "sentinel")).replace("MARK", MARK)
    data = table()
    before = data.copy(deep=True)
    raised = attempt("y ~ " + code, data, roles=("a",))
    assert isinstance(raised, FormulaError), f"{code!r}: {raised!r}"
    assert len(str(raised)) < 2_000
    pd.testing.assert_frame_equal(data, before)


def test_nothing_hostile_runs_anywhere_in_a_formula(tmp_path):
    """In other places some of the code is legal; what matters is that nothing runs and nothing else is raised."""
    from statinf.errors import StatinfError

    data = table()
    before = data.copy(deep=True)
    for code in dict.fromkeys(CODE):
        code = code.replace("SENTINEL", str(tmp_path / "sentinel")).replace("MARK", MARK)
        for place in PLACES[1:]:
            raised = attempt(place.replace("{}", code), data)
            assert raised is None or isinstance(raised, StatinfError), f"{place} with {code!r}: {raised!r}"
    pd.testing.assert_frame_equal(data, before)
    assert MARK not in os.environ


MEGABYTE = 1_000_000


def _shapes(size: int) -> dict[str, str]:
    return {
        "one name": "y ~ " + "x" * size,
        "sum of one name": "y ~ " + "x+" * (size // 2) + "x",
        "sum of names": "y ~ " + "+".join(f"v{i}" for i in range(size // 7)),
        "product": "y ~ " + "x*" * (size // 2) + "x",
        "interaction": "y ~ " + "x:" * (size // 2) + "x",
        "signs": "y ~ " + "-" * size + "x",
        "open brackets": "y ~ " + "(" * size,
        "closed brackets": "y ~ " + ")" * size,
        "nested brackets": "y ~ " + "(" * (size // 2) + "x" + ")" * (size // 2),
        "nested calls": "y ~ " + "I(" * (size // 3) + "x" + ")" * (size // 3),
        "square brackets": "y ~ I(" + "[" * (size // 2) + "]" * (size // 2) + ")",
        "bars": "y ~ " + "x|" * (size // 2) + "x",
        "tildes": "~" * size,
        "spaces": "y ~ x +" + " " * size,
        "newlines": "y ~ x +" + "\n" * size,
        "quotes": "y ~ " + "'" * size,
        "odd quotes": "y ~ I(g == '" + "a" * size + ")",
        "long text": "y ~ I(g == '" + "a" * size + "')",
        "backticks": "y ~ " + "`" * size,
        "long backticks": "y ~ `" + "a" * size + "`",
        "many backticks": "y ~ " + "+".join(f"`v {i}`" for i in range(size // 10)),
        "digits": "y ~ I(x * " + "9" * size + ")",
        "number of terms": "y ~ " + "9:" * (size // 2) + "x",
        "python sum": "y ~ I(" + "x+" * (size // 2) + "x)",
        "python not": "y ~ I(" + "not " * (size // 4) + "x)",
        "python minus": "y ~ I(" + "-" * size + "x)",
        "python powers": "y ~ I(" + "x**" * (size // 3) + "x)",
        "python comparisons": "y ~ I(" + "x<" * (size // 2) + "x)",
        "python list": "y ~ I(x in [" + "1," * (size // 2) + "])",
        "python dots": "y ~ I(x" + ".a" * (size // 2) + ")",
        "python calls": "y ~ I(x" + "()" * (size // 2) + ")",
        "arguments": "y ~ log(" + "x," * (size // 2) + "x)",
        "levels": "y ~ C(g, levels=[" + "'a'," * (size // 4) + "])",
        "knots": "y ~ bs(x, knots=[" + "1," * (size // 2) + "])",
        "responses": "y+" * (size // 2) + "y ~ x",
        "different responses": "+".join(f"I(y+{i})" for i in range(size // 9)) + " ~ x",
        "powers": "y ~ x" + "**2" * (size // 3),
        "carets": "y ~ x" + "^2" * (size // 2),
        "dots": "y ~ " + ".+" * (size // 2) + ".",
        "dotted": "y ~ x" + ".x" * (size // 2),
        "dot products": "y ~ " + ".*" * (size // 2) + ".",
        "percent": "y ~ " + "x%in%" * (size // 5) + "x",
        "slashes": "y ~ " + "x/" * (size // 2) + "x",
        "control characters": "y ~ " + "\x00" * size,
        "wide characters": "y ~ " + "\uff58" * size,
        "combining marks": "y ~ x" + "\u0301" * size,
        "ligatures": "y ~ " + "\ufdfa" * size,
        "braces": "y ~ " + "{" * (size // 2) + "x" + "}" * (size // 2),
        "offsets": "y ~ " + "+".join(f"offset(nobody{i})" for i in range(size // 18)),
        "minus terms": "y ~ x" + "-x" * (size // 2) + " + nobody",
        "bracketed sum": "y ~ (" + "x+" * (size // 2) + "x)",
        "many brackets": "y ~ " + "(x)+" * (size // 4) + "nobody",
        "many products": "y ~ " + "+".join(f"x*v{i}" for i in range(size // 9)),
        "many calls": "y ~ " + "+".join(f"log(v{i})" for i in range(size // 12)),
    }


@pytest.mark.parametrize("shape", list(_shapes(100)))
@pytest.mark.parametrize("size", [MEGABYTE, 99_000, 2_000, 300])
def test_large_formulas_end_quickly(shape, size):
    raised = attempt(_shapes(size)[shape], table(), roles=("a",))
    harmless = size < MEGABYTE and raised is None and shape in HARMLESS
    assert harmless or isinstance(raised, FormulaError), f"{raised!r}"


# Long, but no more than a long way to write something legal.
HARMLESS = {
    "sum of one name", "interaction", "signs", "dots", "dot products", "slashes", "product", "percent", "bracketed sum",
    "python sum", "python comparisons", "python minus", "python not", "python list", "number of terms", "carets", "powers",
    "digits", "knots",
}  # fmt: skip


EXPANSIONS = [
    "y ~ " + "*".join(f"I(x+{i})" for i in range(26)),
    "y ~ " + "*".join(f"I(x+{i})" for i in range(200)),
    "y ~ (" + "+".join(f"I(x+{i})" for i in range(40)) + ")**9",
    "y ~ (" + "+".join(f"I(x+{i})" for i in range(40)) + ")**40",
    "y ~ (" + "*".join(f"I(x+{i})" for i in range(12)) + ")**2",
    "y ~ ((x + z + i)**9)**9",
    "y ~ (" * 5 + "x + z + i" + ")**9" * 5,
    "y ~ " + ":".join(f"C(i + {k})" for k in range(4)),
    "y ~ " + ":".join(f"C(i % 2 + {k})" for k in range(30)),
    "y ~ " + ":".join(f"C(i % 2 + {k})" for k in range(13)),
    "y ~ " + "*".join(f"C(i % 3 + {k})" for k in range(11)),
    "y ~ " + "*".join(f"C(i + {k})" for k in range(3)),
    "y ~ (" + "+".join(f"C(i + {k})" for k in range(30)) + ")**3",
    "y ~ " + ":".join(f"poly(x + {k}, 50)" for k in range(5)),
    "y ~ " + ":".join(f"bs(x + {k}, df=500)" for k in range(3)),
    "y ~ " + "*".join("(" + "+".join(f"I(x+{10 * j + i})" for i in range(10)) + ")" for j in range(8)),
]


@pytest.mark.parametrize("number", range(len(EXPANSIONS)))
def test_expansions_are_refused_before_they_grow(number):
    raised = attempt(EXPANSIONS[number], table(), roles=("a",))
    assert isinstance(raised, FormulaError), f"{raised!r}"


def test_random_text_is_read_or_refused():
    from statinf.errors import StatinfError

    rng = np.random.default_rng(11)
    pieces = [
        *"xyzig+-*:/^|~()[]{}`'\",.=<>!@#%&;\\\n\t 0129",
        *(
            "log(",
            "C(",
            "poly(",
            "bs(",
            "I(",
            "Q('x')",
            "offset(",
            "**",
            "%in%",
            "contr.sum",
            "in",
            "not",
            "lambda",
            "__class__",
            "'a'",
            "1e9",
        ),
    ]
    data = table()
    for _ in range(3_000):
        text = "".join(rng.choice(pieces, size=rng.integers(1, 14)))
        for formula in (text, "y ~ " + text):
            raised = attempt(formula, data, roles=("a", "b", "c"))
            assert raised is None or isinstance(raised, StatinfError), f"{formula!r}: {raised!r}"


@pytest.mark.parametrize(
    "formula",
    [None, 3, b"y ~ x", ["y ~ x"], ("y", "x"), {"y": "x"}, lambda: "y ~ x", np.nan, Path("y ~ x"), "", " ", "\n"],
)
def test_what_is_no_formula(formula):
    assert isinstance(attempt(formula, table()), FormulaError)


def test_context_is_not_taken_from_the_caller():
    secret = np.arange(60.0)  # noqa: F841
    evil = print  # noqa: F841
    for formula in ("y ~ secret", "y ~ evil(x)", "y ~ I(x + secret)", "y ~ table(x)", "y ~ attempt(x)"):
        assert isinstance(attempt(formula, table()), FormulaError)


def test_deep_formulas_do_not_overflow_a_deep_stack():
    def at_depth(n: int) -> BaseException | None:
        return at_depth(n - 1) if n else attempt("y ~ I(" + "-(" * 30 + "x" + ")" * 30 + ")", table())

    assert at_depth(0) is None
    raised = at_depth(sys.getrecursionlimit() - 300)
    assert raised is None or isinstance(raised, FormulaError)


LEGAL = [
    "y ~ x",
    "y~x",
    "  y  ~\n x\t+ z ",
    "~ x + g",
    "y ~ 1",
    "y ~ 0 + x",
    "y ~ x - 1",
    "y ~ -1 + x",
    "y ~ x + z + i",
    "y ~ x * z",
    "y ~ x : z",
    "y ~ (x + z)^2",
    "y ~ (x + z + i)**3 - x:z",
    "y ~ g",
    "y ~ g / x",
    "y ~ x %in% g",
    "y ~ C(i)",
    "y ~ C(g, contr.sum)",
    "y ~ C(g, contr.treatment('b'))",
    "y ~ C(g, Treatment(reference='c'))",
    "y ~ C(g, contr.treatment(base='b')) * x",
    "y ~ C(g, levels=['c', 'b', 'a'])",
    "y ~ C(g, [[1, 0], [0, 1], [-1, -1]])",
    "y ~ C(x > 0)",
    "y ~ I(x**2) + I(-x)",
    "y ~ I(x / z) + I(x // 1) + I(i % 2)",
    "y ~ I((x > 0) & (z < 1.5)) + I((x < 0) | (z > 1.9))",
    "y ~ I(not x > 0)",
    "y ~ I(0 < x < 1)",
    "y ~ I(g == 'a')",
    "y ~ I(g in ['a', 'b']):x",
    "y ~ I(i in [1, 2, 3])",
    "y ~ log(z) + exp(x) + sqrt(z) + abs(x)",
    "log(z) ~ x",
    "y ~ np.log(z) + numpy.exp(x)",
    "y ~ where(x > 0, x, 0) + minimum(x, z) + round(z, 1)",
    "y ~ poly(x, 3)",
    "y ~ poly(x, degree=2, raw=True)",
    "y ~ bs(x, df=5)",
    "y ~ bs(x, knots=[-0.5, 0.5], degree=2)",
    "y ~ cr(x, df=4) + cc(z, df=4)",
    "y ~ scale(x) + center(z) + standardize(i)",
    "y ~ scale(log(z)) + log(scale(z) + 10)",
    "y ~ bs(log(z), df=4):g",
    "y ~ x + offset(log(z))",
    "y ~ Q('x') + `z`",
    "y ~ `__class__` + `os.system('true')`",
    "y ~ {x + 1}",
    "y ~ .",
    "y ~ . - i",
    "y ~ x | z",
    "y ~ 2:x",
    "y ~ g + 1 - x",
    "y ~ C(g, {'first': [1, 0, 0]})",
    "y ~ " + "/".join(f"(I(x+{i}) + z)" for i in range(10)),
    "y ~ x + " + " + ".join(["I(x + z)"] + [f"I(x * {i})" for i in range(2, 40)]),
]


@pytest.mark.parametrize("formula", LEGAL)
def test_legal_formulas_stay_legal(formula):
    data = table()
    before = data.copy(deep=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        d = design(formula, data, roles=("a", "b"), response="any")
        again = d.recipe.new_rows(data.iloc[:7])
    assert all(np.isfinite(part.values).all() for part in d.parts)
    np.testing.assert_allclose(again.part("a").values, d.part("a").values[:7], rtol=1e-9, atol=1e-12)
    pd.testing.assert_frame_equal(data, before)
