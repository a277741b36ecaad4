"""`python -m jobmon.distributor`."""

import sys

from jobmon.distributor.main import main

sys.exit(main())
