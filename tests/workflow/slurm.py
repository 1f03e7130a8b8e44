"""A SLURM cluster of two nodes on this machine: each has process numbers, mounts and a host name of its own, as a machine has.

The daemons are Debian's (slurm-wlm, munge), on loopback and high ports, with their files in one folder. Nothing outside is
touched: a node sees the cluster's configuration as its own /etc/slurm. Each node has a GPU that is none.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NODES = ("node1", "node2")
CONFIGURATION = """
ClusterName=rescore
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
MinJobAge=3600
SlurmdTimeout=10
SlurmdParameters=config_overrides
KillWait=3
MailProg=/bin/true
GresTypes=gpu
NodeName=node1 NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=100000 Gres=gpu:1
NodeName=node2 NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=100000 Gres=gpu:1
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """What is missing for a cluster on this machine; empty where nothing is."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "unshare") if program(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install slurm-wlm munge)"
    if os.getuid() != 0:
        return "needs root: the daemons of two nodes and their namespaces"
    done = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return f"no namespaces here: {done.stderr.strip()}" if done.returncode else ""


NAMESPACES = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [found.getsockname()[1] for found in sockets]


@dataclass
class Cluster:
    folder: Path
    daemons: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a login shell of this cluster has."""
        return {"SLURM_CONF": str(self.folder / "etc/slurm.conf")}

    def start(self, name: str, *command: str) -> None:
        log = (self.folder / f"{name}.out").open("ab")
        variables = {
            key: value for key, value in os.environ.items() if not key.startswith(("RESCORE", "PYTHON", "OMP"))
        }
        self.daemons[name] = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=variables | self.environment,
            start_new_session=True,
        )

    def start_node(self, name: str) -> None:
        (self.folder / f"spool.{name}").mkdir(exist_ok=True)
        inside = (
            f"mount --make-rprivate / && mkdir -p /etc/slurm && mount --bind {self.folder}/etc /etc/slurm && "
            f"hostname {name} && exec {program('slurmd')} -D -N {name}"
        )
        self.start(name, *NAMESPACES, "sh", "-c", inside)

    def lose_node(self, name: str) -> None:
        """A node's power is cut: every process in it is gone at once."""
        self.daemons[name].kill()
        self.daemons[name].wait()

    def ask(self, *command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | self.environment, check=False, timeout=60
        )
        return done.stdout + done.stderr

    def wait_for_nodes(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while (state := self.ask("sinfo", "-h", "-N", "-o", "%N %t")).split().count("idle") < len(NODES):
            assert time.monotonic() < deadline, f"{state}\n{self.logs()}"
            time.sleep(0.5)

    def logs(self) -> str:
        paths = [path for pattern in ("*.log", "*.out") for path in sorted(self.folder.glob(pattern))]
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in paths)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster whose nodes are idle; it ends with the block."""
    cluster = Cluster(folder)
    for name in ("etc", "state"):
        (folder / name).mkdir(parents=True)
    text = CONFIGURATION.format(folder=folder, host=socket.gethostname(), ports=free_ports(3))
    (folder / "etc/slurm.conf").write_text(text)
    (folder / "etc/gres.conf").write_text("Name=gpu File=/dev/null\n")
    (folder / "etc/cgroup.conf").write_text("CgroupAutomount=no\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    options = [f"--{option}={folder / name}" for option, name in files.items()]
    try:
        cluster.start("munged", program("munged"), "-F", "-f", *options, f"--log-file={folder}/munged.log")
        deadline = time.monotonic() + 20
        while not (folder / "munge.socket").exists():
            assert time.monotonic() < deadline, cluster.logs()
            time.sleep(0.1)
        cluster.start("slurmctld", program("slurmctld"), "-D")
        for name in NODES:
            cluster.start_node(name)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        for daemon in reversed(cluster.daemons.values()):
            with contextlib.suppress(ProcessLookupError):
                daemon.send_signal(signal.SIGKILL)
            daemon.wait()
