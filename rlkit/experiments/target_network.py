"""How often should a DQN refresh its target network? Chapter 2, section 8."""

from rlkit.experiments.curves import greedy_score
from rlkit.experiments.plan import run
from rlkit.presets import preset

SEEDS = range(10)
PERIODS = (1, 2, 4, 8, 16, 64, 256, 1024)  # C, in updates
TOTAL_STEPS = 30_000
UPDATES = 912  # in so many steps: four after every 128 steps, the first four after step 1,024
Q_EVERY, SCORE_EVERY = 16, 48  # updates


def target_network(seeds=SEEDS):
    """DQN on CartPole-v1 with its target network refreshed every C updates, and with one network in both roles.

    {"1": one `target_run` for each seed, ..., "1024": ..., "aliased": ...}.
    """
    runs = {str(period): [run(target_run, seed, period) for seed in seeds] for period in PERIODS}
    runs["aliased"] = [run(target_run, seed, 4, aliased=True) for seed in seeds]
    return runs


def target_run(seed, period, aliased=False, total_steps=TOTAL_STEPS):
    """One run, as `looks` describes it."""
    *_, last = looks(target_agent(seed, period, aliased), total_steps)
    return last


def target_agent(seed, period, aliased=False):
    """The agent of one run. `aliased`: the target network is the online network, whatever the period."""
    agent = preset("dqn-cartpole-plain", seed=seed, target_period=period)
    if aliased:
        agent.target = agent.network
    return agent


def looks(agent, total_steps=TOTAL_STEPS):
    """Let the agent learn, and look at it now and then -> iterator of its run so far, the same dict each time.

    "q" `[57]` is the mean Q of the minibatch of every 16th update. "scores" `[19]`, after every 48th, is what the
    greedy policy gets: the mean return of 10 whole episodes, weights frozen. "copies": how often w_T has become w.
    """
    run = {"q": [], "scores": [], "copies": 0}
    for progress in agent.learn(total_steps):
        if "q" in progress.metrics and agent.num_updates % Q_EVERY == 0:
            run["q"].append(round(float(progress.metrics["q"]), 3))
            run["copies"] = agent.num_updates // agent.target_period
        if "q" in progress.metrics and agent.num_updates % SCORE_EVERY == 0:
            run["scores"].append(greedy_score(agent, agent.seed))
        yield run


def copies_before(update, period):
    """How often the target network has been renewed before a minibatch is drawn, at update 1, 2, ... -> a number."""
    return (update - 1) // period
