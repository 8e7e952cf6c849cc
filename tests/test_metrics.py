"""The page of metrics names exactly what the agents report."""

import re
from pathlib import Path

import pytest
from conftest import small, tiny
from test_gorila import Match

from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.gorila import Gorila
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.trpo import TRPO

PAGE = Path(__file__).parent.parent / "lectures" / "metrics.md"
AGENTS = {
    "DQN": lambda: tiny(),
    "PPO": lambda: small(PPO),
    "PPO (adaptive KL)": lambda: small(PPO, variant="adaptive_kl"),
    "TRPO": lambda: small(TRPO),
    "REINFORCE": lambda: small(REINFORCE),
    "A2C": lambda: small(A2C),
    "A3C": lambda: A3C(hidden=(8,), num_workers=1, heartbeat=600.0),
    "Gorila": lambda: Gorila(Match, hidden=(8,), num_workers=1, learning_starts=100, replay_size=1_000),
}


def table():
    """{agent: names of the metrics that the page says it reports}."""
    rows = re.findall(r"^\| (?:<a .*?></a>)?`(\w+)` \| ([^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {name: set() for name in AGENTS}
    for metric, agents in rows:
        for agent in agents.strip().split(", "):
            told[agent].add(metric)
    told["PPO (adaptive KL)"] -= {"clip_fraction", "dead_share"}  # what both variants report is listed under PPO only
    told["PPO (adaptive KL)"] |= told["PPO"]
    return told


@pytest.mark.parametrize("name", AGENTS)
def test_the_page_of_metrics_names_what_an_agent_reports(name):
    reported = set()
    for progress in AGENTS[name]().learn(2_000):
        reported |= progress.metrics.keys()
    assert reported == table()[name]


def test_every_metric_has_a_row_of_five_cells():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| (<a .*?></a>)?`", line)]
    assert len(rows) >= 15 and all(line.count("|") == 6 for line in rows)
