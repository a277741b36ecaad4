"""`python -m jobmon.distributor.worker`; a node starts it from one file, see `distributor/worker_file.py`."""

import sys

from .main import run

if __name__ == "__main__":
    run(sys.argv[1:])
