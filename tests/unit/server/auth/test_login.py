"""Proof for token: nonces, peers at a socket, and where a server may listen."""

import os
import socket

import pytest

from fakes.site import SECRET, Lab
from jobmon.core import routes
from jobmon.core.exceptions import ConfigError, InvalidRequest, Unauthorized
from jobmon.server.auth import login
from jobmon.server.auth.listening import check
from jobmon.server.auth.peer import peer_uid, user_name
from jobmon.server.store import api_tokens, users

NOBODY_UID = 65534


def test_a_nonce_is_good_for_a_minute() -> None:
    nonce = login.new_nonce(SECRET, 1000.0)

    assert login.check_nonce(SECRET, nonce, 1059.0) == 1060.0
    with pytest.raises(Unauthorized, match="older than 60 s"):
        login.check_nonce(SECRET, nonce, 1060.0)


def test_a_nonce_that_is_not_ours_is_refused() -> None:
    for nonce in ("", ".", "9999999999.aa.bb", "é", login.new_nonce(b"t" * 32, 1000.0)):
        with pytest.raises(Unauthorized, match="not one of this server"):
            login.check_nonce(SECRET, nonce, 1000.0)


def test_a_nonce_is_good_once_on_all_servers_of_a_database(lab: Lab) -> None:
    use = lab.database.write
    use(lambda c: api_tokens.use_nonce(c, "n1", 100.0, 160.0))

    with pytest.raises(Unauthorized, match="made before"):
        use(lambda c: api_tokens.use_nonce(c, "n1", 101.0, 160.0))
    use(lambda c: api_tokens.use_nonce(c, "n2", 161.0, 221.0))
    use(lambda c: api_tokens.use_nonce(c, "n1", 162.0, 222.0))  # forgotten: too old to be shown anyway


def test_who_proves_to_be_somebody_becomes_a_user_with_a_token(lab: Lab) -> None:
    answer = lab.service.write(lambda c, at: login.admit(c, NOBODY_UID, at, "test"))
    again = lab.service.write(lambda c, at: login.admit(c, NOBODY_UID, at, "test"))

    with lab.database.engine.connect() as connection:
        account = users.known(connection, answer.user)
    assert (answer.user, account.role, account.groups) == ("nobody", "user", frozenset())
    assert again.token != answer.token


def test_a_system_account_is_not_let_in_unless_it_was_made_a_user(lab: Lab) -> None:
    name = user_name(1)
    with pytest.raises(InvalidRequest, match=f"jobmon-server user add {name}"):
        lab.service.write(lambda c, at: login.admit(c, 1, at, ""))
    lab.service.write(lambda c, at: users.add(c, name, "user", [], at))

    assert lab.service.write(lambda c, at: login.admit(c, 1, at, "")).user == name


def test_a_disabled_user_is_not_let_in(lab: Lab) -> None:
    def unit(connection, at):
        users.add(connection, "nobody", "user", [], at)
        users.set_disabled(connection, "nobody", True)
        return login.admit(connection, NOBODY_UID, at, "")

    with pytest.raises(Unauthorized, match="disabled"):
        lab.service.write(unit)


def test_a_user_without_a_name_is_nobody() -> None:
    with pytest.raises(Unauthorized, match="3999999999"):
        user_name(3999999999)


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_uid({"gunicorn.socket": ours}) == os.getuid()


def test_a_connection_over_a_network_proves_nobody() -> None:
    with socket.socket() as tcp, pytest.raises(Unauthorized, match="unix socket"):
        peer_uid({"gunicorn.socket": tcp})
    with pytest.raises(Unauthorized, match="unix socket"):
        peer_uid({})


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_a_proxy_is_not_taken_for_who_sent_a_request_through_it(lab: Lab, header: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        reply = lab.client.post(
            routes.PEER.url(), json={}, headers={header: "10.0.0.1"}, environ_overrides={"gunicorn.socket": ours}
        )

    assert reply.status_code == 401
    assert "proxy" in reply.json["message"]


def test_a_server_with_one_owner_logs_nobody_in(lab: Lab) -> None:
    from jobmon.server.serve import make_app

    service = lab.service._replace(site=None, token="t")
    reply = (
        make_app(service).test_client().post(routes.NONCE.url(), json={}, headers={"Authorization": "Bearer t"})
    )

    assert reply.status_code == 400
    assert "one owner" in reply.json["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.1.1", "::1", "[::1]", "localhost", "unix:/run/jobmon.sock"])
def test_this_machine_may_be_talked_to_in_the_clear(host: str) -> None:
    check(host, tls=False, insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "login1.example.org", ""])
def test_a_network_may_not_unless_asked_for_by_name(host: str) -> None:
    check(host, tls=True, insecure=False)
    check(host, tls=False, insecure=True)

    with pytest.raises(ConfigError, match="JOBMON__SERVER__INSECURE"):
        check(host, tls=False, insecure=False)
