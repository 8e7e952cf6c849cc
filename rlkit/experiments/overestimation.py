"""What a Q-network claims, against what its greedy policy really gets. Chapter 2, section 17."""

import gymnasium
import numpy as np
import torch

from rlkit import functional as F
from rlkit.dqn import DQN
from rlkit.envs import Envs
from rlkit.experiments.curves import learning
from rlkit.experiments.plan import run
from rlkit.presets import FAST_CARTPOLE
from rlkit.training import check_agent, check_whole

BUTTONS = (0,) * 5 + (1,) * 5  # CartPole with ten buttons: five push left, five push right
SETTINGS = dict(
    FAST_CARTPOLE, train_period=4, updates=2, batch_size=64, learning_rate=1e-3, target_period=10, epsilon_end=0.05,
    replay_size=10_000,
)  # fmt: skip
METHODS = {"DQN": False, "Double DQN": True}


class Watched(DQN):
    """A DQN that notes the errors of its targets, where several buttons do the same: their true values are equal."""

    def __post_init__(self):
        super().__post_init__()
        self.noted = []  # of each minibatch since the last measurement: `button_errors`

    def td_target(self, batch):
        self.note(batch)
        return super().td_target(batch)

    @torch.no_grad()
    def note(self, batch):
        if self.actions:
            online, target = (network(batch.next_obs).numpy() for network in (self.network, self.target))
            self.noted.append(button_errors(online, target, self.actions, ~batch.terminated.numpy()))


class Averaged(Watched):
    """The same, but a target takes the mean over the buttons that do the same: none of them can be the lucky one."""

    @torch.no_grad()
    def td_target(self, batch):
        self.note(batch)
        online, target = (
            torch.from_numpy(group_means(network(batch.next_obs).numpy(), self.actions))
            for network in (self.network, self.target)
        )
        next_q = F.double_q(online, target) if self.double else F.max_q(target)
        return F.td_target(batch.rewards, next_q, batch.terminated, batch.discounts)


TASKS = {  # CartPole-v1, and what differs
    "2 actions": (Watched, {}),
    "10 actions": (Watched, dict(actions=BUTTONS)),
    "2 actions, batches of 13": (Watched, dict(batch_size=13)),  # an output sees as much of a batch as with ten actions
    "10 actions, batches of 320": (Watched, dict(actions=BUTTONS, batch_size=320)),  # as much as with two
    "10 actions, equal ones averaged": (Averaged, dict(actions=BUTTONS)),
}


def overestimation(seeds=range(10)):
    """DQN and Double DQN on CartPole-v1 with two buttons and with ten: claimed and true values along the run.

    {"method, task": one `overestimation_run` for each seed}.
    """
    return {
        f"{method}, {task}": [run(overestimation_run, seed, method, task) for seed in seeds]
        for task in TASKS
        for method in METHODS
    }


def overestimation_run(seed, method, task, total_steps=60_000, points=12):
    """One run, measured at `points` equally spaced steps: a list of {"step", "updates", "claimed", "true", ...}.

    "sigma", "rho", "max_gap" and "double_gap" are those of `over_minibatches` since the row before: some thirty periods
    of the target network. They are None if no two buttons do the same.
    """
    kind, changes = TASKS[task]
    agent = kind(**SETTINGS | changes, double=METHODS[method], seed=seed)
    rows = []
    for _ in learning(agent, total_steps, points):
        claimed, true = (round(value, 2) for value in estimates_and_returns(agent))
        rows.append({"step": agent.step, "updates": agent.num_updates, "claimed": claimed, "true": true})
        rows[-1] |= over_minibatches(agent.noted)
        agent.noted.clear()
    return rows


def biases(runs):
    """Claimed minus true value, the mean of a run's last four rows: runs -> `[seeds]`."""
    return np.array([np.mean([row["claimed"] - row["true"] for row in rows[-4:]]) for rows in runs])


def foretold(rows, gap):
    """The bias that the gaps make up to each row of a run, if every copy of the target network passes it on whole.

    With each copy b = γ (b + g), where g is the row's `gap`: "max_gap" or "double_gap". -> `[rows]`
    """
    gamma, bias, updates, path = DQN.gamma, 0.0, 0, []
    for row in rows:
        kept = gamma ** ((row["updates"] - updates) // SETTINGS["target_period"])
        bias = kept * bias + (1 - kept) * F.accumulated_bias(row[gap], gamma)
        updates = row["updates"]
        path.append(bias)
    return np.array(path)


def estimates_and_returns(agent, episodes=10, seed=1_000_000, horizon=500, tail=500):
    """Claimed and true values of the greedy policy -> (claimed, true), two means over the same states.

    Claimed is max_a Q(s, a; w), true is the discounted return that followed. The policy plays `horizon` + `tail` steps
    in `episodes` copies of the agent's environment, and the states of the first `horizon` steps count. There is no time
    limit, so each return is followed for at least `tail` more steps; what is cut off has a weight of γ^tail or less.

    The environment must be an id that Gymnasium knows, because its time limit is replaced.
    """
    settings = agent.envs.settings
    envs = Envs(unlimited(settings["env"], horizon + tail + 1), episodes, seed, actions=settings["actions"])
    claimed, rewards, ended, valid = [], [], [], []
    for _ in range(horizon + tail):
        q = agent.q_values(envs.obs)
        _, reward, terminated, truncated, was_valid = envs.step(q.argmax(-1))
        claimed.append(q.max(-1))
        rewards.append(reward)
        ended.append(terminated | truncated)
        valid.append(was_valid)
    envs.close()
    true = F.n_step_returns(np.array(rewards, float), np.array(ended), bootstrap=0.0, gamma=agent.gamma)
    counted = np.array(valid)[:horizon]
    return float(np.array(claimed)[:horizon][counted].mean()), float(true[:horizon][counted].mean())


def unlimited(env_id, steps):
    """A function that makes this environment with a time limit of `steps` instead of its own."""
    return lambda: gymnasium.make(env_id, max_episode_steps=steps)


# The noise among buttons ----------------------------------------------------------------------------------------------


def group_means(q, actions):
    """Each value replaced by the mean over the buttons that do the same: `[B, A]` -> `[B, A]`."""
    same = np.equal.outer(actions, actions).astype(q.dtype)
    return q @ (same / same.sum(0))


def button_errors(online, target, actions, goes_on):
    """What two networks' values `[B, A]` of the same states say about their errors -> five means over the states `[5]`.

    An error e is the difference from the mean over the buttons that do the same, so an error that they share is not
    seen. The means: of e² online, of e² of the target, of their product; of the target's e at its own largest value,
    and of the target's e at the online network's largest value. The last two are 0 where the episode ended, because a
    target has no bootstrap there. `goes_on` `[B]`.
    """
    errors, target_errors = (q - group_means(q, actions) for q in (online, target))
    rows = np.arange(len(online))
    max_gap, double_gap = ((goes_on * target_errors[rows, q.argmax(1)]).mean() for q in (target, online))
    return (errors**2).mean(), (target_errors**2).mean(), (errors * target_errors).mean(), max_gap, double_gap


def over_minibatches(noted):
    """The errors of Q over several minibatches, from their `button_errors` -> sigma, rho and two gaps, by name.

    sigma is the standard deviation of the online network's errors, in units of Q, and rho their correlation with the
    target network's. The gaps are by how much a target is too high in one backup: "max_gap" if the target network
    itself chooses the button, as in DQN, and "double_gap" if the online network does. All are None without notes.
    """
    if not noted:
        return dict.fromkeys(("sigma", "rho", "max_gap", "double_gap"))
    variance, target_variance, covariance, max_gap, double_gap = np.mean(noted, axis=0).tolist()
    found = {"sigma": variance**0.5, "rho": covariance / (variance * target_variance) ** 0.5}
    found |= {"max_gap": max_gap, "double_gap": double_gap}
    return {name: round(value, 4) for name, value in found.items()}


def button_noise(agent, steps=300):
    """The errors of Q at this moment -> (σ, ρ), as in `over_minibatches`.

    They are measured in about `steps` states, played ε-greedily with ε = 0.2. Raises ValueError for an agent without a
    target network, or without buttons that do the same.
    """
    check_agent(agent, "act", "envs", "network", "target")
    check_whole(steps=steps)
    actions = agent.envs.settings["actions"]
    if actions is None or len(set(actions)) == len(actions):
        raise ValueError(
            f"The agent has actions={actions}, of which no two do the same; make it with more buttons, such as "
            "DQN(actions=(0,) * 5 + (1,) * 5)."
        )
    envs = agent.envs.again(8, seed=2_000_000)
    rng = np.random.default_rng(0)
    observed = []
    for _ in range(max(1, steps // 8)):
        observed.append(envs.obs)
        random = rng.random(8) < 0.2
        envs.step(np.where(random, rng.integers(envs.num_actions, size=8), agent.act(envs.obs)))
    envs.close()
    obs = torch.as_tensor(np.concatenate(observed))
    with torch.no_grad():
        online, target = (network(obs).numpy() for network in (agent.network, agent.target))
    found = over_minibatches([button_errors(online, target, actions, 1.0)])
    return found["sigma"], found["rho"]
