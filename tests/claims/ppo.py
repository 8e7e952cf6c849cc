"""Chapter 3: the sentences that report a result."""

from functools import cache
from itertools import combinations
from math import comb

import numpy as np

from claims import ppo_health, ppo_switches
from claims.common import says
from rlkit.experiments import published, sentences
from rlkit.experiments.cliff import WEIGHTS, Line, lowest_truths, path
from rlkit.experiments.policy_gradients import METHODS, TASKS
from rlkit.experiments.statistics import (
    bootstrap_interval,
    difference_interval,
    holm,
    interquartile_mean,
    permutation_p,
)
from rlkit.experiments.stored import stored
from rlkit.experiments.tables import little_mdp
from rlkit.explore.gae import LAMBDAS
from rlkit.explore.gae import errors as gae_errors
from rlkit.explore.gae import truth as gae_truth
from rlkit.explore.reward_hacking import BETAS as GAMED_BETAS
from rlkit.explore.reward_hacking import frontier

CHAPTER = "03_ppo.ipynb"


# Baselines ------------------------------------------------------------------------------------------------------------


def variance_left(kind):
    """The variance of a one-episode gradient with this baseline, without one 1: `[seeds]`."""
    return np.array([run[kind] / run["none"] for run in stored("gradient_noise")[0]["REINFORCE"]])


def the_mean_leaves(median, low, high):
    left = 100 * variance_left("mean")
    assert says(median, np.median(left)) and says(low, left.min()) and says(high, left.max())


def the_value_leaves_less(median, low, high, better, seeds):
    left, of_mean = variance_left("value"), variance_left("mean")
    assert all(map(says, (median, low, high), 100 * np.array([np.median(left), left.min(), left.max()])))
    assert int(better) == (left < of_mean).sum() and int(seeds) == len(left)
    assert difference_interval(left, of_mean)[1] < 0


ARMS = ("baseline: none", "baseline: mean", "baseline: value", "value without bootstrap")


def last_returns(arm):
    """The mean return of the last 20 episodes of each run of REINFORCE: `[seeds]`."""
    return np.array([run["returns"][-1] for run in stored("baselines")[0][arm]])


def a_baseline_helps(none, mean, value):
    assert all(map(says, (none, mean, value), (interquartile_mean(last_returns(arm)) for arm in ARMS)))


def apart(above, below, *quoted):
    """Do the quoted numbers give this difference of two arms' ends, or only its interval? -> low, high."""
    found = difference_interval(last_returns(above), last_returns(below))
    middle = interquartile_mean(last_returns(above)) - interquartile_mean(last_returns(below))
    assert all(map(says, quoted, (middle, *found) if len(quoted) == 3 else found))
    return found


def both_gain(*quoted):
    assert apart(ARMS[1], ARMS[0], *quoted[:3])[0] > 0 and apart(ARMS[2], ARMS[0], *quoted[3:])[0] > 0


def holms_correction(of_mean, of_value, gain, low, high, of_control):
    pairs = [*combinations(ARMS, 2)]
    found = np.array([permutation_p(last_returns(one), last_returns(other)) for one, other in pairs])
    corrected = dict(zip(pairs, holm(found)))
    for quoted, arm in ((of_mean, ARMS[1]), (of_value, ARMS[2])):
        assert says(quoted, corrected[ARMS[0], arm]) and corrected[ARMS[0], arm] < 0.05
    assert says(of_control, corrected[ARMS[0], ARMS[3]]) and corrected[ARMS[0], ARMS[3]] > 0.05
    apart(ARMS[3], ARMS[0], gain, low, high)


def three_are_alike(*quoted):
    for above, below, numbers in ((ARMS[2], ARMS[1], quoted[:2]), (ARMS[3], ARMS[2], quoted[2:])):
        low, high = apart(above, below, *numbers)
        assert low < 0 < high


# Advantages -----------------------------------------------------------------------------------------------------------


def the_true_advantages(size):
    assert says(size, np.sqrt((gae_truth()[1] ** 2).mean()))


def lambda_mixes(bias, noise, at_one, best, both):
    parts = gae_errors(0.5, 100)
    assert says(bias, parts[0, 0]) and says(noise, parts[0, 1])
    assert abs(parts[-1, 0]) < 1e-9 and says(at_one, parts[-1, 1])
    assert says(best, LAMBDAS[parts[:, 2].argmin()]) and says(both, parts[:, 2].min())


def the_best_lambda_moves(error, better, many, most, one):
    best = lambda wrong, samples: LAMBDAS[gae_errors(wrong, samples)[:, 2].argmin()]
    assert says(error, 0.2) and says(better, best(0.2, 100))
    assert many == "1,000" and says(most, best(0.5, 1_000)) and says(one, best(0.5, 1))


# The lemma with the wrong states --------------------------------------------------------------------------------------


@cache
def ten_lines():
    """Steps along the gradient from ten random policies of the little problem, a table of logits."""
    table = np.eye(12).reshape(4, 3, 12)
    starts = (2 * np.random.default_rng(seed).normal(size=(4, 3)) for seed in range(10))
    return [Line(logits, table, little_mdp(), np.full(4, 0.25)) for logits in starts]


def the_bound_is_careful(low, high):
    times = [line.within(0.01) / line.safe() for line in ten_lines()]
    assert says(low, min(times)) and says(high, max(times))
    for line in ten_lines():  # with half of C too
        assert all(line.truth(h) >= line.promise(h) - line.C / 2 * line.kls(h).max() for h in np.geomspace(0.01, 10, 9))


def a_long_step_in_a_table_is_good():
    gains = [(line.promise(10), line.truth(10)) for line in ten_lines()]
    assert all(true > 0 for _, true in gains)
    assert any(true > promise for promise, true in gains) and any(true < promise for promise, true in gains)


def the_cliff(step, promise, true, best, highest, worse):
    line, steps = path(), np.linspace(0, 6, 121)
    gains = np.array([line.truth(length) for length in steps])
    assert says(promise, line.promise(float(step))) and says(true, line.truth(float(step)))
    assert says(best, steps[gains.argmax()]) and says(highest, gains.max())
    assert abs(steps[(gains < 0).argmax()] - float(worse)) < 0.051 and (gains[steps > float(worse)] < 0).all()


def the_edge(before, after, adds):
    line = path()
    visits = line.visits_after(4)
    assert says(before, 100 * line.visits[-1]) and says(after, 100 * visits[-1])
    assert says(adds, line.added(visits, 4)[-1]) and abs(line.added(line.visits, 4)[-1]) < 0.05


def a_weight_for_each_place(promise, true):
    line = path(weights=WEIGHTS[1])
    assert says(promise, line.promise(4)) and says(true, line.truth(4))


def a_budget_is_kept(step, promise, true):
    line = path()
    end = line.within(0.01)
    assert says(step, end) and says(promise, line.promise(end)) and says(true, line.truth(end))


def a_large_budget_is_not(budget, promise, true):
    line = path()
    end = line.within(10**-0.5)  # where the slider stands
    assert says(budget, 10**-0.5) and says(promise, line.promise(end)) and says(true, line.truth(end))


def tables_and_shared_weights(problems, shared):
    assert int(problems) == len(lowest_truths(WEIGHTS[1])) and (lowest_truths(WEIGHTS[1]) > 0).all()
    assert int(shared) == (lowest_truths(WEIGHTS[0]) < 0).sum()


# The live comparison --------------------------------------------------------------------------------------------------


def clip_or_penalty(ahead, low, high):
    clip, penalty = (
        np.array([run["returns"] for run in stored("compared")[0][name]]).mean(1)
        for name in ("PPO, clip", "PPO, adaptive KL")
    )
    found = difference_interval(penalty, clip)
    assert says(ahead, interquartile_mean(penalty) - interquartile_mean(clip))
    assert says(low, found[0]) and says(high, found[1]) and found[0] < 0 < found[1]


# The paper's table of 49 games ----------------------------------------------------------------------------------------


def sign_test(won, lost):
    """The two-sided p-value of so many games won and lost, if each were the toss of a coin."""
    games, most = won + lost, max(won, lost)
    return min(1.0, 2 * sum(comb(games, k) for k in range(most, games + 1)) / 2**games)


def against(other):
    """In how many of the 49 games PPO's final score is above another's, and below it."""
    games = published.ppo49().values()
    return [sum(np.sign(row["ppo"] - row[other]) == sign for row in games) for sign in (1, -1)]


def beats_a2c(won, games, lost, p):
    assert [int(won), int(lost)] == against("a2c") and int(games) == len(published.ppo49())
    assert says(p, sign_test(*against("a2c")))


def not_acer(won, lost, p):
    assert [int(won), int(lost)] == against("acer") and says(p, sign_test(*against("acer"))) and float(p) > 0.2


def by_the_median(ppo, acer, low, high):
    games = published.ppo49()
    scores = np.array(
        [list(published.human_normalized(games, name, "random = 0").values()) for name in ("ppo", "acer")]
    )
    ahead = lambda drawn: np.median(drawn[..., 0], axis=0) - np.median(drawn[..., 1], axis=0)
    found = bootstrap_interval(scores.T, ahead)
    assert says(ppo, np.median(scores[0])) and says(acer, np.median(scores[1])) and ahead(scores.T) > 0
    assert says(low, found[0]) and says(high, found[1]) and found[0] < 0 < found[1]


def small_leads(margin, acer, ppo, ties):
    won = published.wins(published.ppo49(), float(margin))
    assert (won["ACER"], won["PPO"], won["tie"]) == (int(acer), int(ppo), int(ties))


# The lecture's experiment ---------------------------------------------------------------------------------------------

CARTPOLE, ACROBOT, LANDER, PENDULUM, CHEETAH = TASKS
CLIP, PENALTY = "PPO clip", "PPO adaptive KL"


def whole(method, task):
    """The mean of each seed's curve: its score over the whole run `[5]`."""
    return np.array([np.mean(run["returns"]) for run in stored("policy_gradients")[0][f"{method}, {task}"]])


def end(method, task):
    """The last point of each seed's curve, a mean of 20 episodes `[5]`."""
    return np.array([run["returns"][-1] for run in stored("policy_gradients")[0][f"{method}, {task}"]])


def middles(quoted, score, task, methods):
    assert len(quoted) == len(methods)
    assert all(says(text, interquartile_mean(score(method, task))) for text, method in zip(quoted, methods))


def last_on_cartpole(*quoted):
    middles(quoted, whole, CARTPOLE, (CLIP, "A2C", "TRPO", "REINFORCE", PENALTY))
    clip = whole(CLIP, CARTPOLE)
    assert all(difference_interval(clip, whole(method, CARTPOLE))[1] < 0 for method in ("A2C", "TRPO"))
    for method in ("REINFORCE", PENALTY):
        low, high = difference_interval(clip, whole(method, CARTPOLE))
        assert low < 0 < high
    others = [method for method in METHODS if method != CLIP]
    corrected = holm(np.array([permutation_p(clip, whole(method, CARTPOLE)) for method in others]))
    assert [method for method, p in zip(others, corrected) if p < 0.05] == ["A2C"]


def all_end_at(count, most):
    ends = [end(method, CARTPOLE) for method in METHODS]
    assert np.size(ends) == int(count) and (np.array(ends) == float(most)).all()


def falls(method):
    """How low each seed's curve on CartPole fell after it first reached 450."""
    curves = [np.array(run["returns"]) for run in stored("policy_gradients")[0][f"{method}, {CARTPOLE}"]]
    return sorted(curve[np.argmax(curve >= 450) :].min() for curve in curves)


def some_fall(first, about, steady, other, still):
    assert float(first) == float(still) == 450
    lowest, second, third, *_ = falls(CLIP)
    assert abs(lowest - float(about)) < 5 and abs(second - float(about)) < 5 and third > 450
    curves = [np.array(run["returns"]) for run in stored("policy_gradients")[0][f"{CLIP}, {CARTPOLE}"]]
    held = np.mean([curve.mean() for curve in curves if curve[np.argmax(curve >= 450) :].min() > 450])
    assert says(steady, held) and held < min(
        interquartile_mean(whole(method, CARTPOLE)) for method in METHODS if method != CLIP
    )
    assert says(other, falls("REINFORCE")[0]) and falls("REINFORCE")[1] > 450
    assert all(falls(method)[0] >= 450 for method in ("TRPO", PENALTY, "A2C"))


def acrobot(behind, clip):
    middles((behind, clip), whole, ACROBOT, ("REINFORCE", CLIP))
    assert difference_interval(whole(CLIP, ACROBOT), whole("REINFORCE", ACROBOT))[0] > 0
    for method in METHODS:
        low, high = difference_interval(end(CLIP, ACROBOT), end(method, ACROBOT))
        assert low <= 0 <= high


def pendulum(high, low, reinforce, a2c):
    ends = {method: interquartile_mean(end(method, PENDULUM)) for method in METHODS}
    three = [ends[method] for method in ("TRPO", PENALTY, CLIP)]
    assert round(max(three)) == float(high.replace("−", "-")) and round(min(three), -1) == float(low.replace("−", "-"))
    middles((reinforce, a2c), end, PENDULUM, ("REINFORCE", "A2C"))
    for method in ("TRPO", PENALTY):
        ahead = difference_interval(end(CLIP, PENDULUM), end(method, PENDULUM))
        assert ahead[0] < 0 < ahead[1]


def lander(*quoted):
    middles(quoted[:3], end, LANDER, (CLIP, PENALTY, "TRPO"))
    clip = end(CLIP, LANDER)
    found = [*difference_interval(clip, end(PENALTY, LANDER)), *difference_interval(clip, end("TRPO", LANDER))]
    assert all(map(says, quoted[3:], found)) and found[0] < 0 < found[1] and found[2] < 0 < found[3]


def lander_behind(*quoted):
    middles(quoted, end, LANDER, ("REINFORCE", "A2C"))
    assert all(difference_interval(end(CLIP, LANDER), end(method, LANDER))[0] > 0 for method in ("REINFORCE", "A2C"))


def cheetah(*quoted):
    middles(quoted, end, CHEETAH, (CLIP, "A2C", "TRPO", PENALTY))
    others = ("A2C", "TRPO", PENALTY)
    assert all(difference_interval(end(CLIP, CHEETAH), end(method, CHEETAH))[0] > 0 for method in others)


def cheetah_whole(low, high):
    found = difference_interval(whole(CLIP, CHEETAH), whole("A2C", CHEETAH))
    assert says(low, found[0]) and says(high, found[1]) and found[0] < 0 < found[1]


def least_p(ways, two, all_of_them, p):
    assert int(ways) == int(all_of_them) == comb(10, 5) and int(two) == 2 and says(p, 2 / comb(10, 5))
    assert permutation_p(np.arange(5.0), np.arange(5.0) + 10) == 2 / comb(10, 5)


def none_of_twenty(count, again, level):
    comparisons = len(TASKS) * (len(METHODS) - 1)
    assert int(count) == int(again) == comparisons and float(level) == 0.05 / comparisons < 2 / comb(10, 5)


def four_of_one_task(factor, p, corrected):
    assert int(factor) == len(METHODS) - 1 and says(p, 2 / comb(10, 5)) and says(corrected, 4 * 2 / comb(10, 5))
    for method in ("TRPO", PENALTY):
        assert permutation_p(end(CLIP, CHEETAH), end(method, CHEETAH)) == 2 / comb(10, 5)


def steps_of_the_policy(trpo, reinforce, a2c):
    steps = TASKS[PENDULUM]
    one = METHODS["TRPO"](env=PENDULUM, seed=0)
    assert int(trpo) == steps // (one.num_envs * one.num_steps)
    assert int(reinforce) == steps // (METHODS["REINFORCE"](env=PENDULUM, seed=0).episodes * 200)  # steps of an episode
    other = METHODS["A2C"](env=PENDULUM, seed=0)
    assert int(a2c) == round(steps / (other.num_envs * other.t_max))


# From here to language models -----------------------------------------------------------------------------------------


def ends(arm, key):
    """What the ten runs of an arm end with."""
    return np.array([run[key] for run in stored("language_models")[0][arm]])


def exact_shares(reference, most, beta):
    best = sentences.optimum(float(beta))
    assert says(reference, 100 * sentences.measures(sentences.log_probs(sentences.REFERENCE))["liked"])
    assert says(most, 100 * sentences.measures(best)["liked"])
    assert frontier()["liked"].argmax() == GAMED_BETAS.index(float(beta)) and frontier()["liked"][-1] < 1e-3


def commonest(beta):
    policy = sentences.optimum(float(beta))
    assert sentences.said(sentences.SENTENCES[policy.argmax()]) == "good good good good"


def collapsed(least):
    arm = stored("language_models")[0]["clip only"]
    assert len(arm) == 10 and min(run["share"] for run in arm) >= float(least)
    assert len({run["sentence"] for run in arm}) == 5 and sentences.LIKED not in {run["sentence"] for run in arm}


def the_largest_reward(found, seeds):
    arm = stored("language_models")[0]["clip only"]
    assert int(seeds) == len(arm) and int(found) == sum(run["sentence"] == "good good good good" for run in arm)


def small_steps(step, low, high):
    assert ends("clip only", "largest_step").max() <= float(step)
    assert says(low, ends("clip only", "kl").min()) and says(high, ends("clip only", "kl").max())


def the_last_policy():
    clip, last = (stored("language_models")[0][arm] for arm in ("clip only", "KL from the last policy"))
    assert [run["sentence"] for run in clip] == [run["sentence"] for run in last]


def a_fixed_reference(within, low, high, optimum):
    assert ends("KL in the reward", "distance").max() < float(within)
    liked = 100 * ends("KL in the reward", "liked")
    assert says(low, liked.min()) and says(high, liked.max())
    assert says(optimum, 100 * sentences.measures(sentences.optimum(0.5))["liked"])


def in_the_loss(low, high, liked):
    far = ends("KL in the loss", "distance")
    assert says(low, far.min()) and says(high, far.max())
    assert says(liked, 100 * np.median(ends("KL in the loss", "liked")))
    assert ends("KL in the loss", "liked").max() < sentences.measures(sentences.log_probs(sentences.REFERENCE))["liked"]


def the_exact_kl(low, high):
    far = ends("exact KL in the loss", "distance")
    assert says(low, far.min()) and says(high, far.max()) and far.max() < ends("KL in the loss", "distance").min()


def scaled(low, high):
    far = ends("KL in the loss, scaled", "distance")
    assert says(low, far.min()) and says(high, far.max())
    assert difference_interval(far, ends("KL in the loss", "distance"))[0] > 0


def what_can_be_told():
    sides = {}
    for score in (whole, end):
        for task in TASKS:
            for method in METHODS:
                low, high = difference_interval(score(CLIP, task), score(method, task))
                sides[score, task, method] = 1 if low > 0 else -1 if high < 0 else 0
    assert all(sides[end, task, method] == 1 for task in (PENDULUM, LANDER) for method in ("REINFORCE", "A2C"))
    assert all(sides[end, CHEETAH, method] == 1 for method in METHODS if method != CLIP)
    assert all(sides[whole, CARTPOLE, method] == -1 for method in ("A2C", "TRPO"))


def eight_of_ten():
    arm = stored("language_models")[0]["clip only"]
    assert len(arm) == 10 and sum(run["sentence"] != "good good good good" for run in arm) == 8


CLAIMS = {
    "ppo-baseline-mean": (
        CHAPTER,
        "The mean return leaves # % of the variance in the median, from # % to # % over the ten seeds.",
        the_mean_leaves,
    ),
    "ppo-baseline-value": (
        CHAPTER,
        "The learned value leaves # %, from # % to # %, and it leaves less than the mean in # of # seeds.",
        the_value_leaves_less,
    ),
    "ppo-baselines": (
        CHAPTER,
        "the interquartile mean of ten seeds is # without one, # with the mean return and # with the learned value.",
        a_baseline_helps,
    ),
    "ppo-baselines-gain": (
        CHAPTER,
        "Against none, the mean gains # (95 % interval # to #) and the learned value # (# to #).",
        both_gain,
    ),
    "ppo-baselines-holm": (
        CHAPTER,
        "with it they are # and #. The control, which has the baseline alone, gains # over none (# to #), with a "
        "corrected p of #.",
        holms_correction,
    ),
    "ppo-baselines-alike": (
        CHAPTER,
        "The mean and the learned value cannot be told apart with ten seeds (# to #), although the learned value left "
        "less noise in each of them. Nor can the learned value and the control, without its bootstrap (# to #).",
        three_are_alike,
    ),
    "ppo-gae-size": (CHAPTER, "The true advantages have a root mean square of #.", the_true_advantages),
    "ppo-gae-lambda": (
        CHAPTER,
        "At \\lambda = 0 the bias is # and the noise #; at \\lambda = 1 the bias is 0 and the noise #. In between, at "
        "\\lambda = #, both together are #.",
        lambda_mixes,
    ),
    "ppo-gae-best": (
        CHAPTER,
        "With a better V, e = #, the best \\lambda falls to #. With more data it rises, because an average takes away "
        "noise and leaves the bias: with # estimates and e = 0.5 it is #, with a single one #.",
        the_best_lambda_moves,
    ),
    "ppo-safe-step": (
        CHAPTER,
        "the usual step is # to # times as long as the longest safe one.",
        the_bound_is_careful,
    ),
    "ppo-table-long-step": (
        CHAPTER,
        "In these ten starts even a step of 10 makes the return better; sometimes by less than promised, sometimes by "
        "more.",
        a_long_step_in_a_table_is_good,
    ),
    "ppo-cliff": (
        CHAPTER,
        "At a step of # the surrogate promises +#, and the truth is #. The best step is about #, where the gain is +#; "
        "from # on, things are worse than before.",
        the_cliff,
    ),
    "ppo-cliff-edge": (
        CHAPTER,
        "The old policy spends # % of its discounted time at the edge. The surrogate weighs the edge with that, so the "
        "fall costs it next to nothing. The new policy goes on everywhere, so it is at the edge # % of the time, and "
        "that place alone adds #.",
        the_edge,
    ),
    "ppo-cliff-table": (CHAPTER, "The promise is much the same, +#, and the truth is +#.", a_weight_for_each_place),
    "ppo-cliff-budget": (
        CHAPTER,
        "a budget of \\delta = 0.01 is used up at a step of #, where the promise of +# is kept almost fully, +#.",
        a_budget_is_kept,
    ),
    "ppo-cliff-large-budget": (
        CHAPTER,
        "Raise \\delta to #: the promise is +# and the truth #.",
        a_large_budget_is_not,
    ),
    "ppo-tables": (
        CHAPTER,
        "With the table no step made anything worse, in any of the # problems; with one shared weight some step did in "
        "# of them.",
        tables_and_shared_weights,
    ),
    "ppo-what-can-be-told": (
        "03_ppo.ipynb",
        "at the end of the runs yes against REINFORCE and A2C on Pendulum and LunarLander, and against all four on "
        "HalfCheetah; over the whole run on CartPole the reverse, against A2C and TRPO.",
        what_can_be_told,
    ),
    "ppo-lm-settled": (
        "03_ppo.ipynb",
        "eight of ten language models settled on a sentence that was not the best paid",
        eight_of_ten,
    ),
    "ppo-table-a2c": (
        "03_ppo.ipynb",
        "PPO is above A2C in # of the # and below in #; from fair coins that would be a rare event (p = #).",
        beats_a2c,
    ),
    "ppo-table-acer": (
        "03_ppo.ipynb",
        "Against ACER it is # to #, and that is well within chance (p = #).",
        not_acer,
    ),
    "ppo-table-median": (
        "03_ppo.ipynb",
        "By the median over games PPO is ahead, # % to # %, but the interval from resampling the games goes from # to "
        "#.",
        by_the_median,
    ),
    "ppo-table-small-leads": (
        "03_ppo.ipynb",
        "If a lead of up to # % of the distance from random to human counts as a tie (the slider), ACER wins "
        "# games, PPO #, and # are ties.",
        small_leads,
    ),
    "ppo-cartpole-last": (
        "03_ppo.ipynb",
        "Over the whole run PPO with clipping is *last* of the five: #, against # for A2C, # for TRPO, # for "
        "REINFORCE and # for the adaptive penalty. Its interval excludes 0 against A2C and TRPO, and holds it "
        "against the other two; after Holm's correction for the four only A2C remains.",
        last_on_cartpole,
    ),
    "ppo-cartpole-ends": (
        "03_ppo.ipynb",
        "All # runs end at #.",
        all_end_at,
    ),
    "ppo-cartpole-falls": (
        "03_ppo.ipynb",
        "Two of its five seeds reach #, fall to about #, and recover; but the three that do not fall have a mean of #, "
        "which would be last too. One of REINFORCE falls too, to #, and none of the other three methods falls below # "
        "again.",
        some_fall,
    ),
    "ppo-acrobot": (
        "03_ppo.ipynb",
        "On Acrobot four methods cannot be told from PPO clip at the end; over the whole run REINFORCE is far "
        "behind, # to #.",
        acrobot,
    ),
    "ppo-pendulum": (
        "03_ppo.ipynb",
        "On Pendulum TRPO, adaptive KL and PPO clip end between # and # and cannot be told apart, while "
        "REINFORCE and A2C hardly move: # and #.",
        pendulum,
    ),
    "ppo-lander": (
        "03_ppo.ipynb",
        "PPO clip ends at #, adaptive KL at # and TRPO at #, and the intervals of both differences hold 0: # "
        "to # and # to #.",
        lander,
    ),
    "ppo-lander-behind": (
        "03_ppo.ipynb",
        "Only REINFORCE (#) and A2C (#) are behind.",
        lander_behind,
    ),
    "ppo-cheetah": (
        "03_ppo.ipynb",
        "Here PPO clip is ahead: # in the end, against # for A2C, # for TRPO and # for the adaptive penalty, "
        "and no interval holds 0.",
        cheetah,
    ),
    "ppo-cheetah-whole": (
        "03_ppo.ipynb",
        "Over the whole run A2C cannot be told from it (# to #): it rises early.",
        cheetah_whole,
    ),
    "ppo-least-p": (
        "03_ppo.ipynb",
        "With five seeds against five there are # ways to divide ten numbers, so an exact permutation test "
        "cannot give less than #/# = #.",
        least_p,
    ),
    "ppo-none-of-twenty": (
        "03_ppo.ipynb",
        "There are # comparisons with PPO clip for each score, and Holm's correction asks the smallest of # "
        "to be below #.",
        none_of_twenty,
    ),
    "ppo-four-of-one-task": (
        "03_ppo.ipynb",
        "The four comparisons within one task, taken alone, can: # \\cdot # = #, which is what HalfCheetah's "
        "lead over TRPO and adaptive KL comes to.",
        four_of_one_task,
    ),
    "ppo-steps-of-the-policy": (
        "03_ppo.ipynb",
        "On Pendulum that is # steps of its policy in the whole run, against # of REINFORCE's and # of A2C's, "
        "and it ends where PPO does.",
        steps_of_the_policy,
    ),
    "ppo-gamed-shares": (
        "03_ppo.ipynb",
        "Under the reference # % of the sentences are the one that was wanted. As \\beta falls, the share "
        "rises to # % at \\beta = #, and then it falls to nothing, while the reward keeps rising.",
        exact_shares,
    ),
    "ppo-gamed-commonest": (
        "03_ppo.ipynb",
        "At \\beta = # the commonest sentence is *good good good good*.",
        commonest,
    ),
    "ppo-lm-collapsed": (
        "03_ppo.ipynb",
        "Each of the ten seeds ends on one sentence, with a probability of at least #: five different "
        "sentences, none of which is the one that was wanted.",
        collapsed,
    ),
    "ppo-lm-largest": (
        "03_ppo.ipynb",
        "Only # of the # found the one with the largest reward",
        the_largest_reward,
    ),
    "ppo-lm-small-steps": (
        "03_ppo.ipynb",
        "No update moved the policy by more than # nats, and together they moved it by # to #.",
        small_steps,
    ),
    "ppo-lm-last-policy": (
        "03_ppo.ipynb",
        "changes nothing: all ten seeds end on the same sentences as without.",
        the_last_policy,
    ),
    "ppo-lm-reference": (
        "03_ppo.ipynb",
        "all ten policies are within # of the exact optimum, and say *it is good !* in # % to # % of the "
        "cases; the optimum has # %.",
        a_fixed_reference,
    ),
    "ppo-lm-in-the-loss": (
        "03_ppo.ipynb",
        "The ten policies end # to # away from the optimum, and say what was wanted in only # % of the cases in the "
        "median, which is less than the reference does.",
        in_the_loss,
    ),
    "ppo-lm-exact": (
        "03_ppo.ipynb",
        "Put the *exact* KL of each word in the estimate's place, and they end # to # away.",
        the_exact_kl,
    ),
    "ppo-lm-scaled": (
        "03_ppo.ipynb",
        "Divided by the deviation of the group, as GRPO does, the ten are # to # away.",
        scaled,
    ),
    "ppo-clip-or-penalty": (
        "03_ppo.ipynb",
        "over the whole run the adaptive penalty minus the clip is # (95 % interval # to #).",
        clip_or_penalty,
    ),
} | ppo_health.CLAIMS
CLAIMS |= ppo_switches.CLAIMS
