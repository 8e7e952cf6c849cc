"""The reader's own DQN, as chapter 2 builds it: it agrees with rlkit's, it learns, and broken versions are found."""

import copy
from pathlib import Path

import gymnasium
import nbformat
import numpy as np
import pytest
import torch

from rlkit import DQN, check, evaluate, preset, tasks
from rlkit import functional as F

PAGE = nbformat.read(Path(__file__).parent.parent / "lectures" / "02_dqn.ipynb", as_version=4)
CELLS = {cell.id: cell.source for cell in PAGE.cells}


@pytest.fixture(scope="module")
def page():
    """What these cells define, after the imports of the chapter."""
    names = dict(
        DQN=DQN, F=F, check=check, evaluate=evaluate, gymnasium=gymnasium, nn=torch.nn, np=np, preset=preset,
        torch=torch, __name__="page",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        for cell in ("own-memory", "own-dqn", "own-dqn-agrees", "own-dqn-probes", "broken-dqns"):
            exec(CELLS[cell], names)
    return names


def largest_gap(mine, theirs):
    """How far two networks are apart, in the weight that differs most."""
    pairs = zip(mine.parameters(), theirs.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def after_ten_updates(kind, seed):
    """An agent of the page and rlkit's, after ten updates with the same draws from the same transitions."""
    theirs = preset("dqn-cartpole-plain", target_period=4, seed=seed)
    mine = kind(C=4, learning_rate=theirs.learning_rate, seed=seed)
    assert largest_gap(mine.network, theirs.network) == 0
    for _ in theirs.learn(512):
        pass
    assert theirs.num_updates == 0
    draws = copy.deepcopy(theirs.replay)
    for _ in range(10):
        theirs.update()
        mine.update(draws.sample(theirs.batch_size))
    return mine, theirs


@pytest.mark.parametrize("seed", [0, 1])
def test_ten_updates_give_the_weights_of_rlkits_agent(page, seed):
    mine, theirs = after_ten_updates(page["MyDQN"], seed)
    assert mine.num_updates == theirs.num_updates == 10
    assert largest_gap(mine.network, theirs.network) < 1e-5
    assert largest_gap(mine.target, theirs.target) < 1e-5
    assert largest_gap(mine.target, mine.network) > 1e-3  # two updates after the second copy


@pytest.mark.parametrize("name", ["NoEnd", "NoDiscount", "WrongGather", "Aliased"])
def test_the_weights_of_a_broken_agent_differ_by_more(page, name):
    mine, theirs = after_ten_updates(page[name], seed=0)
    assert largest_gap(mine.network, theirs.network) > 1e-4


def test_the_memory_keeps_the_last_rows_and_draws_them_all(page):
    memory, rng = page["Memory"](4, (1,)), np.random.default_rng(0)
    for i in range(6):
        memory.add([i], i, 10.0 * i, [i + 1], i == 5)
    batch = memory.sample(400, rng)
    assert set(batch.actions.tolist()) == {2, 3, 4, 5}
    assert torch.equal(batch.obs[:, 0], batch.actions.float()) and torch.equal(batch.next_obs, batch.obs + 1)
    assert torch.equal(batch.rewards, 10 * batch.obs[:, 0]) and torch.equal(batch.terminated, batch.actions == 5)


def test_a_truncated_episode_is_kept_with_its_own_last_observation(page):
    agent = page["MyDQN"](tasks.TruncatedEpisode, scale=1.0)
    agent.learn(4)
    rows = agent.memory.rows[:4]
    assert rows["obs"][:, 0].tolist() == [-1, 1, -1, 1] and rows["next_obs"][:, 0].tolist() == [1, 1, 1, 1]
    assert not rows["terminated"].any()


def test_it_learns_cartpole(page):
    agent = page["MyDQN"](seed=0)
    agent.envs = page["theirs"].envs
    scores = []
    while agent.step < 20_000 and max(scores, default=0) < 200:
        agent.learn(agent.step + 2_500)
        scores.append(evaluate(agent, episodes=10).mean())
    assert scores[-1] >= 200, scores


@pytest.mark.parametrize(
    "name, first",
    [
        ("MyDQN", None),
        ("NoEnd", tasks.ConstantReward),
        ("Blind", tasks.RewardByObservation),
        ("NoDiscount", tasks.DelayedReward),
        ("WrongGather", tasks.RewardByAction),
        ("OneMask", tasks.TruncatedEpisode),
        ("Aliased", None),
    ],
)
def test_the_first_probe_that_fails_names_what_is_broken(page, name, first):
    verdicts = check.probes(lambda env: page["make"](env, page[name]))
    assert verdicts.failed is first, verdicts
