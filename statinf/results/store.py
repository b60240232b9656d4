"""Saving and loading results, without pickle.

A file is a zip archive of stored (uncompressed) members: `result.json`, a tree of plain values, and one NumPy file for
each array. The archive's comment, at the end of the file, holds the SHA-256 digest of all bytes before it. No member
can therefore claim more than the file has, and what is damaged is refused before it is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.results.encoding import Decoder, encode
from statinf.results.files import checked_path, replacing
from statinf.results.soundness import check_sound

FORMAT = 4
_TREE = "result.json"
_HEX = 64
_COMMENT = re.compile(rb"statinf (\d{1,6}) sha256 ([0-9a-f]{64})")
_COMMENT_LENGTH = len(f"statinf {FORMAT} sha256 ") + _HEX
_KINDS = "biufcSUMm"


def save(result: Any, path: str | os.PathLike[str]) -> Path:
    """Write a dataclass of statinf; see `Result.save`.

    The file appears whole or not at all, and several writers of one name do not disturb each other: the last wins.

    Raises
    ------
    DataError
        If the folder is missing or cannot be written to, or if the name is that of a link, a folder or a device.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = encode(result, arrays)
    target = checked_path(path)
    with replacing(target) as file:
        _write(file, tree, arrays)
    return target


def load(path: str | os.PathLike[str], *, context: Mapping[str, Any] | None = None) -> Any:
    """Read a result that `save` wrote.

    Reading runs no code of the file's and needs no more memory than the file's size allows.

    Parameters
    ----------
    path : path-like
    context : mapping, optional
        The functions that the formula used by name; needed to predict if it used any.

    Returns
    -------
    Result
        Without the rows of the fit: what needs them says so.

    Raises
    ------
    DataError
        If the file is missing, damaged, not one of ours, of another format, or if its contents do not fit together.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import statinf as si
    >>> fit = si.lm("mpg ~ wt", si.datasets.load("mtcars"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     same = si.load(fit.save(pathlib.Path(folder) / "fit.si"))
    >>> bool((same.params == fit.params).all())
    True
    """
    if context is not None and not isinstance(context, Mapping):
        raise OptionError(f"context={context!r} is no mapping; give the formula's functions as {{'f': f}}.")
    target = checked_path(path)
    try:
        # A pipe would wait for a writer, a device might never end.
        if not stat.S_ISREG(os.stat(target).st_mode):
            raise DataError(f"{target} is no file; give the path of a saved result.")
        with open(target, "rb") as file:
            size = _check_digest(file, target)
            result = _read(file, size, dict(context or {}))
        check_sound(result)
        return result
    except FileNotFoundError:
        raise DataError(f"there is no file {target}.") from None
    except OSError as error:
        raise DataError(f"{target} cannot be read: {error.strerror or error}.") from None
    except DataError as error:
        said = str(error)
        raise DataError(said if str(target) in said else f"{target} cannot be read: {said}.") from None
    except Exception as error:  # whatever a crafted file can provoke: of types, keys, nesting, numbers
        raise DataError(
            f"{target} cannot be read: its contents are not those of a saved result ({type(error).__name__}: {error})."
        ) from error


# --- writing --------------------------------------------------------------------------------------------------


def _write(file: BinaryIO, tree: Any, arrays: Mapping[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = f"statinf {FORMAT} sha256 {'0' * _HEX}".encode()
        # ZipInfo's own date, 1980: the same result makes the same bytes on any day
        archive.writestr(zipfile.ZipInfo(_TREE), json.dumps({"format": FORMAT, "result": tree}))
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    digest = _digest(file)
    file.seek(-_HEX, os.SEEK_END)
    file.write(digest)


def _digest(file: BinaryIO) -> bytes:
    """SHA-256 of all but the digest itself at the end, as hexadecimal digits."""
    left = file.seek(0, os.SEEK_END) - _HEX
    file.seek(0)
    hashed = hashlib.sha256()
    while left > 0 and (block := file.read(min(left, 1 << 20))):
        hashed.update(block)
        left -= len(block)
    return hashed.hexdigest().encode()


# --- reading --------------------------------------------------------------------------------------------------


def _check_digest(file: BinaryIO, path: Path) -> int:
    """The file's size, once its digest is found right."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _COMMENT_LENGTH))
    comment = _COMMENT.fullmatch(file.read(_COMMENT_LENGTH))
    if comment is None:
        raise DataError(f"{path} is not a saved result of statinf, or it is cut short.")
    if int(comment[1]) != FORMAT:
        raise DataError(f"{path} was saved in format {int(comment[1])}; this version reads format {FORMAT}.")
    if _digest(file) != comment[2]:
        raise DataError(f"{path} is damaged: its contents do not match its digest; save the result again.")
    return size


def _read(file: BinaryIO, size: int, context: Mapping[str, Any]) -> Any:
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if len(members) != len(archive.infolist()) or _TREE not in members:
            raise DataError("its members are not those of a saved result")
        if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
            raise DataError("it has compressed members, which saved results have not")
        if sum(info.file_size for info in members.values()) > size:
            raise DataError("its members claim more bytes than the file has")

        def read(key: str) -> np.ndarray:
            # taken out, so that no array is read twice
            return _array(archive.read(members.pop(f"{key}.npy")), key)

        document = json.loads(archive.read(members.pop(_TREE)))
        if document["format"] != FORMAT:
            raise DataError(f"it holds format {str(document['format'])[:20]}; this version reads format {FORMAT}")
        result = Decoder(read, context)(document["result"])
        if members:
            raise DataError(f"its member {min(members)[:80]!r} belongs to nothing in the result")
    if not hasattr(type(result), "save"):
        raise DataError(f"it holds a {type(result).__name__}, which is no result")
    return result


def _array(data: bytes, key: str) -> np.ndarray:
    """The array of a NumPy file, whose claims are held against the bytes that there are."""
    buffer = io.BytesIO(data)
    version = np.lib.format.read_magic(buffer)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = reader(buffer)
    if dtype.kind not in _KINDS or dtype.hasobject or dtype.itemsize == 0:
        raise DataError(f"{key} is of type {dtype}, which saved results do not have")
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != len(data) - buffer.tell():
        raise DataError(f"{key} claims the shape {str(shape)[:80]} of {dtype}, which its bytes do not fill")
    flat = np.frombuffer(data, dtype, offset=buffer.tell())
    return np.array(flat.reshape(shape, order="F" if fortran else "C"))
