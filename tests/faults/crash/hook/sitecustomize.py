"""Python imports this first in each process whose PYTHONPATH begins with its folder: see `dying`."""

import dying

dying.arm()
