"""What benign users do on the web: quick and slow, clean and clumsy."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote, urlencode

from lab.client import Client, Stream, request_head
from lab.places import PASSWORDS, SERVERS
from lab.servers import FILES, file_name

__all__ = ["TASKS"]

_WORDS = [
    "report",
    "invoice",
    "budget",
    "holiday",
    "printer",
    "access",
    "policy",
    "meeting",
    "order",
    "status",
    "ticket",
    "update",
    "draft",
]
_ODD_PATHS = ("/favicon.ico", "/robots.txt", "/old/", "/app/none", "/wp-login.php", "/admin/", "/.well-known/x", "/a'b")


def _where(c: Client) -> tuple[str, int, bool]:
    port = c.rng.choices((80, 443, 8080), (5, 4, 1))[0]
    return c.rng.choice(SERVERS), port, port == 443


def _file(c: Client, largest: float = 0.75) -> str:
    # Small files are asked for more often than large ones.
    return file_name(int(FILES * largest * c.rng.random() ** 1.6))


async def _get(c: Client, s: Stream, path: str, *, method: str = "GET", keep: bool = True) -> None:
    await s.send(request_head(c.rng, method, path, keep=keep))
    if method == "HEAD":
        await s.reader.readuntil(b"\r\n\r\n")
    else:
        await s.response()


async def browse(c: Client) -> None:
    """A page and what belongs to it, over one to four connections."""
    target, port, tls = _where(c)

    async def fetch() -> None:
        async with c.connect(target, port, tls=tls) as s:
            for _ in range(c.rng.randint(1, 6)):
                await _get(c, s, _file(c))
                await c.think(c.rng.choice((0.02, 0.1, 0.8)), 3)
            if c.rng.random() < 0.3:
                # Browsers keep idle connections open for a while.
                await c.think(2, 9)

    await asyncio.gather(*(fetch() for _ in range(c.rng.randint(1, 4))))


async def read_site(c: Client) -> None:
    """Many pages, one connection each: a feed reader, a mirror, a batch job in old HTTP."""
    target, port, tls = _where(c)
    version = c.rng.choice(("1.0", "1.1"))
    pause = c.rng.choice((0.0, 0.01, 0.05, 0.3))
    path = _file(c, 0.5)
    same = c.rng.random() < 0.5

    async def worker(count: int) -> None:
        for _ in range(count):
            async with c.connect(target, port, tls=tls) as s:
                await s.send(request_head(c.rng, "GET", path if same else _file(c, 0.5), keep=False, version=version))
                await s.response()
            await asyncio.sleep(pause)

    await asyncio.gather(*(worker(c.rng.randint(2, 8)) for _ in range(c.rng.randint(1, 3))))


async def download(c: Client) -> None:
    """A larger file: at once, throttled, a range of it, or given up midway."""
    target, port, tls = _where(c)
    slow = c.rng.random() < 0.4
    async with c.connect(target, port, tls=tls, buffer=c.rng.choice((0, 8192)) if slow else 0) as s:
        head = request_head(c.rng, "GET", file_name(c.rng.randrange(150, FILES)), keep=False)
        if c.rng.random() < 0.4:
            begin = c.rng.randrange(0, 20000)
            head = head[:-2] + f"Range: bytes={begin}-{begin + c.rng.randrange(100, 200_000)}\r\n\r\n".encode()
        await s.send(head)
        most = c.rng.choice((10**7, 10**7, 20_000, 150_000))
        seen = 0
        pause = c.rng.uniform(0.02, 0.5) if slow else 0.0
        for _ in range(4000):
            part = await s.reader.read(c.rng.choice((512, 4096)) if slow else 65536)
            seen += len(part)
            if not part or seen > most:
                break
            await asyncio.sleep(pause)
        if seen > most and c.rng.random() < 0.5:
            s.reset()


async def slow_reader(c: Client) -> None:
    """A busy or distant machine that reads in small sips."""
    target, port, tls = _where(c)
    async with c.connect(target, port, tls=tls, buffer=c.rng.choice((1024, 2048, 4096, 16384))) as s:
        await s.send(request_head(c.rng, "GET", file_name(c.rng.randrange(100, FILES)), keep=False))
        sip, pause = c.rng.choice((16, 64, 256, 2048)), c.rng.choice((0.05, 0.3, 1.0, 2.5))
        for _ in range(c.rng.randint(2, 20)):
            if not await s.reader.read(sip):
                break
            await c.think(pause, 5)


async def call_api(c: Client) -> None:
    """A program that asks again and again, on a timer, on one connection or a new one each time."""
    target, port, tls = _where(c)
    interval, jitter = c.rng.choice((0.2, 0.5, 1.0, 2.0, 3.0)), c.rng.choice((0.0, 0.0, 0.1, 0.4))
    path = f"/app/api/{c.rng.choice(_WORDS)}"
    size = c.rng.choice((0, 0, 40, 120, 400))
    stay = c.rng.random() < 0.5

    async def call(s: Stream) -> None:
        body = json.dumps({"v": "x" * size}).encode() if size else b""
        target_path = f"{path}?t={c.rng.randrange(1000)}"
        await s.send(
            request_head(c.rng, "POST" if size else "GET", target_path, length=len(body) if size else None, keep=stay)
            + body
        )
        await s.response()

    count = c.rng.randint(1, 7)
    if stay:
        async with c.connect(target, port, tls=tls) as s:
            for _ in range(count):
                await call(s)
                await asyncio.sleep(interval * c.rng.uniform(1 - jitter, 1 + jitter))
        return
    for _ in range(count):
        async with c.connect(target, port, tls=tls) as s:
            await call(s)
        await asyncio.sleep(interval * c.rng.uniform(1 - jitter, 1 + jitter))


async def long_poll(c: Client) -> None:
    """Wait for an event that takes its time."""
    target, port, tls = _where(c)
    async with c.connect(target, port, tls=tls) as s:
        for _ in range(c.rng.randint(1, 3)):
            await _get(c, s, f"/app/poll?s={min(9.0, c.rng.expovariate(0.4)):.2f}")


async def search(c: Client) -> None:
    """Long and odd queries."""
    target, port, tls = _where(c)
    together = c.rng.random() < 0.5
    queries = []
    for _ in range(c.rng.randint(1, 6)):
        words = " ".join(c.rng.choices(_WORDS, k=c.rng.randint(1, 14)))
        if c.rng.random() < 0.25:
            words += c.rng.choice(("' or 'a", "<b>x</b>", "50%; price", "a=1&b=2", "../report", "O'Brien -- 2"))
        queries.append(f"/app/search?q={quote(words)}")
    if together:
        async with c.connect(target, port, tls=tls) as s:
            for path in queries:
                await _get(c, s, path)
                await c.think(0.3, 2)
        return
    for path in queries:
        async with c.connect(target, port, tls=tls) as s:
            await _get(c, s, path, keep=False)
        await c.think(0.3, 2)


async def broken_links(c: Client) -> None:
    """Paths that are not there: old bookmarks, a link checker, a misconfigured program."""
    target, port, tls = _where(c)
    method = c.rng.choice(("GET", "GET", "HEAD"))
    count = c.rng.randint(1, 12)
    paths = [c.rng.choice((*_ODD_PATHS, f"/gone/{c.rng.randrange(10**5)}.html", _file(c, 0.3))) for _ in range(count)]
    if c.rng.random() < 0.5:
        async with c.connect(target, port, tls=tls) as s:
            for path in paths:
                await _get(c, s, path, method=method)
        return
    for path in paths:
        async with c.connect(target, port, tls=tls) as s:
            await _get(c, s, path, method=method, keep=False)
        await asyncio.sleep(c.rng.choice((0.0, 0.05, 0.3)))


async def login(c: Client) -> None:
    """Sign in, with a mistyped password now and then; or a program with an old one."""
    target, port, tls = _where(c)
    name = c.rng.choice(list(PASSWORDS))
    wrong = c.rng.choice((0, 0, 0, 1, 1, 2, 3, 6))
    tries = [f"{c.rng.choice(_WORDS)}{c.rng.randrange(100)}" for _ in range(wrong)]
    if wrong < 4:
        tries.append(PASSWORDS[name])
    stay = c.rng.random() < 0.5

    async def attempt(s: Stream, password: str, keep: bool) -> None:
        body = urlencode({"user": name, "password": password}).encode()
        await s.send(request_head(c.rng, "POST", "/app/login", length=len(body), keep=keep) + body)
        await s.response()

    if stay:
        async with c.connect(target, port, tls=tls) as s:
            for password in tries:
                await attempt(s, password, True)
                await c.think(1.0, 4)
        return
    for password in tries:
        async with c.connect(target, port, tls=tls) as s:
            if c.rng.random() < 0.4:
                await _get(c, s, file_name(c.rng.randrange(60)))
            await attempt(s, password, False)
        await c.think(c.rng.choice((0.1, 1.0)), 4)


async def upload(c: Client) -> None:
    """A photograph, a log, a backup: at once or in pieces, by length or chunked."""
    target, port, tls = _where(c)
    size = min(1_200_000, int(c.rng.lognormvariate(9.5, 1.7)))
    chunked = c.rng.random() < 0.4
    paced = c.rng.random() < 0.5
    async with c.connect(target, port, tls=tls) as s:
        head = request_head(
            c.rng, c.rng.choice(("POST", "PUT")), "/app/upload", length=None if chunked else size, keep=False
        )
        await s.send(head[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" if chunked else head)
        step = max(200, min(32768, size // c.rng.randint(1, 25)))
        for begin in range(0, size, step):
            part = c.rng.randbytes(min(step, size - begin))
            await s.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            if paced:
                await c.think(0.15, 1.5)
        if chunked:
            await s.send(b"0\r\n\r\n")
        await s.response()


async def stalled_body(c: Client) -> None:
    """A form over a bad mobile connection: the body comes in drops, or not to its end."""
    target, port, tls = _where(c)
    size = c.rng.choice((60, 300, 1500, 6000))
    sent_share = c.rng.choice((1.0, 1.0, 0.5))
    async with c.connect(target, port, tls=tls) as s:
        await s.send(request_head(c.rng, "POST", "/app/upload", length=size, keep=False))
        pieces = c.rng.randint(2, 12)
        step = max(1, size // pieces)
        for _ in range(max(1, int(pieces * sent_share))):
            await s.send(b"x" * step)
            await c.think(c.rng.choice((0.2, 0.8, 2.0)), 5)
        if sent_share == 1.0:
            await s.send(b"x" * max(0, size - step * pieces))
            await s.response()


async def stalled_head(c: Client) -> None:
    """A request whose header fields trickle in: a weak radio link, a person typing into a terminal, a probe."""
    target, port, tls = _where(c)
    async with c.connect(target, port, tls=tls) as s:
        head = request_head(c.rng, "GET", _file(c, 0.4), keep=False)[:-2]
        pieces = [head[i : i + c.rng.choice((20, 60, 200))] for i in range(0, len(head), 200)]
        pieces += [
            f"X-{c.rng.choice(_WORDS)}: {c.rng.randrange(10**4)}\r\n".encode() for _ in range(c.rng.randint(0, 7))
        ]
        for piece in pieces:
            await s.send(piece)
            await c.think(c.rng.choice((0.1, 0.7, 2.0)), 5)
        if c.rng.random() < 0.7:
            await s.send(b"\r\n\r\n")
            await s.response()


async def idle(c: Client) -> None:
    """A connection nothing comes over: opened ahead, forgotten, or asleep."""
    target, port, tls = _where(c)
    async with c.connect(target, port, tls=tls) as s:
        if c.rng.random() < 0.3:
            await _get(c, s, _file(c, 0.3))
        await c.think(6, 18)
        if c.rng.random() < 0.2:
            s.reset()


async def curl(c: Client) -> None:
    """The usual command-line client."""
    target, port, tls = _where(c)
    scheme = "https" if tls else "http"
    base = ["curl", "-s", "-k", "-m", "15", *c.curl_ports()]
    kind = c.rng.random()
    if kind < 0.3:
        body = ["-T", f"{c.home}/www{file_name(c.rng.randrange(60, 240))}", f"{scheme}://{target}:{port}/app/upload"]
        limit = ["--limit-rate", c.rng.choice(("50k", "200k"))] if c.rng.random() < 0.4 else []
        await c.tool(*base, *limit, *body)
    elif kind < 0.5:
        await c.tool(
            *base,
            "-d",
            f"user=alice&password={c.rng.choice(('spring-7', 'sprin-7'))}",
            f"{scheme}://{target}:{port}/app/login",
        )
    else:
        urls = [f"{scheme}://{target}:{port}{_file(c)}" for _ in range(c.rng.randint(1, 4))]
        await c.tool(*base, *(x for url in urls for x in ("-o", "/dev/null", url)))


async def wget(c: Client) -> None:
    """Another one."""
    target, port, tls = _where(c)
    url = f"http{'s' * tls}://{target}:{port}"
    urls = [url + _file(c) for _ in range(c.rng.randint(1, 5))]
    await c.tool(
        "wget",
        "-q",
        "-O",
        "/dev/null",
        "-T",
        "8",
        "-t",
        "1",
        "--no-check-certificate",
        f"--bind-address={c.address}",
        *urls,
    )


async def load_test(c: Client) -> None:
    """A developer measures the own server, briefly."""
    target = c.rng.choice(SERVERS)
    keep = ["-k"] if c.rng.random() < 0.3 else []
    count, users = str(c.rng.randint(4, 24)), str(c.rng.randint(1, 3))
    await c.tool(
        "ab", "-q", *keep, "-s", "5", "-B", c.address, "-n", count, "-c", users, f"http://{target}{_file(c, 0.5)}"
    )


# Task, weight, and whether it can run as background on an attack host (its source port can be chosen).
TASKS = (
    (browse, 9.0, True),
    (read_site, 2.2, True),
    (download, 3.0, True),
    (slow_reader, 1.6, True),
    (call_api, 5.0, True),
    (long_poll, 2.0, True),
    (search, 2.5, True),
    (broken_links, 2.2, True),
    (login, 3.0, True),
    (upload, 2.5, True),
    (stalled_body, 1.6, True),
    (stalled_head, 1.6, True),
    (idle, 1.6, True),
    (curl, 1.2, True),
    (wget, 0.8, False),
    (load_test, 0.35, False),
)
