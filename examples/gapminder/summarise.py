"""Step 3, one task per continent: put the fits of its countries together.

Usage: summarise.py OUTPUT CONTINENT
"""

import json
import sys
from pathlib import Path
from statistics import fmean, median
from typing import Any

from atomic import write_atomically

Fit = dict[str, Any]  # what fit.py writes


def summary(continent: str, fits: list[Fit]) -> dict[str, Any]:
    """Means and extremes over the countries; every country counts the same, whatever its population."""
    by_slope = sorted(fits, key=lambda fit: float(fit["slope_per_year"]))
    by_year = zip(*(fit["life_expectancy"] for fit in fits), strict=True)
    return {
        "continent": continent,
        "countries": len(fits),
        "years": fits[0]["years"],
        "mean_life_expectancy": [fmean(values) for values in by_year],
        "mean_slope_per_year": fmean(fit["slope_per_year"] for fit in fits),
        "median_r_squared": median(fit["r_squared"] for fit in fits),
        "mean_log_gdp_correlation": fmean(fit["log_gdp_correlation"] for fit in fits),
        "flattest": by_slope[0]["country"],
        "steepest": by_slope[-1]["country"],
        "fits": [{key: fit[key] for key in ("country", "slope_per_year", "intercept")} for fit in fits],
    }


def main(output: Path, continent: str) -> None:
    """Read the fit of every country that was prepared and write OUTPUT/continents/CONTINENT.json."""
    countries = sorted(path.stem for path in (output / "countries" / continent).glob("*.csv"))
    folder = output / "fits" / continent
    fits = [json.loads((folder / f"{country}.json").read_text()) for country in countries]
    write_atomically(output / "continents" / f"{continent}.json", json.dumps(summary(continent, fits), indent=1))
    print(f"{continent}: {len(fits)} countries")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
