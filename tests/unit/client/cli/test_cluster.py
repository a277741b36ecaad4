"""`jobmon cluster list|add|show|sync` and `jobmon queue list`."""

import json
from pathlib import Path

import pytest

from fakes.canned_server import CannedServer
from fakes.command_line import Run
from fakes.plugins import install
from jobmon.core.exceptions import Conflict
from jobmon.core.routes import CLUSTER_ADD, CLUSTER_QUEUES, CLUSTERS
from jobmon.core.wire import ClusterAnswer, ClusterInfo, ClusterList, Done

OLD = {
    "short.q": {"max_memory_bytes": 2**30, "max_runtime_seconds": 3600, "max_cores": 8},
    "old.q": {"max_cores": 4},
}


def info(name: str, kind: str = "batch", **options: str) -> ClusterInfo:
    return ClusterInfo(name=name, kind=kind, queues=OLD, options=options)


def knows(server: CannedServer, *infos: ClusterInfo) -> None:
    server.prepare(CLUSTERS, ClusterList(clusters=list(infos)))


@pytest.fixture(autouse=True)
def _prepared(server: CannedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(tmp_path / "plugins", monkeypatch)
    knows(server)
    server.prepare(CLUSTER_QUEUES, Done())


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line[:2] == "| "]


def test_list_has_installed_kinds_and_clusters_of_the_server(
    server: CannedServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows(server, info("big", account="a1", queues="1"), info("pbs", "openpbs"), info("plain", "plain"))
    monkeypatch.setenv("JOBMON__CLUSTERS__BIG__QUEUES", "2")

    result = run("cluster list")

    assert (result.exit_code, result.stderr) == (0, "")
    header, *listed = rows(result.stdout)
    assert header == ["CLUSTER", "KIND", "FROM", "OPTIONS"]
    assert listed == [
        ["batch", "batch", "plugin", ""],
        ["big", "batch", "server", "account=a1 queues=2"],
        ["broken", "broken", "plugin", ""],
        ["far", "far", "plugin", ""],
        ["pbs", "openpbs", "server (no plugin here)", ""],
        ["plain", "plain", "plugin, server", ""],
    ]


def test_list_as_json(run: Run) -> None:
    columns = json.loads(run("cluster list -o json").stdout)

    assert columns["CLUSTER"] == {"0": "batch", "1": "broken", "2": "far", "3": "plain"}


def test_list_tells_of_settings_that_are_of_no_use(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBMON__CLUSTERS__BACTH__ACCOUNT", "a1")
    monkeypatch.setenv("JOBMON__CLUSTERS__BATCH__ACCOUNT", "a1")

    assert run("cluster list").stderr == "The settings have options of 'bacth', which is none of these.\n"


def test_add_sends_kind_and_options(server: CannedServer, run: Run) -> None:
    server.prepare(CLUSTER_ADD, ClusterAnswer(new=True))

    result = run("cluster add big --kind batch --option account=a=1 --option poll_seconds=5")

    assert (result.exit_code, result.stdout) == (0, "Cluster 'big' is known now.\n")
    options = {"account": "a=1", "poll_seconds": "5"}
    assert server.requests == [("/clusters", {"name": "big", "kind": "batch", "options": options})]


@pytest.mark.parametrize(
    "replaced, said",
    [
        (None, "Cluster 'big' was known already, with these options."),
        ({}, "Cluster 'big' has these options now; it had none."),
        ({"account": "a1", "queues": "1"}, "Cluster 'big' has these options now; it had account=a1 queues=1."),
    ],
)
def test_add_says_what_became_of_a_known_one(
    server: CannedServer, run: Run, replaced: dict[str, str] | None, said: str
) -> None:
    server.prepare(CLUSTER_ADD, ClusterAnswer(new=False, replaced=replaced))

    assert run("cluster add big --kind batch").stdout == f"{said}\n"


@pytest.mark.parametrize(
    "line, code, said",
    [
        ("big --kind bacth", 1, "'bacth'; installed are batch"),
        (
            "big --kind batch --option acount=a1",
            1,
            "unknown option 'acount' of a cluster of kind 'batch'",
        ),
        (
            "big --kind batch --option poll_seconds=often",
            1,
            "an option of a cluster of kind 'batch' is wrong",
        ),
        ("plain --kind batch", 1, "'plain' is the name of an installed kind"),
        ("big --kind batch --option account", 2, "'account' is not of the form KEY=VALUE"),
        ("big --kind batch --option =a1", 2, "'=a1' is not of the form KEY=VALUE"),
        ("big --kind batch --option queues=1 --option queues=2", 2, "'queues' is given twice"),
        ("big", 2, "--kind"),
    ],
)
def test_add_refuses_what_cannot_be_and_asks_nobody(
    server: CannedServer, run: Run, line: str, code: int, said: str
) -> None:
    result = run(f"cluster add {line}")

    assert result.exit_code == code
    assert said in result.stderr
    assert server.requests == []


def test_add_tells_what_the_server_says_against_it(server: CannedServer, run: Run) -> None:
    server.prepare(CLUSTER_ADD, Conflict("cluster 'big' is of kind 'slurm'"))

    result = run("cluster add big --kind batch")

    assert (result.exit_code, result.stderr) == (1, "Error: cluster 'big' is of kind 'slurm'\n")


def test_show_has_the_options_in_force_and_what_the_cluster_says(
    server: CannedServer, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    knows(server, info("big", account="a1", queues="1"))
    monkeypatch.setenv("JOBMON__CLUSTERS__BIG__QUEUES", "2")

    result = run("cluster show big")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:4] == [
        "cluster  big",
        "kind     batch",
        "version  22.05",
        f"folder   {tmp_path}/data/clusters/big",
    ]
    assert rows(result.stdout) == [
        ["OPTION", "VALUE", "FROM"],
        ["account", "a1", "server"],
        ["poll_seconds", "30.0", "default"],
        ["queues", "2", "settings"],
        ["down", "", "default"],
        ["CLUSTER", "QUEUE", "MEMORY", "RUNTIME", "CORES"],
        ["big", "short.q", "4G", "01:00:00", "8"],
        ["big", "long.q", "", "2-00:00:00", ""],
    ]
    assert "Queues, as the cluster says:" in result.stdout


def test_show_says_why_a_cluster_is_not_reached_and_what_the_server_knows(server: CannedServer, run: Run) -> None:
    knows(server, info("big", down="no route to host"))

    result = run("cluster show big")

    assert result.exit_code == 0
    assert "problem  no route to host\n" in result.stdout
    assert "It cannot be reached from here: no route to host\nQueues, as the server knows them:\n" in result.stdout
    assert ["big", "old.q", "", "", "4"] in rows(result.stdout)


def test_show_of_one_that_nobody_reaches(run: Run) -> None:
    result = run("cluster show far")

    assert result.exit_code == 0
    assert result.stdout == (
        "cluster  far\nkind     far\n\nIt cannot be reached from here: its controller does not answer\n"
        "The server knows none of its queues.\n"
    )


def test_show_without_the_plugin_is_what_the_server_knows(server: CannedServer, run: Run) -> None:
    knows(server, info("pbs", "openpbs", host="h1"))

    result = run("cluster show pbs")

    assert result.exit_code == 0
    assert "kind     openpbs, whose plugin is not installed here\n" in result.stdout
    assert ["host", "h1", "server"] in rows(result.stdout)
    assert ["pbs", "short.q", "1G", "01:00:00", "8"] in rows(result.stdout)


def test_show_of_an_unknown_cluster_is_an_error(run: Run) -> None:
    result = run("cluster show bgi")

    assert result.exit_code == 1
    assert "there is no cluster 'bgi'; there are batch, " in result.stderr


def test_sync_stores_the_queues_and_prints_what_changed(server: CannedServer, run: Run) -> None:
    knows(server, info("big"))

    result = run("cluster sync big")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "big: queue old.q is gone\n"
        "big: queue short.q has memory 4G, runtime 01:00:00, cores 8 now; "
        "it had memory 1G, runtime 01:00:00, cores 8\n"
        "big: queue long.q is new: runtime 2-00:00:00\n"
    )
    [sent] = server.asked(CLUSTER_QUEUES)
    assert sent["name"] == "big"
    assert [queue["name"] for queue in sent["queues"]] == ["short.q", "long.q"]


def test_sync_says_that_nothing_is_new(server: CannedServer, run: Run) -> None:
    knows(server, ClusterInfo(name="plain", kind="plain", queues={"plain.q": {}}))

    assert run("cluster sync plain").stdout == "plain: nothing new; queues: plain.q\n"
    assert len(server.asked(CLUSTER_QUEUES)) == 1


def test_sync_tells_of_another_default_queue(server: CannedServer, run: Run) -> None:
    knows(server, ClusterInfo(name="plain", kind="plain", queues={"other.q": {}, "plain.q": {}}))

    assert run("cluster sync plain").stdout.splitlines() == [
        "plain: queue other.q is gone",
        "plain: the default queue is plain.q now; it was other.q",
    ]


def test_sync_without_names_takes_what_can_be_reached(server: CannedServer, run: Run) -> None:
    knows(server, info("big"), info("down", down="no route"), info("wrong", acount="x"), info("pbs", "openpbs"))

    result = run("cluster sync")

    assert result.exit_code == 0
    assert [body["name"] for body in server.asked(CLUSTER_QUEUES)] == ["batch", "big", "plain"]
    for line in (
        "broken: not reached: the plugin of cluster 'broken' (fakes.plugins:broken) cannot be loaded",
        "down: not reached: no route",
        "far: not reached: its controller does not answer",
        "pbs: not reached: the plugin 'openpbs' of cluster 'pbs' is not installed here",
        "wrong: not reached: cluster 'wrong' has the unknown option 'acount'",
    ):
        assert line in result.stderr


def test_sync_of_a_name_that_cannot_be_reached_ends_with_1_after_the_others(
    server: CannedServer, run: Run
) -> None:
    result = run("cluster sync far nowhere plain")

    assert result.exit_code == 1
    assert [body["name"] for body in server.asked(CLUSTER_QUEUES)] == ["plain"]
    assert "nowhere: not reached: there is no cluster 'nowhere'" in result.stderr


@pytest.mark.parametrize("line", ["queue list -c big plain", "queue list -c big -c plain"])
def test_queues_are_listed_with_readable_limits(server: CannedServer, run: Run, line: str) -> None:
    knows(server, info("big"))

    result = run(line)

    assert (result.exit_code, result.stderr) == (0, "")
    header, *listed = rows(result.stdout)
    assert header == ["CLUSTER", "QUEUE", "MEMORY", "RUNTIME", "CORES"]
    assert listed == [
        ["big", "short.q", "4G", "01:00:00", "8"],
        ["big", "long.q", "", "2-00:00:00", ""],
        ["plain", "plain.q", "", "", ""],
    ]


def test_queues_of_all_clusters_leave_out_what_is_wrong_and_say_so(server: CannedServer, run: Run) -> None:
    knows(server, info("wrong", acount="x"), info("pbs", "openpbs"))

    result = run("queue list")

    assert result.exit_code == 0
    assert [row[:2] for row in rows(result.stdout)[1:]] == [
        ["batch", "short.q"],
        ["batch", "long.q"],
        ["pbs", "short.q"],
        ["pbs", "old.q"],
        ["plain", "plain.q"],
    ]
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["broken", "wrong"]


def test_queues_as_json(run: Run) -> None:
    assert json.loads(run("queue list -c plain -o json").stdout) == {
        "CLUSTER": {"0": "plain"},
        "QUEUE": {"0": "plain.q"},
        "MEMORY": {"0": None},
        "RUNTIME": {"0": None},
        "CORES": {"0": None},
    }


def test_queues_of_an_unknown_cluster_are_an_error(run: Run) -> None:
    result = run("queue list -c bgi")

    assert result.exit_code == 1
    assert "there is no cluster 'bgi'" in result.stderr
