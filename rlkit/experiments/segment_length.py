"""How many steps before V is trusted? Chapter 4, section 2."""

from rlkit.a2c import A2C
from rlkit.experiments.curves import SEEDS, by_seconds
from rlkit.experiments.plan import run

T_MAX = (1, 2, 5, 20, 50, 200)  # steps of a segment
SETTINGS = dict(
    num_envs=8, learning_rate=3e-3, value_coef=0.1, entropy_coef=0.0, max_grad_norm=2.0, hidden=(32, 32),
    activation="relu",
)  # fmt: skip


def segment_length(seeds=SEEDS, total_steps=100_000):
    """A2C with n-step returns on CartPole-v1, in segments of 1 to 200 steps; otherwise with one setting.

    {"1": one `by_seconds` for each seed, ..., "200": ...}.
    """
    return {str(t_max): [run(segment_run, t_max, seed, total_steps, cores=1) for seed in seeds] for t_max in T_MAX}


def segment_run(t_max, seed, total_steps):
    """One run `by_seconds`."""
    return by_seconds(A2C(t_max=t_max, seed=seed, **SETTINGS), total_steps)
