"""What an Amazon EBS volume confesses: how long demand exceeded what it, or the instance, was provisioned for.

Log page 0xD0 of its NVMe controller, as Amazon's user guide describes it under "detailed performance statistics"; the
offsets are those of nvme-cli's amzn plugin (``struct nvme_get_amzn_stats_logpage``). Times in microseconds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MODEL, PAGE, LENGTH, MAGIC = "Amazon Elastic Block Store", 0xD0, 4096, 0x3C23B510
HEAD = struct.Struct("<I4x11Q")  # magic; operations, bytes and times of reads and writes; four times exceeded; queue


@dataclass(frozen=True, slots=True)
class Confession:
    """Microseconds since the volume was attached during which demand exceeded a limit."""

    volume_iops_us: int
    volume_throughput_us: int
    instance_iops_us: int
    instance_throughput_us: int
    queue: int

    @property
    def exceeded_us(self) -> int:
        """The largest of the four: they overlap, so their sum would count time twice."""
        return max(self.volume_iops_us, self.volume_throughput_us, self.instance_iops_us, self.instance_throughput_us)


def confession(page: bytes) -> Confession | None:
    """The counters in a log page; None where it is none of Amazon's."""
    if len(page) < HEAD.size:
        return None
    magic, *rest = HEAD.unpack_from(page)
    return Confession(*rest[6:]) if magic == MAGIC else None
