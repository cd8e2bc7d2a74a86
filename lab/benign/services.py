"""What benign users do beside the web: names, shells, files, messages, time, calls."""

from __future__ import annotations

import asyncio
import base64

from lab.client import Client, Stream
from lab.dns import query
from lab.places import PASSWORDS, SERVERS
from lab.servers import FILES, file_name

__all__ = ["TASKS"]

_SSH_OPTIONS = (
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5"),
)
_HOSTS = (
    "host",
    "mail",
    "ldap",
    "files",
    "print",
    "intranet",
    "build",
    "wiki",
    "time",
    "cam",
    "voip",
    "db",
    "none",
    "wpad",
)


def _base32(c: Client, size: int) -> str:
    return base64.b32encode(c.rng.randbytes(size)).decode().rstrip("=").lower()


def _name(c: Client) -> tuple[str, str]:
    kind = c.rng.random()
    if kind < 0.6:
        return f"{c.rng.choice(_HOSTS)}.lab.test", c.rng.choice(("A", "A", "AAAA", "TXT", "MX", "SRV"))
    if kind < 0.8:
        # Content networks, virus scanners and block lists ask with long machine-made names.
        labels = [_base32(c, c.rng.choice((5, 10, 20, 35))) for _ in range(c.rng.randint(1, 3))]
        return f"{'.'.join(labels)}.{c.rng.choice(('cdn', 'hash', 'rbl'))}.lab.test", c.rng.choice(("A", "A", "TXT"))
    labels = [_base32(c, c.rng.choice((8, 20, 35))) for _ in range(c.rng.randint(1, 4))]
    return f"{'.'.join(labels)}.t.lab", c.rng.choice(("A", "A", "MX", "TXT", "NULL", "CNAME"))


async def look_up(c: Client) -> None:
    """One to ten names, each from its own port or all from one."""
    server = c.rng.choice(SERVERS)
    count, pause = c.rng.choice((1, 1, 1, 2, 2, 4, 10)), c.rng.choice((0.0, 0.0, 0.05, 0.5))
    edns = c.rng.random() < 0.6
    if c.rng.random() < 0.25:
        with c.datagrams(server, 53) as sock:
            for _ in range(count):
                await c.ask(sock, query(*_name(c), c.rng, edns=edns))
                await asyncio.sleep(pause)
        return
    for _ in range(count):
        with c.datagrams(server, 53) as sock:
            await c.ask(sock, query(*_name(c), c.rng, edns=edns))
        await asyncio.sleep(pause)


async def dig(c: Client) -> None:
    """The administrator's tool."""
    name, kind = _name(c)
    tcp = ["+tcp"] if c.rng.random() < 0.3 else []
    await c.tool("dig", f"@{c.rng.choice(SERVERS)}", "-b", c.address, "+tries=1", "+time=2", *tcp, name, kind)


async def shell(c: Client) -> None:
    """A session on a server: a command, or a person who types and thinks."""
    name = c.rng.choice(list(PASSWORDS))
    target = f"{name}@{c.rng.choice(SERVERS)}"
    base = ["ssh", "-b", c.address, *_SSH_OPTIONS, "-i", f"{c.home}/user_key", target]
    if c.rng.random() < 0.5:
        await c.tool(
            *base, c.rng.choice(("uptime", "ls -l", "head -c 20000 d09", "cat d0*", "df; id; ls /etc", "true"))
        )
        return
    pauses = "; ".join(
        f"sleep {c.rng.uniform(0.1, 2.5):.2f}; head -c {c.rng.randrange(20, 3000)} d09"
        for _ in range(c.rng.randint(1, 6))
    )
    await c.tool(*base, pauses)


async def shell_by_password(c: Client) -> None:
    """A password instead of a key, mistyped now and then, or a job with an old password."""
    name = c.rng.choice(list(PASSWORDS))
    target = f"{name}@{c.rng.choice(SERVERS)}"
    wrong = c.rng.choice((0, 0, 1, 1, 2, 4))
    base = ["ssh", "-b", c.address, *_SSH_OPTIONS, "-o", "PubkeyAuthentication=no"]
    for _ in range(wrong):
        await c.tool(
            "sshpass",
            "-p",
            f"nearly-{c.rng.randrange(99)}",
            *base,
            "-o",
            "NumberOfPasswordPrompts=1",
            target,
            "true",
            seconds=8,
        )
        await c.think(0.5, 2)
    if wrong < 3:
        await c.tool("sshpass", "-p", PASSWORDS[name], *base, target, "ls")


async def copy(c: Client) -> None:
    """Files over ssh, there or back."""
    name = c.rng.choice(list(PASSWORDS))
    target = c.rng.choice(SERVERS)
    if c.rng.random() < 0.5:
        # curl brings an ssh library of its own: other key exchanges than the usual client's.
        word = PASSWORDS[name] if c.rng.random() < 0.5 else f"old-{c.rng.randrange(99)}"
        where = f"sftp://{target}/~/d{c.rng.randrange(12):02d}"
        await c.tool("curl", "-s", "-k", "-m", "12", *c.curl_ports(), "-u", f"{name}:{word}", "-o", "/dev/null", where)
        return
    options = ["-o", f"BindAddress={c.address}", *_SSH_OPTIONS, "-i", f"{c.home}/user_key"]
    local, remote = (
        f"{c.home}/www{file_name(c.rng.randrange(FILES - 60))}",
        f"{name}@{target}:d{c.rng.randrange(12):02d}",
    )
    pair = (local, f"{remote}.{c.rng.randrange(4)}") if c.rng.random() < 0.5 else (remote, "/dev/null")
    await c.tool("scp", "-q", *options, *pair)


async def greet_shell(c: Client) -> None:
    """A monitor reads the banner and leaves."""
    for _ in range(c.rng.randint(1, 3)):
        async with c.connect(c.rng.choice(SERVERS), c.rng.choice((22, 22, 21))) as s:
            await asyncio.wait_for(s.reader.readline(), 4)
            if c.rng.random() < 0.3:
                await s.send(c.rng.choice((b"SSH-2.0-check\r\n", b"QUIT\r\n", b"\r\n")))
            if c.rng.random() < 0.2:
                s.reset()


async def _ftp(s: Stream, line: str) -> str:
    await s.send(line.encode() + b"\r\n")
    return (await asyncio.wait_for(s.reader.readline(), 6)).decode(errors="replace")


async def ftp_session(c: Client) -> None:
    """Log in, mistype perhaps, look around, fetch or leave files."""
    name = c.rng.choice(list(PASSWORDS))
    server = c.rng.choice(SERVERS)
    async with c.connect(server, 21) as s:
        await asyncio.wait_for(s.reader.readline(), 6)
        wrong = c.rng.choice((0, 0, 1, 2, 4))
        for _ in range(wrong):
            await _ftp(s, f"USER {name}")
            await _ftp(s, f"PASS typo{c.rng.randrange(999)}")
            await c.think(0.4, 2)
        if wrong < 3:
            await _ftp(s, f"USER {name}")
            await _ftp(s, f"PASS {PASSWORDS[name]}")
            for _ in range(c.rng.randint(0, 3)):
                await _ftp(s, c.rng.choice(("PWD", "TYPE I", "NOOP", "SIZE d07", "FEAT")))
                await c.think(0.3, 2)
            if c.rng.random() < 0.6:
                reply = await _ftp(s, "PASV")
                if "(" in reply:
                    numbers = reply[reply.index("(") + 1 : reply.index(")")].split(",")
                    async with c.connect(server, int(numbers[4]) * 256 + int(numbers[5])) as data:
                        await s.send(f"RETR d{c.rng.randrange(11):02d}\r\n".encode())
                        await asyncio.wait_for(data.reader.read(), 10)
                    await asyncio.wait_for(s.reader.readline(), 6)
        if c.rng.random() < 0.7:
            await _ftp(s, "QUIT")


async def ftp_tool(c: Client) -> None:
    """The same with two usual clients."""
    name = c.rng.choice(list(PASSWORDS))
    word = PASSWORDS[name] if c.rng.random() < 0.7 else "forgotten"
    server = c.rng.choice(SERVERS)
    if c.rng.random() < 0.5:
        where = f"ftp://{server}/d{c.rng.randrange(11):02d}"
        direction = (
            ["-T", f"{c.home}/www{file_name(c.rng.randrange(200))}"] if c.rng.random() < 0.4 else ["-o", "/dev/null"]
        )
        await c.tool("curl", "-s", "-m", "12", *c.curl_ports(), "-u", f"{name}:{word}", *direction, where)
        return
    script = (
        f"set net:socket-bind-ipv4 {c.address}; set net:max-retries 1; set net:timeout 5; set ftp:passive-mode on; "
    )
    script += f"open -u {name},{word} {server}; ls; cat d{c.rng.randrange(10):02d} > /dev/null; bye"
    await c.tool("lftp", "-c", script, seconds=14)


async def cache(c: Client) -> None:
    """A program and its key-value store."""
    async with c.connect(c.rng.choice(SERVERS), 6379) as s:
        for _ in range(c.rng.randint(1, 15)):
            key, size = c.rng.randrange(100), c.rng.choice((10, 100, 2000, 12000))
            command = c.rng.choice(("PING\r\n", f"GET k{key}\r\n", f"SET k{key} {'v' * size}\r\n", f"INCR n{key}\r\n"))
            await s.send(command.encode())
            reply = await asyncio.wait_for(s.reader.readline(), 4)
            if reply.startswith(b"$") and int(reply[1:]) >= 0:
                await s.reader.readexactly(int(reply[1:]) + 2)
            await c.think(c.rng.choice((0.005, 0.1, 1.0)), 4)


async def messages(c: Client) -> None:
    """A sensor that reports: MQTT, a few small messages at even intervals."""
    async with c.connect(c.rng.choice(SERVERS), 1883) as s:
        ident = f"sensor{c.rng.randrange(10**6)}".encode()
        payload = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(ident).to_bytes(2, "big") + ident
        await s.send(b"\x10" + bytes([len(payload)]) + payload)
        await asyncio.wait_for(s.reader.readexactly(4), 5)
        interval = c.rng.choice((0.1, 0.5, 1.5, 3.0))
        for _ in range(c.rng.randint(1, 7)):
            body = b"\x00\x06t/room" + c.rng.randbytes(c.rng.choice((4, 20, 80))).hex().encode()[:110]
            await s.send(b"\x30" + bytes([len(body)]) + body)
            await asyncio.sleep(interval)
        await s.send(b"\xe0\x00")


async def publish(c: Client) -> None:
    """The same with the usual tool."""
    message = "m" * c.rng.choice((5, 60, 700))
    await c.tool("mosquitto_pub", "-h", c.rng.choice(SERVERS), "-A", c.address, "-t", "a/b", "-m", message, seconds=8)


async def heartbeat(c: Client) -> None:
    """An agent that says it lives, regularly, in one connection or in many."""
    target = c.rng.choice(SERVERS)
    interval, size = c.rng.choice((0.3, 0.6, 1.0, 2.0, 4.0)), c.rng.choice((8, 30, 90, 300))
    count = c.rng.randint(1, 8)
    if c.rng.random() < 0.5:
        async with c.connect(target, 7000) as s:
            for _ in range(count):
                await s.send(c.rng.randbytes(size))
                await asyncio.wait_for(s.reader.read(200), 4)
                await asyncio.sleep(interval * c.rng.uniform(0.9, 1.1))
        return
    for _ in range(count):
        async with c.connect(target, 7000) as s:
            await s.send(c.rng.randbytes(size))
            await asyncio.wait_for(s.reader.read(200), 4)
        await asyncio.sleep(interval * c.rng.uniform(0.9, 1.1))


async def back_up(c: Client) -> None:
    """Data to the collector, much or little, at once or gently."""
    size = min(1_500_000, int(c.rng.lognormvariate(10.5, 1.6)))
    pause = c.rng.choice((0.0, 0.0, 0.02, 0.2))
    async with c.connect(c.rng.choice(SERVERS), 9000) as s:
        step = c.rng.choice((1000, 8000, 30000))
        for begin in range(0, size, step):
            await s.send(c.rng.randbytes(min(step, size - begin)))
            if pause:
                await c.think(pause, 1)
        if c.rng.random() < 0.8 and s.writer.can_write_eof():
            s.writer.write_eof()
            await asyncio.wait_for(s.reader.read(100), 8)


async def clock(c: Client) -> None:
    """Ask the time."""
    for _ in range(c.rng.choice((1, 1, 2, 4))):
        with c.datagrams(c.rng.choice(SERVERS), 123) as sock:
            await c.ask(sock, b"\x23" + c.rng.randbytes(47))
        await c.think(0.3, 2)


async def log_lines(c: Client) -> None:
    """Lines to the log server: no answer ever."""
    with c.datagrams(c.rng.choice(SERVERS), 514) as sock:
        for _ in range(c.rng.choice((1, 1, 2, 5, 12))):
            sock.send(b"<34>" + c.rng.randbytes(c.rng.randrange(20, 400)))
            await c.think(c.rng.choice((0.01, 0.5)), 3)


async def talk(c: Client) -> None:
    """A call: small packets at even distances, both ways."""
    interval, size = c.rng.choice((0.02, 0.03, 0.06)), c.rng.choice((60, 160, 240))
    with c.datagrams(c.rng.choice(SERVERS), 5004) as sock:
        for _ in range(c.rng.randint(20, 150)):
            sock.send(c.rng.randbytes(size))
            await asyncio.sleep(interval)


TASKS = (
    (look_up, 9.0, True),
    (dig, 0.6, False),
    (shell, 0.9, False),
    (shell_by_password, 0.7, False),
    (copy, 0.9, False),
    (greet_shell, 1.0, True),
    (ftp_session, 1.5, True),
    (ftp_tool, 0.8, False),
    (cache, 2.2, True),
    (messages, 1.5, True),
    (publish, 0.4, False),
    (heartbeat, 2.4, True),
    (back_up, 1.6, True),
    (clock, 2.0, True),
    (log_lines, 1.5, True),
    (talk, 0.4, True),
)
