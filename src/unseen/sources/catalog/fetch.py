"""Gets a data set from its publisher, by download or through scikit-learn's fetcher."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from unseen.atomic import atomic_write
from unseen.errors import InputError, require
from unseen.sources.catalog.add import AddReport, Progress, add, store
from unseen.sources.catalog.archive import unzip
from unseen.sources.catalog.counting import Hasher
from unseen.sources.catalog.download import digest, download
from unseen.sources.catalog.entries import Download, Entry, entry
from unseen.sources.catalog.forms import kdd99_rows
from unseen.sources.catalog.locate import writable_folder

__all__ = ["fetch"]

_log = logging.getLogger("unseen.sources")


def fetch(
    name: str,
    *,
    data_dir: str | Path | None = None,
    hasher: Hasher | None = None,
    progress: Progress | None = None,
) -> AddReport:
    """Download a data set, then check and convert it as `add` does.

    Downloads are kept under ``downloads/`` in the data folder. Where the catalog knows no checksum, the digest of the
    first download is written beside it and every later download must have the same.

    Arguments:
        name: The set's name in the catalog.
        data_dir: Where to put it; None for `data_folder`.
        hasher: Row hashes, to count duplicates and label conflicts.
        progress: Called with bytes while downloading, then with rows while converting.

    Raises:
        InputError: If the set cannot be downloaded: then with the way to get it by hand; or if the download fails.
        MissingExtraError: If scikit-learn is needed and not installed.
    """
    wanted = entry(name)
    if wanted.fetch.method in ("manual", "embedded"):
        raise InputError(f"{name} cannot be downloaded by this program. {wanted.obtain}")
    folder = writable_folder(data_dir)
    if wanted.fetch.method == "scikit-learn":
        return _through_sklearn(wanted, folder, hasher, progress)
    downloads = writable_folder(folder / "downloads")
    files = [_kept(file, downloads, progress) for file in wanted.fetch.downloads]
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=downloads) as unpacked:
        for file in files:
            unzip(file, Path(unpacked))
        return add(name, unpacked, data_dir=folder, hasher=hasher, progress=progress)


def _kept(file: Download, downloads: Path, progress: Progress | None) -> Path:
    """Return the downloaded file, from an earlier download if its digest is right."""
    target = downloads / Path(urlsplit(file.url).path).name
    note = target.with_name(target.name + ".sha256")
    expected = file.sha256 or (note.read_text(encoding="ascii").strip() if note.is_file() else None)
    if target.is_file() and expected is not None and digest(target) == expected:
        return target
    try:
        found = download(file.url, target, sha256=expected, progress=progress)
    except InputError as error:
        if file.sha256 is None and expected is not None and "SHA-256" in str(error):
            raise InputError(f"{error}. It was trusted on first use; to accept the new file, delete {note}") from error
        raise
    if expected is None:
        _log.info("%s: no published checksum, trusting this download: %s", file.url, found)
        with atomic_write(note) as sink:
            sink.write(found.encode("ascii"))
    return target


def _through_sklearn(wanted: Entry, folder: Path, hasher: Hasher | None, progress: Progress | None) -> AddReport:
    datasets = require("sklearn.datasets", "train")
    # The fetcher caches a pickle; in a folder of its own that goes away, nothing is ever unpickled from the disk.
    with tempfile.TemporaryDirectory(prefix=f".{wanted.name}.", dir=folder) as home:
        try:
            found = datasets.fetch_kddcup99(data_home=home, percent10=True)
        except OSError as error:
            raise InputError(f"{wanted.name}: scikit-learn's fetcher failed ({error})") from error
    rows = kdd99_rows(wanted, found.data, found.target)
    return store(wanted, rows, "fetch_kddcup99", data_dir=folder, hasher=hasher, progress=progress)
