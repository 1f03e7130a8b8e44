"""Steps that need not import: a run keeps two processes that have loaded the libraries, and each step is a fork of one.

Importing pandas, scipy and matplotlib takes about 2 seconds and torch 2 more, which is most of a short step's time. So the
workflow starts a server when it starts its first job (`start`), and `rescore step` hands its command, environment and standard
streams over a socket (`forward`) and waits. The server loads libraries alone, none of this package's modules beside those that
serve: a step reads its code when it runs, as it does without a server. The framework is loaded in a process of its own, forked
when the first step asks that may compute with it; steps of all other layers never have it in memory.

    snakemake ──► server (plain libraries) ──fork──► step (layers without torch)
                     └─fork at first need─► server (with torch) ──fork──► step (models, features, training, systems, experiments)

Where no server answers (another machine of a cluster, another environment, `rescore step` by hand) the step runs in the process
that was called. A step dies with its caller, the servers with the run.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rescore.engine import processes

VARIABLE = "RESCORE_STEP_SERVER"
"""Environment variable with the directory of the sockets, and the machine and interpreter that the server runs in."""
PLAIN = (
    "pandas",
    "pyarrow.parquet",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "matplotlib.pyplot",
    "seaborn",
    "jinja2",
    "yaml",
)
FRAMEWORK = ("torch", "torch.nn.functional", "torch.utils.flop_counter")
FRAMEWORK_LAYERS = ("models", "features", "training", "systems", "experiments")  # the layers that may import torch
JOBS = (
    "SLURM_JOB_ID",
    "PBS_JOBID",
    "LSB_JOBID",
    "JOB_ID",
    "FLUX_JOB_ID",
    "OAR_JOB_ID",
    "COBALT_JOBID",
    "_CONDOR_JOB_AD",
)
"""Environment variables that a job of SLURM, PBS, LSF, Grid Engine, Flux, OAR, Cobalt or HTCondor has."""
LOOK = 0.5  # seconds between looks whether the run still lives
ENDED = 75  # exit status of a step that ended without a word (EX_TEMPFAIL): killed, most likely


def start(engine_directory: Path) -> None:
    """Start the server of this process's run; steps find it through the environment.

    Where the file system has no sockets, or there is no memory for another process, there is none, and steps do without.

    Args:
        engine_directory: the workflow engine's own, here `.snakemake`; only the run that holds its lock may call this.
    """
    for stale in engine_directory.glob("steps-*"):
        shutil.rmtree(stale, ignore_errors=True)
    # Relative, because the path of a socket may have 107 bytes.
    directory = engine_directory / f"steps-{os.getpid()}"
    try:
        directory.mkdir(mode=0o700)
        with contextlib.ExitStack() as opened:
            sockets = [opened.enter_context(listening(directory / kind)) for kind in ("plain", "framework")]
            numbers = [found.fileno() for found in sockets]
            command = [sys.executable, "-m", "rescore", "serve", str(os.getpid()), *map(str, numbers)]
            subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=numbers)
    except OSError as error:
        print(f"steps import their libraries one by one, which takes longer: {error}", file=sys.stderr)
        return
    os.environ[VARIABLE] = f"{directory}{os.pathsep}{_home()}"


def _home() -> str:
    """Where steps can be handed over: the same machine, the same interpreter, and the same job of a scheduler, or none."""
    job = next((os.environ[name] for name in JOBS if os.environ.get(name)), "")
    return os.pathsep.join((processes.place(), sys.prefix, job))


def listening(path: Path) -> socket.socket:
    """A socket that callers can already connect to: they wait until somebody accepts."""
    found = socket.socket(socket.AF_UNIX)
    found.bind(str(path))
    found.listen(128)
    return found


def forward(function: str, arguments: Sequence[str]) -> int | None:
    """Let the run's server run a step.

    Args:
        function: what the step is, as layer.module.function.
        arguments: the whole command line behind `rescore`.

    Returns:
        The step's exit status; None where no server answers, so that the step is to be run here.
    """
    directory, _, home = os.environ.get(VARIABLE, "").partition(os.pathsep)
    if not directory or home != _home():
        return None
    kind = "framework" if function.split(".")[0] in FRAMEWORK_LAYERS else "plain"
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    request = {
        "arguments": list(arguments),
        "environment": environment,
        "directory": os.getcwd(),
        "caller": os.getpid(),
    }
    body = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(Path(directory, kind)))
            socket.send_fds(connection, [len(body).to_bytes(8, "big")], [0, 1, 2])
            connection.sendall(body)
        except OSError:
            return None
        answer = b""
        # The status comes before the step's process has ended, the end of the stream after; a server that is killed before it
        # has accepted resets the connection.
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(1):
                answer += part
    if not answer:
        print(
            f"rescore: {function}: its process was ended from outside; where memory ran out, run fewer jobs at once "
            "(`snakemake --cores 1`). Run again: finished files are kept.",
            file=sys.stderr,
        )
        return ENDED
    return answer[0]


def receive(connection: socket.socket) -> tuple[list[str], int]:
    """Take over a caller's environment, working directory and standard streams: its command line and process number."""
    header, streams, _, _ = socket.recv_fds(connection, 8, 3)
    size = int.from_bytes(header, "big")
    body = bytearray()
    while len(body) < size:
        part = connection.recv(size - len(body))
        if not part:
            sys.exit(ENDED)  # the caller has gone before it said what it wants
        body += part
    request = json.loads(body)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return request["arguments"], request["caller"]


def load(modules: Sequence[str]) -> None:
    """Import what is there of some libraries; a step that needs a missing one says so itself."""
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.freeze()  # else the collector writes to, and so copies, memory that all forks share


def serve(run: int, plain: socket.socket, framework: socket.socket | None) -> socket.socket | None:
    """Answer callers until the run has gone.

    Args:
        run: process number of this server's parent: the run's, or the plain server's.
        plain: where callers of this process's libraries connect.
        framework: where callers come who need torch as well; a fork of this process takes them over.

    Returns:
        In a fork: the connection whose step it is to run. None at the run's end.
    """
    waiting = [plain] + ([framework] if framework else [])
    while os.getppid() == run:
        ready, _, _ = select.select(waiting, [], [], LOOK)
        while _reaped():
            pass
        if framework in ready:
            run_of_fork = os.getpid()
            if os.fork() == 0:
                plain.close()
                load(FRAMEWORK)
                return serve(run_of_fork, framework, None)
            waiting.remove(framework)
            framework.close()
        if plain in ready:
            connection, _ = plain.accept()
            if os.fork() == 0:
                for other in waiting:
                    other.close()
                return connection
            connection.close()
    return None


def _reaped() -> bool:
    """Whether a child had ended and was taken note of."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def be_server(run: int, plain_number: int, framework_number: int, command_line: Callable[[Sequence[str]], int]) -> int:
    """What `rescore serve` does, and what its forks do.

    Args:
        run: the run's process number.
        plain_number, framework_number: descriptors of two listening sockets.
        command_line: what runs a command line, `rescore.cli.main`.

    Returns:
        Exit status: of the server, or in a fork of the step.
    """
    # An interrupt reaches the whole group of processes; it is meant for the steps, and the server ends with the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plain, framework = (socket.socket(fileno=number) for number in (plain_number, framework_number))
    directory = Path(plain.getsockname()).parent
    load(PLAIN)
    connection = serve(run, plain, framework)
    if connection is None:
        shutil.rmtree(directory, ignore_errors=True)  # both servers try, in any order
        return 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[1:], caller = receive(connection)
    processes.exit_with(caller)
    status = 1  # of an error that nobody expected; its traceback follows
    try:
        status = command_line(sys.argv[1:])
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
        raise
    finally:
        connection.sendall(bytes([status]))
    return status
