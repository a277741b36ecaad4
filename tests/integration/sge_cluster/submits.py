"""Submits arrays by whatever `drmaa` there is: from a JSON list on stdin to one of what came of it on stdout.

Each is {"tasks": how many, "attributes": {...}}; the answer is a list of ids, or name and text of an error.
"""

import json
import sys

import drmaa


def submitted(tasks: int, attributes: dict[str, object]) -> list[str]:
    """The ids, or an error."""
    try:
        template = drmaa.JobTemplate()
        for name, value in attributes.items():
            setattr(template, name, value)
        return list(drmaa.Session.runBulkJobs(template, 1, tasks, 1))
    except Exception as error:  # noqa: BLE001  (it is what the test looks at)
        return [type(error).__name__, str(error)]


drmaa.Session.initialize()
print(json.dumps([submitted(**one) for one in json.load(sys.stdin)]), flush=True)
drmaa.Session.exit()
