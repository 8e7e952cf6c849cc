"""Replay returns exactly what was seen, uniformly and from little memory, and refuses what cannot work."""

import itertools

import numpy as np
import pytest
from conftest import Counting, Frames, assert_as_literal, complete_slots, one_line, play, surprise

from rlkit import replay as replay_module
from rlkit.envs import Envs
from rlkit.replay import Replay
from rlkit.running import memory


def filled(env, num_envs, steps, capacity, **settings):
    """A replay after `steps` steps, and the rows that went into it."""
    envs = Envs(env, num_envs, seed=0)
    replay = Replay(capacity, num_envs, envs.obs_shape, envs.obs_dtype, **settings)
    rows = list(play(envs, steps))
    for row in rows:
        replay.add(*row)
    return replay, rows


def everything(replay):
    return replay.gather(np.array(sorted(complete_slots(replay))), np.ones(1, np.float32))


def various(kind):
    """Environments whose episodes end at different times."""
    starts = itertools.count()
    return lambda: kind(np.roll((1, 2, 7, 3, 5), next(starts)).tolist())


@pytest.mark.parametrize("n_step", [1, 2, 5])
@pytest.mark.parametrize("kind", [Counting, Frames])
@pytest.mark.parametrize("num_envs", [1, 3])
def test_replayed_transitions_are_those_of_a_literal_loop(kind, num_envs, n_step):
    replay, rows = filled(various(kind), num_envs, 90, 40 * num_envs, n_step=n_step, gamma=0.9)
    batch = everything(replay)
    assert len(batch.slots) > 20 * num_envs
    assert_as_literal(replay, batch, rows)


@pytest.mark.parametrize("n_step", [1, 3])
def test_frame_stacks_are_right_after_every_single_add(n_step):
    envs = Envs(various(Frames), 2, seed=0)
    replay = Replay(20, 2, envs.obs_shape, envs.obs_dtype, n_step=n_step, gamma=0.9)
    rows = []
    for row in play(envs, 45):
        replay.add(*row)
        rows.append(row)
        if replay.ready():
            assert_as_literal(replay, replay.sample(30), rows)
            assert_as_literal(replay, everything(replay), rows)
    assert replay.rows == 10 and len(replay) == 20 and len(everything(replay).slots) >= 2


def test_a_row_is_kept_until_its_stack_or_its_place_is_needed():
    for steps in range(1, 30):
        replay, _ = filled(Counting, 1, steps, 10, n_step=2)
        first, last = replay.complete_rows()
        assert (first, last) == (max(0, steps - 10), steps - 2)
    replay, _ = filled(Frames, 1, 30, 10, n_step=2)
    assert replay.complete_rows() == (23, 28)


def test_nothing_is_ready_before_a_transition_is_complete():
    ready = [filled(Counting, 2, steps, 40, n_step=3)[0].ready() for steps in range(6)]
    assert ready == [False, False, False, False, True, True]


def test_a_termination_and_a_truncation_differ_only_in_the_mask():
    replay, _ = filled(Counting, 1, 8, 20, n_step=3, gamma=0.5)
    batch = everything(replay)  # episode 0 terminates in row 2, episode 1 is truncated in row 6
    ends = batch.obs[:, 1] == 2
    assert batch.terminated[ends].tolist() == [True]
    assert batch.next_obs[ends].tolist() == [[0, 3]]
    first = batch.obs[:, 1] == 0
    assert batch.terminated[first].tolist() == [True, False]
    assert batch.rewards[first].tolist() == [1 + 1 + 3 / 4, 11 + 6 + 13 / 4]
    assert batch.discounts[first].tolist() == [0.125, 0.125]
    assert batch.next_obs[first].tolist() == [[0, 3], [1, 3]]


def test_sampling_is_uniform_over_the_valid_transitions():
    replay, _ = filled(Counting, 2, 90, 60)
    slots, counts = np.unique(replay.sample(40_000).slots, return_counts=True)
    assert set(slots.tolist()) == complete_slots(replay)
    assert surprise(counts, 40_000 / len(slots)) < 5
    batch = replay.sample(8)
    assert batch.weights.tolist() == [1.0] * 8
    assert sorted(batch.slots) != sorted(replay.sample(8).slots)


def test_a_sampled_batch_does_not_change_when_the_ring_moves_on():
    replay, rows = filled(Counting, 1, 30, 12)
    batch = replay.sample(16)
    before = [x.clone() for x in (batch.obs, batch.next_obs, batch.rewards)]
    for row in rows[:12]:
        replay.add(*row)
    assert all(a.equal(b) for a, b in zip(before, (batch.obs, batch.next_obs, batch.rewards)))


def arrays(replay):
    return sum(x.nbytes for x in vars(replay).values() if isinstance(x, np.ndarray))


def test_an_atari_transition_takes_seven_kilobytes_and_the_memory_check_knows_it(monkeypatch):
    asked = []
    monkeypatch.setattr(replay_module, "require_memory", lambda num_bytes, *words: asked.append(num_bytes))
    replay = Replay(1000, 4, (4, 84, 84), np.uint8)
    assert arrays(replay) / 1000 <= 7200
    assert asked == [arrays(replay)]
    assert arrays(Replay(999, 4, (6,), np.float32)) == asked[1]


@pytest.mark.parametrize("shape, n_step, least", [((4,), 1, 6), ((4,), 3, 10), ((4, 16, 16), 3, 16)])
def test_a_replay_that_is_too_small_names_the_least_size_that_works(shape, n_step, least):
    with pytest.raises(ValueError, match=f"replay_size >= {least}") as error:
        Replay(least - 1, 2, shape, np.uint8, n_step)
    assert f"replay of {least - 1} " in one_line(error)
    replay = Replay(least, 2, shape, np.uint8, n_step)
    for _ in range(40):
        zeros = np.zeros(2, bool)
        replay.add(np.zeros((2, *shape)), zeros, zeros, zeros, zeros, ~zeros)
    assert len(replay.sample(9).slots) == 9


def test_a_replay_that_is_too_large_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2 * 2**30)
    words = r"1000000000 transitions needs 6585\.\d+ GiB.* 2\.00 GiB.*smaller"
    with pytest.raises(ValueError, match=words) as error:
        Replay(10**9, 4, (4, 84, 84), np.uint8)
    one_line(error)
    Replay(1000, 4, (4, 84, 84), np.uint8)
    monkeypatch.setattr(memory, "available_memory", lambda: None)  # a system that does not say
    Replay(1000, 4, (4, 84, 84), np.uint8)


def test_images_that_are_not_a_stack_of_frames_are_refused():
    replay = Replay(100, 2, (3, 16, 16), np.uint8)  # three colours
    zeros = np.zeros(2, bool)
    with pytest.raises(ValueError, match="FrameStackObservation") as error:
        replay.add(np.ones((2, 3, 16, 16), np.uint8), zeros, zeros, zeros, zeros, ~zeros)
    assert "(3, 16, 16)" in one_line(error)


# Memory limits of containers --------------------------------------------------------------------------------


def group(folder, limit, usage, cache=0, version=2):
    names = {2: ("max", "current"), 1: ("limit_in_bytes", "usage_in_bytes")}[version]
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, (limit, usage)):
        (folder / f"memory.{name}").write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cache}\nactive_file 7\n")


def container(tmp_path, lines):
    (tmp_path / "own").write_text(lines)
    return memory.container_memory(root=tmp_path / "cgroup", own=tmp_path / "own")


def test_version_2_takes_the_tightest_limit_of_all_groups_above(tmp_path):
    group(tmp_path / "cgroup/user/session", "max", 10)
    group(tmp_path / "cgroup/user", 1000, 400, cache=50)
    group(tmp_path / "cgroup/elsewhere", 1, 1)
    assert container(tmp_path, "0::/user/session\n") == 1000 - 400 + 50
    group(tmp_path / "cgroup/user/session", 300, 10)
    assert container(tmp_path, "0::/user/session\n") == 290


def test_version_1_reads_the_memory_controller(tmp_path):
    group(tmp_path / "cgroup/memory/docker/abc", 800, 100, version=1)
    group(tmp_path / "cgroup/memory", 2**63 - 4096, 100, version=1)  # no limit, in version 1
    assert container(tmp_path, "11:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n") == 700


def test_a_container_that_sees_only_its_own_group_as_the_root_is_found(tmp_path):
    group(tmp_path / "cgroup", 500, 100)
    assert container(tmp_path, "0::/docker/abc\n") == 400
    group(tmp_path / "cgroup/memory", 300, 100, version=1)
    assert container(tmp_path, "4:memory:/docker/abc\n") == 200


def test_no_limit_is_none_and_an_exceeded_one_is_zero(tmp_path):
    assert memory.container_memory(root=tmp_path, own=tmp_path / "missing") is None
    group(tmp_path / "cgroup", "max", 100)
    assert container(tmp_path, "0::/\n") is None
    group(tmp_path / "cgroup", 100, 150)
    assert container(tmp_path, "0::/\n") == 0


def test_available_memory_is_the_smaller_of_machine_and_container(monkeypatch):
    cases = [(5, 9, 5), (9, 5, 5), (None, 5, 5), (5, None, 5), (None, None, None), (5, 0, 0)]
    for machine, limit, least in cases:
        monkeypatch.setattr(memory, "machine_memory", lambda value=machine: value)
        monkeypatch.setattr(memory, "container_memory", lambda value=limit: value)
        assert memory.available_memory() == least
    monkeypatch.undo()
    assert memory.available_memory() > 2**20
