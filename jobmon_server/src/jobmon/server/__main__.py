"""`python -m jobmon.server DATA_DIR`: the embedded server, quickly at hand.

Importing makes half a million objects that all stay. The collector of garbage would look through them again and
again, which is a seventh of the time that a user waits for the server; `embedded.main` switches it on again.
"""

import gc

if __name__ == "__main__":
    gc.disable()
    from jobmon.server.embedded import main

    main()
