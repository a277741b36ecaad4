import msgspec
import pytest

from jobmon.core.cluster import ClusterKind
from jobmon.core.exceptions import ConfigError
from jobmon_drmaa.options import Options

KIND = ClusterKind(name="sge", queues=lambda options: [], connect=lambda connection: None, options=Options)


def test_every_option_is_read_from_text():
    given = {
        "root": "/opt/sge",
        "cell": "lab",
        "qmaster_port": "6444",
        "execd_port": "6445",
        "library": "/opt/sge/lib/lx-amd64/libdrmaa.so",
        "bin_dir": "/opt/sge/bin/lx-amd64",
        "parallel_environment": "smp",
        "memory_resource": "mem_free",
        "verify": "false",
        "poll_seconds": "5",
        "answer_seconds": "12.5",
        "allow": "binding, tc",
        "flavour": "grid-engine",
    }
    options = KIND.read_options(given, "cluster 'lab'")

    assert (options.qmaster_port, options.verify, options.answer_seconds) == (6444, False, 12.5)
    assert options.allowed() == {"binding", "tc"}


def test_all_options_have_a_default():
    assert KIND.read_options({}, "cluster 'lab'") == Options()
    assert all(field.default is not msgspec.NODEFAULT for field in msgspec.structs.fields(Options))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flavour", "pbs"),
        ("qmaster_port", "70000"),
        ("memory_resource", ""),
        ("memory_resource", "h_vmem=5G,now"),
        ("parallel_environment", "smp 4"),
        ("answer_seconds", "-1"),
        ("verify", "perhaps"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        KIND.read_options({name: value}, "cluster 'lab'")
