"""Does an LSTM make up for what the agent cannot see? Chapter 4, section 9."""

from rlkit.a2c import A2C
from rlkit.experiments.curves import SEEDS, by_seconds
from rlkit.experiments.plan import run
from rlkit.tasks import BlindCartPole

SETTINGS = dict(
    env=BlindCartPole, num_envs=16, t_max=32, gamma=0.98, gae_lambda=0.95, learning_rate=3e-3, value_coef=0.2,
    entropy_coef=0.0, max_grad_norm=1.0, hidden=(64,), activation="relu", obs_scale=(0.5, 0.05),
)  # fmt: skip


def memory(seeds=SEEDS, total_steps=600_000):
    """A2C on CartPole-v1 without velocities, feed-forward and with an LSTM.

    {"feed-forward": one `by_seconds` for each seed, "LSTM": ...}.
    """
    return {
        name: [run(memory_run, recurrent, seed, total_steps, cores=1) for seed in seeds]
        for name, recurrent in (("feed-forward", False), ("LSTM", True))
    }


def memory_run(recurrent, seed, total_steps):
    """One run `by_seconds`."""
    return by_seconds(A2C(recurrent=recurrent, seed=seed, **SETTINGS), total_steps)
