"""What PPO, TRPO, REINFORCE, A2C and partly A3C have in common: seeds, files, shapes, errors, and that they learn."""

import dataclasses
import math
import random
import sys

import numpy as np
import pytest
import torch
from conftest import Chain, Frames, Steering, learn, small, weights
from gymnasium.spaces import Box

from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.gorila import Gorila
from rlkit.optimizers import TorchAdam
from rlkit.ppo import PPO
from rlkit.presets import PRESETS, preset, presets
from rlkit.reinforce import REINFORCE
from rlkit.running.checkpoint import load, save
from rlkit.training import evaluate, stop_at, train
from rlkit.trpo import TRPO

AGENTS = {
    "ppo": (PPO, {}),
    "ppo-kl": (PPO, {"variant": "adaptive_kl"}),
    "ppo-everything": (PPO, {"normalize": True, "entropy_coef": 0.01, "anneal_steps": 1000, "reward_clip": 0.5}),
    "trpo": (TRPO, {}),
    "trpo-normalize": (TRPO, {"normalize": True}),
    "reinforce": (REINFORCE, {}),
    "reinforce-mean": (REINFORCE, {"baseline": "mean", "normalize": True}),
    "a2c": (A2C, {}),
    "a2c-recurrent": (A2C, {"recurrent": True, "optimizer": "adam"}),
    "a2c-everything": (A2C, {"normalize": True, "gae_lambda": 0.9, "anneal_steps": 1000, "reward_clip": 0.5}),
}
NAMES = pytest.mark.parametrize("name", AGENTS)
ALGORITHMS = pytest.mark.parametrize("algorithm", [PPO, TRPO, REINFORCE, A2C])
ALL = (PPO, TRPO, REINFORCE, A2C, A3C)  # making them starts no worker


def make(name, env="CartPole-v1", **changes):
    algorithm, settings = AGENTS[name]
    return small(algorithm, env, **{**settings, **changes})


# Randomness -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, env",
    [*((name, "CartPole-v1") for name in AGENTS), *((name, Steering) for name in ("ppo", "trpo", "reinforce", "a2c"))],
)
def test_one_seed_gives_one_run(name, env):
    one, two, other = (make(name, env, seed=seed) for seed in (1, 1, 2))
    returns = learn(one, 256)
    assert len(returns) > 2
    assert learn(two, 256) == returns != learn(other, 256)
    assert weights(one.network).equal(weights(two.network))
    assert not weights(one.network).equal(weights(other.network))


@NAMES
def test_agents_that_take_turns_learn_as_if_they_were_alone(name):
    alone = [make(name, seed=seed) for seed in (1, 2)]
    for agent in alone:
        learn(agent, 192)
    together = [make(name, seed=seed) for seed in (1, 2)]
    runs = [agent.learn(192) for agent in together]
    while runs:
        runs = [run for run in runs if next(run, None)]
    for one, two in zip(alone, together):
        assert weights(one.network).equal(weights(two.network))


@NAMES
def test_learning_in_two_parts_equals_learning_in_one(name):
    parts, whole = make(name), make(name)
    assert learn(parts, 128) + learn(parts, 256) == learn(whole, 256)
    assert weights(parts.network).equal(weights(whole.network))
    assert list(parts.learn(256)) == []


@NAMES
def test_an_agent_leaves_global_random_numbers_alone(name):
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    agent = make(name)
    learn(agent, 192)
    evaluate(agent, 2)
    after = torch.random.get_rng_state(), np.random.get_state()[1], random.getstate()
    assert before[0].equal(after[0]) and (before[1] == after[1]).all() and before[2] == after[2]


@ALGORITHMS
def test_the_first_weights_depend_only_on_the_agents_seed(algorithm):
    torch.manual_seed(3)
    one, other = small(algorithm, seed=1), small(algorithm, seed=2)
    torch.manual_seed(4)
    assert weights(small(algorithm, seed=1).network).equal(weights(one.network))
    assert not weights(other.network).equal(weights(one.network))


# On disk ----------------------------------------------------------------------------------------------------


@NAMES
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_a_loaded_agent_is_the_agent(name, env, tmp_path):
    if env == "Pendulum-v1" and AGENTS[name][0] is REINFORCE:
        env = "CartPole-v1"  # because an episode of Pendulum takes 200 steps
    agent = make(name, env, seed=4)
    learn(agent, 256)
    loaded = load(save(agent, tmp_path / "agent.pt"))
    assert repr(loaded) == repr(agent) and loaded.step == agent.step
    assert weights(loaded.network).equal(weights(agent.network))
    assert loaded.network.shift.equal(agent.network.shift) and loaded.network.scale.equal(agent.network.scale)
    obs = np.random.default_rng(0).normal(size=(50, *agent.envs.obs_shape)).astype(np.float32)
    for one, other in zip(forward(loaded, obs), forward(agent, obs)):
        np.testing.assert_array_equal(one, other)
    assert evaluate(loaded, 2, seed=1).tolist() == evaluate(agent, 2, seed=1).tolist()
    for mine, theirs in zip(statistics(loaded), statistics(agent), strict=True):
        assert mine.equal(theirs) and mine.any()
    if agent.normalize:
        assert not agent.network.shift.eq(0).all()
        for one, other in zip(moments(loaded), moments(agent)):
            np.testing.assert_array_equal(one, other)
    if name == "ppo-kl":
        assert loaded.beta == agent.beta != agent.kl_coef


def forward(agent, obs):
    """The outputs for acting in a new episode: params and V, or params and memory."""
    if not isinstance(agent, A2C):
        return agent.collector.forward(obs)
    memory = agent.network.initial_state(len(obs)) if agent.recurrent else None
    params, memory = agent.player.params(obs, memory)
    return params, memory if agent.recurrent else agent.network.values(torch.from_numpy(obs)).detach()


def optimizers(agent):
    """The agent's optimizers that are like torch's."""
    return [value for value in vars(agent).values() if isinstance(value, TorchAdam)]


def statistics(agent):
    """The statistics of all its optimizers."""
    if isinstance(agent, A2C):
        return agent.optimize.statistics()
    states = [state for optimizer in optimizers(agent) for state in optimizer.state.values()]
    return [state[name] for state in states for name in ("exp_avg", "step")]


def moments(agent):
    scales = (agent.player if isinstance(agent, A2C) else agent.collector).scaling
    return [x for m in (scales.obs, scales.returns) for x in (m.count, m.mean, m.squares)]


@NAMES
def test_a_loaded_agent_takes_the_same_next_update(name, tmp_path):
    agent = make(name)
    learn(agent, 256)
    loaded = load(save(agent, tmp_path / "agent.pt"))
    if AGENTS[name][0] is A2C:
        collect = agent.player.play
    else:
        collect = agent.collector.collect_episodes if AGENTS[name][0] is REINFORCE else agent.collector.collect
    rollout = collect(5)
    loaded.network.load_state_dict(agent.network.state_dict())  # with `normalize`, the rollout has newer scales
    loaded.rng = np.random.default_rng()
    loaded.rng.bit_generator.state = agent.rng.bit_generator.state
    for one in (agent, loaded):
        if AGENTS[name][0] is TRPO:
            batch = rollout.batch(one.policy, rollout.advantages(0.99, 0.95), "cpu")
            one.improve_policy(batch)
            one.fit_values(batch)
        elif AGENTS[name][0] is A2C:
            one.optimize.step(one.gradient(rollout)[0], one.current_learning_rate())
        else:
            one.update(rollout)
    assert weights(loaded.network).equal(weights(agent.network))


@NAMES
@pytest.mark.parametrize("resume", [True, False])
def test_a_loaded_agent_continues_and_counts_from_where_it_was(name, resume, tmp_path):
    agent = make(name)
    learn(agent, 256)
    path = save(agent, tmp_path / "agent.pt", resume=resume)
    loaded = load(path, learning_rate=1e-4)
    result = train(loaded, agent.step + 256)
    assert min(result.steps) > agent.step and max(result.steps) <= loaded.step >= agent.step + 256
    assert loaded.step == loaded.envs.steps
    assert loaded.learning_rate == 1e-4  # settings override the file
    for optimizer in optimizers(loaded)[:1]:
        assert optimizer.param_groups[0]["lr"] <= 1e-4  # annealing lowers it
    assert torch.isfinite(weights(loaded.network)).all()
    if name == "ppo-kl":
        assert load(path).beta == (agent.beta if resume else agent.kl_coef)
    small_file = save(agent, tmp_path / "small.pt", resume=False)
    assert small_file.stat().st_size < save(agent, tmp_path / "whole.pt").stat().st_size


# Shapes -----------------------------------------------------------------------------------------------------


@NAMES
@pytest.mark.parametrize("env, shape", [(Chain, ()), (Steering, (2,)), (Frames, ())])
def test_acting_and_learning_fit_every_kind_of_environment(name, env, shape):
    if env is Frames and AGENTS[name][1].get("normalize"):
        pytest.skip("see test_rollout.py")
    agent = make(name, env)
    before = weights(agent.network)
    for progress in agent.learn(128):
        assert all(math.isfinite(float(value)) for value in progress.metrics.values())
    assert not weights(agent.network).equal(before) and torch.isfinite(weights(agent.network)).all()
    obs = agent.envs.again(7, seed=3).obs
    actions = agent.act(obs)
    assert isinstance(actions, np.ndarray) and actions.shape == (7, *shape)
    assert actions.dtype.kind == ("f" if shape else "i")
    np.testing.assert_allclose(agent.act(obs[:1]), actions[:1], rtol=1e-4, atol=1e-5)
    assert len(evaluate(agent, 3)) == 3


@ALGORITHMS
def test_only_the_chosen_actions_are_taken(algorithm):
    agent = small(algorithm, Frames, actions=(2, 1))
    rewards = [episode.total_reward / episode.length for p in agent.learn(192) for episode in p.finished]
    assert agent.network.policy_head.out_features == 2
    assert min(rewards) >= 1 and max(rewards) <= 2  # Frames pays the number of the action


# Learning ---------------------------------------------------------------------------------------------------


@ALGORITHMS
def test_the_chain_is_solved(algorithm):
    settings = {
        PPO: {"num_envs": 8, "num_steps": 32, "learning_rate": 0.01, "minibatch_size": 64},
        TRPO: {"num_envs": 8, "num_steps": 32, "max_kl": 0.05, "learning_rate": 0.01},
        REINFORCE: {"episodes": 16, "learning_rate": 0.02},
        A2C: {"num_envs": 16, "t_max": 4, "learning_rate": 0.01},
    }
    agent = small(algorithm, Chain, gamma=0.9, **settings[algorithm])
    learn(agent, 4000)
    assert agent.act(np.eye(5, dtype=np.float32)).tolist() == [1] * 5
    params, values = forward(agent, np.eye(5, dtype=np.float32))
    assert (params[:, 1] - params[:, 0]).min() > 1
    if algorithm is not REINFORCE:
        np.testing.assert_allclose(values, 0.9 ** np.arange(4, -1, -1), atol=0.25)  # values of always going right


class WideSteering(Steering):
    """Wide bounds, because a clipped action teaches nothing."""

    def __init__(self):
        super().__init__()
        self.action_space = Box(-9, 9, (2,), np.float32)


@ALGORITHMS
def test_continuous_actions_are_learned(algorithm):
    settings = {
        PPO: {"num_envs": 8, "num_steps": 32, "learning_rate": 0.01, "minibatch_size": 64, "epochs": 4},
        TRPO: {"num_envs": 8, "num_steps": 32, "max_kl": 0.05, "learning_rate": 0.01},
        REINFORCE: {"episodes": 16, "learning_rate": 0.05},
        A2C: {"num_envs": 16, "t_max": 4, "learning_rate": 0.01, "gae_lambda": 0.0},
    }
    agent = small(algorithm, WideSteering, gamma=0.5, **settings[algorithm])
    learn(agent, 6000)
    np.testing.assert_allclose(agent.act(agent.envs.obs), [(0.3, -0.2)] * agent.envs.num_envs, atol=0.2)
    assert (agent.network.log_std < -0.5).all()  # the policy has become sure of them


@pytest.mark.parametrize(
    "name, steps", [("ppo-cartpole", 120_000), ("ppo-kl-cartpole", 120_000), ("a2c-cartpole", 400_000)]
)
def test_the_presets_for_cartpole_reach_400(name, steps):
    result = train(preset(name, seed=1), steps, stop_at(400))
    assert result.stopped == "reached 400"


@pytest.mark.parametrize("algorithm, steps", [(TRPO, 12_000), (REINFORCE, 9_000)])
def test_cartpole_is_played_far_better_than_at_random(algorithm, steps):
    agent = algorithm(seed=1)
    returns = learn(agent, steps)
    assert np.mean(returns[:10]) < 50
    assert np.mean(returns[-20:]) > 100


# Presets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_an_agent(name):
    if "mujoco" in name:
        pytest.importorskip("mujoco")
    smaller = {"num_envs": 1} | ({} if name.startswith(("ppo", "a2c", "a3c")) else {"replay_size": 2_000})
    agent = preset(name, seed=3, **smaller)
    assert agent.seed == 3 and PRESETS[name].__doc__
    if not isinstance(agent, Gorila):
        assert len(agent.act(agent.envs.obs)) == 1


def test_the_papers_presets_have_the_papers_numbers(monkeypatch):
    defaults = {field.name: field.default for field in dataclasses.fields(PPO)}
    monkeypatch.setattr(sys.modules["rlkit.presets"], "PPO", lambda **settings: defaults | settings)
    atari, mujoco = preset("ppo-atari-2017"), preset("ppo-mujoco-2017")
    table_5 = {"num_steps": 128, "epochs": 3, "minibatch_size": 32 * 8, "gamma": 0.99, "gae_lambda": 0.95}
    table_5 |= {"learning_rate": 2.5e-4, "clip_coef": 0.1, "value_coef": 1.0, "entropy_coef": 0.01, "num_envs": 8}
    table_5 |= {"anneal_steps": 40_000_000 // 4, "variant": "clip"}  # steps of four frames
    table_3 = {"num_steps": 2048, "epochs": 10, "minibatch_size": 64, "gamma": 0.99, "gae_lambda": 0.95}
    table_3 |= {"learning_rate": 3e-4, "clip_coef": 0.2, "hidden": (64, 64), "activation": "tanh", "num_envs": 1}
    assert {name: atari[name] for name in table_5} == table_5
    assert {name: mujoco[name] for name in table_3} == table_3


def test_a3cs_preset_has_the_papers_numbers():
    """Sections 5 and 8: 16 actor-learners, an update after 5 actions, γ, RMSProp's α, β, and DQN 2013's network."""
    agent = preset("a3c-atari-2016")
    section_8 = {"num_workers": 16, "t_max": 5, "gamma": 0.99, "gae_lambda": 1.0, "rmsprop_decay": 0.99}
    section_8 |= {"entropy_coef": 0.01, "optimizer": "rmsprop", "shared_statistics": True, "locked": False}
    section_8 |= {"reward_clip": 1.0, "hidden": (256,), "frame_size": 84, "recurrent": False, "num_envs": 1}
    assert {name: getattr(agent, name) for name in section_8} == section_8
    assert 1e-4 < agent.learning_rate < 1e-2 and agent.anneal_steps == 80_000_000  # 320 million frames
    assert [m.out_channels for m in agent.network.policy_body if isinstance(m, torch.nn.Conv2d)] == [16, 32]
    assert agent.network.value_body is agent.network.policy_body


def test_mujocos_observations_and_actions_fit():
    pytest.importorskip("mujoco")
    agent = preset("ppo-mujoco-2017", env="Hopper-v5", num_steps=64)
    learn(agent, 128)
    assert agent.envs.obs.dtype == np.float64 and agent.act(agent.envs.obs).shape == (1, 3)
    assert torch.isfinite(weights(agent.network)).all()


# What is refused --------------------------------------------------------------------------------------------


def test_settings_at_their_limits_work():
    for algorithm in (PPO, TRPO, REINFORCE, A2C):
        limits = {"gamma": 1.0, "value_coef": 0.0, "seed": 0, "max_grad_norm": math.inf, "reward_clip": math.inf}
        limits |= {"gae_lambda": 0.0, "entropy_coef": 0.0, "damping": 0.0, "epochs": 1, "obs_shift": -1.0}
        limits |= {"rmsprop_decay": 0.0, "t_max": 1}
        own = {field.name for field in dataclasses.fields(algorithm)}
        agent = small(algorithm, **{name: value for name, value in limits.items() if name in own})
        learn(agent, 200)
        assert torch.isfinite(weights(agent.network)).all()


@ALGORITHMS
def test_numpy_numbers_are_accepted_as_settings(algorithm):
    scale = (1.0, 2.0, 0.5, 1.0)
    agent = small(algorithm, seed=np.int64(3), learning_rate=np.float64(1e-3), obs_scale=np.float32(scale))
    assert (type(agent.seed), type(agent.learning_rate)) == (int, float) and agent.obs_scale == scale
    assert learn(agent, 200) == learn(small(algorithm, seed=3, learning_rate=1e-3, obs_scale=scale), 200)


@ALGORITHMS
def test_a_device_that_does_not_exist_is_named(algorithm):
    with pytest.raises(ValueError, match="device='nonsense' cannot be used here"):
        small(algorithm, device="nonsense")


@pytest.mark.parametrize("algorithm", ALL)
def test_an_agent_prints_and_copies_its_settings(algorithm):
    agent = small(algorithm, gamma=0.7) if algorithm is not A3C else A3C(hidden=(16,), gamma=0.7)
    assert "gamma=0.7" in repr(agent)
    ablation = dataclasses.replace(agent, gamma=0.8)
    assert ablation.gamma == 0.8 and ablation.hidden == (16,) and ablation.network is not agent.network
