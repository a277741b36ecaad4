"""slurmctld's bucket of requests for each user (rl_enable)."""

from fakes.slurm.settings import Settings


class RateLimit:
    """The client sleeps one, two, three ... seconds between its attempts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buckets: dict[str, tuple[float, float]] = {}  # by user: tokens, since when

    def wait(self, user: str, now: float) -> float:
        """Seconds until the request is let through."""
        if not self._settings.bucket:
            return 0
        tokens, since = self._buckets.get(user, (self._settings.bucket, now))
        attempts, at = 0, now
        while (filled := min(self._settings.bucket, tokens + self._settings.refill * (at - since))) < 1:
            attempts += 1
            at += attempts
        self._buckets[user] = filled - 1, at
        return at - now
