"""Which node takes a task."""

from collections.abc import Iterable

from fakes.slurm.records import Node, Partition, Submission


class Placement:
    """Counts CPUs and memory; `roomy` holds the nodes that are well and have a CPU free."""

    def __init__(self, nodes: Iterable[Node], partitions: Iterable[Partition]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.partitions = {partition.name: partition for partition in partitions}
        self.roomy: dict[str, Node] = {}
        self._never: dict[tuple[object, ...], str] = {}
        self.look_again()

    def look_again(self) -> None:
        """After a node or a partition changed."""
        self._never.clear()
        self.roomy = {n.name: n for n in self.nodes.values() if not n.condition and n.used_cpus < n.cpus}

    def members(self, partition: Partition) -> list[Node]:
        return [self.nodes[name] for name in partition.nodes] if partition.nodes else list(self.nodes.values())

    def find(self, wanted: Submission) -> Node | None:
        """The first node with room; None: wait."""
        partition = self.partitions[wanted.partition]
        for node in self.roomy.values():
            has_room = node.cpus - node.used_cpus >= wanted.cpus
            has_room = has_room and node.memory_mb - node.used_memory_mb >= wanted.memory_mb
            if has_room and (not partition.nodes or node.name in partition.nodes) and suits(node, wanted):
                return node
        return None

    def take(self, node: Node, wanted: Submission) -> None:
        node.used_cpus += wanted.cpus
        node.used_memory_mb += wanted.memory_mb
        if node.used_cpus >= node.cpus:
            self.roomy.pop(node.name, None)

    def give_back(self, name: str, wanted: Submission) -> None:
        node = self.nodes[name]
        node.used_cpus -= wanted.cpus
        node.used_memory_mb -= wanted.memory_mb
        if not node.condition:
            self.roomy[name] = node

    def why_never(self, wanted: Submission) -> str:
        """The reason shown of a job that no node of its partition can take as they are now, or ""."""
        key = (wanted.partition, wanted.minutes, wanted.constraint, wanted.exclude, wanted.cpus, wanted.memory_mb)
        if key not in self._never:
            self._never[key] = self._why_never(wanted)
        return self._never[key]

    def _why_never(self, wanted: Submission) -> str:
        partition = self.partitions[wanted.partition]
        if partition.state != "UP":
            return "PartitionDown"
        if partition.max_minutes and wanted.minutes > partition.max_minutes:
            return "PartitionTimeLimit"
        fitting = [node for node in self.members(partition) if suits(node, wanted)]
        if not fitting or not self.can_hold(wanted):
            return "BadConstraints"
        if all(node.condition for node in fitting):
            return "ReqNodeNotAvail, UnavailableNodes:" + ",".join(sorted(node.name for node in fitting))
        return ""

    def can_hold(self, wanted: Submission) -> bool:
        """Whether a node of the partition is big enough."""
        members = self.members(self.partitions[wanted.partition])
        return any(node.cpus >= wanted.cpus and node.memory_mb >= wanted.memory_mb for node in members)


def suits(node: Node, wanted: Submission) -> bool:
    """Whether the node has the features and is not excluded."""
    features = set(node.features.split(","))
    return node.name not in wanted.exclude and set(filter(None, wanted.constraint.split("&"))) <= features
