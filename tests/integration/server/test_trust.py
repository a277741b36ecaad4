"""A server behind TLS, as its users see it: they trust what their machine trusts, and what they say themselves."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from jobmon.core import routes, wire
from jobmon.core.exceptions import ServerUnreachable
from jobmon.core.http import Address, Server

HEALTH = wire.Health(version="4.0.0", instance="i", host="h", pid=1, uptime_seconds=1.0)


class Healthy(BaseHTTPRequestHandler):
    """Says that it is well."""

    def do_GET(self) -> None:
        body = msgspec.json.encode(HEALTH)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, signed by nobody else."""
    path, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(["openssl", *words.split(), "-keyout", key, "-out", path], check=True, capture_output=True)
    path.write_text(key.read_text() + path.read_text())
    return path


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.promise("F15")
def test_an_authority_of_ones_own_is_trusted_when_it_is_named(
    url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServerUnreachable, match="certificate verify failed"):
        Server(lambda: Address(url, ""), retry_seconds=0).call(routes.HEALTH, wire.Nothing())

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer = Server(lambda: Address(url, ""), retry_seconds=0).call(routes.HEALTH, wire.Nothing())

    assert answer == HEALTH
