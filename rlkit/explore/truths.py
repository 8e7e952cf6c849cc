"""The answers to the questions, one function for each, from the numbers that the explorers and the figures show.

Each function returns a dictionary: the answer, and the other numbers that the words of `rlkit.explore.questions` have
places for. The answer is one of these:
- `right`, the place of the right option, counted from 0;
- `value`, the number that is asked for;
- `curve`, a pair of lists, x and y. Beside it `seeds`, a list of such pairs, and `given`, the pair that is shown
  before.
"""

import math
from functools import cache, partial

import numpy as np

from rlkit import functional as F
from rlkit.experiments import published
from rlkit.experiments.clinic import PATIENTS
from rlkit.experiments.details import effects
from rlkit.experiments.goal import middle
from rlkit.experiments.museum import medians
from rlkit.experiments.parts import scores
from rlkit.experiments.sentences import REFERENCE, log_probs, measures
from rlkit.experiments.statistics import difference_interval, interquartile_mean
from rlkit.experiments.stored import stored
from rlkit.experiments.target_network import UPDATES, copies_before
from rlkit.experiments.virtual import SERVER
from rlkit.explore.atari49 import standings
from rlkit.explore.beta import LINE, along_the_line
from rlkit.explore.cliff import LENGTHS as STEPS
from rlkit.explore.cliff import WEIGHTS, gains
from rlkit.explore.clinic import departure
from rlkit.explore.clip_epsilon import shares
from rlkit.explore.dueling import share
from rlkit.explore.entropy_bonus import BETAS, RATES, SEEDS, learn, outcomes
from rlkit.explore.gae import LAMBDAS
from rlkit.explore.gae import errors as gae_errors
from rlkit.explore.importance_sampling import FUNCTIONS, exact_mean, final_estimates
from rlkit.explore.messages import FIRST, lap_of, simulated
from rlkit.explore.n_step import LENGTHS as N_STEPS
from rlkit.explore.n_step import errors as n_step_errors
from rlkit.explore.priority import MEMORIES, compared
from rlkit.explore.questions import QUESTIONS
from rlkit.explore.replay import SIZES, worth_replayed
from rlkit.explore.reward_hacking import BETAS as GAMED_BETAS
from rlkit.explore.reward_hacking import frontier
from rlkit.explore.t_max import LENGTHS, errors
from rlkit.explore.target_network import AT_SCORE, MOST, ceiling, last_q, late_scores
from rlkit.explore.trust_region import circle, kl
from rlkit.explore.two_states import semi_gradient_run
from rlkit.explore.value_estimation import FEATURES, walks
from rlkit.explore.value_estimation import errors as value_errors
from rlkit.explore.value_estimation import learn as learn_values
from rlkit.explore.worker_model import speed_ups, staleness_shares


@cache
def truth(name):
    """The answer to the question of this name, and the numbers for its words -> dict."""
    return globals()[name]()


def nearest(value, options):
    """The place of the option that a number is nearest to, by ratio, or -1 if it is far from all of them."""
    ratios = [abs(math.log(value / option)) for option in options]
    return int(np.argmin(ratios)) if min(ratios) < math.log(1.5) else -1


def ends(runs):
    """The returns at the end of each seed's run, from the lowest to the highest -> list."""
    return sorted(run["returns"][-1] for run in runs)


# Chapter 1 ----------------------------------------------------------------------------------------------------------


def rows():
    pixels = 4 * 42 * 42
    return {"value": pixels * math.log10(256), "pixels": pixels, "atoms": 80}


def median():
    table = published.table(published.atari57())
    order = sorted(table, key=lambda method: -table[method][1])
    place = order.index("A3C, LSTM") + 1
    return {
        "right": {1: 0, 2: 1, 4: 2, len(order): 3}[place],
        "place": place,
        "methods": len(order),
        "ahead": "; ".join(order[: place - 1]),
    }


def acer():
    numbers, _, _ = standings()
    medians = {name: row["median"] for name, row in numbers.items()}
    right = ["A2C", "PPO", "ACER"].index(max(medians, key=medians.get))
    return {"right": right, **{name.lower(): value for name, value in medians.items()}}


def unseen():
    runs, _ = stored("overfitting")
    counts = [int(count) for count in runs]
    scores = np.array([[run["unseen"] for run in seeds] for seeds in runs.values()])  # [count, seed]
    median = dict(zip(counts, np.median(scores, 1)))
    return {
        "curve": (counts, list(median.values())),
        "seeds": [(counts, column.tolist()) for column in scores.T],
        "given": (counts, [-0.75] * len(counts)),
        "four": median[4],
        "lost": (1 - median[32]) / 2,  # a game won counts 1, a game lost -1
    }


def balls():
    runs, _ = stored("sample_efficiency")
    needed = {  # balls, the median of the seeds; a ball takes as many steps as the board has rows
        name: np.median([(steps or np.inf) / int(name.split(", ")[1]) for steps in seeds])
        for name, seeds in runs.items()
    }
    kinds = ["table", "network on pixels", "features by hand"]
    grows = tuple(bool(needed[f"{kind}, 10"] > 2 * needed[f"{kind}, 6"]) for kind in kinds)
    return {
        "right": [(True, False, False), (False, True, False), (True, True, False), (True, True, True)].index(grows),
        "network_small": round(needed["network on pixels, 6"], -2),
        "network_large": round(needed["network on pixels, 10"], -2),
        "table_small": round(needed["table, 6"], -2),
        "table_large": round(needed["table, 10"], -2),
    }


# Chapter 2 ----------------------------------------------------------------------------------------------------------


def mc_td():
    features = FEATURES["one for each state"]
    error = value_errors(learn_values(features, walks(40, 10, 0), 10**-0.5), features)  # [41, 2, seeds]
    (mc_early, td_early), (mc, td) = (np.median(walk, axis=(0, 2)) for walk in (error[1:6], error[-10:]))
    early, late = mc_early < td_early, mc < td
    right = {(False, False): 0, (True, False): 1, (False, True): 2, (True, True): 3}[early, late]
    return {"right": right, "mc": mc, "td": td}


def two_states():
    gamma, alpha, updates = 0.9, 0.1, 200
    end = semi_gradient_run(gamma, alpha, updates)[-1]
    right = 0 if end > 1e3 else 1 if abs(end) < 1e-3 else 2 if end < 0.99 else 3
    return {"right": right, "end": end, "updates": updates, "factor": F.copy_factor(alpha, gamma, period=1)}


def horizon():
    ends = last_q(stored("target_network")[0]["64"])
    return {
        "value": interquartile_mean(ends), "low": ends.min(), "high": ends.max(),
        "updates": UPDATES, "copies": copies_before(UPDATES, 64), "ceiling": ceiling(UPDATES, 64), "most": MOST,
    }  # fmt: skip


def alias():
    runs, _ = stored("target_network")
    broken, sound = runs["aliased"], runs["4"]
    middle = lambda runs: interquartile_mean(np.array([run["scores"] for run in runs])).tolist()
    late, sound_late = late_scores(broken), late_scores(sound)
    low, high = difference_interval(sound_late, late)
    return {
        "curve": (AT_SCORE.tolist(), middle(broken)),
        "seeds": [(AT_SCORE.tolist(), run["scores"]) for run in broken],
        "given": (AT_SCORE.tolist(), middle(sound)),
        "late": interquartile_mean(late), "sound_late": interquartile_mean(sound_late), "low": low, "high": high,
    }  # fmt: skip


def largest():
    x = np.linspace(-8, 8, 4001)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    width = x[1] - x[0]
    below = (np.cumsum(density) - density / 2) * width
    return {
        "value": float((x * 10 * below**9 * density).sum() * width)
    }  # 10 F^9 f is the density of the largest of ten


def memory_size():
    worth = np.median(worth_replayed(stored("gradients")[0]["20000"], 32), axis=0)
    size = math.exp(np.interp(24, np.maximum.accumulate(worth), np.log(SIZES)))
    return {"value": round(size, -1), "smallest": worth[0]}


def n_steps():
    guess, others, _ = n_step_errors(4.0, 0.3, 1.0)[10].T
    return {
        "curve": (N_STEPS.tolist(), others.tolist()),
        "seeds": [],
        "given": (N_STEPS.tolist(), guess.tolist()),
        "five": others[4], "most": others[-1],
    }  # fmt: skip


def streams():
    return {"value": share(actions=10, subtract=True)}


def priority():
    _, spread = compared(alpha=1.0, beta=1.0)
    right = 1 if spread.max() < 0.9 else 0 if spread.min() > 1.1 else 2
    return {"right": right, "memories": MEMORIES, "low": spread.min(), "high": spread.max()}


def part_changes(name):
    """What the part of this name changes in the score, at the shared setting."""
    runs, _ = stored("spine")
    arms = list(runs)
    after, before = (scores(runs[arm], "shared") for arm in (name, arms[arms.index(name) - 1]))
    low, high = difference_interval(after, before)
    return {
        "right": 0 if low > 0 else 2 if high < 0 else 1,
        "before": interquartile_mean(before), "after": interquartile_mean(after), "low": low, "high": high,
    }  # fmt: skip


part_replay = partial(part_changes, "replay")
part_copy = partial(part_changes, "target network, C = 16")
part_period = partial(part_changes, "C = 4")
part_double = partial(part_changes, "Double")
part_n_steps = partial(part_changes, "five steps")
part_dueling = partial(part_changes, "dueling")
part_priorities = partial(part_changes, "priorities")


def claims():
    runs, _ = stored("overestimation")
    names = ["Double DQN, 10 actions", "Double DQN, 2 actions", "DQN, 2 actions", "DQN, 10 actions"]
    claimed = [np.median([seed[-1]["claimed"] for seed in runs[name]]) for name in names]
    double_got, got = (np.median([seed[-1]["true"] for seed in runs[names[number]]]) for number in (0, 3))
    numbers = {"claimed": claimed[3], "got": got, "double": claimed[0], "double_got": double_got}
    return {"right": int(np.argmax(claimed)), **numbers}


def time_limit():
    runs = stored("museum")[0]["truncated as terminated"]
    (sound_return, sound), (broken_return, broken) = medians(runs["sound"]), medians(runs["broken"])
    return {
        "right": 3 if broken > 150 else 2 if broken > 1.1 * sound else 0 if broken < 0.9 * sound else 1,
        "sound": sound, "broken": broken, "sound_return": sound_return, "broken_return": broken_return,
    }  # fmt: skip


# Chapter 3 ----------------------------------------------------------------------------------------------------------


def baseline():
    runs = stored("gradient_noise")[0]["REINFORCE"]
    value, mean = (np.median([run[kind] / run["none"] for run in runs]) for kind in ("value", "mean"))
    return {"value": value, "mean": mean, "seeds": len(runs)}


def gae():
    both = gae_errors(0.5, 100)[:, 2]
    return {"value": LAMBDAS[both.argmin()], "least": both.min(), "zero": both[0], "one": both[-1]}


def cliff():
    _, (promise, true, _) = gains(0.2, WEIGHTS[0])
    return {
        "curve": (STEPS.tolist(), true.tolist()),
        "seeds": [],
        "given": (STEPS.tolist(), promise.tolist()),
        "best": STEPS[true.argmax()], "highest": true.max(), "promise": promise[-1], "end": true[-1],
    }  # fmt: skip


def reuse():
    runs, _ = stored("reuse")
    better = {name: sum(seed[-1]["return"] > seed[0]["return"] for seed in seeds) for name, seeds in runs.items()}
    seeds = len(runs["ratio"])
    improves = [better[name] > 0.7 * seeds for name in ("no ratio", "ratio", "ratio, clipped")]
    return {
        "right": {(0, 0, 0): 0, (1, 1, 1): 1, (0, 1, 1): 2, (0, 0, 1): 3}[tuple(map(int, improves))],
        "seeds": seeds,
        "no_ratio": better["no ratio"],
        "ratio": better["ratio"],
        "clipped": better["ratio, clipped"],
    }


def epochs():
    runs, _ = stored("epochs")
    found = {
        (name, count): np.array([run["score"] for run in runs[f"CartPole, {name}, {count}"]["best"]])
        for name in ("ratio, clipped", "ratio")
        for count in (1, 20)
    }
    gains = tuple(
        bool(difference_interval(found[name, 20], found[name, 1])[0] > 0) for name in ("ratio, clipped", "ratio")
    )
    clip_one, clip, ratio_one, ratio = (interquartile_mean(scores).item() for scores in found.values())
    return {
        "right": {(True, True): 0, (True, False): 1, (False, True): 2, (False, False): 3}[gains],
        "clip_one": clip_one, "clip": clip, "ratio_one": ratio_one, "ratio": ratio,
    }  # fmt: skip


def wrong_sign():
    f, mu_p, mu_q = FUNCTIONS["tanh(2x), a soft step"], -1.0, 1.5
    estimates = final_estimates(f, mu_p, mu_q, 1.0, 10, seed=1)
    return {"value": float((estimates * exact_mean(f, mu_p) < 0).mean())}


def kl_factor():
    old = np.array([3.0, 0.0])
    around = kl(old, circle(old, 1.0))
    return {"value": around.max() / around.min(), "least": around.min(), "largest": around.max()}


def line_search():
    runs = stored("line_search")[0]["line search"]
    size, full_kl, gain = (np.array([run[name] for run in runs]) for name in ("size", "full_kl", "full_gain"))
    return {"value": float((size < 1).mean()), "beyond": (full_kl > 0.1).mean(), "worse": (gain <= 0).mean()}


def maximiser():
    J, price, true_J = along_the_line(100, 2.0, 0)
    top, best = int((J - 0.1 * price).argmax()), int(true_J.argmax())
    found, best_step = LINE[top].item(), LINE[best].item()
    return {
        "right": 0 if found < 0.5 * best_step else 2 if found > 1.5 * best_step else 1,
        "found": found, "best": best_step, "promised": J[top].item(), "true": true_J[top].item(),
    }  # fmt: skip


def no_wall():
    runs = stored("prices")[0]["ε = 0.2"]
    outside, wrong = (np.array([run[name] for run in runs]) for name in ("outside", "wrong"))
    return {"value": float(outside.mean()), "most": outside.max(), "wrong": wrong.mean()}


def without_min():
    batch, _ = stored("minibatch")
    ratio, advantages = np.array(batch["ratios"][4]), np.array(batch["advantages"])
    with_min, without = (shares(ratio, advantages, 0.2, minimum) for minimum in (True, False))
    return {"value": sum(without), "stuck": without[1], "with_min": sum(with_min)}


def broadcast():
    runs = stored("museum")[0]["[B] minus [B, 1]"]
    (sound_return, _), (broken_return, explained) = medians(runs["sound"]), medians(runs["broken"])
    right = 3 if abs(explained) < 0.1 else 2 if explained < -1 else 1  # of the variance of returns; a flat V explains 0
    return {"right": right, "sound_return": sound_return, "broken_return": broken_return}


def gamed():
    best = frontier()
    liked, place = best["liked"], int(best["liked"].argmax())
    rises, falls = liked[place] > liked[0] + 0.05, liked[-1] < liked[place] - 0.05
    return {
        "right": {(True, False): 0, (False, True): 1, (True, True): 2, (False, False): 3}[bool(rises), bool(falls)],
        "reference": measures(log_probs(REFERENCE))["liked"], "most": liked[place], "beta": GAMED_BETAS[place],
        "last": liked[-1],
    }  # fmt: skip


def ppo_against_a2c():
    games = published.ppo49().values()
    counts = {
        other: [sum(np.sign(row["ppo"] - row[other]) == sign for row in games) for sign in (1, -1, 0)]
        for other in ("a2c", "acer")
    }
    won, lost, tied = counts["a2c"]
    return {"value": won, "lost": lost, "tied": tied, "acer": counts["acer"][0], "acer_lost": counts["acer"][1]}


def place_on_cartpole():
    runs, methods = stored("policy_gradients")[0], ("REINFORCE", "TRPO", "PPO adaptive KL", "PPO clip", "A2C")
    scores = {
        name: interquartile_mean(np.array([np.mean(run["returns"]) for run in runs[f"{name}, CartPole-v1"]]))
        for name in methods
    }
    order = sorted(scores, key=scores.get, reverse=True)
    place = order.index("PPO clip")
    return {
        "right": {0: 0, 1: 1, 2: 2, 4: 3}[place],
        "clip": scores["PPO clip"], "first": order[0], "most": scores[order[0]],
    }  # fmt: skip


def clipped_mean():
    mu, sigma, high = 0.8, 0.5, 1.0
    z = (high - mu) / sigma
    share = math.erfc(z / math.sqrt(2)) / 2  # beyond the upper bound; beyond the lower one it is 1 in 6,000
    return {"value": -(math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) - z * share) / sigma, "share": share}


def seeds_of_pong():
    runs = stored("pong")[0]["preset"]
    ends = [run["end"] for run in runs]
    return {
        "value": sum(run["reached"] is not None and run["end"] < 450_000 for run in runs),
        "fastest": min(ends),
        "middle": middle(runs)["end"],
        "longest": max(ends),
        "last": runs[ends.index(max(ends))]["returns"][-1],
    }


def patient_of_the_clinic(letter):
    """What a patient suffers from, and the metrics that tell and mislead, after the first third of its runs."""
    runs, known = stored("clinic")[0], PATIENTS[letter]
    telling, misleading = (departure(runs, letter, metric) for metric in (known.telling, known.misleading))
    return {
        "right": list(QUESTIONS[f"patient_{letter.lower()}"].options).index(known.disease),
        "telling": telling[0], "telling_well": telling[1],
        "misleading": misleading[0], "misleading_well": misleading[1],
    }  # fmt: skip


patient_a = partial(patient_of_the_clinic, "A")
patient_b = partial(patient_of_the_clinic, "B")
patient_c = partial(patient_of_the_clinic, "C")
patient_d = partial(patient_of_the_clinic, "D")
patient_e = partial(patient_of_the_clinic, "E")
patient_f = partial(patient_of_the_clinic, "F")


# Chapter 4 ----------------------------------------------------------------------------------------------------------


def segment():
    total = [sum(errors(length, value_error=5.0, fading=0.8, noise=1.0)) for length in LENGTHS]
    return {"value": int(LENGTHS[np.argmin(total)])}


def too_sure():
    policies = learn()[-1, RATES.index(0.5), BETAS.index(0.0)]  # [SEEDS, 3]
    return {"value": int((outcomes(policies) == 1).sum()), "learners": SEEDS}


def staleness():
    runs = stored("virtual_workers")[0]["runs"]
    mean = float(staleness_shares(runs["2"]) @ np.arange(201))
    return {"right": 0 if mean < 0.3 else nearest(mean, [0.01, 1, 10]), "mean": mean}


def sixteen():
    runs = stored("virtual_workers")[0]["runs"]
    many, one = runs["16"], runs["1"]
    steps = [np.median([run["total_steps"] for run in seeds]) for seeds in (one, many)]
    return {
        "value": float(np.median(speed_ups(runs)[16])),
        "seeds": len(many),
        "failed": sum(run["solved"] is None for run in many),
        "more": steps[1] / steps[0],
    }


def far_away():
    first = dict(FIRST)
    workers = first.pop("num_workers")
    lap = lap_of(**first)
    one, many = (simulated(count, tuple(lap)).updates_per_second for count in (1, workers))
    server = sum(leg.seconds for leg in lap if leg.place == SERVER)
    return {"value": many / one, "server": 1e3 * server, "rate": 1 / server}


def waiting():
    delayed = stored("real_workers")[0]["delayed"]
    counts = [int(count) for count in delayed]
    rates = [delayed[str(count)]["steps_per_second"] for count in counts]
    return {
        "curve": (counts, rates),
        "seeds": [],
        "given": (counts, [rates[0] * count for count in counts]),
        "one": round(rates[0], -2), "rate": round(rates[-1], -2), "times": rates[-1] / rates[0],
        "cpus": delayed["16"]["cpus"],
    }  # fmt: skip


def out_of_hand():
    runs, _ = stored("updates")
    largest = {name: max(run["largest_weight"] for run in seeds) for name, seeds in runs.items()}
    unlocked = ("Adam as torch has it, shared", "Adam, shared", "RMSProp, shared g")
    wild = [name for name, weight in largest.items() if weight > 20]
    assert set(wild) <= set(unlocked)
    return {
        "right": {1: 0, 2: 1, 3: 2, 0: 3}[len(wild)],
        "largest": max(largest.values()),
        "others": math.ceil(10 * max(weight for name, weight in largest.items() if name not in wild)) / 10,
    }


def no_velocity():
    low, _, median, _, high = ends(stored("memory")[0]["feed-forward"])
    return {"right": nearest(median, [500, 250, 50, 20]), "low": low, "high": high}


def five_games():
    scores = published.human_normalized(published.atari57(), "a3c_lstm")
    best = sorted(scores, key=scores.get, reverse=True)
    return {
        "value": sum(scores[game] for game in best[:5]) / sum(scores.values()),
        "game": best[0],
        "score": scores[best[0]],
    }


def clock():
    runs, _ = stored("wall_clock")
    scores = {}
    for method, seeds in runs.items():
        late = [[score for second, score in zip(run["seconds"], run["returns"]) if second > 90] for run in seeds]
        scores[method] = np.mean([np.mean(games) for games in late])
    order = sorted(scores, key=scores.get, reverse=True)
    right = ["PPO clip", "A3C LSTM", "Prioritized DQN", "DQN"].index(order[0])
    return {"right": right, "best": scores[order[0]], "second": order[1], "score": scores[order[1]]}


def details():
    found = effects(stored("switchboard")[0]["Pendulum-v1"])
    three = {name for name, _ in sorted(found.items(), key=lambda one: -one[1][0])[:3]}
    options = (
        {"observations scaled", "rewards scaled", "advantages normalised"},
        {"orthogonal weights", "gradients clipped", "learning rate annealed"},
        {"ratio clipped", "two networks", "GAE, λ = 0.95"},
        {"ratio clipped", "four epochs", "rewards scaled"},
    )
    clip, epochs, rewards = (found[name][0] for name in ("ratio clipped", "four epochs", "rewards scaled"))
    return {"right": options.index(three), "clip": clip, "epochs": epochs, "rewards": rewards}


def one_step():
    runs, _ = stored("policy_gradients")
    tasks = ("CartPole-v1", "Acrobot-v1", "LunarLander-v3", "Pendulum-v1", "HalfCheetah-v5")
    first, last = (
        {name: interquartile_mean(np.array([run["returns"][i] for run in seeds])) for name, seeds in runs.items()}
        for i in (0, -1)
    )
    gain = {name: last[name] - first[name] for name in runs}
    behind = tuple(task for task in tasks if gain[f"A2C, {task}"] < 0.5 * gain[f"PPO clip, {task}"])
    return {
        "right": {tasks[:2]: 0, tasks[2:4]: 1, tasks[4:]: 2, tasks: 3}[behind],
        "lander": last["A2C, LunarLander-v3"],
        "pendulum": last["A2C, Pendulum-v1"],
        "ppo_lander": last["PPO clip, LunarLander-v3"],
        "ppo_pendulum": last["PPO clip, Pendulum-v1"],
    }


def shared_network():
    runs = stored("museum")[0]["acting on the shared network"]
    (low, *_, high), (sound_low, *_, sound_high) = ends(runs["broken"]), ends(runs["sound"])
    overlap = low < sound_high and sound_low < high
    (sound, _), (broken, kl) = medians(runs["sound"]), medians(runs["broken"])
    right = 0 if overlap else 3 if broken < 40 else 1 if broken < 0.5 * sound else 2
    return {"right": right, "low": low, "high": high, "sound_low": sound_low, "sound_high": sound_high, "kl": kl}
