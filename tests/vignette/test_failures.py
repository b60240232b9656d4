"""What goes wrong names the file and the line; Quarto is used where it is; importing costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from statinf.errors import OptionError, StatinfError
from statinf.vignette import execute, render
from statinf.vignette.errors import VignetteError

for package in ("nbclient", "ipykernel", "yaml"):
    pytest.importorskip(package)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "small.qmd").write_text("---\nparams:\n  n: 7\n---\n\n```{python}\nn\n```\n")
    return tmp_path


def test_failing_cell_names_file_line_and_traceback(tmp_path):
    file = tmp_path / "broken.qmd"
    file.write_text("Words.\n\n```{python}\n#| label: bad\nx = 1\n\nx / 0\n```\n")
    with pytest.raises(VignetteError) as caught:
        render(file, use_quarto=False)
    message = str(caught.value)
    assert message.startswith(f"{file}:7: cell 'bad' failed with ZeroDivisionError: division by zero")
    assert "x / 0" in message and "\x1b[" not in message
    assert not (tmp_path / "broken.html").exists()


def test_dead_kernel_and_slow_cell_name_the_line(tmp_path):
    file = tmp_path / "dead.qmd"
    file.write_text("```{python}\nx = 1\n```\n\n```{python}\nimport os; os._exit(3)\n```\n")
    with pytest.raises(VignetteError, match=r"dead\.qmd:6: the kernel died"):
        execute(file)
    file.write_text("```{python}\nimport time; time.sleep(60)\n```\n")
    with pytest.raises(VignetteError, match=r"dead\.qmd:2: the cell took longer than 1 s"):
        execute(file, timeout=1)


def test_options_are_checked(folder):
    with pytest.raises(OptionError, match="to='odt'"):
        render(folder / "small.qmd", "odt")  # pyright: ignore[reportArgumentType]
    with pytest.raises(OptionError, match="size='huge'"):
        execute(folder / "small.qmd", size="huge")


def test_parameters_are_checked(folder, capsys):
    from statinf.vignette.__main__ import _params, main

    file = folder / "parameters.qmd"
    file.write_text("```{python}\n#| tags: [parameters]\nlevel = 0.95\ndata = 'a'\n```\n")
    with pytest.raises(StatinfError, match=r"parameter='levle' is not known; choose one of 'data', 'level'.*level"):
        execute(file, params={"levle": 0.9})
    assert _params(["level:0.9", "data: b.csv", "on:true"]) == {"level": 0.9, "data": "b.csv", "on": True}
    for wrong in ("level", "1x:2", "level:[1"):
        assert main(["run", str(file), "-P", wrong]) == 1
        assert f"-P {wrong}" in capsys.readouterr().err


def test_missing_package_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbclient", None)
    with pytest.raises(StatinfError, match=r"package nbclient, .*pip install nbclient"):
        execute(folder / "small.qmd", size="smoke")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for quarto is a shell script")
def test_quarto_is_used_where_it_is_installed(folder, tmp_path, monkeypatch):
    fake = tmp_path / "bin" / "quarto"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "$@" "$STATINF_VIGNETTE" > "$8/$6"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    made = render(folder / "small.qmd", out=tmp_path / "pages", size="smoke")
    assert made == tmp_path / "pages" / "small.html"
    assert made.read_text().startswith("render small.qmd --to html --output small.html --output-dir")
    assert "-P n:7" in made.read_text() and made.read_text().endswith("smoke\n")
    fake.write_text("#!/bin/sh\necho broken >&2; exit 3\n")
    with pytest.raises(VignetteError, match="quarto failed\nbroken"):
        render(folder / "small.qmd", out=tmp_path / "pages")


def test_import_is_light():
    code = "import sys, statinf.vignette as v; v.size(); print({'yaml', 'nbclient', 'numpy'} & {*sys.modules})"
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": root}
    )
    assert done.stdout.strip() == "set()"
