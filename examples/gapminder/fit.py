"""Step 2, one task per country: the least-squares trend of its life expectancy.

Usage: fit.py OUTPUT CONTINENT COUNTRY
"""

import csv
import json
import math
import sys
from pathlib import Path

from atomic import write_atomically

FIRST_YEAR = 1952  # the intercept is the fitted life expectancy in this year


def linear_trend(x: list[float], y: list[float]) -> dict[str, float]:
    """Ordinary least squares of y on x; the residual standard deviation has n - 2 degrees of freedom."""
    slope = covariation(x, y) / covariation(x, x)
    intercept = mean(y) - slope * mean(x)
    residual_squares = math.fsum((b - intercept - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    return {
        "slope_per_year": slope,
        "intercept": intercept,
        "r_squared": 1 - residual_squares / covariation(y, y),
        "residual_sd": math.sqrt(residual_squares / (len(x) - 2)),
    }


def correlation(x: list[float], y: list[float]) -> float:
    """Pearson's correlation coefficient."""
    return covariation(x, y) / math.sqrt(covariation(x, x) * covariation(y, y))


def covariation(x: list[float], y: list[float]) -> float:
    """The sum of the products of the deviations from the means."""
    mean_x, mean_y = mean(x), mean(y)
    return math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))


def mean(values: list[float]) -> float:
    """The arithmetic mean."""
    return math.fsum(values) / len(values)


def main(output: Path, continent: str, country: str) -> None:
    """Read the country's rows and write OUTPUT/fits/CONTINENT/COUNTRY.json."""
    path = output / "countries" / continent / f"{country}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    years = [int(row["year"]) for row in rows]
    life_expectancy = [float(row["lifeExp"]) for row in rows]
    log_gdp = [math.log10(float(row["gdpPercap"])) for row in rows]
    fit = {
        "country": country,
        "years": years,
        "life_expectancy": life_expectancy,
        **linear_trend([float(year - FIRST_YEAR) for year in years], life_expectancy),
        "log_gdp_correlation": correlation(log_gdp, life_expectancy),
    }
    write_atomically(output / "fits" / continent / f"{country}.json", json.dumps(fit, indent=1))
    print(f"{country}: {fit['slope_per_year']:+.3f} years of life per year, R2 {fit['r_squared']:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
