"""A Slurm cluster of this host alone: munged, slurmctld and two slurmd with all that they keep in one folder."""

import getpass
import os
import platform
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

NODES = ("lgn1", "lgn2")

CONFIG = """
ClusterName=lgn
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
# Without control groups and systemd, so that a container will do.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
# No accounting: squeue must still know how a job ended.
MinJobAge=3600
KillWait=2
SchedulerParameters=sched_interval=2,bf_interval=2
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """The programs that are not installed."""
    return [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun") if program(name) is None]


def program(name: str) -> str | None:
    """Its path; daemons lie where an ordinary user's PATH may not lead."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """A context: the daemons run inside it. `environment` is what Slurm's commands, and Snakemake, find it by."""

    def __init__(self, folder: Path, cores: int):
        self.folder, self.daemons = folder, []
        controller, *ports = free_ports(1 + len(NODES))
        (folder / "state").mkdir(parents=True)
        for name in NODES:
            (folder / f"spool-{name}").mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        host = platform.node().split(".")[0]
        size = f"CPUs={cores} RealMemory=65536"
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} {size} State=UNKNOWN"
            for name, port in zip(NODES, ports, strict=True)
        )
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        config = folder / "slurm.conf"
        config.write_text(
            CONFIG.format(
                folder=folder, host=host, user=getpass.getuser(), controller=controller, nodes=nodes
            )
        )
        # Snakemake's plugin drops SLURM_CONF before it calls srun inside a job.
        (folder / "bin").mkdir()
        srun = folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={config} exec {program("srun")} "$@"\n')
        srun.chmod(0o755)
        path = f"{folder}/bin:{os.environ['PATH']}"
        self.environment = os.environ | {"SLURM_CONF": str(config), "PATH": path}

    def __enter__(self) -> "Cluster":
        try:
            self._start(
                "munged", "--foreground", "--force", f"--key-file={self.folder}/munge.key",
                f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munged.pid",
                f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munged.seed",
            )  # fmt: skip
            self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
            self._start("slurmctld", "-D")
            for name in NODES:
                self._start("slurmd", "-D", "-N", name)
            self._wait(lambda: self.states() == dict.fromkeys(NODES, "idle"), "the nodes")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.call("scancel", "--user", getpass.getuser(), check=False)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def call(self, *command: str, check: bool = True) -> str:
        """The output of one of Slurm's commands."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, (command, done.stdout, done.stderr)
        return done.stdout

    def states(self) -> dict[str, str]:
        """The nodes' states, by name."""
        lines = self.call("sinfo", "--noheader", "--Node", "--format=%N %T", check=False).split("\n")
        return dict(line.split() for line in lines if line)

    def jobs(self, state: str, word: str = "") -> dict[str, str]:
        """Comments, which name the rule or group, of the jobs in a state with a word in them, by job id."""
        lines = self.call("squeue", "--noheader", f"--states={state}", "--format=%i %k").split("\n")
        return dict(line.split(maxsplit=1) for line in lines if line and word in line)

    def restart_controller(self, away: float) -> None:
        """Ends slurmctld and starts it again some seconds later."""
        controller = next(daemon for daemon in self.daemons if daemon.args[0].endswith("slurmctld"))
        controller.terminate()
        controller.wait(30)
        self.daemons.remove(controller)
        time.sleep(away)
        self._start("slurmctld", "-D")
        self._wait(self.states, "slurmctld")

    def _start(self, name: str, *arguments: str) -> None:
        log = open(self.folder / f"{name}-{len(self.daemons)}.out", "w", encoding="utf-8")  # noqa: SIM115
        self.daemons.append(
            subprocess.Popen(
                [program(name), *arguments], env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        )
        log.close()

    def _wait(self, ready, what: str) -> None:
        until = time.monotonic() + 60
        while not ready():
            if time.monotonic() > until or any(daemon.poll() is not None for daemon in self.daemons):
                logs = [path.read_text() for path in sorted(self.folder.glob("*.out"))]
                raise RuntimeError(f"{what}: did not come up\n" + "\n".join(logs))
            time.sleep(0.3)
