"""Chapter 4, section 13: the sentences that report a result."""

import numpy as np

from claims.common import median_ratio, says
from rlkit.experiments import messages
from rlkit.experiments.stored import stored
from rlkit.explore.messages import FIRST, lap_of, simulated
from rlkit.explore.truths import truth


def cpu(way, size):
    """Milliseconds of CPU time for an update `[seeds]`."""
    return 1e3 * np.array([run["cpu_per_update"] for run in stored("messages")[0]["sizes"][way][size]])


def rows():
    """{(network, K, S): (foretold, measured `[seeds]`)}."""
    return {row[:3]: (row[3], row[-1]) for row in messages.confirmed(stored("messages")[0])}


def exchanges(network, shards):
    """Exchanges per second of workers that only push: (foretold, measured `[seeds]`)."""
    runs = stored("messages")[0]
    found = np.array([run["many"] for run in runs["served"][network][str(shards)]])
    return messages.foretold(runs, network, messages.PUSHERS, 1, shards)[0], found


def server_ms(network, shards):
    """Milliseconds for which one of the servers is busy with an exchange `[seeds]`."""
    found = stored("messages")[0]["served"][network][str(shards)]
    return 1e3 * np.array([run["server"] for run in found]) / shards


def learns_as_before(a3c, gorila):
    solved = stored("near_and_far")[0]
    for agent, text in (("a3c-cartpole", a3c), ("gorila-cartpole", gorila)):
        assert all(run["solved"] for way in messages.WAYS for run in solved[agent][way])
        near, far = (np.array([run["steps"] for run in solved[agent][way]]) for way in messages.WAYS)
        value, low, high = median_ratio(far, near)
        assert says(text, value) and low < 1 < high  # they cannot be told apart


def an_update_costs_more(*quoted):
    for number, size in enumerate(messages.SIZES):
        text, low_text, high_text = quoted[number], *quoted[3 + 2 * number : 5 + 2 * number]
        value, low, high = median_ratio(cpu("messages", size), cpu("shared memory", size))
        assert says(text, value) and says(low_text, low) and says(high_text, high) and low > 1


def a_message_adds(*quoted):
    for size, work, more in zip(messages.SIZES, quoted[::2], quoted[1::2], strict=True):
        near, far = (float(np.median(cpu(way, size))) for way in ("shared memory", "messages"))
        assert says(work, near) and says(more, far - near)


def averaging_helps(small, small_foretold, large, large_foretold):
    found = rows()
    for network, text, expected in (("small", small, small_foretold), ("large", large, large_foretold)):
        (before, one), (after, sixteen) = found[network, 1, 1], found[network, 16, 1]
        value, low, _ = median_ratio(sixteen, one)
        assert says(text, value) and says(expected, after / before) and low > 1


def shards_cost_a_message_each(two, four, two_foretold, four_foretold, large_two, large_four):
    (before, one), (large_before, large_one) = exchanges("small", 1), exchanges("large", 1)
    for shards, text, expected, large in ((2, two, two_foretold, large_two), (4, four, four_foretold, large_four)):
        after, several = exchanges("small", shards)
        value, _, high = median_ratio(several, one)
        assert says(text, value) and says(expected, after / before) and high < 1
        after, several = exchanges("large", shards)
        value, _, high = median_ratio(several, large_one)
        assert says(large, value) and high < 1 and after / large_before > 0.85


def each_server_has_less_to_do(whole, half, quarter, *together):
    for shards, text, sum_of_all in zip(messages.SHARDS, (whole, half, quarter), together, strict=True):
        assert says(text, np.median(server_ms("large", shards)))
        assert says(sum_of_all, np.median(shards * server_ms("large", shards)))
    assert server_ms("large", 4).max() < server_ms("large", 2).min() <= server_ms("large", 2).max()
    assert server_ms("large", 2).max() < server_ms("large", 1).min()


def so_much_of_what_was_foretold(small_low, small_high, large_low, large_high):
    ratios = {"small": [], "large": []}
    for (network, _, shards), (expected, found) in rows().items():
        ratios[network] += [np.median(found) / expected] if shards == 1 else []
    for network, low, high in (("small", small_low, small_high), ("large", large_low, large_high)):
        assert float(low) - 0.03 <= min(ratios[network]) and max(ratios[network]) <= float(high) + 0.03


def a_further_gradient_took(measured, expected):
    runs = stored("messages")[0]
    one, sixteen = (
        np.median([run["cpu_per_update"] for run in runs["averaged"]["large"][gradients]]) for gradients in ("1", "16")
    )
    lap = np.median([run["lap"] for run in runs["work"]["large"]])
    waits = messages.WAITING["t_max"] * messages.DelayedCartPole().delay
    assert says(measured, 1e3 * (sixteen - one) / 15) and says(expected, 1e3 * (lap - waits))


def rate(num_workers=16, **changes):
    """Gradients per second in the explorer, as it begins but for `changes`."""
    settings = {**FIRST, **changes}
    del settings["num_workers"]
    lap = lap_of(**settings)
    return settings["gradients_per_push"] * simulated(num_workers, tuple(lap)).updates_per_second


def the_model_says(sixteen, busy, push, byte, ours, our_byte):
    costs = messages.costs(stored("messages")[0])
    assert says(sixteen, rate()) and 1.9 < rate() / rate(1) < 2.1 and says(busy, truth("far_away")["server"])
    assert says(push, 1e-3 * FIRST["per_message"]) and says(byte, FIRST["per_byte"])
    assert says(ours, 1e3 * costs["server"][0]) and says(our_byte, 1e9 * costs["server"][1])


def the_cures_in_the_model(averaged, sharded):
    assert says(averaged, rate(gradients_per_push=8)) and says(sharded, rate(shards=8))
    small = dict(num_workers=100, network="small MLP")
    assert 5.5 < rate(**small, gradients_per_push=8) / rate(**small) < 6.5
    assert 1.05 < rate(**small, shards=8) / rate(**small) < 1.15


CLAIMS = {
    "a3c-far-learns": (
        "04_a3c.ipynb",
        "All twenty runs are solved. The median run with messages takes # times the steps of that in shared memory "
        "with A3C, and # times with Gorila; with five seeds neither can be told from 1.",
        learns_as_before,
    ),
    "a3c-far-cost": (
        "04_a3c.ipynb",
        "For the small MLP an update costs # times the CPU time that it costs in shared memory, for the small CNN # "
        "times, and for the network with as many weights as Nature's # times (medians of five runs; over resampled "
        "runs # to #, # to #, and # to #).",
        an_update_costs_more,
    ),
    "a3c-far-work": (
        "04_a3c.ipynb",
        "An update of the MLP takes only # ms in shared memory, and the message adds #. The CNN's worker plays 80 "
        "steps of Pong for each update: # ms, to which the message adds #. The large network works for # ms, and "
        "6.7 MB there and back add #.",
        a_message_adds,
    ),
    "a3c-far-model": (
        "04_a3c.ipynb",
        "Sixteen workers make # gradients per second, twice as many as one: the server is busy for # ms with each "
        "push, and never rests. (In the model a push costs it # ms and each byte # ns. Ours took # ms and # ns.)",
        the_model_says,
    ),
    "a3c-far-cures": (
        "04_a3c.ipynb",
        "Set K to 8, and the black line rises, to # gradients per second; with S = 8 instead it rises to #,",
        the_cures_in_the_model,
    ),
    "a3c-far-averaging": (
        "04_a3c.ipynb",
        "With K = 16 instead of 1 it is # times as many for the small network (foretold #), and # times for the large "
        "one (foretold #).",
        averaging_helps,
    ),
    "a3c-far-shards": (
        "04_a3c.ipynb",
        "With the small θ there are # times as many exchanges with two shards and # times with four; # and # were "
        "foretold, because each shard needs a message of its own. With the large θ it is # and #, where hardly a "
        "change was foretold.",
        shards_cost_a_message_each,
    ),
    "a3c-far-servers": (
        "04_a3c.ipynb",
        "# ms alone, # as one of two, # as one of four. Together they spend more: #, # and # ms.",
        each_server_has_less_to_do,
    ),
    "a3c-far-half": (
        "04_a3c.ipynb",
        "With the small network workers that learn reach # to # of what was foretold, with the large one # to #.",
        so_much_of_what_was_foretold,
    ),
    "a3c-far-computing": (
        "04_a3c.ipynb",
        "from K = 1 to K = 16 each further gradient took # ms of CPU time, where # were foretold, and no message comes "
        "with it.",
        a_further_gradient_took,
    ),
}
