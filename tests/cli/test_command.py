"""The command as a user meets it: words in, text and an exit status out."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib import metadata

import pytest

import statinf
from statinf.cli import families, main
from statinf.cli.methods import markdown, text
from statinf.results.methods import Method

METHODS = [
    Method(
        verb="balance",
        name="entropy",
        estimate=print,
        citation="Hainmueller 2012",
        guarantee="doubly robust for linear outcomes",
    ),
    Method(
        verb="balance",
        name="ipm",
        estimate=print,
        citation="Kong et al. 2023",
        guarantee="a|b",
        arxiv="2305.00001",
        vignette="ipm",
    ),
    Method(verb="rq", name="", estimate=print, citation="Koenker and Bassett 1978", guarantee="asymptotically normal"),
]


@pytest.fixture
def listed(monkeypatch):
    monkeypatch.setattr("statinf.cli.methods.all_methods", lambda: METHODS)


def test_without_a_command_it_says_what_to_do(capsys):
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "a command is needed" in capsys.readouterr().err


def test_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["demmo"])
    assert stopped.value.code == 2
    assert "demmo" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"statinf {statinf.__version__}\n"


@pytest.mark.parametrize("command", [[], ["demo"], ["methods"], ["reproduce"], ["info"]])
def test_help_of_every_command(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "usage: statinf" in capsys.readouterr().out


def test_methods_lists_papers_and_guarantees(listed, capsys):
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    assert out.index("si.balance") < out.index("si.rq")
    assert "Kong et al. 2023, arXiv:2305.00001; a|b [statinf reproduce ipm]" in out


def test_a_narrow_character_set_ends_no_command():
    words = [
        sys.executable,
        "-c",
        "import sys; from statinf.cli import main; sys.exit(main(['methods', 'density_ratio']))",
    ]
    found = subprocess.run(words, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=False)
    assert found.returncode == 0, found.stderr.decode()
    assert b"Br?ckner" in found.stdout


def test_methods_of_one_verb(listed, capsys):
    assert main(["methods", "si.rq"]) == 0
    out = capsys.readouterr().out
    assert "Koenker" in out
    assert "Hainmueller" not in out


def test_methods_of_an_unknown_verb_names_the_verbs(listed, capsys):
    assert main(["methods", "balnce"]) == 1
    assert "'balance', 'rq'" in capsys.readouterr().err


def test_methods_wrap_to_the_terminal():
    assert max(len(line) for line in text(METHODS, 60).splitlines()) <= 60


def test_methods_as_markdown_escape_the_bar():
    lines = markdown(METHODS).splitlines()
    assert len(lines) == 2 + len(METHODS)
    assert lines[3] == (
        "| `si.balance` | `ipm` | [Kong et al. 2023](https://arxiv.org/abs/2305.00001) | a\\|b | [ipm](vignettes/ipm.qmd) |"
    )


def test_methods_of_the_library_name_modules_that_exist():
    from importlib.util import find_spec

    methods = families.all_methods()
    assert len({(m.verb, m.name) for m in methods}) == len(methods)
    modules = [m.module if hasattr(m, "module") else m.estimate.__module__ for m in methods]
    assert not [name for name in modules if find_spec(name) is None]


def test_methods_of_the_library_name_vignettes_that_exist():
    from statinf.vignette import available

    known = {vignette.name for vignette in available()}
    assert not [m.vignette for m in families.all_methods() if m.vignette and m.vignette not in known]


def test_info_shows_versions_and_devices(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert f"numpy        {metadata.version('numpy')}" in out
    assert "cpu:0" in out
    assert "cache" in out


def test_reproduce_lists_vignettes(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("statinf.vignette.catalog.folders", lambda: [tmp_path])
    (tmp_path / "small.qmd").write_text("---\ntitle: A small one\n---\n\n```{python}\nprint(6 * 7)\n```\n")
    assert main(["reproduce"]) == 0
    assert "A small one" in capsys.readouterr().out


def test_reproduce_writes_the_page(capsys, tmp_path, monkeypatch):
    source = tmp_path / "small.qmd"
    source.write_text(
        "---\ntitle: A small one\n---\n\n```{python}\nfrom statinf.vignette import size\nprint(6 * 7, size())\n```\n"
    )
    monkeypatch.setenv("STATINF_VIGNETTE", "smoke")
    assert main(["reproduce", str(source), "--out", str(tmp_path / "pages"), "--full"]) == 0
    assert "42 full" in (tmp_path / "pages" / "small.html").read_text()
    assert "at size full" in capsys.readouterr().err


def test_reproduce_of_an_unknown_name(capsys):
    assert main(["reproduce", "no-such-vignette"]) == 1
    assert "no vignette named 'no-such-vignette'" in capsys.readouterr().err


def test_interruption_ends_quietly(monkeypatch, capsys):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("statinf.cli.info.run", stop)
    assert main(["info"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_reader_that_closes_early_is_no_error():
    command = f"{shlex.quote(sys.executable)} -m statinf.cli methods --markdown | head -c 5"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
