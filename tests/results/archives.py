"""Files of saved results taken apart and put together again with the right digest."""

from __future__ import annotations

import json
import os
import zipfile

from statinf.results import store


def signed(members, path, *, compression=zipfile.ZIP_STORED):
    """A file of these members with the right digest: what an attacker can write, but no accident."""
    with open(path, "w+b") as file:
        with zipfile.ZipFile(file, "w", compression) as archive:
            archive.comment = f"statinf {store.FORMAT} sha256 {'0' * 64}".encode()
            for name, content in members.items():
                archive.writestr(name, content)
        digest = store._digest(file)
        file.seek(-64, os.SEEK_END)
        file.write(digest)
    return path


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(path, change, **options):
    """The file with its tree changed in place by a function, and signed."""
    members = members_of(path)
    document = json.loads(members["result.json"])
    change(document["result"]["fields"])
    members["result.json"] = json.dumps(document).encode()
    return signed(members, path, **options)
