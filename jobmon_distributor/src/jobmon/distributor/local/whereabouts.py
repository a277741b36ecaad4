"""Where the state server is: said by each distributor that connects, or noted by the embedded server itself."""

from pathlib import Path

from jobmon.distributor.worker.address import fixed, noted
from jobmon.distributor.worker.link import Refused, Unanswered


class Whereabouts:
    """Finds the server for each new connection."""

    def __init__(self) -> None:
        """Nobody has said anything yet."""
        self._url = ""
        self._token_file = ""

    def update(self, url: str, token_file: str) -> None:
        """What the newest distributor says."""
        self._url, self._token_file = url, token_file

    def __call__(self) -> tuple[str, str]:
        """(url, token); an embedded server's note, beside its token, is newer than what was said."""
        if not self._url:
            raise Unanswered("no distributor has said yet where the server is")
        note = Path(self._token_file).with_name("server.json")
        locate = noted(str(note), self._token_file) if note.exists() else fixed(self._url, self._token_file)
        try:
            return locate()
        except Refused as refused:  # the token file, not the server, says no
            raise Unanswered(str(refused)) from None
