"""The plan on paper: each design's lap by hand, which limit an assumption moves, and the table."""

from pathlib import Path

import pytest

from rlkit import functional as F
from rlkit.experiments import scaling
from rlkit.experiments.scaling import DESIGNS, SITE, WORKERS, Site, row
from rlkit.presets import preset

ROUND = Site(
    emulate=1e-3, act=1e-3, gradient=1e-3, update=1e-9, copy=0.0, per_message=1e-3, latency=1e-3, bandwidth=1e9,
    learns=1e4, infers=4e4, theta=10**6,
)  # fmt: skip


def test_the_network_is_the_one_of_the_paper():
    """Convolutions and two layers, with their biases, for six actions (DQN 2015, Methods)."""
    convolutions = 32 * (4 * 8 * 8 + 1) + 64 * (32 * 4 * 4 + 1) + 64 * (64 * 3 * 3 + 1)
    assert scaling.nature_bytes() == 4 * (convolutions + 512 * (7 * 7 * 64 + 1) + 6 * (512 + 1)) == SITE.theta


def test_gradients_by_hand():
    """5 steps and their gradient 15 ms, two ways 2 ms, θ 1 ms each way, a message 1 ms at each end, an update 1 ms."""
    one = row("A3C", 1, ROUND)
    assert (one.up, one.down) == (10**6 / 5, 10**6 / 5)
    assert one.steps_per_second == pytest.approx(5 / 22e-3) and one.limit == "workers"
    many = row("A3C", 100, ROUND)
    assert many.saturation == pytest.approx(22 / 2) and many.limit == "server"
    assert many.steps_per_second == pytest.approx(5 / 2e-3) and many.updates_per_second == pytest.approx(1 / 2e-3)
    assert many.staleness == many.policy_lag == pytest.approx(99)


def test_shards_by_hand():
    """With ten servers the update takes 0.1 ms, and so does each link. Each pays for a message, the worker for ten."""
    one = row("Gorila", 1_000, ROUND, shards=10, steps=4, batch=32, memory=800)
    assert one.updates_per_second == pytest.approx(1 / 1.1e-3) and one.limit == "server"
    assert one.saturation == pytest.approx((10 + 2 + 1.8 + 8 + 32 + 1.3) / 1.1)
    assert one.staleness == pytest.approx(999)
    assert one.policy_lag == pytest.approx(999 + 100 * 1_000)  # 400 steps are 100 laps, each with an update of everyone


def test_trajectories_by_hand():
    one = row("IMPALA", 321, ROUND, unroll=20, batch=32)
    assert one.up * 20 == 24 * 84 * 84 + 20 * 40 and one.down * 20 == 10**6
    assert one.limit == "accelerator" and one.steps_per_second == pytest.approx(1e4)
    assert one.updates_per_second == pytest.approx(1e4 / 640)
    assert one.staleness == 0 and one.policy_lag == pytest.approx(320 / 32)


def test_transitions_by_hand():
    """100 ms of work for 50 steps. Half a million wait until they are drawn, and the learner does not wait."""
    one = row("Ape-X", 1, ROUND, compression=0.5, learned=1_000, batch=100, memory=10**6)
    assert one.up == 84 * 84 / 2 + 16 and one.down == 10**6 / 100
    seconds = 100e-3 + 2e-3 + 2e-3 + (50 * one.up + 5e5) / 1e9
    assert one.steps_per_second == pytest.approx(50 / seconds)
    assert one.updates_per_second == 10 and one.staleness == 0
    assert one.policy_lag == pytest.approx(10 * (seconds + 5e5 / one.steps_per_second))


def test_observations_by_hand():
    one = row("SEED", 64, ROUND, unroll=20, batch=32)
    assert (one.up, one.down) == (84 * 84 + 16, 4)
    assert one.steps_per_second == pytest.approx(1 / 1e-3) and one.limit == "server"
    assert one.policy_lag == pytest.approx(64 / 32 / 2) and one.staleness == 0


@pytest.mark.parametrize(
    "design, site, changes",
    [
        ("A3C", {}, {"gradients_per_push": 4}),
        ("A3C", {}, {"t_max": 20}),
        ("A3C", {}, {"shards": 31}),
        ("A3C", {"update": 1e-10}, {}),
        ("Gorila", {"update": 1e-10}, {}),
        ("IMPALA", {"bandwidth": 1e11 / 8}, {}),
        ("IMPALA", {"together": 16}, {}),
        ("Ape-X", {}, {"copied": 1_000}),
        ("SEED", {"per_message": 1e-5}, {}),
    ],
)
def test_what_moves_the_limit_of_a_thousand_workers(design, site, changes):
    before, after = row(design, 1_000), row(design, 1_000, SITE._replace(**site), **changes)
    assert after.steps_per_second > 1.5 * before.steps_per_second and after.saturation > before.saturation


def test_a_byte_of_a_message_costs_both_ends():
    site = ROUND._replace(copy=1e-9)
    for shards in (1, 10):
        without, with_bytes = (DESIGNS["A3C"](one, shards=shards) for one in (ROUND, site))
        assert with_bytes.think - without.think == pytest.approx(2e-3)  # a megabyte there and one back
        assert with_bytes.demands["server"] - without.demands["server"] == pytest.approx(2e-3 / shards)


def test_the_limit_is_named_from_the_first_worker_on_that_it_limits():
    one = row("A3C", 1_000, ROUND)
    for saturation in (2.1, 2.9, 3.0):
        assert scaling.limit_of(one._replace(saturation=saturation)) == "server, from W = 3 on"
    assert scaling.limit_of(row("A3C", 1, ROUND)) == "workers"


@pytest.mark.parametrize("design", DESIGNS)
def test_every_row_keeps_the_bounds(design):
    lap = DESIGNS[design](SITE)
    for workers in (1, *WORKERS):
        one = row(design, workers)
        bound = F.throughput_bound(workers, lap.think, [*lap.demands.values()])
        assert one.steps_per_second == pytest.approx(lap.steps * bound)
        assert (one.limit == "workers") == (workers <= one.saturation)
        assert one.limit in ("workers", max(lap.demands, key=lap.demands.get))


def test_the_tables_have_a_row_for_each_design_and_each_change():
    designs, changes = (table.splitlines() for table in scaling.markdown().split("\n\n"))
    assert len(designs) == 2 + len(DESIGNS) and {line.count("|") for line in designs} == {9}
    assert designs[2].startswith("| A3C | ") and f"| {row('A3C', 16).steps_per_second:,.0f} |" in designs[2]
    ages = [line.split("|")[-3:-1] for line in designs[2:]]
    assert [stale.strip() for stale, _ in ages] == ["W − 1", "W − 1", "none", "none", "none"]
    expected = ["—", "—", *(f"{row(design, 1_000).policy_lag:,.0f}" for design in ("IMPALA", "Ape-X", "SEED"))]
    assert [age.strip() for _, age in ages] == expected
    assert len(changes) == 2 + len(scaling.CHANGES) and {line.count("|") for line in changes} == {6}
    for design, words, change in scaling.CHANGES:
        assert words in "".join(changes) and row(design, 1_000, **change).limit != "workers"


def test_what_is_changed_moves_the_limit_of_each_design():
    for design, _, change in scaling.CHANGES:
        assert row(design, 1_000, **change).steps_per_second > 2 * row(design, 1_000).steps_per_second


def test_the_page_on_clusters_shows_these_tables():
    page = (Path(__file__).parent.parent / "lectures" / "cluster.md").read_text(encoding="utf-8")
    assert all(table in page for table in scaling.markdown().split("\n\n"))


def test_a_core_is_measured_in_the_units_of_a_site():
    found = scaling.measured_core(rows=2)
    assert set(found) == set(Site._fields[:5]) and all(seconds > 0 for seconds in found.values())
    assert found["copy"] < found["update"] < 1e-3 * found["gradient"]  # a byte, and a row of 1.7 million weights


def test_the_numbers_in_the_words_of_the_page_are_those_of_the_model():
    page = " ".join((Path(__file__).parent.parent / "lectures" / "cluster.md").read_text(encoding="utf-8").split())
    for shards, words in [
        (1, "{update:.0f} % of the server's time is the update of θ"),
        (31, "the update takes {update:.0f} % of a server's time and the message {message:.0f} %"),
        (310, "on 310 servers {update:.0f} % and {message:.0f} %"),
    ]:
        demand = DESIGNS["A3C"](SITE, shards=shards).demands["server"]
        shares = {"update": SITE.update * SITE.theta / shards, "message": SITE.per_message}
        assert words.format(**{name: 100 * share / demand for name, share in shares.items()}) in page
    far = DESIGNS["Gorila"](SITE, shards=310)
    assert 310 * SITE.per_message > 0.5 * (far.think + sum(far.demands.values()))
    assert "By then messages take more than half of the lap of a worker that never waits" in page
    assert f"the link alone would allow {5 * SITE.bandwidth / SITE.theta:.0f} steps a second" in page
    slow = row("A3C", 1_000, SITE._replace(emulate=1.0))
    others = [row(design, 1_000, SITE._replace(emulate=1.0)).limit for design in DESIGNS if design != "A3C"]
    assert slow.limit == "server" and set(others) == {"workers"}
    assert f"up to {int(slow.saturation)} workers" in page
    assert f"{preset('a3c-cartpole').shared.theta.numel():,} weights, 10 kB" in page
    central = DESIGNS["Ape-X"](SITE).central
    assert f"{central / 2 / row('Ape-X', 1_000).steps_per_second:.0f} seconds in the replay memory" in page
    assert row("SEED", 1_000, SITE._replace(per_message=SITE.per_message / 16)).limit == "accelerator"
