"""One learner at a time: two threads that learn with one agent corrupt it, or kill the process.

There is no lock, because an interrupt could leave it locked. An agent is busy as long as there is an unfinished
generator of its `learn` in a living thread, and Python itself knows that.
"""

import functools
import threading
import weakref
from operator import attrgetter

from rlkit.running.messages import agent_name
from rlkit.running.settings import Changes


def one_learner(learn):
    """Decorates the `learn` of an agent: only one of its generators goes on at a time.

    A second one in another thread is refused. A second one in the same thread takes over, because a loop that was left
    with `break` leaves its generator unfinished. If the last iteration was broken off by an exception or an interrupt,
    `mend` is called before the first one. Raises ValueError if a setting has been changed to what it cannot be, if the
    agent is learning in another thread, or if a newer generator has taken over.
    """

    @functools.wraps(learn)
    def learn_alone(agent, total_steps):
        settings = Changes(agent)
        settings.check()  # they were right when it was made, but may have been changed since
        learner = learn(agent, total_steps)
        learning = vars(agent).setdefault("learning", Learning())  # in one step, if two threads come at once
        learning.claim(agent, learner)
        if learning.torn:
            mend(agent)
        learning.torn = True  # until the iteration is complete, wherever an interrupt strikes
        for progress in learner:
            learning.torn = False
            yield progress
            if learner.gi_frame is None:  # closed by `claim`
                raise ValueError(f"A newer call of learn has taken over {agent_name(agent)}; go on with that one.")
            settings.check()
            learning.torn = True
        learning.torn = False

    return learn_alone


def mend(agent):
    """Begin new episodes: the last iteration was broken off, so its environments may be ahead of what the agent kept.

    A replay is cut, and what an agent carries from step to step starts from 0. Episodes that are finished stay to be
    reported, and all steps count. The seed is drawn, so no episodes repeat.
    """
    if not hasattr(agent, "saved_to_play_on"):
        return  # its workers begin new episodes in each `learn`
    agent.step = agent.envs.steps = max(agent.step, agent.envs.steps)
    agent.envs.recover(int(agent.rng.integers(2**31)))
    for name in agent.saved_to_play_on:
        owner, _, attribute = name.rpartition(".")
        owner = attrgetter(owner)(agent) if owner else agent
        part = getattr(owner, attribute)
        if hasattr(part, "cut"):
            part.cut()
        elif part is not None:
            setattr(owner, attribute, 0 * part)


def check_idle(agent):
    """Raise ValueError if another thread is learning with the agent: what is saved would be half old and half new."""
    learning = getattr(agent, "learning", Learning())
    for claim, thread in learning.claims.copy().items():
        learner, here = claim(), thread is threading.current_thread()
        if learner is not None and learner.gi_frame is not None and not here and thread in threading.enumerate():
            raise ValueError(
                f"{agent_name(agent)} is learning in another thread ({thread.name}), so it cannot be saved now; stop "
                "that run first, or give it the watcher `checkpoint`."
            )


class Learning:
    """What `learn` leaves on an agent: who is learning, and whether the last iteration was broken off."""

    def __init__(self, torn=False):
        self.torn = torn
        self.claims = {}  # weak reference to a generator -> its thread. Weak, so that what is dropped is closed at once

    def claim(self, agent, learner):
        """Let `learner` be the one that goes on, and close the unfinished one of this thread, if there is one.

        Raises ValueError if one is unfinished in another thread. If two threads come at once, the first in `claims` may
        learn: adding to a dict is one step.
        """
        mine, here = weakref.ref(learner), threading.current_thread()
        self.claims[mine] = here
        for claim, thread in self.claims.copy().items():
            if claim is mine:
                return
            earlier = claim()
            if earlier is not None and earlier.gi_frame is not None:
                # Not `is_alive`: on Python 3.11 an interrupted `join` marks a living thread as dead.
                if earlier.gi_running or (thread is not here and thread in threading.enumerate()):
                    del self.claims[mine]
                    raise ValueError(
                        f"{agent_name(agent)} is already learning in another thread ({thread.name}); stop that run "
                        "first, or make a second agent."
                    )
                earlier.close()
            self.claims.pop(claim, None)

    def __reduce__(self):
        """A copy of the agent is not learning, but its last iteration is as broken off as the original's."""
        return Learning, (self.torn,)
