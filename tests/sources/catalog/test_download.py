"""Downloads against a local server: resume, retries, versions, checksums, refusals."""

from __future__ import annotations

import hashlib
import random
import socket
from pathlib import Path

import pytest

from conftest import Site
from unseen.errors import InputError
from unseen.sources.catalog.download import digest, download

BODY = random.Random(0).randbytes(700_000)
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "set.zip"


def get(site: Site, target: Path, **options: object) -> str:
    site.files.setdefault("/set.zip", BODY)
    return download(f"{site.url}/set.zip", target, pause=0, **options)  # type: ignore[arg-type]


def test_a_plain_download(site: Site, target: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    assert get(site, target, sha256=SHA.upper(), progress=lambda done, total: steps.append((done, total))) == SHA
    assert target.read_bytes() == BODY
    assert digest(target) == SHA
    assert steps[-1] == (700_000, 700_000)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(("etag", "modified"), [('"v1"', None), (None, "Tue, 01 Jul 2025 10:00:00 GMT")])
def test_a_cut_connection_is_resumed(site: Site, target: Path, etag: str | None, modified: str | None) -> None:
    site.etag, site.modified = etag, modified
    site.cut_after, site.cuts = 200_000, 2
    assert get(site, target, sha256=SHA) == SHA
    assert [asked for _, asked in site.requests] == [None, "bytes=200000-", "bytes=400000-"]


def test_a_later_call_resumes(site: Site, target: Path) -> None:
    site.cut_after, site.cuts = 300_000, 1
    with pytest.raises(InputError, match=r"failed 1 times in a row .*300,000 bytes are kept, the same command resumes"):
        get(site, target, attempts=1)
    assert not target.exists()
    assert get(site, target, sha256=SHA) == SHA
    assert site.requests[-1][1] == "bytes=300000-"


def test_a_server_without_ranges(site: Site, target: Path) -> None:
    site.ranges = False
    site.cut_after, site.cuts = 300_000, 2
    assert get(site, target, sha256=SHA) == SHA
    assert target.read_bytes() == BODY


def test_a_server_that_names_no_version_is_never_continued(site: Site, target: Path) -> None:
    site.etag = None
    site.cut_after, site.cuts = 300_000, 1
    assert get(site, target, sha256=SHA) == SHA
    assert [asked for _, asked in site.requests] == [None, None]


def test_a_weak_mark_is_no_version(site: Site, target: Path) -> None:
    site.etag = 'W/"v1"'
    site.cut_after, site.cuts = 300_000, 1
    assert get(site, target, sha256=SHA) == SHA
    assert [asked for _, asked in site.requests] == [None, None]


def test_a_file_that_changed_meanwhile_is_loaded_anew(site: Site, target: Path) -> None:
    site.cut_after, site.cuts = 300_000, 1
    with pytest.raises(InputError):
        get(site, target, attempts=1)
    site.files["/set.zip"] = BODY[::-1]
    site.etag = '"v2"'
    get(site, target)
    assert target.read_bytes() == BODY[::-1]


def test_a_complete_part_is_taken(site: Site, target: Path) -> None:
    """All bytes came, but the program was stopped before the rename."""
    site.cut_after, site.cuts = 300_000, 1
    with pytest.raises(InputError):
        get(site, target, attempts=1)
    target.with_name("set.zip.part").write_bytes(BODY)
    assert get(site, target, sha256=SHA) == SHA
    assert site.requests[-1][1] == "bytes=700000-"


def test_a_part_longer_than_the_file_is_thrown_away(site: Site, target: Path) -> None:
    site.cut_after, site.cuts = 300_000, 1
    with pytest.raises(InputError):
        get(site, target, attempts=1)
    target.with_name("set.zip.part").write_bytes(BODY + b"x")
    assert get(site, target, sha256=SHA) == SHA


def test_a_damaged_note_of_the_version(site: Site, target: Path) -> None:
    site.cut_after, site.cuts = 300_000, 1
    with pytest.raises(InputError):
        get(site, target, attempts=1)
    target.with_name("set.zip.part.json").write_text("[]")
    assert get(site, target, sha256=SHA) == SHA
    assert site.requests[-1][1] is None


def test_a_wrong_checksum(site: Site, target: Path) -> None:
    with pytest.raises(InputError, match=rf"SHA-256 digest is {SHA}, expected {'0' * 64}"):
        get(site, target, sha256="0" * 64)
    assert not list(target.parent.iterdir())


def test_a_refusal_is_final(site: Site, target: Path) -> None:
    with pytest.raises(InputError, match="the server answers 404"):
        download(f"{site.url}/other.zip", target, pause=0)
    assert len(site.requests) == 1


def test_a_busy_server_is_asked_again(site: Site, target: Path) -> None:
    site.fail = [503, 429, 500]
    assert get(site, target, sha256=SHA) == SHA
    site.fail = [503] * 9
    site.requests.clear()
    with pytest.raises(InputError, match=r"failed 3 times in a row \(answer 503\)"):
        get(site, target, attempts=3)
    assert len(site.requests) == 3


def test_a_server_that_always_cuts_is_given_up(site: Site, target: Path) -> None:
    site.ranges = False
    site.cut_after, site.cuts = 1000, 99
    with pytest.raises(InputError, match="failed 4 times in a row"):
        get(site, target, attempts=4)
    assert len(site.requests) == 4


def test_an_unknown_length(site: Site, target: Path) -> None:
    site.length = False
    steps: list[int | None] = []
    assert get(site, target, sha256=SHA, progress=lambda done, total: steps.append(total)) == SHA
    assert set(steps) == {None}


def test_nobody_there(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match="failed 2 times in a row"):
        download(f"http://127.0.0.1:{port}/x", target, pause=0, attempts=2)


def test_redirects_are_followed(site: Site, target: Path) -> None:
    site.redirects["/old.zip"] = "/set.zip"
    site.files["/set.zip"] = BODY
    assert download(f"{site.url}/old.zip", target, sha256=SHA, pause=0) == SHA


@pytest.mark.parametrize("where", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_redirects_to_other_schemes_are_refused(site: Site, target: Path, where: str) -> None:
    site.redirects["/old.zip"] = where
    with pytest.raises(InputError, match="only http and https are followed"):
        download(f"{site.url}/old.zip", target, pause=0)
    with pytest.raises(InputError, match="only http and https are followed"):
        download(where, target, pause=0)
    assert not list(target.parent.iterdir())


def test_a_redirect_in_a_circle_ends(site: Site, target: Path) -> None:
    site.redirects["/old.zip"] = "/old.zip"
    with pytest.raises(InputError, match="the server answers 302"):
        download(f"{site.url}/old.zip", target, pause=0)


def test_a_missing_folder(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not downloaded"):
        get(site, tmp_path / "absent" / "set.zip")
