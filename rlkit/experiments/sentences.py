"""A language model of 156 rows, so small that all its sentences can be listed. Chapter 3, section 19.

A sentence is four words of five. The model is a table of logits with one row for each prefix, so it can represent every
distribution over the 625 sentences, and what a trained policy should have become is known exactly.
"""

import itertools

import numpy as np
import torch

from rlkit import functional as F
from rlkit.experiments.plan import run
from rlkit.running.messages import brief

WORDS = ("it", "is", "good", "bad", "!")
LENGTH = 4
GOOD, BAD = WORDS.index("good"), WORDS.index("bad")
FIRST = (0.91, 0.02, 0.03, 0.03, 0.01)  # the reference: probabilities of the first word
NEXT = (  # and of the word that follows each word; its prefixes with the same last word have equal rows
    (0.01, 0.91, 0.03, 0.03, 0.02),
    (0.02, 0.01, 0.40, 0.55, 0.02),
    (0.03, 0.03, 0.05, 0.02, 0.87),
    (0.03, 0.03, 0.02, 0.05, 0.87),
    (0.25, 0.10, 0.10, 0.10, 0.45),
)
PLACES = ("reward", "loss", "exact", "last")  # where `tune` takes the price of the KL off
LIKED = "it is good !"  # the sentence that was wanted
SENTENCES = torch.tensor(list(itertools.product(range(len(WORDS)), repeat=LENGTH)))  # [625, 4]
STARTS = [sum(len(WORDS) ** t for t in range(length)) for length in range(LENGTH)]  # the first row of each length


def rows_of(words):
    """The row of each word's prefix: words `[..., 4]` -> `[..., 4]`."""
    rows, place = [], torch.zeros_like(words[..., 0])
    for t, start in enumerate(STARTS):
        rows.append(start + place)
        place = place * len(WORDS) + words[..., t]
    return torch.stack(rows, -1)


ROWS = rows_of(SENTENCES)
REFERENCE = torch.empty(sum(len(WORDS) ** t for t in range(LENGTH)), len(WORDS))  # logits `[156, 5]`
REFERENCE[0] = torch.tensor(FIRST).log()
REFERENCE[ROWS[:, 1:]] = torch.tensor(NEXT).log()[SENTENCES[:, :-1]]


def reward(words):
    """What is paid for a sentence, and can be gamed: how often it says good, less how often bad. `[..., 4] -> [...]`"""
    return ((words == GOOD).sum(-1) - (words == BAD).sum(-1)).float()


def log_probs(logits):
    """The log-probability of each of the 625 sentences: logits `[156, 5]` -> `[625]`."""
    return F.log_prob(logits[ROWS], SENTENCES).sum(-1)


def write(logits, count, generator):
    """Draw `count` sentences, word by word -> their words and the rows of their prefixes, both `[count, 4]`."""
    words = torch.zeros(count, LENGTH, dtype=torch.long)
    for t in range(LENGTH):
        probs = logits[rows_of(words)[:, t]].softmax(-1)
        words[:, t] = torch.multinomial(probs, 1, generator=generator).squeeze(1)
    return words, rows_of(words)


def said(words):
    """A sentence as text: words `[4]`."""
    return " ".join(WORDS[word] for word in words)


def optimum(beta):
    """The policy with the largest E[r] - β KL, exactly: the log-probability of each sentence, `[625]`."""
    return F.kl_optimal_policy(log_probs(REFERENCE), reward(SENTENCES), beta)


def measures(policy):
    """What a policy `[625]`, as log-probabilities, is worth, exactly, and how far it is from the reference -> dict."""
    probs = policy.exp()
    return {
        "reward": float(probs @ reward(SENTENCES)),
        "liked": float(probs[[said(words) == LIKED for words in SENTENCES]]),
        "kl": float((probs * (policy - log_probs(REFERENCE))).nan_to_num().sum()),
    }


def distance(policy, other):
    """The total variation between two policies: the share of sentences that one would have to exchange."""
    return float((policy.exp() - other.exp()).abs().sum() / 2)


# Learning -------------------------------------------------------------------------------------------------------------


def tune(beta, seed, where="reward", scale=False, updates=200, groups=8, size=16, epochs=2, learning_rate=0.1):
    """Reinforcement learning on a language model -> iterator over the logits `[156, 5]` after each update.

    In each update `groups` times `size` sentences are written, and used `epochs` times. `beta` is the price of the KL
    from the reference. It is taken off the reward of a sentence, as by Ziegler et al. 2019 and Ouyang et al. 2022, or
    added to the "loss" for each word, as by Shao et al. 2024, who also divide by each group's deviation: `scale`.
    "exact" is the same with the exact KL of each word, not estimated from the word that was drawn. With "last" it is
    the KL from the policy that wrote the sentences, as in PPO with a penalty. Raises ValueError for another `where`.
    """
    if where not in PLACES:
        raise ValueError(f"where={brief(where)} must be one of {', '.join(map(repr, PLACES))}.")
    generator = torch.Generator().manual_seed(seed)
    logits = REFERENCE.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], learning_rate)
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - update / updates)
        with torch.no_grad():
            words, rows = write(logits, groups * size, generator)
            old, reference = F.log_prob(logits[rows], words), F.log_prob(REFERENCE[rows], words)
            rewards = reward(words) - (beta * (old - reference).sum(1) if where == "reward" else 0)
            advantages = F.group_advantages(rewards.view(groups, size), scale).view(-1, 1).expand(-1, LENGTH)
        for _ in range(epochs):
            new = F.log_prob(logits[rows], words)
            objective = F.clipped_surrogate(F.ratio(new, old), advantages, 0.2)
            if where == "exact":
                objective = objective - beta * F.kl_divergence(logits[rows], REFERENCE[rows])
            elif where != "reward":
                objective = objective - beta * F.kl_estimate(new, reference if where == "loss" else old)
            optimizer.zero_grad()
            (-objective.mean()).backward()
            optimizer.step()
        yield logits.detach()


ARMS = {
    "clip only": dict(beta=0.0),
    "KL from the last policy": dict(beta=0.5, where="last"),
    "KL in the reward": dict(beta=0.5),
    "KL in the loss": dict(beta=0.5, where="loss"),
    "exact KL in the loss": dict(beta=0.5, where="exact"),
    "KL in the loss, scaled": dict(beta=0.5, where="loss", scale=True),
}


def language_models(seeds=range(10)):
    """A language model that is paid for the word good, with and without a price of the KL from where it began.

    {arm: one `tuning_run` for each seed}.
    """
    return {arm: [run(tuning_run, arm, seed) for seed in seeds] for arm in ARMS}


def tuning_run(arm, seed, **settings):
    """One run -> {"sentence", its most probable one, "share", that one's probability, "largest_step", "distance", ...}.

    "largest_step" is the largest KL between the policies before and after one update, "distance" the total variation
    from the exact optimum, where there is one. The others are the `measures` at the end.
    """
    before, steps = log_probs(REFERENCE), []
    for logits in tune(seed=seed, **ARMS[arm], **settings):
        after = log_probs(logits)
        steps.append(float((before.exp() * (before - after)).sum()))
        before = after
    best = int(after.argmax())
    row = measures(after) | {"share": float(after[best].exp()), "largest_step": max(steps)}
    if ARMS[arm]["beta"]:
        row["distance"] = distance(after, optimum(ARMS[arm]["beta"]))
    return {"sentence": said(SENTENCES[best])} | {name: float(np.round(value, 4)) for name, value in row.items()}
