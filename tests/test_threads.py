"""Two threads and one agent: a second learner is refused, an abandoned one gives way, and nothing stays locked."""

import contextlib
import copy
import gc
import inspect
import pickle
import signal
import threading

import numpy as np
import pytest
import torch

from rlkit import A2C, A3C, DQN, PPO, REINFORCE, TRPO, save
from rlkit.gorila import Gorila
from rlkit.running.learning import one_learner

AGENTS = (DQN, Gorila, REINFORCE, TRPO, PPO, A2C, A3C)


@contextlib.contextmanager
def in_another_thread(work):
    """A context in which a thread has called `work()` and lives on until the end -> a list of what it raised."""
    done, leave, errors = threading.Event(), threading.Event(), []

    def run():
        try:
            work()
        except Exception as error:
            errors.append(error)
        done.set()
        leave.wait(60)

    thread = threading.Thread(target=run, name="another")
    thread.start()
    assert done.wait(60)
    yield errors
    leave.set()
    thread.join()
    assert errors == []


class Idle:
    """Its iterations take no time, so nearly all of it is the guard's."""

    env = "nothing"

    @one_learner
    def learn(self, total_steps):
        yield from range(total_steps)


def small(**settings):
    return A2C(num_envs=1, hidden=(4,), **settings)


@pytest.mark.parametrize("kind", AGENTS)
def test_learn_is_guarded_and_still_reads_as_the_algorithm(kind):
    assert inspect.isgeneratorfunction(kind.learn) and inspect.signature(kind.learn).parameters.keys() == {
        "self", "total_steps",
    }  # fmt: skip
    source = inspect.getsource(kind.learn)
    assert source.startswith("    @one_learner\n    def learn(self, total_steps: int)") and "yield Progress" in source


def test_a_second_learner_in_another_thread_is_refused_in_one_sentence():
    agent, learners = small(), []
    with in_another_thread(lambda: (learners.append(agent.learn(10**9)), next(learners[0]))):
        step = agent.step
        with pytest.raises(ValueError, match=r"A2C on CartPole-v1 is already learning in another thread \(another\)"):
            next(agent.learn(10**9))
        assert agent.step == step
        assert next(learners[0]).step > step  # the first one is not harmed
    assert next(agent.learn(10**9)).step > step  # and when its thread has ended, the agent is free


def test_of_many_threads_that_begin_at_once_one_learns():
    agent, together, outcomes = small(), threading.Barrier(8), []

    def begin():
        together.wait()
        learner = agent.learn(10**9)
        try:
            next(learner)
            outcomes.append("learns")
        except ValueError:
            outcomes.append("refused")
        together.wait()  # the learner is held until all have tried

    for _ in range(10):
        threads = [threading.Thread(target=begin) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert sorted(outcomes) == ["learns"] + 7 * ["refused"], outcomes
        outcomes.clear()


def test_in_one_thread_the_newer_learner_takes_over():
    agent = small()
    older = agent.learn(10**9)
    next(older)
    newer = agent.learn(10**9)
    step = next(newer).step
    with pytest.raises(ValueError, match="newer call of learn has taken over A2C on CartPole-v1"):
        next(older)
    assert next(newer).step > step
    for _ in agent.learn(10**9):
        break
    assert next(agent.learn(10**9)).step == agent.step


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_exception_the_agent_is_free_and_knows_that_a_step_is_torn(error, monkeypatch):
    agent, mended = small(), []
    monkeypatch.setattr("rlkit.running.learning.mend", lambda agent: mended.append(agent.step))
    step = agent.envs.step

    def broken(actions):
        raise error("broken")

    def work():
        for progress in agent.learn(10**9):
            assert not agent.learning.torn and not copy.deepcopy(agent.learning).torn  # whole between two iterations
            if progress.step > 5:
                agent.envs.step = broken

    with pytest.raises(error, match="broken") as caught:
        work()
    assert agent.learning.torn and copy.deepcopy(agent.learning).torn
    agent.envs.step = step
    with in_another_thread(lambda: next(agent.learn(10**9))):  # although `caught` holds the frames of the first
        assert caught.traceback and mended == [10] and not agent.learning.torn


def test_an_exception_of_the_reader_tears_nothing():
    agent = small()
    with pytest.raises(ZeroDivisionError):
        for _ in agent.learn(10**9):
            1 / 0  # noqa: B018
    assert not agent.learning.torn
    with in_another_thread(lambda: next(agent.learn(10**9))):
        pass


def test_copies_of_a_learning_agent_are_free():
    agent = small()
    learner = agent.learn(10**9)
    next(learner)
    copies = copy.deepcopy(agent), pickle.loads(pickle.dumps(agent.learning))
    assert not copies[0].learning.claims and not copies[1].claims
    with in_another_thread(lambda: next(copies[0].learn(10**9))):
        assert next(learner).step > 5


def test_an_agent_that_learns_in_another_thread_cannot_be_saved(tmp_path):
    agent = small()
    learner = agent.learn(10**9)
    with in_another_thread(lambda: next(learner)):
        with pytest.raises(ValueError, match="is learning in another thread .another., so it cannot be saved now"):
            save(agent, tmp_path / "agent.pt")
        assert not (tmp_path / "agent.pt").exists()
    next(agent.learn(10**9))
    save(agent, tmp_path / "agent.pt")


def test_two_threads_that_act_with_a_recurrent_agent_do_not_share_its_memory():
    """One watcher evaluates while the main thread plays: each remembers its own episodes."""
    agent = small(recurrent=True)
    obs = np.ones((2, 4), np.float32)
    agent.act(obs)
    mine = agent.player.acting_states[threading.get_ident()].clone()

    def other():
        agent.forget()
        for _ in range(3):
            agent.act(-obs)

    with in_another_thread(other):
        assert torch.equal(agent.player.acting_states[threading.get_ident()], mine) and mine.abs().sum() > 0


def test_a_dropped_learner_is_closed_at_once():
    agent = small()
    learner = agent.learn(10**9)
    next(learner)
    (claim,) = agent.learning.claims
    gc.disable()  # counting references must suffice: A3C's workers end with their generator
    try:
        assert claim() is not None
        del learner
        assert claim() is None
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer that interrupts")
def test_an_interrupt_anywhere_leaves_the_agent_free():
    """The timer strikes at another place of the guard, or of an iteration, in each round."""
    agent, struck = Idle(), set()

    def interrupt(number, frame):
        struck.add(frame.f_code.co_name)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        for i in range(400):
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 1e-4 + 1e-6 * i)
                while True:
                    for _ in agent.learn(2):
                        pass
            with in_another_thread(lambda: next(agent.learn(2))):
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert {"claim", "learn_alone"} <= struck
