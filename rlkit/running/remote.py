"""Workers on the nodes of a Ray cluster: what `rlkit.running.workers` does with the processes of one machine.

A worker is an actor. The work runs in a thread of it, and what that sends waits until the driver asks for it. The
driver asks again and again, and each answer comes within half a second. So it notices a worker that was stopped, which
Ray does not report.
"""

import math
import queue
import re
import sys
import threading
import time
import traceback
from contextlib import ExitStack, suppress

import torch

from rlkit.language import count
from rlkit.running.cluster import connect, leave, modules_of, require_cores
from rlkit.running.parameters import STARTUP, Server, told_if_unpicklable
from rlkit.running.terminal import tell
from rlkit.running.workers import GRACE, NO_ANSWER, WorkerError, in_words, interrupts_later

ANSWER = 0.5  # seconds within which a worker answers, even if there is nothing to tell
GATHER = 0.1  # seconds in which it gathers what is sent, so that there are few messages
WORD = 3.0  # seconds that are waited for cores without a word
UNHEARD = 1_000  # messages; then the work waits until the driver listens

# In a worker ------------------------------------------------------------------------------------------------------


class Work:
    """What a worker actor does."""

    def __init__(self):
        torch.set_num_threads(1)
        self.sent, self.thread = queue.Queue(UNHEARD), None

    def begin(self, work, job):
        """Run `work(send, *job)` in a thread."""
        self.thread = threading.Thread(target=self.run, args=(work, job), daemon=True)
        self.thread.start()

    def run(self, work, job):
        try:
            work(lambda content: self.sent.put(("message", content)), *job)
            self.sent.put(("done", None))
        except BaseException as error:  # also sys.exit, which an environment may call
            self.sent.put(("failure", in_words(error)))

    def listen(self):
        """What was sent since the last call: a list of ("message", "done" or "failure", content)."""
        heard = []
        with suppress(queue.Empty):
            heard.append(self.sent.get(timeout=ANSWER))
            end = time.monotonic() + GATHER
            while heard[-1][0] == "message":
                heard.append(self.sent.get(timeout=max(0.0, end - time.monotonic())))
        return heard

    def where(self):
        """Where the work is now."""
        frame = sys._current_frames().get(self.thread.ident)
        return "It was here:\n\n" + "".join(traceback.format_stack(frame, limit=6))


# In the driver ----------------------------------------------------------------------------------------------------


def on_cluster(agent, parts, reach):
    """Parameter actors that hold `parts`, and workers that reach them as a `reach` -> (shared, supervise).

    These take the place of shared memory and of `rlkit.running.workers.supervise`.
    """
    server = Server(parts, reach, getattr(agent, "gradients_per_push", 1))
    modules = () if agent.cluster == "local" else modules_of(agent.env)  # a worker of this machine finds them itself
    return server, Crew(agent.cluster, server, modules).supervise


class Crew:
    """Parameter actors and workers on the cluster at `address`. `modules` are those of the reader's environment."""

    def __init__(self, address, server, modules=()):
        self.address, self.server, self.modules = address, server, modules

    def supervise(self, work, jobs, idle=0.5, heartbeat=math.inf, go_on=False):
        """`rlkit.running.workers.supervise` on the cluster. It also yields `Updated` of Gorila's server.

        It connects first. However it ends, the actors end, and what `server` holds is then as they left it.
        """
        parts, groups, workers, clean_up = len(self.server.keepers), [], [], ExitStack()
        try:
            connection = connect(self.address, parts + len(jobs), self.modules)
            clean_up.callback(leave, connection)
            if not connection.ready.is_set():
                self.announce(len(jobs))
            while not connection.ready.wait(idle):
                yield None
            connection.check()
            what = f"num_workers={len(jobs)} and the parameters"
            require_cores(parts + len(jobs), what)
            # Two groups: to be restarted elsewhere, a lost parameter actor then needs one core, and no worker's.
            for size in (parts, len(jobs)):
                groups.append(Group(size))
                clean_up.callback(groups[-1].give_back)
            placed = [group.ready() for group in groups]
            problem = f"Other runs hold the cores that {what} need"
            yield from until(placed, idle, problem, "wait, or use fewer workers", word=WORD)
            # All start at once: a worker asks for θ until the parameter actors have it.
            clean_up.callback(self.server.end)
            given = self.server.start(groups[0].places)
            for number, (job, place) in enumerate(zip(jobs, groups[1].places, strict=True)):
                workers.append(Worker(work, job, number, place, heartbeat))
                clean_up.callback(workers[-1].end)
            yield from until(given, idle, "No parameter actor has started", "look at the state of the cluster")
            yield from listen(workers, self.server, idle, heartbeat, go_on)
            self.server.end()
            yield None  # so that the run tells of the last steps, too
        finally:
            with interrupts_later():
                clean_up.close()  # the last one first; one that fails does not keep the others from it

    def announce(self, num_workers):
        """Say why nothing happens for some seconds. A panel, whose work is in another thread, says so itself."""
        if self.address == "local" and threading.current_thread() is threading.main_thread():
            tell(count(num_workers, "Ray starts on this machine, for {n} worker: this takes some seconds.",
                       "Ray starts on this machine, for {n} workers: this takes some seconds."))  # fmt: skip


def listen(running, server, idle, heartbeat, go_on):
    """The loop of `supervise`: yield messages until all `running` workers have ended."""
    import ray

    finished = False
    while running:
        began, heard = time.monotonic(), False
        waiting = [worker.answer for worker in running]
        ray.wait(waiting, timeout=idle)
        ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        # No more than `idle`: if it took longer, this process was stopped, and perhaps the cluster, too.
        passed = min(time.monotonic() - began, idle)
        updated = server.poll(passed, heartbeat)
        if updated is not None:
            yield updated
        if not server.answers():
            passed = 0.0  # the workers wait for it
        for worker in list(running):
            worker.silence += passed
            try:
                for kind, content in worker.receive(ready):
                    heard = True
                    if kind == "message":
                        yield content
                    elif kind == "done":
                        running.remove(worker)
                        finished = True
            except WorkerError as error:
                running.remove(worker)
                worker.end()
                if not go_on or not (running or finished):
                    raise
                yield error
        if not heard:
            yield None


def until(answers, idle, problem, cure, word=math.inf):
    """Yield None until all these answers are there. After `word` seconds say once what the problem is.

    Raises WorkerError if they do not come in `STARTUP` seconds.
    """
    import ray

    began = time.monotonic()
    while ray.wait(answers, num_returns=len(answers), timeout=idle)[1]:
        waited = time.monotonic() - began
        if waited > STARTUP:
            raise WorkerError(f"{problem}, even after {STARTUP:.0f} s; {cure}.")
        if waited > word:
            tell(f"{problem}: waiting.")
            word = math.inf
        yield None
    try:
        ray.get(answers)
    except ray.exceptions.RayError as error:
        raise WorkerError(f"{problem}: {in_a_sentence(error)}") from error


class Group:
    """Cores for some actors of a run, reserved together: two runs cannot each hold half of them and wait for ever."""

    def __init__(self, num_actors):
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy as Place

        self.group = placement_group([{"CPU": 1}] * num_actors)
        self.places = [
            {"num_cpus": 1, "scheduling_strategy": Place(self.group, placement_group_bundle_index=i)}
            for i in range(num_actors)
        ]

    def ready(self):
        return self.group.ready()

    def give_back(self):
        from ray.util.placement_group import remove_placement_group

        remove_placement_group(self.group)


class Worker:
    """A worker actor, as the driver sees it."""

    def __init__(self, work, job, number, place, heartbeat):
        import ray

        self.name, self.heartbeat = f"Worker {number}", heartbeat
        self.started, self.silence = False, 0.0  # seconds since its last message
        self.actor = ray.remote(Work).options(**place).remote()
        try:
            with told_if_unpicklable():
                self.answer = self.actor.begin.remote(work, job)
        except ValueError:
            self.end()
            raise

    def receive(self, ready):
        """Its next messages: ("message" or "done", content). Raises WorkerError if none will come."""
        import ray

        messages = []
        if self.answer in ready:
            try:
                messages = ray.get(self.answer) or []
            except ray.exceptions.RayActorError as error:
                raise WorkerError(f"{self.name} was lost {how_it_was_lost(error)}") from None
            except ray.exceptions.RayError as error:
                raise WorkerError(f"{self.name} failed: {in_a_sentence(error)}") from None
            self.answer = self.actor.listen.remote()
        for kind, content in messages:
            self.started, self.silence = True, 0.0
            if kind == "failure":
                raise WorkerError(f"{self.name} failed: {content}")
            yield kind, content
        limit = self.heartbeat if self.started else max(STARTUP, self.heartbeat)
        if self.silence > limit:
            raise WorkerError(f"{self.hangs(limit)} {self.where()}")

    def hangs(self, limit):
        if self.started:
            return (
                f"{self.name} hangs: it sent nothing for {limit:g} s and was ended. If a step of its environment "
                "takes that long, use a larger heartbeat."
            )
        return (
            f"{self.name} did not start within {limit:.0f} s and was ended. Its imports, and making and resetting its "
            "environment, must not take that long."
        )

    def where(self):
        import ray

        with suppress(ray.exceptions.RayError):
            return ray.get(self.actor.where.remote(), timeout=ANSWER + 2 * GRACE)
        return NO_ANSWER

    def end(self):
        import ray

        ray.kill(self.actor)


def how_it_was_lost(error):
    """What Ray's error says of an actor that is gone, and what may help."""
    said = str(error)
    if "unavailable" in said or "node has died" in said:
        return "when its node or the network failed; look at that machine, or go on by calling learn or train again."
    node = re.search(r"ip: (\S+)", said)
    where = f" on node {node[1]}" if node else ""
    return f"because its process{where} was killed, crashed or called os._exit; if memory ran out, use fewer workers."


def in_a_sentence(error):
    """What an error of Ray says, without its traceback and its advice."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    said = (lines[0] if lines else type(cause).__name__).removeprefix("System error: ").rstrip(".")
    if "No module named" in said:
        return f"a node cannot import what it needs: {said}; install it on every node, or put it beside rlkit there."
    return said + "."
