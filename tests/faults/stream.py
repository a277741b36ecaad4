"""A command with much to say: python stream.py SEED BYTES writes bytes of any kind, the same for the same seed."""

import random
import sys
from collections.abc import Iterator

BLOCK_BYTES = 1 << 20


def blocks(seed: str, count: int) -> Iterator[bytes]:
    """So many bytes, by chance."""
    chance = random.Random(seed)
    while count:
        block = chance.randbytes(BLOCK_BYTES)[:count]
        count -= len(block)
        yield block


if __name__ == "__main__":
    for block in blocks(sys.argv[1], int(sys.argv[2])):
        sys.stdout.buffer.write(block)
