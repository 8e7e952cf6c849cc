"""ε on a running PPO agent: it learns in the background, and the slider decides how far one batch may take it."""

from rlkit.explore.controls import slider
from rlkit.explore.traces import TracedRun
from rlkit.plotting import BLUE, ORANGE, picture
from rlkit.presets import preset


def clip_live(total_steps=1_000_000, **changes):
    """PPO with clipping on CartPole-v1 under a slider for ε, learning in the background for `total_steps` -> TracedRun.

    Below the curve: the share of ratios outside 1 ± ε and the KL, of each iteration. `changes` are fields of the preset
    "ppo-cartpole".
    """
    agent = preset("ppo-cartpole", **changes)
    figure, (left, right) = picture(2, width=9, height=2.6)
    left.set(xlabel="agent steps", ylabel="ratios outside 1 ± ε", ylim=(0, 1))
    right.set(xlabel="agent steps", ylabel="KL, nats", yscale="log", ylim=(1e-4, 3))
    lines = left.plot([], [], color=BLUE) + right.plot([], [], color=ORANGE)
    clip = slider("ε, clip eps", agent.clip_coef, 0.02, 1.0, 0.02)

    def read(progress):
        return progress.metrics["clip_fraction"], progress.metrics["kl"]

    def tell(rows):
        now = f"; ε = {agent.clip_coef:.2f}"
        return now + (f", {rows[-1][0]:.0%} of the ratios outside, KL {rows[-1][1]:.4f}" if rows else "")

    run = TracedRun(agent, total_steps, figure, lines, read, tell, [clip])

    def move(change):
        agent.clip_coef = clip.value  # it acts at once, because the agent reads ε at every update
        run.refresh()

    clip.observe(move, "value")
    return run
