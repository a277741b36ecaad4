"""Whatever a file or an answer holds - cut, mixed up, another program's - is read or refused in words of ours."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmon.core import wire
from jobmon.core.exceptions import ConfigError
from jobmon.core.local_server import ServerFile, read_server_file
from jobmon.core.settings import Settings, load_settings
from jobmon.distributor.local import journal
from jobmon.distributor.spool import NOT_WANTED, replay
from jobmon.distributor.worker.address import Target, noted
from jobmon.distributor.worker.answer import Refused, Stream, Unanswered, accept, read_answer
from jobmon.distributor.worker.spool import PREFIX, SUFFIX
from jobmon.server.auth import signed

OUTCOME = wire.Outcome(instance_id=1, token="t", status="D", message="ende ä")
REPORT = msgspec.json.encode(wire.WorkRequest(runner="r", node="n", sequence=1, outcomes=[OUTCOME]))
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"grants":1}'
CHUNKED = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nRetry-After: 3\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
NOTE = b'{"url":"http://127.0.0.1:1","pid":1,"instance":"i","host":"h"}'
SETTINGS = (
    b"server:\n  threads: 8\nhttp: {service_url: 'http://x', retry: 5}\nclusters:\n  slurm:\n    account: a\n"
)


def _journal() -> bytes:
    past = journal.new_past("boot")
    lines = [
        past, journal.Settled([1], [0]), journal.Started(1, 1, 2, "t"), journal.Ended(OUTCOME), journal.Told([1]),
    ]  # fmt: skip
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


JOURNAL = _journal()


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """Anything at all, or the right bytes of which some are missing, others or twice."""
    if draw(st.integers(0, 3)) == 0:
        return draw(
            st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))
        )
    raw = whole
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted((draw(st.integers(0, len(raw))), draw(st.integers(0, len(raw)))))
        put = draw(
            st.binary(max_size=3)
            | st.sampled_from([b"", b"", raw[start:end] * 2, b"\n", b"9" * 5000, b"[" * 5000])
        )
        raw = raw[:start] + put + raw[end:]
    return raw


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@settings(deadline=None)
@given(raw=spoilt(SETTINGS))
def test_a_settings_file_is_read_or_refused_by_its_name(folder: Path, raw: bytes) -> None:
    file = folder / "jobmon.yaml"
    file.write_bytes(raw)
    try:
        assert isinstance(load_settings({}, file), Settings)
    except ConfigError as error:
        assert str(file) in str(error)


@settings(deadline=None)
@given(
    st.sampled_from(["SERVER__THREADS", "HTTP__SERVICE_URL", "CLUSTERS__A__B", "CLUSTERS__"]) | st.text(),
    st.text(),
)
def test_a_variable_is_read_or_refused_by_its_name(name: str, value: str) -> None:
    variable = f"JOBMON__{name}"
    try:
        assert isinstance(load_settings({variable: value}, Path("/dev/null")), Settings)
    except ConfigError as error:
        assert variable in str(error) or repr(variable) in str(error)


@settings(deadline=None)
@given(raw=spoilt(JOURNAL))
def test_a_journal_is_believed_or_not(folder: Path, raw: bytes) -> None:
    file = folder / "journal"
    file.write_bytes(raw)

    past = journal.read(file)

    assert past is None or isinstance(past, journal.Past)


@settings(deadline=None)
@given(raw=spoilt(REPORT))
def test_what_a_worker_left_is_handed_over_or_set_aside(raw: bytes) -> None:
    told: list[wire.WorkRequest] = []

    def tell(request: wire.WorkRequest) -> wire.WorkAnswer:
        told.append(request)
        return wire.WorkAnswer()

    with tempfile.TemporaryDirectory() as name:
        file = Path(name, f"{PREFIX}1{SUFFIX}")
        file.write_bytes(raw)

        attempts = replay(Path(name), tell)

        assert not file.exists()
        assert bool(told) != Path(f"{file}{NOT_WANTED}").exists()
    assert attempts == {outcome.instance_id for request in told for outcome in request.outcomes}


@settings(deadline=None)
@given(raw=spoilt(NOTE))
def test_a_note_of_the_server_is_read_or_there_is_none(folder: Path, raw: bytes) -> None:
    (folder / "server.json").write_bytes(raw)
    token = folder / "token"
    token.touch(mode=0o600)

    note = read_server_file(folder)

    assert note is None or isinstance(note, ServerFile)
    try:
        url, _ = noted(str(folder / "server.json"), str(token))()
        Target(url)
    except Unanswered as error:
        assert str(error)


@settings(deadline=None)
@given(st.text() | st.text("htps:/[].0123456789-@ \n²٣"))
def test_a_url_is_taken_apart_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"https://{text}:{text}"):
        try:
            assert 0 <= Target(url).port <= 65535
        except Unanswered as error:
            assert str(error)


@settings(deadline=None)
@given(raw=st.sampled_from([ANSWER, CHUNKED]).flatmap(spoilt), size=st.integers(1, 100))
def test_an_answer_is_the_servers_or_none(raw: bytes, size: int) -> None:
    """However it comes in."""
    pieces = iter([raw[start : start + size] for start in range(0, len(raw), size)])
    try:
        body = accept(read_answer(Stream(lambda: next(pieces, b"")), largest_bytes=10_000))
        assert body[:1] + body[-1:] == b"{}"
    except (Unanswered, Refused) as error:
        assert str(error)


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_a_token_that_nobody_signed_is_none(text: str) -> None:
    whole = signed.write(b"s" * 32, signed.Signed("ann", "drive", 1, 2e9))

    for token in (text, whole + text, text + whole, whole[: len(text)] + text, whole.replace(".", text)):
        found = signed.read(b"s" * 32, token)
        assert found is None or token == whole
