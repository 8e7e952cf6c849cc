"""Does each variant of DQN help? Chapter 2, section 12."""

from rlkit.experiments.curves import SEEDS, curve
from rlkit.experiments.plan import run
from rlkit.presets import preset

VARIANTS = {
    "DQN": {},
    "Double DQN": {"double": True},
    "Dueling DQN": {"dueling": True},
    "Prioritized DQN": {"prioritized": True},
    "n-step DQN": {"n_step": 5},
    "all of them": {"double": True, "dueling": True, "prioritized": True, "n_step": 5},
}


def variants(seeds=SEEDS):
    """Each of DQN's variants alone, and all together, on CartPole-v1 with the same steps and settings.

    {variant: one `curve` for each seed}.
    """
    return {name: [run(variant_run, seed, **flags) for seed in seeds] for name, flags in VARIANTS.items()}


def variant_run(seed, **flags):
    """The `curve` of one run."""
    return curve(preset("dqn-cartpole-plain", seed=seed, **flags), 40_000)
