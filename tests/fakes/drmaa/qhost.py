"""qhost: the one node."""

from fakes.drmaa.qmaster import Qmaster
from fakes.drmaa.settings import HOST
from fakes.drmaa.xml import HEAD, SCHEMAS
from fakes.scheduler.call import Answer, Call

NAMES = ("arch_string", "num_proc", "m_socket", "m_core", "m_thread", "load_avg", "mem_total", "mem_used")
NAMES += ("swap_total", "swap_used")
HERE = ("lx-amd64", "2", "1", "2", "2", "0.10", "23.5G", "1.1G", "0.0", "0.0")
NODES = {"global": ("-",) * len(NAMES), HOST: HERE}
TITLE = "HOSTNAME                ARCH         NCPU NSOC NCOR NTHR  LOAD  MEMTOT  MEMUSE  SWAPTO  SWAPUS"


def qhost(qmaster: Qmaster, call: Call) -> Answer:
    """As text or XML."""
    return Answer(_xml() if "-xml" in call.rest else _text())


def _text() -> str:
    rows = (
        f"{name:23} {arch:12} {cpus:>4} {sockets:>4} {cores:>4} {threads:>4} {load:>5} "
        + " ".join(f"{text:>7}" for text in memory)
        for name, (arch, cpus, sockets, cores, threads, load, *memory) in NODES.items()
    )
    return "\n".join([TITLE, "-" * len(TITLE), *rows]) + "\n"


def _xml() -> str:
    lines = [HEAD, f'<qhost xmlns:xsd="{SCHEMAS}/qhost/qhost.xsd">']
    for node, values in NODES.items():
        lines.append(f" <host name='{node}'>")
        pairs = zip(NAMES, values, strict=True)
        lines += [f"   <hostvalue name='{name}'>{text}</hostvalue>" for name, text in pairs]
        lines.append(" </host>")
    return "\n".join([*lines, "</qhost>"]) + "\n"
