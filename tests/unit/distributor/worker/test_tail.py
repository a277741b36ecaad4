"""The end of a file as text."""

from pathlib import Path

import pytest
from hypothesis import given, strategies

from jobmon.distributor.worker.tail import as_text, read_tail


@pytest.mark.promise("F40")
@given(strategies.binary())
def test_any_bytes_become_a_text_that_a_database_takes(raw: bytes) -> None:
    text = as_text(raw)

    assert "\0" not in text
    text.encode()


@pytest.mark.promise("F40")
@given(strategies.text(strategies.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_valid_text_is_kept(text: str) -> None:
    assert as_text(text.encode()) == text


@pytest.mark.promise("F40")
@pytest.mark.parametrize("cut", range(1, 12))
def test_the_cut_splits_no_character(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "file"
    whole = "ab€d𝄞fgh"
    path.write_text(whole, encoding="utf-8")

    first, _, tail = read_tail(str(path), cut).partition("\n")

    assert first == f"[the last {cut} of {len(whole.encode())} bytes]"
    assert whole.endswith(tail)
    assert cut - 3 <= len(tail.encode()) <= cut


@pytest.mark.promise("F39")
def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(100 << 30)
        file.seek(0, 2)
        file.write(b"the end")

    text = read_tail(str(path), 16)

    assert text == f"[the last 16 of {(100 << 30) + 7} bytes]\nthe end"


def test_a_small_file_is_told_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xbfabc")

    assert read_tail(str(path), 4) == "\\xbfabc"
