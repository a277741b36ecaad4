"""sacctmgr show: associations, qos. sdiag: what the controller counted."""

from collections import Counter
from collections.abc import Callable

from fakes.scheduler.call import Answer, Call, Refusal
from fakes.slurm import options
from fakes.slurm.controller import Controller
from fakes.slurm.records import Association
from fakes.slurm.shown import moment

NO_DATABASE = (
    "You are not running a supported accounting_storage plugin\nOnly 'accounting_storage/slurmdbd' is supported."
)
USUAL = "cluster,account,user,partition,maxjobs,maxsubmit,qos"


def sacctmgr(slurm: Controller, call: Call) -> Answer:
    """Show associations or qos."""
    flags = "noheader parsable parsable2 immediate readonly version quiet"
    short = "nnoheader pparsable Pparsable2 iimmediate Vversion Qquiet"
    given, words = options.read("sacctmgr", call.rest, "", flags, short)
    if "version" in given:
        return Answer(f"slurm-wlm {slurm.settings.version}\n")
    if not slurm.settings.accounting:
        raise Refusal(NO_DATABASE)
    words = [word for word in words if word.lower() not in ("show", "list", "where", "withsubaccounts")]
    kind, conditions = words[0], dict(word.lower().split("=", 1) for word in words[1:] if "=" in word)
    if kind.startswith("qos"):
        rows = [[name] for name in slurm.settings.qos]
        heads = ["Name"]
    else:
        fields = [field.partition("%")[0] for field in conditions.get("format", USUAL).split(",")]
        unknown = [field for field in fields if _column(field) is None]
        if unknown:
            raise Refusal(f" Unknown field '{unknown[0]}'")
        heads = [field.capitalize() for field in fields]
        rows = [_row(slurm, a, fields) for a in slurm.settings.associations if _is_meant(a, conditions)]
    return Answer("".join("|".join(row) + "\n" for row in ([] if "noheader" in given else [heads]) + rows))


def _is_meant(association: Association, conditions: dict[str, str]) -> bool:
    users = next((conditions[name] for name in ("user", "users") if name in conditions), "")
    accounts = next((conditions[name] for name in ("account", "accounts") if name in conditions), "")
    fits_user = not users or association.user in users.split(",")
    return fits_user and (not accounts or association.account in accounts.split(","))


COLUMNS: dict[str, Callable[[Controller, Association], str]] = {
    "cluster": lambda slurm, a: slurm.settings.cluster,
    "account": lambda slurm, a: a.account,
    "user": lambda slurm, a: a.user,
    "partition": lambda slurm, a: a.partition,
    "share": lambda slurm, a: "1",
    "maxjobs": lambda slurm, a: "" if a.max_jobs is None else str(a.max_jobs),
    "maxsubmitjobs": lambda slurm, a: "" if a.max_submit is None else str(a.max_submit),
    "grpjobs": lambda slurm, a: "",
    "grpsubmitjobs": lambda slurm, a: "",
    "grptres": lambda slurm, a: "",
    "maxtres": lambda slurm, a: "",
    "maxwall": lambda slurm, a: "",
    "qos": lambda slurm, a: ",".join(slurm.settings.qos),
    "defaultqos": lambda slurm, a: a.qos,
}


def _column(field: str) -> Callable[[Controller, Association], str] | None:
    """Names may be cut short."""
    return next((COLUMNS[name] for name in COLUMNS if name.startswith(field)), None)


def _row(slurm: Controller, association: Association, fields: list[str]) -> list[str]:
    columns = [_column(field) for field in fields]
    return [column(slurm, association) for column in columns if column]


# What a call costs the controller: message types with their numbers.
TYPES = {
    "REQUEST_SUBMIT_BATCH_JOB": 4003, "REQUEST_JOB_INFO": 2003, "REQUEST_JOB_INFO_SINGLE": 2021,
    "REQUEST_NODE_INFO": 2007, "REQUEST_PARTITION_INFO": 2009, "REQUEST_KILL_JOB": 5032,
    "REQUEST_BUILD_INFO": 2001, "REQUEST_STATS_INFO": 2035, "REQUEST_UPDATE_JOB": 3001, "REQUEST_PING": 1008,
}  # fmt: skip


def messages(call: Call) -> list[str]:
    """The message types that a call sends to the controller."""
    words = call.rest
    if "--version" in words or "-V" in words:
        return []
    targets = [word for word in words if not word.startswith("-")]
    if call.command == "squeue":
        return ["REQUEST_JOB_INFO_SINGLE" if _asks_for_one(words) else "REQUEST_JOB_INFO"]
    if call.command == "scancel":
        load = [] if "--ctld" in words else ["REQUEST_JOB_INFO"]
        return load + ["REQUEST_KILL_JOB"] * max(1, len(targets))
    if call.command == "scontrol":
        shown = targets[1] if len(targets) > 1 else ""
        kinds = {"config": ["REQUEST_BUILD_INFO"], "node": ["REQUEST_NODE_INFO", "REQUEST_PARTITION_INFO"]}
        kinds |= {"partition": ["REQUEST_PARTITION_INFO"], "job": ["REQUEST_JOB_INFO_SINGLE"]}
        return kinds.get(shown, ["REQUEST_PING" if targets[:1] == ["ping"] else "REQUEST_UPDATE_JOB"])
    return {
        "sbatch": ["REQUEST_SUBMIT_BATCH_JOB"],
        "sinfo": ["REQUEST_NODE_INFO", "REQUEST_PARTITION_INFO"],
        "sdiag": ["REQUEST_STATS_INFO"],
    }.get(call.command, [])


def _asks_for_one(words: list[str]) -> bool:
    return any(word.startswith("--jobs=") and "," not in word for word in words)


def sdiag(slurm: Controller, call: Call, counts: Counter[str], counts_of: Counter[str]) -> Answer:
    """The counters since the start."""
    if "--version" in call.rest or "-V" in call.rest:
        return Answer(f"slurm-wlm {slurm.settings.version}\n")
    now = moment(slurm.clock.now(), {})
    jobs = slurm.register
    lines = [
        "*" * 55, f"sdiag output at {now} ({int(slurm.clock.now())})", f"Data since      {now} (0)", "*" * 55,
        "Server thread count:  1", "RPC queue enabled:    0", "Agent queue size:     0", "Agent count:          0",
        "Agent thread count:   0", "DBD Agent queue size: 0", "",
        f"Jobs submitted: {counts['REQUEST_SUBMIT_BATCH_JOB']}", f"Jobs pending:   {len(jobs.queue)}",
        f"Jobs running:   {sum(slurm.running_of.values())}", "",
        "Remote Procedure Call statistics by message type",
        *(f"\t{name:<40}({TYPES[name]:5}) count:{n:<6} ave_time:100    total_time:{100 * n}"
          for name, n in counts.items()),
        "", "Remote Procedure Call statistics by user",
        *(f"\t{user:<16}({user_id:>8}) count:{n:<6} ave_time:100    total_time:{100 * n}"
          for (user, _, user_id), n in ((key.partition(":"), n) for key, n in counts_of.items())),
        "", "Pending RPC statistics", "\tNo pending RPCs",
    ]  # fmt: skip
    return Answer("\n".join(lines) + "\n")
