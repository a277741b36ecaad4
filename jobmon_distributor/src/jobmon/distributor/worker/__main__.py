"""`python -m jobmon.distributor.worker`, or `python -I -S FOLDER/__main__.py` without any installation.

In the second form the folder alone is the package, under whatever name it has. Its parent goes to the end of
the path, so that nothing there can stand in for a module of the standard library.
"""

import os
import sys

if not __package__:
    parent, __package__ = os.path.split(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120
    sys.path.append(parent)
    __import__(__package__)

from .main import main

if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # at once: a thread that hangs in a file system must not keep the node busy
