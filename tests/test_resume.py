"""A run that was saved and loaded equals the uninterrupted run, number for number."""

import copy
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from conftest import Chain, small, tiny, weights

from rlkit import replay as replay_module
from rlkit.a2c import A2C
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.running.checkpoint import load, read, save
from rlkit.running.content import checksum
from rlkit.running.resume import parts, plain, unplain
from rlkit.running.state import agent_state, on_cpu, restore_agent
from rlkit.training import train
from rlkit.trpo import TRPO

DISCRETE = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.pt"


def same(one, two):
    """Equal in every value and every bit, and in the types of arrays."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, torch.Tensor):
        return one.dtype == two.dtype and one.equal(two)
    return one == two


def check_resume(make, path, first, last):
    """Train to `last` in one go, and with a stop at `first`: everything must be the same."""
    whole = make()
    all_of_it = train(whole, last)
    part = make()
    before = train(part, first)
    save(part, path)
    resumed = load(path)
    after = train(resumed, last)
    assert 0 < part.step < resumed.step == whole.step
    assert before.returns + after.returns == all_of_it.returns
    assert before.steps + after.steps == all_of_it.steps
    assert after.returns, "no episode ended after the stop, so this shows little"
    assert same(agent_state(resumed), agent_state(whole))
    return resumed


# DQN --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_envs", [1, 3, 8])
@pytest.mark.parametrize("env", DISCRETE)
def test_dqn_continues_as_if_nothing_had_happened(path, env, num_envs):
    steps = num_envs * {"CartPole-v1": 200, "Acrobot-v1": 520, "MountainCar-v0": 250}[env]
    check_resume(lambda: tiny(env, num_envs=num_envs, train_period=8), path, 0.45 * steps, steps)


@pytest.mark.parametrize("replay_size", [400, 5_000])  # the ring has wrapped around, or has not
def test_dqn_with_all_its_variants_continues_too(path, replay_size):
    flags = {"double": True, "dueling": True, "prioritized": True, "n_step": 3, "replay_size": replay_size}
    resumed = check_resume(lambda: tiny(num_envs=8, **flags), path, 1_500, 2_500)
    assert resumed.replay.largest > 1  # otherwise the test would not notice a lost one


# Policy gradients -------------------------------------------------------------------------------------------

VARIANTS = {
    "ppo": (PPO, {}),
    "ppo-scaled": (PPO, {"normalize": True}),
    "ppo-kl": (PPO, {"variant": "adaptive_kl", "learning_rate": 3e-3}),
    "trpo": (TRPO, {"normalize": True}),
    "a2c": (A2C, {"normalize": True}),
    "a2c-adam": (A2C, {"optimizer": "adam"}),
    "a2c-lstm": (A2C, {"recurrent": True}),
}


@pytest.mark.parametrize("num_envs", [1, 3, 8])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_policy_gradient_continues_as_if_nothing_had_happened(path, variant, num_envs):
    algorithm, changes = VARIANTS[variant]
    check_resume(lambda: small(algorithm, num_envs=num_envs, **changes), path, 250, 600)


@pytest.mark.parametrize("env, num_envs", [("Acrobot-v1", 3), ("MountainCar-v0", 8), ("Pendulum-v1", 1)])
def test_the_other_environments_continue_too(path, env, num_envs):
    steps = 1_500 * num_envs
    check_resume(
        lambda: small(PPO, env, num_envs=num_envs, num_steps=70, minibatch_size=256, normalize=True),
        path,
        0.4 * steps,
        steps,
    )
    if env == "Pendulum-v1":
        check_resume(lambda: small(TRPO, env, num_envs=3, num_steps=70, minibatch_size=256), path, 600, 1_500)


@pytest.mark.parametrize("env, normalize", [("CartPole-v1", True), ("Pendulum-v1", False)])
def test_reinforce_continues_after_whole_episodes(path, env, normalize):
    check_resume(lambda: small(REINFORCE, env, normalize=normalize), path, 100, 900)


def test_settings_that_change_no_episode_may_change(path):
    whole, part = (small(PPO, learning_rate=rate) for rate in (0.01, 0.02))
    next(whole.learn(64)), next(part.learn(64))
    whole.learning_rate = 0.005
    part.network.load_state_dict(whole.network.state_dict())
    part.optimizer.load_state_dict(whole.optimizer.state_dict())
    save(part, path)
    assert train(load(path, learning_rate=0.005), 1_000).returns == train(whole, 1_000).returns


EVERY_KIND = {
    "dqn": lambda: tiny(num_envs=3),
    "ppo": lambda: small(PPO, normalize=True),
    "a2c-lstm": lambda: small(A2C, recurrent=True),
    "trpo": lambda: small(TRPO),
    "reinforce": lambda: small(REINFORCE),
}


@pytest.mark.parametrize("make", EVERY_KIND.values(), ids=EVERY_KIND)
def test_a_run_that_is_saved_and_loaded_after_every_few_iterations_is_the_same(path, make):
    whole, part = make(), make()
    returns, pieces, steps = train(whole, 600).returns, [], []
    while part.step < 600:
        learner = part.learn(600)
        for _, progress in zip(range(3), learner):
            pieces += [episode.total_reward for episode in progress.finished]
        learner.close()
        steps.append(part.step)
        part = load(save(part, path))
    assert len(steps) > 2 and pieces == returns and same(agent_state(part), agent_state(whole))


@pytest.mark.parametrize("make", [lambda: tiny(num_envs=3), lambda: small(PPO, normalize=True)])
def test_after_an_interrupt_in_the_middle_of_an_iteration_the_loaded_agent_goes_on_like_the_saved_one(path, make):
    agent, steps = make(), []
    step = agent.envs.step

    def interrupted(actions):
        result = step(actions)
        steps.append(1)
        if len(steps) == 41:  # between the environment's step and what the agent keeps of it
            raise KeyboardInterrupt
        return result

    agent.envs.step = interrupted
    train(agent, 2_000)
    loaded = load(save(agent, path))
    returns = train(agent, 2_000).returns
    assert returns and train(loaded, 2_000).returns == returns and same(agent_state(loaded), agent_state(agent))


# What cannot be stored --------------------------------------------------------------------------------------


def test_other_settings_start_new_episodes_and_an_empty_replay_memory(path):
    agent = tiny(num_envs=3, seed=5)
    train(agent, 300)
    save(agent, path)
    assert len(load(path).replay) == 300
    for changes in ({"num_envs": 1}, {"seed": 6}, {"replay_size": 500}, {"env": "CartPole-v0"}, {"n_step": 2}):
        loaded = load(path, **changes)
        assert len(loaded.replay) == 0 and loaded.envs.length.sum() == 0 and loaded.step == loaded.envs.steps == 300
        begun = tiny(**{"num_envs": 3, "seed": 5, **changes})
        assert not np.array_equal(loaded.envs.obs, begun.envs.obs)  # not the observations of the run's start
        assert loaded.rng.random() != begun.rng.random()
        train(loaded, 600)


def test_the_same_episodes_continue_only_if_nothing_changed_that_they_depend_on(path, monkeypatch):
    agent = tiny(seed=5)
    train(agent, 300)
    save(agent, path)
    depend = {"reward_clip": 1.0, "frame_size": 42, "actions": (1, 0), "prioritized": True}
    for name, value in (depend | {"alpha": 0.5}).items():
        loaded = load(path, **{name: value})
        assert len(loaded.replay) == 0 and not np.array_equal(loaded.envs.obs, agent.envs.obs), name
    for name, value in {"double": True, "gamma": 0.5, "epsilon_end": 0.5, "batch_size": 7}.items():
        loaded = load(path, **{name: value})
        assert len(loaded.replay) == 300 and np.array_equal(loaded.envs.obs, agent.envs.obs), name
    monkeypatch.setattr(gymnasium, "__version__", "0.0")  # it may play differently
    assert len(load(path).replay) == 0


def test_one_state_can_be_given_to_several_agents():
    agent, one, two = (tiny(num_envs=3, seed=5) for _ in range(3))
    train(agent, 300)
    state = on_cpu(agent_state(agent), {})
    for other in (one, two):
        restore_agent(other, copy.deepcopy(state) if other is two else state)
    train(one, 600)
    restore_agent(one, state)  # what was learned and played has not changed it
    assert same(agent_state(one), agent_state(two))


def test_an_array_keeps_its_memory_layout_in_a_checkpoint(path):
    """The order of BLAS's additions, and so its rounding, depends on the layout."""
    for array in (np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3).T, np.array(0.5)):
        torch.save(on_cpu(plain(array), {}), path)
        back = unplain(torch.load(path))
        assert back.strides == array.strides and back.dtype == array.dtype and np.array_equal(back, array)


def test_new_episodes_depend_on_the_seed_and_the_step(path):
    def first_obs(seed, steps):
        agent = tiny(seed=seed)
        train(agent, steps)
        save(agent, path, resume=False)
        return load(path).envs.obs.tolist()

    agent = tiny(seed=1)
    train(agent, 40)
    save(agent, path)
    assert load(path, seed=2).rng.random() != load(path, seed=3).rng.random()  # not that of the file
    assert first_obs(1, 40) == first_obs(1, 40)
    assert len({str(first_obs(seed, steps)) for seed in (1, 2) for steps in (40, 80)}) == 4


def test_a_file_of_an_earlier_version_can_act_and_says_what_it_lacks(path):
    for agent in (tiny(), small(PPO, normalize=True), small(A2C, recurrent=True, normalize=True), small(REINFORCE)):
        train(agent, 100)
        content = torch.load(save(agent, path), weights_only=True)
        del content["format"], content["sha256"]
        content["state"] = {"network": content["state"]["network"], "step": agent.step, "scales": {"old": 1}}
        torch.save({"format": "rlkit-1", "sha256": checksum(content), **content}, path)
        with pytest.warns(UserWarning, match="An earlier version wrote .*agent.pt: the agent can act"):
            other = load(path)
        del content["state"]["scales"]
        small_one = path.with_name("small.pt")  # it holds what is needed to act, but not the statistics of normalize
        torch.save({"format": "rlkit-1", "sha256": checksum(content), **content}, small_one)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            read(path)  # as `eval` does before it loads: it warns only once
            assert weights(load(small_one).network).equal(weights(agent.network))
        assert len(said) == getattr(agent, "normalize", False)
        assert other.step == agent.step and weights(other.network).equal(weights(agent.network))
        assert train(other, 600).step >= 600


def test_a_replay_memory_above_the_limit_is_not_saved_but_the_episodes_continue(path, monkeypatch):
    agent = tiny(prioritized=True)
    train(agent, 300)
    bytes_a_row = agent.replay.state()["frames"][0].nbytes + 15
    for limit, kept in ((400 * bytes_a_row, 300), (400 * bytes_a_row - 1, 0)):
        monkeypatch.setattr(replay_module, "SAVED", limit)
        save(agent, path)
        loaded = load(path)
        assert len(loaded.replay) == kept
        np.testing.assert_array_equal(loaded.envs.obs, agent.envs.obs)
        train(loaded, 600)


def test_without_its_environments_nothing_is_saved_of_an_agents_episodes():
    for agent, name in ((tiny(Chain), "replay"), (small(A2C, Chain, recurrent=True), "player.lstm_state")):
        assert agent_state(agent)["play"].keys() == {"settings", "rng", "envs", "torn", "steps"}
        assert name in agent_state(type(agent)())["play"]


def test_only_environments_whose_whole_state_is_known_count_as_storable():
    def make(*wrappers):
        env = gymnasium.make("CartPole-v1")
        for wrapper in wrappers:
            env = wrapper(env)
        return gymnasium.vector.SyncVectorEnv([lambda: env])

    class Windy(type(gymnasium.make("CartPole-v1").unwrapped)):
        """A subclass may keep state anywhere."""

    assert parts(make()) is not None
    assert parts(make(gymnasium.wrappers.TimeAwareObservation)) is None
    assert parts(make(gymnasium.wrappers.RecordEpisodeStatistics)) is None
    assert parts(gymnasium.vector.SyncVectorEnv([Windy])) is None


def test_atari_continues_with_new_episodes_and_everything_else_is_the_same(path):
    def make():
        return PPO(
            "ALE/Pong-v5", num_envs=2, num_steps=16, frame_size=42, hidden=(16,), actions=(0, 2, 3), learning_rate=1e-2,
            minibatch_size=16, seed=3,
        )  # fmt: skip

    part = make()
    train(part, 32)
    save(part, path)
    resumed = load(path)
    assert not resumed.envs.length.any()
    whole = make()
    train(whole, 32)
    whole.envs.restart(int(np.random.SeedSequence([3, 32]).generate_state(1)[0] // 2))
    np.testing.assert_array_equal(resumed.envs.obs, whole.envs.obs)
    train(resumed, 96), train(whole, 96)
    assert same(agent_state(resumed), agent_state(whole))
    assert resumed.envs.total_reward.tolist() == whole.envs.total_reward.tolist()
    again, beginner = load(path).envs, make().envs  # all games of Pong begin with the same screens, so play some steps
    for _ in range(40):
        again.step(np.zeros(2, int)), beginner.step(np.zeros(2, int))
    assert not np.array_equal(again.obs, beginner.obs)
