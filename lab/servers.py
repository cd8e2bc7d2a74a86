"""The servers: real daemons from Debian's packages with small configurations, in one namespace.

Accounts exist for the server namespace only: files in the run directory are bound over ``/etc`` inside it.
"""

from __future__ import annotations

import random
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

from lab.errors import LabError
from lab.isolation import run
from lab.places import PASSWORDS, SERVER, SERVERS

__all__ = ["FILES", "LEAST_BYTES", "MOST_BYTES", "PACKAGES", "file_name", "prepare", "start", "wait_until_up"]

PACKAGES = (
    *("nginx-light", "openssh-server", "vsftpd", "dnsmasq-base", "redis-server", "mosquitto", "mosquitto-clients"),
    *("curl", "wget", "lftp", "sshpass", "bind9-dnsutils", "nmap", "slowhttptest", "hping3", "apache2-utils", "siege"),
    *("wrk", "ncrack", "medusa", "hydra", "tcpdump", "ethtool", "iproute2"),
)
FILES = 300
LEAST_BYTES, MOST_BYTES = 200, 2_500_000

_NGINX = """daemon off; user root; worker_processes 1; pid {run}/nginx.pid; error_log {run}/log/nginx.err crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; server_tokens off; types {{ text/html html; }} default_type application/octet-stream;
  keepalive_requests 60; keepalive_timeout 15; client_header_timeout 25; client_body_timeout 25; send_timeout 25;
  client_max_body_size 20m; client_body_temp_path {run}/tmp/body; proxy_temp_path {run}/tmp/proxy;
  fastcgi_temp_path {run}/tmp/f; uwsgi_temp_path {run}/tmp/u; scgi_temp_path {run}/tmp/s;
  ssl_certificate {run}/etc/cert.pem; ssl_certificate_key {run}/etc/key.pem; ssl_session_cache shared:a:1m;
  server {{ listen 80; listen 8080; listen 443 ssl; root {run}/www;
    location /app/ {{ proxy_pass http://127.0.0.1:9001; proxy_read_timeout 40; }}
    location / {{ dav_methods off; }} }}
}}
"""
# Old key exchanges stay on: password-guessing tools know no newer ones.
_SSHD = """Port 22
HostKey {run}/etc/host_rsa
HostKey {run}/etc/host_ed25519
UsePAM no
StrictModes no
PasswordAuthentication yes
PermitRootLogin no
MaxStartups 300
MaxAuthTries 6
LoginGraceTime 25
PidFile none
UseDNS no
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
KexAlgorithms +diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1
HostKeyAlgorithms +ssh-rsa
PubkeyAcceptedAlgorithms +ssh-rsa
Ciphers +aes128-cbc,3des-cbc
MACs +hmac-sha1
"""
_VSFTPD = """listen=YES
listen_ipv6=NO
background=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
seccomp_sandbox=NO
pam_service_name=vsftpd
secure_chroot_dir=/run/vsftpd/empty
pasv_min_port=30000
pasv_max_port=30999
max_clients=200
delay_failed_login=0
max_login_fails=6
xferlog_enable=NO
"""
# Homes lie in the lab's private /run: an account of the server namespace can enter no directory of root's.
_HOMES = Path("/run/home")
_DNS = ("host", "mail", "ldap", "files", "print", "intranet", "build", "wiki", "time", "cam", "voip", "db")


def file_name(index: int) -> str:
    """The path of a served file; lower numbers are smaller."""
    return f"/f{index:03d}.html"


def prepare(run_dir: Path, seed: int) -> None:
    """Write configurations, accounts, certificates, word lists and the served files."""
    rng = random.Random(f"lab files {seed}")
    for name in ("etc", "log", "www", "tmp", "redis"):
        (run_dir / name).mkdir()
    run_dir.chmod(0o755)
    for index in range(FILES):
        share = index / (FILES - 1)
        size = int(LEAST_BYTES * (MOST_BYTES / LEAST_BYTES) ** share * rng.uniform(0.9, 1.1))
        (run_dir / "www" / file_name(index)[1:]).write_bytes(rng.randbytes(min(size, MOST_BYTES)))
    etc = run_dir / "etc"
    (etc / "nginx.conf").write_text(_NGINX.format(run=run_dir))
    (etc / "sshd.conf").write_text(_SSHD.format(run=run_dir))
    (etc / "vsftpd.conf").write_text(_VSFTPD)
    (etc / "pam").write_text(
        "auth required pam_unix.so nodelay\naccount required pam_permit.so\nsession required pam_permit.so\n"
    )
    (etc / "mosquitto.conf").write_text(
        "user root\nlistener 1883 0.0.0.0\nallow_anonymous true\npersistence false\nlog_type none\n"
    )
    (run_dir / "resolv.conf").write_text("")
    for kind in ("rsa", "ed25519"):
        run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(etc / f"host_{kind}"))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(run_dir / "user_key"))
    subject = ("-subj", "/CN=lab.test")
    where = ("-keyout", str(etc / "key.pem"), "-out", str(etc / "cert.pem"))
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *where)
    _accounts(run_dir)
    wrong = [f"{w}{n}" for w in ("summer", "admin", "letmein", "qwerty", "dragon", "pass") for n in range(40)]
    rng.shuffle(wrong)
    (run_dir / "words.txt").write_text("\n".join(wrong) + "\n")
    (run_dir / "users.txt").write_text("\n".join([*PASSWORDS, "root", "admin", "test", "guest"]) + "\n")


def start(run_dir: Path, seed: int) -> list[subprocess.Popen[bytes]]:
    """Start every server in the server namespace."""
    etc = run_dir / "etc"
    bind = "".join(f"mount --bind {etc}/{name} /etc/{name}; " for name in ("passwd", "shadow", "group"))
    bind += f"mount --bind {etc}/pam /etc/pam.d/vsftpd; "
    names = [f"--address=/{name}.lab.test/{SERVERS[i % len(SERVERS)]}" for i, name in enumerate(_DNS)]
    texts = [f"--txt-record={name}.lab.test,v=spf1 a mx {'x' * (9 * i)} -all" for i, name in enumerate(_DNS)]
    commands = {
        "nginx": ["nginx", "-e", f"{run_dir}/log/nginx.start", "-c", f"{etc}/nginx.conf"],
        "sshd": ["/usr/sbin/sshd", "-D", "-e", "-f", f"{etc}/sshd.conf"],
        "vsftpd": ["/usr/sbin/vsftpd", f"{etc}/vsftpd.conf"],
        "dnsmasq": [
            *("dnsmasq", "-k", "--no-resolv", "--no-hosts", "--user=root", "--conf-file=/dev/null", "--cache-size=0"),
            *("--pid-file=", "--local=/lab.test/", "--server=/t.lab/127.0.0.1#5353"),
            *("--mx-host=lab.test,mail.lab.test,10", *names, *texts),
        ],
        "redis": [
            *("redis-server", "--save", "", "--protected-mode", "no", "--bind", "0.0.0.0"),
            *("--dir", f"{run_dir}/redis"),
        ],
        "mosquitto": ["mosquitto", "-c", f"{etc}/mosquitto.conf"],
        "services": [sys.executable, "-m", "lab.services", str(seed)],
    }
    root = Path(__file__).resolve().parent.parent
    started = []
    for name, command in commands.items():
        shell = f"{bind if name in ('sshd', 'vsftpd') else ''}exec {shlex.join(command)}"
        with (run_dir / "log" / f"{name}.log").open("wb") as log:
            full = ["ip", "netns", "exec", SERVER, "sh", "-c", shell]
            started.append(subprocess.Popen(full, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=root))
    return started


def wait_until_up(run_dir: Path, ports: tuple[int, ...], seconds: float = 20) -> None:
    """Wait until every port answers on the servers' own loopback; called in a process of the server namespace.

    Raises:
        LabError: If one does not answer in time.
    """
    limit = time.monotonic() + seconds
    for port in ports:
        while True:
            try:
                socket.create_connection((SERVERS[0], port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > limit:
                    raise LabError(f"No server answers on port {port}: see {run_dir / 'log'}.") from None
                time.sleep(0.1)


def _accounts(run_dir: Path) -> None:
    etc = run_dir / "etc"
    passwd, shadow = Path("/etc/passwd").read_text(), Path("/etc/shadow").read_text()
    group = Path("/etc/group").read_text()
    key = (run_dir / "user_key.pub").read_text()
    for number, (name, password) in enumerate(PASSWORDS.items(), start=7701):
        home = _HOMES / name
        (home / ".ssh").mkdir(parents=True)
        (home / ".ssh" / "authorized_keys").write_text(key)
        for index in range(0, 12):
            (home / f"d{index:02d}").write_bytes(b"lab\n" * (50 * 2**index))
        for path in (home, *home.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        hashed = run("openssl", "passwd", "-6", "-salt", "unseenlab", password).strip()
        passwd += f"{name}:x:{number}:{number}::{home}:/bin/sh\n"
        shadow += f"{name}:{hashed}:19000:0:99999:7:::\n"
        group += f"{name}:x:{number}:\n"
    for name, text in (("passwd", passwd), ("shadow", shadow), ("group", group)):
        (etc / name).write_text(text)
    (etc / "shadow").chmod(0o600)
