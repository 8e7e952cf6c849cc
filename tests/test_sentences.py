"""The language model of 625 sentences: it is what it says, the best policy is exact, and learning comes near to it."""

import numpy as np
import pytest
import torch

from rlkit import functional as F
from rlkit.experiments import sentences
from rlkit.experiments.sentences import (
    ARMS,
    REFERENCE,
    SENTENCES,
    WORDS,
    distance,
    log_probs,
    measures,
    optimum,
    reward,
    rows_of,
    said,
    tune,
    write,
)  # fmt: skip
from rlkit.explore.reward_hacking import BETAS, frontier, shown
from rlkit.language import say


def test_the_reference_is_a_distribution_in_which_only_the_word_before_counts():
    assert log_probs(REFERENCE).exp().sum().item() == pytest.approx(1, abs=1e-5)
    sentence = [WORDS.index(word) for word in ("it", "is", "bad", "!")]
    by_hand = 0.91 * 0.91 * 0.55 * 0.87
    assert log_probs(REFERENCE).exp()[SENTENCES.tolist().index(sentence)].item() == pytest.approx(by_hand, abs=1e-5)
    assert said(SENTENCES[log_probs(REFERENCE).argmax()]) == "it is bad !"
    for distribution in (sentences.FIRST, *sentences.NEXT):
        assert sum(distribution) == pytest.approx(1) and min(distribution) > 0


def test_each_prefix_has_a_row_of_its_own():
    prefixes = {tuple(words[:t]) for words in SENTENCES.tolist() for t in range(4)}
    rows = {
        (tuple(words[:t]), row[t]) for words, row in zip(SENTENCES.tolist(), sentences.ROWS.tolist()) for t in range(4)
    }
    assert len(prefixes) == len(rows) == len(REFERENCE) == len({row for _, row in rows}) == 156


def test_sentences_are_written_as_often_as_they_are_probable():
    words, rows = write(REFERENCE, 20_000, torch.Generator().manual_seed(0))
    assert (rows == rows_of(words)).all()
    index = words @ torch.tensor([125, 25, 5, 1])
    shares = np.bincount(index, minlength=625) / len(words)
    probs = log_probs(REFERENCE).exp().numpy()
    assert (abs(shares - probs) < 5 * np.sqrt(probs / len(words)) + 1e-4).all()


def test_the_reward_counts_and_can_be_gamed():
    four, one, none = ([WORDS.index(word) for word in text.split()] for text in (
        "good good good good", "it is good !", "bad is good it",
    ))  # fmt: skip
    assert reward(torch.tensor([four, one, none])).tolist() == [4, 1, 0] and reward(SENTENCES).max() == 4


def test_the_best_policy_is_worth_more_than_any_other_that_was_tried():
    worth = lambda policy: measures(policy)["reward"] - 0.5 * measures(policy)["kl"]
    best = optimum(0.5)
    for other in (log_probs(REFERENCE), optimum(0.4), optimum(0.6), optimum(5.0)):
        assert worth(other) < worth(best)
    gap = worth(best) - worth(optimum(0.6))  # what a policy lacks is β times its KL from the best one
    assert gap == pytest.approx(0.5 * float((optimum(0.6).exp() * (optimum(0.6) - best)).sum()), abs=1e-4)


def test_learning_with_the_kl_in_the_reward_comes_to_the_best_policy():
    *_, logits = tune(0.5, seed=11)
    assert distance(log_probs(logits), optimum(0.5)) < 0.05
    assert distance(log_probs(REFERENCE), optimum(0.5)) > 0.4


def test_the_first_step_follows_the_exact_gradient():
    """Of E[r] - β KL, where many sentences are written and the step is one of plain gradient ascent."""
    logits = REFERENCE.clone().requires_grad_()
    policy = log_probs(logits)
    kl = (policy.exp() * (policy - log_probs(REFERENCE))).sum()
    exact = torch.autograd.grad(policy.exp() @ reward(SENTENCES) - 0.5 * kl, logits)[0]
    words, rows = write(REFERENCE, 40_000, torch.Generator().manual_seed(0))
    advantages = F.group_advantages(reward(words).view(1, -1), scale=False).view(-1, 1).expand(-1, 4)
    new = F.log_prob(logits[rows], words)
    objective = F.clipped_surrogate(F.ratio(new, new.detach()), advantages, 0.2)
    sampled = torch.autograd.grad(4 * objective.mean(), logits)[0]
    assert torch.cosine_similarity(exact.flatten(), sampled.flatten(), dim=0) > 0.99


def test_a_place_of_the_price_that_does_not_exist_is_not_taken_for_another():
    with pytest.raises(ValueError, match="^where='rewards' must be one of 'reward', 'loss', 'exact', 'last'.$"):
        next(tune(beta=0.5, seed=0, where="rewards"))


@pytest.mark.parametrize("arm", ARMS)
def test_a_run_has_the_form_that_is_stored(arm):
    row = sentences.tuning_run(arm, 0, updates=3)
    assert set(row) == {
        "sentence",
        "reward",
        "liked",
        "kl",
        "share",
        "largest_step",
        *["distance"] * (arm != "clip only"),
    }
    assert row["kl"] > 0 and 0 < row["largest_step"] < 0.2


def test_the_frontier_goes_from_the_reference_to_four_goods():
    best = frontier()
    assert (np.diff(best["kl"]) > 0).all() and (np.diff(best["reward"]) > 0).all()
    assert best["kl"][0] < 0.01 and best["reward"][-1] > 3.9 and BETAS[int(best["liked"].argmax())] == 0.8
    texts = [said(SENTENCES[i]) for i in shown()]
    assert {"it is bad !", "it is good !", "good good good good"} <= set(texts)


def test_the_words_of_the_explorer_are_its_numbers():
    from rlkit import explore

    panel = explore.reward_hacking()
    best = measures(optimum(0.5))
    assert f"{best['reward']:.2f} of 4" in panel.status.value and f"{best['kl']:.2f} nats" in panel.status.value
    panel.controls["beta"].value = 0.1
    assert "good good good good" in panel.status.value and say("Reset") in panel.reset_button.description
