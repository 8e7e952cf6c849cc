"""The lecture's comparison of policy gradient methods. Chapter 3, section 15, and chapter 4, section 12."""

from rlkit.a2c import A2C
from rlkit.experiments.curves import SEEDS, curve
from rlkit.experiments.plan import run
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.trpo import TRPO

TASKS = {  # steps of a run, the same for every method
    "CartPole-v1": 100_000,
    "Acrobot-v1": 150_000,
    "LunarLander-v3": 200_000,
    "Pendulum-v1": 150_000,
    "HalfCheetah-v5": 200_000,
}
ROLLOUTS = dict(num_envs=8, num_steps=256, epochs=6, minibatch_size=128, learning_rate=1e-3, normalize=True)
METHODS = {  # one setting for all tasks, chosen with seeds 10 and 11 on CartPole, PPO's learning rate also on Pendulum
    "REINFORCE": lambda **run: REINFORCE(episodes=8, learning_rate=3e-3, normalize=True, **run),
    "TRPO": lambda **run: TRPO(max_kl=0.01, **ROLLOUTS, **run),
    "PPO adaptive KL": lambda **run: PPO(variant="adaptive_kl", **ROLLOUTS, **run),
    "PPO clip": lambda **run: PPO(**ROLLOUTS, **run),
    "A2C": lambda **run: A2C(
        num_envs=8, t_max=32, gae_lambda=0.95, learning_rate=3e-3, entropy_coef=0.0, normalize=True, **run
    ),
}


def policy_gradients(seeds=SEEDS):
    """Five methods on five tasks with the same steps and seeds -> {"method, task": one `curve` for each seed}.

    LunarLander and HalfCheetah need `pip install -e ".[mujoco,box2d]"`; Gymnasium raises DependencyNotInstalled
    without them.
    """
    return {
        f"{method}, {task}": [run(method_run, method, task, seed, steps) for seed in seeds]
        for task, steps in TASKS.items()
        for method in METHODS
    }


def method_run(method, task, seed, steps):
    """The `curve` of one run."""
    return curve(METHODS[method](env=task, seed=seed), steps)
