"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from statinf.errors import DataError, OptionError


def checked_path(path: Any) -> Path:
    """A path from text or a path-like object, or an `OptionError`."""
    try:
        target = Path(path)
    except TypeError:
        raise OptionError(f"path={path!r} is no path; give text or a pathlib.Path.") from None
    if "\0" in str(target):
        raise OptionError(f"path={str(path)!r} holds a null character.")
    return target


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A new file in the folder of `target` that takes its place at the end, or vanishes if anything fails.

    Several writers of one name do not disturb each other: the last wins.

    Raises
    ------
    DataError
        If the folder is missing or cannot be written to, or if the name is that of a link, a folder or a device.
    """
    if not target.parent.is_dir():
        raise DataError(f"the folder {target.parent} does not exist; make it before saving {target.name} there.")
    try:
        with _moved_into_place(target) as file:
            yield file
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror or error}.") from None
    _sync_folder(target.parent)


@contextlib.contextmanager
def _moved_into_place(target: Path) -> Iterator[BinaryIO]:
    mode = None
    with contextlib.suppress(FileNotFoundError):
        mode = os.lstat(target).st_mode
    if mode is not None and not stat.S_ISREG(mode):
        raise DataError(f"{target} is a {_kind_of_file(mode)}, which is not overwritten; save under another name.")
    partial = target.parent / f".statinf-{secrets.token_hex(8)}.partial"
    # Unlike `tempfile`, with the permissions that the caller's umask gives to any new file
    handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(partial, stat.S_IMODE(mode))
        os.replace(partial, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


def _kind_of_file(mode: int) -> str:
    return "symbolic link" if stat.S_ISLNK(mode) else "folder" if stat.S_ISDIR(mode) else "device or pipe"


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
