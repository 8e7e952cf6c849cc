"""A checkpoint gives back the same agent, or an error that says what is wrong; there is never half a file."""

import os
import signal
import subprocess
import sys
import time
from operator import attrgetter

import numpy as np
import pytest
import torch
from conftest import Chain, disturb, learn, one_line, small, tiny, weights

from rlkit import AGENTS
from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.gorila import Gorila
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.running.checkpoint import checkpoint, load, read, save
from rlkit.running.content import checksum
from rlkit.running.state import agent_state, on_cpu, restore_agent
from rlkit.training import evaluate, train
from rlkit.trpo import TRPO

module = sys.modules["rlkit.running.checkpoint"]  # rlkit.running.checkpoint is also the name of the watcher


@pytest.fixture
def trained():
    flags = {"double": True, "dueling": True, "prioritized": True, "n_step": 2}
    agent = tiny(**flags, obs_scale=(2.4, 3.0, 0.2, 3.0), seed=4)
    learn(agent, 200)
    return agent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.pt"


def files(path):
    return sorted(file.name for file in path.parent.iterdir())


# The round trip ---------------------------------------------------------------------------------------------


def test_a_loaded_agent_acts_the_same_and_has_the_same_settings(trained, path):
    assert save(trained, path) == path
    loaded = load(path)
    assert repr(loaded) == repr(trained)
    assert weights(loaded.network).equal(weights(trained.network))
    assert weights(loaded.target).equal(weights(trained.target))
    assert not weights(loaded.target).equal(weights(loaded.network))
    assert (loaded.step, loaded.num_updates) == (trained.step, trained.num_updates)
    assert evaluate(loaded, 3, seed=1).tolist() == evaluate(trained, 3, seed=1).tolist()
    assert files(path) == ["agent.pt"]


def test_a_loaded_agent_takes_the_same_next_updates(trained, path):
    save(trained, path)
    loaded = load(str(path))
    loaded.replay = trained.replay  # the replay itself is not saved
    batch = trained.replay.sample(64)
    trained.replay.sample = lambda *arguments: batch
    for agent in (trained, loaded):
        for _ in range(10):
            agent.update()
    assert trained.num_updates % trained.target_period < 10  # the target was refreshed on the way
    assert weights(loaded.network).equal(weights(trained.network))


def test_a_loaded_agent_continues_and_counts_from_where_it_was(trained, path):
    save(trained, path)
    loaded = load(path)
    result = train(loaded, 400)
    assert loaded.step == 400 and min(result.steps) > 200 and max(result.steps) <= 400
    assert loaded.num_updates == trained.num_updates + 50


def test_saving_and_loading_again_changes_nothing(trained, path):
    save(trained, path)
    save(load(path), path.with_name("again.pt"))
    assert read(path)["state"].keys() == read(path.with_name("again.pt"))["state"].keys()
    assert checksum(read(path)) == checksum(read(path.with_name("again.pt")))


def test_without_resume_the_file_is_small_and_acts_the_same(trained, path):
    save(trained, path)
    size = path.stat().st_size
    save(trained, path, resume=False)
    assert path.stat().st_size < 0.5 * size
    loaded = load(path)
    assert weights(loaded.network).equal(weights(trained.network))
    assert weights(loaded.target).equal(weights(trained.network))
    assert loaded.step == trained.step
    train(loaded, 300)


def test_settings_can_be_changed_on_loading(trained, path):
    save(trained, path)
    loaded = load(path, num_envs=4, device="cpu", learning_rate=0.1)
    assert (loaded.num_envs, loaded.learning_rate, loaded.double) == (4, 0.1, True)
    assert weights(loaded.network).equal(weights(trained.network))


def test_gorila_too_starts_its_target_network_as_a_copy_if_it_was_saved_only_to_act(path):
    agent = Gorila(hidden=(8,))
    disturb(agent.network)
    save(agent, path, resume=False)
    loaded = load(path)
    assert loaded.theta.equal(agent.theta) and loaded.theta_target.equal(agent.theta)
    assert weights(loaded.server.target).equal(loaded.theta_target)
    assert not agent.theta_target.equal(agent.theta)  # the one that was saved had an older one
    save(agent, path)
    assert load(path).theta_target.equal(agent.theta_target)


CHANGES = [
    (small(A2C), {"optimizer": "adam"}, "optimizer='adam'"),
    (small(PPO), {"hidden": (9,), "seed": 3}, r"hidden=\(9,\), seed=3"),
    (tiny(), {"dueling": True}, "dueling=True"),
    (tiny(), {"env": "Acrobot-v1"}, "env='Acrobot-v1'"),
]


@pytest.mark.parametrize("agent, changes, named", CHANGES, ids=[named for _, _, named in CHANGES])
def test_settings_that_the_saved_tensors_do_not_fit_are_named(path, agent, changes, named):
    save(agent, path)
    with pytest.raises(ValueError, match=rf"does not fit {named} \(.*\); load it unchanged") as error:
        load(path, **changes)
    assert str(path) in one_line(error)
    load(path)


def test_what_is_not_in_the_state_of_the_episodes_stays_as_in_a_new_agent():
    """So an agent can declare more of what it saves, and files from before that can still be loaded."""
    agent = small(A2C, normalize=True, recurrent=True)
    train(agent, 100)
    for name in agent.saved_to_play_on:
        state = agent_state(agent)
        del state["play"][name]
        other = small(A2C, normalize=True, recurrent=True)
        restore_agent(other, state)
        assert other.player.lstm_state.any() == (name != "player.lstm_state")
        assert other.player.scaling.running_return.any() == (name == "player.lstm_state")
        np.testing.assert_array_equal(other.envs.obs, agent.envs.obs)


OPTIMIZERS = [
    (tiny(), {"optimizer": {"learning_rate": "lr", "adam_eps": "eps"}}),
    (small(TRPO), {"optimizer": {"learning_rate": "lr"}}),
    (small(REINFORCE), {"policy_optimizer": {"learning_rate": "lr"}, "value_optimizer": {"value_learning_rate": "lr"}}),
    (Gorila(hidden=(8,)), {"server.optimizer": {"learning_rate": "lr", "adam_eps": "eps"}}),
]


@pytest.mark.parametrize("agent, optimizers", OPTIMIZERS, ids=[type(agent).__name__ for agent, _ in OPTIMIZERS])
def test_a_changed_setting_of_an_optimizer_counts_and_not_the_saved_one(path, agent, optimizers):
    save(agent, path)
    changes = {setting: 0.125 / (n + 1) for n, setting in enumerate(s for names in optimizers.values() for s in names)}
    loaded = load(path, **changes)
    for optimizer, names in optimizers.items():
        (group,) = attrgetter(optimizer)(loaded).param_groups
        assert {setting: group[name] for setting, name in names.items()} == {name: changes[name] for name in names}


def test_a_file_holds_only_tensors_and_plain_values(path):
    save(tiny(learning_rate=np.float64(1e-3), seed=np.int64(3), obs_scale=np.ones(4, np.float32)), path)
    content = torch.load(path, weights_only=True)
    assert {"format", "sha256", "algorithm", "settings", "state"} == set(content)
    assert content["settings"]["obs_scale"] == (1.0, 1.0, 1.0, 1.0)
    assert load(path).seed == 3


def test_the_checksum_changes_with_the_weights(trained, path):
    before = checksum(agent_state(trained))
    with torch.no_grad():
        next(trained.network.parameters()).view(-1)[0] += 1e-6
    assert checksum(agent_state(trained)) != before


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_a_file_of_many_workers_holds_one_theta_the_statistics_and_the_count(path, optimizer):
    agent = A3C(optimizer=optimizer, hidden=(8,), num_workers=3)
    gradient = torch.randn(len(agent.shared.theta), generator=torch.Generator().manual_seed(0))
    agent.shared.optimizer.step(gradient, 0.1)
    agent.shared.steps.copy_(torch.tensor([10, 20, 30]))
    save(agent, path)
    loaded, alone = load(path, num_workers=2), load(path, num_workers=5, seed=1)
    for other in (loaded, alone):
        assert other.step == 60 == other.shared.T and other.shared.theta.equal(agent.shared.theta)
        assert weights(other.network).equal(other.shared.theta)
        other.shared.optimizer.step(gradient, 0.1)
    agent.shared.optimizer.step(gradient, 0.1)
    assert loaded.shared.theta.equal(agent.shared.theta) and alone.shared.theta.equal(agent.shared.theta)
    loaded.shared.steps.fill_(7)
    restore_agent(loaded, agent_state(alone))  # restoring twice
    assert loaded.step == 60
    save(agent, path.with_name("small.pt"), resume=False)
    small = load(path.with_name("small.pt"))
    assert small.step == 60 and small.shared.theta.equal(agent.shared.theta)
    assert not any(statistic.any() for statistic in small.shared.optimizer.statistics())
    assert path.with_name("small.pt").stat().st_size < path.stat().st_size


def test_a_file_holds_only_cpu_tensors_wherever_the_agent_was(trained, path, monkeypatch):
    """`Elsewhere` stands for another device: its tensors cannot be written, and only `to("cpu")` brings them back."""

    class Elsewhere(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            moved = function is torch.Tensor.to and "cpu" in args[1:]
            with torch._C.DisableTorchFunctionSubclass():
                result = function(*args, **(kwargs or {}))
                return result.as_subclass(torch.Tensor) if moved else result

        def __reduce_ex__(self, protocol):
            raise TypeError("a tensor from elsewhere was written")

    def elsewhere(value):
        if isinstance(value, torch.Tensor):
            return value.detach().as_subclass(Elsewhere)
        if isinstance(value, dict):
            return {key: elsewhere(item) for key, item in value.items()}
        return [*map(elsewhere, value)] if isinstance(value, list | tuple) else value

    save(trained, path)
    here = path.read_bytes()
    state = agent_state(trained)
    monkeypatch.setattr(module, "agent_state", lambda agent, resume: elsewhere(state))
    save(trained, path)
    assert same(read(path)["state"], on_cpu(state, {})) and len(path.read_bytes()) == len(here)


def test_changes_while_a_file_is_written_do_not_damage_it(trained, path, monkeypatch):
    checksum = module.checksum

    def meanwhile(content):  # as the workers of an A3C do
        digest = checksum(content)
        trained.network.advantage[0].weight.data += 1.0
        return digest

    monkeypatch.setattr(module, "checksum", meanwhile)
    before = weights(trained.network)
    save(trained, path)
    monkeypatch.undo()
    assert weights(load(path).network).equal(before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("make", [tiny, lambda **settings: small(PPO, normalize=True, **settings),
                                  lambda **settings: small(A2C, recurrent=True, **settings)])  # fmt: skip
def test_an_agent_moves_from_gpu_to_cpu_and_back(make, path):
    agent = make(device="cuda")
    train(agent, 400)
    save(agent, path)
    here = load(path, device="cpu")
    assert weights(here.network).device.type == "cpu"
    assert weights(here.network).equal(weights(agent.network).cpu())
    train(here, 600)
    back = load(save(here, path), device="cuda")
    assert weights(back.network).device.type == "cuda"
    assert weights(back.network).cpu().equal(weights(here.network))
    train(back, 800)
    small_one = path.with_name("small.pt")
    save(back, path), save(load(path, device="cpu"), small_one)
    saved = [read(file)["state"] for file in (path, small_one)]
    assert checksum(saved[0]) == checksum(saved[1])


def test_a_shipped_agent_is_no_larger_when_it_is_saved_again(path):
    for name in ("dqn-pong-small.pt", "ppo-pong-small.pt"):
        settings = {"num_envs": 1} | ({"replay_size": 100} if name.startswith("dqn") else {})
        save(load(AGENTS / name, **settings), path, resume=False)
        assert path.stat().st_size < 1.01 * (AGENTS / name).stat().st_size


# Damage -----------------------------------------------------------------------------------------------------


def same(one, two):
    if isinstance(one, dict):
        return isinstance(two, dict) and same([*one.items()], [*two.items()])
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and one.dtype == two.dtype and one.equal(two)
    if isinstance(one, list | tuple):
        return isinstance(two, list | tuple) and len(one) == len(two) and all(map(same, one, two))
    return one == two


def test_a_flipped_byte_is_noticed_or_harmless(path):
    save(tiny(hidden=(8,)), path, resume=False)
    whole, content = path.read_bytes(), read(path)
    noticed = 0
    positions = {*range(64, 2000, 97), *range(0, len(whole), len(whole) // 60)}
    for position in sorted(positions):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            assert same(read(path), content), f"byte {position} of {len(whole)} changed the agent silently"
        except ValueError as error:
            assert str(path) in str(error)
            noticed += 1
    assert len(positions) > 60 and noticed > 10


def test_a_flipped_bit_in_the_weights_is_reported_as_damage(path):
    agent = tiny(hidden=(8,))
    save(agent, path, resume=False)
    whole = path.read_bytes()
    weight = weights(agent.network)[:8].numpy().tobytes()
    assert whole.count(weight) == 1
    path.write_bytes(whole.replace(weight, bytes([weight[0] ^ 1]) + weight[1:]))
    with pytest.raises(ValueError, match="damaged: its checksum") as error:
        load(path)
    one_line(error)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_noticed(path, part):
    save(tiny(hidden=(8,)), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ValueError, match="not a whole checkpoint") as error:
        load(path)
    assert str(path) in one_line(error)


def test_files_of_another_kind_are_noticed(path):
    for content in (torch.ones(3), {"weight": torch.ones(3)}, [1, 2], {"sha256": "0", "format": "rlkit-1"}):
        torch.save(content, path)
        with pytest.raises(ValueError, match="not a whole checkpoint|damaged") as error:
            load(path)
        one_line(error)
    path.write_text("notes on deep reinforcement learning\n")
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        load(path)


def test_a_file_that_would_run_code_is_refused_unread(path):
    class Evil:
        def __reduce__(self):
            return print, ("this ran",)

    torch.save({"sha256": Evil(), "format": "rlkit-1"}, path)
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        load(path)


def test_an_algorithm_of_another_version_is_named(trained, path):
    trained.__class__ = type("Rainbow", (type(trained),), {})
    save(trained, path)
    with pytest.raises(ValueError, match="holds a 'Rainbow'") as error:
        load(path)
    one_line(error)


def test_missing_files_and_folders_are_named(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*missing\.pt"):
        load(tmp_path / "missing.pt")
    for wrong in (tmp_path / "no" / "folder.pt", tmp_path):
        for attempt in (lambda path: save(trained, path), checkpoint):
            with pytest.raises(ValueError, match="Nothing can be written") as error:
                attempt(wrong)
            assert str(wrong) in one_line(error)


# Saving -----------------------------------------------------------------------------------------------------


def test_an_environment_made_by_a_function_is_refused_at_the_start_of_the_run(path):
    with pytest.raises(ValueError, match=r"gymnasium\.register") as error:
        save(tiny(Chain), path)
    one_line(error)
    agent = tiny(Chain)
    with pytest.raises(ValueError, match=r"gymnasium\.register"):
        train(agent, 10_000, checkpoint(path))
    assert agent.step == 4 and files(path) == []


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["torch.save", "os.fsync", "os.replace"])
def test_a_failed_save_leaves_the_old_file_and_no_other(trained, path, monkeypatch, where, error):
    save(trained, path)
    old = path.read_bytes()

    def fail(*arguments):
        raise error

    library, name = where.split(".")
    monkeypatch.setattr({"torch": torch, "os": os}[library], name, fail)
    with pytest.raises(type(error)):
        save(trained, path)
    assert path.read_bytes() == old and files(path) == ["agent.pt"]


KILLED = """
import sys
from rlkit.running.checkpoint import save
from rlkit.dqn import DQN
agent = DQN(hidden=(512, 512), replay_size=100)
while True:
    save(agent, sys.argv[1])
    print(flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_kill_during_a_save_leaves_a_whole_file(path, trained):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    process.stdout.readline()  # the first file exists: from here on the process saves again and again
    for delay in np.linspace(0.0, 0.02, 12):
        process.send_signal(signal.SIGSTOP)  # frozen in the middle of something: what would a kill leave behind?
        assert read(path)["algorithm"] == "DQN"
        process.send_signal(signal.SIGCONT)
        time.sleep(delay)
    process.kill()
    process.communicate()
    assert read(path)["algorithm"] == "DQN"
    save(trained, path)
    assert load(path).step == trained.step


# The watcher ------------------------------------------------------------------------------------------------


def test_the_watcher_saves_at_once_at_intervals_and_at_the_end(path, monkeypatch):
    now, saved = [100.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module, "write", lambda agent, path: saved.append(agent.step))

    def clock(progress, result):
        now[0] += 4.0

    train(tiny(), 40, clock, checkpoint(path, every=10.0))
    assert saved == [4, 16, 28, 40, 40]


def test_an_interrupted_run_is_saved(path):
    def press(progress, result):
        if progress.step == 100:
            raise KeyboardInterrupt

    train(tiny(), 400, checkpoint(path), press)
    assert load(path).step == 100
