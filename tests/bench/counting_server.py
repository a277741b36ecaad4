"""The embedded server with a counter in front: `python counting_server.py DATA_DIR` notes each path asked for."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobmon.server import embedded

App = Callable[[dict[str, Any], Callable[..., Any]], Any]


def counted(app: App, file: Path) -> App:
    """The same application; a line of `file` is the path of a request."""
    out = file.open("a", buffering=1)

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        out.write(f"{environ['PATH_INFO']}\n")
        return app(environ, start_response)

    return call


if __name__ == "__main__":
    make_app = embedded.make_app
    embedded.make_app = lambda service: counted(make_app(service), Path(sys.argv[1]) / "requests")  # type: ignore
    embedded.main()
