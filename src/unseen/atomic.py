"""Files that appear only when they are complete."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from unseen.errors import InputError

__all__ = ["atomic_write", "check_writable", "os_words"]


def check_writable(path: str | Path) -> Path:
    """Find out before long work whether a file can be written, by writing a short-lived one beside it.

    Arguments:
        path: The file to be written later; it need not exist.

    Returns:
        The path with links resolved, the one to write to.

    Raises:
        InputError: If the folder is missing or not writable, or the path is a folder or a device.
    """
    target = Path(os.path.realpath(Path(path).expanduser()))
    folder = target.parent
    try:
        if target.is_dir():
            raise InputError(f"{path}: is a folder; name a file in it")
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            raise InputError(f"{path}: is no regular file and would be replaced; name another")
        if not folder.is_dir():
            raise InputError(f"{path}: the folder {folder} does not exist; create it first")
        probe, file = _open_beside(target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written, {os_words(error)}") from error
    file.close()
    probe.unlink()
    return target


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Write a file under a temporary name and rename it once all is on the disk.

    On any exception, Ctrl-C included, the temporary file is removed and what stood at ``path`` before is untouched.

    Arguments:
        path: The file to write or replace.

    Raises:
        InputError: If the path cannot be written, or the disk is full.
    """
    target = check_writable(path)
    try:
        part, file = _open_beside(target)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except BaseException:
            # A full disk fails again when the buffered rest is flushed by closing: the file goes away all the same.
            with suppress(OSError):
                file.close()
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path}: not written, {os_words(error)}") from error
    _sync_folder(target.parent)


def _open_beside(target: Path) -> tuple[Path, BinaryIO]:
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.partial")
    return part, part.open("xb")


def _sync_folder(folder: Path) -> None:
    # The rename itself survives a power cut only once the folder is on the disk; not every system can sync folders.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def os_words(error: OSError) -> str:
    """Say in words what the operating system refused."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return "permission denied"
    if error.errno == errno.EROFS:
        return "the file system is read-only"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on the disk"
    if error.errno == errno.EFBIG:
        return "the file system or a limit of this process does not allow a file so large"
    return error.strerror or str(error)
