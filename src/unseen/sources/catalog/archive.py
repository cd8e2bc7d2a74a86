"""Unpacks zip archives from strangers."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from unseen.atomic import os_words
from unseen.errors import InputError

__all__ = ["unzip"]


def unzip(archive: Path, folder: Path, *, most_bytes: int = 50 * 2**30) -> list[Path]:
    """Unpack a zip archive into a folder, and nowhere else.

    Arguments:
        archive: The zip file.
        folder: An existing folder.
        most_bytes: Refuse archives that claim to hold more.

    Returns:
        The files unpacked.

    Raises:
        InputError: If the archive is damaged, holds links, names outside the folder or more than ``most_bytes``.
    """
    root = folder.resolve()
    try:
        with zipfile.ZipFile(archive) as content:
            members = [member for member in content.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > most_bytes:
                raise InputError(f"{archive}: unpacks to more than {most_bytes:,} bytes; refused")
            targets = [_inside(archive, root, member) for member in members]
            for member, target in zip(members, targets, strict=True):
                target.parent.mkdir(parents=True, exist_ok=True)
                with content.open(member) as source, target.open("xb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive}: no readable zip archive ({error})") from error
    except OSError as error:
        raise InputError(f"{archive}: not unpacked, {os_words(error)}") from error
    return targets


def _inside(archive: Path, root: Path, member: zipfile.ZipInfo) -> Path:
    name = member.filename.replace("\\", "/")
    target = (root / name).resolve()
    linked = stat.S_ISLNK(member.external_attr >> 16)
    if linked or name.startswith("/") or ":" in name or target == root or not target.is_relative_to(root):
        raise InputError(f"{archive}: holds {member.filename!r}, which leads out of its folder; refused")
    return target
