"""Saliency: where it must be for a made-up agent, where it is in Pong, and how similar an untrained network looks."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import tiny
from matplotlib.text import Text

from rlkit import explore, plotting
from rlkit.experiments.saliency import (
    BOTTOM,
    PONG,
    SPOTS,
    TOP,
    distances,
    field,
    first_filters,
    layers,
    middles,
    outputs,
    perturbed,
    saliency,
    strongest_spots,
)
from rlkit.explore.saliency import SHIPPED, moment
from rlkit.language import number
from rlkit.plotting.video import play
from rlkit.ppo import PPO
from rlkit.running.checkpoint import load

torch.set_num_threads(1)


class OnePixel(torch.nn.Module):
    """Two logits and V that depend only on one pixel of the newest frame."""

    def __init__(self, row, column):
        super().__init__()
        self.row, self.column = row, column
        self.register_buffer("scale", torch.ones(()))

    def forward(self, obs):
        pixel = obs[:, -1, self.row, self.column]
        return torch.stack([pixel, 0 * pixel], 1), 2 * pixel


@pytest.fixture(scope="module")
def agent():
    return load(SHIPPED, device="cpu", num_envs=1)


@pytest.fixture(scope="module")
def recording(agent):
    return play(agent, 150)


# Numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [42, 84])
@pytest.mark.parametrize("spot", [(0, 0), (5, 6), (10, 13), (3, 12)])
def test_the_map_of_one_pixel_is_largest_there(size, spot):
    rows = field(size)
    height = rows.stop - rows.start
    at = [int((k + 0.5) * length / n) for k, length, n in zip(spot, (height, size), SPOTS)]
    obs = np.zeros((4, size, size), np.uint8)
    obs[:, rows.start + at[0], at[1]] = 255  # blurring makes this pixel darker
    maps = saliency(SimpleNamespace(network=OnePixel(rows.start + at[0], at[1])), obs)
    for S in maps.values():
        assert np.unravel_index(S.argmax(), SPOTS) == spot and (S >= 0).all()
    np.testing.assert_allclose(maps["V"], 4 * maps["policy"], rtol=1e-4)  # twice as far, squared


def test_a_pixel_outside_the_field_or_with_the_colour_of_its_surroundings_is_never_salient():
    obs = np.full((4, 42, 42), 90, np.uint8)
    assert saliency(SimpleNamespace(network=OnePixel(20, 20)), obs)["V"].max() < 1e-6
    obs[:, 3, 20] = 255
    assert saliency(SimpleNamespace(network=OnePixel(3, 20)), obs)["V"].max() == 0


def test_a_perturbed_observation_is_the_papers_mixture():
    rng = np.random.default_rng(0)
    obs = rng.integers(0, 256, (4, 42, 42)).astype(np.uint8)
    copies = perturbed(obs)
    assert copies.shape == (1 + 11 * 14, 4, 42, 42) and (copies[0] == obs).all()
    rows = field(42)
    assert (copies[:, :, : rows.start] == obs[:, : rows.start]).all() and (rows.start, rows.stop) == (7, 38)
    for spot in ((0, 0), (4, 9)):  # the same, slowly, pixel by pixel
        height, width = 31, 42
        centre = [(k + 0.5) * n / count - 0.5 for k, n, count in zip(spot, (height, width), SPOTS)]
        for i, j in ((0, 0), (12, 28), (30, 41)):
            M = np.exp(-0.5 * sum(((x - c) / (n / 16)) ** 2 for x, c, n in zip((i, j), centre, (height, width))))
            weights = np.outer(*(
                np.exp(-0.5 * ((np.arange(n) - x) / (3 * n / 80)) ** 2) for x, n in zip((i, j), (height, width))
            ))  # fmt: skip
            A = (weights * obs[2, rows]).sum() / weights.sum()
            want = obs[2, rows][i, j] * (1 - M) + A * M
            got = copies[1 + spot[0] * 14 + spot[1], 2, rows][i, j]
            assert got == pytest.approx(want, abs=0.01)


def test_outputs_are_those_of_the_agent(agent, recording):
    said = outputs(agent, recording.stacks[:5])
    assert said["policy"].shape == (5, 3) and np.allclose(said["V"][:, 0], recording.curve_high[:5], atol=1e-4)
    dqn = tiny("ALE/Pong-v5", frame_size=42, dueling=True)
    q, said = dqn.q_values(recording.stacks[:5]), outputs(dqn, recording.stacks[:5])
    np.testing.assert_allclose(said["policy"], q - q.mean(1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(said["V"][:, 0], q.max(1), atol=1e-5)


def test_the_layers_end_in_the_output_of_the_network(agent, recording):
    seen = layers(agent, recording.stacks[40])
    assert [x.shape for x in seen.values()] == [(16, 13, 13), (32, 5, 5), (128,)]
    logits = agent.network.policy_head(torch.from_numpy(seen["hidden"]))
    np.testing.assert_allclose(logits.detach(), outputs(agent, recording.stacks[40:41])["policy"][0], atol=1e-4)
    dqn = tiny("ALE/Pong-v5", frame_size=42, dueling=True)
    assert list(layers(dqn, recording.stacks[40])) == ["convolution 1", "convolution 2", "hidden"]
    assert first_filters(agent).shape == first_filters(dqn).shape == (16, 4, 6, 6)
    large = PPO("ALE/Pong-v5", num_envs=1, hidden=(32,), device="cpu")
    assert [x.shape[0] for x in layers(large, np.zeros((4, 84, 84), np.uint8)).values()] == [32, 64, 64, 32]


# Is it true? ----------------------------------------------------------------------------------------------------


def test_distances_are_measured_to_the_nearest_pixel():
    screen = np.zeros((210, 160, 3), np.uint8)
    assert np.isinf(distances(screen, PONG["ball"])).all()
    screen[100, 50] = screen[200, 0] = PONG["ball"]  # the second pixel is outside the field
    down, across = middles(160)
    assert TOP < down[0] < down[-1] < BOTTOM and (len(down), len(across)) == SPOTS
    want = np.hypot(down[:, None] - 100, across - 50)
    np.testing.assert_allclose(distances(screen, PONG["ball"]), want)


@pytest.fixture(scope="module")
def away(agent, recording):
    untrained = replace(agent, seed=7)
    return {(who, of): strongest_spots(a, recording, of)
            for who, a in (("trained", agent), ("untrained", untrained)) for of in ("policy", "V")}  # fmt: skip


def nearest(away):
    return np.minimum(away["ball"], away["own paddle"]).mean()


@pytest.mark.parametrize("of", ["policy", "V"])
def test_a_trained_agent_attends_to_the_ball_or_its_paddle(away, of):
    found = away["trained", of]
    assert len(found["ball"]) >= 50
    assert nearest(found) < 0.6 * found["random"].mean()


def test_an_untrained_policy_attends_less_to_them(away):
    """Of V there is no clear difference: its strongest spot is often the other paddle (and see Adebayo et al. 2018)."""
    assert nearest(away["trained", "policy"]) < 0.75 * nearest(away["untrained", "policy"])


# Pictures -------------------------------------------------------------------------------------------------------


def test_the_bright_spots_are_where_the_scores_are():
    screen = np.full((210, 160, 3), 100, np.uint8)
    scores = np.zeros(SPOTS)
    scores[2, 10] = 3.0
    image, light = plotting.lit(screen, scores)
    down, across = middles(160)
    row, column = np.unravel_index(image[..., 0].argmax(), (210, 160))
    assert abs(row - down[2]) <= 2 and abs(column - across[10]) <= 2
    assert image[0, 0, 0] == 50 and image[..., 0].max() > 130 and light.shape == (BOTTOM - TOP, 160)


def test_tiles_keep_every_map_in_its_place():
    maps = np.zeros((32, 5, 5))
    maps[17] = 1.0
    image = plotting.tiles(maps)
    assert image.shape == (2 * 6 - 1, 16 * 6 - 1) and (image[6:, 6:11] == 1).all() and (image[:5, :5] == 0).all()


def images(axes):
    """The one image of each of these axes."""
    return [image.get_array() for ax in axes for image in ax.images]


def test_the_picture_of_attention_lights_each_screen_by_its_map(agent, recording):
    moments = [20, 74]
    maps = [saliency(agent, recording.stacks[t]) for t in moments]
    figure = plotting.attention(recording, moments, maps)
    shown = [(t, scores, of) for of in ("policy", "V") for t, scores in zip(moments, maps)]
    assert len(images(figure.axes)) == len(shown)
    for ax, image, (t, scores, of) in zip(figure.axes, images(figure.axes), shown):
        assert (image == plotting.lit(recording.frames[t], scores[of])[0]).all()
        assert ax.get_xlabel() == f"largest S = {scores[of].max():.2g}"
    assert_letters_are_large(figure)


def test_the_picture_of_filters_shows_those_that_change_most(agent):
    weights = first_filters(agent)
    figure = plotting.filters(weights, count=3)
    change = [((w - w.mean(0)) ** 2).sum() for w in weights]
    chosen = sorted(range(len(weights)), key=lambda number: -change[number])[:3]
    squares = images(figure.axes[: 4 * 3])
    for age in range(4):
        for column, which in enumerate(chosen):
            want = weights[which, age] / abs(weights[which]).max()
            np.testing.assert_allclose(squares[3 * age + column], want, rtol=1e-6)
    assert [figure.axes[k].get_title() for k in range(3)] == [f"filter {number}" for number in chosen]
    assert_letters_are_large(figure)


def test_the_picture_of_layers_shows_the_frames_and_every_convolution(agent, recording):
    obs = recording.stacks[74]
    seen = layers(agent, obs)
    figure = plotting.feature_maps(obs, seen)
    assert len(figure.axes) == 3  # the hidden layer has no map
    for image, maps in zip(images(figure.axes), (obs, *seen.values())):
        np.testing.assert_array_equal(image, plotting.tiles(maps))
    titles = [ax.get_title("left") for ax in figure.axes]
    assert titles[0].startswith("frames")
    assert titles[1:] == ["convolution 1: 16 of 13 x 13", "convolution 2: 32 of 5 x 5"]
    assert_letters_are_large(figure)


def assert_letters_are_large(figure):
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 11


# The explorer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0, 74, 149])
def test_the_explorers_numbers_are_the_networks(agent, recording, t):
    obs = recording.stacks[t]
    copies = outputs(agent, perturbed(obs))
    for of, (S, said, blurred) in moment(agent, obs).items():
        np.testing.assert_allclose(S, saliency(agent, obs)[of])
        assert S.max() == pytest.approx(0.5 * ((said - blurred) ** 2).sum(), rel=1e-4)
        np.testing.assert_allclose(said, copies[of][0])


def test_the_explorer_names_the_agent_that_it_shows(agent, recording):
    explorer = explore.saliency(agent, recording)
    assert "The policy attends most" in explorer.status.value and "π(" in explorer.status.value
    explorer.controls["whose"].value = "V"
    assert "V attends most" in explorer.status.value
    explorer = explore.saliency(tiny("ALE/Pong-v5", frame_size=42), recording)
    assert "max Q" in explorer.status.value and "less the mean" in explorer.status.value


def test_hovering_over_the_curve_reads_the_value(agent, recording):
    explorer = explore.saliency(agent, recording)
    curve = next(ax for ax in explorer.figure.axes if ax.get_ylabel() == "V(s)")
    assert explorer.reading(curve, 74, 0) == f"V(s): {number(recording.curve_high[74], '.3g')}"
