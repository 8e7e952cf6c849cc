"""Every equation of the lectures, written once, as a small pure function.

A function returns what its paper writes: one number for each sample, neither negated nor averaged. The caller takes
the mean and chooses the sign. So a chapter can assert, a figure can draw and an agent can train with the same function.

Letters in shapes: T steps in time, N environments side by side, B samples in a batch, D numbers in a vector, S states,
A actions. Recursions over time take and return NumPy arrays `[T, N]`. Functions that are differentiated take torch
tensors `[B, ...]`. Plain arithmetic takes either, and returns the kind that it was given.

There are two masks, and they are never the same one. `terminated` says that the task is over: the future is worth 0,
so the target has no bootstrap. `ended = terminated | truncated` says that the data stops here: a sum over time must
not run on into the next episode.

NumPy and torch silently turn a `[B]` and a `[B, 1]` into a `[B, B]`. Where an equation works element by element,
`same_shape` (the last function of this file) refuses that. A plain number may always stand in for an array.

Sources, by the names used below:
    A3C 2016              Mnih et al., Asynchronous Methods for Deep RL
    Amdahl 1967           Validity of the Single Processor Approach to Achieving Large Scale Computing Capabilities
    Andrychowicz 2021     What Matters for On-Policy Deep Actor-Critic Methods? A Large-Scale Study
    Baird 1995            Residual Algorithms: Reinforcement Learning with Function Approximation
    Baselines             Dhariwal et al., OpenAI Baselines, 2017: github.com/openai/baselines
    Brockwell & Davis     Time Series: Theory and Methods, 2nd edition, 1991
    Cover & Thomas        Elements of Information Theory, 2nd edition, 2006
    Denning & Buzen 1978  The Operational Analysis of Queueing Network Models
    Double 2016           van Hasselt, Guez, Silver, Deep RL with Double Q-learning
    DPO 2023              Rafailov et al., Direct Preference Optimization
    Dr. GRPO 2025         Liu et al., Understanding R1-Zero-Like Training: A Critical Perspective
    DQN 2015              Mnih et al., Human-level Control through Deep RL (Nature)
    Duchi 2007            Derivations for Linear Algebra and Optimization
    Dueling 2016          Wang et al., Dueling Network Architectures for Deep RL
    Even-Dar & Mansour    Learning Rates for Q-learning, 2003
    GAE 2016              Schulman et al., High-dimensional Continuous Control using Generalized Advantage Estimation
    Greydanus 2018        Greydanus et al., Visualizing and Understanding Atari Agents
    GRPO 2024             Shao et al., DeepSeekMath
    Hestenes & Stiefel    Methods of Conjugate Gradients for Solving Linear Systems, 1952
    Huber 1964            Robust Estimation of a Location Parameter
    Kakade & Langford     Approximately Optimal Approximate Reinforcement Learning, 2002
    Kingma & Ba 2015      Adam: A Method for Stochastic Optimization
    Kong 1992             A Note on Importance Sampling using Standardized Weights
    Lazowska 1984         Lazowska et al., Quantitative System Performance
    Levin & May 1976      A Note on Difference-Delay Equations
    Li 2018               Li et al., Visualizing the Loss Landscape of Neural Nets
    Little 1961           A Proof for the Queuing Formula: L = λW
    PER 2016              Schaul et al., Prioritized Experience Replay
    PPO 2017              Schulman et al., Proximal Policy Optimization Algorithms
    Schulman 2020         Approximating KL Divergence, a note: joschu.net/blog/kl-approx.html
    Stable-Baselines3     Raffin et al., Stable-Baselines3: Reliable Reinforcement Learning Implementations, 2021
    Sutton & Barto        Reinforcement Learning: An Introduction, 2nd edition, 2018
    TRPO 2015             Schulman et al., Trust Region Policy Optimization
    Watkins & Dayan 1992  Q-learning
    Williams 1992         Simple Statistical Gradient-following Algorithms for Connectionist RL
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor  # plain arithmetic takes either
Numbers = float | Array  # one number, or one for each sample

# Exact values: what an algorithm would find if it knew the MDP ------------------------------------------------------


def bellman_expectation(
    values: np.ndarray, policy: np.ndarray, transition: np.ndarray, reward: np.ndarray, gamma: float
) -> np.ndarray:
    """Bellman expectation backup: (T^π V)(s) = Σ_a π(a|s) [ R(s,a) + γ Σ_s' P(s'|s,a) V(s') ].

    Source: Sutton & Barto, eq. 4.4.
    Shapes: values `[S]`, policy `[S, A]`, transition `[S, A, S]`, reward `[S, A]` -> `[S]`.
    Raises: ValueError if the shapes do not fit.

    >>> one_state = dict(policy=np.array([[1.0]]), transition=np.array([[[1.0]]]), reward=np.array([[1.0]]))
    >>> float(bellman_expectation(np.array([10.0]), gamma=0.9, **one_state)[0])   # 1 + 0.9 * 10: a fixed point
    10.0
    """
    same_shape(policy=policy, reward=reward)
    return (policy * action_values(values, transition, reward, gamma)).sum(-1)


def action_values(values: np.ndarray, transition: np.ndarray, reward: np.ndarray, gamma: float) -> np.ndarray:
    """Action values from state values: Q(s,a) = R(s,a) + γ Σ_s' P(s'|s,a) V(s').

    Source: Sutton & Barto, eq. 4.6.
    Shapes: values `[S]`, transition `[S, A, S]`, reward `[S, A]` -> `[S, A]`.
    Raises: ValueError if the shapes do not fit.

    >>> action_values(np.array([4.0]), np.array([[[1.0], [1.0]]]), np.array([[0.0, 1.0]]), 0.5).tolist()
    [[2.0, 3.0]]
    """
    same_shape(values=values, **{"reward[..., 0]": reward.shape[:-1]})
    same_shape(transition=transition, **{"reward[..., None] * values": (*reward.shape, *values.shape)})
    return reward + gamma * transition @ values


def policy_values(policy: np.ndarray, transition: np.ndarray, reward: np.ndarray, gamma: float) -> np.ndarray:
    """The value of a policy, exactly: V^π = (I - γ P^π)^-1 R^π, the fixed point of `bellman_expectation`.

    Source: Sutton & Barto, section 4.1.
    Shapes: policy `[S, A]`, transition `[S, A, S]`, reward `[S, A]` -> `[S]`.
    Raises: ValueError if the shapes do not fit. LinAlgError if γ = 1 and the policy may never reach an end, because
        the matrix is then singular.

    >>> policy_values(np.array([[1.0]]), np.array([[[1.0]]]), np.array([[1.0]]), 0.9).round(6).tolist()
    [10.0]
    """
    same_shape(policy=policy, reward=reward)
    same_shape(transition=transition, **{"an [S, A, S]": (*policy.shape, len(policy))})
    transition_pi = np.einsum("sa,sat->st", policy, transition)
    reward_pi = (policy * reward).sum(-1)
    return np.linalg.solve(np.eye(len(reward_pi)) - gamma * transition_pi, reward_pi)


def discounted_visits(policy: np.ndarray, transition: np.ndarray, start: np.ndarray, gamma: float) -> np.ndarray:
    """The share of discounted time in each state: d^π(s) = (1 - γ) Σ_t γ^t P(s_t = s), with s_0 drawn from `start`.

    It solves d = (1 - γ) start + γ d P^π. A visit at time t counts γ^t, so this is not how often states are met in a
    rollout, where all steps count alike.

    Source: Kakade & Langford, section 2.
    Shapes: policy `[S, A]`, transition `[S, A, S]`, start `[S]`, which sums to 1; γ a number below 1 -> `[S]`, which
        sums to 1.
    Raises: ValueError if the shapes do not fit, if γ is not below 1, or if the result is no distribution, because what
        was given is none.

    >>> to_the_second = np.array([[[0.0, 1.0]], [[0.0, 1.0]]])
    >>> discounted_visits(np.ones((2, 1)), to_the_second, np.array([1.0, 0.0]), 0.75).round(6).tolist()
    [0.25, 0.75]
    """
    same_shape(start=start, **{"policy[:, 0]": policy.shape[:-1]})
    same_shape(transition=transition, **{"an [S, A, S]": (*policy.shape, len(policy))})
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma={gamma} must be at least 0 and below 1: without a discount, time has no shares.")
    transition_pi = np.einsum("sa,sat->st", policy, transition)
    visits = (1 - gamma) * np.linalg.solve(np.eye(len(start)) - gamma * transition_pi.T, start)
    if not (visits > -1e-6).all() or not abs(visits.sum() - 1) < 1e-4:  # for nan both are False
        raise ValueError(
            f"The shares of time are {visits.tolist()}, no distribution; start, the rows of policy and those of "
            "transition must each hold probabilities that sum to 1."
        )
    return visits


def performance_difference(visits: Array, policy: Array, advantages: Array, gamma: float) -> Numbers:
    """The performance-difference lemma: J(π) - J(π') = 1/(1-γ) Σ_s d^π(s) Σ_a π(a|s) A^π'(s,a).

    The states are those of the new policy π, and the advantages those of the old one, π'. With the old policy's visits
    in the place of d^π it is what the surrogate promises, which is exact only at π = π'.

    Source: Kakade & Langford, lemma 6.1.
    Shapes: visits d^π `[S]`, policy π and advantages A^π' `[S, A]`; γ a number below 1 -> a number, in units of reward.
    Raises: ValueError if the shapes do not fit, or if γ is not below 1.

    >>> policy, advantages = np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> float(performance_difference(np.array([0.5, 0.5]), policy, advantages, 0.75))   # 4 (½ ½ 1 + ½ 2)
    5.0
    """
    same_shape(policy=policy, advantages=advantages)
    same_shape(visits=visits, **{"policy[:, 0]": policy.shape[:-1]})
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma={gamma} must be at least 0 and below 1: the sum is divided by 1 - gamma.")
    return (visits * (policy * advantages).sum(-1)).sum() / (1 - gamma)


def bellman_optimality(q: np.ndarray, transition: np.ndarray, reward: np.ndarray, gamma: float) -> np.ndarray:
    """Bellman optimality backup: (T* Q)(s,a) = R(s,a) + γ Σ_s' P(s'|s,a) max_a' Q(s',a').

    Source: Sutton & Barto, eq. 4.2.
    Shapes: q `[S, A]`, transition `[S, A, S]`, reward `[S, A]` -> `[S, A]`.
    Raises: ValueError if the shapes do not fit.

    >>> bellman_optimality(np.array([[2.0, 4.0]]), np.array([[[1.0], [1.0]]]), np.array([[0.0, 1.0]]), 0.5).tolist()
    [[2.0, 3.0]]
    """
    same_shape(q=q, reward=reward)
    return action_values(q.max(-1), transition, reward, gamma)


# Estimating values --------------------------------------------------------------------------------------------------


def value_error(true_values: Array, values: Array, state_weights: Array) -> Array:
    """Mean squared value error: J(w) = E_s[ (V^π(s) - v(s,w))^2 ] = Σ_s μ(s) (V^π(s) - v(s,w))^2.

    Source: Sutton & Barto, eq. 9.1.
    Shapes: all three `[..., S]`, where leading axes may be missing -> `[...]`. The weights μ sum to 1.
    Raises: ValueError if the last axes differ.

    >>> float(value_error(np.array([1.0, 3.0]), np.array([0.0, 1.0]), np.array([0.5, 0.5])))
    2.5
    """
    same_shape(true_values=true_values, values=values, state_weights=state_weights, leading=True)
    return (state_weights * (true_values - values) ** 2).sum(-1)


def n_step_returns(rewards: np.ndarray, ended: np.ndarray, bootstrap: float | np.ndarray, gamma: float) -> np.ndarray:
    """Returns, summed backwards: R_t = r_t + γ (1 - ended_t) R_{t+1}, with R_T = bootstrap.

    The bootstrap is the value of the state after the last row. If it is 0, and every episode ends inside the array,
    these are the Monte-Carlo returns.

    Source: A3C 2016, algorithm S3.
    Shapes: rewards and ended `[T, N]`, bootstrap `[N]` or a number -> `[T, N]`, in units of reward.
    Raises: ValueError if the shapes do not fit.

    >>> n_step_returns(np.array([[1.0], [1.0], [1.0]]), np.array([[0], [1], [0]]), np.array([8.0]), 0.5).T.tolist()
    [[1.5, 1.0, 5.0]]
    """
    same_shape(rewards=rewards, ended=ended)
    same_shape(bootstrap=bootstrap, **{"rewards[0]": rewards.shape[1:]})
    returns = np.empty_like(rewards, dtype=np.result_type(rewards, np.float32))
    following = bootstrap
    for t in reversed(range(len(rewards))):
        following = returns[t] = rewards[t] + gamma * (ended[t] == 0) * following
    return returns


def q_update(q: Numbers, target: Numbers, alpha: Numbers) -> Numbers:
    """One step of tabular Q-learning, for the entry Q(s,a) that was visited: Q ← Q + α (y - Q).

    Source: Watkins & Dayan 1992, eq. 1, where the target is y = r + γ max_a' Q(s',a').
    Shapes: q, target y and alpha α numbers, or arrays of one shape -> the same, in units of reward.
    Raises: ValueError if the shapes differ.

    >>> q_update(1.0, target=3.0, alpha=0.25)
    1.5
    """
    same_shape(q=q, target=target, alpha=alpha)
    return q + alpha * (target - q)


def polynomial_step_size(visits: Numbers, power: float) -> Numbers:
    """Step size at the n-th visit: α_n = 1 / n^ω.

    With a table, Q-learning converges to Q* with probability 1 if for each pair (s, a) Σ_n α_n = ∞ over its visits and
    Σ_n α_n^2 < ∞. Both sums are so for ½ < ω <= 1. With ω = 1, Q is the mean of the targets seen so far.

    Source: Even-Dar & Mansour; the two conditions are eq. 3 of Watkins & Dayan 1992.
    Shapes: visits n, counted from 1, numbers or `[B]`; power ω a number -> the same, at most 1 for ω >= 0.

    >>> [polynomial_step_size(visits, 0.5) for visits in (1, 4, 100)]
    [1.0, 0.5, 0.1]
    """
    return 1 / visits**power


def semi_gradient(td_error: Numbers, gradient: Numbers) -> Numbers:
    """Semi-gradient of -½ δ^2, with the target held constant: δ ∇v(s,w).

    Source: Sutton & Barto, eq. 9.7, with the TD target as U_t.
    Shapes: td_error δ `[B, 1]` or a number, gradient ∇v(s,w) `[B, D]` -> the direction of ascent `[B, D]`. Axes in
        front of `[B, 1]` are allowed.
    Raises: ValueError if td_error is an array without a last axis of length 1.

    >>> semi_gradient(2.0, np.array([1.0, 0.0])).tolist()
    [2.0, 0.0]
    """
    if getattr(td_error, "shape", ()):  # a plain number goes with every gradient
        same_shape(td_error=td_error, **{"gradient[..., :1]": (*np.shape(gradient)[:-1], 1)}, leading=True)
    return td_error * gradient


def residual_gradient(td_error: Numbers, gradient: Numbers, next_gradient: Numbers, gamma: float) -> Numbers:
    """Full gradient of -½ δ^2, with the target differentiated too: δ (∇v(s,w) - γ ∇v(s',w)).

    Source: Baird 1995, section 4.
    Shapes: td_error δ `[B, 1]` or a number, both gradients `[B, D]` -> the direction of ascent `[B, D]`.
    Raises: ValueError if the gradients differ in shape, or td_error is an array without a last axis of length 1.

    >>> residual_gradient(2.0, np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.5).tolist()
    [2.0, -1.0]
    """
    same_shape(gradient=gradient, next_gradient=next_gradient)
    return semi_gradient(td_error, gradient - gamma * next_gradient)


# Q-learning with deep networks --------------------------------------------------------------------------------------


def max_q(q_target: Array) -> Tensor:
    """DQN's value of the next state, where one network both selects and evaluates: max_a' Q(s',a'; w_T).

    Source: DQN 2015, algorithm 1.
    Shapes: q_target `[B, A]` -> `[B]`.

    >>> max_q(torch.tensor([[1.0, 3.0, 2.0]])).tolist()
    [3.0]
    """
    return torch.as_tensor(q_target).amax(-1)


def double_q(q_online: Array, q_target: Array) -> Tensor:
    """Double DQN's value of the next state: Q(s', argmax_a' Q(s',a'; w); w_T).

    The online network w selects the action, and the target network w_T evaluates it.

    Source: Double 2016, eq. 4 and its section "Double DQN".
    Shapes: q_online and q_target `[B, A]` -> `[B]`.
    Raises: ValueError if the shapes differ.

    >>> double_q(torch.tensor([[0.0, 9.0]]), torch.tensor([[5.0, 1.0]])).tolist()
    [1.0]
    """
    same_shape(q_online=q_online, q_target=q_target)
    selected = torch.as_tensor(q_online).argmax(-1, keepdim=True)
    return torch.as_tensor(q_target).gather(-1, selected).squeeze(-1)


def td_target(rewards: Numbers, next_q: Numbers, terminated: Numbers, gamma: Numbers) -> Numbers:
    """TD target: y = r if s' is terminal, else r + γ next_q.

    A truncated step is not terminal, so it keeps its bootstrap.

    Source: DQN 2015, algorithm 1.
    Shapes: rewards, next_q and terminated `[B]` -> `[B]`, in units of reward. gamma is a number; where rewards are sums
        over n steps it is γ^n, a number or `[B]`.
    Raises: ValueError if the shapes differ.

    >>> td_target(torch.tensor([1.0, 1.0]), torch.tensor([10.0, 10.0]), torch.tensor([False, True]), 0.5).tolist()
    [6.0, 1.0]
    """
    same_shape(rewards=rewards, next_q=next_q, terminated=terminated, gamma=gamma)
    return rewards + gamma * (terminated == 0) * next_q


def value_ceiling(copies: Numbers, gamma: float) -> Numbers:
    """Largest value that can be learned after k copies of the target network: Σ_{i=0}^k γ^i = (1 - γ^(k+1)) / (1 - γ).

    It holds for rewards of at most 1 and a first target network that says 0. Then the first targets are at most 1, and
    after each copy they are at most 1 + γ times what they were at most before it.

    Source: the lecture's horizon.
    Shapes: copies k, which may be 0, numbers or `[B]`; γ a number below 1 -> the same, in units of reward.

    >>> [value_ceiling(copies, 0.5) for copies in (0, 1, 2)]
    [1.0, 1.5, 1.75]
    """
    return (1 - gamma ** (copies + 1)) / (1 - gamma)


def copy_factor(alpha: float, gamma: float, period: int) -> float:
    """The two states' factor from one copy to the next, w / w_T after C updates: 2γ - (2γ - 1) (1 - α)^C.

    v(s_1) = w and v(s_2) = 2w, and each sample goes from s_1 to s_2 with reward 0. An update closes the share α of the
    distance from w to its target 2γ w_T.

    Source: Sutton & Barto, section 11.2, has the two states; the target network is the lecture's.
    Shapes: numbers -> a number. period C is in updates.

    >>> [copy_factor(0.5, gamma=1.0, period=period) for period in (1, 2, 1000)]   # 1 + α (2γ - 1), ..., 2γ
    [1.5, 1.75, 2.0]
    """
    return 2 * gamma - (2 * gamma - 1) * (1 - alpha) ** period


def accumulated_bias(gap: Numbers, gamma: float) -> Numbers:
    """Bias at which values settle if each maximum is too high by a gap g: b = γ (b + g), that is b = γ / (1 - γ) g.

    Source: the lecture's loop of overestimation.
    Shapes: gap g numbers or `[B]`; γ a number below 1 -> the same, in units of reward.

    >>> accumulated_bias(0.5, gamma=0.75)   # ¾ (1.5 + 0.5) is 1.5 again
    1.5
    """
    return gamma / (1 - gamma) * gap


def huber(error: Array, delta: float = 1.0) -> Array:
    """Huber loss: ½ δ^2 where |δ| <= delta, else delta (|δ| - ½ delta).

    Its slope is δ, clipped to ± delta. With `delta=inf` it is the squared error ½ δ^2.

    Source: Huber 1964; the error clipping of DQN 2015, Methods.
    Shapes: error δ of any shape -> the same shape.

    >>> huber(torch.tensor([0.5, -3.0])).tolist()
    [0.125, 2.5]
    """
    size = abs(error)
    quadratic = size.clip(max=delta)
    return quadratic * (size - 0.5 * quadratic)


def dueling(value: Numbers, advantages: Array) -> Array:
    """Dueling aggregation: Q(s,a) = V(s) + A(s,a) - 1/|A| Σ_a' A(s,a').

    Source: Dueling 2016, eq. 9.
    Shapes: value `[B, 1]`, advantages `[B, A]` -> `[B, A]`.
    Raises: ValueError if value is not one column as long as advantages.

    >>> dueling(torch.tensor([[10.0]]), torch.tensor([[1.0, 3.0]])).tolist()
    [[9.0, 11.0]]
    """
    same_shape(value=value, **{"advantages[..., :1]": (*advantages.shape[:-1], 1)})
    return value + advantages - advantages.mean(-1, keepdims=True)


# Acting and replaying -----------------------------------------------------------------------------------------------


def linear_schedule(step: float, start: float, end: float, duration: float) -> float:
    """A straight line from `start` at step 0 to `end` at step `duration`, and `end` from there on.

    Source: DQN 2015, Methods: ε goes from 1 to 0.1 over the first million frames.
    Shapes: numbers -> a number. step and duration are in the same unit.

    >>> [linear_schedule(step, 1.0, 0.1, 100) for step in (0, 50, 1000)]
    [1.0, 0.55, 0.1]
    """
    return end if step >= duration else start + (end - start) * step / duration


def epsilon_greedy(q_values: np.ndarray, epsilon: float) -> np.ndarray:
    """The ε-greedy policy: π(a|s) = ε/|A| + (1 - ε) [a = argmax_a' Q(s,a')].

    If several actions share the maximum, the first of them is the greedy one.

    Source: Sutton & Barto, section 2.2.
    Shapes: q_values `[B, A]` -> probabilities `[B, A]`.

    >>> epsilon_greedy(np.array([[0.0, 1.0]]), 0.5).tolist()
    [[0.25, 0.75]]
    """
    num_actions = q_values.shape[-1]
    greedy = np.arange(num_actions) == q_values.argmax(-1)[..., None]
    return epsilon / num_actions + (1 - epsilon) * greedy


def effective_batch_size(correlations: np.ndarray, batch_size: int) -> float:
    """How many independent samples a batch in a row is worth: B / (1 + 2 Σ_{k=1}^{B-1} (1 - k/B) c_k).

    c_k is the correlation of two samples k steps apart. If each sample has the variance σ^2, the mean of the batch has
    σ^2 / B_eff.

    Source: Brockwell & Davis, section 7.1, for the variance of the mean.
    Shapes: correlations c_0, c_1, ... `[K]` with K >= B; batch_size B a number -> a number, in samples.
    Raises: ValueError if there are fewer than B correlations.

    >>> effective_batch_size(np.array([1.0, 0.0, 0.0]), 3), effective_batch_size(np.array([1.0, 1.0, 1.0]), 3)
    (3.0, 1.0)
    """
    same_shape(**{"correlations[:batch_size]": correlations[:batch_size], "one for each distance": (batch_size,)})
    apart = np.arange(1, batch_size)
    return float(batch_size / (1 + 2 * ((1 - apart / batch_size) * correlations[1:batch_size]).sum()))


def priority_probabilities(priorities: Array, alpha: float) -> Array:
    """Probability of replaying transition i: P(i) = p_i^α / Σ_k p_k^α.

    The priority p_i is |δ_i| plus a small constant. With α = 0 replay is uniform.

    Source: PER 2016, eq. 1.
    Shapes: priorities `[size]` -> probabilities `[size]`.

    >>> priority_probabilities(np.array([1.0, 3.0]), 1.0).tolist()
    [0.25, 0.75]
    """
    scaled = priorities**alpha
    return scaled / scaled.sum()


def importance_weights(probabilities: Array, size: int, beta: float) -> Array:
    """Importance weights of prioritized samples: w_i = (1/N · 1/P(i))^β / max_j w_j.

    N is the size of the replay memory. The maximum is taken over the samples given.

    Source: PER 2016, section 3.4.
    Shapes: probabilities `[B]`, size N and 0 <= β <= 1 numbers -> `[B]`, between 0 and 1.

    >>> importance_weights(np.array([0.25, 0.5]), size=4, beta=1.0).tolist()
    [1.0, 0.5]
    """
    weights = (size * probabilities) ** -beta
    return weights / weights.max()


# Policies -----------------------------------------------------------------------------------------------------------


def log_prob(logits: Tensor, actions: Tensor) -> Tensor:
    """Log-probability of actions under a softmax policy: ln π(a|s) = z_a - ln Σ_a' e^{z_a'}.

    Source: Sutton & Barto, eq. 13.2.
    Shapes: logits z `[B, A]`, actions `[B]` (whole numbers) -> `[B]`, in nats.
    Raises: ValueError if there is not one action for each row of logits.

    >>> log_prob(torch.tensor([[0.0, 0.0]]), torch.tensor([1])).exp().tolist()
    [0.5]
    """
    if actions.shape != logits.shape[:-1]:
        same_shape(actions=actions, **{"logits[..., 0]": logits.shape[:-1]})
    return logits.log_softmax(-1).gather(-1, actions[..., None]).squeeze(-1)


def entropy(logits: Tensor) -> Tensor:
    """Entropy of a softmax policy: H(π) = -Σ_a π(a|s) ln π(a|s).

    Source: A3C 2016, section 4, where it is the bonus.
    Shapes: logits `[B, A]` -> `[B]`, in nats, between 0 and ln A.

    >>> entropy(torch.tensor([[0.0, 0.0]])).exp().tolist()
    [2.0]
    """
    log_probs = logits.log_softmax(-1)
    return -(log_probs.exp() * log_probs).sum(-1)


def kl_divergence(old_logits: Tensor, logits: Tensor) -> Tensor:
    """Kullback-Leibler divergence of softmax policies: KL(π_old || π) = Σ_a π_old(a|s) ln [ π_old(a|s) / π(a|s) ].

    The old policy comes first, because the expectation is over the policy that acted.

    Source: PPO 2017, eq. 4.
    Shapes: both `[B, A]`, where leading axes may be missing -> `[B]`, in nats, at least 0.
    Raises: ValueError if the last axes differ.

    >>> logits = torch.tensor([[0.0, math.log(3.0)]])   # ½ ln(½ / ¼) + ½ ln(½ / ¾)
    >>> kl_divergence(torch.zeros(1, 2), logits).item()
    0.1438...
    """
    same_shape(old_logits=old_logits, logits=logits, leading=True)
    old, new = old_logits.log_softmax(-1), logits.log_softmax(-1)
    return (old.exp() * (old - new)).sum(-1)


def gaussian_log_prob(mean: Tensor, log_std: Tensor, actions: Tensor) -> Tensor:
    """Log-density of actions under independent normals: Σ_d [ -½ ((a_d - μ_d) / σ_d)^2 - ln σ_d - ½ ln 2π ].

    Source: Sutton & Barto, eq. 13.19, its logarithm summed over the dimensions d.
    Shapes: all three `[B, D]`, where leading axes may be missing -> `[B]`, in nats.
    Raises: ValueError if the last axes differ.

    >>> gaussian_log_prob(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1)).item()   # -½ - ½ ln 2π
    -1.41893...
    """
    same_shape(mean=mean, log_std=log_std, actions=actions, leading=True)
    return (-0.5 * ((actions - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Differential entropy of independent normals: Σ_d [ ln σ_d + ½ ln 2πe ].

    Source: Cover & Thomas, theorem 8.4.1, for a diagonal covariance.
    Shapes: log_std `[B, D]` -> `[B]`, in nats. Unlike the entropy of discrete actions it may be below 0.

    >>> gaussian_entropy(torch.zeros(1, 1)).item()
    1.41893...
    """
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)


def gaussian_kl(old_mean: Tensor, old_log_std: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """KL(π_old || π) of independent normals: Σ_d [ ln σ/σ_old + (σ_old^2 + (μ_old - μ)^2) / 2σ^2 - ½ ].

    Source: Duchi 2007, section 9, for diagonal covariances.
    Shapes: all four `[B, D]`, where leading axes may be missing -> `[B]`, in nats, at least 0.
    Raises: ValueError if the last axes differ.

    >>> zero = torch.zeros(1, 1)
    >>> gaussian_kl(zero, zero, zero + 2.0, zero).item()   # same width, means 2 apart: 2^2 / 2
    2.0
    """
    same_shape(old_mean=old_mean, old_log_std=old_log_std, mean=mean, log_std=log_std, leading=True)
    distance = (old_log_std.mul(2).exp() + (old_mean - mean) ** 2) / (2 * log_std.mul(2).exp())
    return (log_std - old_log_std + distance - 0.5).sum(-1)


# Policy gradients ---------------------------------------------------------------------------------------------------


def policy_gradient(log_probs: Numbers, advantages: Numbers) -> Numbers:
    """REINFORCE's objective, whose gradient is the policy gradient: (G_t - b) ln π(a_t|s_t; θ).

    Source: Williams 1992; Sutton & Barto, section 13.4, without the factor γ^t in its box, as is usual in practice.
    Shapes: log_probs and advantages G - b, which are constants, `[B]` -> `[B]`, to be maximised.
    Raises: ValueError if the shapes differ.

    >>> policy_gradient(torch.tensor([-1.0, -2.0]), torch.tensor([3.0, -1.0])).tolist()
    [-3.0, 2.0]
    """
    same_shape(log_probs=log_probs, advantages=advantages)
    return advantages * log_probs


def gae(
    rewards: np.ndarray,
    values: np.ndarray,
    next_values: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    gamma: float,
    gae_lambda: float,
) -> np.ndarray:
    """Generalized advantage estimation: A_t = δ_t + γλ (1 - ended_t) A_{t+1}, δ_t = r_t + γ V(s_{t+1}) - V(s_t).

    A terminated step has no V(s_{t+1}). A truncated step keeps it, but the sum over time stops there too.

    Source: GAE 2016, eq. 16; PPO 2017, eqs. 11 and 12.
    Shapes: the first five `[T, N]`; next_values are those of the true next states -> `[T, N]`, in units of reward.
    Raises: ValueError if the shapes differ.

    >>> no, yes = np.zeros((2, 1), bool), np.array([[False], [True]])
    >>> ones = np.ones((2, 1))
    >>> gae(ones, 0 * ones, 4 * ones, yes & no, yes, 0.5, 1.0).T.tolist()   # 1 + ½ (1 + ½ 4) + ½ 4 - ½ 4, 1 + ½ 4
    [[4.5, 3.0]]
    """
    same_shape(rewards=rewards, values=values, next_values=next_values, terminated=terminated, truncated=truncated)
    deltas = np.asarray(td_target(rewards, next_values, terminated, gamma) - values)
    carry_on = gamma * gae_lambda * ((terminated == 0) & (truncated == 0))
    advantages = np.empty_like(deltas, dtype=np.result_type(deltas, np.float32))
    following = 0.0
    for t in reversed(range(len(deltas))):
        following = advantages[t] = deltas[t] + carry_on[t] * following
    return advantages


def normalize(advantages: Tensor) -> Tensor:
    """Advantages, shifted and scaled to mean 0 and standard deviation 1: (A - mean A) / (std A + 10^-8).

    Equal advantages become 0, and so does a single one. The paper of PPO does not mention this step, but almost every
    implementation takes it. Andrychowicz 2021 measured it, once per minibatch, and found that it changes little.

    Source: Baselines, `ppo2/model.py`; Andrychowicz 2021, appendix B.9, choice C67.
    Shapes: `[B]` -> `[B]`, without a unit.

    >>> normalize(torch.tensor([1.0, 3.0])).tolist(), normalize(torch.tensor([7.0])).tolist()
    ([-1.0, 1.0], [0.0])
    """
    exact = advantages.double()  # in single precision, dividing by 10^-8 would magnify the rounding of equal advantages
    return ((exact - exact.mean()) / (exact.std(correction=0) + 1e-8)).to(torch.result_type(advantages, 1.0))


def group_advantages(rewards: Tensor, scale: bool = True) -> Tensor:
    """Group-relative advantages: A_i = (r_i - mean r) / (std r + 10^-8), over the answers to one question.

    The mean of the group takes the place of a learned V. Dr. GRPO 2025 leaves the division out, `scale=False`, because
    it gives questions with nearly equal rewards a larger weight.

    Source: GRPO 2024, section 4.1.2; Dr. GRPO 2025, section 3.
    Shapes: rewards `[K, G]`, G answers to each of K questions -> `[K, G]`, without a unit if they are scaled.

    >>> group_advantages(torch.tensor([[1.0, 3.0], [10.0, 18.0]])).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    >>> group_advantages(torch.tensor([[1.0, 3.0], [10.0, 18.0]]), scale=False).tolist()
    [[-1.0, 1.0], [-4.0, 4.0]]
    """
    exact = rewards.double()  # as in `normalize`
    advantages = exact - exact.mean(-1, keepdim=True)
    if scale:
        advantages = advantages / (exact.std(-1, correction=0, keepdim=True) + 1e-8)
    return advantages.to(torch.result_type(rewards, 1.0))


def value_loss(values: Array, returns: Array) -> Array:
    """Squared error of the critic: L^VF = (V(s_t; w) - V_t^target)^2.

    Source: PPO 2017, below eq. 9.
    Shapes: values and returns `[B]` -> `[B]`, in units of reward squared.
    Raises: ValueError if the shapes differ.

    >>> value_loss(torch.tensor([1.0]), torch.tensor([3.0])).tolist()
    [4.0]
    """
    same_shape(values=values, returns=returns)
    return (values - returns) ** 2


def clipped_value_loss(values: Array, old_values: Array, returns: Array, value_clip: float) -> Array:
    """PPO's clipped loss of the critic: max( (V - R)^2, (V_old + clip(V - V_old, -ε, ε) - R)^2 ), where R is V^target.

    Once V has moved ε from V_old towards its target, its gradient is 0. Without a limit, ε = inf, this is `value_loss`.
    The paper of PPO does not mention it. Andrychowicz 2021 measured it, and found that it hurts.

    Source: Baselines, `ppo2/model.py`, which takes the ε of the policy's clip.
    Shapes: values V, old_values V_old and returns R `[B]`, value_clip ε a number in units of reward -> `[B]`, in units
        of reward squared.
    Raises: ValueError if the shapes differ.

    >>> V, R = torch.tensor([0.5, -0.5]), torch.tensor([1.0, 1.0])
    >>> [round(x.item(), 2) for x in clipped_value_loss(V, torch.zeros(2), R, value_clip=0.2)]
    [0.64, 2.25]
    """
    same_shape(values=values, old_values=old_values, returns=returns)
    errors = value_loss(values, returns)
    if value_clip == math.inf:
        return errors
    clipped = value_loss(old_values + (values - old_values).clip(-value_clip, value_clip), returns)
    return torch.maximum(errors, clipped) if isinstance(errors, Tensor) else np.maximum(errors, clipped)


def explained_variance(values: Array, returns: Array) -> Numbers:
    """How much of the spread of the returns the critic explains: 1 - Var[V^target - V] / Var[V^target].

    1 is a perfect critic. 0 is one that says the same in every state. Below 0 it is worse than that. If all returns
    are equal the result is nan, because there is no spread to explain.

    Source: Baselines, `common/math_util.py`; PPO logs it under this name in Stable-Baselines3.
    Shapes: values and returns `[B]` or `[T, N]` -> a number without a unit, at most 1.
    Raises: ValueError if the shapes differ.

    >>> returns = np.array([0.0, 2.0, 4.0])
    >>> [float(explained_variance(values, returns)) for values in (returns, 0 * returns, returns / 2, -returns)]
    [1.0, 0.0, 0.75, -3.0]
    """
    same_shape(values=values, returns=returns)
    if returns.min() == returns.max():
        return math.nan * returns.sum()  # nan of the same kind as the input
    return 1 - (returns - values).var() / returns.var()


def actor_critic_loss(
    log_probs: Numbers,
    advantages: Numbers,
    value_errors: Numbers,
    entropy: Numbers,
    value_coef: float,
    entropy_coef: float,
) -> Numbers:
    """Total loss of an actor-critic with an entropy bonus: L = -A ln π(a|s) + λ L_V - β H(π).

    Source: A3C 2016, algorithm S3 and section 4; the lecture's L.
    Shapes: log_probs, advantages A, which are constants, value_errors L_V (see `value_loss`) and entropy H `[B]`;
        value_coef λ and entropy_coef β numbers -> `[B]`, to be minimised.
    Raises: ValueError if the shapes differ.

    >>> actor_critic_loss(torch.tensor([-1.0]), 3.0, torch.tensor([4.0]), torch.tensor([0.5]), 0.5, 0.1).item()
    4.94999...
    """
    same_shape(log_probs=log_probs, advantages=advantages, value_errors=value_errors, entropy=entropy)
    return -policy_gradient(log_probs, advantages) + value_coef * value_errors - entropy_coef * entropy


def human_normalized(score: Numbers, random: Numbers, human: Numbers) -> Numbers:
    """Score between random play and a human's: 100 (score - random) / (human - random).

    Source: DQN 2015, figure 3.
    Shapes: numbers, or arrays of one shape -> the same, in percent.
    Raises: ValueError if the shapes differ.

    >>> human_normalized(15.0, random=10.0, human=20.0)
    50.0
    """
    same_shape(score=score, random=random, human=human)
    return 100 * (score - random) / (human - random)


def perturbation_saliency(outputs: Array, perturbed: Array) -> Array:
    """Saliency of a spot: S = ½ ||f(φ) - f(φ')||^2, where φ' is the observation φ with the spot blurred.

    Source: Greydanus 2018, eq. 2, where f gives the logits, and eq. 3, where it gives V.
    Shapes: outputs f(φ) `[K]`, perturbed f(φ') `[..., K]`, one row for each spot -> `[...]`, at least 0.
    Raises: ValueError if the last axes differ.

    >>> perturbation_saliency(np.array([1.0, 0.0]), np.array([[1.0, 0.0], [1.0, 3.0], [-1.0, 0.0]])).tolist()
    [0.0, 4.5, 2.0]
    """
    same_shape(outputs=outputs, perturbed=perturbed, leading=True)
    return 0.5 * ((outputs - perturbed) ** 2).sum(-1)


# Size and speed -------------------------------------------------------------------------------------------------------


def filter_normalized(direction: Tensor, weights: Tensor) -> Tensor:
    """A direction in weight space whose every filter is as long as the network's own: d_i ||w_i|| / ||d_i||.

    A filter i is a row of a linear layer or an output channel of a convolution. Biases do not move.

    Source: Li 2018, section 4.
    Shapes: direction and weights `[out, ...]` -> `[out, ...]`.
    Raises: ValueError if the shapes differ.

    >>> filter_normalized(torch.tensor([[0.0, 2.0], [3.0, 4.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]])).tolist()
    [[0.0, 5.0], [0.6..., 0.8...]]
    """
    same_shape(direction=direction, weights=weights)
    if direction.dim() < 2:
        return torch.zeros_like(direction)
    filters = tuple(range(1, direction.dim()))
    return (
        direction
        * torch.linalg.vector_norm(weights, dim=filters, keepdim=True)
        / torch.linalg.vector_norm(direction, dim=filters, keepdim=True)
    )


def amdahl(share: Numbers, factor: Numbers) -> Numbers:
    """How many times faster the whole is when a `share` p of its time becomes k times faster: 1 / (1 - p + p/k).

    Source: Amdahl 1967.
    Shapes: share p between 0 and 1 and factor k, which may be inf: numbers, or arrays of one shape -> the same.
    Raises: ValueError if the shapes differ.

    >>> amdahl(0.5, 2.0), amdahl(0.75, float("inf"))
    (1.3333333333333333, 4.0)
    """
    same_shape(share=share, factor=factor)
    return 1 / (1 - share + share / factor)


def service_demand(num_bytes: Numbers, per_byte: float, per_message: float = 0.0, shards: int = 1) -> Numbers:
    """Service demand of a message at one of S servers that share its bytes: D = c + b n / S.

    Each of the servers holds one part, a *shard*, and gets a message of its own for it. So more shards make the bytes
    cheaper, and never the message.

    Source: the lecture's shards. A service demand is Lazowska 1984's, chapter 3.
    Shapes: num_bytes n numbers or `[B]`; per_byte b and per_message c in seconds, shards S -> the same, in seconds.

    >>> service_demand(8e6, per_byte=1e-9, per_message=0.001), service_demand(8e6, 1e-9, 0.001, shards=4)
    (0.009000000000000001, 0.003)
    """
    return per_message + per_byte * num_bytes / shards


def throughput_bound(workers: Numbers, think_time: float, demands: Sequence[float]) -> Numbers:
    """Asymptotic bounds: W workers that share servers make at most X(W) = min( W / (Z + Σ_k D_k), 1 / max_k D_k ) laps.

    In a lap a worker is on its own for the *think time* Z, and then occupies each server k for its *demand* D_k. The
    first bound has a worker that never waits for another one, the second a server that never rests.

    Source: Denning & Buzen 1978, on bottlenecks; Lazowska 1984, section 5.2.
    Shapes: workers W numbers or `[B]`; think_time Z and demands D_k in seconds -> the same, in laps per second.

    >>> [throughput_bound(workers, 0.9, [0.1, 0.05]) for workers in (1, 21, 1000)]
    [0.9523..., 10.0, 10.0]
    """
    alone, busiest = workers / (think_time + sum(demands)), max(demands, default=0)
    if not busiest:
        return alone
    return alone.clip(max=1 / busiest) if isinstance(alone, Array) else min(alone, 1 / busiest)


def saturation_point(think_time: float, demands: Sequence[float]) -> float:
    """Where the two asymptotic bounds meet: W* = (Z + Σ_k D_k) / max_k D_k workers keep the busiest server busy.

    With more of them, some must wait. Below W* a few may wait too, if they happen to come at the same time.

    Source: Denning & Buzen 1978, on bottlenecks; Lazowska 1984, section 5.2.
    Shapes: think_time Z and demands D_k in seconds -> workers, a number of at least 1; inf without a demand.

    >>> saturation_point(0.9, [0.1, 0.05])
    10.5
    """
    busiest = max(demands, default=0)
    return (think_time + sum(demands)) / busiest if busiest else math.inf


def mean_staleness(workers: Numbers, held: Numbers, lap: Numbers) -> Numbers:
    """Mean staleness: in the `held` seconds h between reading θ and changing it, others make (W - 1) h / R updates.

    It is Little's law. A worker updates once in a lap of R seconds, so the W - 1 others together make (W - 1) / R
    updates a second. Who is busy with nothing else has h = R, and W - 1 is the largest mean that there can be.

    Source: Little 1961, L = λ W, with the rate λ = (W - 1) / R of the others and the time h.
    Shapes: workers W, held h and lap R, in the same unit: numbers, or arrays of one shape -> the same, in updates.
    Raises: ValueError if the shapes differ.

    >>> mean_staleness(16, held=0.3, lap=0.5), mean_staleness(1, held=0.3, lap=0.5)
    (9.0, 0.0)
    """
    same_shape(workers=workers, held=held, lap=lap)
    return (workers - 1) * held / lap


def delay_bound(delay: int) -> float:
    """Largest step αλ that is stable with gradients τ updates late: 2 sin( π / (2(2τ+1)) ).

    With the objective ½ λ w^2, late gradients make w_{k+1} = w_k - αλ w_{k-τ}. It converges to 0 for αλ between 0 and
    the bound, where the largest roots of z^{τ+1} - z^τ + αλ = 0 reach the unit circle.

    Source: Levin & May 1976, who write it 2 cos( τπ / (2τ+1) ); the lecture derives it.
    Shapes: delay τ, in updates -> the largest αλ, a number between 0 and 2.

    >>> [round(delay_bound(delay), 4) for delay in (0, 1, 4)]
    [2.0, 1.0, 0.3473]
    """
    return 2 * math.sin(math.pi / (2 * (2 * delay + 1)))


# Optimisers -----------------------------------------------------------------------------------------------------------


def rmsprop(gradient: Tensor, square: Tensor, decay: float, eps: float) -> tuple[Tensor, Tensor]:
    """RMSProp: g ← α g + (1 - α) Δθ^2, and the step Δθ / √(g + ε), to be multiplied by the learning rate.

    Source: A3C 2016, section 4. Its ε is inside the root.
    Shapes: gradient Δθ and square g `[D]`; decay α and eps ε numbers -> the step `[D]`, the next g `[D]`.
    Raises: ValueError if the shapes differ.

    >>> [x.item() for x in rmsprop(torch.tensor([2.0]), torch.tensor([0.0]), decay=0.75, eps=0.0)]
    [2.0, 1.0]
    """
    same_shape(gradient=gradient, square=square)
    square = decay * square + (1 - decay) * gradient**2
    return gradient / (square + eps).sqrt(), square


def adam(
    gradient: Tensor, mean: Tensor, square: Tensor, count: int, betas: tuple[float, float], eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Adam: m ← β_1 m + (1 - β_1) g, v ← β_2 v + (1 - β_2) g^2, and the step m^ / (√v^ + ε).

    Both averages begin at 0 and are corrected for it: m^ = m / (1 - β_1^t), v^ = v / (1 - β_2^t). The step is still to
    be multiplied by the learning rate.

    Source: Kingma & Ba 2015, algorithm 1.
    Shapes: gradient g, mean m, square v `[D]`; count t a number, 1 in the first step -> the step `[D]`, the next m and
        v `[D]`.
    Raises: ValueError if the shapes differ.

    >>> [round(x.item(), 4) for x in adam(torch.tensor([2.0]), *torch.zeros(2, 1), 1, betas=(0.9, 0.99), eps=0.0)]
    [1.0, 0.2, 0.04]
    """
    same_shape(gradient=gradient, mean=mean, square=square)
    mean = betas[0] * mean + (1 - betas[0]) * gradient
    square = betas[1] * square + (1 - betas[1]) * gradient**2
    unbiased_mean, unbiased_square = mean / (1 - betas[0] ** count), square / (1 - betas[1] ** count)
    return unbiased_mean / (unbiased_square.sqrt() + eps), mean, square


# Importance sampling ------------------------------------------------------------------------------------------------

LARGEST_LOG_RATIO = 20.0  # e^20 is 5e8: a larger ratio says nothing more, and an infinite one would end the run


def ratio(log_probs: Tensor, old_log_probs: Tensor) -> Tensor:
    """Importance weight of a sample: p(x) / q(x); in PPO r_t(θ) = π(a|s; θ) / π(a|s; θ').

    Source: PPO 2017, below eq. 5.
    Shapes: both `[B]`, where leading axes may be missing -> `[B]`, above 0, and at most e^20 so that it stays finite.
    Raises: ValueError if the last axes differ.

    >>> ratio(torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.25)])).tolist()
    [2.0]
    """
    same_shape(log_probs=log_probs, old_log_probs=old_log_probs, leading=True)
    return (log_probs - old_log_probs).clip(max=LARGEST_LOG_RATIO).exp()


def effective_sample_size(weights: Array) -> Numbers:
    """How many samples from p itself would be as good as these weighted ones: (Σ w_i)^2 / Σ w_i^2.

    Source: Kong 1992, for weights that are normalised.
    Shapes: weights `[..., n]` -> `[...]`, in samples, between 1 and n.

    >>> effective_sample_size(np.array([1.0, 1.0, 1.0, 1.0])), effective_sample_size(np.array([1.0, 0.0, 0.0, 0.0]))
    (np.float64(4.0), np.float64(1.0))
    """
    return weights.sum(-1) ** 2 / (weights**2).sum(-1)


# Trust regions and PPO ----------------------------------------------------------------------------------------------


def surrogate(ratio: Numbers, advantages: Numbers) -> Numbers:
    """The surrogate J^{θ'}(θ), per sample: r_t(θ) A_t. Its gradient at θ = θ' is the policy gradient.

    Source: TRPO 2015, eq. 14, which has Q instead of A; PPO 2017, eq. 6 (L^CPI).
    Shapes: both `[B]`, where leading axes may be missing -> `[B]`, to be maximised.
    Raises: ValueError if the last axes differ.

    >>> surrogate(torch.tensor([1.5]), torch.tensor([-2.0])).tolist()
    [-3.0]
    """
    same_shape(ratio=ratio, advantages=advantages, leading=True)
    return ratio * advantages


def clipped_surrogate(ratio: Tensor, advantages: Numbers, clip_coef: float) -> Tensor:
    """PPO2's pessimistic surrogate: min( r A, clip(r, 1 - ε, 1 + ε) A ).

    Its gradient is 0 where r > 1 + ε and A > 0, and where r < 1 - ε and A < 0.

    Source: PPO 2017, eq. 7.
    Shapes: ratio r and advantages A `[B]`, clip_coef ε a number -> `[B]`, to be maximised. A grid of ratios `[K, B]`
        may also come with a column of advantages `[K, 1]`, one for each row.
    Raises: ValueError if the shapes differ in any other way.

    >>> clipped_surrogate(torch.tensor([1.5, 1.5]), torch.tensor([2.0, -2.0]), 0.2).tolist()
    [2.4000000953674316, -3.0]
    """
    if ratio.shape != getattr(advantages, "shape", None) != (*ratio.shape[:-1], 1):  # neither the same nor a column
        same_shape(ratio=ratio, advantages=advantages)
    clipped = ratio.clip(1 - clip_coef, 1 + clip_coef)
    return torch.minimum(ratio * advantages, clipped * advantages)


def dead_samples(ratio: Array, advantages: Array, clip_coef: float) -> Array:
    """Which samples of the clipped surrogate have no gradient: [ r > 1 + ε and A > 0, or r < 1 - ε and A < 0 ].

    They have moved far enough, as their advantage asks. A sample beyond 1 ± ε on the other side has a gradient, and it
    pulls it back.

    Source: PPO 2017, figure 1, where the curves are flat.
    Shapes: ratio r and advantages A `[B]`, clip_coef ε a number -> booleans `[B]`.
    Raises: ValueError if the shapes differ.

    >>> dead_samples(torch.tensor([1.5, 1.5, 1.0, 0.5]), torch.tensor([2.0, -2.0, 2.0, -1.0]), 0.2).tolist()
    [True, False, False, True]
    """
    same_shape(ratio=ratio, advantages=advantages)
    return ((ratio > 1 + clip_coef) & (advantages > 0)) | ((ratio < 1 - clip_coef) & (advantages < 0))


def kl_penalized_surrogate(ratio: Numbers, advantages: Numbers, kl: Numbers, kl_coef: Numbers) -> Numbers:
    """PPO's penalised surrogate: r A - β KL(π_old || π).

    Source: PPO 2017, eq. 8; the lecture's J_PPO.
    Shapes: ratio r, advantages A and kl `[B]`; kl_coef β a number, or `[K, 1]` for K of them at once -> `[B]` or
        `[K, B]`, to be maximised.
    Raises: ValueError if the shapes of the first three differ, or kl_coef is an array that is no column.

    >>> kl_penalized_surrogate(torch.tensor([1.5]), torch.tensor([2.0]), torch.tensor([0.1]), 10.0).tolist()
    [2.0]
    """
    same_shape(ratio=ratio, advantages=advantages, kl=kl)
    if getattr(kl_coef, "shape", ()):
        same_shape(kl_coef=kl_coef, **{"a column": (kl_coef.shape[0], 1)})
    return ratio * advantages - kl_coef * kl


def adapt_kl_coef(kl_coef: float, kl: float, kl_min: float, kl_max: float, factor: float = 2.0) -> float:
    """The next β: times `factor` if the last update went too far, kl > KL_max; divided by it if kl < KL_min.

    Source: the lecture's rule. PPO 2017, section 4, is the case KL_min = d/1.5, KL_max = 1.5 d.
    Shapes: numbers -> a number. The three KLs are in nats.

    >>> [adapt_kl_coef(1.0, kl, kl_min=0.01, kl_max=0.03) for kl in (0.001, 0.02, 0.1)]
    [0.5, 1.0, 2.0]
    """
    if kl > kl_max:
        return kl_coef * factor
    if kl < kl_min:
        return kl_coef / factor
    return kl_coef


def kl_estimate(log_probs: Tensor, ref_log_probs: Tensor) -> Tensor:
    """KL(π || π_ref), estimated from single samples of π: k3 = q - 1 - ln q, where q = π_ref(a|s) / π(a|s).

    It has the mean of -ln q, which is the KL, but it is never negative and varies less where the two are close. Its
    gradient is another matter: with the samples held fixed, that of KL(π_ref || π).

    Source: Schulman 2020; GRPO 2024, eq. 4.
    Shapes: both `[B]`, of actions drawn from π, where leading axes may be missing -> `[B]`, in nats, at least 0.
    Raises: ValueError if the last axes differ.

    >>> kl_estimate(torch.tensor([0.0, -1.0]), torch.tensor([0.0, -2.0])).tolist()   # e^-1 - 1 + 1
    [0.0, 0.367...]
    """
    same_shape(log_probs=log_probs, ref_log_probs=ref_log_probs, leading=True)
    return ratio(ref_log_probs, log_probs) - 1 - (ref_log_probs - log_probs)


def kl_optimal_policy(ref_log_probs: Tensor, rewards: Tensor, kl_coef: float) -> Tensor:
    """The policy with the largest E[r] - β KL(π || π_ref): ln π*(x) = ln π_ref(x) + r(x) / β - ln Z.

    Z makes the probabilities add up to 1.

    Source: DPO 2023, eq. 4.
    Shapes: ref_log_probs and rewards `[A]`, one for each x there is; kl_coef β a number above 0 -> `[A]`, in nats.
    Raises: ValueError if the shapes differ, or if β is not above 0.

    >>> half = torch.tensor([0.5, 0.5]).log()   # odds of e^(ln 3) to 1
    >>> kl_optimal_policy(half, torch.tensor([math.log(3.0), 0.0]), kl_coef=1.0).exp().tolist()
    [0.75..., 0.25...]
    """
    same_shape(ref_log_probs=ref_log_probs, rewards=rewards)
    if not kl_coef > 0:
        raise ValueError(f"kl_coef={kl_coef} must be above 0: without a price of the KL there is no best policy.")
    return (ref_log_probs + rewards / kl_coef).log_softmax(-1)


def conjugate_gradient(matvec: Callable[[Tensor], Tensor], b: Tensor, iterations: int = 10) -> Tensor:
    """Conjugate gradients: x = H^-1 b for a symmetric positive definite H, from products `matvec(v)` = H v alone.

    After D iterations x is exact, up to rounding. The loop stops as soon as nothing is left to solve.

    Source: Hestenes & Stiefel 1952; TRPO 2015, appendix C.
    Shapes: b `[D]`, matvec `[D]` -> `[D]` -> x `[D]`.
    Raises: ValueError if matvec returns another shape than it is given, or if b or a product is not finite.

    >>> H = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    >>> conjugate_gradient(lambda v: H @ v, torch.tensor([2.0, 8.0])).tolist()
    [1.0, 2.0]
    """
    x, residual, direction = torch.zeros_like(b), b.clone(), b.clone()
    remaining = start = residual @ residual
    for _ in range(iterations):
        if remaining <= 1e-10 * start:
            break
        product = matvec(direction)
        same_shape(**{"matvec(b)": product, "b": b.shape})
        length = remaining / (direction @ product)
        x = x + length * direction
        residual = residual - length * product
        before, remaining = remaining, residual @ residual
        direction = residual + remaining / before * direction
    if not remaining.isfinite():  # NaN and infinity stay in it from step to step
        raise ValueError(
            f"The residual of H x = b has the length {remaining.sqrt()}; b must be finite and H positive definite."
        )
    return x


def trust_region_step(direction: Tensor, fisher_direction: Tensor, max_kl: float) -> Tensor:
    """How far to go along x until the quadratic model of the KL is δ: sqrt( 2δ / x^T H x ).

    Source: TRPO 2015, appendix C.
    Shapes: direction x and fisher_direction H x `[D]`, max_kl δ a number, in nats -> a number; 0 where x is 0.
    Raises: ValueError if the shapes differ.

    >>> float(trust_region_step(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.0]), 0.01))
    0.1...
    """
    same_shape(direction=direction, fisher_direction=fisher_direction)
    curvature = direction @ fisher_direction
    return (2 * max_kl / curvature).sqrt() if curvature > 0 else torch.zeros(())


# Shapes -------------------------------------------------------------------------------------------------------------


def same_shape(*, leading: bool = False, **arrays: Numbers | tuple[int, ...]) -> None:
    """Refuse arrays whose shapes differ, because a `[B]` and a `[B, 1]` would become a `[B, B]`.

    A plain number goes with every shape. A tuple is not an array but the shape that the others must have.

    Shapes: any. With `leading`, only the last axes must agree: `[B]` goes with `[K, B]`, where it stands for all K.
    Raises: ValueError, in one sentence that names the arrays, their shapes and the cure; also for a list, which NumPy
        would stretch and compare with 0 as a whole.

    >>> same_shape(values=torch.zeros(3), returns=torch.zeros(3, 1))
    Traceback (most recent call last):
        ...
    ValueError: values [3] and returns [3, 1] must have the same shape; drop the last axis of returns with .squeeze(-1).
    """
    every = [getattr(array, "shape", array) for array in arrays.values()]
    if every.count(every[0]) == len(every):
        return
    for name, array in arrays.items():
        if isinstance(array, list):
            raise ValueError(f"{name} must be an array or a number, and is a list; give np.array({name}).")
    asked = [array for array in arrays.values() if isinstance(array, tuple)]
    # Plain numbers have no shape. What is asked for counts even if it is ().
    shapes = {name: shape for name, shape in zip(arrays, every) if isinstance(shape, tuple) and (shape or () in asked)}
    if len(set(shapes.values())) < 2:
        return

    def fit(one, other):
        return one == other or leading and (one[-len(other) :] == other or other[-len(one) :] == one)

    def misfits(right):
        return [name for name, shape in shapes.items() if not fit(shape, right)]

    longest = max(shapes.values(), key=len)
    if not misfits(longest):
        return

    usual = max(shapes.values(), key=lambda shape: (every.count(shape), shape[-1:] != (1,), -len(shape)))
    right = next(right for right in (*asked, usual, longest) if misfits(right))
    name, axes = misfits(right)[0], "last axes" if leading else "shape"
    if shapes[name][-1:] == (1,) and fit(shapes[name][:-1], right):
        cure = f"drop the last axis of {name} with .squeeze(-1)"
    elif fit((*shapes[name], 1), right):
        cure = f"give {name} a last axis with [..., None]"
    else:
        cure = f"give {name} the {axes} {list(right)}"
    *names, last = [f"{name} {list(shape)}" for name, shape in shapes.items()]
    raise ValueError(f"{', '.join(names)} and {last} must have the same {axes}; {cure}.")
