"""Two settings over the same seeds: trained side by side on worker processes, or one after the other in this one.

Every run takes the same number of steps. Then the weights are frozen, and the greedy policy plays ten whole episodes:
their mean return is the score of the run. Runs take turns: seed 0 of both settings, then seed 1 of both, and so on. So
a comparison that is interrupted is fair: it uses the seeds that both settings have finished.
"""

import inspect
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, is_dataclass
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from rlkit.envs import Envs
from rlkit.experiments.curves import greedy_score
from rlkit.running.cores import MEMORY, processes
from rlkit.running.importable import bytes_for_a_worker, check_known_everywhere
from rlkit.running.kinds import Count, read
from rlkit.running.messages import brief
from rlkit.running.result import Result, watch
from rlkit.running.workers import supervise
from rlkit.training import check_agent, check_whole

MOST_SEEDS, MOST_STEPS = 100, 1_000_000_000  # of one comparison; more of either is a slip of the keyboard
POINTS = 60  # of a curve
PAUSE = 0.3  # seconds between two reports of a run


class Report(NamedTuple):
    """How far a run is."""

    name: str  # of its setting
    seed: int
    steps: np.ndarray  # `[P]`, those of the curve's points that are reached
    returns: np.ndarray  # `[P]`, the mean of the last 20 training episodes there
    score: float | None = None  # the greedy policy's mean return after training; None before


class SideBySide:
    """Two settings, the seeds, and what has been reported of their runs.

    `settings` maps two names to an agent, whose fields are the setting, or to a function from a seed to an agent.
    `runs` maps each name to {seed: its last Report}. `here` says why the runs are made in this process; it is empty if
    `processes` workers make them. `games` are the names of the environments that the two play. Raises ValueError, in
    one sentence, for what cannot be compared.
    """

    def __init__(self, settings, seeds, total_steps):
        self.total_steps = checked_steps(total_steps)
        self.seeds = range(checked_seeds(seeds))
        self.makers = {name: maker(setting) for name, setting in named(settings).items()}
        self.names = [*self.makers]
        agents = [first_agent(name, make) for name, make in self.makers.items()]
        self.here = next(filter(None, map(reason_to_stay, self.makers.values(), agents)), "")
        self.games = [agent.envs.name for agent in agents]
        self.memory = MEMORY + max(map(memory_of_replay, agents))  # bytes of a worker
        self.processes = processes(2 * seeds, self.memory)
        self.clear()

    def clear(self):
        """Forget all runs."""
        self.runs = {name: {} for name in self.names}

    def train(self):
        """Make the runs that are not finished -> iterator of Report, or of None if there is nothing to report.

        It comes back many times a second, so that the caller can stop it at any time: nothing is left behind then.
        """
        jobs = []
        for seed in self.seeds:
            for name in self.names:
                if seed not in self.finished(name):
                    self.runs[name].pop(seed, None)  # it begins again
                    jobs.append((name, self.makers[name], seed, self.total_steps))
        with closing(self.here_or_by_workers(jobs)) as reports:
            for report in reports:
                if report is not None:
                    self.runs[report.name][report.seed] = report
                yield report

    def here_or_by_workers(self, jobs):
        """The reports of these runs, whoever makes them."""
        if self.here:
            return (report for job in jobs for report in one_run(*job))
        number = self.processes = processes(len(jobs), self.memory)  # memory may have become scarce since
        taken = multiprocessing.get_context("spawn").Value("i", 0)
        return supervise(take_turns, [(taken, jobs)] * number, idle=0.05)

    def reports(self, name):
        """The last reports of the runs of a setting that have begun, by seed -> list of Report."""
        return [*filter(None, map(self.runs[name].get, self.seeds))]

    def finished(self, name):
        """The seeds that a setting has finished -> list."""
        return [report.seed for report in self.reports(name) if report.score is not None]

    def both(self):
        """The seeds that both settings have finished -> list."""
        one, other = map(self.finished, self.names)
        return [seed for seed in one if seed in other]

    def whole(self):
        """Are all runs finished?"""
        return len(self.both()) == len(self.seeds)

    def scores(self, name):
        """The scores of the seeds that both settings have finished: `[K]`."""
        return np.array([self.runs[name][seed].score for seed in self.both()])

    def curves(self, name):
        """The curves of the seeds that both settings have finished: `[K, P]`."""
        return np.array([self.runs[name][seed].returns for seed in self.both()])


# Settings -------------------------------------------------------------------------------------------------------------


def checked_steps(total_steps):
    """The steps of a run as an int. Raises ValueError for what is no such number."""
    try:
        if (steps := read(Count, total_steps)) <= MOST_STEPS:
            return steps
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"total_steps={brief(total_steps)} must be a whole number from 1 to {MOST_STEPS:_}.")


def checked_seeds(seeds):
    """How many seeds. Raises ValueError for what is no such number."""
    check_whole(seeds=seeds)
    if seeds > MOST_SEEDS:
        raise ValueError(f"seeds={brief(seeds)} is too many; ask for {MOST_SEEDS} at most.")
    return seeds


def named(settings):
    """Two settings by names that can be shown -> dict. Raises ValueError for anything else."""
    if not isinstance(settings, dict) or len(settings) != 2:
        what = f"has {len(settings)} of them" if isinstance(settings, dict) else "is no dict"
        raise ValueError(
            f"Two settings are compared, and settings={brief(settings)} {what}; write "
            "{'C = 16': an agent, 'C = 4': another one}."
        )
    names = {" ".join(str(name).split()): setting for name, setting in settings.items()}
    for name in names:
        if not (name and name.isprintable()):
            raise ValueError(f"The name {brief(name)} of a setting cannot be shown; take one of printable letters.")
    if len(names) < 2:
        raise ValueError(f"Both settings are called {brief(*names)}; give them two names.")
    return names


def maker(setting):
    """What makes the agent of a seed -> a function of the seed. Raises ValueError for what is no setting."""
    if callable(setting) and not hasattr(setting, "learn"):
        return setting
    check_agent(setting, "learn", "act", "envs")
    if not (is_dataclass(setting) and "seed" in (names := [field.name for field in fields(setting) if field.init])):
        raise ValueError(
            f"{type(setting).__name__} has no field `seed` to change; make it a dataclass with that field, or give a "
            "function from a seed to an agent."
        )
    return partial(again, type(setting), {name: getattr(setting, name) for name in names})


def again(kind, settings, seed):
    """An agent with these settings and another seed."""
    return kind(**settings | {"seed": seed})


def identity(make):
    """The class of an agent and all its fields but the seed, as text; "" for a function from a seed to an agent."""
    if getattr(make, "func", None) is not again:
        return ""
    kind, settings = make.args
    return f"{kind.__module__}.{kind.__qualname__} {sorted((settings | {'seed': None}).items())}"


def first_agent(name, make):
    """The agent of seed 0. Raises ValueError for what makes no agents, or the same one for every seed."""
    try:
        inspect.signature(make).bind(0)
    except TypeError:
        raise ValueError(f"The function for {name!r} must take a seed; write lambda seed: DQN(seed=seed).") from None
    except ValueError:  # some built-in functions do not tell what they take
        pass
    agent = make(0)
    check_agent(agent, "learn", "act", "envs")
    if not isinstance(agent.envs, Envs):
        raise ValueError(f"The envs of {name!r} are {brief(agent.envs)}; they must be made by rlkit.envs.Envs.")
    if identity(make):
        return agent
    other = make(1)
    if other is agent or getattr(other, "seed", 1) == getattr(agent, "seed", 0):
        raise ValueError(
            f"The function for {name!r} makes the same agent for the seeds 0 and 1; let it make a new one, with that "
            "seed: lambda seed: DQN(seed=seed)."
        )
    return agent


def reason_to_stay(make, agent):
    """Why workers cannot make the runs of a setting -> a sentence, or "". `agent` is one that it has made."""
    if hasattr(agent, "num_workers"):
        return f"{type(agent).__name__} starts worker processes of its own."
    try:
        bytes_for_a_worker(make)
        check_known_everywhere(agent.envs.name)
    except ValueError as error:
        return str(error)
    return ""


def memory_of_replay(agent):
    """How many bytes the replay memory of an agent takes when it is full -> int."""
    parts = vars(getattr(agent, "replay", SimpleNamespace())).values()
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


# One run --------------------------------------------------------------------------------------------------------------


def take_turns(send, taken, jobs):
    """What a worker does: one run after the other, each time the first that no worker has `taken`."""
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value += 1
        if number >= len(jobs):
            return
        for report in one_run(*jobs[number]):
            if report is not None:
                send(report)


def one_run(name, make, seed, total_steps) -> Iterator[Report | None]:
    """Train one agent and test it. Yields a Report now and then, None after other iterations, and last the score.

    Raises RuntimeError if anything goes wrong, with the name and the seed of the run.
    """
    points, result, due = np.linspace(0, total_steps, POINTS).astype(int), Result(), 0.0
    try:
        yield Report(name, seed, points[:0], np.zeros(0))
        agent = make(seed)
        for _ in watch(agent, total_steps, result):
            if time.monotonic() > due:
                due = time.monotonic() + PAUSE
                yield Report(name, seed, *curve(result, points[points <= result.step]))
            else:
                yield None
        if not result.returns:
            raise ValueError(f"total_steps={total_steps} is too few: no episode has ended by then; take more.")
        yield Report(name, seed, *curve(result, points), greedy_score(agent, seed))
    except Exception as error:
        what = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise RuntimeError(f"{name}, seed {seed}: {what}") from error


def curve(result, points):
    """The curve of a run at some points -> steps and returns, which are NaN if no episode has ended."""
    return points, result.means_at(points) if result.returns else np.full(len(points), np.nan)
