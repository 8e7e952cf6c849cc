"""Wrong solutions of the DQN assignment, which must lose points, and right ones, which must not."""

TASKS = {
    "td-targets": {
        "wrong": {
            "bootstraps at a termination": [("np.where(terminated, 0.0, next_q.max(axis=1))", "next_q.max(axis=1)")],
            "one mask: a truncation counts as a termination": [("np.where(terminated,", "np.where(ended,")],
            "resets are learned from": [("np.concatenate([[True], ~ended[:-1]])", "np.ones(len(ended), bool)")],
            "the ending is dropped, not the reset": [("np.concatenate([[True], ~ended[:-1]])", "~ended")],
            "only resets after a termination are left out": [("~ended[:-1]", "~terminated[:-1]")],
            "maximum over time": [("next_q.max(axis=1)", "next_q.max(axis=0)[0]")],
            "mean for maximum": [("next_q.max(axis=1)", "next_q.mean(axis=1)")],
            "the best action, not its value": [("next_q.max(axis=1)", "next_q.argmax(axis=1)")],
            "no discount": [("gamma * np.where", "np.where")],
            "wrong sign": [("rewards + gamma", "rewards - gamma")],
            "the next row's value is shifted by one": [("next_q.max(axis=1)", "np.roll(next_q.max(axis=1), -1)")],
            "adds into the rewards it was given": [
                (
                    "targets = rewards + gamma * np.where(terminated, 0.0, next_q.max(axis=1))",
                    "rewards += gamma * np.where(terminated, 0.0, next_q.max(axis=1)); targets = rewards",
                ),
            ],
            "memorised the visible case": """
def td_targets(rewards, terminated, truncated, next_q, gamma):
    return [0, 1, 2, 4, 5], [6.0, 12.0, 3.0, 30.0, 36.0]
""",
            "returns the rewards": """
def td_targets(rewards, terminated, truncated, next_q, gamma):
    return np.arange(len(rewards)), rewards
""",
        },
        "right": {
            "a loop": """
def td_targets(rewards, terminated, truncated, next_q, gamma):
    rows, targets, skip = [], [], False
    for t, reward in enumerate(rewards):
        if skip:
            skip = False
            continue
        rows.append(t)
        targets.append(reward if terminated[t] else reward + gamma * max(next_q[t]))
        skip = terminated[t] or truncated[t]
    return rows, targets
""",
            "with rlkit and torch": """
import rlkit.functional as F

def td_targets(rewards, terminated, truncated, next_q, gamma):
    tensor = torch.from_numpy
    y = F.td_target(tensor(rewards), F.max_q(tensor(next_q)), tensor(terminated), gamma)
    reset = np.roll(np.logical_or(terminated, truncated), 1)
    reset[0] = False
    return torch.from_numpy(np.where(~reset)[0]), y[~tensor(reset)]
""",
        },
    },
    "biases": {
        "wrong": {
            "maximum of both": [("second[draws, first.argmax(axis=1)]", "second.max(axis=1)")],
            "second chooses, first is asked": [
                ("second[draws, first.argmax(axis=1)]", "first[draws, second.argmax(axis=1)]")
            ],
            "looks up its own choice": [("second[draws, first.argmax(axis=1)]", "first[draws, first.argmax(axis=1)]")],
            "maximum over the draws": [("first.max(axis=1)", "first.max(axis=0)")],
            "nothing is subtracted": [
                ("claimed.mean() - q.max(), asked.mean() - q.max()", "claimed.mean(), asked.mean()")
            ],
            "the mean value is subtracted": [
                (
                    "claimed.mean() - q.max(), asked.mean() - q.max()",
                    "claimed.mean() - q.mean(), asked.mean() - q.mean()",
                ),
            ],
            "squared: the sign is lost": [
                (
                    "claimed.mean() - q.max(), asked.mean() - q.max()",
                    "np.abs(claimed.mean() - q.max()), np.abs(asked.mean() - q.max())",
                ),
            ],
            "the chosen action's own true value": [
                ("asked.mean() - q.max()", "(asked - q[first.argmax(axis=1)]).mean()")
            ],
            "zeros": "def biases(first, second, q): return 0.0, 0.0",
        },
        "right": {
            "take_along_axis": """
def biases(first, second, q):
    choice = np.argmax(first, 1)[:, None]
    one = np.take_along_axis(first, choice, 1).mean()
    return np.array([one, np.take_along_axis(second, choice, 1).mean()]) - max(q)
""",
            "a loop": """
def biases(first, second, q):
    n = len(first)
    return (sum(max(row) for row in first) / n - max(q),
            sum(other[list(row).index(max(row))] for row, other in zip(first, second)) / n - max(q))
""",
        },
    },
    "double-targets": {
        "wrong": {
            "DQN: the target network chooses too": [("q_online.argmax(", "q_target.argmax(")],
            "roles exchanged": [("q_online.argmax(", "q_target.argmax("), ("q_target.detach()", "q_online.detach()")],
            "the target network is not asked": [("q_target.detach()", "q_online.detach()")],
            "bootstraps at a termination": [(".masked_fill(terminated, 0.0)", "")],
            "the mask upside down": [("masked_fill(terminated,", "masked_fill(~terminated,")],
            "not detached": [("q_target.detach()", "q_target")],
            "[B] plus [B, 1]": [(".squeeze(1)", "")],
            "maximum over the batch": [("argmax(dim=1, keepdim=True)", "argmax(dim=0, keepdim=True)")],
            "smaller of the two maxima": """
def double_targets(rewards, terminated, q_online, q_target, gamma):
    q = torch.minimum(q_online.max(1).values, q_target.max(1).values).detach()
    return rewards + gamma * q * ~terminated
""",
            "adds into the rewards it was given": [
                ("return rewards + gamma *", "rewards += gamma *"),
                ("masked_fill(terminated, 0.0)", "masked_fill(terminated, 0.0)\n    return rewards"),
            ],
            "the rewards alone": "def double_targets(rewards, terminated, q_online, q_target, gamma): return rewards",
        },
        "right": {
            "indexing": """
def double_targets(rewards, terminated, q_online, q_target, gamma):
    with torch.no_grad():
        return rewards + gamma * (1 - terminated.float()) * q_target[torch.arange(len(rewards)), q_online.max(1)[1]]
""",
            "one-hot": """
def double_targets(rewards, terminated, q_online, q_target, gamma):
    mask = torch.nn.functional.one_hot(q_online.argmax(-1), q_online.shape[-1])
    y = torch.where(terminated, rewards, rewards + gamma * (mask * q_target).sum(-1))
    return y.detach()
""",
        },
    },
    "frozen-copy": {
        "wrong": {
            "alias": [("copy.deepcopy(network)", "network")],
            "shallow copy": [("copy.deepcopy(network)", "copy.copy(network)")],
            "renewed at every update": [("self.updates % self.period == 0", "True")],
            "never renewed": [("self.updates % self.period == 0", "False")],
            "one update late": [
                ("self.updates % self.period == 0", "(self.updates - 1) % self.period == 0 and self.updates > 1")
            ],
            "renewed at the first update": [
                ("self.updates % self.period == 0", "self.updates % self.period == 1 % self.period")
            ],
            "copied the wrong way": [
                (
                    "self.frozen.load_state_dict(self.network.state_dict())",
                    "self.network.load_state_dict(self.frozen.state_dict())",
                ),
            ],
            "becomes an alias at the first renewal": [
                ("self.frozen.load_state_dict(self.network.state_dict())", "self.frozen = self.network"),
            ],
            "parameters become shared": [
                (
                    "self.frozen.load_state_dict(self.network.state_dict())",
                    "for p, q in zip(self.frozen.parameters(), self.network.parameters()): p.data = q.data",
                ),
            ],
            "parameters without buffers": [
                (
                    "self.frozen.load_state_dict(self.network.state_dict())",
                    "for p, q in zip(self.frozen.parameters(), self.network.parameters()): p.data.copy_(q.data)",
                ),
            ],
            "a slow average": [
                (
                    "self.frozen.load_state_dict(self.network.state_dict())",
                    "for p, q in zip(self.frozen.parameters(), self.network.parameters()): p.data.lerp_(q.data, 0.5)",
                ),
            ],
            "counts questions": [
                ("with torch.no_grad():", "self.updates += 1\n        with torch.no_grad():"),
            ],
            "with gradient": [("with torch.no_grad():", "if True:")],
            "the first answer for every question": [
                (
                    "return self.frozen(obs)",
                    "self.held = getattr(self, 'held', self.frozen(obs))\n            return self.held",
                ),
                ("self.updates += 1", "self.updates += 1; self.__dict__.pop('held', None)"),
            ],
            "one copy for all": [
                ("self.frozen = copy.deepcopy(network)", "FrozenCopy.frozen = copy.deepcopy(network)")
            ],
            "renewed by the next question": [
                ("self.frozen.load_state_dict(self.network.state_dict())", "self.due = True"),
                (
                    "with torch.no_grad():",
                    "if getattr(self, 'due', False):\n            self.frozen.load_state_dict(self.network.state_dict())\n            self.due = False\n        with torch.no_grad():",
                ),
            ],
            "freezes the network itself": [
                ("self.frozen = copy.deepcopy(network)", "self.frozen = copy.deepcopy(network.requires_grad_(False))"),
            ],
        },
        "right": {
            "a state dict, cloned": """
class FrozenCopy:
    def __init__(self, network, period):
        self.network, self.left, self.period = network, period, period
        self.keep()
    def keep(self):
        self.held = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
    def __call__(self, obs):
        return torch.func.functional_call(self.network, self.held, (obs,)).detach()
    def updated(self):
        self.left -= 1
        if not self.left:
            self.keep()
            self.left = self.period
""",
            "a new copy each time": """
class FrozenCopy:
    def __init__(self, network, period):
        self.network, self.period, self.count = network, period, 0
        self.copy = copy.deepcopy(network).requires_grad_(False)
    @torch.no_grad()
    def __call__(self, obs):
        return self.copy(obs)
    def updated(self):
        self.count = (self.count + 1) % self.period
        if self.count == 0:
            self.copy = copy.deepcopy(self.network).requires_grad_(False)
""",
        },
    },
    "prioritized-draw": {
        "wrong": {
            "uniform draws": [
                ("rng.random(size) * edges[-1]", "rng.random(size) * 0 + 0"),
                (
                    "edges = probabilities.cumsum()",
                    "edges = np.array([0.5]); return (lambda i: (i, np.ones(size)))(rng.choice(np.flatnonzero(drawable), size))",
                ),
            ],
            "α is missing": [("** alpha * drawable", "* drawable")],
            "β is missing": [("** -beta", "** -1.0")],
            "weights upside down": [("** -beta", "** beta")],
            "weights not divided by the largest": [("weights / weights.max()", "weights")],
            "weights divided by their sum": [("weights / weights.max()", "weights / weights.sum()")],
            "divided by the largest of the whole memory": [
                ("weights / weights.max()", "weights / ((drawable.sum() * probabilities[drawable]) ** -beta).max()"),
            ],
            "weights from priorities, without α": [
                ("(drawable.sum() * probabilities[indices])", "(priorities[indices] / priorities.sum())"),
            ],
            "an empty slot is drawn at α = 0": [
                ("** alpha * drawable", "** alpha"),
                ("np.where(drawable, priorities, 1.0)", "priorities"),
            ],
            "off by one": [('side="right")', 'side="right") - 1')],
            "the first can never be drawn": [('side="right")', 'side="right").clip(1)')],
            "without replacement": [
                (
                    'indices = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")',
                    "order = np.argsort(-rng.random(len(priorities)) ** (1 / np.maximum(probabilities, 1e-300)))\n    indices = np.resize(order[: drawable.sum()], size)",
                ),
            ],
            "the largest, always": [
                (
                    'indices = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")',
                    "indices = np.full(size, priorities.argmax())",
                ),
            ],
            "changes the priorities": [
                ("drawable = priorities > 0", "drawable = priorities > 0; priorities /= priorities.sum()")
            ],
            "the same seed every time": [("rng.random(size)", "np.random.default_rng(0).random(size)")],
            "the generator's copy": [("rng.random(size)", "copy.deepcopy(rng).random(size)")],
            "without replacement where that is possible": [
                (
                    'indices = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")',
                    "indices = rng.choice(len(priorities), size, replace=size > drawable.sum(), p=probabilities)",
                ),
            ],
            "whole numbers stay whole": [
                (
                    "weights = (drawable.sum()",
                    "weights = np.zeros_like(priorities)[indices]\n    weights[:] = (drawable.sum()",
                )
            ],
            "global random numbers": [("rng.random(size)", "np.random.rand(size)")],
            "a softmax": [
                (
                    "shares = np.where(drawable, priorities, 1.0) ** alpha * drawable",
                    "shares = np.exp(alpha * priorities) * drawable",
                ),
            ],
        },
        "right": {
            "rng.choice": """
def prioritized_draw(priorities, size, alpha, beta, rng):
    slots = np.flatnonzero(priorities)
    P = priorities[slots] ** alpha
    P = P / P.sum()
    drawn = rng.choice(len(slots), size=size, p=P)
    w = (1 / (len(slots) * P[drawn])) ** beta
    return slots[drawn], w / max(w)
""",
            "Gumbel's maxima": """
def prioritized_draw(priorities, size, alpha, beta, rng):
    with np.errstate(divide="ignore"):
        logits = np.where(priorities > 0, alpha * np.log(priorities.clip(1e-300)), -np.inf)
    drawn = [int(np.argmax(logits + rng.gumbel(size=len(logits)))) for _ in range(size)]
    weights = np.exp(-beta * logits[drawn])
    return drawn, weights / weights.max()
""",
            "stratified, as in the paper's appendix": """
def prioritized_draw(priorities, size, alpha, beta, rng):
    p = np.array([x**alpha if x else 0.0 for x in priorities])
    u = rng.permutation((np.arange(size) + rng.random(size)) / size) * p.sum()
    drawn = np.minimum(np.searchsorted(np.cumsum(p), u, side="right"), np.flatnonzero(p)[-1])
    w = p[drawn] ** -beta
    return drawn, w / w.max()
""",
        },
    },
    "mended": {
        "wrong": {
            "only the discount": [("            if truncated:\n                break\n", "")],
            "only the truncation": [("self.gamma ** (k + 1)", "self.gamma")],
            "n discounts, however many rewards were summed": [("self.gamma ** (k + 1)", "self.gamma ** self.n")],
            "one discount too few": [("self.gamma ** (k + 1)", "self.gamma**k")],
            "a truncation as a termination": [
                (
                    "            if terminated:\n                return total\n            if truncated:\n                break\n",
                    "            if terminated or truncated:\n                return total\n",
                )
            ],
            "a termination as a truncation": [
                (
                    "                return total\n            if truncated:\n                break\n",
                    "                break\n            if truncated:\n                break\n",
                )
            ],
            "n is 1 now": [("def target_of(self, row):", "n = 1\n\n    def target_of(self, row):")],
            "the online table is asked": [("self.target[after]", "self.q[after]")],
            "bootstraps from the state of the row after": [
                ("self.target[after]", "self.target[self.memory[min(row + k + 1, len(self.memory) - 1)][0]]")
            ],
            "acts at random": [
                (
                    "def target_of(self, row):",
                    "def act(self, state): return int(self.rng.integers(2))\n\n    def target_of(self, row):",
                ),
                ("self.gamma ** (k + 1)", "self.gamma ** (k + 1)"),
            ],
            "forgets its policy": [
                ("def target_of(self, row):", "def update(self): pass\n\n    def target_of(self, row):")
            ],
            "the alias comes on top": [
                (
                    "def target_of(self, row):",
                    "def update(self):\n        self.target = self.q\n        super().update()\n\n    def target_of(self, row):",
                )
            ],
            "another learning rate": [
                ("def target_of(self, row):", "learning_rate = 0.5\n\n    def target_of(self, row):")
            ],
            "another period": [("def target_of(self, row):", "period = 1\n\n    def target_of(self, row):")],
            "nothing is mended": "class Mended(Broken): pass",
            "zero": "class Mended(Broken):\n    def target_of(self, row): return 0.0",
        },
        "right": {
            "backwards": """
class Mended(Broken):
    def target_of(self, row):
        steps = []
        for step in self.memory[row : row + self.n]:
            steps.append(step)
            if step[4] or step[5]:
                break
        after, terminated = steps[-1][3:5]
        value = 0.0 if terminated else max(self.target[after])
        for step in reversed(steps):
            value = step[2] + self.gamma * value
        return value
""",
            "recursion": """
class Mended(Broken):
    def target_of(self, row, left=None):
        left = self.n if left is None else left
        _, _, reward, after, terminated, truncated, _ = self.memory[row]
        if terminated:
            return reward
        future = self.target[after].max() if truncated or left == 1 else self.target_of(row + 1, left - 1)
        return reward + self.gamma * future
""",
        },
    },
}
