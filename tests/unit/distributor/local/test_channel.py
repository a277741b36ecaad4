"""Frames in any pieces; a socket in a folder with a long name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.distributor.local import channel


@given(bodies=st.lists(st.binary(max_size=50), max_size=6), cuts=st.lists(st.integers(1, 30), min_size=1))
def test_bodies_come_whole_whatever_the_pieces(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(channel.frame(body) for body in bodies)
    frames, received, place = channel.Frames(), [], 0
    while place < len(stream):
        cut = cuts[place % len(cuts)]
        received += list(frames.feed(stream[place : place + cut]))
        place += cut

    assert received == bodies


def test_an_impossible_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a frame of 4294967295 bytes"):
        list(channel.Frames().feed(b"\xff\xff\xff\xff"))


def test_the_socket_lies_in_a_folder_with_any_name(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 200) / "y z"
    folder.mkdir(parents=True)

    with pytest.raises(FileNotFoundError):
        channel.connect(folder)
    with channel.listen(folder) as listener, channel.connect(folder) as one:
        other = listener.accept()[0]
        one.sendall(channel.frame(b"hello"))
        assert channel.receive(other) == b"hello"
        other.close()
        with pytest.raises(ConnectionError):
            channel.receive(one)
    with pytest.raises(ConnectionRefusedError):
        channel.connect(folder)
    channel.listen(folder).close()  # an old socket is in nobody's way
