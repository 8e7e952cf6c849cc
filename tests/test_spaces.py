"""What observations become, which actions are given, and that every refusal names a cure that works.

`python tests/test_spaces.py` prints the tables of lectures/spaces.md.
"""

import ast
import copy
import re
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from conftest import Frames, assert_as_literal, learn, one_line, play, small, tiny, weights
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, Sequence, Space, Text, Tuple

from rlkit.__main__ import main
from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.envs import Envs
from rlkit.gorila import Gorila, Gradient, bundle
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.running.checkpoint import load, save
from rlkit.training import evaluate
from rlkit.trpo import TRPO

PAGE = Path(__file__).parent.parent / "lectures" / "spaces.md"
AGENTS = {
    "PPO": lambda env: small(PPO, env),
    "A2C": lambda env: small(A2C, env),
    "A3C": lambda env: A3C(env, num_workers=1, num_envs=2, hidden=(8,)),
    "TRPO": lambda env: small(TRPO, env),
    "REINFORCE": lambda env: small(REINFORCE, env),
    "DQN": lambda env: tiny(env),
    "Gorila": lambda env: Gorila(env, num_workers=1, hidden=(8,), learning_starts=20, replay_size=200),
}


class Sampled(gymnasium.Env):
    """Shows anything from its observation space, takes anything from its action space. Truncated after four steps."""

    def __init__(self, seen=None, done=None):
        self.observation_space = Box(-1, 1, (2,), np.float32) if seen is None else seen
        self.action_space = Discrete(2) if done is None else done

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.time = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), (action, self.action_space)
        self.time += 1
        return self.observation_space.sample(), float(self.np_random.random()), False, self.time == 4, {}


class Mission(Space):
    """A kind of space that Gymnasium does not know, like the mission of MiniGrid."""

    def __init__(self):
        super().__init__(dtype=str)

    def sample(self, mask=None):
        return "go to the green door"

    def contains(self, x):
        return isinstance(x, str)


# What observations become -------------------------------------------------------------------------------------


def look(space, *observations):
    """What a network sees of these observations."""
    envs = Envs(lambda: Sampled(space), len(observations), seed=0)
    batch = gymnasium.vector.utils.create_empty_array(envs.vector.single_observation_space, len(observations))
    seen = envs.see(gymnasium.vector.utils.concatenate(space, observations, batch))
    assert seen.shape[1:] == envs.observation_space.shape and seen.dtype == envs.observation_space.dtype
    assert all(envs.observation_space.contains(row) for row in seen)
    return seen


def test_a_number_becomes_one_hot():
    assert look(Discrete(3), 2, 0).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert look(Discrete(3, start=-1), -1, 1).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_several_numbers_become_one_one_hot_after_the_other():
    assert look(MultiDiscrete([3, 2]), np.array([2, 0]), np.array([1, 1])).tolist() == [
        [0, 0, 1, 1, 0],
        [0, 1, 0, 0, 1],
    ]
    assert look(MultiDiscrete([2, 2], start=[5, -1]), np.array([6, -1])).tolist() == [[0, 1, 1, 0]]
    assert look(MultiDiscrete([[2, 1], [1, 2]]), np.array([[1, 0], [0, 1]])).tolist() == [[0, 1, 1, 1, 0, 1]]


def test_bits_and_boxes_become_flat():
    assert look(MultiBinary((2, 2)), np.array([[0, 1], [1, 1]], np.int8)).tolist() == [[0, 1, 1, 1]]
    assert look(Box(-9, 9, (2, 2), np.float32), np.float32([[1, -2], [3, 4]])).tolist() == [[1, -2, 3, 4]]
    assert look(Box(-9, 9, (), np.float32), np.float32(7)).tolist() == [[7]]


def test_the_parts_of_a_dict_follow_each_other_with_pixels_between_0_and_1():
    space = Dict({"b": Box(0, 255, (1, 2), np.uint8), "a": Tuple([Discrete(2), Box(-5, 5, (2,), np.float64)])})
    (seen,) = look(space, {"a": (1, np.array([-4.0, 0.5])), "b": np.uint8([[51, 255]])})
    np.testing.assert_allclose(seen, [0, 1, -4, 0.5, 0.2, 1])  # Gymnasium sorts the keys
    assert seen.dtype == np.float32


def test_a_vector_and_a_stack_of_frames_are_left_alone():
    for space in (Box(-1, 1, (3,), np.float64), Box(0, 255, (4, 16, 20), np.uint8)):
        envs = Envs(lambda space=space: Sampled(space), 2, seed=0)
        obs = envs.vector.reset(seed=0)[0]
        assert envs.see(obs) is obs and envs.observation_space == space


def test_a_picture_has_its_colours_first():
    picture = np.random.default_rng(0).integers(256, size=(20, 16, 3), dtype=np.uint8)
    (seen,) = look(Box(0, 255, (20, 16, 3), np.uint8), picture)
    assert all((seen[colour] == picture[:, :, colour]).all() for colour in range(3)) and seen.shape == (3, 20, 16)
    (grey,) = look(Box(0, 255, (20, 16), np.uint8), picture[:, :, 0])
    assert (grey == picture[None, :, :, 0]).all()
    (alone,) = look(Dict({"rgb": Box(0, 255, (20, 16, 3), np.uint8)}), {"rgb": picture})
    assert (alone == seen).all()
    (both,) = look(Box(0, 255, (2, 20, 16, 3), np.uint8), np.stack([picture, 255 - picture]))
    assert (both == np.concatenate([seen, 255 - seen])).all()


def test_a_large_picture_is_shrunk_by_averaging():
    picture = np.zeros((168, 60, 3), np.uint8)
    picture[:2, 0] = [[200, 100, 0], [100, 100, 0]]  # the two pixels of the first new one
    (seen,) = look(Box(0, 255, (168, 60, 3), np.uint8), picture)
    assert seen.shape == (3, 84, 60) and seen[:, 0, 0].tolist() == [150, 100, 0] and seen.sum() == 250
    assert Envs(lambda: Sampled(Box(0, 255, (96, 96, 3), np.uint8)), 1, 0, frame_size=42).obs_shape == (3, 42, 42)


def test_pixels_are_divided_by_255_and_one_hot_bytes_are_not():
    def scale(space):
        return float(small(PPO, lambda: Sampled(space)).network.scale.max())

    assert scale(Box(0, 255, (5, 5, 3), np.uint8)) == scale(Box(0, 255, (20, 20, 3), np.uint8)) == 255
    assert scale(Box(0, 255, (4, 16, 16), np.uint8)) == 255
    assert scale(Discrete(4)) == scale(Dict({"a": SMALL, "b": Discrete(2)})) == scale(Box(0, 300, (2,))) == 1


class Beyond(Sampled):
    """Shows a number outside its space."""

    def step(self, action):
        return self.wrong, *super().step(action)[1:]


@pytest.mark.parametrize("wrong", [4, -1])
def test_a_number_outside_its_space_is_not_seen_as_nothing(wrong):
    Beyond.wrong = wrong
    envs = Envs(lambda: Beyond(Discrete(4)), 1, seed=0)
    with pytest.raises(ValueError, match=r"Discrete\(4\)") as error:
        envs.step(np.array([0]))
    assert str(wrong) in one_line(error)


def test_a_replay_stores_pictures_whole():
    agent = tiny(lambda: Sampled(Box(0, 255, (16, 16, 3), np.uint8)), num_envs=2)
    rows = list(play(agent.envs, 40))
    for row in rows:
        agent.replay.add(*row)
    assert_as_literal(agent.replay, agent.replay.sample(50), rows)


def test_what_is_too_large_for_a_network_is_refused():
    for space in (Discrete(10**12), MultiDiscrete([10**7, 2])):
        with pytest.raises(ValueError, match="too many for a one-hot vector") as error:
            small(PPO, lambda space=space: Sampled(space))
        one_line(error)
        with pytest.raises(ValueError, match="TransformAction") as error:
            small(PPO, lambda space=space: Sampled(done=space))
        one_line(error)
    with pytest.raises(ValueError, match="too many for a vector") as error:
        small(PPO, lambda: Sampled(Box(0, 1, (600, 800, 3), np.float32)))
    one_line(error)
    with pytest.raises(ValueError, match="no agent here gives") as error:
        small(PPO, lambda: Sampled(done=Box(0, 1, (0,))))
    one_line(error)
    with pytest.raises(ValueError, match="frame_size=10") as error:
        small(PPO, lambda: Sampled(Box(0, 255, (20, 20, 3), np.uint8)), frame_size=10)
    one_line(error)


# The page ---------------------------------------------------------------------------------------------------------

PIXELS, SMALL = Box(0, 255, (20, 20, 3), np.uint8), Box(0, 255, (7, 7, 3), np.uint8)
SEEN = {
    "Box of one dimension": Box(-1, 1, (3,), np.float32),
    "Box of any other shape": Box(-1, 1, (2, 2), np.float32),
    "Discrete": Discrete(4),
    "MultiDiscrete": MultiDiscrete([3, 2]),
    "MultiBinary": MultiBinary(3),
    "Dict or Tuple of the above": Dict({"a": Discrete(3), "b": Tuple([MultiBinary(2), Box(-1, 1, (2, 2))])}),
    "stack of frames, bytes [stack, H, W]": Frames,
    "picture, bytes [H, W, colours] or [H, W]": PIXELS,
    "picture of less than 15 pixels each way": SMALL,
    "Dict or Tuple of a picture and other parts": Dict({"rgb": PIXELS, "speed": Box(-1, 1, (2,))}),
    "Dict or Tuple with a Text": Dict({"image": SMALL, "direction": Discrete(4), "mission": Mission()}),
    "Text, Sequence, Graph": Text(4, charset="abc"),
}
DONE = {
    "Discrete": Discrete(3, start=1),
    "MultiDiscrete": MultiDiscrete([3, 2], start=[0, -1]),
    "MultiBinary": MultiBinary((2, 2)),
    "Box of real numbers, of any shape": Box(-1, 1, (2, 2), np.float32),
    "Box of whole numbers": Box(-1, 2, (2,), np.int64),
    "Dict or Tuple": Dict({"a": Discrete(2), "b": Box(-1, 1, (2,), np.float32)}),
}


class Enough(Exception):
    """A worker has shown that it learns."""


def learns(name, env):
    """Make the agent, and let it learn until its weights have changed: here, also if that is a worker's work."""
    agent = AGENTS[name](env)
    before = weights(agent.network).clone()
    if name == "A3C":
        shared = agent.shared.for_workers(False, own_statistics=False)
        A3C.actor_learner([].append, agent.settings(0), shared, 0, 10)
    elif name == "Gorila":
        with pytest.raises(Enough):
            bundle(lambda message: server(agent, message), *agent.job(0, agent.shared))
    else:
        for _ in agent.learn(300):
            if (weights(agent.network) != before).any():
                break
    after = weights(agent.network)
    assert after.isfinite().all() and (after != before).any()
    agent.envs.step(agent.act(agent.envs.obs))
    agent.envs.close()


def server(agent, message):
    """What Gorila's server does with the first gradient of a worker."""
    if isinstance(message, Gradient):
        agent.update(message)
        raise Enough


def try_out(name, make):
    """ "works" if the agent learns; otherwise the name of the cure in the message, which is followed here."""
    try:
        learns(name, make)
        return "works"
    except ValueError as error:
        message = str(error)
    assert "\n" not in message and message.endswith("."), message
    cures = list(cured(message, make))
    assert cures, message
    for cure in cures:
        learns(*((name, cure) if callable(cure) else (cure, make)))
    named = re.search(r"gymnasium\.(?:wrappers\.)?(\w*(?:Wrapper|Observation|Action))\b", message)
    return f"`{named[1]}`" if named else "use PPO"


def cured(message, make):
    """Everything that a message advises: environments that are wrapped as it says, or the name of another agent."""
    for keys in re.findall(r"\[['\"\d][^]]*\]", message) * ("FilterObservation" in message):
        yield partial(filtered, make, ast.literal_eval(keys))
    if "gymnasium.ObservationWrapper" in message:
        yield partial(Counted, make)
    if code := re.search(r"gymnasium\.wrappers\.TransformAction\(.*\)\)", message):
        yield partial(evaluated, code[0], make)
    if "such as PPO" in message:
        yield "PPO"


def filtered(make, keys):
    return gymnasium.wrappers.FilterObservation(make(), keys)


def evaluated(code, make):
    """What Python gives for the code in a message."""
    env = make()
    choices = [env.action_space.sample() for _ in range(3)]
    return eval(code, {"gymnasium": gymnasium, "numpy": np, "env": env, "choices": choices})


class Counted(gymnasium.ObservationWrapper):
    """Shows of a text how long it is: a Box, as the cure says."""

    def __init__(self, make):
        super().__init__(make())
        self.observation_space = Box(0, 10, (1,), np.float32)

    def observation(self, observation):
        return np.array([len(observation)], np.float32)


def table(heading, environments):
    """A table of the page, from agents that were really made and did really learn."""
    lines = [f"| {heading} | how each agent handles it |", "| --- | --- |"]
    for label, make in environments.items():
        lines.append(f"| {label} | {grouped({name: try_out(name, make) for name in AGENTS})} |")
    return "\n".join(lines)


def grouped(answers):
    """{agent: answer} -> "PPO, A2C: works; DQN: use PPO", or "all: works": few columns fit on a narrow page."""
    agents = {answer: [name for name in answers if answers[name] == answer] for answer in answers.values()}
    return "; ".join(f"{', '.join(names) if len(agents) > 1 else 'all'}: {answer}" for answer, names in agents.items())


TABLES = {
    "what the environment shows": {
        label: Frames if space is Frames else partial(Sampled, seen=space) for label, space in SEEN.items()
    },
    "what it takes": {label: partial(Sampled, done=space) for label, space in DONE.items()},
}


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_says_what_each_agent_handles_and_every_cure_works(heading):
    made = table(heading, TABLES[heading])
    assert made in PAGE.read_text(encoding="utf-8"), f"{PAGE.name} should have this table:\n\n{made}"


UNCOUNTED = [Sequence(Discrete(2)), Graph(Discrete(2), None), Dict({}), Mission(), Box(0, 1, (0,)), Box(0, 1, (2, 0))]


@pytest.mark.parametrize(
    "space", UNCOUNTED, ids=["Sequence", "Graph", "empty Dict", "Mission", "empty Box", "empty picture"]
)
def test_spaces_without_a_fixed_number_of_values_are_refused_with_the_cure(space):
    with pytest.raises(ValueError, match="gymnasium.ObservationWrapper") as error:
        Envs(lambda: Sampled(space), 1, seed=0)
    one_line(error)


def test_a_tuple_is_filtered_by_indices():
    space = Tuple([PIXELS, Discrete(3), Text(4)])
    assert try_out("PPO", partial(Sampled, space)) == "`FilterObservation`"
    nested = Dict({"a": Dict({"rgb": PIXELS, "b": Discrete(2)}), "c": Discrete(2)})
    assert try_out("PPO", partial(Sampled, nested)) == "`FilterObservation`"


def test_the_code_of_the_page_plays_an_environment_by_hand():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {"agent": small(PPO, "FrozenLake-v1"), "gymnasium": gymnasium, "numpy": np}
    exec(code, names)
    assert names["env"].action_space.contains(names["action"]) and names["seen"].shape == (1, 16)


# Learning -----------------------------------------------------------------------------------------------------------


class Signals(gymnasium.Env):
    """Three signals; the right answer repeats the signal and says whether it is 1. Each half of it pays a half.

    `form` is how the signal is shown, `both` whether both halves are asked for at once. Five rounds.
    """

    def __init__(self, form="number", both=True):
        self.form = form
        self.action_space = MultiDiscrete([3, 2]) if both else Discrete(3)
        spaces = {
            "number": Discrete(3, start=1),
            "numbers": MultiDiscrete([2, 3]),
            "dict": Dict({"bits": MultiBinary(3), "clock": Box(0, 5, (1,), np.float32)}),
            "picture": Box(0, 255, (16, 16, 3), np.uint8),
        }
        self.observation_space = spaces[form]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.show(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.time += 1
        first, second = action if np.ndim(action) else (action, self.signal == 1)
        reward = 0.5 * float(first == self.signal) + 0.5 * float(second == (self.signal == 1))
        return self.show(), reward, False, self.time == 5, {}

    def show(self):
        self.signal = int(self.np_random.integers(3))
        hot = np.arange(3) == self.signal
        return {
            "number": self.signal + 1,
            "numbers": np.array([self.time % 2, self.signal]),
            "dict": {"bits": hot.astype(np.int8), "clock": np.float32([self.time])},
            "picture": np.broadcast_to(np.uint8(255 * hot), (16, 16, 3)).copy(),
        }[self.form]


SETTINGS = {
    PPO: {"num_steps": 32, "minibatch_size": 64, "learning_rate": 3e-3},
    A2C: {"learning_rate": 3e-3},
    TRPO: {"num_steps": 64, "max_kl": 0.05},
    REINFORCE: {"learning_rate": 1e-2},
}


@pytest.mark.parametrize("algorithm", SETTINGS)
def test_two_actions_at_once_are_learned(algorithm):
    agent = algorithm(Signals, hidden=(32,), gamma=0.5, seed=1, **SETTINGS[algorithm])
    first = evaluate(agent, 20).mean()
    learn(agent, 2_500)
    assert first < 3.5 and evaluate(agent, 20).mean() > 4.7  # chance gives 2.1, perfect play 5


def test_workers_of_a3c_learn_two_actions_at_once():
    agent = A3C(Signals, num_workers=1, num_envs=4, hidden=(32,), gamma=0.5, learning_rate=3e-3, heartbeat=600.0)
    learn(agent, 4_000)
    assert evaluate(agent, 20).mean() > 4.7


@pytest.mark.parametrize("form", ["number", "numbers", "dict"])
def test_dqn_learns_from_what_is_shown_as(form):
    agent = tiny(lambda: Signals(form, both=False), hidden=(32,), gamma=0.5, learning_rate=3e-3)
    learn(agent, 1_500)
    assert evaluate(agent, 20).mean() > 4.7


def test_ppo_learns_from_a_coloured_picture():
    agent = PPO(lambda: Signals("picture"), gamma=0.5, num_steps=32, learning_rate=1e-3, hidden=(32,))
    learn(agent, 1_500)
    assert evaluate(agent, 20).mean() > 4.7


TAXIS = [name for name in gymnasium.registry if name.startswith("Taxi-v")]  # which of them runs depends on the version


@pytest.mark.parametrize("env, num_states", [("FrozenLake-v1", 16), (max(TAXIS), 500)])
@pytest.mark.parametrize("make", [lambda env: small(PPO, env), lambda env: tiny(env)], ids=["PPO", "DQN"])
def test_the_tables_of_gymnasium_are_played(env, num_states, make):
    agent = make(env)
    assert agent.envs.obs_shape == (num_states,) and len(learn(agent, 1_000)) >= 1
    assert (agent.envs.obs.sum(1) == 1).all()


# Everything else that agents do ------------------------------------------------------------------------------------


@pytest.fixture
def signals():
    """The id of `Signals`."""
    gymnasium.register("Signals-v0", Signals)
    yield "Signals-v0"
    del gymnasium.registry["Signals-v0"]


@pytest.mark.parametrize("algorithm", SETTINGS)
def test_agents_with_several_actions_are_saved_copied_and_resumed(algorithm, signals, tmp_path):
    agent = small(algorithm, signals)
    learn(agent, 200)
    obs = agent.envs.obs
    actions = agent.act(obs)
    assert actions.shape == (len(obs), 2) and actions.dtype.kind == "i"
    loaded = load(save(agent, tmp_path / "agent.pt"))
    for other in (loaded, copy.deepcopy(agent)):
        assert (other.act(obs) == actions).all()
    before = weights(loaded.network).clone()
    learn(loaded, agent.step + 200)
    assert loaded.step >= agent.step + 200 and (weights(loaded.network) != before).any()


def test_the_command_line_trains_resumes_and_evaluates_them(signals, tmp_path, capsys):
    path = str(tmp_path / "run.pt")
    assert main(["train", "a2c", "--env", signals, "--steps", "200", "--out", path]) == 0
    assert main(["train", "--resume", path, "--steps", "400"]) == 0
    assert main(["eval", path, "--episodes", "2"]) == 0
    assert main(["train", "dqn", "--env", "FrozenLake-v1", "--steps", "200", "--out", str(tmp_path / "lake.pt")]) == 0
    assert main(["train", "dqn", "--env", signals, "--out", str(tmp_path / "no.pt")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "TransformAction(gymnasium.make('Signals-v0')" in line


if __name__ == "__main__":
    print(*(table(*pair) for pair in TABLES.items()), sep="\n\n")
