"""The configuration of one cluster: files, an empty database, what only a running qmaster takes.

Who enforces what:

`h_vmem`: the shepherd makes it RLIMIT_AS of each process (times the slots), so that malloc fails and the job
    ends as it likes: `failed 0`. What the job's processes have together execd looks at every second or so:
    SIGKILL, `failed 37`, exit_status 137. A consumable of the node; 1 GB for who asks for none.
`h_rt`: execd, about a second late: SIGKILL, `failed 37`, exit_status 137. The limit of short.q is for
    those who ask for none too; who asks for more never runs there.
`s_rt`: execd, SIGUSR1; who has no handler for it ends with `failed 100`, exit_status 138.
A job is killed as a process group. ENABLE_ADDGRP_KILL finds what left the group by the group id that each job
    has of its own, but only under an execd of root, never processes of root, never after a normal end.
"""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from clusters.sge.clients import SgeError, environment, qconf
from clusters.sge.packages import PROGRAMS, SHARED
from clusters.sge.site import HOST, Site

SLOTS = {"all.q": 32, "short.q": 8}
MEMORY: dict[str, object] = {
    "name": "h_vmem",
    "shortcut": "h_vmem",
    "type": "MEMORY",
    "relop": "<=",
    "requestable": "YES",
}
MEMORY |= {"consumable": "YES", "default": "1G", "urgency": "0"}
SCHEDULER: dict[str, object] = {"schedule_interval": "0:0:1", "flush_submit_sec": 1, "flush_finish_sec": 1}
SCHEDULER |= {"queue_sort_method": "seqno", "job_load_adjustments": "NONE", "schedd_job_info": "true"}


def user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def write(site: Site, options: Mapping[str, object]) -> None:
    """The files and the database, once for each folder."""
    shutil.rmtree(site.root, ignore_errors=True)
    shutil.rmtree(site.spool, ignore_errors=True)
    for folder in (site.common, site.programs, site.spool / "qmaster", site.spool / "database", _etc(site)):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ("log", "pids", "tmp"):
        (site.folder / name).mkdir(exist_ok=True)
    (site.folder / "tmp").chmod(0o1777)
    _name_logs(site)
    _link(site)
    _write_common(site)
    _write_templates(site, options)
    _fill_database(site)


def configure(site: Site) -> None:
    """Hosts, queues, scheduler: a qmaster that just began takes them."""
    qconf(site, "-as", HOST)
    scheduler = _changed(qconf(site, "-ssconf"), SCHEDULER)
    qconf(site, "-Msconf", _file(site, "scheduler", scheduler))
    template = qconf(site, "-sq")
    for name, slots in SLOTS.items():
        qconf(site, "-Aq", _file(site, name, _changed(template, _queue(site, name, slots))))


def _queue(site: Site, name: str, slots: int) -> dict[str, object]:
    short = name == "short.q"
    return {
        "qname": name,
        "hostlist": HOST,
        "seq_no": int(short),  # a job that names no queue goes to short.q when all.q is full
        "load_thresholds": "NONE",
        "pe_list": "smp",
        "slots": slots,
        "tmpdir": site.folder / "tmp",
        "shell": "/bin/sh",
        "shell_start_mode": "unix_behavior",
        "h_rt": "0:5:0" if short else "INFINITY",
    }


def _global(site: Site) -> dict[str, object]:
    reports = "accounting=true reporting=false flush_time=00:00:01 accounting_flush_time=00:00:00 joblog=false"
    return {
        "execd_spool_dir": site.spool / "execd",
        "mailer": "/bin/true",
        "administrator_mail": "none",
        "shell_start_mode": "unix_behavior",
        "min_uid": 0,
        "min_gid": 0,
        "load_report_time": "00:00:01",
        "max_unheard": "00:00:20",
        "loglevel": "log_info",
        "qmaster_params": "ENABLE_FORCED_QDEL_IF_UNKNOWN=true",
        "execd_params": "ENABLE_ADDGRP_KILL=true,USE_SMAPS=true,INHERIT_ENV=false",  # not of who said `up`
        "reporting_params": f"{reports} sharelog=00:00:00",
        "gid_range": site.group_ids,
    }


def _name_logs(site: Site) -> None:
    """What the daemons write belongs into `log`; Grid Engine wants it where it spools."""
    for name, folder in (("qmaster", "qmaster"), ("execd", f"execd/{HOST}")):
        log = site.folder / "log" / f"{name}.messages"
        log.unlink(missing_ok=True)
        log.symlink_to(site.spool / folder / "messages")


def _link(site: Site) -> None:
    """A tree like a site's: commands for users in bin, the rest in utilbin."""
    for program in PROGRAMS.iterdir():
        if program.name.startswith(("q", "sge_")):
            (site.programs / program.name).symlink_to(program)
    for name in ("lib", "utilbin"):
        (site.root / name).mkdir()
        (site.root / name / site.architecture).symlink_to(PROGRAMS)
    (site.root / "util").symlink_to(SHARED / "util")


def _write_common(site: Site) -> None:
    """Every daemon and client calls this machine HOST, so that nobody leaves loopback or minds /etc/hosts."""
    bootstrap: dict[str, object] = {
        "admin_user": user(),
        "default_domain": "none",
        "ignore_fqdn": "true",
        "spooling_method": "berkeleydb",
        "spooling_lib": "libspoolb",
        "spooling_params": site.spool / "database",
        "binary_path": site.root / "bin",
        "qmaster_spool_dir": site.spool / "qmaster",
        "security_mode": "none",
        "listener_threads": 2,
        "worker_threads": 2,
        "scheduler_threads": 1,
    }
    (site.common / "bootstrap").write_text(_changed("", bootstrap))
    (site.common / "act_qmaster").write_text(f"{HOST}\n")
    (site.common / "cluster_name").write_text(f"{site.name}\n")
    names = {socket.gethostname(), socket.getfqdn(), *_names_of_loopback()} - {HOST}
    (site.common / "host_aliases").write_text(" ".join([HOST, *sorted(names)]) + "\n")
    for number in ("jobseqnum", "arseqnum"):
        (site.spool / "qmaster" / number).write_text("0\n")


def _names_of_loopback() -> list[str]:
    """What 127.0.0.1 is called here besides HOST."""
    try:
        name, aliases, _ = socket.gethostbyaddr("127.0.0.1")
    except OSError:
        return []
    return [name, *aliases]


def _write_templates(site: Site, options: Mapping[str, object]) -> None:
    resources, etc = SHARED / "util" / "resources", _etc(site)
    shutil.copytree(resources / "centry", etc / "complexes", dirs_exist_ok=True)
    shutil.copytree(resources / "usersets", etc / "usersets", dirs_exist_ok=True)
    default = (SHARED / "default-configuration").read_text()
    _file(site, "configuration", _changed(default, {**_global(site), **options}))
    _file(site, "complexes/h_vmem", _changed("", MEMORY))
    _file(site, "adminhosts/host", f"hostname {HOST}\n")
    _file(site, "pes/smp", (resources / "pe" / "smp").read_text())
    nothing = ("user_lists", "xuser_lists", "projects", "xprojects", "usage_scaling", "report_variables")
    node = {"hostname": HOST, "load_scaling": "NONE", "complex_values": "h_vmem=1000G"}
    _file(site, f"exechosts/{HOST}", _changed("", {**node, **dict.fromkeys(nothing, "NONE")}))


def _fill_database(site: Site) -> None:
    etc = _etc(site)
    _run(site, PROGRAMS / "spoolinit", "berkeleydb", "libspoolb", site.spool / "database", "init")
    for kind in ("configuration", "complexes", "usersets", "adminhosts", "pes", "exechosts"):
        _run(site, PROGRAMS / "spooldefaults", kind, etc / kind)
    _run(site, PROGRAMS / "spooldefaults", "managers", user())


def _run(site: Site, *command: object) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, env=environment(site), capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise SgeError(f"{' '.join(words)} gave {done.returncode}: {done.stderr}{done.stdout}")


def _changed(text: str, values: Mapping[str, object]) -> str:
    """Lines `key value` with other values; what has no line gets one. A backslash continues a line."""
    lines = text.replace("\\\n", " ").splitlines()
    kept = [line for line in lines if line.split(maxsplit=1)[:1] and line.split()[0] not in values]
    return "\n".join([*kept, *(f"{key} {value}" for key, value in values.items())]) + "\n"


def _file(site: Site, name: str, text: str) -> Path:
    path = _etc(site) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def _etc(site: Site) -> Path:
    return site.folder / "etc"
