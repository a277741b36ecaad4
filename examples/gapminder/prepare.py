"""Step 1, one task: split the Gapminder table into one CSV file per country.

Usage: prepare.py OUTPUT
"""

import sys
from itertools import groupby
from pathlib import Path

from atomic import write_atomically
from table import csv_text, read_rows


def main(output: Path) -> None:
    """Write OUTPUT/countries/CONTINENT/COUNTRY.csv for every country."""
    by_place = groupby(read_rows(), key=lambda row: (row["continent"], row["country"]))
    written = 0
    for (continent, country), rows in by_place:
        write_atomically(output / "countries" / continent / f"{country}.csv", csv_text(list(rows)))
        written += 1
    print(f"{written} countries written to {output / 'countries'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
