"""What a plan can ask for: the vocabulary between deciding (`plan`) and doing (`desk`)."""

from dataclasses import dataclass
from typing import TypeAlias

from jobmon.core.wire import Batch, Job, Launched, Observed, Refused


@dataclass(frozen=True)
class Submit:
    """Hand the batch over."""

    batch: Batch


@dataclass(frozen=True)
class Drop:
    """Say that the batch is gone: it never was on the cluster and all of it is wanted gone."""

    batch: Batch


@dataclass(frozen=True)
class LookUp:
    """Find these batches by name."""

    batches: tuple[Batch, ...]


@dataclass(frozen=True)
class Observe:
    """Ask what became of these attempts."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Cancel:
    """Ask the cluster to end these attempts."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Prune:
    """Ask the cluster to end these places, in which nothing will be started."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Adopt:
    """Have the cluster watch these, which somebody before us has submitted."""

    batches: tuple[Batch, ...]


@dataclass(frozen=True)
class Listen:
    """Fetch what the cluster tells by itself."""


Action: TypeAlias = Adopt | Submit | Drop | LookUp | Observe | Cancel | Prune | Listen
Report: TypeAlias = Launched | Refused | Observed
