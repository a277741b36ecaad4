"""What scontrol shows of a node, a partition, a job."""

import os

from fakes.scheduler.call import Call
from fakes.slurm.controller import Controller
from fakes.slurm.indices import hosts
from fakes.slurm.records import Node, Part, Partition
from fakes.slurm.shown import moment, span
from fakes.slurm.squeue_fields import FIELDS, Look, reason_of, state_of


def node_record(node: Node, slurm: Controller) -> dict[str, object]:
    partitions = slurm.placement.partitions.values()
    record: dict[str, object] = {
        "NodeName": node.name, "Arch": "x86_64", "CoresPerSocket": 1,
        "CPUAlloc": node.used_cpus, "CPUEfctv": node.cpus, "CPUTot": node.cpus, "CPULoad": "0.01",
        "AvailableFeatures": node.features or "(null)", "ActiveFeatures": node.features or "(null)",
        "Gres": node.gres or "(null)", "NodeAddr": "127.0.0.1", "NodeHostName": os.uname().nodename,
        "Version": slurm.settings.version, "OS": "Linux 6.1.0 #1 SMP", "RealMemory": node.memory_mb,
        "AllocMem": node.used_memory_mb, "FreeMem": node.memory_mb - node.used_memory_mb, "Sockets": node.cpus,
        "Boards": 1, "State": node.state, "ThreadsPerCore": 1, "TmpDisk": 0, "Weight": 1, "Owner": "N/A",
        "MCS_label": "N/A",
        "Partitions": ",".join(p.name for p in partitions if not p.nodes or node.name in p.nodes) + " ",
        "BootTime": "2026-01-01T00:00:00", "CfgTRES": f"cpu={node.cpus},mem={node.memory_mb}M,billing={node.cpus}",
        "AllocTRES": f"cpu={node.used_cpus},mem={node.used_memory_mb}M" if node.used_cpus else "",
        "CapWatts": "n/a",
    }  # fmt: skip
    return record | ({"Reason": f"{node.reason} [root@2026-01-01T00:00:00]"} if node.reason else {})


def partition_record(partition: Partition, slurm: Controller) -> dict[str, object]:
    members = slurm.placement.members(partition)
    return {
        "PartitionName": partition.name, "AllowGroups": "ALL", "AllowAccounts": "ALL", "AllowQos": "ALL",
        "AllocNodes": "ALL", "Default": "YES" if partition.is_default else "NO", "QoS": "N/A",
        "DefaultTime": span(60 * partition.default_minutes) if partition.default_minutes else "NONE",
        "DisableRootJobs": "NO", "ExclusiveUser": "NO", "GraceTime": 0, "Hidden": "NO", "MaxNodes": "UNLIMITED",
        "MaxTime": span(60 * partition.max_minutes) if partition.max_minutes else "UNLIMITED", "MinNodes": 0,
        "LLN": "NO", "MaxCPUsPerNode": "UNLIMITED", "Nodes": hosts(node.name for node in members),
        "PriorityJobFactor": 1, "PriorityTier": 1, "RootOnly": "NO", "ReqResv": "NO", "OverSubscribe": "NO",
        "OverTimeLimit": "NONE", "PreemptMode": "OFF", "State": partition.state,
        "TotalCPUs": sum(node.cpus for node in members), "TotalNodes": len(members),
        "SelectTypeParameters": "NONE", "JobDefaults": "(null)", "DefMemPerCPU": 100,
        "MaxMemPerNode": "UNLIMITED",
    }  # fmt: skip


def job_record(part: Part, slurm: Controller, call: Call) -> dict[str, object]:
    asked, look = part.job.submission, Look(slurm.clock.now(), call.environment)
    record: dict[str, object] = {"JobId": part.raw_id}
    if part.job.is_array:
        record |= {"ArrayJobId": part.job.job_id, "ArrayTaskId": FIELDS["K"](part, look)}
        record |= {"ArrayTaskThrottle": part.job.throttle} if part.job.throttle else {}
    record |= {
        "JobName": asked.name, "UserId": f"{asked.user}({asked.user_id})",
        "GroupId": f"{asked.user}({asked.user_id})",
        "MCS_label": "N/A", "Priority": FIELDS["Q"](part, look), "Nice": asked.options.get("nice") or 0,
        "Account": asked.account, "QOS": asked.qos, "JobState": state_of(part),
        "Reason": reason_of(part).replace(" ", "_"),
        "Dependency": "singleton(unfulfilled)" if part.reason == "Dependency" else "(null)",
        "Requeue": int(asked.can_requeue), "Restarts": part.restarts, "BatchFlag": 1, "Reboot": 0,
        "ExitCode": part.exit_code,
        "RunTime": span((part.ended or look.now) - part.started if part.started else 0),
        "TimeLimit": span(60 * asked.minutes) if asked.minutes else "UNLIMITED", "TimeMin": "N/A",
        "SubmitTime": moment(part.submitted, call.environment),
        "EligibleTime": moment(part.eligible, call.environment),
        "AccrueTime": moment(part.eligible, call.environment),
        "StartTime": moment(part.started, call.environment, "Unknown"),
        "EndTime": moment(part.ended or part.end_limit, call.environment, "Unknown"), "Deadline": "N/A",
        "SuspendTime": "None", "SecsPreSuspend": 0, "Partition": asked.partition, "AllocNode:Sid": "login1:1",
        "ReqNodeList": "(null)", "ExcNodeList": ",".join(asked.exclude) or "(null)", "NodeList": part.node,
        **({"BatchHost": part.node} if part.node else {}), "NumNodes": asked.nodes, "NumCPUs": asked.cpus,
        "NumTasks": 1, "CPUs/Task": asked.cpus, "ReqB:S:C:T": "0:0:*:*",
        "TRES": f"cpu={asked.cpus},mem={asked.memory_mb}M,node=1,billing={asked.cpus}",
        "Socks/Node": "*", "MinMemoryNode": f"{asked.memory_mb}M", "Features": asked.constraint or "(null)",
        "DelayBoot": "00:00:00", "OverSubscribe": "OK", "Contiguous": 0, "Licenses": "(null)", "Network": "(null)",
        "Command": " ".join([asked.command, *asked.arguments]), "WorkDir": asked.folder,
        **({"Comment": asked.comment} if asked.comment else {}),
        "StdErr": asked.error or asked.output, "StdIn": "/dev/null", "StdOut": asked.output, "Power": "",
    }  # fmt: skip
    return record
