"""What the surrogate promises along the gradient, what one gets, and where it is a trap: a path that ends at a cliff.

Chapter 3, on the surrogate. All numbers are exact: nothing is sampled, and nothing has to be stored.
"""

import numpy as np
import torch

from rlkit import functional as F
from rlkit.running.messages import brief

PLACES, GAMMA, FALL = 6, 0.9, 20.0
BEGINNING = np.eye(PLACES)[0]
TRIED = np.geomspace(0.03, 30, 16)  # lengths of steps
WEIGHTS = ("one for all places", "one for each place")


def cliff(fall=FALL):
    """A path of six places: {"transition" `[6, 2, 6]`, "reward" `[6, 2]`, "gamma"}.

    Action 0 goes back one place and pays nothing. Action 1 goes on one place and pays 1; but from the last place it is
    a fall, which costs `fall` and leads to the first place.
    """
    places = np.arange(PLACES)
    transition, reward = np.zeros((PLACES, 2, PLACES)), np.zeros((PLACES, 2))
    transition[places, 0, np.maximum(places - 1, 0)] = 1
    transition[places, 1, (places + 1) % PLACES] = 1
    reward[:, 1] = 1
    reward[-1, 1] = -fall
    return {"transition": transition, "reward": reward, "gamma": GAMMA}


def check_weights(weights):
    """Raise ValueError for what is none of WEIGHTS."""
    if weights not in WEIGHTS:
        raise ValueError(f"weights={brief(weights)} must be one of {', '.join(map(repr, WEIGHTS))}.")


def features(weights):
    """How the logits depend on the weights of the policy: the logit of "on" is a weight, `[6, 2, D]`.

    It is one weight for all places, or one for each. The logit of "back" is 0.
    """
    check_weights(weights)
    table = np.zeros((PLACES, 2, PLACES if weights == WEIGHTS[1] else 1))
    table[:, 1] = np.eye(PLACES) if weights == WEIGHTS[1] else 1
    return table


def logits(on):
    """The logits of a policy that goes on with probability `on` in each place: `[6, 2]`."""
    return np.tile([0.0, np.log(on / (1 - on))], (PLACES, 1))


def softmax(logits):
    """`[S, A]` -> `[S, A]`."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def exact(logits, mdp, start):
    """π `[S, A]`, J, A^π `[S, A]` and d^π `[S]` of a policy with these logits."""
    policy = softmax(logits)
    values = F.policy_values(policy, **mdp)
    advantages = F.action_values(values, **mdp) - values[:, None]
    visits = F.discounted_visits(policy, mdp["transition"], start, mdp["gamma"])
    return policy, float(start @ values), advantages, visits


class Line:
    """Steps from some logits θ' `[S, A]` along the gradient of J by the weights w, where θ = θ' + features w.

    features `[S, A, D]`; the gradient is scaled to length 1. All that the methods give are gains: 0 for no step.
    """

    def __init__(self, logits, features, mdp, start):
        self.logits, self.mdp, self.start = logits, mdp, start
        self.policy, self.J, self.advantages, self.visits = exact(logits, mdp, start)
        gradient = np.einsum("s,sa,sad->d", self.visits, self.policy * self.advantages, features)
        self.direction = features @ gradient / np.linalg.norm(gradient)
        gamma = mdp["gamma"]
        self.C = 4 * gamma * abs(self.advantages).max() / (1 - gamma) ** 2

    def after(self, length):
        """The logits after a step: `[S, A]`."""
        return self.logits + length * self.direction

    def visits_after(self, length):
        """The share of discounted time that the new policy spends in each state: `[S]`."""
        policy = softmax(self.after(length))
        return F.discounted_visits(policy, self.mdp["transition"], self.start, self.mdp["gamma"])

    def kls(self, length):
        """KL(π_θ' || π_θ) in each state: `[S]`."""
        return F.kl_divergence(torch.from_numpy(self.logits), torch.from_numpy(self.after(length))).numpy()

    def mean_kl(self, length):
        """The mean KL over the states that the old policy visits, discounted."""
        return float(self.visits @ self.kls(length))

    def added(self, visits, length):
        """What each state adds to the gain, if this is how often the states are visited: `[S]` -> `[S]`."""
        return visits * (softmax(self.after(length)) * self.advantages).sum(1) / (1 - self.mdp["gamma"])

    def promise(self, length):
        """The surrogate: the new policy's actions in the old policy's states."""
        return float(self.added(self.visits, length).sum())

    def truth(self, length):
        """J(θ) - J(θ')."""
        return float(self.start @ F.policy_values(softmax(self.after(length)), **self.mdp)) - self.J

    def bound(self, length):
        """The lower bound of theorem 1 of TRPO's paper: the promise minus C times the largest KL."""
        return self.promise(length) - self.C * float(self.kls(length).max())

    def longest(self, allowed, most=10.0, halvings=50):
        """The longest step for which `allowed(length)` is still true, found by bisection."""
        low, high = 0.0, most
        for _ in range(halvings):
            middle = (low + high) / 2
            low, high = (middle, high) if allowed(middle) else (low, middle)
        return low

    def safe(self):
        """The longest step for which the bound promises that nothing gets worse."""
        return self.longest(lambda length: self.bound(length) >= 0)

    def within(self, max_kl):
        """The step at which the mean KL is `max_kl`."""
        return self.longest(lambda length: self.mean_kl(length) <= max_kl)


def path(on=0.2, weights=WEIGHTS[0]):
    """The line from a policy that goes on with probability `on` in each place of the path."""
    if not 0 < on < 1:
        raise ValueError(f"on={brief(on)} must lie between 0 and 1: each action needs a chance.")
    return Line(logits(on), features(weights), cliff(), BEGINNING)


def random_start(seed, weights):
    """The line from a random policy in a random MDP of six states and two actions.

    The logits are a table of weights, or one weight that is multiplied by a random feature of each state and action.
    """
    check_weights(weights)
    rng = np.random.default_rng(seed)
    mdp = {
        "transition": rng.dirichlet(np.ones(PLACES), size=(PLACES, 2)),
        "reward": rng.normal(size=(PLACES, 2)),
        "gamma": GAMMA,
    }
    first, feature = 2 * rng.normal(size=(PLACES, 2)), rng.normal(size=(PLACES, 2, 1))
    table = np.eye(2 * PLACES).reshape(PLACES, 2, 2 * PLACES)
    start = np.full(PLACES, 1 / PLACES)
    return Line(first, table if weights == WEIGHTS[1] else feature, mdp, start)


def lowest_truths(weights, starts=range(200)):
    """The lowest gain along the line from each random start: `[starts]`. Below 0, a step made things worse."""
    return np.array([min(map(random_start(seed, weights).truth, TRIED)) for seed in starts])
