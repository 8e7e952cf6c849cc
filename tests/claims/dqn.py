"""Chapter 2: the sentences that report a result."""

import json
from functools import cache

import numpy as np

from claims.common import says
from rlkit import AGENTS
from rlkit import functional as F
from rlkit.experiments.gradients import SIZES
from rlkit.experiments.overestimation import biases, foretold
from rlkit.experiments.parts import ARMS, scores
from rlkit.experiments.statistics import difference_interval, interquartile_mean, permutation_p
from rlkit.experiments.stored import stored
from rlkit.experiments.tables import little_mdp, optimal_q, q_learning_tables
from rlkit.experiments.target_network import UPDATES
from rlkit.explore.n_step import LENGTHS
from rlkit.explore.n_step import errors as n_step_errors
from rlkit.explore.priority import compared
from rlkit.explore.replay import worth_in_a_row, worth_replayed
from rlkit.explore.target_network import ceiling, last_q, late_scores
from rlkit.explore.truths import truth

CHAPTER = "02_dqn.ipynb"


def differ(above, below, *quoted):
    """Do the quoted numbers give this difference, low and high? -> low, high."""
    found = difference_interval(above, below)
    middle = interquartile_mean(above) - interquartile_mean(below)
    assert all(map(says, quoted, (middle, *found) if len(quoted) == 3 else found))
    return found


# Section 4: a table ---------------------------------------------------------------------------------------------------


@cache
def tables():
    """max |Q - Q*| of Q-learning on the little MDP, ten seeds: (moments `[M]`, {step size: `[M, 10]`})."""
    step_sizes = {
        "1/n²": lambda n: F.polynomial_step_size(n, 2),
        "1/n": lambda n: F.polynomial_step_size(n, 1),
        "0.1": lambda n: np.full(n.shape, 0.1),
        "1/n^0.7": lambda n: F.polynomial_step_size(n, 0.7),
    }
    return q_learning_tables(little_mdp(), step_sizes, 100_000, range(10))


def errors(name, step=100_000):
    """max |Q - Q*| after so many steps, one for each seed."""
    moments, distances = tables()
    return distances[name][moments == step][0]


def the_table_begins_at(largest):
    assert says(largest, abs(optimal_q(little_mdp())).max())


def falling_slowly_arrives(median, low, high):
    end = errors("1/n^0.7")
    assert says(median, np.median(end)) and says(low, end.min()) and says(high, end.max())
    assert all((errors(other) > end).all() for other in ("1/n²", "1/n", "0.1"))  # in each of the ten trajectories


def a_constant_step_size_settles(first, low, high):
    moments, distances = tables()
    later = np.median(distances["0.1"][moments >= 10_000], axis=1)
    assert says(first, later[0]) and says(low, later.min()) and says(high, later.max())
    assert later.min() > 2 * np.median(errors("1/n^0.7"))


def a_finite_sum_stops(after, end):
    assert says(after, np.median(errors("1/n²", 1_000))) and says(end, np.median(errors("1/n²")))
    assert (errors("1/n²", 1_000) - errors("1/n²") < 0.02).all()


def one_over_n_is_slow(before, after):
    assert says(before, np.median(errors("1/n", 10_000))) and says(after, np.median(errors("1/n")))


def as_slow_as_foretold(foretold, measured):
    assert says(foretold, 10 ** -(1 - 0.9)) and says(measured, np.median(errors("1/n") / errors("1/n", 10_000)))


# The growing figure ---------------------------------------------------------------------------------------------------


def grows(before, after, shared, best):
    """A check of eight numbers: the scores of two arms, and the ends of their difference, at both settings.

    `shared` and `best` say what the interval must show: "higher", "lower" or "unclear".
    """

    def check(*quoted):
        runs = stored("spine")[0]
        for setting, expected, (first, then, low, high) in (("shared", shared, quoted[:4]), ("best", best, quoted[4:])):
            old, new = (scores(runs[arm], setting) for arm in (before, after))
            assert says(first, interquartile_mean(old)) and says(then, interquartile_mean(new))
            found = differ(new, old, low, high)
            assert expected == ("higher" if found[0] > 0 else "lower" if found[1] < 0 else "unclear")

    return check


def the_update_alone_fails(shared, better, best_of_them, best, reached, broken):
    runs = stored("spine")[0]["the update alone"]
    *_, second, first = sorted(runs["shared"], key=lambda run: run["score"])
    assert says(shared, interquartile_mean(scores(runs, "shared")))
    assert says(better, second["score"]) and says(best_of_them, first["score"])
    assert sum(run["greedy"][-1] >= 475 for run in (first, second)) == 1
    assert sum(not run["finite"] for run in runs["shared"]) == 3
    assert says(best, interquartile_mean(scores(runs, "best")))
    assert int(reached) == sum(max(run["greedy"]) >= 400 for run in runs["best"])
    assert max(run["greedy"][-1] for run in runs["best"]) < 475
    searched = [run for tries in runs["search"] for run in tries]
    assert len(searched) == 27 and int(broken) == sum(not run["finite"] for run in searched)


def smaller_steps_help_too_little(low, high, lowest, lower):
    search = stored("spine")[0]["the update alone"]["search"]
    means = np.array([[run["score"] for run in tries] for tries in search]).mean(1)
    assert says(low, means[:5].min()) and says(high, means[:5].max())
    assert says(lowest, means[5:].min()) and says(lower, means[5:].max())


def all_ten_are_solved():
    runs = stored("spine")[0]
    assert all(run["greedy"][-1] >= 475 for arm in ("dueling", "priorities") for run in runs[arm]["shared"])


def each_part_alone(*quoted):
    runs = stored("spine")[0]
    plain, *variants = (runs[arm] for arm in ("C = 4", "Double", "n-step DQN", "Dueling DQN", "Prioritized DQN"))
    middles = [interquartile_mean(scores(arm, setting)) for arm in (plain, *variants) for setting in ("shared", "best")]
    assert all(map(says, quoted[:10], middles))
    found = {
        setting: [difference_interval(scores(arm, setting), scores(plain, setting)) for arm in variants]
        for setting in ("shared", "best")
    }
    assert [low > 0 for low, _ in found["best"]] == [False, True, False, True]
    assert [low > 0 for low, _ in found["shared"]] == [False, False, False, True]
    assert all(map(says, quoted[10:], (*found["best"][1], *found["best"][3], *found["shared"][3])))


def all_together(*quoted):
    runs = stored("spine")[0]
    arms = [(arm, setting) for setting in ("shared", "best") for arm in ("priorities", "in batches")]
    assert all(says(text, interquartile_mean(scores(runs[arm], setting))) for text, (arm, setting) in zip(quoted, arms))
    for setting in ("shared", "best"):
        assert difference_interval(scores(runs["priorities"], setting), scores(runs["in batches"], setting))[0] > 0


# Section 11: Huber ----------------------------------------------------------------------------------------------------


def where_huber_helps(*quoted):
    runs = stored("surprises")[0]
    tasks = ("Catch", "Catch with glitches", "CartPole")
    scored = {name: np.array([run["score"] for run in arm["best"]]) for name, arm in runs.items()}
    huber, squared = ([scored[f"{loss}, {task}"] for task in tasks] for loss in ("Huber", "squared"))
    plain, glitches, cartpole = zip(huber, squared)
    assert all(map(says, quoted[:2], map(interquartile_mean, plain)))
    low, high = differ(*plain, *quoted[2:4])
    assert low < 0 < high
    assert all(map(says, quoted[4:6], map(interquartile_mean, glitches))) and glitches[0].min() > glitches[1].max() + 1
    assert all(map(says, quoted[6:8], map(interquartile_mean, cartpole[::-1])))
    assert differ(*cartpole[::-1], *quoted[8:])[0] > 0
    for loss in ("Huber", "squared"):
        assert all(run["rate"] == 3e-2 for run in runs[f"{loss}, CartPole"]["best"])


# Section 7: replay ----------------------------------------------------------------------------------------------------


def worth(what="gradient", stage="20000"):
    return worth_in_a_row(stored("gradients")[0][stage], 32, what)


def in_a_row(text):
    assert says(text, np.median(worth("angle")))


def gradients_in_a_row(*quoted):
    late, early = worth(), worth(stage="10000")
    found = (np.median(late), late.min(), late.max(), np.median(early), early.min(), early.max())
    assert all(map(says, quoted, found))


def replayed(row, memory):
    found = worth_replayed(stored("gradients")[0]["20000"], 32)[:, SIZES.index(2_000)]
    assert says(row, np.median(worth())) and says(memory, np.median(found)) and (found > worth()).all()


def lows(memory):
    """The lowest greedy score of each run from its first score of at least 400 on `[seeds]`; all runs have one."""
    found = [np.array(run["scores"]) for run in stored("forgetting")[0][memory]]
    assert all((values >= 400).any() for values in found)
    return np.array([values[np.argmax(values >= 400) :].min() for values in found])


def no_order_of_size(*quoted):
    sizes = ("128", "1,000", "4,000", "16,000", "50,000")
    assert all(map(says, quoted[:5], (interquartile_mean(lows(size)) for size in sizes)))
    low, high = differ(lows("50,000"), lows("4,000"), *quoted[5:8])
    assert low < 0 < high and differ(lows("1,000"), lows("50,000"), *quoted[8:])[0] > 0


def it_is_the_falls(kept, other, *difference):
    with_falls, without = lows("4,000, falls kept"), lows("4,000, no falls kept")
    assert says(kept, interquartile_mean(with_falls)) and says(other, interquartile_mean(without))
    assert differ(with_falls, without, *difference)[0] > 50
    assert (with_falls < 30).sum() == 0 and (without < 30).sum() == 6


def falls_fade(early, late):
    median = {
        name: np.median([run["falls"] for run in stored("forgetting")[0][name]], axis=0) for name in ("4,000", "1,000")
    }
    assert int(early) == round(median["4,000"][4] + 0.01) and int(late) == round(median["4,000"][19] + 0.01)
    assert median["1,000"][19] == 0 and min(lows("1,000").min(), lows("128").min()) > 30


# Section 8: the horizon -----------------------------------------------------------------------------------------------


def arms(*names):
    """The ten runs of some arms of the target-period sweep."""
    return [stored("target_network")[0][name] for name in names]


def the_copies_allow(copies, most, middle, low, high):
    (runs,) = arms("64")
    q = last_q(runs)
    assert {run["copies"] for run in runs} == {int(copies)} and says(most, ceiling(UPDATES, 64))
    assert says(middle, interquartile_mean(q)) and says(low, q.min()) and says(high, q.max())
    assert np.abs(q / ceiling(UPDATES, 64) - 1).max() < 0.06


def the_ceiling_holds_from_8_on(*quoted):
    for period, most, middle in zip((8, 16, 256, 1_024), quoted[::2], quoted[1::2], strict=True):
        (runs,) = arms(str(period))
        assert says(most, ceiling(UPDATES, period)) and says(middle, interquartile_mean(last_q(runs)))
        assert 0.9 < interquartile_mean(last_q(runs)) / ceiling(UPDATES, period) < 1.1


def the_score_by_period(*quoted):
    for period, text in zip((1, 2, 4, 8, 16, 64, 256), quoted, strict=True):
        (runs,) = arms(str(period))
        assert says(text, interquartile_mean(late_scores(runs)))


def four_beats_sixteen(*quoted):
    four, eight, sixteen = map(late_scores, arms("4", "8", "16"))
    assert differ(four, sixteen, *quoted[:3])[0] > 0 and permutation_p(four, sixteen) < 0.01
    low, high = differ(four, eight, *quoted[3:])
    assert low < 0 < high


def without_a_copy_q_looks_healthy(middle, low, high, largest):
    (runs,) = arms("1")
    q = last_q(runs)
    assert says(middle, interquartile_mean(q)) and says(low, q.min()) and says(high, q.max())
    assert says(largest, max(max(run["q"]) for run in runs))


def the_alias_is_caught_at_four_and_not_at_sixteen(*quoted):
    four, sixteen, broken = map(late_scores, arms("4", "16", "aliased"))
    assert differ(four, broken, *quoted[:3])[0] > 0 and permutation_p(four, broken) < 0.01
    low, high = differ(sixteen, broken, *quoted[3:])
    assert low < 0 < high


# Section 16: Gorila ---------------------------------------------------------------------------------------------------


def ten_runs_of_gorila(balance, low, high, fresh, stale):
    runs = stored("gorila")[0]["two workers"]
    scored = np.array([run["greedy"] for run in runs])
    others = scored[scored < 500]
    assert len(runs) == 10 and sum(run["reached"] for run in runs) == 6 and int(balance) == sum(scored == 500)
    assert says(low, others.min()) and says(high, others.max())
    assert sum(run["reached"] for run in runs if run["greedy"] < 500) == 2
    ages = [run["staleness"] for run in runs]
    assert says(fresh, min(ages) + 0.01) and says(stale, max(ages))  # a half is rounded up


# Section 17: claimed and true values ----------------------------------------------------------------------------------


def believed(name):
    """Claimed and true values at the end, and claimed minus true over the last four checks, each `[seeds]`."""
    runs = stored("overestimation")[0][name]
    claimed, true = (np.array([run[-1][kind] for run in runs]) for kind in ("claimed", "true"))
    return claimed, true, biases(runs)


def ten_buttons(claimed, got, low, high, double_claimed, double_got, double_low, double_high):
    for name, texts in (
        ("DQN, 10 actions", (claimed, got, low, high)),
        ("Double DQN, 10 actions", (double_claimed, double_got, double_low, double_high)),
    ):
        first, second, found = believed(name)
        assert (
            all(map(says, texts, (np.median(first), np.median(second), found.min(), found.max()))) and found.min() > 0
        )
    assert difference_interval(believed("DQN, 10 actions")[2], believed("Double DQN, 10 actions")[2])[0] > 0


def two_buttons(dqn, double, low, high):
    found = believed("Double DQN, 2 actions")[2]
    assert says(dqn, np.median(believed("DQN, 2 actions")[2])) and says(double, np.median(found))
    assert says(low, found.min()) and says(high, found.max())
    assert difference_interval(believed("DQN, 2 actions")[2], found)[0] > 0


def it_is_the_noise(much, little, double):
    plain, ten = believed("DQN, 2 actions")[2], believed("DQN, 10 actions")[2]
    more, less = believed("DQN, 10 actions, batches of 320")[2], believed("DQN, 2 actions, batches of 13")[2]
    assert says(much, np.median(more)) and says(little, np.median(less))
    low, high = difference_interval(more, plain)
    assert low < 0 < high and difference_interval(ten, more)[0] > 0 and difference_interval(less, ten)[0] > 0
    assert np.median(believed("DQN, 2 actions, batches of 13")[1]) < 50
    opinions = believed("Double DQN, 2 actions, batches of 13")[2]
    low, high = difference_interval(less, opinions)
    assert says(double, np.median(opinions)) and low < 0 < high


def and_the_maximum(averaged):
    found = believed("DQN, 10 actions, equal ones averaged")[2]
    assert says(averaged, np.median(found)) and difference_interval(believed("DQN, 10 actions")[2], found)[0] > 0


def loops(method, gap):
    """What the loop foretells from the gaps of each run with ten buttons `[seeds]`."""
    return np.array([foretold(run, gap)[-4:].mean() for run in stored("overestimation")[0][f"{method}, 10 actions"]])


def what_the_loop_explains(*quoted):
    ways = (("DQN", "max_gap"), ("Double DQN", "double_gap"))
    for (method, gap), texts, foretelling in zip(ways, (quoted[:3], quoted[3:6]), quoted[6:], strict=True):
        with_luck, without = (
            believed(f"{method}, {kind}")[2] for kind in ("10 actions", "10 actions, equal ones averaged")
        )
        low, high = differ(with_luck, without, *texts)
        expected = interquartile_mean(loops(method, gap))
        assert says(foretelling, expected) and 0 < low < expected < high


def not_which_seed(correlation):
    found = np.corrcoef(loops("DQN", "max_gap"), believed("DQN, 10 actions")[2])[0, 1]
    assert says(correlation, found) and abs(found) < 0.3


def rho_is_near(text):
    rows = [row for run in stored("overestimation")[0]["Double DQN, 10 actions"] for row in run[-4:]]
    assert says(text, np.median([row["rho"] for row in rows]))


def a_copy_against_none(*quoted):
    runs = stored("spine")[0]
    for setting, texts in (("shared", quoted[:3]), ("best", quoted[3:])):
        assert differ(scores(runs["C = 4"], setting), scores(runs["replay"], setting), *texts)[0] > 0


def batches_solve_it_at_their_best():
    assert all(run["greedy"][-1] >= 475 for run in stored("spine")[0]["in batches"]["best"])


def last_five(arm):
    """The mean of the last five tests of each run at the arm's best setting `[seeds]`."""
    return np.array([np.mean(run["greedy"][-5:]) for run in stored("spine")[0][arm]["best"]])


def by_the_last_five_tests(low, high):
    for above, below in (("C = 4", "target network, C = 16"), ("five steps", "Double")):
        found = difference_interval(last_five(above), last_five(below))
        assert found[0] < 0 < found[1]
    found = difference_interval(last_five("dueling"), last_five("five steps"))
    assert says(low, found[0]) and says(high, found[1])


def holm(pairs):
    """Which of several comparisons are significant at 5 % by Holm's correction: {name: (above, below)} -> names."""
    ps = sorted((permutation_p(*pair), name) for name, pair in pairs.items())
    passed = [p * (len(ps) - rank) < 0.05 for rank, (p, _) in enumerate(ps)]
    return {name for rank, (_, name) in enumerate(ps) if all(passed[: rank + 1])}


def after_a_correction():
    runs = stored("spine")[0]
    chain = ["the update alone", *ARMS]
    for setting, right in (("shared", {"C = 4", "priorities"}), ("best", {"C = 4", "in batches", "five steps"})):
        pairs = {new: (scores(runs[new], setting), scores(runs[old], setting)) for old, new in zip(chain, chain[1:])}
        assert holm(pairs) == right


def alone_after_a_correction():
    runs = stored("spine")[0]
    pairs = {
        (arm, setting): (scores(runs[arm], setting), scores(runs["C = 4"], setting))
        for arm in ("Double", "n-step DQN", "Dueling DQN", "Prioritized DQN")
        for setting in ("shared", "best")
    }
    assert holm(pairs) == {("n-step DQN", "best")}


def the_search_ends_at_its_edge():
    chosen = [arm["best"][0]["setting"] for name, arm in stored("spine")[0].items() if name != "the update alone"]
    assert len(chosen) == 11 and all(setting["updates"] == 8 for setting in chosen)
    assert sum(setting["learning_rate"] == 1e-2 for setting in chosen) == 6


def below_8_it_fails(ends, allowed):
    (runs,) = arms("4")
    assert says(ends, interquartile_mean(last_q(runs))) and says(allowed, ceiling(UPDATES, 4))
    assert (last_q(runs) > ceiling(UPDATES, 4)).all()


def over_as_many_tests(*quoted):
    found = {
        name: [np.array(run["scores"]) for run in stored("forgetting")[0][name]]
        for name in ("4,000, falls kept", "4,000, no falls kept")
    }
    first = {name: [int(np.argmax(values >= 400)) for values in runs] for name, runs in found.items()}
    kept, other = (
        np.array([values[start : start + 17].min() for values, start in zip(found[name], first[name])])
        for name in found
    )
    assert np.mean(first["4,000, no falls kept"]) < np.mean(first["4,000, falls kept"])
    low, high = differ(kept, other, *quoted)
    assert low < 0 < high


def hubers_rates(best, second):
    means = np.array(
        [[run["score"] for run in tries] for tries in stored("surprises")[0]["Huber, CartPole"]["search"]]
    ).mean(1)
    assert says(best, means[-1]) and says(second, np.sort(means)[-2]) and means.argmax() == 4


def early_claims():
    for name in ("DQN, 2 actions", "Double DQN, 2 actions", "DQN, 10 actions", "Double DQN, 10 actions"):
        runs = stored("overestimation")[0][name]
        first, second = (np.median([run[check]["claimed"] - run[check]["true"] for run in runs]) for check in (0, 1))
        assert first > 0 > second


def where_the_loop_does_not_fit(expected, found):
    runs = stored("overestimation")[0]["Double DQN, 10 actions, batches of 320"]
    g = np.median([row["double_gap"] for run in runs for row in run[-4:]])
    assert says(expected, F.accumulated_bias(g, 0.99)) and says(found, np.median(biases(runs)))


def thirty_games_of_pong(mean, of_the_others):
    games = np.array(json.loads((AGENTS / "dqn-pong-small.json").read_text())["evaluation"]["returns"])
    assert len(games) == 30 and (games == 0).sum() == 6 and len(set(games)) == 5
    assert says(mean, games.mean()) and says(of_the_others, games[games != 0].mean())


def truncated_as_terminated(both, broken, sound):
    answer = truth("time_limit")
    assert says(broken, answer["broken"]) and says(sound, answer["sound"])
    runs = stored("museum")[0]["truncated as terminated"]
    for kind in ("broken", "sound"):
        assert says(both, np.median([run["returns"][-1] for run in runs[kind]]))


def twenty_memories(low, high):
    bias, spread = compared(1.0, 1.0)
    assert len(spread) == 20 and says(low, spread.min()) and says(high, spread.max()) and abs(bias).max() < 1e-9
    bias, spread = compared(1.0, 0.0)
    assert abs(bias).min() > 0.1 and spread.min() > 1


def half_a_correction(low, high):
    _, spread = compared(0.6, 0.4)
    assert says(low, spread.min()) and says(high, spread.max()) and spread.min() > 1


def the_best_n(ten, twenty):
    history = n_step_errors(4.0, 0.3, 1.0)
    total = np.hypot(history[..., 0] + history[..., 1], history[..., 2])
    best = [int(LENGTHS[total[copies].argmin()]) for copies in (1, 10, 20)]
    assert best == [LENGTHS[-1], int(ten), int(twenty)]


# The table ------------------------------------------------------------------------------------------------------------

CLAIMS = {  # id: (the sentence, its test)
    "dqn-table-start": ("At the start, where all entries are 0, the largest error is #.", the_table_begins_at),
    "dqn-table-slow": (
        "1/n^{0.7}** fulfils both. It ends at # (# to #), below the other three in each of the ten trajectories.",
        falling_slowly_arrives,
    ),
    "dqn-table-constant": (
        "**0.1** breaks the second condition. It is at # after 10,000 steps, and from then on its median stays "
        "between # and #:",
        a_constant_step_size_settles,
    ),
    "dqn-table-finite": ("It is at # after 1,000 steps and at # after 100,000.", a_finite_sum_stops),
    "dqn-table-mean": ("and is a surprise: # after 10,000 steps, and # after 100,000.", one_over_n_is_slow),
    "dqn-table-rate": (
        "ten times as many visits leave 10^{-0.1} = # of the error. Measured: #.",
        as_slow_as_foretold,
    ),
    "dqn-replay-angle": ("32 in a row are worth # independent ones.", in_a_row),
    "dqn-replay-gradients": (
        "32 in a row are worth # (median of ten agents, which lie between # and #). After 10,000 steps they are worth"
        " #, almost the full 32, though single agents lie between # and #.",
        gradients_in_a_row,
    ),
    "dqn-replay-memory": (
        "At 20,000, when the pole stays up long, it is #, and a memory of 2,000 makes it #.",
        replayed,
    ),
    "dqn-horizon": (
        "With C = 64 there are # copies, and they allow #. Q ends at # (interquartile mean of ten runs, which end "
        "between # and #).",
        the_copies_allow,
    ),
    "dqn-horizon-others": (
        "For C = 8 the copies allow # and Q ends at #; for 16 it is # and #, for 256 # and #, for 1,024 # and #.",
        the_ceiling_holds_from_8_on,
    ),
    "dqn-period-scores": (
        "For C = 1, 2, 4, 8, 16, 64 and 256 the greedy score of the last five checks is #, #, #, #, #, # and #",
        the_score_by_period,
    ),
    "dqn-period-four": (
        "C = 4 is ahead of C = 16 by # points (95 % interval # to #). It is ahead of C = 8 by # (# to #), which ten "
        "seeds cannot tell from 0.",
        four_beats_sixteen,
    ),
    "dqn-no-copy": (
        "Without a copy Q ends at #, below 100, as if all were well. But single runs end anywhere from # to #, and "
        "one passes # on its way.",
        without_a_copy_q_looks_healthy,
    ),
    "dqn-alias": (
        "With C = 4 the bug costs # points (# to #). With C = 16 it costs # (# to #):",
        the_alias_is_caught_at_four_and_not_at_sixteen,
    ),
    "dqn-update-alone": (
        "At the shared step size the score is # (interquartile mean of ten seeds). (Two of the ten do much better, # "
        "and #, and one of these balances at the last test; three have become NaN.) Nine step sizes were tried, and "
        "with the best of them the score is #. Its policy gets to 400 and more at times, in # of the ten runs, and "
        "loses it again: none of the ten balances for 475 steps at the last test. And in # of the 27 runs of the "
        "search the weights were NaN at the end.",
        the_update_alone_fails,
    ),
    "dqn-update-rates": (
        "over three seeds, the five step sizes up to 0.001 score # to #, and the four larger ones # or #.",
        smaller_steps_help_too_little,
    ),
    "dqn-solved": (
        "with priorities, as with dueling, all ten runs at the shared setting balance for 475 steps and more at the "
        "last test.",
        all_ten_are_solved,
    ),
    "dqn-alone": (
        "It scores # there, and # at its best of nine settings. Alone, Double scores # and #, five steps # and #, "
        "dueling # and #, and priorities # and #. Two of the four are ahead of plain DQN when each has its best "
        "setting: five steps by # to #, and priorities by # to #. At the shared setting only priorities are, by # to "
        "#.",
        each_part_alone,
    ),
    "dqn-all-together": (
        "All together: # against # for the agent in batches, and # against # with the best of nine settings each.",
        all_together,
    ),
    "dqn-huber": (
        "On Catch as it is, the two cannot be told apart (mean return over the run # and #; the interval of the "
        "difference is # to #). With glitches Huber learns as before, #, and squared errors hardly learn, # (a paddle"
        " that pays no attention gets −0.75). And on CartPole squared errors are *ahead*: # to # (95 % interval of "
        "the difference: # to #).",
        where_huber_helps,
    ),
    "dqn-memory-size": (
        "The lows are in no order of size: # with 128 transitions, # with 1,000, # with 4,000, # with 16,000 and # "
        "with 50,000. The largest memory and 4,000 cannot be told apart (#, 95 % interval # to #), and compared with "
        "1,000 the largest is *worse*, by # to #.",
        no_order_of_size,
    ),
    "dqn-memory-falls": (
        "With falls among what is kept, the lowest scores are at #, without at #: a difference of # (# to #). None of"
        " ten runs with them falls below 30, and six of ten without.",
        it_is_the_falls,
    ),
    "dqn-memory-fades": (
        "a median memory of 4,000 holds # falls after 10,000 steps and # after 40,000, and one of 1,000 holds none by"
        " then.",
        falls_fade,
    ),
    "dqn-gorila": (
        "Six of the ten reach 475 in training within 80,000 steps; a run stops at whichever comes first. Greedily, # "
        "of the ten balance for all 500 steps, the others for # to #; two of those had passed 475 in training. The "
        "gradients of a run were # to # updates old on average.",
        ten_runs_of_gorila,
    ),
    "dqn-claims-ten": (
        "With ten buttons DQN claims # in the end and gets # (medians of ten seeds). Over the last four checks every "
        "seed claims too much, by # to #. Double DQN claims # there and gets #; its seeds are too high by # to #.",
        ten_buttons,
    ),
    "dqn-claims-two": (
        "With two buttons DQN is too high by #, and Double DQN by #, from # to #.",
        two_buttons,
    ),
    "dqn-claims-noise": (
        "Give ten buttons batches five times as large, and DQN is too high by #, which cannot be told from two. Give "
        "two buttons a fifth of the batch, and it is too high by #, and plays badly. (Double DQN is as far off there,"
        " by #,",
        it_is_the_noise,
    ),
    "dqn-claims-maximum": ("so that none of them can be the lucky one, and DQN is off by #.", and_the_maximum),
    "dqn-claims-rho": ("in these runs Double DQN lives at \\rho = #.", rho_is_near),
    "dqn-claims-loop": (
        "In interquartile means it adds # to DQN's bias (# to #) and # to Double DQN's (# to #). The measured gaps, "
        "run through the loop copy by copy, foretell # and #. Both lie inside those intervals.",
        what_the_loop_explains,
    ),
    "dqn-claims-seeds": ("foretold and found hardly go together (their correlation is #).", not_which_seed),
    "dqn-copy-at-all": (
        "Against no copy at all, that is # at the shared setting (# to #), and # at the best of nine (# to #).",
        a_copy_against_none,
    ),
    "dqn-batches-solve": (
        "With its best setting the agent in batches, which has neither a memory nor a target network, balances in all"
        " ten runs at the last test.",
        batches_solve_it_at_their_best,
    ),
    "dqn-last-five": (
        "By the last five tests alone, C = 4 and five steps show no gain at the best of nine, and dueling does (# to "
        "#).",
        by_the_last_five_tests,
    ),
    "dqn-holm": (
        "these survive a correction for eight comparisons at each setting (Holm's): C = 4 at both settings, "
        "priorities at the shared one, batches and five steps at the best of nine.",
        after_a_correction,
    ),
    "dqn-holm-alone": (
        "Of these, only the gain of five steps survives a correction for eight comparisons.",
        alone_after_a_correction,
    ),
    "dqn-edge": (
        "Every agent but the first chose the largest number of updates that was tried, and six of them the largest "
        "learning rate as well.",
        the_search_ends_at_its_edge,
    ),
    "dqn-ceiling-fails": (
        "with C = 4 Q ends at #, above the # that its copies allow, in all ten runs.",
        below_8_it_fails,
    ),
    "dqn-memory-tests": (
        "the runs without falls reached 400 sooner: over the first 17 tests of each, the difference is # (# to #).",
        over_as_many_tests,
    ),
    "dqn-huber-rates": (
        "for Huber the best of five rates was the largest by far (# on the tuning seeds, where the next scored #),",
        hubers_rates,
    ),
    "dqn-claims-early": (
        "at 5,000 steps claims are above what the policy gets, at 10,000 it has learned to balance, and claims are "
        "behind.",
        early_claims,
    ),
    "dqn-claims-misfit": (
        "for Double DQN with larger batches the loop foretells #, and the bias is #.",
        where_the_loop_does_not_fit,
    ),
    "dqn-pong": (
        "the mean is #: six of the 30 games end at 0, after half an hour of rallies that the clock stopped, and the "
        "other 24 have a mean of #. (The 30 games end in five different scores,",
        thirty_games_of_pong,
    ),
    "dqn-museum": ("the return is # with and without it, and Q # instead of #.", truncated_as_terminated),
    "dqn-priority": (
        "around the same mean: they are # to # times as wide. Now take the weights away, \\beta = 0: every memory is "
        "biased, and all bars are wider than the band.",
        twenty_memories,
    ),
    "dqn-priority-half": ("all 20 bars are wider than the band, by # to # times.", half_a_correction),
    "dqn-n-step": (
        "After one copy the longest targets are best, after ten n = #, after twenty n = #.",
        the_best_n,
    ),
}
SCORES = "from # to # at the shared setting (# to #), and from # to # at the best of nine (# to #)"
STEPS = {  # part: how its sentence begins, the arm before it, and what the intervals at both settings show
    "in batches": ("With batches the score goes", "the update alone", "higher", "higher"),
    "replay": ("With replay the score goes", "in batches", "unclear", "unclear"),
    "target network, C = 16": ("With a copy every 16 updates the score goes", "replay", "unclear", "unclear"),
    "C = 4": ("With a copy every 4 it goes", "target network, C = 16", "higher", "higher"),
    "Double": ("With Double DQN the score goes", "C = 4", "unclear", "unclear"),
    "five steps": ("With five steps the score goes", "Double", "unclear", "higher"),
    "dueling": ("With dueling the score goes", "five steps", "higher", "unclear"),
    "priorities": ("With priorities the score goes", "dueling", "higher", "unclear"),
}
for part, (beginning, before, *shown) in STEPS.items():
    CLAIMS[f"dqn-part-{part}"] = (f"{beginning} {SCORES}", grows(before, part, *shown))
CLAIMS = {name: (CHAPTER, sentence, check) for name, (sentence, check) in CLAIMS.items()}
