"""Every equation of the lectures, once, as a small pure function.

A function returns what its paper writes: elementwise, not negated, not averaged. Whoever calls it reduces and
signs, so the same function is asserted in a chapter, drawn in a figure and trained with.

Letters in shapes: T steps in time, N environments side by side, B samples in a batch, S states, A actions.
Recursions over time take and return NumPy arrays `[T, N]`; whatever is differentiated is a torch tensor `[B, ...]`;
plain arithmetic takes either. Two masks, never one: `terminated` (the task is over, the future is worth 0) kills
the bootstrap; `ended = terminated | truncated` (the data stops here) cuts a sum over time.

Sources, by the names used below:
    Amdahl 1967       Validity of the Single Processor Approach to Achieving Large Scale Computing Capabilities
    Sutton & Barto    Reinforcement Learning: An Introduction, 2nd edition, 2018
    Baird 1995        Residual Algorithms: Reinforcement Learning with Function Approximation
    DQN 2013, 2015    Mnih et al., Playing Atari with Deep RL; Human-level Control through Deep RL (Nature)
    Double 2016       van Hasselt, Guez, Silver, Deep RL with Double Q-learning
    Dueling 2016      Wang et al., Dueling Network Architectures for Deep RL
    A3C 2016          Mnih et al., Asynchronous Methods for Deep RL
    PER 2016          Schaul et al., Prioritized Experience Replay
    TRPO 2015         Schulman et al., Trust Region Policy Optimization
    GAE 2016          Schulman et al., High-dimensional Continuous Control using Generalized Advantage Estimation
    PPO 2017          Schulman et al., Proximal Policy Optimization Algorithms
    Greydanus 2018    Greydanus et al., Visualizing and Understanding Atari Agents
    Li 2018           Li et al., Visualizing the Loss Landscape of Neural Nets
"""

import math

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


# Policies -----------------------------------------------------------------------------------------------------------


def log_prob(logits, actions):
    """Log-probability of actions under a softmax policy: ln π(a|s) = z_a - ln Σ_a' e^{z_a'}.

    Sutton & Barto, eq. 13.2. logits z `[B, A]`, actions `[B]` (whole numbers) -> `[B]`.

    >>> log_prob(torch.tensor([[0.0, 0.0]]), torch.tensor([1])).exp().tolist()
    [0.5]
    """
    return logits.log_softmax(-1).gather(-1, actions[..., None]).squeeze(-1)


def entropy(logits):
    """Entropy of a softmax policy, in nats: H(π) = -Σ_a π(a|s) ln π(a|s).

    A3C 2016, section 4 (its bonus). logits `[B, A]` -> `[B]`, between 0 and ln A.

    >>> entropy(torch.tensor([[0.0, 0.0]])).exp().tolist()
    [2.0]
    """
    log_probs = logits.log_softmax(-1)
    return -(log_probs.exp() * log_probs).sum(-1)


def kl_divergence(old_logits, logits):
    """Kullback-Leibler divergence, the old policy first: KL(π_old || π) = Σ_a π_old(a|s) ln [ π_old(a|s) / π(a|s) ].

    PPO 2017, eq. 4; the expectation is over the policy that acted. Both `[B, A]` -> `[B]`, at least 0; in nats.

    >>> logits = torch.tensor([[0.0, math.log(3.0)]])   # ½ ln(½ / ¼) + ½ ln(½ / ¾)
    >>> kl_divergence(torch.zeros(1, 2), logits).item()
    0.1438...
    """
    old, new = old_logits.log_softmax(-1), logits.log_softmax(-1)
    return (old.exp() * (old - new)).sum(-1)


def gaussian_log_prob(mean, log_std, actions):
    """Log-density of actions under independent normals: Σ_d [ -½ ((a_d - μ_d) / σ_d)^2 - ln σ_d - ½ ln 2π ].

    Sutton & Barto, eq. 13.19. All `[B, D]` -> `[B]`.

    >>> gaussian_log_prob(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1)).item()   # -½ - ½ ln 2π
    -1.41893...
    """
    return (-0.5 * ((actions - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


def gaussian_entropy(log_std):
    """Differential entropy of independent normals: Σ_d [ ln σ_d + ½ ln 2πe ]. `[B, D]` -> `[B]`; may be below 0.

    >>> gaussian_entropy(torch.zeros(1, 1)).item()
    1.41893...
    """
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)


def gaussian_kl(old_mean, old_log_std, mean, log_std):
    """KL(π_old || π) of independent normals: Σ_d [ ln σ/σ_old + (σ_old^2 + (μ_old - μ)^2) / 2σ^2 - ½ ].

    All `[B, D]` -> `[B]`, at least 0.

    >>> zero = torch.zeros(1, 1)
    >>> gaussian_kl(zero, zero, zero + 2.0, zero).item()   # same width, means 2 apart: 2^2 / 2
    2.0
    """
    distance = (old_log_std.mul(2).exp() + (old_mean - mean) ** 2) / (2 * log_std.mul(2).exp())
    return (log_std - old_log_std + distance - 0.5).sum(-1)


# Policy gradients ---------------------------------------------------------------------------------------------------


def policy_gradient(log_probs, advantages):
    """REINFORCE's objective, whose gradient is the policy gradient: (G_t - b) ln π(a_t|s_t; θ).

    Williams 1992; Sutton & Barto, section 13.4, without the factor γ^t of its box, as in practice. Both `[B]`;
    advantages G - b are constants -> `[B]`, to be maximised.

    >>> policy_gradient(torch.tensor([-1.0, -2.0]), torch.tensor([3.0, -1.0])).tolist()
    [-3.0, 2.0]
    """
    return advantages * log_probs


def gae(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """Generalized advantage estimation: A_t = δ_t + γλ (1 - ended_t) A_{t+1}, δ_t = r_t + γ V(s_{t+1}) - V(s_t).

    GAE 2016, eq. 16; PPO 2017, eqs. 11 and 12. A terminated step has no V(s_{t+1}); a truncated one keeps it, but the
    sum stops there too. All `[T, N]`; `next_values` are those of the true next states -> `[T, N]`.

    >>> no, yes = np.zeros((2, 1), bool), np.array([[False], [True]])
    >>> ones = np.ones((2, 1))
    >>> gae(ones, 0 * ones, 4 * ones, yes & no, yes, 0.5, 1.0).T.tolist()   # 1 + ½ (1 + ½ 4) + ½ 4 - ½ 4, 1 + ½ 4
    [[4.5, 3.0]]
    """
    deltas = td_target(rewards, next_values, terminated, gamma) - values
    carry_on = gamma * gae_lambda * ~(terminated | truncated).astype(bool)
    advantages = np.empty_like(deltas)
    following = np.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        following = advantages[t] = deltas[t] + carry_on[t] * following
    return advantages


def normalize(advantages):
    """Advantages with mean 0 and standard deviation 1, as almost every implementation of PPO has them.

    `[B]` -> `[B]`. Equal advantages, or a single one, become 0.

    >>> normalize(torch.tensor([1.0, 3.0])).tolist(), normalize(torch.tensor([7.0])).tolist()
    ([-1.0, 1.0], [0.0])
    """
    exact = advantages.double()  # in single precision the rounding of equal advantages would be blown up
    return ((exact - exact.mean()) / (exact.std(correction=0) + 1e-8)).to(advantages.dtype)


def value_loss(values, returns):
    """Squared error of the critic: L^VF = (V(s_t; w) - V_t^target)^2.

    PPO 2017, below eq. 9. Both `[B]` -> `[B]`.

    >>> value_loss(torch.tensor([1.0]), torch.tensor([3.0])).tolist()
    [4.0]
    """
    return (values - returns) ** 2


def actor_critic_loss(log_probs, advantages, value_errors, entropy, value_coef, entropy_coef):
    """Total loss of an actor-critic with an entropy bonus: L = -A ln π(a|s) + λ L_V - β H(π).

    A3C 2016, algorithm S3 and section 4; the lecture's L. All `[B]`; advantages A are constants, value_errors L_V as of
    `value_loss`, λ and β numbers -> `[B]`, to be minimised.

    >>> actor_critic_loss(torch.tensor([-1.0]), 3.0, torch.tensor([4.0]), torch.tensor([0.5]), 0.5, 0.1).item()
    4.94999...
    """
    return -policy_gradient(log_probs, advantages) + value_coef * value_errors - entropy_coef * entropy


def human_normalized(score, random, human):
    """Score in percent of a human's, above random play: 100 (score - random) / (human - random).

    DQN 2015, figure 3. Numbers or arrays.

    >>> human_normalized(15.0, random=10.0, human=20.0)
    50.0
    """
    return 100 * (score - random) / (human - random)


def perturbation_saliency(outputs, perturbed):
    """Saliency of a spot: S = ½ ||f(φ) - f(φ')||^2, where φ' is the observation φ with the spot blurred.

    Greydanus 2018, eq. 2 with the logits for f, eq. 3 with V. outputs f(φ) `[K]`, perturbed f(φ') `[..., K]` ->
    `[...]`, at least 0.

    >>> perturbation_saliency(np.array([1.0, 0.0]), np.array([[1.0, 0.0], [1.0, 3.0], [-1.0, 0.0]])).tolist()
    [0.0, 4.5, 2.0]
    """
    return 0.5 * ((outputs - perturbed) ** 2).sum(-1)


# Size and speed -------------------------------------------------------------------------------------------------------


def filter_normalized(direction, weights):
    """A direction in weight space whose every filter is as long as the network's own: d_i ||w_i|| / ||d_i||.

    Li 2018, section 4. A filter i is a row of a linear layer, an output channel of a convolution; biases do not move.
    Both `[out, ...]` -> `[out, ...]`.

    >>> filter_normalized(torch.tensor([[0.0, 2.0], [3.0, 4.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]])).tolist()
    [[0.0, 5.0], [0.6..., 0.8...]]
    """
    if direction.dim() < 2:
        return torch.zeros_like(direction)
    filters = tuple(range(1, direction.dim()))
    return (
        direction
        * torch.linalg.vector_norm(weights, dim=filters, keepdim=True)
        / torch.linalg.vector_norm(direction, dim=filters, keepdim=True)
    )


def amdahl(share, factor):
    """How much faster the whole is when a `share` of its time becomes `factor` times faster: 1 / (1 - p + p/k).

    Amdahl 1967, Validity of the single processor approach to achieving large scale computing capabilities. Numbers or
    arrays; factor may be inf.

    >>> amdahl(0.5, 2.0), amdahl(0.75, float("inf"))
    (1.3333333333333333, 4.0)
    """
    return 1 / (1 - share + share / factor)


# Optimisers -----------------------------------------------------------------------------------------------------------


def rmsprop(gradient, square, decay, eps):
    """RMSProp: g ← α g + (1 - α) Δθ^2, and the step Δθ / √(g + ε), to be multiplied by the learning rate.

    A3C 2016, section 4 (its ε is inside the root). gradient Δθ and square g `[D]` -> step `[D]`, the next g `[D]`.

    >>> [x.item() for x in rmsprop(torch.tensor([2.0]), torch.tensor([0.0]), decay=0.75, eps=0.0)]
    [2.0, 1.0]
    """
    square = decay * square + (1 - decay) * gradient**2
    return gradient / (square + eps).sqrt(), square


def adam(gradient, mean, square, count, betas, eps):
    """Adam: m ← β_1 m + (1 - β_1) g, v ← β_2 v + (1 - β_2) g^2, and the step m^ / (√v^ + ε), m^ = m / (1 - β_1^t), ....

    Kingma & Ba 2015, algorithm 1. gradient g, mean m, square v `[D]`, count t = 1 for the first step -> step `[D]`, the
    next m and v `[D]`.

    >>> [round(x.item(), 4) for x in adam(torch.tensor([2.0]), *torch.zeros(2, 1), 1, betas=(0.9, 0.99), eps=0.0)]
    [1.0, 0.2, 0.04]
    """
    mean = betas[0] * mean + (1 - betas[0]) * gradient
    square = betas[1] * square + (1 - betas[1]) * gradient**2
    unbiased_mean, unbiased_square = mean / (1 - betas[0] ** count), square / (1 - betas[1] ** count)
    return unbiased_mean / (unbiased_square.sqrt() + eps), mean, square


# Importance sampling ------------------------------------------------------------------------------------------------

LARGEST_LOG_RATIO = 20.0  # e^20 is 5e8: a ratio beyond it means nothing, but as infinity it would end the run


def ratio(log_probs, old_log_probs):
    """Importance weight of a sample: p(x) / q(x); in PPO r_t(θ) = π(a|s; θ) / π(a|s; θ').

    PPO 2017, below eq. 5. Both `[B]` -> `[B]`, above 0; held at e^20 so that it stays finite.

    >>> ratio(torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.25)])).tolist()
    [2.0]
    """
    return (log_probs - old_log_probs).clip(max=LARGEST_LOG_RATIO).exp()


def effective_sample_size(weights):
    """How many samples from p itself would be as good as these weighted ones: (Σ w_i)^2 / Σ w_i^2.

    Kong 1992, for weights that are normalised. `[..., n]` -> `[...]`, between 1 and n.

    >>> effective_sample_size(np.array([1.0, 1.0, 1.0, 1.0])), effective_sample_size(np.array([1.0, 0.0, 0.0, 0.0]))
    (np.float64(4.0), np.float64(1.0))
    """
    return weights.sum(-1) ** 2 / (weights**2).sum(-1)


# Trust regions and PPO ----------------------------------------------------------------------------------------------


def surrogate(ratio, advantages):
    """The surrogate J^{θ'}(θ), per sample: r_t(θ) A_t. Its gradient at θ = θ' is the policy gradient.

    TRPO 2015, eq. 14, with Q there; PPO 2017, eq. 6 (L^CPI). Both `[B]` -> `[B]`.

    >>> surrogate(torch.tensor([1.5]), torch.tensor([-2.0])).tolist()
    [-3.0]
    """
    return ratio * advantages


def clipped_surrogate(ratio, advantages, clip_coef):
    """PPO2's pessimistic surrogate: min( r A, clip(r, 1 - ε, 1 + ε) A ).

    PPO 2017, eq. 7. Both `[B]` -> `[B]`. Its gradient is 0 where r > 1 + ε and A > 0, and where r < 1 - ε and A < 0.

    >>> clipped_surrogate(torch.tensor([1.5, 1.5]), torch.tensor([2.0, -2.0]), 0.2).tolist()
    [2.4000000953674316, -3.0]
    """
    clipped = ratio.clip(1 - clip_coef, 1 + clip_coef)
    return torch.minimum(ratio * advantages, clipped * advantages)


def kl_penalized_surrogate(ratio, advantages, kl, kl_coef):
    """PPO's penalised surrogate: r A - β KL(π_old || π).

    PPO 2017, eq. 8; the lecture's J_PPO. All `[B]`, kl_coef β a number -> `[B]`.

    >>> kl_penalized_surrogate(torch.tensor([1.5]), torch.tensor([2.0]), torch.tensor([0.1]), 10.0).tolist()
    [2.0]
    """
    return ratio * advantages - kl_coef * kl


def adapt_kl_coef(kl_coef, kl, kl_min, kl_max, factor=2.0):
    """The next β: times `factor` if the last update went too far, kl > KL_max; divided by it if kl < KL_min.

    The lecture's rule. PPO 2017, section 4, is the case KL_min = d/1.5, KL_max = 1.5 d. All numbers.

    >>> [adapt_kl_coef(1.0, kl, kl_min=0.01, kl_max=0.03) for kl in (0.001, 0.02, 0.1)]
    [0.5, 1.0, 2.0]
    """
    if kl > kl_max:
        return kl_coef * factor
    if kl < kl_min:
        return kl_coef / factor
    return kl_coef


def conjugate_gradient(matvec, b, iterations=10):
    """Solve H x = b for a symmetric positive definite H of which only products `matvec(v)` = H v are known.

    Hestenes & Stiefel 1952; TRPO 2015, appendix C. b `[D]` (torch) -> x `[D]`. Exact after D iterations but for
    rounding; stops as soon as nothing is left to solve.

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
        length = remaining / (direction @ product)
        x = x + length * direction
        residual = residual - length * product
        before, remaining = remaining, residual @ residual
        direction = residual + remaining / before * direction
    return x


def trust_region_step(direction, fisher_direction, max_kl):
    """How far to go along x until the quadratic model of the KL is δ: sqrt( 2δ / x^T H x ).

    TRPO 2015, appendix C. direction x and H x `[D]`, max_kl δ a number -> a number; 0 where x is 0.

    >>> float(trust_region_step(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.0]), 0.01))
    0.1...
    """
    curvature = direction @ fisher_direction
    return (2 * max_kl / curvature).sqrt() if curvature > 0 else torch.zeros(())
