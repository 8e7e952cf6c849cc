"""θ on a cluster: parameter actors hold it, workers reach it by messages, and the driver keeps a copy.

The driver is the process that called `learn`. An actor holds the same object as one machine's shared memory, or a part
of it (`Part`), or a whole Gorila (`Whole`). Here are the messages.

A pull and a push are one round trip each. As A3C's workers pull right after they have pushed, the answer to a push
brings the new θ, and one round trip does for both.
"""

import struct
import time
import warnings
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from rlkit.running.messages import reason
from rlkit.running.state import agent_state, on_cpu, restore_agent
from rlkit.running.workers import WorkerError

STARTUP = 300.0  # seconds that an actor has to start: its node may be busy, and has to unpack and import first
AWAY = 0.2  # seconds until one asks again who got no answer, because an actor is being restarted
COPY = 0.5  # seconds between two copies for the driver, at least
COPIED = 20e6  # bytes a second that they take of the network, at most
LAST = 10.0  # seconds that the last copy may take, besides those that it travels
LATE = 1.0  # seconds; when a copy is later than that, workers may be waiting, too
PUSH, ANSWER = "<4qd", "<2q"  # rank, number, steps, version read, learning rate; version, T
LARGE = 2**20  # bytes

# Messages ---------------------------------------------------------------------------------------------------------


def packed(form, numbers, array):
    """A message: numbers as `form` of `struct` has them, then an array of float32, if it is not large.

    Ray hands bytes on as they are and pickles all else, which takes a third of the time of a small message. A large
    one is read where it lies, if it is an array; of bytes there would be one more copy.
    """
    return (numbers, array) if array.nbytes > LARGE else b"".join([struct.pack(form, *numbers), array.data])


def unpacked(form, message):
    """-> numbers, array; None of None."""
    if not isinstance(message, bytes):
        return message
    return struct.unpack_from(form, message), np.frombuffer(message, np.float32, offset=struct.calcsize(form))


# In an actor ------------------------------------------------------------------------------------------------------


class Parameters:
    """A parameter actor. It deals with one message after the other, in the order of their arrival.

    Ray restarts an actor that was lost, and what it held is lost with it. So one that starts holds nothing, and answers
    None until the driver has given it the latest copy.
    """

    def __init__(self):
        torch.set_num_threads(1)
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # Ray's; it is only read
        self.held, self.pushes = None, {}  # pushes: rank of a worker -> the number of its last push

    def restore(self, held, pushes):
        """Hold this from now on, unless there is something already: the driver may say it twice."""
        if self.held is None:
            self.held, self.pushes = held, dict(pushes)

    def push(self, message):
        """Apply a push, unless it was applied before: a worker that got no answer sends it again."""
        if self.held is None:
            return None
        (rank, number, *numbers), gradient = unpacked(PUSH, message)
        if number > self.pushes.get(rank, 0):
            self.pushes[rank] = number
            self.held.push(rank, gradient, *numbers)
        return packed(ANSWER, *self.held.pull())

    def call(self, method, *content):
        """Whatever else `held` can do."""
        return self.held and getattr(self.held, method)(*content)

    def snapshot(self):
        """All that is needed to go on from here: what is held, and the numbers of the last pushes."""
        return self.held and (self.held.snapshot(), self.pushes)


class Part:
    """A part of A3C's θ with its statistics and the counts: views of `shared`, a `SharedMemory`, or a copy of them."""

    def __init__(self, shared, where):
        self.shared = shared.part(where)
        self.nbytes = sum(tensor.nbytes for tensor in self.shared.tensors())

    def pull(self):
        """(the version of θ, T), θ. T are the steps of all workers."""
        return (self.shared.version, self.shared.T), self.shared.theta.numpy()

    def push(self, rank, gradient, steps, version_read, learning_rate):
        self.shared.count(rank, steps)
        self.shared.push(rank, torch.from_numpy(gradient), version_read, learning_rate)

    def snapshot(self):
        return [tensor.numpy() for tensor in self.shared.tensors()]

    def take(self, snapshot):
        """Become what another one was. As this holds views of the driver's memory, that changes, too.

        All parts of θ share the driver's counts. After a loss one part lags behind; what was counted stays counted.
        """
        counts = self.shared.steps, self.shared.updates
        before = [count.clone() for count in counts]
        for ours, theirs in zip(self.shared.tensors(), snapshot, strict=True):
            ours.copy_(torch.tensor(theirs))
        for count, earlier in zip(counts, before):
            torch.maximum(count, earlier, out=count)

    def __getstate__(self):
        return self.shared.copied()

    def __setstate__(self, shared):
        self.shared = shared


def parts_of(shared, shards):
    """Divide θ into so many parts of the same length, give or take one number -> list of `Part`."""
    length = len(shared.theta)
    ends = [length * i // shards for i in range(shards + 1)]
    return [Part(shared, slice(*pair)) for pair in pairwise(ends)]


class Updated(NamedTuple):
    """What Gorila hears of its server, if that is an actor."""

    metrics: dict  # of its last update


class Whole:
    """A whole Gorila, as its server."""

    def __init__(self, agent):
        self.agent, self.metrics = agent, None
        self.nbytes = 4 * agent.theta.nbytes  # with θ⁻ and the statistics of Adam

    def pull(self, target_version):
        """The version of θ, the steps of all workers, θ, the version of θ⁻, and θ⁻ if that is another version."""
        published, version = self.agent.shared, self.agent.server.num_updates
        newest = version // self.agent.target_period
        theta_target = None if newest == target_version else published.theta_target.numpy()
        return version, self.agent.step, published.theta.numpy(), newest, theta_target

    def push(self, gradient):
        self.metrics = self.agent.update(gradient)

    def set_step(self, step):
        self.agent.step = step

    def snapshot(self):
        return on_cpu(agent_state(self.agent), {}), self.agent.staleness, self.agent.num_dropped, self.metrics

    def take(self, snapshot):
        """Let our agent become like the other one -> `Updated`, if it updated. The driver counts the steps itself."""
        state, self.agent.staleness, self.agent.num_dropped, metrics = snapshot
        restore_agent(self.agent, state | {"step": self.agent.step})
        return metrics and Updated(metrics)


# On the way -------------------------------------------------------------------------------------------------------


def gone():
    """The errors of an answer that was lost: together with its actor, or with the node that kept it."""
    from ray.exceptions import ObjectLostError, RayActorError

    return RayActorError, ObjectLostError


@contextmanager
def told_if_unpicklable():
    """Raise ValueError, in one sentence, if what is sent meanwhile cannot be pickled."""
    try:
        yield
    except TypeError as error:
        said = reason(error.__cause__ or error).rstrip(".")
        raise ValueError(
            f"A worker cannot be given this: {said}. Let the function that makes the environment make it, too."
        ) from error


# In the driver ----------------------------------------------------------------------------------------------------


class Server:
    """The parameter actors, each with one of `parts`. Sent to a worker, it becomes a `reach`, a `Remote`."""

    def __init__(self, parts, reach, gradients_per_push=1):
        pause = max(COPY, sum(part.nbytes for part in parts) / COPIED)
        self.keepers = [Keeper(part, pause) for part in parts]
        self.reach, self.gradients_per_push, self.told = reach, gradients_per_push, 0.0

    @property
    def actors(self):
        return [keeper.actor for keeper in self.keepers]

    def start(self, places):
        """Start the actors -> what can be waited for."""
        return [keeper.start(place) for keeper, place in zip(self.keepers, places, strict=True)]

    def publish_step(self, step):
        """Tell Gorila's server how many steps the workers have taken, ten times a second."""
        if time.monotonic() - self.told > 0.1:
            self.told = time.monotonic()
            self.actors[0].call.remote("set_step", step)

    def release(self):
        """There is no lock that a lost worker could hold."""

    def poll(self, passed, patience):
        """Keep our copies new -> what `Part.take` or `Whole.take` said of the first one, if it came, or None.

        `passed`: seconds in which we listened since the last call. See `Keeper.poll`.
        """
        return [keeper.poll(passed, patience) for keeper in self.keepers][0]

    def answers(self):
        """Do all actors answer? As long as one does not, no worker can go on."""
        return all(keeper.lost is None and keeper.silence < keeper.pause + LATE for keeper in self.keepers)

    def end(self):
        """Take the last copies, and end the actors, unless that was done."""
        try:
            deadline = time.monotonic() + LAST + sum(keeper.part.nbytes for keeper in self.keepers) / COPIED
            there = [keeper for keeper in self.keepers if keeper.actor is not None]
            polled = [keeper for keeper in there if keeper.polled and keeper.lost is None]
            for keeper in polled:
                keeper.ask()
            for keeper in polled:
                keeper.take(max(0.0, deadline - time.monotonic()))
            late = [time.monotonic() - keeper.taken for keeper in polled if keeper.answer is not None]
            if late:
                warnings.warn(
                    f"A parameter actor did not answer at the end: the last {max(late):.1f} s of learning are lost.",
                    stacklevel=2,
                )
        finally:
            for keeper in self.keepers:
                keeper.end()

    def __reduce__(self):
        return self.reach, (self.actors, self.gradients_per_push)


class Keeper:
    """A parameter actor, as the driver sees it, and our copy of what it holds: `part` and the numbers of its pushes."""

    def __init__(self, part, pause):
        self.part, self.pushes, self.pause, self.actor = part, {}, pause, None  # pause: seconds between two copies
        self.answer, self.due, self.taken = None, 0.0, 0.0  # answer: a copy that is on its way
        self.polled, self.silence, self.lost = False, 0.0, None  # seconds since its last copy; how it was lost

    def start(self, place):
        """Start the actor -> what can be waited for."""
        import ray

        self.actor = ray.remote(Parameters).options(max_restarts=-1, **place).remote()
        self.taken = time.monotonic()
        return self.restore()

    def restore(self):
        with told_if_unpicklable():
            return self.actor.restore.remote(self.part, self.pushes)

    def ask(self):
        pause = AWAY if self.lost else self.pause
        self.answer, self.due = self.actor.snapshot.remote(), time.monotonic() + pause

    def poll(self, passed, patience):
        """Take the copy that has arrived -> as `take`. Ask for the next one when it is due.

        An actor that was lost gets our copy when Ray has restarted it. One that does not answer for `patience` seconds
        was stopped, and is ended. Raises WorkerError if a lost one does not come back.
        """
        import ray

        self.polled, self.silence = True, self.silence + passed
        updated = self.take(0.0)
        if self.lost is None and self.silence > self.pause + patience:
            self.lose(f"did not answer for {patience:g} s")
            ray.kill(self.actor, no_restart=False)
        if self.lost and self.silence > STARTUP:
            raise WorkerError(
                f"A parameter actor {self.lost} and could not be restarted within {STARTUP:.0f} s; look whether the "
                "cluster still has a free core, and go on from the last copy by calling learn or train again."
            )
        if self.answer is None and time.monotonic() > self.due:
            self.ask()
        return updated

    def take(self, timeout):
        """Take the copy that arrives within `timeout` seconds -> `Updated` if it is new to Gorila, or None."""
        import ray

        if self.answer is None or not ray.wait([self.answer], timeout=timeout)[0]:
            return None
        answer, self.answer = self.answer, None
        try:
            copy = ray.get(answer)
        except gone():
            copy = None
        if copy is None:  # it is gone, or it is new and holds nothing
            if self.lost is None:
                self.lose("was lost")
            self.restore()
            return None
        held, self.pushes = copy
        self.silence, self.lost, self.taken = 0.0, None, time.monotonic()
        return self.part.take(held)

    def lose(self, how):
        """Say once that the actor is away. Ray starts it again."""
        age = time.monotonic() - self.taken
        warnings.warn(f"A parameter actor {how}. It goes on from a copy that is {age:.1f} s old.", stacklevel=2)
        self.lost, self.silence, self.answer, self.due = how, 0.0, None, time.monotonic() + AWAY

    def end(self):
        if self.actor is not None:
            import ray

            ray.kill(self.actor)
            self.actor = None


# In a worker ------------------------------------------------------------------------------------------------------


class Remote:
    """How a worker reaches the parameter actors."""

    now = staticmethod(time.time)  # the same for all machines, as far as their clocks agree

    def __init__(self, actors, gradients_per_push):
        self.actors, self.gradients_per_push = actors, gradients_per_push

    def ask(self, question):
        """`question(actor, i)` for each -> their answers. An actor that is being restarted is asked again."""
        import ray

        answers, lost = [None] * len(self.actors), gone()
        while True:
            asked = [(i, question(actor, i)) for i, actor in enumerate(self.actors) if answers[i] is None]
            for i, answer in asked:
                with suppress(*lost):
                    answers[i] = ray.get(answer)
            if all(answer is not None for answer in answers):
                return answers
            time.sleep(AWAY)


class RemoteMemory(Remote):
    """For a worker of A3C: what `SharedMemory` is on one machine. Each actor holds a part of θ."""

    def join(self):
        self.number = self.uncounted = 0  # of the last push; steps that no push has reported yet
        self.hear(self.ask(lambda actor, i: actor.call.remote("pull")))

    def hear(self, answers):
        """What the actors say: (the version of θ, T), θ."""
        counts, self.theta = zip(*answers, strict=True)
        self.version, self.T = counts[0]
        self.sizes = [len(part) for part in self.theta]

    def pull(self, theta):
        """Copy θ into `theta` -> its version. The last answer brought it."""
        for ours, theirs in zip(theta.split(self.sizes), self.theta, strict=True):
            ours.copy_(torch.from_numpy(theirs))
        return self.version

    def count(self, rank, steps):
        """Add to the steps of worker `rank` -> T, as far as it is known here. They are sent with the next push."""
        self.uncounted += steps
        self.T += steps
        return self.T

    def push(self, rank, gradient, version_read, learning_rate):
        """Update θ with a gradient -> the version that it was added to."""
        self.number += 1
        numbers = rank, self.number, self.uncounted, version_read, learning_rate
        messages = [packed(PUSH, numbers, part.numpy()) for part in gradient.split(self.sizes)]
        answers = self.ask(lambda actor, i: actor.push.remote(messages[i]))
        self.hear([unpacked(ANSWER, answer) for answer in answers])
        self.uncounted = 0
        return self.version - 1


class RemotePublished(Remote):
    """For a worker of Gorila: what `Published` is on one machine."""

    def join(self):
        self.target_version, self.pushed = None, None

    def pull(self, theta, theta_target):
        """θ' ← θ and θ'⁻ ← θ⁻ -> the version of θ, and the steps of all workers."""
        (answer,) = self.ask(lambda actor, i: actor.call.remote("pull", self.target_version))
        version, step, new_theta, self.target_version, new_target = answer
        theta.copy_(torch.from_numpy(new_theta))
        if new_target is not None:
            theta_target.copy_(torch.from_numpy(new_target))
        return version, step

    def push(self, gradient, send):
        """Send a gradient. One may be on its way; a second one waits until it has arrived.

        One that is lost with its actor is not sent again.
        """
        import ray

        if self.pushed is not None:
            try:
                ray.get(self.pushed)
            except gone():
                time.sleep(AWAY)
        self.pushed = self.actors[0].call.remote("push", gradient)
