"""The exercises at the ends of the chapters: for each, the right function, cases to try, and what usually goes wrong.

    answer = check.exercise("q-update", q_update)         # in the chapter; it reads as a sentence

The arguments of `right`, and of the mistakes, are those of the reader's function. On the page an exercise is five
cells: the task with its hints, the function with `...` as its body, the check, a run with the reader's function in it,
and the solution. `tests/test_exercises.py` tries the solution and the mistakes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from rlkit import functional as F


class Mistake(NamedTuple):
    """A function that makes a mistake, and the sentence for a reader whose numbers agree with it in every case."""

    sentence: str
    function: Callable


class Exercise(NamedTuple):
    """What `rlkit.check.exercise` needs to judge a function and to say what is wrong with it."""

    right: Callable
    cases: list  # of dicts: keyword arguments of `right`
    mistakes: list  # of `Mistake`


# Chapter 1: the update of Q-learning, with endings --------------------------------------------------------------------


def q_update(q, reward, next_q, terminated, alpha, gamma):
    """Q(s, a) after an update: q and reward numbers, next_q, Q(s', · ), `[A]` -> a number."""
    target = reward if terminated else reward + gamma * max(next_q)
    return q + alpha * (target - q)


def q_update_cases():
    rng = np.random.default_rng(1)
    for terminated in (False, True, False, True):
        q, reward, *next_q = (rng.integers(-20, 20, size=5) / 10).tolist()
        yield dict(q=q, reward=reward, next_q=np.array(next_q), terminated=terminated, alpha=0.5, gamma=0.9)


Q_UPDATE = Exercise(
    q_update,
    list(q_update_cases()),
    [
        Mistake(
            "When terminated is True nothing comes after s', and the target is the reward alone. Yours goes on.",
            lambda q, reward, next_q, terminated, *rest: q_update(q, reward, next_q, False, *rest),
        ),
        Mistake(
            "This is the change of Q(s, a). The function should return its new value: the old one plus the change.",
            lambda q, *rest: q_update(q, *rest) - q,
        ),
        Mistake(
            "This is the target itself. Q(s, a) should move only the share alpha of the way from q to the target.",
            lambda q, reward, next_q, terminated, alpha, gamma: q_update(q, reward, next_q, terminated, 1.0, gamma),
        ),
        Mistake(
            "This moves away from the target. The error is the target minus q, not q minus the target.",
            lambda q, *rest: 2 * q - q_update(q, *rest),
        ),
        Mistake(
            "This takes the mean of Q(s', · ). Q-learning takes its maximum: what the best action is worth.",
            lambda q, reward, next_q, *rest: q_update(q, reward, [np.mean(next_q)], *rest),
        ),
    ],
)


# Chapter 2: the target of Double DQN ----------------------------------------------------------------------------------


def double_target(rewards, q_online, q_target, terminated, gamma):
    """Targets of Double DQN: rewards and terminated `[B]`, q_online and q_target `[B, A]` -> `[B]`."""
    return F.td_target(rewards, F.double_q(q_online, q_target), terminated, gamma)


def double_target_cases():
    generator = torch.Generator().manual_seed(0)
    for B, A in ((2, 3), (3, 4), (5, 3)):
        q_online, q_target = torch.randn(2, B, A, generator=generator).mul(10).round().div(10)
        terminated = torch.arange(B) % 2 == 1
        yield dict(rewards=torch.ones(B), q_online=q_online, q_target=q_target, terminated=terminated, gamma=0.9)


DOUBLE_TARGET = Exercise(
    double_target,
    list(double_target_cases()),
    [
        Mistake(
            "Here q_target chooses the action and judges it as well, as in plain DQN. Let q_online choose.",
            lambda rewards, q_online, q_target, *rest: double_target(rewards, q_target, q_target, *rest),
        ),
        Mistake(
            "The two have changed places: q_online should choose the action, and q_target should judge it.",
            lambda rewards, q_online, q_target, *rest: double_target(rewards, q_target, q_online, *rest),
        ),
        Mistake(
            "Here q_online chooses the action and judges it as well. The judge should be q_target.",
            lambda rewards, q_online, q_target, *rest: double_target(rewards, q_online, q_online, *rest),
        ),
        Mistake(
            "Where terminated is True nothing comes after s', and the target is the reward alone. Yours goes on.",
            lambda rewards, q_online, q_target, terminated, gamma: double_target(
                rewards, q_online, q_target, torch.zeros_like(terminated), gamma
            ),
        ),
        Mistake(
            "The mask has removed the reward as well. It belongs on γ Q only.",
            lambda rewards, q_online, q_target, terminated, gamma: (
                ~terminated * double_target(rewards, q_online, q_target, terminated, gamma)
            ),
        ),
        Mistake(
            "The mask is the wrong way round: γ Q should vanish where terminated is True.",
            lambda rewards, q_online, q_target, terminated, gamma: double_target(
                rewards, q_online, q_target, ~terminated, gamma
            ),
        ),
    ],
)


# Chapter 3: a second clip, for bad actions ----------------------------------------------------------------------------


def dual_clip(ratio, advantages, clip_coef, bound):
    """Ye et al. 2020, eq. 5: the clipped surrogate; for A < 0 it is at least bound · A. `[B]`, `[B]` -> `[B]`."""
    clipped = F.clipped_surrogate(ratio, advantages, clip_coef)
    return torch.where(advantages < 0, torch.maximum(clipped, bound * advantages), clipped)


def both_signs(ratio, advantages, clip_coef, bound):
    return torch.maximum(F.clipped_surrogate(ratio, advantages, clip_coef), bound * advantages)


def smaller_one(ratio, advantages, clip_coef, bound):
    clipped = F.clipped_surrogate(ratio, advantages, clip_coef)
    return torch.where(advantages < 0, torch.minimum(clipped, bound * advantages), clipped)


def second_clip_alone(ratio, advantages, clip_coef, bound):
    surrogate = ratio * advantages
    return torch.where(advantages < 0, torch.maximum(surrogate, bound * advantages), surrogate)


def bound_without_advantage(ratio, advantages, clip_coef, bound):
    clipped = F.clipped_surrogate(ratio, advantages, clip_coef)
    return torch.where(advantages < 0, clipped.clamp(min=-bound), clipped)


def dual_clip_cases():
    ratio = torch.tensor([0.5, 1.0, 2.0, 5.0, 0.5, 1.0, 2.0, 5.0])
    for size, bound in ((1.0, 3.0), (2.0, 3.0), (1.0, 4.0)):
        advantages = size * torch.tensor([1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0])
        yield dict(ratio=ratio, advantages=advantages, clip_coef=0.2, bound=bound)


DUAL_CLIP = Exercise(
    dual_clip,
    list(dual_clip_cases()),
    [
        Mistake(
            "The second clip is for A < 0 alone. Where A > 0 yours is bound · A whatever the ratio, and good actions "
            "are not learned any more.",
            both_signs,
        ),
        Mistake(
            "This is the clipped surrogate as it was: with A < 0 and a growing ratio it falls without end.",
            lambda ratio, advantages, clip_coef, bound: F.clipped_surrogate(ratio, advantages, clip_coef),
        ),
        Mistake(
            "For A < 0 it takes the larger of the two: the bound holds where the clipped surrogate is below it. "
            "Yours takes the smaller one.",
            smaller_one,
        ),
        Mistake(
            "The first clip is gone. The second one comes on top of it: it bounds what F.clipped_surrogate gives.",
            second_clip_alone,
        ),
        Mistake(
            "The bound is bound · A, and yours is the number -bound: a worse action may cost more.",
            bound_without_advantage,
        ),
    ],
)


# Chapter 4: n-step returns, backwards ---------------------------------------------------------------------------------


def looks_one_row_ahead(rewards, ended, bootstrap, gamma):
    return rewards + gamma * (1 - ended) * np.concatenate([rewards[1:], [bootstrap]])


def mask_of_the_next_row(rewards, ended, bootstrap, gamma):
    return F.n_step_returns(rewards, np.concatenate([ended[1:], 0 * ended[:1]]), bootstrap, gamma)


def segments():
    rng = np.random.default_rng(0)
    for T in (3, 4, 6):
        rewards, ended = rng.integers(1, 4, size=(T, 2)).astype(float), np.zeros((T, 2))
        ended[1, 0] = 1
        yield dict(rewards=rewards, ended=ended, bootstrap=rng.integers(4, 9, size=2).astype(float), gamma=0.5)


N_STEP_RETURNS = Exercise(
    F.n_step_returns,
    list(segments()),
    [
        Mistake(
            "After an ending your sum runs on into the next episode. Where ended is 1, only the reward is left.",
            lambda rewards, ended, *rest: F.n_step_returns(rewards, 0 * ended, *rest),
        ),
        Mistake(
            "The bootstrap is missing: an episode that goes on after the last row is worth that much there.",
            lambda rewards, ended, bootstrap, gamma: F.n_step_returns(rewards, ended, 0 * bootstrap, gamma),
        ),
        Mistake(
            "The discount is missing: each step back multiplies what comes after it by gamma.",
            lambda rewards, ended, bootstrap, gamma: F.n_step_returns(rewards, ended, bootstrap, 1.0),
        ),
        Mistake(
            "The mask is that of the next row. ended[t] says that nothing comes after row t, so it cuts there.",
            mask_of_the_next_row,
        ),
        Mistake(
            "This adds the next reward. It should add the next return, which has all that follows in it.",
            looks_one_row_ahead,
        ),
        Mistake(
            "This sums from the first row to the last. A return looks ahead: begin at the last row and go backwards.",
            lambda rewards, ended, *rest: F.n_step_returns(rewards[::-1], ended[::-1], *rest)[::-1],
        ),
    ],
)

EXERCISES = {
    "q-update": Q_UPDATE,
    "double-target": DOUBLE_TARGET,
    "dual-clip": DUAL_CLIP,
    "n-step-returns": N_STEP_RETURNS,
}
