"""The command line: `rescore plan | fetch | check | score | explain | compare | parity ...` for people, `rescore step` for rules.

Modules are imported only when their command runs: `rescore --help` loads no framework.
"""

import argparse
import contextlib
import dataclasses
import functools
import importlib
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rescore import __version__
from rescore.engine import arithmetic, checkout, libraries, outside, processes, provenance, step_server, steps
from rescore.engine.errors import RescoreError, raise_together

AUDIT = Path("results/audit.csv")
DESCRIPTION = """Rerun the experiments of action-quality-assessment papers and hold each reported number against a recomputed one.

The workflow itself is run by `snakemake --cores all`; these commands look at it, feed it, and use what it trained."""


@dataclasses.dataclass(frozen=True)
class Command:
    """What a command does, and its options."""

    run: Callable[[argparse.Namespace], int]
    help: str
    options: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    in_root: Callable[[argparse.Namespace], bool] = lambda options: True
    """Whether it reads params.yaml and the folders beside it, and so has to be given in the checkout's root."""


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        "rescore", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"rescore {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks of errors")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.options(commands.add_parser(name, help=command.help))
    add_step(commands.add_parser("step", help="one step of the workflow, as its rules call it", add_help=False))
    # No help: the workflow's own, see step_server.
    serve = commands.add_parser("serve", add_help=False)
    for name in ("run", "plain", "framework"):
        serve.add_argument(name, type=int)
    return parser


def add_step(step: argparse.ArgumentParser) -> None:
    """Options of `rescore step`."""
    step.add_argument("--rule", default="", help="the workflow's rule, for the step's record")
    step.add_argument("--log", type=Path, help="the step's log; without it no record is written")
    step.add_argument("--code", default="", help="hash of the code that the rule was planned with, and its arithmetic")
    step.add_argument("--workers", type=int, help="processes that a step may start which starts any")
    step.add_argument("--gpus", type=int, help="0: it sees none, whatever the machine has")
    step.add_argument("function", help="a function of the package, for example clips.store.write_clips")
    step.add_argument("arguments", nargs=argparse.REMAINDER, help="its parameters, as --name value")


def add_fetch(fetch: argparse.ArgumentParser) -> None:
    """Options of `rescore fetch`."""
    fetch.add_argument(
        "names", nargs="*", metavar="SOURCE", help="sources to get; without any: list them with their state"
    )
    fetch.add_argument("--all", action="store_true", help="every source that can be fetched and verified")
    fetch.add_argument("--root", type=Path, help="where sources are kept (default: data/raw of this checkout)")
    fetch.add_argument(
        "--height", type=int, default=720, help="lines of mtl-aqa's broadcasts at most (default: %(default)s)"
    )


def add_parity(parity: argparse.ArgumentParser) -> None:
    """Options of `rescore parity`."""
    parity.add_argument("directory", type=Path, help="folder with c3d_avg.npz and mscadc.npz")
    parity.add_argument("--salt", default="", help="text put in front of every name that seeds a generator")


def add_conform(conform: argparse.ArgumentParser) -> None:
    """Options of `rescore conform`."""
    conform.add_argument("systems", nargs="*", metavar="SYSTEM", help="their folders' names; without any: all")


def add_settings(settings: argparse.ArgumentParser) -> None:
    """Options of `rescore settings`."""
    settings.add_argument(
        "system", nargs="?", metavar="SYSTEM", help="write nothing: print its sections with their defaults"
    )


def add_audit(audit: argparse.ArgumentParser) -> None:
    """Options of `rescore audit`."""
    audit.add_argument(
        "--papers", type=Path, default=Path("papers"), help="the folder of the papers (default: %(default)s)"
    )
    audit.add_argument("--output", type=Path, help=f"default: {AUDIT}")


def add_verify(verify: argparse.ArgumentParser) -> None:
    """Options of `rescore verify`."""
    verify.add_argument(
        "--arithmetic",
        action="store_true",
        help="instead: whether this machine computes the reference's bytes, operation by operation and training by training",
    )
    verify.add_argument(
        "--write",
        action="store_true",
        help="with --arithmetic, for maintainers: make this machine's bytes the ones that all others are held against",
    )


def add_dvc_yaml(dvc_yaml: argparse.ArgumentParser) -> None:
    """Options of `rescore dvc-yaml`."""
    dvc_yaml.add_argument("--check", action="store_true", help="write nothing; exit 1 where dvc.yaml differs")


def add_replicate(replicate: argparse.ArgumentParser) -> None:
    """Options of `rescore replicate`."""
    replicate.add_argument(
        "--again", default="replication", help="the scale of the held-out run (default: %(default)s)"
    )
    replicate.add_argument("--compare-only", action="store_true", help="run nothing: hold the results that are there")


def add_export(export: argparse.ArgumentParser) -> None:
    """Options of `rescore export`."""
    export.add_argument("--output", type=Path, metavar="FILE", help="the archive (default: rescore-<scale>.tar, here)")
    add_scale(export)


def add_crate(crate: argparse.ArgumentParser) -> None:
    """Options of `rescore crate`."""
    crate.add_argument("--output", type=Path, metavar="FOLDER", help="a new one (default: rescore-<scale>-crate, here)")
    add_scale(crate)


def add_import(import_: argparse.ArgumentParser) -> None:
    """Options of `rescore import`."""
    import_.add_argument("archive", type=Path, metavar="ARCHIVE", help="what `rescore export` wrote")
    import_.add_argument("--replace", action="store_true", help="replace files here that have other bytes")


def add_compare(compare: argparse.ArgumentParser) -> None:
    """Options of `rescore compare`."""
    compare.add_argument("results_a", type=Path, metavar="RESULTS_A")
    compare.add_argument("results_b", type=Path, metavar="RESULTS_B")
    compare.add_argument(
        "--tolerance", type=float, default=0.0, help="largest difference that counts as none (default: %(default)s)"
    )


def add_score(score: argparse.ArgumentParser) -> None:
    """Options of `rescore score`."""
    score.add_argument(
        "videos",
        nargs="+",
        type=Path,
        metavar="VIDEO",
        help="files, folders of extracted frames, folders of videos, patterns; one that cannot be scored stops no other",
    )
    score.add_argument(
        "--csv", type=Path, metavar="FILE", help="a row a video: points, interval, or why there are none"
    )
    score.add_argument("--json", type=Path, metavar="FILE", help="the same as JSON")
    score.add_argument(
        "--contact-sheet", type=Path, metavar="FILE", help="PNG of the frames that were scored, with their times"
    )
    score.add_argument(
        "--experiment",
        choices=["all_action", "zero_shot", "fine_tuning", "c3d_lstm", "c3d_lstm_incremental"],
        default="all_action",
        help="whose members (default: %(default)s); c3d_lstm_incremental says in which clip of a dive points are lost",
    )
    score.add_argument(
        "--member", help="member of the experiment, for example all or single/diving (default: the one that fits)"
    )
    score.add_argument(
        "--action",
        help="the action shown, which fixes the unit of the score (default: the video's folder where that names one)",
    )
    score.add_argument(
        "--plot",
        type=Path,
        help="PNG of how the score grows clip by clip (default for one video: its name with .score.png, here)",
    )
    score.add_argument("--no-plot", action="store_true", help="write no PNG")
    score.add_argument(
        "--weights",
        type=Path,
        metavar="DIRECTORY",
        help="score a dive with the MTL-AQA authors' checkpoints instead: score, dive classes and caption",
    )
    score.add_argument("--epoch", type=int, help="with --weights: which, where files of several epochs lie there")
    add_scale(score)


def add_judge(judge: argparse.ArgumentParser) -> None:
    """Options of `rescore judge`."""
    judge.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="predictions (CSV, JSON, Parquet, .npy); a second file is held against the first; `pred.npy true.npy` are a pair",
    )
    judge.add_argument(
        "--data", metavar="NAME", help="mtl_aqa, aqa7, unlv_dive or rhythmic_gymnastics: its published labels"
    )
    judge.add_argument(
        "--labels", type=Path, metavar="FILE", help="labels of your own: CSV or Parquet with sample and score"
    )
    judge.add_argument("--split", metavar="NAME", help="whose test samples are judged (default: the data set's own)")
    judge.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="WHAT=NAME",
        help="where a column is not found: sample, predicted, target, seed, fold, action, split, member or iteration",
    )
    judge.add_argument("--member", metavar="NAME", help="whose predictions, where the file has several members'")
    judge.add_argument(
        "--reported", metavar="NUMBER", help="a printed rank correlation, or percentage of one, to hold against"
    )
    judge.add_argument(
        "--of",
        metavar="NAME",
        help="which correlation it is, as the table names it (default: the average of actions or folds)",
    )
    judge.add_argument("--places", type=int, metavar="N", help="decimals of it that count (default: as printed)")
    judge.add_argument(
        "--as",
        dest="as_",
        metavar="WORDS",
        help="a number that a paper here prints: \"mtl_aqa table7 'Ours C3D-AVG-MTL'\"",
    )
    judge.add_argument(
        "--replicates", type=int, default=2000, help="of the bootstrap and the test (default: %(default)s)"
    )
    judge.add_argument("--confidence", type=float, default=0.95, help="of the intervals (default: %(default)s)")
    judge.add_argument("--seed", type=int, default=0, help="of the draws (default: %(default)s)")
    for kind in ("html", "json", "csv"):
        judge.add_argument(f"--{kind}", type=Path, metavar="FILE", help=f"write it as {kind.upper()} too")


def add_rehearse(rehearse: argparse.ArgumentParser) -> None:
    """Options of `rescore rehearse`."""
    rehearse.add_argument(
        "--only", nargs="+", default=[], metavar="TRAINING", help="names of trainings; extensions: all"
    )
    rehearse.add_argument("--memory", type=float, metavar="GB", help="of a training's process (default: what is left)")
    rehearse.add_argument(
        "--minutes", type=float, default=20.0, help="after which a training is given up (default: %(default)g)"
    )
    add_scale(rehearse)


def add_explain(explain: argparse.ArgumentParser) -> None:
    """Options of `rescore explain`."""
    explain.add_argument("table", type=Path, help="results/<scale>/tables/<paper>_<table>.csv")
    explain.add_argument("--cell", nargs=2, required=True, metavar=("ROW", "COLUMN"), help="spelled as in the table")
    explain.add_argument(
        "--protocol", help="a selection rule, last_iteration for example (default: every selection rule of the cell)"
    )
    explain.add_argument(
        "--records", type=Path, metavar="DIRECTORY", help="step records (default: runs/<scale>/records)"
    )
    explain.add_argument("--lock", type=Path, help="provenance lock (default: workflow/provenance/<scale>.lock.jsonl)")


def add_scale(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", help="demo, smoke, open, paper, or another of params.yaml (default: the one that it names)"
    )


def run_step(options: argparse.Namespace) -> None:
    """Run one step function of the package; with a log, its record is written too (`step_record`).

    Raises:
        RescoreError: there is no such function, its code is not the planned one, or its arithmetic cannot be.
    """
    name: str = options.function
    code, _, planned = options.code.partition("-")
    arithmetic.follow(planned)
    try:
        function = getattr(importlib.import_module(provenance.module_of(name)), name.rpartition(".")[2])
    except (ImportError, AttributeError) as error:
        raise RescoreError(
            f"{name}: no such step ({error}). The rules under workflow/rules/ name the steps."
        ) from error
    processes.exit_with_run()
    if options.gpus == 0:
        os.environ.update(dict.fromkeys(("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"), ""))
    starts = options.workers and any(option == "workers" for option, *_ in steps.options_of(function))
    given = [*options.arguments, *(["--workers", str(options.workers)] if starts else [])]
    values = vars(steps.step_parser(function, name).parse_args(given))
    if options.log is None:
        steps.call_step(function, **values)
        return
    from rescore.engine import step_record

    called = functools.partial(steps.call_step, function)
    step_record.run_recorded(called, values, rule=options.rule, step=name, log=options.log, code=code)


def run_plan(options: argparse.Namespace) -> int:
    from rescore.experiments import plan
    from rescore.sources import fetch
    from rescore.systems import parameters

    scale, settings = parameters.load(scale=options.scale)
    print(plan.describe(scale, settings, fetch.configured_mirror()))
    return 0


def run_fetch(options: argparse.Namespace) -> int:
    from rescore.sources import fetch

    options.root = options.root or Path("data/raw")
    if options.root.exists() and not options.root.is_dir():
        raise RescoreError(f"--root {options.root}: not a folder. Name the one in which sources are kept.")
    if options.height < 1:
        raise RescoreError(f"--height {options.height}: takes the lines of a picture, as 720.")
    if not options.names and not options.all:
        print(fetch.describe(options.root))
        return 0
    names = [fetch.find(name).name for name in options.names] or fetch.fetchable()
    fetch.fetch_all([name for name in names if name != "mtl-aqa"], options.root, fetch.configured_mirror())
    if "mtl-aqa" in names:
        from rescore.datasets.mtl_aqa import broadcasts as mtl_aqa_broadcasts

        return mtl_aqa_broadcasts.fetch_broadcasts(options.root, fetch.configured_mirror(), options.height)
    return 0


def run_check(options: argparse.Namespace) -> int:
    from rescore.datasets import check
    from rescore.sources import fetch
    from rescore.systems import parameters

    scale, settings = parameters.load(scale=options.scale)
    findings, places = check.check_all(scale, settings, Path("data"), fetch.configured_mirror())
    print(check.describe(findings, places))
    return 1 if any(finding.severity == check.ERROR for finding in findings) else 0


def run_score(options: argparse.Namespace) -> int:
    if warning := libraries.warning():
        print(warning, file=sys.stderr)
    if options.epoch is not None and not options.weights:
        raise RescoreError("--epoch chooses among the files of --weights; name their folder, or leave it out.")
    from rescore.experiments import score_videos

    videos = score_videos.videos_of(options.videos)
    tables = [options.csv, options.json]
    if options.csv is not None and options.csv.suffix not in (".csv", ".parquet"):
        raise RescoreError(f"--csv {options.csv}: name a .csv or .parquet file to write.")
    require_writable(tables, videos)  # a drawing is no reason for no points
    if options.weights:
        if len(videos) > 1 or any([*tables, options.contact_sheet]):
            raise RescoreError(
                "--weights scores one dive, with its classes and caption, and writes no table. Name one video."
            )
        from rescore.experiments import score_dive

        print(score_dive.describe(score_dive.score_dive(videos[0], options.weights, options.epoch)))
        return 0
    if len(videos) > 1 and options.plot:
        raise RescoreError(f"--plot draws one video, and these are {len(videos)}. --contact-sheet shows all of them.")
    return score_with_members(options, videos)


def score_with_members(options: argparse.Namespace, videos: list[Path]) -> int:
    """Score videos with the trained members of an experiment; 1 where one of several has no score."""
    from rescore.engine import lock
    from rescore.experiments import score_video, score_videos
    from rescore.reporting import scored_frames
    from rescore.systems import parameters

    scale, settings = parameters.load(scale=options.scale)
    runs = Path("runs") / scale
    members = runs / options.experiment / "members.safetensors"
    lock.require_recorded([members, *sorted(runs.glob("backbone/*/weights.safetensors"))], scale)
    score = functools.partial(
        score_video.score_video,
        members=members,
        runs=runs,
        settings=settings,
        action=options.action,
        member=options.member,
        networks={},
    )
    several = len(videos) > 1
    done = score_videos.score_all(
        videos, score, lambda result: print(score_video.describe(result), end="\n\n" if several else "\n", flush=True)
    )
    score_videos.write(done, videos, options.csv, options.json)
    if done.errors and not several:
        raise RescoreError(next(iter(done.errors.values())))
    if done.results and not several and not options.no_plot:
        result, plot = done.results[0], options.plot or score_video.plot_path(videos[0])
        draw(lambda: score_video.write_plot(result, plot), plot)
    if options.contact_sheet and done.results:
        dives = options.experiment in score_video.ON_DIVES
        draw(
            lambda: scored_frames.draw_sheet(done.results, settings, dives, options.contact_sheet),
            options.contact_sheet,
        )
    if done.errors:
        listed = "\n".join(f"  - {error}" for error in done.errors.values())
        raise RescoreError(
            f"{len(done.errors)} of {len(videos)} videos have no score; the others stand above:\n{listed}"
        )
    return 0


def require_writable(outputs: Sequence[Path | None], inputs: Sequence[Path]) -> None:
    """Refuse outputs that cannot be written or would replace what is read, before anything is computed.

    Raises:
        RescoreError: all of them together.
    """
    problems = []
    named = [path for path in outputs if path is not None]
    places = [path.resolve() for path in named]
    for path in named:
        if places.count(path.resolve()) > 1:
            problems.append(f"{path}: two outputs are to go there")
        if path.is_dir():
            problems.append(f"{path}: a folder")
        elif not path.absolute().parent.is_dir():
            problems.append(f"{path}: no folder {path.parent}")
        elif not os.access(path.absolute().parent, os.W_OK):
            problems.append(f"{path}: its folder may not be written")
        elif path.resolve() in {read.resolve() for read in inputs}:
            problems.append(f"{path}: it is read, and would be replaced")
    raise_together("places to write to", problems, "name a file in a folder that is there.")


def draw(write: Callable[[], None], plot: Path) -> None:
    """Draw what was printed before; whatever keeps the picture from being made, the numbers stand."""
    try:
        write()
    except Exception as error:
        print(f"not drawn: {error}", file=sys.stderr)
    else:
        print(f"drawn in {plot}")


def run_parity(options: argparse.Namespace) -> int:
    from rescore.models import parity

    rows = parity.parity(options.directory, options.salt)
    print(parity.describe(rows))
    return 1 if parity.failures(rows) else 0


def run_audit(options: argparse.Namespace) -> int:
    from rescore.scoring.audit import run
    from rescore.sources import fetch
    from rescore.systems import parameters

    _, settings = parameters.load()
    if options.output is not None and (options.output.is_dir() or options.output.suffix not in (".csv", ".parquet")):
        raise RescoreError(f"--output {options.output}: name a .csv or .parquet file to write.")
    with contextlib.ExitStack() as opened:
        output, where = options.output or AUDIT, f"written to {options.output or AUDIT}"
        if options.output is None and not checkout.is_writable(AUDIT):
            output = Path(opened.enter_context(tempfile.TemporaryDirectory()), AUDIT.name)
            where = f"not written to {AUDIT}: you may not write there (--output names another place)"
        table = run.write_audit_at_hand(options.papers, output, settings, Path("data/raw"), fetch.configured_mirror())
    print(run.describe(table))
    print(where)
    return 0


def run_verify(options: argparse.Namespace) -> int:
    if options.arithmetic or options.write:
        return verify_arithmetic(options.write)
    from rescore.engine import verify
    from rescore.reporting.level import level

    faults = verify.verify()
    print("\n".join([verify.describe(faults), *level(), *controls_in_words()]))
    return 1 if faults else 0


def controls_in_words() -> list[str]:
    """A line a scale whose controls were asked: how many hold."""
    from rescore.engine.storage import read_table
    from rescore.scoring import controls

    found = {path.parents[1].name: path for path in sorted(Path("results").glob("*/tables/controls.csv"))}
    return [f"scale {scale}, {controls.in_words(read_table(path))}" for scale, path in found.items()]


def add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=5.0,
        metavar="SECONDS",
        help="say it again and again (every 5 seconds; at least 1)",
    )


def run_status(options: argparse.Namespace) -> int:
    from rescore.engine import status

    while True:
        said = "\n".join(status.report())
        if options.watch and sys.stdout.isatty():
            print("\x1b[2J\x1b[H", end="")
        print(said, flush=True)
        if not options.watch:
            return 0
        time.sleep(max(options.watch, 1.0))


def run_controls(options: argparse.Namespace) -> int:
    print("\n".join(controls_in_words() or ["no controls were asked here: run the workflow on synthetic athletes"]))
    return 0


def verify_arithmetic(write: bool) -> int:
    """`rescore verify --arithmetic`; `main` has prepared the process."""
    from rescore.experiments import states

    if write:
        states.write()
        print("written to workflow/arithmetic.json")
        return 0
    faults = states.check()
    print(states.describe(faults))
    return 1 if faults else 0


def refuse_judge(options: argparse.Namespace) -> None:
    """Raises RescoreError where options of `rescore judge` are none, contradict each other or would be left out silently."""
    if (options.of or options.places is not None) and not (options.reported or options.as_):
        raise RescoreError("--of and --places are of a printed number. Give it too: --reported or --as.")
    if len(options.files) > 2:
        raise RescoreError(
            f"{len(options.files)} files: judge takes one, two to compare, or an array of predictions with its true scores."
        )
    if options.data and options.labels:
        raise RescoreError("--data and --labels are two sources of true scores. Give one.")
    if options.reported and options.as_:
        raise RescoreError("--reported and --as are two printed numbers. Give one.")
    if not 0 < options.confidence < 1 or options.replicates < 100 or options.seed < 0 or (options.places or 0) < 0:
        raise RescoreError(
            "--confidence lies between 0 and 1, --replicates is 100 or more, --seed and --places are 0 or more."
        )


def run_judge(options: argparse.Namespace) -> int:
    from rescore.judging import judge, measures, references, report
    from rescore.judging.predicted import NAMES, read_predictions
    from rescore.sources import fetch

    files, named = options.files, dict(column.partition("=")[::2] for column in options.column)
    wrong = [f"--column {what}={name}" for what, name in named.items() if what not in NAMES or not name]
    if wrong:
        raise RescoreError(f"{', '.join(wrong)}: write WHAT=NAME; WHAT is one of {', '.join(NAMES)}.")
    refuse_judge(options)
    read = [*files, *([options.labels] if options.labels else [])]
    require_writable([options.html, options.json, options.csv], read)
    pair = (
        len(files) == 2
        and all(file.suffix.lower() == ".npy" for file in files)
        and not (options.data or options.labels)
    )
    reference = references.published(options.data, mirror=fetch.configured_mirror()) if options.data else None
    reference = references.own(options.labels) if options.labels else reference
    first = read_predictions(files[0], named, files[1] if pair else None, options.member)
    second = read_predictions(files[1], named, None, options.member) if len(files) == 2 and not pair else None
    printed = judge.as_printed(options.reported, options.places) if options.reported else None
    printed = judge.from_paper(options.as_, places=options.places) if options.as_ else printed
    drawn = {name: getattr(options, name) for name in measures.DEFAULTS}
    found = judge.judge(first, reference, drawn, options.split, printed, second, options.of)
    print(report.describe(found))
    report.write(found, options.html, options.json, options.csv)
    return 1 if found.verdict is not None and found.verdict.word == judge.DIFFERS else 0


def run_rehearse(options: argparse.Namespace) -> int:
    from rescore.experiments import rehearse
    from rescore.systems import parameters

    scale, settings = parameters.load(scale=options.scale)
    if scale == "open":
        raise RescoreError("scale open trains in a minute on real features: nothing to rehearse. Name --scale paper.")
    if not (options.memory is None or 0 < options.memory < math.inf) or not options.minutes > 0:
        raise RescoreError("--memory takes gigabytes and --minutes minutes, numbers above 0.")
    memory = options.memory * 1e9 if options.memory else None
    outcomes = rehearse.rehearse(settings, options.only, memory, options.minutes)
    print(rehearse.describe(scale, outcomes, settings))
    return 0 if all(outcome.fits for outcome in outcomes) else 1


def run_doctor(options: argparse.Namespace) -> int:
    from rescore.engine import doctor

    found = doctor.examine(Path())
    print(doctor.describe(found))
    return 1 if any(finding.state == doctor.FAIL for finding in found) else 0


def run_conform(options: argparse.Namespace) -> int:
    from rescore.judging import conformance

    problems = conformance.try_systems(options.systems, tell=lambda name: print(f"{name} ...", flush=True))
    print(conformance.describe(problems))
    return 1 if problems else 0


def run_settings(options: argparse.Namespace) -> int:
    from rescore.systems import settings

    if options.system:
        print(settings.described(options.system))
        return 0
    print("\n".join(f"written: {name}" for name in settings.write()) or "params.yaml says what systems declare")
    return 0


def run_dvc_yaml(options: argparse.Namespace) -> int:
    from rescore.engine import dvc_stage

    if options.check:
        dvc_stage.check()
    else:
        dvc_stage.write()
    return 0


def run_serve(options: argparse.Namespace) -> int:
    return step_server.be_server(options.run, options.plain, options.framework, main)


def run_explain(options: argparse.Namespace) -> int:
    from rescore.reporting.explain import WRONG, explain

    row, column = options.cell
    if options.records is not None and not options.records.is_dir():
        raise RescoreError(f"--records {options.records}: no such folder. Name one, or leave the option out.")
    if options.lock is not None and not options.lock.is_file():
        raise RescoreError(f"--lock {options.lock}: no such file. Name one, or leave the option out.")
    text = explain(options.table, row, column, options.protocol, options.records, options.lock)
    print(text)
    return int(f"\n{WRONG}" in text)


def run_replicate(options: argparse.Namespace) -> int:
    import subprocess

    from rescore.scoring import replication
    from rescore.systems import parameters

    scale, _ = parameters.load(scale="demo")
    parameters.load(scale=options.again)
    if options.again == scale:
        raise RescoreError(
            f"--again {scale}: a run beside itself tells nothing. Name a scale with another `first_training`."
        )
    if not options.compare_only:
        command = [sys.executable, "-m", "snakemake", "--cores", "all", "--config", f"scale={options.again}"]
        if status := subprocess.run(command).returncode:
            return status
    first, second = (Path("results", name, "tables") for name in (scale, options.again))
    for name, folder in ((scale, first), (options.again, second)):
        if not folder.is_dir():
            raise RescoreError(f"{folder}: not there. Make it: snakemake --cores all --config scale={name}")
    output = Path("workflow", "replication", f"{scale}.csv")
    replication.write_replication(first, second, output)
    print(output.read_text(encoding="utf-8"), end="")
    print(f"written to {output}; the next run of scale {scale} shows it on its page")
    return 0


def run_export(options: argparse.Namespace) -> int:
    from rescore.engine import parameters, transfer

    scale, _ = parameters.load(scale=options.scale)
    output = options.output or transfer.default_output(scale)
    require_writable([output], [])
    print(transfer.describe_export(output, scale, transfer.export_scale(scale, output)))
    return 0


def run_import(options: argparse.Namespace) -> int:
    from rescore.engine import lock, transfer

    if not processes.hold_run_lock(lock.ENGINE):
        raise RescoreError("a run is at work in this directory, and would read what is being written. Wait for it.")
    print(transfer.describe_import(transfer.import_archive(options.archive, options.replace)))
    return 0


def run_crate(options: argparse.Namespace) -> int:
    from rescore.engine import parameters
    from rescore.reporting import crate

    scale, _ = parameters.load(scale=options.scale)
    output = options.output or Path(f"rescore-{scale}-crate")
    print(crate.describe(output, crate.write_crate(scale, output)))
    return 0


def run_compare(options: argparse.Namespace) -> int:
    from rescore.reporting import compare

    found = compare.compare(options.results_a, options.results_b, options.tolerance)
    print(compare.describe(found, options.tolerance))
    return 1 if any(difference.matters for difference in found) else 0


COMMANDS = {
    "plan": Command(run_plan, "experiments and their members: what is done, what is missing, and why", add_scale),
    "fetch": Command(
        run_fetch,
        "get public data from its origin, or from the folder named by RESCORE_MIRROR",
        add_fetch,
        in_root=lambda options: options.root is None,
    ),
    "check": Command(
        run_check, "problems of lists, manifests and videos, all at once; exit 1 where there is an error", add_scale
    ),
    "score": Command(
        run_score,
        "predict a video's score with the members of a trained experiment",
        add_score,
        in_root=lambda options: options.weights is None,
    ),
    "judge": Command(
        run_judge,
        "hold any file of predictions against labels and papers, without videos; exit 1 where a printed number is another",
        add_judge,
        in_root=lambda options: bool(options.data or options.as_),
    ),
    "parity": Command(
        run_parity,
        "hold the MTL-AQA networks against outputs of the authors' code, number by number",
        add_parity,
        in_root=lambda options: False,
    ),
    "audit": Command(
        run_audit, "hold the papers' numbers and the released data against themselves and each other", add_audit
    ),
    "doctor": Command(
        run_doctor,
        "what of this machine and checkout will make trouble, and how to mend it; exit 1 where something will",
    ),
    "verify": Command(
        run_verify,
        "prove that data, checkpoints, predictions and results belong together; exit 1 where they do not",
        add_verify,
    ),
    "status": Command(
        run_status,
        "what a run is doing: steps at work, how far each training is, what is left and how long",
        add_status,
    ),
    "controls": Command(
        run_controls, "how many statements came out whose truth the synthetic athlete makes certain, scale by scale"
    ),
    "export": Command(
        run_export, "write a scale's results, checkpoints and predictions as one archive with checksums", add_export
    ),
    "import": Command(
        run_import, "bring such an archive into a clone, in place of `dvc pull`; then `rescore verify`", add_import
    ),
    "crate": Command(
        run_crate, "write a scale's results as a Workflow Run RO-Crate, with cards of models and data sets", add_crate
    ),
    "rehearse": Command(
        run_rehearse,
        "two steps of every training at full size on made-up data: memory, hours, what does not fit; exit 1 then",
        add_rehearse,
    ),
    "conform": Command(
        run_conform,
        "try systems at the smallest sizes on made-up data: predictions, headers, killed runs; exit 1 where one fails",
        add_conform,
    ),
    "settings": Command(
        run_settings,
        "write the sections that systems declare into params.yaml, with their schema; or show those of a system",
        add_settings,
    ),
    "dvc-yaml": Command(run_dvc_yaml, "write dvc.yaml from the workflow, which is its only truth", add_dvc_yaml),
    "explain": Command(
        run_explain,
        "the whole lineage of one number: scores, predictions, checkpoint, data, code",
        add_explain,
        in_root=lambda options: False,
    ),
    "replicate": Command(
        run_replicate,
        "run a scale again with other trainings on the same videos, and count what it predicted",
        add_replicate,
    ),
    "compare": Command(
        run_compare,
        "tell two trees of results apart, number by number; exit 1 where they differ",
        add_compare,
        in_root=lambda options: False,
    ),
}


def refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an empty word, `--scale ""` or `--scale=`: what a variable of the shell's that was not set was to say.

    Raises:
        RescoreError: naming the option before it. Left alone, it would mean the default, or the present folder.
    """
    empty = [
        place for place, word in enumerate(arguments) if not word.strip() or (word[:2] == "--" and word[-1] == "=")
    ]
    named = [arguments[place].rstrip("= ") or (arguments[place - 1] if place else "") for place in empty]
    if named:
        raise RescoreError(
            f"nothing stands behind {', '.join(named)}. Is a variable of the shell's empty? Say what is meant."
        )


def settle_streams() -> None:
    """Printing never fails: closed streams lead nowhere, and what a terminal cannot show is spelled by its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(
                os.devnull, os.O_RDWR
            )  # the lowest free number: else the next file that is opened gets what is printed
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # In a fork of the run's server the stream leads elsewhere by now, and was settled before.
            with contextlib.suppress(OSError):
                stream.reconfigure(errors="backslashreplace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script. Errors that a user can mend come without a traceback; exit status 1."""
    settle_streams()
    options = build_parser().parse_args(arguments)
    try:
        if options.command not in ("step", "serve", "parity"):
            refuse_empty(sys.argv[1:] if arguments is None else arguments)
        if options.command in COMMANDS and COMMANDS[options.command].in_root(options):
            checkout.check_root(f"rescore {options.command}")
        if options.command not in ("step", "serve", "doctor"):
            checkout.settle_user()
        if options.command not in ("serve", "doctor"):
            outside.settle(copy=options.command != "step")
        # Before anything loads NumPy. A step follows its rule; what a run starts, a run's server too, has the run's environment.
        if options.command not in ("step", "serve"):
            arithmetic.prepare()
        if options.command == "step":
            status = step_server.forward(options.function, sys.argv[1:] if arguments is None else arguments)
            if status is None:
                run_step(options)
            return status or 0
        return run_serve(options) if options.command == "serve" else COMMANDS[options.command].run(options)
    except RescoreError as error:
        if options.verbose:
            raise
        print(f"rescore: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (head, less) has gone; what it wanted was printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("rescore: interrupted; finished files are kept, run again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
