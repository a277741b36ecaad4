"""How the fake cluster is set up: what slurm.conf would say, and a few habits of a site."""

from dataclasses import dataclass, field

from fakes.slurm.records import Association


@dataclass
class Settings:
    """All may be changed while it runs."""

    version: str = "22.05.8"
    cluster: str = "fake"
    max_array_size: int = 1001  # one more than the highest index
    max_job_count: int = 10000
    message_timeout: int = 10
    min_job_age: float = 300
    kill_wait: float = 30
    job_requeue: bool = True
    start_delay: float = 0  # from submission to the first look of the scheduler
    requeue_delay: float = 0  # a real one takes about two minutes
    forces_requeue: bool = False  # whatever --no-requeue says
    refuses_impossible: bool = True  # False: a job too big for every node is taken and pends
    bucket: int = 0  # rl_bucket_size; 0: no rate limit
    refill: float = 2  # rl_refill_rate, a second
    accounting: bool = True  # False: AccountingStorageType is (null)
    accounting_lag: float = 0
    accounting_keeps: float = float("inf")
    accounting_finds_pending: bool = False  # sacct -j 14_5 answers with 14_[0-9] while task 5 is in it
    tells_cluster: bool = False  # --parsable gives "id;cluster"
    extern_step: bool = False
    associations: list[Association] = field(default_factory=list)  # empty: everything is allowed
    qos: tuple[str, ...] = ("normal",)
    extra_config: dict[str, str] = field(default_factory=dict)  # more lines of scontrol show config

    def association(self, user: str, account: str) -> Association | None:
        """The one that a submission counts for."""
        mine = [a for a in self.associations if a.user == user and account in ("", a.account)]
        return mine[0] if mine else None

    def config(self) -> dict[str, str]:
        """What scontrol show config prints."""
        return {
            "AccountingStorageType": "accounting_storage/slurmdbd" if self.accounting else "(null)",
            "AccountingStorageEnforce": "associations,limits" if self.associations else "none",
            "ClusterName": self.cluster,
            "DefMemPerCPU": "100",
            "JobRequeue": str(int(self.job_requeue)),
            "KillWait": f"{self.kill_wait:g} sec",
            "MaxArraySize": str(self.max_array_size),
            "MaxJobCount": str(self.max_job_count),
            "MessageTimeout": f"{self.message_timeout} sec",
            "MinJobAge": f"{self.min_job_age:g} sec",
            "PreemptMode": "OFF",
            "SLURM_CONF": "/etc/slurm/slurm.conf",
            "SLURM_VERSION": self.version,
            "SelectTypeParameters": "CR_CPU_MEMORY",
            "SlurmctldHost[0]": "fakehost(127.0.0.1)",
            "SlurmctldParameters": f"rl_enable,rl_bucket_size={self.bucket}" if self.bucket else "(null)",
            "SlurmctldPort": "6817",
            "SlurmctldTimeout": "30 sec",
            **self.extra_config,
        }
