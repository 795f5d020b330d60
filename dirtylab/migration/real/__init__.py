"""Real live migrations: two processes of QEMU on this machine, and a guest of our own."""

from dirtylab.migration.real.process import missing
from dirtylab.migration.real.qmp import QemuError
from dirtylab.migration.real.result import RealMigration
from dirtylab.migration.real.run import run

__all__ = ["QemuError", "RealMigration", "missing", "run"]
