"""Where a server may listen without TLS: where nobody else can read along."""

import ipaddress

from jobmon.core.exceptions import ConfigError


def check(host: str, *, tls: bool, insecure: bool) -> None:
    """Raises ConfigError when tokens and commands would go over a network in the clear and nobody said so."""
    if tls or insecure or host.startswith("unix:") or is_loopback(host):
        return
    raise ConfigError(
        f"the server is to listen on {host!r} without TLS: others on the network could read tokens and commands. "
        "Listen on 127.0.0.1 behind a proxy that has TLS, give a certificate, or ask for it by name: "
        "JOBMON__SERVER__INSECURE=true"
    )


def is_loopback(host: str) -> bool:
    """Whether only processes of this machine can connect there. A name other than localhost may be anything."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
