"""The reader's own PPO, as chapter 3 builds it: it agrees with rlkit's, it learns, and broken versions differ."""

import copy
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from rlkit import check, evaluate, preset
from rlkit import functional as F

PAGE = nbformat.read(Path(__file__).parent.parent / "lectures" / "03_ppo.ipynb", as_version=4)
CELLS = {cell.id: cell.source for cell in PAGE.cells}


@pytest.fixture(scope="module")
def page():
    """What these cells define, after the imports of the chapter."""
    names = dict(F=F, check=check, evaluate=evaluate, np=np, preset=preset, torch=torch, __name__="page")
    with torch.random.fork_rng(devices=[]):
        for cell in ("value-loss-by-hand", "own-network", "own-ppo", "own-ppo-agrees"):
            exec(CELLS[cell], names)
    return names


def after_one_update(kind, seed):
    """All weights of an agent of the page and of rlkit's, after an update with the same draws from one rollout."""
    theirs, mine = preset("ppo-cartpole", seed=seed), kind(seed=seed)
    parameters = [*theirs.network.policy_parameters(), *theirs.network.value_parameters()]
    for ours, its in zip(mine.weights, parameters, strict=True):
        ours.data.copy_(its)
    before = flat(mine.weights)
    rollout = theirs.collector.collect(theirs.num_steps)
    assert rollout.terminated.any() and not rollout.valid.all()
    mine.rng = copy.deepcopy(theirs.rng)
    theirs.update(rollout)
    mine.update(rollout)
    return before, flat(mine.weights), flat(parameters)


def flat(weights):
    return torch.cat([w.detach().flatten() for w in weights])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_update_gives_the_weights_of_rlkits_agent(page, seed):
    before, mine, theirs = after_one_update(page["MyPPO"], seed)
    assert (mine - theirs).abs().max() < 1e-5
    assert (mine - before).abs().max() > 1e-3


def broken(page):
    """Versions with one bug each."""

    class NoMask(page["MyPPO"]):
        def samples(self, r):
            return super().samples(type(r)(**r._asdict() | {"valid": np.ones_like(r.valid)}))

    class NoEnd(page["MyPPO"]):
        def samples(self, r):
            return super().samples(type(r)(**r._asdict() | {"terminated": np.zeros_like(r.terminated)}))

    class WrongSign(page["MyPPO"]):
        def loss(self, obs, actions, old_log_probs, advantages, targets):
            return super().loss(obs, actions, old_log_probs, -advantages, targets)

    return {kind.__name__: kind for kind in (NoMask, NoEnd, WrongSign)}


@pytest.mark.parametrize("name", ["NoMask", "NoEnd", "WrongSign"])
def test_the_weights_of_a_broken_agent_differ_by_more(page, name):
    _, mine, theirs = after_one_update(broken(page)[name], seed=0)
    assert (mine - theirs).abs().max() > 1e-4


def test_its_own_rollout_has_the_rows_of_rlkits(page):
    agent = page["MyPPO"](seed=0)
    for _ in range(3):
        r = agent.rollout()
    T, N = agent.num_steps, agent.num_envs
    assert r.obs.shape == (T, N, 4) and r.params.shape == (T, N, 2) and r.values.shape == (T + 1, N)
    assert r.rewards.shape == r.actions.shape == r.terminated.shape == r.truncated.shape == r.valid.shape == (T, N)
    ended = r.terminated | r.truncated
    assert ended.any() and (r.valid[1:] == ~ended[:-1]).all()  # only the row after an end is no step
    assert np.isin(r.actions, (0, 1)).all() and 0.2 < r.actions.mean() < 0.8
    with torch.no_grad():
        assert np.allclose(r.values[:-1], agent.value(torch.from_numpy(r.obs))[..., 0], atol=1e-5)


def test_actions_are_drawn_with_the_probabilities_of_the_softmax(page):
    agent = page["MyPPO"](seed=0)
    logits = torch.tensor([1.0, 0.0, -1.0]).repeat(20_000, 1)
    shares = np.bincount(agent.choose(logits), minlength=3) / 20_000
    assert np.allclose(shares, logits[0].softmax(-1), atol=0.02)


def test_it_learns_cartpole(page):
    agent = page["MyPPO"](seed=0)
    agent.envs = page["theirs"].envs
    scores = []
    while agent.step < 100_000 and max(scores, default=0) < 300:
        agent.learn(agent.step + 20_000)
        scores.append(evaluate(agent, episodes=10).mean())
    assert scores[-1] >= 300, scores
