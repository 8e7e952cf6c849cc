"""Recordings hold what the agent saw and computed; videos show what the recordings hold."""

import functools
import importlib.util
import io
import struct
import sys

import gymnasium
import numpy as np
import pytest
import torch
from conftest import one_line, tiny
from PIL import Image

from rlkit import evaluate, preset, save, stop_at, train
from rlkit.__main__ import main
from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.atari import AtariGame
from rlkit.dqn import DQN
from rlkit.gorila import Gorila
from rlkit.plotting import apng, scenes, stage
from rlkit.plotting.film import BLUE, GREY, RED, Video, ink, number
from rlkit.plotting.video import Q_TITLES, Recording, play
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.tasks import BlindCartPole, Catch
from rlkit.trpo import TRPO


@pytest.fixture(scope="module")
def agent():
    """An untrained agent, which plays badly from the start."""
    return preset("dqn-pong-small", replay_size=2_000, num_envs=1)


@pytest.fixture(scope="module")
def recording(agent):
    return play(agent, 80, seed=3)


@pytest.fixture(scope="module")
def ppo():
    return PPO("ALE/Pong-v5", num_envs=1, frame_size=42, activation="relu", actions=(0, 2, 3))


def made_up(q_values, rewards=None, names=("NOOP", "UP"), height=210):
    """A recording of an empty screen, with these Q-values."""
    q_values = np.array(q_values, np.float32)
    steps = len(q_values)
    rewards = np.zeros(steps) if rewards is None else np.array(rewards)
    screens = np.full((steps, height, 160), 2, np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    thoughts = q_values, q_values.min(1), q_values.max(1), q_values.argmax(1)
    return Recording(screens, palette, None, *thoughts, rewards, tuple(names), Q_TITLES, True)


# play -------------------------------------------------------------------------------------------------------


def test_shapes_and_kinds(recording):
    assert len(recording) == 80 and not recording.over
    assert recording.screens.shape == (80, 210, 160) and recording.screens.dtype == np.uint8
    assert recording.frames.shape == (80, 210, 160, 3) and recording.frames.dtype == np.uint8
    assert recording.stacks.shape == (80, 4, 42, 42) and recording.stacks.dtype == np.uint8
    assert recording.bars.shape == (80, 3)
    assert recording.curve_low.shape == recording.curve_high.shape == (80,)
    assert recording.actions.shape == recording.rewards.shape == (80,)
    assert recording.names == ("NOOP", "RIGHT", "LEFT")  # the three actions of the preset
    assert repr(recording) == "Recording of a game"


def test_q_values_are_those_of_the_stacks_and_choose_the_actions(agent, recording):
    assert np.allclose(recording.bars, agent.q_values(recording.stacks), atol=1e-5)
    assert (recording.actions == recording.bars.argmax(1)).all()
    assert (recording.curve_low == recording.bars.min(1)).all()
    assert (recording.curve_high == recording.bars.max(1)).all()


def test_for_ppo_the_probabilities_choose_the_actions_and_the_curve_is_v(ppo):
    recording = play(ppo, 30, seed=3)
    logits, values = ppo.collector.forward(recording.stacks)
    powers = np.exp(logits)
    assert np.allclose(recording.bars, powers / powers.sum(1, keepdims=True), atol=1e-6)
    assert (recording.actions == recording.bars.argmax(1)).all()
    assert (recording.actions == ppo.act(recording.stacks)).all()  # the greedy policy, as in evaluate
    assert np.allclose(recording.curve_low, values, atol=1e-5)
    assert (recording.curve_low == recording.curve_high).all()


@pytest.mark.parametrize("algorithm", [A2C, A3C])
def test_the_same_for_a2c_and_a3c(algorithm):
    agent = algorithm("ALE/Pong-v5", num_envs=1, frame_size=42, hidden=(16,), actions=(0, 2, 3))
    recording = play(agent, 20, seed=3)
    assert np.allclose(recording.bars.sum(1), 1) and (recording.actions == agent.act(recording.stacks)).all()
    values = agent.network.values(torch.from_numpy(recording.stacks)).detach()
    assert np.allclose(recording.curve_high, values, atol=1e-5)


def test_the_same_actions_show_the_same_screens_stacks_and_rewards(recording):
    game = AtariGame("ALE/Pong-v5", 42, seed=3)
    obs, frames = game.reset(), recording.frames
    for t, action in enumerate(recording.actions):
        assert (frames[t] == game.screen()).all()
        assert (recording.stacks[t] == obs).all()
        obs, reward, *_ = game.step((0, 2, 3)[action])
        assert recording.rewards[t] == reward
    assert recording.rewards.sum() == -1  # the agent misses the first ball


def test_the_same_seed_gives_the_same_recording_and_video(agent, recording):
    again, other = play(agent, 80, seed=3), play(agent, 80, seed=4)
    for name, value in vars(recording).items():
        assert np.array_equal(value, getattr(again, name)), name
    assert not np.array_equal(recording.screens, other.screens)
    assert again.show(0, 20).png() == recording.show(0, 20).png()


@pytest.mark.skipif(sys.platform != "linux", reason="the C++ of other systems draws other no-ops")
def test_it_is_the_episode_that_evaluate_counts(agent, recording):
    envs = agent.envs.again(1, seed=3)
    for t in range(len(recording)):
        assert (envs.obs[0] == recording.stacks[t]).all()
        assert agent.act(envs.obs)[0] == recording.actions[t]
        assert envs.step(agent.act(envs.obs))[1][0] == recording.rewards[t]
    envs.close()


def test_a_recording_ends_with_the_game(agent, monkeypatch):
    monkeypatch.setattr("rlkit.plotting.stage.AtariGame", functools.partial(AtariGame, max_frames=100))
    recording = play(agent, 80)
    assert len(recording) == 25 and recording.over


def test_all_actions_of_a_game_with_lives():
    agent = tiny("ALE/Breakout-v5", frame_size=20, life_loss=True)
    recording = play(agent, 5)
    assert recording.names == ("NOOP", "FIRE", "RIGHT", "LEFT")
    assert recording.bars.shape == (5, 4) and recording.stacks.shape == (5, 4, 20, 20)


# Other environments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [A2C, A3C, DQN, Gorila, PPO, REINFORCE, TRPO], ids=lambda a: a.__name__)
def test_every_agent_is_filmed_on_cartpole_in_the_episode_that_evaluate_counts(algorithm):
    agent = algorithm("CartPole-v1", hidden=(8,), obs_scale=(2.0, 1.0, 1.0, 1.0), seed=2)
    recording = play(agent, 500, seed=5)
    assert recording.over and recording.rewards.sum() == len(recording) == evaluate(agent, 1, seed=5)[0]
    assert (recording.actions == agent.act(recording.stacks)).all()
    assert (recording.actions == recording.bars.argmax(1)).all()
    assert recording.names == ("LEFT", "RIGHT") and recording.speed == 50
    for screen, obs in zip(recording.screens, recording.stacks):
        assert (screen == scenes.cart_pole(obs)).all()
    assert (recording.frames == scenes.PALETTE[recording.screens]).all()
    assert (recording.titles == Q_TITLES) is hasattr(agent, "q_values")


def test_the_last_frame_shows_what_the_last_action_led_to():
    recording = play(tiny(), 500, seed=5)
    video = recording.show()
    envs = tiny().envs.again(1, seed=5)
    for action in recording.actions:
        envs.step(np.array([action]))
    assert envs.ended[0] and (video.frame(len(video) - 1)[24:264, :360] == scenes.cart_pole(envs.obs[0])).all()
    assert video.score[-1] == recording.rewards.sum() and video.score[-2] < video.score[-1]
    assert (Video(recording, 0, len(recording) - 1).score < video.score[-1]).all()
    envs.close()
    assert len(play(tiny(), 3, seed=5).end) == 0  # not over


def test_a_fast_environment_shows_every_third_step_at_its_own_speed():
    video = play(tiny(), 500, seed=5).show()
    *steps, end = video.steps
    assert steps == list(range(0, len(video.recording), 3)) and end == len(video.recording)
    assert video.fps == pytest.approx(50 / 3) and video.seconds(3) == pytest.approx(9 / 50)
    assert Image.open(io.BytesIO(video.png())).info["duration"] == 60
    assert (video.bars[1] == video.recording.bars[3]).all()


def test_ten_seconds_of_cartpole_fit_into_a_notebook():
    video = play(cartpole_player(), 500).show()
    assert video.recording.rewards.sum() > 400
    assert len(video.png()) * 4 / 3 < 350_000 * len(video.recording) / 500


def cartpole_player():
    """An agent that balances for long, in a second."""
    agent = preset("ppo-cartpole")
    train(agent, 100_000, stop_at(475))
    return agent


@pytest.mark.parametrize("algorithm", [PPO, A2C])
def test_a_gaussian_policy_shows_the_mean_action(algorithm):
    agent = algorithm("Pendulum-v1", num_envs=1, hidden=(8,))
    recording = play(agent, 20, seed=5)
    assert np.allclose(recording.bars, agent.act(recording.stacks), atol=1e-6) and recording.bars.shape == (20, 1)
    assert (recording.actions == recording.bars).all()
    assert recording.names == ("TORQUE",) and recording.titles.bars == "mean action"
    values = agent.network.values(torch.from_numpy(recording.stacks)).detach()
    assert np.allclose(recording.curve_high, values, atol=1e-5)
    assert "a bar for each number of the action" in recording.show().alt()
    envs = agent.envs.again(1, seed=5)
    assert recording.rewards.tolist() == [envs.step(action[None])[1][0] for action in recording.actions]
    video = recording.show()
    y = video.bars_top + video.row // 2
    for t in range(len(video)):
        assert (video.frame(t)[y, slice(*video.bars_x)] == ink(BLUE)).any()
    envs.close()


def test_a_recurrent_agent_is_filmed_by_what_it_does():
    agent = A2C(BlindCartPole, recurrent=True, num_envs=2, hidden=(8,), seed=1)
    for _ in agent.learn(2_000):
        pass
    forget, kept = agent.forget, []
    agent.forget = lambda: kept.append(len(agent.player.acting_states)) or forget()
    agent.act(np.ones((1, 2), np.float32))  # a memory of another episode
    recording = play(agent, 500, seed=5)
    assert kept == [1, 1] and not agent.player.acting_states  # it is forgotten before and after
    agent.forget = forget
    assert recording.rewards.sum() == evaluate(agent, 1, seed=5)[0]
    agent.forget()
    assert recording.actions.tolist() == [agent.act(obs[None])[0] for obs in recording.stacks]
    assert (recording.bars == np.eye(2)[recording.actions]).all()
    assert recording.curve_high.tolist() == list(range(len(recording))) and "return" in recording.titles.curve


def test_anything_that_acts_can_be_filmed():
    class Right:
        env, envs = Catch, tiny(Catch).envs

        def act(self, obs):
            return np.full(len(obs), 2)

    recording = play(Right(), seed=3)
    assert recording.over and len(recording) == 7 and (recording.actions == 2).all()
    assert recording.names == ("LEFT", "STAY", "RIGHT") and recording.bars.tolist() == [[0, 0, 1]] * 7


class Colours(gymnasium.Env):
    """Shows its clock as a colour. Its actions are a number from 0 to 2 and one from 0 to 3."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(self, render_mode=None, shape=(400, 600), actions=None):
        self.observation_space = gymnasium.spaces.Box(0, 1, (1,))
        self.action_space = actions or gymnasium.spaces.MultiDiscrete([3, 4])
        self.render_mode, self.shape = render_mode, shape

    def reset(self, seed=None, options=None):
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time += 1
        return np.array([self.time / 30], np.float32), 1.0, self.time == 30, False, {}

    def render(self):
        picture = np.full((*self.shape, 3), (8 * self.time, 255, 0), np.uint8)
        picture[: self.shape[0] // 2] = 0, 0, 200
        return picture


gymnasium.register("Colours-v0", Colours)


@pytest.mark.parametrize("given", ["Colours-v0", lambda: Colours("rgb_array"), lambda: gymnasium.make("Colours-v0")])
def test_an_environment_with_pictures_is_filmed_in_its_colours(given):
    agent = PPO(given, num_envs=2, hidden=(8,))
    recording = play(agent)
    assert recording.screens.shape == (30, 240, 360) and recording.speed == 4
    for frames, times in ((recording.frames, range(30)), (recording.palette[recording.end], [30])):
        for frame, time in zip(frames, times):
            assert np.abs(frame[200, 100].astype(int) - (8 * time, 255, 0)).max() <= 3
            assert np.abs(frame[20, 100].astype(int) - (0, 0, 200)).max() <= 3
    assert recording.bars.shape == (30, 2) and recording.names == ("a[0]", "a[1]")
    assert (recording.bars == agent.act(recording.stacks)).all()
    assert len(recording.show()) == 31


def test_a_picture_of_many_colours_keeps_about_its_own():
    rng = np.random.default_rng(0)
    pictures = [np.repeat(rng.integers(0, 256, (15, 20, 1)), 3, axis=2).astype(np.uint8) for _ in range(20)]
    screens, palette = stage.in_one_palette([stage.fitted(picture) for picture in pictures])
    assert (screens % 2 == 0).all() and screens.shape == (20, 270, 360)
    for screen, picture in zip(screens, pictures):
        assert np.abs(palette[screen[9::18, 9::18]].astype(int) - picture).max() <= 6


@pytest.mark.parametrize("shape, shown", [((20, 30), (240, 360)), ((210, 160), (420, 320)), ((900, 300), (420, 140))])
def test_pictures_of_every_size_fit_beside_the_bars(shape, shown):
    assert play(PPO(lambda: Colours("rgb_array", shape), num_envs=1, hidden=(8,)), 2).screens.shape[1:] == shown


def test_of_many_actions_those_that_are_taken_get_a_bar():
    class Clock:
        actions = gymnasium.spaces.Discrete(100, start=5)
        env = envs = None

        def act(self, obs):
            return np.array([round(30 * float(obs[0, 0])) * 3])

    agent = Clock()
    agent.env = lambda: Colours("rgb_array", actions=Clock.actions)
    agent.envs = tiny(agent.env).envs
    recording = play(agent, 12)
    assert recording.actions.tolist() == list(range(0, 36, 3)) and recording.names[6] == "a = 11"
    video = recording.show()
    assert len(video.listed) == 18 and set(recording.actions) <= set(video.listed)
    for t in range(12):
        y = video.bars_top + video.listed.index(3 * t) * video.row + video.row // 2
        assert (video.frame(t)[y, slice(*video.bars_x)] == ink(BLUE)).any()


def test_names_follow_the_actions_that_an_agent_keeps():
    agent = tiny(Catch, actions=(0, 2))
    assert play(agent, 2).names == ("LEFT", "RIGHT")


class Unseen(Colours):
    metadata = {}


CANNOT = {
    "Unseen cannot be filmed, because it has no picture": lambda: play(tiny_ppo(Unseen)),
    "Colours cannot be filmed as it is; make it with render_mode": lambda: play(tiny_ppo(Colours)),
    "its render() returns no bytes": lambda: play(tiny_ppo(lambda: Colours("rgb_array", (5, 5, 5)))),
    "Human is not an agent": lambda: play(type("Human", (), {"env": "ALE/Pong-v5"})()),
    "DQN is a class": lambda: play(DQN),
    "steps=0 must be": lambda: play(tiny(), 0),
    "steps=2.5 must be": lambda: play(tiny(), 2.5),
    "seed=-1 must be": lambda: play(tiny(), seed=-1),
}


def tiny_ppo(env):
    return PPO(env, num_envs=1, hidden=(8,))


@pytest.mark.parametrize("words", CANNOT)
def test_what_cannot_be_filmed_gets_one_sentence(words):
    with pytest.raises(ValueError) as error:
        CANNOT[words]()
    one_line(error)
    assert words in str(error.value)


@pytest.mark.skipif(importlib.util.find_spec("pygame") is not None, reason="pygame is here")
def test_a_renderer_that_lacks_a_library_says_which():
    with pytest.raises(ValueError, match="FrozenLake-v1 cannot be filmed: pygame is not installed") as error:
        play(tiny_ppo("FrozenLake-v1"))
    one_line(error)


# Frames -----------------------------------------------------------------------------------------------------


def test_the_left_of_a_frame_is_the_screen_twice_as_large(recording):
    video, frames = recording.show(10, 20), recording.frames
    for t in (0, 9):
        rgb = np.asarray(video.image(t).convert("RGB"))
        assert rgb.shape == (420, 720, 3)
        assert (rgb[::2, :320:2] == frames[10 + t]).all()
        assert (rgb[1::2, 1:320:2] == frames[10 + t]).all()


def test_bars_have_the_lengths_of_the_q_values_and_the_chosen_one_is_blue():
    video = made_up([[0.5, -0.25], [-0.5, 1.0]]).show()
    left, right = video.bars_x
    unit = (right - left) / 1.5  # the axis goes from -0.5 to 1
    for t, row in enumerate(video.bars):
        for action, q in enumerate(row):
            y = video.bars_top + action * video.row + video.row // 2
            colour = ink(BLUE) if action == row.argmax() else ink(GREY, 8)
            bar = np.flatnonzero(video.frame(t)[y, left : right + 1] == colour)
            assert abs(len(bar) - abs(q) * unit) <= 2
            zero = unit * 0.5
            assert abs((bar[0] if q > 0 else bar[-1]) - zero) <= 2


def test_bars_of_probabilities_reach_to_1_and_v_has_its_own_axis(ppo):
    video = play(ppo, 30, seed=3).show()
    assert video.bars_axis == (0.0, 1.0)
    assert video.curve_axis == (min(0.0, video.curve_low.min()), max(0.0, video.curve_high.max()))
    left, right = video.bars_x
    for action, p in enumerate(video.bars[29]):
        bar = video.frame(29)[video.bars_top + action * video.row + video.row // 2, left : right + 1]
        colour = ink(BLUE) if action == video.bars[29].argmax() else ink(GREY, 8)
        assert abs((bar == colour).sum() - p * (right - left)) <= 2
    assert Image.open(io.BytesIO(video.png())).n_frames == 30


def test_the_cursor_moves_and_the_curve_behind_it_is_blue():
    video = made_up([[np.sin(t), 0] for t in range(30)]).show()
    (top, bottom), (left, right) = video.plot_y, video.plot_x
    for t in (0, 12, 29):
        plot = video.frame(t)[top:bottom, left : right + 1]
        cursor = video.x(t) - left
        assert (plot[:, cursor] == ink(0)).all()
        blue, grey = (np.flatnonzero((plot == ink(c)).any(0)) for c in (BLUE, GREY))
        assert (blue < cursor).all() and len(blue) >= cursor * 0.2
        assert (plot[:, cursor + 1 :] != ink(BLUE)).all() and (len(grey) or t == 29)


def test_points_won_and_lost_are_shown_below_their_moments():
    video = made_up(np.ones((20, 2)), rewards=[0] * 5 + [1] + [0] * 9 + [-2] + [0] * 4).show()
    below = video.frame(0)[video.plot_y[1] + 1 : video.plot_y[1] + 20]
    for colour, t in ((BLUE, 5), (RED, 15)):
        where = np.flatnonzero((below == ink(colour)).any(0))
        assert abs(where.mean() - video.x(t)) <= 2
    assert video.score.tolist() == [0] * 6 + [1] * 10 + [-1] * 4
    assert Video(video.recording, 10, 20).score[0] == 1  # points since the beginning of the episode


@pytest.mark.parametrize("q_values", [[[0.0, 0.0]], [[1e-9, 0], [0, 1e-9]], [[-5e3, -4e3]] * 3, [[1, 2]] * 2])
def test_no_q_values_can_break_the_picture(q_values):
    video = made_up(q_values).show()
    image = Image.open(io.BytesIO(video.png()))
    assert (image.n_frames, image.size) == (len(q_values), (720, 420))
    for t, row in enumerate(video.bars):
        y = video.bars_top + row.argmax() * video.row + video.row // 2
        assert (video.frame(t)[y, slice(*video.bars_x)] == ink(BLUE)).any()  # every chosen action has a bar


@pytest.mark.parametrize("count", [2, 6, 9, 18])
def test_every_number_of_actions_fits(count):
    q_values = np.linspace(-1, 1, 3 * count).reshape(3, count)
    video = made_up(q_values, names=["DOWNRIGHTFIRE"] * count).show()
    assert video.bars_top + count * video.row < video.plot_y[0] - 40
    assert video.plot_y[1] - video.plot_y[0] >= 70 and video.bars_x[1] - video.bars_x[0] >= 80
    assert video.frame(2).shape == (420, 720)


def test_a_reward_at_every_step_is_no_point_won():
    dense, rare = (made_up(np.ones((20, 2)), rewards=[1] * n + [0] * (20 - n)).show() for n in (20, 3))
    below = slice(dense.plot_y[1] + 1, dense.plot_y[1] + 48)
    assert not (dense.frame(0)[below] == ink(BLUE)).any() and (rare.frame(0)[below] == ink(BLUE)).any()


def test_only_existing_steps_can_be_shown(recording):
    assert len(recording.show()) == 80 and len(recording.show(70)) == 10 and len(recording.show(0, 5)) == 5
    for start, stop in ((80, None), (-1, 5), (5, 5), (100, 200)):
        with pytest.raises(ValueError) as error:
            recording.show(start, stop)
        one_line(error)
    with pytest.raises(ValueError, match="fps"):
        recording.show(fps=0)


def test_numbers_have_a_true_minus():
    assert [number(x, ".1f") for x in (-1.25, -0.01, 0.0, 2.0)] == ["−1.2", "0.0", "0.0", "2.0"]


# Files ------------------------------------------------------------------------------------------------------


def test_only_the_rectangle_of_the_changes_is_kept():
    last = np.arange(12, dtype=np.uint8).reshape(3, 4)
    frame = last.copy()
    frame[1, 1], frame[2, 3] = 50, 60
    y, x, part = apng.changes(last, frame)
    assert (y, x) == (1, 1) and part.tolist() == [[50, 255, 255], [255, 255, 60]]
    assert apng.changes(last, last)[2].tolist() == [[255]]


def test_a_small_animation_is_read_back_as_it_was_written():
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    frames = rng.integers(0, 255, (5, 7, 9), dtype=np.uint8)
    frames[3] = frames[2]
    frames[4, 2:, 3] = 17
    image = Image.open(io.BytesIO(apng.animated_png(iter(frames), palette, 40)))
    assert (image.n_frames, image.size, image.info["duration"]) == (5, (9, 7), 40)
    for t, frame in enumerate(frames):
        image.seek(t)
        assert (np.asarray(image.convert("RGB")) == palette[frame]).all(), t


def test_a_fast_png_has_every_pixel():
    pixels = np.random.default_rng(0).integers(256, size=(5, 7, 4), dtype=np.uint8)[..., :3]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(apng.fast_png(pixels)))), pixels)


def test_the_animated_png_holds_every_frame(recording):
    video = recording.show(20, 60, fps=10)
    image = Image.open(io.BytesIO(video.png()))
    assert (image.n_frames, image.info["loop"], image.info["duration"]) == (40, 0, 100)
    for t in (0, 1, 2, 20, 39):
        image.seek(t)
        assert (np.asarray(image.convert("RGB")) == video.palette[video.frame(t)]).all(), t


def test_a_frame_in_which_nothing_changed_is_kept():
    png = made_up([[0.0, 0.0]] * 2).show().png()
    assert png.count(b"fcTL") == 2 and struct.pack(">II", 2, 0) in png
    Image.open(io.BytesIO(png)).seek(1)


def test_ten_seconds_fit_into_a_notebook(recording):
    """About half of ten seconds: 80 steps of a game that is played as badly as possible."""
    assert len(recording.show().png()) * 4 / 3 < 350_000 * 80 / 150


def test_a_notebook_gets_a_png_and_a_constant_line(recording):
    pytest.importorskip("IPython")
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(recording.show(0, 2))
    assert set(data) == {"text/plain", "image/png"}
    assert data["text/plain"] == "Video of a game"


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_a_video_is_written_in_the_format_of_its_name(recording, tmp_path, ending):
    path = recording.show(0, 6).save(tmp_path / f"pong{ending}")
    image = Image.open(path)
    assert (image.n_frames, image.size) == (6, (720, 420))
    assert f".{image.format.lower()}" == ending
    image.seek(5)
    left = np.asarray(image.convert("RGB"))[::2, :320:2].astype(int)
    assert np.abs(left - recording.frames[5]).max() <= 2


def test_a_contact_sheet_shows_the_first_and_the_last_frame(recording):
    sheet = recording.contact_sheet(4)
    video = recording.show(0, 80)
    rgb = np.asarray(sheet.convert("RGB"))
    assert rgb.shape == (2 * 420 + 16, 2 * 720, 3)
    assert (rgb[:420, :720] == video.palette[video.frame(0)]).all()
    assert (rgb[-420:, -720:] == video.palette[video.frame(79)]).all()
    assert recording.contact_sheet(1).size == (720, 420) and recording.contact_sheet(3, 5, 9).size == sheet.size


def test_watch_writes_a_video(agent, tmp_path, capsys):
    save(agent, tmp_path / "pong.pt", resume=False)
    out = tmp_path / "pong.webp"
    assert main(["watch", str(tmp_path / "pong.pt"), "--out", str(out), "--steps", "5"]) == 0
    assert Image.open(out).n_frames == 5
    assert "5 steps of Pong, not to the end, return 0" in capsys.readouterr().out
