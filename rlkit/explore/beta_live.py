"""β on a running PPO agent: moved by the lecture's rule, or by the reader."""

from rlkit.explore.controls import log_slider, switch
from rlkit.explore.traces import TracedRun
from rlkit.plotting import BLUE, GREEN, SKY, picture
from rlkit.presets import preset


def beta_live(total_steps=1_000_000, **changes):
    """PPO with the adaptive KL penalty on CartPole-v1, learning in the background for `total_steps` -> TracedRun.

    Below the curve: the KL of each iteration with the band that it should stay in, and β. `changes` are fields of the
    preset "ppo-kl-cartpole".
    """
    agent = preset("ppo-kl-cartpole", **changes)
    figure, (left, right) = picture(2, width=9, height=2.8)
    left.axhspan(agent.kl_min, agent.kl_max, facecolor=(SKY, 0.3), edgecolor=SKY, label="KL_min to KL_max")
    left.set(xlabel="agent steps", ylabel="KL, nats", yscale="log", ylim=(1e-4, 3))
    figure.legend(loc="outside upper left", fontsize=11)  # in the left axes the KL would run through it
    right.set(xlabel="agent steps", ylabel="β", yscale="log", ylim=(1e-5, 1e3))
    lines = left.plot([], [], color=BLUE) + right.plot([], [], color=GREEN)
    by_hand, price = switch("hold β by hand"), log_slider("β, price of KL", agent.beta, -4, 2)

    def read(progress):
        if by_hand.value:
            agent.beta = price.value  # the rule has just moved it: put it back
        return progress.metrics["kl"], agent.beta

    def tell(rows):
        band = f"; to be held between {agent.kl_min:.4f} and {agent.kl_max:.4f}"
        return f"; β = {agent.beta:.3g}" + (f", KL {rows[-1][0]:.4f}" if rows else "") + band

    run = TracedRun(agent, total_steps, figure, lines, read, tell, [by_hand, price])
    for control in (by_hand, price):
        control.observe(lambda change: run.refresh(), "value")
    return run
