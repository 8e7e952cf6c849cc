"""What PPO costs, beside Stable-Baselines3 if that is installed. A script, not a test: it asserts nothing.

    python tests/bench/ppo.py [cartpole] [atari] [pong] [estimators] [--seeds 5] [--peer-limit 180] [--quick]

See tests/bench/dqn.py for how to read the numbers, and how to make an environment for the peer.
"""

import common  # must come before NumPy, which it limits to one thread
import numpy as np
import torch
from torch.distributions import Categorical

from rlkit import functional as F
from rlkit import preset
from rlkit.networks import ActorCritic
from rlkit.policies import Softmax
from rlkit.theta import flat_parameter

T, N, A = 128, 8, 6  # rollouts on Pong as in the paper


def lin(start):
    """The zoo's `lin_...` falls to 0 over 100 000 steps. Ours stops at a tenth, so an unsolved run can continue."""
    return lambda remaining: start * max(0.1, 1 - (1 - remaining) * common.LONGEST / 100_000)


# github.com/DLR-RM/rl-baselines3-zoo, hyperparams/ppo.yml, "CartPole-v1", "Tuned", and "atari". The latter has the
# paper's three epochs instead of four, so that both sides do the same work, and constant rates, which cost the same.
ZOO_CARTPOLE = dict(
    n_envs=8, n_steps=32, batch_size=256, gae_lambda=0.8, gamma=0.98, n_epochs=20, ent_coef=0.0,
    learning_rate=lin(1e-3), clip_range=lin(0.2),
)  # fmt: skip
PEER_ATARI = dict(
    n_steps=T, batch_size=256, n_epochs=3, learning_rate=2.5e-4, clip_range=0.1, vf_coef=0.5, ent_coef=0.01,
)  # fmt: skip


def cartpole(args):
    """CPU seconds until the last 20 training episodes of CartPole-v1 average 475; then 20 greedy episodes."""
    common.cartpole(cartpole.__doc__, ["ppo-cartpole", "ppo-kl-cartpole"], "PPO", ZOO_CARTPOLE, args)


def atari(args):
    """Agent steps per CPU second on Pong, 84 x 84, network of 2015, 8 x 128 steps, 3 epochs of batches of 256."""
    sides = {
        "ppo-atari-2017": common.our_atari(preset("ppo-atari-2017", device="cpu")),
        "SB3 CnnPolicy": common.peer_atari("PPO", N, PEER_ATARI),
    }
    rollouts, rounds = (1, 2) if args.quick else (2, 7)
    common.atari(atari.__doc__, sides, warm_up=T * N, steps=T * N * rollouts, rounds=rounds)


def pong(args):
    """Agent steps per CPU second of the small preset on Pong, as it is and as it was first; the peer has 84 x 84."""
    first = dict(num_envs=32, num_steps=64, gae_lambda=0.95, reward_ends=False, entropy_coef=0.01, entropy_steps=None)
    sides = {
        "ppo-pong-small": common.our_atari(preset("ppo-pong-small", device="cpu")),
        "as it was first": common.our_atari(preset("ppo-pong-small", device="cpu", **first)),
        "SB3 CnnPolicy, 84 x 84": common.peer_atari("PPO", N, PEER_ATARI),
    }
    common.atari(pong.__doc__, sides, warm_up=2_048, steps=2_048, rounds=2 if args.quick else 7)


def estimators(args):
    """CPU microseconds of what PPO does often, in our way and in the usual way; x: relative to ours."""
    parts = {"GAE, 128 x 8": ways_to_gae(), "128 draws of 8": ways_to_draw(), "clip and Adam": ways_to_update()}
    rows = []
    for part, calls in parts.items():
        costs = common.microseconds(calls, args.quick)
        here, *_ = costs.values()
        rows += [[part, way, f"{us:,.0f}", f"{us / here:.1f} x"] for way, us in costs.items()]
    common.table(estimators.__doc__, ["", "", "us", ""], rows)


def ways_to_gae():
    rng = np.random.default_rng(0)
    rewards, values, next_values = rng.standard_normal((3, T, N), np.float32)
    terminated = rng.random((T, N)) < 0.01
    truncated = ~terminated & (rng.random((T, N)) < 0.01)
    arrays = rewards, values, next_values, terminated, truncated
    tensors = [torch.from_numpy(array) for array in arrays]
    assert np.allclose(F.gae(*arrays, 0.99, 0.95), torch_gae(*tensors, 0.99, 0.95), atol=1e-5)
    return {"NumPy": lambda: F.gae(*arrays, 0.99, 0.95), "torch loop": lambda: torch_gae(*tensors, 0.99, 0.95)}


def torch_gae(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """`functional.gae` line by line in torch."""
    deltas = F.td_target(rewards, next_values, terminated, gamma) - values
    carry_on = gamma * gae_lambda * ~(terminated | truncated)
    advantages = torch.empty_like(deltas)
    following = torch.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        following = advantages[t] = deltas[t] + carry_on[t] * following
    return advantages


def ways_to_draw():
    """The actions of a rollout, drawn step by step, because the environments need them one by one."""
    rng, policy = np.random.default_rng(0), Softmax(A)
    logits = rng.standard_normal((T, N, A), np.float32)
    tensors = torch.from_numpy(logits)

    def gumbel_max():
        noise = policy.noise(rng, T, N)
        for t in range(T):
            policy.sample(logits[t], noise[t])

    def categorical():
        for t in range(T):
            Categorical(logits=tensors[t], validate_args=False).sample().numpy()

    return {"Gumbel-max": gumbel_max, "Categorical": categorical}


def ways_to_update():
    """The update of a CartPole network with two 64-64 bodies: as one tensor, and as a dozen."""
    return {
        "one tensor, fused": clip_and_adam(flat=True, fused=True),
        "a dozen, fused": clip_and_adam(flat=False, fused=True),
        "a dozen, torch's default": clip_and_adam(flat=False, fused=None),
    }


def clip_and_adam(flat, fused):
    parameters = list(ActorCritic((4,), Softmax(2)).parameters())
    if flat:
        parameters = [flat_parameter(parameters)]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = torch.optim.Adam(parameters, 1e-4, fused=fused)

    def update():
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()

    return update


if __name__ == "__main__":
    common.main(__doc__, cartpole, atari, pong, estimators)
