"""The programs of Grid Engine, found where Debian's packages put them."""

from pathlib import Path

from clusters.packages import Unavailable

PACKAGES = ("gridengine-master", "gridengine-exec", "gridengine-client", "gridengine-drmaa1.0", "libjemalloc2")
PROGRAMS = Path("/usr/lib/gridengine")
SHARED = Path("/usr/share/gridengine")
DRMAA = Path("/usr/lib/gridengine-drmaa/lib/libdrmaa.so.1.0")
NEEDED = (
    *(PROGRAMS / name for name in ("sge_qmaster", "sge_execd", "sge_shepherd", "spoolinit", "spooldefaults")),
    *(PROGRAMS / name for name in ("qsub", "qstat", "qdel", "qacct", "qconf", "qping", "libspoolb.so")),
    *(SHARED / name for name in ("default-configuration", "util/arch", "util/resources/centry")),
    DRMAA,
)
MISSING = (
    "Grid Engine is not installed ({} not found): "
    f"apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"
)


def check() -> None:
    """Raises Unavailable when something is missing; the text says what to install."""
    missing = [str(path) for path in NEEDED if not path.exists()]
    if missing:
        raise Unavailable(MISSING.format(", ".join(missing)))
