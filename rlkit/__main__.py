"""Train, evaluate and film agents from a shell, when a run takes longer than a notebook cell should.

`cluster` says whether the nodes of a Ray cluster are ready for that.
"""

import _thread
import contextlib
import dataclasses
import inspect
import math
import os
import re
import shlex
import signal
import sys
import textwrap
import threading
import traceback
from pathlib import Path

import torch

import rlkit
from rlkit.envs import Envs
from rlkit.language import count
from rlkit.presets import PRESETS, preset
from rlkit.running.arguments import Parser, real, setting, whole
from rlkit.running.checkpoint import load, usable, write
from rlkit.running.content import read
from rlkit.running.disk import hold, writable
from rlkit.running.messages import env_name
from rlkit.running.report import Report, agent_device
from rlkit.running.result import read_report
from rlkit.running.settings import check_names, nearest
from rlkit.running.terminal import Bar, Lines, run, tell
from rlkit.running.workers import WorkerError
from rlkit.training import check_positive, evaluate, stop_at, time_limit, train

ALGORITHMS = {name.lower(): value for name, value in vars(rlkit).items() if hasattr(value, "learn")}
GRACE = 5.0  # seconds that an iteration has to finish after an interrupt
INTERRUPTED = 130  # what a shell expects after Ctrl-C
FAILED = 1  # what Python itself returns after an exception


def main(arguments=None):
    """Run one command -> its exit code: 0, or 2 after one sentence on stderr that says what was wrong with it.

    A worker process that failed gives 1, a cluster that does not fit too, and Ctrl-C 130.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        args = parse(arguments)
        args.command_line = shlex.join(["python", "-m", "rlkit", *arguments])
        check_folder()
        check_threads(args.threads)
        torch.set_num_threads(args.threads)
        return args.run(args)
    except KeyboardInterrupt:
        tell("Interrupted.", sys.stderr)
        return INTERRUPTED
    except WorkerError as error:
        tell(error, sys.stderr)
        return FAILED
    except (ValueError, OSError) as error:
        if not is_a_sentence(error):
            raise
        tell(as_sentence(error), sys.stderr)
        return 2


def check_folder():
    """Raise ValueError if the current folder is gone: torch would end the process over that."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise ValueError("The folder that this shell is in has been removed; change to another one: cd ~.") from None


def check_threads(threads):
    """Raise ValueError for a number of threads that this machine cannot run side by side."""
    cores = os.cpu_count() or 1
    if not 1 <= threads <= cores:
        raise ValueError(f"threads={threads} must be a whole number from 1 to {cores}, which is what this machine has.")


def is_a_sentence(error):
    """Is this error meant for the user? A ValueError from outside rlkit is our bug, so it keeps its traceback."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, OSError) or Path(frame.f_code.co_filename).is_relative_to(Path(__file__).parent)


def as_sentence(error):
    """What an error says, on one line. The system's own errors become a sentence: "No space left on device: a.pt."."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}."
    return text


# train ------------------------------------------------------------------------------------------------------


def run_train(args):
    watchers = []
    if args.stop_at is not None:
        watchers.append(stop_at(args.stop_at))
    if args.minutes is not None:
        check_positive(minutes=args.minutes)
        watchers.append(time_limit(60 * args.minutes))
    check_positive(steps=args.steps)
    with contextlib.ExitStack() as held:
        goes_on = args.resume and (not args.out or os.path.realpath(args.out) == os.path.realpath(args.resume))
        if goes_on and Path(args.resume).is_file():
            held.enter_context(hold(args.resume))  # before it is read: another run may be about to write it
        agent = make_agent(args)
        if callable(agent.env):
            raise ValueError(
                f"{args.preset} plays {env_name(agent.env)}, an environment without an id, which no file can hold; "
                f"train it in Python: rlkit.train(rlkit.preset({args.preset!r}), {args.steps})."
            )
        path = checkpoint_path(args, agent)
        if not goes_on:
            held.enter_context(hold(path))
        return train_agent(args, agent, path, watchers, held.enter_context(Interrupts()))


def train_agent(args, agent, path, watchers, interrupts):
    if agent.step >= args.steps:
        raise ValueError(f"{args.resume} has already taken {taken(agent)}; ask for a larger total with --steps.")
    report = Report(path, agent, args.resume, args.command_line)
    tell(f"{agent.env}, seed {agent.seed}, on {agent_device(agent)}; writes {path} and {report.path.name}")
    limit = math.inf if args.minutes is None else 60 * args.minutes
    progress = Bar(args.steps, limit, sys.stdout) if sys.stdout and sys.stdout.isatty() else Lines()
    try:
        result = train(agent, args.steps, interrupts, progress, *watchers, report)
    except WorkerError as error:
        if not interrupts.came:  # otherwise the workers got the signal too, as when a terminal is closed
            raise WorkerError(f"{str(error).rstrip()}\nSaved after {taken(agent)}; {again(args, path)}") from error
    if agent.step < args.steps and interrupts.came:
        tell(f"Interrupted after {taken(agent)}, and saved; {again(args, path)}")
        return INTERRUPTED
    if args.small:
        write(agent, path, resume=False)
    episodes = count(len(result.returns), "{n} episode", "{n} episodes")
    ended = f", {result.stopped}" if result.stopped else ""
    mean = f", last-20 mean {result.mean_return():.2f}" if result.returns else ""
    tell(f"{taken(agent)}, {episodes}{mean}, {result.seconds:.1f} s{ended}; saved in {path}")
    return 0


def taken(agent):
    """How many steps an agent has taken, in words."""
    return count(agent.step, "{n} step", "{n} steps")


def again(args, path):
    """How to continue a run that was broken off, to the end that it was meant to have."""
    options = {
        "--steps": args.steps,
        "--stop-at": args.stop_at,
        "--threads": args.threads if args.threads > 1 else None,
    }
    words = [str(word) for name, value in options.items() if value is not None for word in (name, value)]
    words = ["python", "-m", "rlkit", "train", "--resume", str(path), *words, *["--small"] * args.small]
    return f"continue with: {shlex.join(words)}"


def make_agent(args):
    """The agent of a preset, an algorithm or a checkpoint, with the settings that were asked for."""
    if sum(source is not None for source in (args.algorithm, args.preset, args.resume)) != 1:
        names = ", ".join(ALGORITHMS)
        raise ValueError(f"Name one of these three: an algorithm ({names}), a --preset, or a checkpoint to --resume.")
    changes = dict(args.settings)
    changes |= {name: value for name in ("env", "seed") if (value := getattr(args, name)) is not None}
    if args.preset is not None:
        check_preset(args.preset)
        return preset(args.preset, **changes)
    if args.resume is not None:
        return load(args.resume, **changes)
    algorithm = algorithm_called(args.algorithm)
    check_names(algorithm, changes)
    return algorithm(**changes)


def algorithm_called(name):
    """The algorithm of this name, in capitals or not. Raises ValueError, with what may have been meant, if none is."""
    if name.lower() in ALGORITHMS:
        return ALGORITHMS[name.lower()]
    if name.lower() in PRESETS:
        raise ValueError(f"{name} is a preset, not an algorithm; write --preset {name.lower()}.")
    if name.endswith(".pt"):
        raise ValueError(f"{name} is a file, not an algorithm; write --resume {name}, or use `eval` or `watch`.")
    raise ValueError(f"There is no algorithm {name!r}; {nearest(name, ALGORITHMS)}")


def check_preset(name):
    """Raise ValueError, with what may have been meant, if there is no preset of this name."""
    if name not in PRESETS:
        where = "`python -m rlkit train --help` lists all presets."
        raise ValueError(f"There is no preset {name!r}; {nearest(name, PRESETS, where)}")


def checkpoint_path(args, agent):
    """Where to save: `--out`, or the resumed file, or a new one in `runs/`. Never overwrites another run."""
    played = (
        env_name(agent.env).rpartition(":")[2].removeprefix("ALE/").replace("/", "-")
    )  # without the module that registers it
    name = f"{args.preset or args.algorithm}-{played}-seed{agent.seed}.pt"
    path = Path(next(out for out in (args.out, args.resume, Path("runs", name)) if out is not None))
    if path.suffix != ".pt":
        raise ValueError(f"--out must end in .pt, unlike {path}; the results go beside it and end in .json.")
    if path.exists() and not (args.resume and path.samefile(args.resume)):
        raise ValueError(f"There is already a run in {path}; continue it with --resume {path}, or name another --out.")
    results = path.with_suffix(".json")
    own = args.resume and results == Path(args.resume).with_suffix(".json")
    if results.exists() and not own and not written_by(args.command_line, results):
        raise ValueError(
            f"There is already a file {results}, where the results would go; move it away, or name another --out."
        )
    with contextlib.suppress(OSError):  # `writable` says it better
        path.parent.mkdir(parents=True, exist_ok=True)
    return writable(path)


def written_by(command, results):
    """Did this very command write these results, and end before it could save the agent? Then it may begin again."""
    try:
        return read_report(results).get("command") == command
    except (OSError, ValueError):
        return False


class Interrupts:
    """Ctrl-C ends the run at the end of its iteration, where it can be resumed exactly.

    A second Ctrl-C ends it at once, and so does an iteration that takes too long. SIGTERM, which a shutdown sends, and
    SIGHUP, which a terminal sends when it is closed, do the same as one Ctrl-C. A shell makes what it starts with `&`
    ignore SIGINT; here SIGINT works anyway. `nohup` makes a run ignore SIGHUP, and it stays ignored.
    """

    def __init__(self):
        self.came, self.finished = None, False
        numbers = [signal.SIGINT, signal.SIGTERM]
        hangup = getattr(signal, "SIGHUP", None)  # Windows has none
        if hangup and signal.getsignal(hangup) != signal.SIG_IGN:
            numbers.append(hangup)
        self.before = {number: signal.signal(number, self.hear) for number in numbers}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Signals do again what they did before the run."""
        for number, handler in self.before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: not set from Python

    def hear(self, number=signal.SIGINT, _=None):
        if self.finished:  # the run is ended and saved
            return
        if not self.came:
            self.came = threading.Timer(GRACE, _thread.interrupt_main)
            self.came.daemon = True
            self.came.start()
        elif number == signal.SIGINT:  # a shell and the system may both send SIGHUP
            raise KeyboardInterrupt

    def __call__(self, progress, result):
        if self.came:
            self.finished = True  # the iteration is, too: what follows ends workers and saves
            return "interrupted"

    def finish(self, result):
        self.finished = True
        if self.came:
            self.came.cancel()
            result.stopped = result.stopped or "interrupted"


# eval and watch ---------------------------------------------------------------------------------------------


def run_eval(args):
    agent = load_to_play(args.file)
    returns = evaluate(agent, args.episodes, args.seed)
    tell(
        count(
            args.episodes,
            "{n} greedy episode of {env}, seed {first}, after {steps} of training",
            "{n} greedy episodes of {env}, seeds {first} to {last}, after {steps} of training",
            env=agent.env, first=args.seed, last=args.seed + args.episodes - 1, steps=taken(agent),
        )
    )  # fmt: skip
    ordered = sorted(returns)
    median = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    tell(f"mean {returns.mean():.2f}   median {median:.2f}   min {ordered[0]:g}   max {ordered[-1]:g}")
    tell(f"returns: {' '.join(f'{value:g}' for value in returns)}")
    return 0


def run_watch(args):
    from rlkit.plotting.film import check_ending  # loads matplotlib, which training must not
    from rlkit.plotting.video import play

    path = writable(args.out or f"{Path(args.file).stem}.gif")
    check_ending(path)
    agent = load_to_play(args.file)
    recording = play(agent, args.steps, args.seed)
    video = recording.show(0, len(recording), args.fps)
    video.save(path)
    ended = "" if recording.over else ", not to the end"
    steps = count(len(recording), "{n} step", "{n} steps")
    tell(
        f"{path}: {steps} of {recording.game}{ended}, return {recording.rewards.sum():g}; "
        f"{len(video) / video.fps:.1f} s, {path.stat().st_size / 1e6:.1f} MB"
    )
    return 0


def load_to_play(path):
    """The agent with a small replay memory, because only learning needs a large one: DQN 2015's takes 7 GB."""
    settings = read(path)["settings"]
    smaller = {"num_envs": 1, "learning_starts": 0}
    smaller |= {"replay_size": min(10_000, settings.get("replay_size", 0))}
    if not usable(settings.get("device", "auto")):
        print(f"{path} was saved on {settings['device']!r}, which is not here; it plays on the CPU.", file=sys.stderr)
        smaller["device"] = "cpu"
    return load(path, **{name: value for name, value in smaller.items() if name in settings})


# cluster ----------------------------------------------------------------------------------------------------


def run_cluster(args):
    from rlkit.running import nodes  # needs Ray, which is an extra, as soon as it is used
    from rlkit.running.cluster import check_address, connected, modules_of

    check_address(args.address)
    modules = []
    if args.env is not None:
        Envs(args.env, num_envs=1, seed=0)  # what does not work here works nowhere
        modules = modules_of(args.env)
    if args.address == "local":
        tell("Starting Ray on this machine.")
    with connected(args.address, modules=modules):
        found = nodes.examine(args.env)
    faults, warnings = nodes.judge(found, nodes.here())
    workers = nodes.room(found)
    tell("\n".join(nodes.table(found)))
    for sentence in warnings:
        tell(f"Warning. {sentence}")
    for sentence in faults:
        tell(f"Does not fit. {sentence}")
    if not faults:
        tell(count(workers, "Fits: room for {n} worker, with one core, and one core for the parameters.",
                   "Fits: room for {n} workers, one on each core, and one core for the parameters."))  # fmt: skip
    return FAILED if faults else 0


# The command line -------------------------------------------------------------------------------------------


def parse(arguments):
    """The values of a command's words. Raises ValueError, in one sentence, for a word that means nothing."""
    top, commands = parsers()
    first = arguments[0] if arguments else ""
    if first in ("", "-h", "--help"):
        top.parse_args(arguments)
        raise ValueError(f"Name a command: {', '.join(commands)}; see `{top.prog} --help`.")
    if first not in commands:
        raise ValueError(f"There is no command {first!r}; {nearest(first, commands)} See `{top.prog} --help`.")
    args = commands[first].parse(arguments[1:], settings=SETTINGS if first == "train" else ())
    if getattr(args, "help", False):
        print(explain(commands[first], args))
        sys.exit(0)
    return args


def parsers():
    """The parser of `python -m rlkit`, and that of each of its commands by its name."""
    top = Parser("python -m rlkit", description=__doc__)
    commands = top.add_subparsers(metavar="train | eval | watch | cluster")

    train_command = commands.add_parser("train", add_help=False, help="let an agent learn")
    add = train_command.add_argument
    add("algorithm", nargs="?", help=" or ".join(ALGORITHMS))
    add("--preset", metavar="NAME", help="one of the presets below, instead of an algorithm's defaults")
    add("--resume", metavar="FILE",
        help="continue this checkpoint's run: exactly, if it plays Gymnasium's classic control; otherwise with new "
        "episodes and an empty replay memory")  # fmt: skip
    add("--env", metavar="ID", help="an id of Gymnasium, such as ALE/Pong-v5")
    add("--seed", type=whole, metavar="N", help="of the agent and its environments (default: 0)")
    add("--set", dest="settings", metavar="NAME=VALUE", nargs="+", action="extend", type=setting, default=[],
        help="other settings, as in --set double=True hidden=256,")  # fmt: skip
    add("--steps", type=whole, metavar="N", default=1_000_000, help="total (default: 1_000_000)")
    add("--stop-at", type=real, metavar="SCORE", help="stop when the last 20 returns average this")
    add("--minutes", type=real, metavar="N", help="stop after this many minutes")
    add("--out", metavar="FILE", help="a name.pt (default: the resumed file, or one in runs/)")
    add("--small", action="store_true", help="at the end, save only what the agent needs to act")
    add("--threads", **THREADS)
    add("-h", "--help", action="store_true", help="show this; after an algorithm or a preset, its settings")

    eval_command = commands.add_parser("eval", help="the returns of greedy episodes")
    add = eval_command.add_argument
    add("file", metavar="CHECKPOINT", help="a .pt that `train` has written")
    add("--episodes", type=whole, metavar="N", default=30, help="(default: %(default)s)")
    add("--seed", type=whole, metavar="N", default=1_000_000, help="of the first episode (default: %(default)s)")
    add("--threads", **THREADS)

    watch_command = commands.add_parser("watch", help="a video of one greedy episode")
    add = watch_command.add_argument
    add("file", metavar="CHECKPOINT", help="a .pt that `train` has written")
    add("--out", metavar="FILE", help=".gif, .webp or animated .png (default: a GIF in this folder)")
    add("--seed", type=whole, metavar="N", default=1_000_000, help="of the episode (default: %(default)s)")
    add("--steps", type=whole, metavar="N", default=2_000, help="at most this many actions (default: %(default)s)")
    add("--fps", type=real, metavar="N", help="frames a second (default: the speed of the environment)")
    add("--threads", **THREADS)

    cluster_command = commands.add_parser("cluster", help="are the nodes of a Ray cluster ready for a run?")
    add = cluster_command.add_argument
    add("address", metavar="ADDRESS", help="auto, host:port or ray://host:port, or local: Ray on this machine")
    add("--env", metavar="ID", help="an environment that every node is to make, such as my_env:MyEnv-v0")
    add("--threads", **THREADS)

    does = {train_command: run_train, eval_command: run_eval, watch_command: run_watch, cluster_command: run_cluster}
    for command, do in does.items():
        command.set_defaults(run=do)
    return top, {"train": train_command, "eval": eval_command, "watch": watch_command, "cluster": cluster_command}


THREADS = dict(type=whole, metavar="N", default=1, help="for torch and the emulator (default: %(default)s)")
SETTINGS = {field.name for algorithm in ALGORITHMS.values() for field in dataclasses.fields(algorithm) if field.init}
INTRODUCTION = """
Let an agent learn. Ctrl-C finishes the iteration, saves the agent and stops; a second Ctrl-C does not wait for the
iteration. Continue with --resume.
"""


def explain(command, args):
    """The help of `train`: for one algorithm or preset its settings, otherwise the options and the presets."""
    if args.preset is not None:
        check_preset(args.preset)
        make = PRESETS[args.preset]
        algorithm = make.__annotations__["return"]
        return f"{args.preset}: {inspect.cleandoc(make.__doc__)}\n\n{settings_of(algorithm)}"
    if args.algorithm is not None:
        return settings_of(algorithm_called(args.algorithm))
    width = max(map(len, PRESETS)) + 2
    what = {name: re.split(r"[:;] |(?<!al)\. ", make.__doc__.splitlines()[0])[0] for name, make in PRESETS.items()}
    presets = [f"  {name:{width}}{what[name].rstrip('.')}" for name in PRESETS]
    more = f"settings: `{command.prog} dqn --help` for an algorithm, `{command.prog} --preset NAME --help` for a preset"
    parts = [command.format_help(), "presets:", *presets, "", more]
    usage, _, rest = "\n".join(parts).partition("\n\n")
    return f"{usage}\n\n{textwrap.fill(INTRODUCTION.strip(), 80)}\n\n{rest}"


def settings_of(algorithm):
    """The settings of an algorithm, their defaults, and what its file says beside them."""
    comments = dict(re.findall(r"^    (\w+): [^\n#]*  # (.*)$", inspect.getsource(algorithm), re.MULTILINE))
    fields = [field for field in dataclasses.fields(algorithm) if field.init]
    shown = {field.name: f"{field.name}={short(field.default)}" for field in fields}
    width = max(map(len, shown.values())) + 2
    lines = [f"  {text:{width}}{comments.get(name, '')}".rstrip() for name, text in shown.items()]
    return "\n".join([f"settings of {algorithm.__name__} and their defaults, for --set NAME=VALUE:", *lines])


def short(value):
    """A default as text: 1e-08, 0.00667, (64, 64)."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run(main)
