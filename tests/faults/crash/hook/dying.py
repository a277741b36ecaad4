"""Ends or stops a process before or after the n-th call of one function, which the environment names.

JOBMON_TEST_CRASH is a JSON object:

    module, name   the function: "jobmon.client.bind", "Graph._chunk"
    when           "before" or "after" its body
    route          only while a server answers that route, such as "POST /work"; "" is always
    nth            which of these calls it is, counted from 1 over all processes of a test together
    file           gets a byte for each of these calls; so no call is the n-th twice
    until          the process is not killed by SIGKILL: it waits until there is this file

A finder wraps the function as soon as its module has been run, before any other module can import it from there.
The worker on a node, which is one file and looks neither at PYTHONPATH nor for a `sitecustomize`, is armed by the
distributor that makes the file. Standard library only, and little of it.
"""

import os
import sys

VARIABLE = "JOBMON_TEST_CRASH"
WORKER, MAKER, START = "jobmon_worker.", "jobmon.distributor.worker_file", "from {package}.main import run\n"


def arm(order=None):
    """Wait for the import of the module that the order is about; without an order that of the environment."""
    if order is None and VARIABLE in os.environ:
        import json

        order = json.loads(os.environ[VARIABLE])
    if order:
        sys.meta_path.insert(0, _Finder(order))


class _Finder:
    """Wraps a function of one module when that is imported."""

    def __init__(self, order):
        self._order = order
        self._module = MAKER if order["module"].startswith(WORKER) and _is_installed() else order["module"]

    def find_spec(self, name, path=None, target=None):
        if name != self._module:
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = _Loader(spec.loader, self._order)
                return spec
        return None


class _Loader:
    """The module's own loader, with the wrapping behind it."""

    def __init__(self, loader, order):
        self._loader = loader
        self._order = order

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        if module.__name__ == MAKER:
            module.PROGRAM = _armed(module.PROGRAM, self._order)
        else:
            wrap(module, self._order)


def _is_installed():
    """Whether this process is any other than a worker, which starts with -S."""
    return not sys.flags.no_site


def _armed(program, order):
    """The worker's program, which arms itself before it imports any module of its own."""
    folder = os.path.dirname(os.path.abspath(__file__))
    lines = f"sys.path.insert(0, {folder!r})\nimport dying\ndying.arm({order!r})\n"
    assert START in program, f"the worker's program has no line {START!r} any more"
    return program.replace(START, lines.replace("{", "{{").replace("}", "}}") + START)


def wrap(module, order):
    """Put the function that ends the process into the place of the other one."""
    *holders, last = order["name"].split(".")
    holder = module
    for name in holders:
        holder = getattr(holder, name)
    function = getattr(holder, last)

    def dying(*words, **named):
        meant = not order["route"] or _route() == order["route"]
        if meant and order["when"] == "before":
            _count(order)
        result = function(*words, **named)
        if meant and order["when"] == "after":
            _count(order)
        return result

    dying.__wrapped__ = function
    setattr(holder, last, dying)


def _route():
    """What the server answers in this thread."""
    flask = sys.modules.get("flask")
    return flask.request.endpoint if flask and flask.has_request_context() else ""


def _count(order):
    descriptor = os.open(order["file"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, b".")
    nth = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.close(descriptor)
    if nth == order["nth"] and "until" in order:
        import time

        while not os.path.exists(order["until"]):
            time.sleep(0.02)
    elif nth == order["nth"]:
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        while True:
            signal.pause()  # until it comes: nothing is done any more
