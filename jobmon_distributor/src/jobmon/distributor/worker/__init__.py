"""One process for each attempt on a batch cluster: claims it, runs its command, reports how it ended."""
