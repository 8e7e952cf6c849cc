"""The museum: each broken agent differs only in the line that is shown, and what is said of it was measured."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import disturb, learn

from rlkit import functional as F
from rlkit.a2c import A2C
from rlkit.experiments.curves import SEEDS
from rlkit.experiments.museum import BUGS, dqn, make, medians, ppo, table
from rlkit.experiments.museum.a3c import acting_to_own, fresh_share
from rlkit.experiments.museum.dqn import Lottery, change_when_alone, claimed_to_true, mean_td_error, mean_value
from rlkit.experiments.museum.ppo import (
    Corridor,
    explained_by_v,
    moved_the_wrong_way,
    new_first_to_old_first,
    next_updates,
    value_at_the_door,
)
from rlkit.experiments.stored import stored
from rlkit.explore.controls import allowed
from rlkit.explore.museum import museum
from rlkit.replay import Batch

NAMES = pytest.mark.parametrize("name", BUGS)
TESTS = Path(__file__).parent


def pair(name, seed=0):
    return make(name, False, seed), make(name, True, seed)


def replayed(agent, size=32):
    learn(agent, 1_400)
    return agent.replay.sample(size)


def rolled_out(agent, steps=16):
    rollout = agent.collector.collect(steps)
    batch = rollout.batch(agent.policy, rollout.advantages(agent.gamma, agent.gae_lambda), "cpu")
    return rollout, batch._replace(advantages=F.normalize(batch.advantages))


# The agents -------------------------------------------------------------------------------------------------


@NAMES
def test_the_sound_agent_is_the_real_one_and_the_broken_one_has_its_settings_and_weights(name):
    sound, broken = pair(name, seed=3)
    assert type(broken).__bases__ == (type(sound),) and type(sound) is BUGS[name].sound
    if BUGS[name].chapter < 4:  # in chapter 4 the sound one is also changed, so that it repeats itself
        assert not type(sound).__module__.startswith("rlkit.experiments.museum")
    assert dataclasses.asdict(sound) == dataclasses.asdict(broken)
    for p, q in zip(sound.network.parameters(), broken.network.parameters(), strict=True):
        assert p.equal(q)
    assert sum(callable(member) for member in vars(type(broken)).values()) <= 2


def test_an_aliased_target_is_never_behind():
    sound, broken = pair("aliased target")
    for agent in (sound, broken):
        learn(agent, 1_200)
    gap = [
        (agent.network.advantage[0].weight - agent.target.advantage[0].weight).abs().max() for agent in (sound, broken)
    ]
    assert gap[0] > 0 == gap[1] and broken.target is broken.network


def test_one_mask_makes_a_truncated_step_terminal_and_changes_nothing_else():
    sound, broken = pair("truncated as terminated")
    no, yes = np.zeros(8, bool), np.ones(8, bool)
    for agent in (sound, broken):
        for truncated in (no, yes):
            agent.replay.add(np.ones((8, 4)), no, np.ones(8), no, truncated, yes)
    assert not sound.replay.terminated.any()
    assert broken.replay.terminated[:2].tolist() == [no.tolist(), yes.tolist()]
    for part in ("frames", "rewards", "ended", "valid"):
        assert (getattr(sound.replay, part) == getattr(broken.replay, part)).all()


def test_without_weights_every_sample_counts_the_same():
    sound, broken = pair("weights dropped")
    batch = replayed(sound)
    broken.network.load_state_dict(sound.network.state_dict())
    broken.target.load_state_dict(sound.target.state_dict())
    _, _, errors = sound.objective(batch)
    assert batch.weights.min() < 0.9
    torch.testing.assert_close(broken.objective(batch)[0], F.huber(errors, sound.huber_delta).mean())
    torch.testing.assert_close(sound.objective(batch)[0], (batch.weights * F.huber(errors, sound.huber_delta)).mean())


def test_a_mean_over_the_batch_lets_states_change_each_other_but_not_a_single_one():
    sound, broken = pair("mean over the batch")
    for agent in (sound, broken):
        disturb(agent.network, size=0.3)
    obs = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    one = sound.network(obs[:1])
    torch.testing.assert_close(sound.network(obs)[:1], one)
    torch.testing.assert_close(broken.network(obs[:1]), one)
    change = broken.network(obs) - sound.network(obs)
    assert change.abs().max() > 0.1 and broken.target(obs).shape == (10, 2)
    torch.testing.assert_close(
        change[:, 0], change[:, 1]
    )  # the same for all actions of a state, so the best one stays the best
    np.testing.assert_allclose(broken.q_values(obs.numpy()), broken.network(obs).detach().numpy())


def test_a_target_not_detached_gives_the_residual_gradient():
    sound, broken = pair("target not detached")
    n = 6
    batch = Batch(
        torch.ones(n, 4), torch.tensor([0, 1] * 3), torch.ones(n), torch.linspace(-1, 1, 4 * n).reshape(n, 4),
        torch.tensor([False] * 5 + [True]), torch.full((n,), 0.9), torch.ones(n), np.arange(n),
    )  # fmt: skip
    assert broken.td_target(batch).requires_grad and not sound.td_target(batch).requires_grad
    torch.testing.assert_close(broken.td_target(batch).detach(), sound.td_target(batch))  # w_T is still w
    broken.objective(batch)[0].backward()
    weight = broken.network.advantage[-1].bias  # ∇Q(s, a) is 1 at a's own bias
    _, q, errors = sound.objective(batch)
    best = sound.network(batch.next_obs).argmax(-1)
    expected = torch.zeros(2)
    for i in range(n):
        here, there = torch.eye(2)[batch.actions[i]], torch.eye(2)[best[i]]
        expected -= F.residual_gradient(errors[i].detach(), here, there, 0.9 * (i < 5)) / n
    torch.testing.assert_close(weight.grad, expected)


def test_without_the_min_only_samples_that_moved_the_wrong_way_differ_and_they_have_no_gradient():
    sound, broken = pair("no min")
    _, batch = rolled_out(sound)
    torch.testing.assert_close(broken.objective(batch, 0.2), sound.objective(batch, 0.2))  # because r = 1 at first
    for agent in (sound, broken):
        disturb(agent.network, size=0.1)
    ratio = F.ratio(sound.policy.log_prob(sound.network(batch.obs)[0], batch.actions), batch.old_log_probs).detach()
    r = ratio.clone().requires_grad_()
    A, clipped = batch.advantages, r.clip(0.8, 1.2)
    stuck = ((ratio > 1.2) & (A < 0)) | ((ratio < 0.8) & (A > 0))
    assert stuck.any()
    (gradient,) = torch.autograd.grad((clipped * A).sum(), r)
    assert (gradient[stuck] == 0).all()
    difference = (clipped * A - F.clipped_surrogate(r, A, 0.2)).detach()
    assert ((difference > 0) == stuck).all()
    torch.testing.assert_close(sound.objective(batch, 0.2) - broken.objective(batch, 0.2), difference.mean())


def test_the_kl_reversed_penalises_the_other_direction():
    sound, broken = pair("KL reversed")
    _, batch = rolled_out(sound)
    for agent in (sound, broken):
        disturb(agent.network, size=0.1)
    params = sound.network.policy(batch.obs)
    forward, backward = F.kl_divergence(batch.old_params, params), F.kl_divergence(params, batch.old_params)
    assert abs(forward.mean() - backward.mean()) > 1e-3
    change = broken.objective(batch, 0.2) - sound.objective(batch, 0.2)
    torch.testing.assert_close(change, sound.beta * (backward - forward).mean(), rtol=1e-3, atol=1e-5)
    for agent, kl in ((sound, forward), (broken, backward)):
        torch.testing.assert_close(agent.measure(batch, 0.2)["kl"], kl.mean())  # β follows this KL


def test_both_directions_of_the_kl_are_the_same_to_second_order():
    generator = torch.Generator().manual_seed(0)
    old, step = torch.randn(2, 100, 3, generator=generator, dtype=torch.float64)
    forward, difference = [], []
    for size in (1e-1, 1e-2):
        new = old + size * step
        forward.append(F.kl_divergence(old, new).mean())
        difference.append((F.kl_divergence(new, old) - F.kl_divergence(old, new)).abs().mean())
    assert forward[0] / forward[1] == pytest.approx(100, rel=0.05)
    assert difference[0] / difference[1] == pytest.approx(1000, rel=0.05)


def test_a_broadcast_value_loss_compares_all_pairs_and_is_smallest_for_a_constant_v():
    sound, broken = pair("[B] minus [B, 1]")
    _, batch = rolled_out(sound)
    disturb(sound.network), disturb(broken.network)
    values = sound.network.values(batch.obs).detach()
    all_pairs = np.mean([[(v - y) ** 2 for v in values.tolist()] for y in batch.returns.tolist()])
    difference = broken.objective(batch, 0.2) - sound.objective(batch, 0.2)
    own = ((values - batch.returns) ** 2).mean()
    assert difference.item() == pytest.approx(sound.value_coef * (all_pairs - own.item()), rel=1e-3)
    spread = values.var(correction=0) + batch.returns.var(correction=0) + (values.mean() - batch.returns.mean()) ** 2
    assert all_pairs == pytest.approx(spread.item(), rel=1e-4)  # so the best V is constant: the mean of the returns


@pytest.mark.parametrize("broken", [False, True])
def test_the_broken_agent_learns_from_autoreset_rows(broken):
    agent = make("reset row learned", broken)
    rollout, _ = rolled_out(agent, 32)
    seen, objective = [], agent.objective
    agent.objective = lambda batch, clip_coef: seen.append(len(batch.actions)) or objective(batch, clip_coef)
    agent.update(rollout)
    rows = rollout.valid.size if broken else rollout.valid.sum()
    assert sum(seen) == agent.epochs * rows and rollout.valid.mean() < 0.9


# Their environments and their measures -----------------------------------------------------------------------


def test_the_lottery_pays_1_on_average_and_repeats_itself():
    rewards = []
    for _ in range(2):
        envs = make("weights dropped", False, seed=5).envs
        rewards.append(np.concatenate([envs.step(np.zeros(8, int))[1][envs.ended < 1] for _ in range(400)]))
        assert isinstance(envs.vector.envs[0], Lottery)
    assert set(np.unique(rewards[0])) == {0.0, 10.0} and (rewards[0] == rewards[1]).all()
    assert rewards[0].mean() == pytest.approx(1, abs=4 * 3 / np.sqrt(len(rewards[0])))


def test_the_corridor_shows_its_last_place_after_the_exit():
    env = Corridor()
    start, _ = env.reset(seed=0)
    place = int(start.argmax())
    for ahead in range(place + 1, 6):
        obs, reward, terminated, truncated, _ = env.step(1)
        assert obs.argmax() == min(ahead, 4) and (reward, terminated, truncated) == (ahead == 5, ahead == 5, False)
    env.reset(seed=0)
    ends = [env.step(0)[3] for _ in range(10)]
    assert ends == [False] * 9 + [True]


@NAMES
@pytest.mark.parametrize("broken", [False, True])
def test_every_measure_gives_a_finite_number_for_both_agents(name, broken):
    agent = make(name, broken)
    agent.epochs = 1  # a setting of PPO; one epoch is fast
    learn(agent, 1_200)
    assert np.isfinite(float(BUGS[name].measure(agent)))


def test_the_measures_are_right_in_extreme_cases():
    sound = make("mean over the batch", False)
    learn(sound, 1_200)
    assert change_when_alone(sound) == pytest.approx(0, abs=1e-5)
    agent = make("[B] minus [B, 1]", False)
    rollout = agent.collector.collect(64)
    flat = rollout._replace(values=np.zeros_like(rollout.values))
    agent.collector.collect = lambda steps: flat
    agent.network.values = lambda obs: torch.zeros(len(obs))
    assert explained_by_v(agent) == pytest.approx(0, abs=1e-4)
    targets = flat.batch(agent.policy, flat.advantages(agent.gamma, agent.gae_lambda), "cpu").returns
    agent.network.values = lambda obs: targets
    assert explained_by_v(agent) == pytest.approx(1)


def test_the_measures_of_q_by_hand(monkeypatch):
    agent = make("truncated as terminated", False)
    learn(agent, 400)
    agent.q_values = lambda obs: np.stack([obs[:, 0], obs[:, 0] - 1], 1)  # the best one is the position of the cart
    seen = agent.replay.frames[agent.replay.valid]
    assert mean_value(agent) == pytest.approx(seen[:, 0].mean(), rel=1e-5) and len(seen) < agent.replay.frames.size / 4
    judged = []
    monkeypatch.setattr(dqn, "estimates_and_returns", lambda agent: judged.append(agent) or (3.0, 2.0))
    agent = make("weights dropped", False)
    assert claimed_to_true(agent) == 1.5
    assert judged[0].envs.settings["env"] == "CartPole-v1"
    assert all(map(torch.equal, judged[0].network.parameters(), agent.network.parameters()))
    assert agent.envs.settings["env"] is dqn.lottery_cartpole, "the agent itself continues with its own"


def test_the_td_error_is_the_target_minus_q():
    agent = make("target not detached", False)
    learn(agent, 1_200)
    for network in (agent.network, agent.target):
        for p in network.parameters():
            p.data.zero_()  # Q is 0, so y is the sum of the rewards
    drawn, sample = [], agent.replay.sample
    agent.replay.sample = lambda size: drawn.append(sample(size)) or drawn[-1]
    assert mean_td_error(agent) == pytest.approx(drawn[0].rewards.mean().item(), rel=1e-5)
    assert len(drawn[0].rewards) == 1_000 and 2 < drawn[0].rewards.mean() < 5  # up to five steps of 1


OLD, NEW = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.75, 0.25]]).log()


def test_the_measures_of_an_update_by_hand(monkeypatch):
    """π goes from 1/2, 1/2 to 3/4, 1/4 in every state: the ratio of action 0 is 1.5, that of action 1 is 0.5."""
    agent = make("no min", False)
    batch = rolled_out(agent)[1]._replace(
        actions=torch.tensor([0, 0, 1, 1]), advantages=torch.tensor([1.0, -1.0, 1.0, -1.0]),
        old_params=OLD.expand(4, 2), old_log_probs=OLD[0, [0, 0, 1, 1]],
    )  # fmt: skip
    monkeypatch.setattr(ppo, "next_updates", lambda agent: iter([(batch, NEW.expand(4, 2)), (batch, OLD.expand(4, 2))]))
    assert moved_the_wrong_way(agent) == pytest.approx((2 / 4 + 0) / 2)  # action 0 with A < 0, action 1 with A > 0
    agent.clip_coef = 0.6
    assert moved_the_wrong_way(agent) == 0
    new_first = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    old_first = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    assert new_first_to_old_first(agent) == pytest.approx(new_first / old_first, rel=1e-5)


def test_next_updates_are_those_that_the_agent_makes():
    agent, twin = make("no min", False), make("no min", False)
    steps = twin.num_steps * twin.num_envs
    for k, (batch, params) in enumerate(next_updates(agent, count=2), start=1):
        learn(twin, k * steps)
        torch.testing.assert_close(params, twin.network.policy(batch.obs).detach())
        assert batch.advantages.mean().abs() < 1e-5 and not params.equal(batch.old_params)


def test_the_value_at_the_door_is_that_of_the_last_place():
    agent = make("reset row learned", False)
    agent.collector.forward = lambda obs: (None, obs @ np.array([0.1, 0.2, 0.3, 0.4, 0.9]))
    assert value_at_the_door(agent) == pytest.approx(0.9)


def test_only_the_agent_that_acts_on_the_shared_network_acts_by_another_policy():
    sound, broken = pair("acting on the shared network")
    for agent in (sound, broken):
        learn(agent, 2_000)
    assert acting_to_own(sound) == 0 < acting_to_own(broken)
    broken.distances = [7.0, *range(1_000)]
    assert acting_to_own(broken) == np.mean(range(1_000))


def test_only_accumulated_gradients_differ_from_the_newest():
    sound, broken = pair("gradients accumulate")
    assert fresh_share(sound) == pytest.approx(1, abs=1e-5)
    assert fresh_share(broken) < 0.9
    directions = iter([1.0, -1.0] * 25)
    sound.gradient = lambda segment: (next(directions) * A2C.gradient(sound, segment)[0], {})
    assert fresh_share(sound) == pytest.approx(0, abs=1e-5)  # as often backwards as forwards


# What is said -----------------------------------------------------------------------------------------------


def test_the_stored_runs_are_those_of_all_bugs():
    runs, how = stored("museum")
    assert list(runs) == list(BUGS) and how["seeds"] == list(SEEDS)
    for name, kinds in runs.items():
        assert list(kinds) == ["sound", "broken"]
        for run in (*kinds["sound"], *kinds["broken"]):
            assert run["steps"][-1] == BUGS[name].steps and len(run["steps"]) == len(run["returns"])
            assert np.isfinite([*run["returns"], run["number"]]).all()
        assert len(kinds["sound"]) == len(kinds["broken"]) == len(SEEDS)


@NAMES
def test_each_bug_names_an_existing_test(name):
    file, test = BUGS[name].test.split("::")
    assert f"\ndef {test}(" in (TESTS.parent / file).read_text(encoding="utf-8")


def test_the_table_has_a_row_for_each_bug():
    rows = table()._repr_markdown_().splitlines()
    assert len(rows) == len(BUGS) + 2 and repr(table()) == "\n".join(rows)
    for row, (name, bug) in zip(rows[2:], BUGS.items()):
        assert row.startswith(f"| **{name}** (chapter {bug.chapter}) | ") and bug.symptom[1:] in row
        file, test = bug.test.removeprefix("tests/").split("::")
        assert f"`{file}`: " in row and test.removeprefix("test_") in row.replace(" ", "_")
        assert row.replace("\\|", "").count("|") == 5


def test_a_cell_of_the_table_can_be_narrow():
    """Its longest word decides how narrow a column can be."""
    assert max(map(len, table()._repr_markdown_().split())) <= len("`test_networks.py`:")


@pytest.mark.parametrize("chapter", [None, *sorted({bug.chapter for bug in BUGS.values()})])
def test_the_explorer_shows_every_bug_of_its_chapter(chapter):
    explorer = museum(chapter)
    names = [name for name, bug in BUGS.items() if chapter in (None, bug.chapter)]
    assert allowed(explorer.controls["bug"]) == names
    runs, _ = stored("museum")
    seen = set()
    for name in names:
        explorer.controls["bug"].value = name
        for broken in (False, True):
            explorer.controls["broken"].value = broken
            ax, telling = explorer.figure.axes
            shown = [line.get_visible() for line in ax.lines]
            assert shown == [True] * (len(SEEDS) + 1) + [broken] * (len(SEEDS) + 1)
            np.testing.assert_array_equal(telling.lines[0].get_ydata(), [run["number"] for run in runs[name]["sound"]])
            low, high = telling.get_ylim()
            assert all(low < run["number"] < high for kind in runs[name].values() for run in kind)
            words = explorer.status.value
            assert name in words and f"{medians(runs[name]['sound'])[1]:.3g}" in words
            assert (BUGS[name].test in words) == (BUGS[name].symptom in words) == broken
            seen.add((bytes(explorer.image.value), words))
    assert len(seen) == 2 * len(names)
    assert museum(chapter, bug=names[-1]).controls["bug"].value == names[-1]
    first = museum(chapter)
    explorer.reset()
    assert bytes(explorer.image.value) == bytes(first.image.value) and explorer.status.value == first.status.value
    data, _ = explorer._repr_mimebundle_()
    assert data["image/png"] and "0x" not in data["text/plain"]
