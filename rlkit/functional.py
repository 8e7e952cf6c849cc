"""Every equation of the lectures, once, as a small pure function.

A function returns what its paper writes: elementwise, not negated, not averaged. Whoever calls it reduces and
signs, so the same function is asserted in a chapter, drawn in a figure and trained with.

Letters in shapes: T steps in time, N environments side by side, B samples in a batch, S states, A actions.
Recursions over time take and return NumPy arrays `[T, N]`; whatever is differentiated is a torch tensor `[B, ...]`;
plain arithmetic takes either. Two masks, never one: `terminated` (the task is over, the future is worth 0) kills
the bootstrap; `ended = terminated | truncated` (the data stops here) cuts a sum over time.

Sources, by the names used below:
    Sutton & Barto    Reinforcement Learning: An Introduction, 2nd edition, 2018
    Baird 1995        Residual Algorithms: Reinforcement Learning with Function Approximation
    DQN 2013, 2015    Mnih et al., Playing Atari with Deep RL; Human-level Control through Deep RL (Nature)
    Double 2016       van Hasselt, Guez, Silver, Deep RL with Double Q-learning
    Dueling 2016      Wang et al., Dueling Network Architectures for Deep RL
    A3C 2016          Mnih et al., Asynchronous Methods for Deep RL
    PER 2016          Schaul et al., Prioritized Experience Replay
"""

import numpy as np
import torch

# Exact values: what an algorithm would find if it knew the MDP ------------------------------------------------------


def bellman_expectation(values, policy, transition, reward, gamma):
    """Bellman expectation backup: (T^π V)(s) = Σ_a π(a|s) [ R(s,a) + γ Σ_s' P(s'|s,a) V(s') ].

    Sutton & Barto, eq. 4.4. values `[S]`, policy `[S, A]`, transition `[S, A, S]`, reward `[S, A]` -> `[S]`.

    >>> one_state = dict(policy=np.array([[1.0]]), transition=np.array([[[1.0]]]), reward=np.array([[1.0]]))
    >>> float(bellman_expectation(np.array([10.0]), gamma=0.9, **one_state)[0])   # 1 + 0.9 * 10: a fixed point
    10.0
    """
    return (policy * action_values(values, transition, reward, gamma)).sum(-1)


def action_values(values, transition, reward, gamma):
    """Action values from state values: Q(s,a) = R(s,a) + γ Σ_s' P(s'|s,a) V(s').

    Sutton & Barto, eq. 4.6. values `[S]`, transition `[S, A, S]`, reward `[S, A]` -> `[S, A]`.

    >>> action_values(np.array([4.0]), np.array([[[1.0], [1.0]]]), np.array([[0.0, 1.0]]), 0.5).tolist()
    [[2.0, 3.0]]
    """
    return reward + gamma * transition @ values


def policy_values(policy, transition, reward, gamma):
    """The value of a policy, exactly: V^π = (I - γ P^π)^-1 R^π, the fixed point of `bellman_expectation`.

    Sutton & Barto, section 4.1. policy `[S, A]`, transition `[S, A, S]`, reward `[S, A]` -> `[S]`. Needs γ < 1 or
    a policy that surely ends; otherwise the matrix is singular and `LinAlgError` is raised.

    >>> policy_values(np.array([[1.0]]), np.array([[[1.0]]]), np.array([[1.0]]), 0.9).round(6).tolist()
    [10.0]
    """
    transition_pi = np.einsum("sa,sat->st", policy, transition)
    reward_pi = (policy * reward).sum(-1)
    return np.linalg.solve(np.eye(len(reward_pi)) - gamma * transition_pi, reward_pi)


def bellman_optimality(q, transition, reward, gamma):
    """Bellman optimality backup: (T* Q)(s,a) = R(s,a) + γ Σ_s' P(s'|s,a) max_a' Q(s',a').

    Sutton & Barto, eq. 4.2. q `[S, A]`, transition `[S, A, S]`, reward `[S, A]` -> `[S, A]`.

    >>> bellman_optimality(np.array([[2.0, 4.0]]), np.array([[[1.0], [1.0]]]), np.array([[0.0, 1.0]]), 0.5).tolist()
    [[2.0, 3.0]]
    """
    return action_values(q.max(-1), transition, reward, gamma)


# Estimating values --------------------------------------------------------------------------------------------------


def value_error(true_values, values, state_weights):
    """Mean squared value error: J(w) = E_s[ (V^π(s) - v(s,w))^2 ] = Σ_s μ(s) (V^π(s) - v(s,w))^2.

    Sutton & Barto, eq. 9.1. All three `[..., S]`; `state_weights` μ sums to 1 -> `[...]`.

    >>> float(value_error(np.array([1.0, 3.0]), np.array([0.0, 1.0]), np.array([0.5, 0.5])))
    2.5
    """
    return (state_weights * (true_values - values) ** 2).sum(-1)


def n_step_returns(rewards, ended, bootstrap, gamma):
    """Returns, summed backwards: R_t = r_t + γ (1 - ended_t) R_{t+1}, with R_T = bootstrap.

    A3C 2016, algorithm S3. With a bootstrap of 0 and an episode that ends inside the array this is the
    Monte-Carlo return. rewards, ended `[T, N]`, bootstrap `[N]` (the value of the state after the last row) ->
    `[T, N]`.

    >>> n_step_returns(np.array([[1.0], [1.0], [1.0]]), np.array([[0], [1], [0]]), np.array([8.0]), 0.5).T.tolist()
    [[1.5, 1.0, 5.0]]
    """
    returns = np.empty_like(rewards, dtype=np.result_type(rewards, np.float32))
    following = bootstrap
    for t in reversed(range(len(rewards))):
        following = returns[t] = rewards[t] + gamma * (ended[t] == 0) * following
    return returns


def semi_gradient(td_error, gradient):
    """Semi-gradient of -½ δ^2: δ ∇v(s,w), the target held constant.

    Sutton & Barto, eq. 9.7 with the TD target in place of U_t. td_error δ `[B, 1]` or a number, gradient ∇v(s,w)
    `[B, D]` -> the ascent direction `[B, D]`.

    >>> semi_gradient(2.0, np.array([1.0, 0.0])).tolist()
    [2.0, 0.0]
    """
    return td_error * gradient


def residual_gradient(td_error, gradient, next_gradient, gamma):
    """Full gradient of -½ δ^2: δ (∇v(s,w) - γ ∇v(s',w)), the target differentiated too.

    Baird 1995, section 4. td_error δ `[B, 1]` or a number, both gradients `[B, D]` -> the ascent direction `[B, D]`.

    >>> residual_gradient(2.0, np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.5).tolist()
    [2.0, -1.0]
    """
    return td_error * (gradient - gamma * next_gradient)


# Q-learning with deep networks --------------------------------------------------------------------------------------


def max_q(q_target):
    """DQN's value of the next state, one network selects and evaluates: max_a' Q(s',a'; w_T).

    DQN 2015, algorithm 1. q_target `[B, A]` -> `[B]`.

    >>> max_q(torch.tensor([[1.0, 3.0, 2.0]])).tolist()
    [3.0]
    """
    return torch.as_tensor(q_target).amax(-1)


def double_q(q_online, q_target):
    """Double DQN's value of the next state: the online network selects, the target network evaluates.

    Q(s', argmax_a' Q(s',a'; w); w_T): Double 2016, eq. 4 with its section "Double DQN". q_online, q_target `[B, A]`
    -> `[B]`.

    >>> double_q(torch.tensor([[0.0, 9.0]]), torch.tensor([[5.0, 1.0]])).tolist()
    [1.0]
    """
    selected = torch.as_tensor(q_online).argmax(-1, keepdim=True)
    return torch.as_tensor(q_target).gather(-1, selected).squeeze(-1)


def td_target(rewards, next_q, terminated, gamma):
    """TD target: y = r if s' is terminal, else r + γ next_q.

    DQN 2015, algorithm 1. All `[B]`, gamma a number, or γ^n `[B]` when `rewards` is a sum over n steps. A truncated
    step is not terminal: it keeps its bootstrap.

    >>> td_target(torch.tensor([1.0, 1.0]), torch.tensor([10.0, 10.0]), torch.tensor([False, True]), 0.5).tolist()
    [6.0, 1.0]
    """
    return rewards + gamma * (terminated == 0) * next_q


def huber(error, delta=1.0):
    """Huber loss: ½ δ^2 where |δ| <= delta, else delta (|δ| - ½ delta). Its slope is δ clipped to ± delta.

    Huber 1964; the error clipping of DQN 2015, Methods. Elementwise; `delta=inf` gives the squared error ½ δ^2.

    >>> huber(torch.tensor([0.5, -3.0])).tolist()
    [0.125, 2.5]
    """
    size = abs(error)
    quadratic = size.clip(max=delta)
    return quadratic * (size - 0.5 * quadratic)


def dueling(value, advantages):
    """Dueling aggregation: Q(s,a) = V(s) + A(s,a) - 1/|A| Σ_a' A(s,a').

    Dueling 2016, eq. 9. value `[B, 1]`, advantages `[B, A]` -> `[B, A]`.

    >>> dueling(torch.tensor([[10.0]]), torch.tensor([[1.0, 3.0]])).tolist()
    [[9.0, 11.0]]
    """
    return value + advantages - advantages.mean(-1, keepdims=True)


# Acting and replaying -----------------------------------------------------------------------------------------------


def linear_schedule(step, start, end, duration):
    """A straight line from `start` at step 0 to `end` at step `duration`, and `end` from there on.

    DQN 2015, Methods (ε from 1 to 0.1 over the first million frames).

    >>> [linear_schedule(step, 1.0, 0.1, 100) for step in (0, 50, 1000)]
    [1.0, 0.55, 0.1]
    """
    return end if step >= duration else start + (end - start) * step / duration


def epsilon_greedy(q_values, epsilon):
    """The ε-greedy policy: π(a|s) = ε/|A| + (1 - ε) [a = argmax_a' Q(s,a')]. Ties go to the first.

    Sutton & Barto, section 2.2. q_values `[B, A]` (NumPy) -> probabilities `[B, A]`.

    >>> epsilon_greedy(np.array([[0.0, 1.0]]), 0.5).tolist()
    [[0.25, 0.75]]
    """
    num_actions = q_values.shape[-1]
    greedy = np.arange(num_actions) == q_values.argmax(-1)[..., None]
    return epsilon / num_actions + (1 - epsilon) * greedy


def priority_probabilities(priorities, alpha):
    """Probability of replaying transition i: P(i) = p_i^α / Σ_k p_k^α, with p_i = |δ_i| + a small constant.

    PER 2016, eq. 1. `[size]` -> `[size]`; α = 0 is uniform replay.

    >>> priority_probabilities(np.array([1.0, 3.0]), 1.0).tolist()
    [0.25, 0.75]
    """
    scaled = priorities**alpha
    return scaled / scaled.sum()


def importance_weights(probabilities, size, beta):
    """Importance weights of prioritized samples: w_i = (1/N · 1/P(i))^β / max_j w_j.

    PER 2016, section 3.4; the maximum runs over the samples given. probabilities `[B]`, size N of the replay memory,
    0 <= β <= 1 -> `[B]` in (0, 1].

    >>> importance_weights(np.array([0.25, 0.5]), size=4, beta=1.0).tolist()
    [1.0, 0.5]
    """
    weights = (size * probabilities) ** -beta
    return weights / weights.max()
