"""How often should a DQN refresh its target network? Chapter 2, section 5."""

from rlkit.experiments.curves import SEEDS, curve
from rlkit.experiments.plan import run
from rlkit.presets import preset

PERIODS = (1, 4, 16, 64, 256, 1024)  # C, in updates


def target_network(seeds=SEEDS):
    """DQN on CartPole-v1 with its target network refreshed every C updates, and with one network in both roles.

    {"1": one `curve` for each seed, ..., "1024": ..., "aliased": ...}.
    """
    runs = {str(period): [run(target_run, seed, period) for seed in seeds] for period in PERIODS}
    runs["aliased"] = [run(target_run, seed, 16, aliased=True) for seed in seeds]
    return runs


def target_run(seed, period, aliased=False, total_steps=30_000):
    """The `curve` of one run."""
    return curve(target_agent(seed, period, aliased), total_steps)


def target_agent(seed, period, aliased=False):
    """The agent of one run. `aliased`: the target network is the online network, whatever the period."""
    agent = preset("dqn-cartpole-plain", seed=seed, target_period=period)
    if aliased:
        agent.target = agent.network
    return agent
