import logging
import re
import stat

import pytest

from jobmon.core import logs


@pytest.fixture(autouse=True)
def root_logger():
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def file(tmp_path):
    return tmp_path / "logs" / "distributor.log"


def test_a_record_is_one_line_with_utc_time_level_logger_and_message(file):
    logs.set_up(file=file)
    logging.getLogger("jobmon.some.place").warning("two\nlines of %d", 7)

    [line] = file.read_text().splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING jobmon\.some\.place two\\nlines of 7", line
    )


def test_a_traceback_stays_on_the_line_of_its_record(file):
    logs.set_up(file=file)
    try:
        raise ValueError("bad value")
    except ValueError:
        logging.getLogger("x").exception("it failed")

    [line] = file.read_text().splitlines()
    assert "it failed\\nTraceback" in line
    assert line.endswith("ValueError: bad value")


@pytest.mark.parametrize(
    "text",
    ["Authorization: Bearer s3cret-token", "{'Authorization': 'bearer s3cret-token'}", 'x="Bearer s3cret-token"'],
)
def test_tokens_are_masked(file, text):
    logs.set_up(file=file)
    logging.getLogger("x").error("sent %s", text)

    assert "s3cret" not in file.read_text()
    assert "earer ***" in file.read_text()


def test_tokens_in_tracebacks_are_masked(file):
    logs.set_up(file=file)
    try:
        raise ValueError("Bearer s3cret")
    except ValueError:
        logging.getLogger("x").exception("failed")

    assert "s3cret" not in file.read_text()


def test_records_below_the_level_are_left_out(file):
    logs.set_up("ERROR", file)
    logging.getLogger("x").warning("not this")
    logging.getLogger("x").error("but this")

    assert "not this" not in file.read_text()
    assert "but this" in file.read_text()


def test_the_file_is_private_to_the_user(file):
    logs.set_up(file=file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_set_up_replaces_the_first(file, tmp_path):
    logs.set_up(file=file)
    logs.set_up(file=tmp_path / "other.log")
    logging.getLogger("x").error("where to")

    assert file.read_text() == ""
    assert "where to" in (tmp_path / "other.log").read_text()


def test_without_a_file_records_go_to_standard_error(capsys):
    logs.set_up()
    logging.getLogger("x").error("hello")

    assert "ERROR x hello" in capsys.readouterr().err
