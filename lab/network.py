"""The lab's network: a namespace for the servers, one for the core, and a router and hosts for every site.

The commands are plain lists, so that a test can read what would be done without doing it.
"""

from __future__ import annotations

from lab.places import CORE, HOSTS, SERVER, SERVERS, SITES, Host

__all__ = ["CAPTURE_DEVICE", "SERVER_NET", "device", "link_commands", "namespaces", "router", "wire_commands"]

Command = tuple[str, ...]
CAPTURE_DEVICE = "cap0"
SERVER_NET = "10.77.0.0/24"
_CORE_SIDE, _SERVER_SIDE = "10.77.254.1", "10.77.254.2"


def router(site: int) -> str:
    """The namespace of a site's router."""
    return f"{CORE.removesuffix('core')}r{site}"


def device(host: Host) -> str:
    """The name of a host's end of its cable."""
    return f"v{host.name}"


def namespaces() -> tuple[str, ...]:
    """Every namespace of the lab."""
    return (SERVER, CORE, *(router(site) for site in SITES), *(host.namespace for host in HOSTS))


def wire_commands() -> list[Command]:
    """What makes everything but the links between the sites and the core."""
    commands: list[Command] = []
    for name in namespaces():
        commands.append(("ip", "netns", "add", name))
        # Router solicitations and neighbour discovery would be traffic nobody scheduled.
        commands.append(_write(name, "ipv6/conf/all/disable_ipv6", "1"))
        commands.append(_write(name, "ipv6/conf/default/disable_ipv6", "1"))
        commands.append(("ip", "-n", name, "link", "set", "lo", "up"))
    commands += _server_commands()
    for site in SITES:
        commands += _site_commands(site)
    return commands


def link_commands(site: int) -> list[Command]:
    """What connects a site's router once its link's devices exist."""
    near, far = f"10.77.200.{site * 4 + 1}", f"10.77.200.{site * 4 + 2}"
    home = router(site)
    return [
        ("ip", "-n", home, "addr", "add", near, "peer", far, "dev", "tun0"),
        ("ip", "-n", home, "link", "set", "tun0", "up", "txqueuelen", "2000"),
        ("ip", "-n", home, "route", "add", SERVER_NET, "via", far),
        ("ip", "-n", CORE, "addr", "add", far, "peer", near, "dev", f"tun{site}"),
        ("ip", "-n", CORE, "link", "set", f"tun{site}", "up", "txqueuelen", "2000"),
        ("ip", "-n", CORE, "route", "add", f"10.77.{site}.0/24", "via", near),
    ]


def _server_commands() -> list[Command]:
    commands: list[Command] = [
        ("ip", "-n", CORE, "link", "add", "srv0", "type", "veth", "peer", "name", CAPTURE_DEVICE, "netns", SERVER),
        ("ip", "-n", CORE, "addr", "add", f"{_CORE_SIDE}/30", "dev", "srv0"),
        ("ip", "-n", SERVER, "addr", "add", f"{_SERVER_SIDE}/30", "dev", CAPTURE_DEVICE),
        # With these on, the capture would hold packets of 64 kB that no wire carries.
        ("ip", "netns", "exec", CORE, "ethtool", "-K", "srv0", "gso", "off", "tso", "off", "gro", "off"),
        ("ip", "netns", "exec", SERVER, "ethtool", "-K", CAPTURE_DEVICE, "gso", "off", "tso", "off", "gro", "off"),
        ("ip", "-n", CORE, "link", "set", "srv0", "up"),
        ("ip", "-n", SERVER, "link", "set", CAPTURE_DEVICE, "up"),
        ("ip", "-n", CORE, "route", "add", SERVER_NET, "via", _SERVER_SIDE),
        _write(CORE, "ipv4/ip_forward", "1"),
    ]
    commands += [("ip", "-n", SERVER, "addr", "add", f"{address}/32", "dev", "lo") for address in SERVERS]
    for site in SITES:
        route = (f"10.77.{site}.0/24", "via", _CORE_SIDE)
        commands.append(("ip", "-n", SERVER, "route", "add", *route))
    return commands


def _site_commands(site: int) -> list[Command]:
    home = router(site)
    gateway = f"10.77.{site}.1"
    commands: list[Command] = [
        ("ip", "-n", home, "link", "add", "br0", "type", "bridge"),
        ("ip", "-n", home, "addr", "add", f"{gateway}/24", "dev", "br0"),
        ("ip", "-n", home, "link", "set", "br0", "up"),
        _write(home, "ipv4/ip_forward", "1"),
        # A redirect would be traffic nobody scheduled.
        _write(home, "ipv4/conf/all/send_redirects", "0"),
    ]
    for host in HOSTS:
        if host.site != site:
            continue
        port, end, name = f"p{host.name}", device(host), host.namespace
        commands.append(("ip", "-n", home, "link", "add", port, "type", "veth", "peer", "name", end, "netns", name))
        commands.append(("ip", "-n", home, "link", "set", port, "master", "br0", "up"))
        commands += [("ip", "-n", name, "addr", "add", f"{address}/24", "dev", end) for address in host.addresses]
        commands.append(("ip", "-n", name, "link", "set", end, "up"))
        commands.append(("ip", "-n", name, "route", "add", SERVER_NET, "via", gateway))
        # Tools take their source ports above the benign background's range.
        commands.append(_write(name, "ipv4/ip_local_port_range", "32768 60999"))
        commands.append(_write(name, "ipv4/ping_group_range", "0 0"))
    return commands


def _write(namespace: str, key: str, value: str) -> Command:
    return ("ip", "netns", "exec", namespace, "sh", "-c", f"echo {value} > /proc/sys/net/{key}")
