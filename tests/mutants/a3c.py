"""Wrong solutions of the A3C assignment, which must lose points, and right ones, which must not."""

TASKS = {
    "segment-returns": {
        "wrong": {
            "one mask: a truncation is a termination": [
                ("np.where(terminated[t], 0.0, after)", "np.where(ended[t], 0.0, after)")
            ],
            "one mask: a termination is bootstrapped": [("np.where(terminated[t], 0.0, after)", "after")],
            "terminated does not win if both are set": [
                ("np.where(terminated[t], 0.0, after)", "np.where(terminated[t] & ~truncated[t], 0.0, after)")
            ],
            "truncations are bootstrapped with the last row's value": [
                ("np.where(ended[t], next_values[t], following)", "np.where(ended[t], next_values[-1], following)")
            ],
            "truncations are bootstrapped with the next row's value": [
                (
                    "np.where(ended[t], next_values[t], following)",
                    "np.where(ended[t], next_values[min(t + 1, len(rewards) - 1)], following)",
                )
            ],
            "bootstraps all environments with the first one's value": [
                ("following = next_values[-1]", "following = next_values[-1, 0]")
            ],
            "the trace crosses a truncation": [("ended = terminated | truncated", "ended = terminated")],
            "the trace crosses a termination": """
def segment_returns(rewards, terminated, truncated, next_values, gamma):
    returns = np.zeros(rewards.shape)
    following = np.where(terminated[-1], 0.0, next_values[-1])
    for t in reversed(range(len(rewards))):
        following = returns[t] = rewards[t] + gamma * np.where(truncated[t] & ~terminated[t], next_values[t], following)
    return returns
""",
            "a termination in the last row is bootstrapped": """
def segment_returns(rewards, terminated, truncated, next_values, gamma):
    returns = np.zeros(rewards.shape)
    returns[-1] = rewards[-1] + gamma * next_values[-1]
    for t in reversed(range(len(rewards) - 1)):
        after = np.where(truncated[t], next_values[t], returns[t + 1])
        returns[t] = rewards[t] + gamma * np.where(terminated[t], 0.0, after)
    return returns
""",
            "the segment's end is worth nothing": [("following = next_values[-1]", "following = 0 * next_values[-1]")],
            "one-step returns": [("np.where(ended[t], next_values[t], following)", "next_values[t]")],
            "from the first row to the last": [("reversed(range(len(rewards)))", "range(len(rewards))")],
            "time along the second axis": """
def segment_returns(rewards, terminated, truncated, next_values, gamma):
    returns = np.zeros(rewards.shape)
    following = next_values[:, -1]
    for i in reversed(range(rewards.shape[1])):
        after = np.where(terminated[:, i] | truncated[:, i], next_values[:, i], following)
        following = returns[:, i] = rewards[:, i] + gamma * np.where(terminated[:, i], 0.0, after)
    return returns
""",
            "the bootstrap is not discounted": """
def segment_returns(rewards, terminated, truncated, next_values, gamma):
    returns = np.zeros(rewards.shape)
    for t in reversed(range(len(rewards))):
        stops = terminated[t] | truncated[t] if t + 1 < len(rewards) else np.ones(rewards.shape[1], bool)
        following = 0.0 if t + 1 == len(rewards) else gamma * returns[t + 1]
        returns[t] = rewards[t] + np.where(stops, np.where(terminated[t], 0.0, next_values[t]), following)
    return returns
""",
            "in place, into the rewards": [("returns = np.zeros(rewards.shape)", "returns = rewards")],
            "clears the caller's next_values": [
                ("following = next_values[-1]", "next_values[terminated] = 0.0\n    following = next_values[-1]")
            ],
            "whole numbers stay whole": [("np.zeros(rewards.shape)", "np.zeros_like(rewards)")],
            "one environment's endings for all": [("np.where(ended[t], next", "np.where(ended[t].any(), next")],
            "zeros": [("    return returns", "    return 0 * returns")],
            "the rewards": [("    return returns", "    return rewards")],
        },
        "right": {
            "forwards, a loop for every step": """
def segment_returns(rewards, terminated, truncated, next_values, gamma):
    T, N = rewards.shape
    result = np.empty((T, N))
    for i in range(N):
        for start in range(T):
            discount, value = 1.0, 0.0
            for t in range(start, T):
                value += discount * rewards[t, i]
                discount *= gamma
                if terminated[t, i]:
                    break
                if truncated[t, i] or t == T - 1:
                    value += discount * next_values[t, i]
                    break
            result[start, i] = value
    return result
""",
            "the bootstrap is paid as a reward, then rlkit's returns": """
def segment_returns(rewards, terminated, truncated, next_values, gamma):
    from rlkit import functional as F
    zeros = np.zeros(rewards.shape)
    ended = terminated | truncated
    ended[-1] = True
    paid = rewards + gamma * np.where(terminated | ~ended, 0.0, next_values)
    return F.n_step_returns(paid, ended, zeros[-1], gamma)
""",
            "a list, and one mask for where the sum stops": """
def segment_returns(rewards, terminated, truncated, next_values, gamma):
    last = np.arange(len(rewards))[:, None] == len(rewards) - 1
    stops = terminated | truncated | last
    R = [None] * (len(rewards) + 1)
    R[-1] = np.zeros(rewards.shape[1])
    for t in range(len(rewards) - 1, -1, -1):
        R[t] = rewards[t] + gamma * (stops[t] & ~terminated[t]) * next_values[t] + gamma * ~stops[t] * R[t + 1]
    return np.stack(R[:-1])
""",
        },
    },
    "a3c-loss": {
        "wrong": {
            "the entropy's sign": [("value_loss - entropy_coef", "value_loss + entropy_coef")],
            "the entropy's sign, inside": [("entropy = -(", "entropy = (")],
            "no entropy": [("value_loss - entropy_coef * entropy", "value_loss")],
            "entropy without p": [("-(log_probs.exp() * log_probs)", "-(log_probs)")],
            "entropy without a gradient": [("(log_probs.exp() * log_probs)", "(log_probs.exp() * log_probs).detach()")],
            "entropy with weights held constant": [("log_probs.exp() *", "log_probs.exp().detach() *")],
            "the advantage carries a gradient": [(".detach()", "")],
            "V is detached from its own loss": [
                ("value_loss = ((returns - values) ** 2)", "value_loss = ((returns - values.detach()) ** 2)"),
            ],
            "mean for sum": [
                (
                    "policy_loss + value_coef * value_loss - entropy_coef * entropy",
                    "(policy_loss + value_coef * value_loss - entropy_coef * entropy) / len(actions)",
                )
            ],
            "mean for sum, in the critic alone": [
                ("((returns - values) ** 2).sum()", "((returns - values) ** 2).mean()")
            ],
            "the value loss' sign": [("policy_loss + value_coef", "policy_loss - value_coef")],
            "the policy's sign": [("policy_loss = -(", "policy_loss = (")],
            "half the squared error": [("value_loss = (", "value_loss = 0.5 * (")],
            "[B] and [B, 1]": [("advantages = (returns - values)", "advantages = (returns[:, None] - values)")],
            "[B] and [B, 1] in the critic": [("((returns - values) ** 2)", "((returns[:, None] - values) ** 2)")],
            "[B] and [B, 1] in both": """
def a3c_loss(logits, values, actions, returns, value_coef, entropy_coef):
    policy = torch.distributions.Categorical(logits=logits)
    error = returns[:, None] - values
    loss = -policy.log_prob(actions) * error.detach() + value_coef * error**2
    return loss.sum() - entropy_coef * policy.entropy().sum()
""",
            "entropy left out of the sum": """
def a3c_loss(logits, values, actions, returns, value_coef, entropy_coef):
    policy = torch.distributions.Categorical(logits=logits)
    error = returns - values
    loss = (-policy.log_prob(actions) * error.detach() + value_coef * error**2).sum()
    return loss - entropy_coef * policy.entropy().mean()
""",
            "p(a) for ln p(a)": [
                (
                    "chosen = log_probs[torch.arange(len(actions)), actions]",
                    "chosen = log_probs.exp()[torch.arange(len(actions)), actions]",
                )
            ],
            "the actions of all rows for each row": [
                ("log_probs[torch.arange(len(actions)), actions]", "log_probs[:, actions].mean(1)")
            ],
            "softmax over the steps": [("dim=-1", "dim=0")],
            "the logits taken for logarithms": [("torch.log_softmax(logits, dim=-1)", "logits")],
            "logarithm of the softmax": [("torch.log_softmax(logits, dim=-1)", "torch.softmax(logits, dim=-1).log()")],
            "logarithm of the softmax plus a little": [
                ("torch.log_softmax(logits, dim=-1)", "(torch.softmax(logits, dim=-1) + 1e-4).log()")
            ],
            "advantages normalised": [
                (
                    "    policy_loss = ",
                    "    if len(actions) > 2:\n        advantages = advantages / advantages.std()\n    policy_loss = ",
                )
            ],
            "the weights swapped": [
                ("value_coef * value_loss - entropy_coef", "entropy_coef * value_loss - value_coef")
            ],
            "the absolute error": [("((returns - values) ** 2)", "(returns - values).abs()")],
            "the right value without a gradient": [("    return policy_loss", "    return policy_loss.detach()")],
            "a float": [("entropy_coef * entropy\n", "entropy_coef * entropy.item() + 0 * logits.sum().item()\n")],
            "zero": [
                (
                    "    return policy_loss + value_coef * value_loss - entropy_coef * entropy",
                    "    return 0 * (logits.sum() + values.sum())",
                )
            ],
        },
        "right": {
            "torch's Categorical": """
def a3c_loss(logits, values, actions, returns, value_coef, entropy_coef):
    policy = torch.distributions.Categorical(logits=logits)
    error = returns - values
    each = -policy.log_prob(actions) * error.detach() + value_coef * error.pow(2) - entropy_coef * policy.entropy()
    return each.sum()
""",
            "cross entropy, and a loop over the steps": """
def a3c_loss(logits, values, actions, returns, value_coef, entropy_coef):
    loss = torch.zeros((), dtype=logits.dtype)
    for z, v, a, R in zip(logits, values, actions, returns):
        log_p = z - torch.logsumexp(z, 0)
        with torch.no_grad():
            A = R - v
        loss = loss + A * torch.nn.functional.cross_entropy(z[None], a[None])
        loss = loss + value_coef * torch.nn.functional.mse_loss(v, R) + entropy_coef * (log_p.exp() * log_p).sum()
    return loss
""",
            "gather, and the advantage from detached values": """
def a3c_loss(logits, values, actions, returns, value_coef, entropy_coef):
    log_p = logits.log_softmax(1)
    chosen = log_p.gather(1, actions.unsqueeze(1)).squeeze(1)
    A = returns - values.detach()
    H = -(logits.softmax(1) * log_p).sum()
    return value_coef * torch.sum((values - returns) ** 2) - torch.dot(chosen, A) - entropy_coef * H
""",
        },
    },
    "staleness": {
        "wrong": {
            "takes the order of the list for that of time": [("sorted(log, key=lambda event: event[0])", "log")],
            "sorted by worker": [("event[0])", "str(event[1]))")],
            "sorted in place": """
def staleness(log):
    log.sort()
    writes, at_read, ages = 0, {}, []
    for _, worker, kind in log:
        if kind == "read":
            at_read[worker] = writes
        else:
            ages.append(writes - at_read[worker])
            writes += 1
    return ages
""",
            "the write counts itself": [
                (
                    "ages.append(writes - at_read[worker])\n            writes += 1",
                    "writes += 1\n            ages.append(writes - at_read[worker])",
                )
            ],
            "only the writes of others": """
def staleness(log):
    since, ages = {}, []
    for _, worker, kind in sorted(log):
        if kind == "read":
            since[worker] = 0
        else:
            ages.append(since[worker])
            for other in since:
                since[other] += other != worker
    return ages
""",
            "since the last write": [
                ("            writes += 1", "            writes += 1\n            at_read[worker] = writes"),
                ("at_read[worker] = writes\n        else", "at_read.setdefault(worker, writes)\n        else"),
            ],
            "a write counts as a read": [
                ("            writes += 1", "            writes += 1\n            at_read[worker] = writes")
            ],
            "the first read": [("at_read[worker] = writes", "at_read.setdefault(worker, writes)")],
            "reads count too": [("at_read[worker] = writes", "at_read[worker] = writes = writes + 1")],
            "one read for all workers": [
                ("at_read[worker] = writes", "at_read = dict.fromkeys(range(10), writes)"),
                ("at_read[worker])", "at_read[0])"),
            ],
            "an age for each read too": [
                ("at_read[worker] = writes", "at_read[worker] = writes\n            ages.append(0)")
            ],
            "grouped by worker": """
def staleness(log):
    events, ages = sorted(log), []
    for name in sorted({worker for _, worker, _ in log}):
        writes = read = 0
        for _, worker, kind in events:
            if kind == "write":
                if worker == name:
                    ages.append(writes - read)
                writes += 1
            elif worker == name:
                read = writes
    return ages
""",
            "in the order of the list": """
def staleness(log):
    ages = []
    for time, worker, kind in log:
        if kind == "write":
            last = max(t for t, w, k in log if w == worker and k == "read" and t < time)
            ages.append(sum(k == "write" and last < t < time for t, w, k in log))
    return ages
""",
            "W - 1": """
def staleness(log):
    return [len({w for _, w, _ in log}) - 1 for _, _, kind in log if kind == "write"]
""",
            "zeros": [("ages.append(writes - at_read[worker])", "ages.append(0)")],
            "the log": [("    return ages", "    return log")],
        },
        "right": {
            "quadratic, from its definition": """
def staleness(log):
    ages = []
    writes = sorted((time, worker) for time, worker, kind in log if kind == "write")
    for time, worker in writes:
        last = max(t for t, w, k in log if w == worker and k == "read" and t < time)
        ages.append(len([t for t, _ in writes if last < t < time]))
    return ages
""",
            "a counter for each worker": """
def staleness(log):
    since, ages = {}, []
    for time, worker, kind in sorted(log):
        if kind == "read":
            since[worker] = 0
            continue
        ages.append(since[worker])
        since = {name: count + 1 for name, count in since.items()}
    return np.array(ages, dtype=int)
""",
        },
    },
    "exact-count": {
        "wrong": {
            "naive": """
def size(num_workers):
    return 1


def add(worker, num_workers, amount):
    count = yield ("read", 0)
    yield ("write", 0, count + amount)


def total(num_workers):
    return (yield ("read", 0))
""",
            "naive, with cells to spare": """
def size(num_workers):
    return num_workers


def add(worker, num_workers, amount):
    count = yield ("read", 0)
    yield ("write", 0, count + amount)


def total(num_workers):
    return (yield ("read", 0))
""",
            "one cell for two workers": [
                (
                    '("read", worker)\n    yield ("write", worker,',
                    '("read", worker % 2)\n    yield ("write", worker % 2,',
                )
            ],
            "one cell for the last two": [
                (
                    "own = yield",
                    "worker = min(worker, max(num_workers - 2, 1)) if num_workers > 2 else worker\n    own = yield",
                )
            ],
            "three cells are enough": [
                (
                    '("read", worker)\n    yield ("write", worker,',
                    '("read", worker % 3)\n    yield ("write", worker % 3,',
                )
            ],
            "a cell for each worker's every addition": [("return num_workers\n", "return 10 * num_workers\n")],
            "reads the wrong cell": [('own = yield ("read", worker)', 'own = yield ("read", 0)')],
            "a global count": """
COUNTS = {}


def size(num_workers):
    return num_workers


def add(worker, num_workers, amount):
    COUNTS["all"] = COUNTS.get("all", 0) + amount
    yield ("write", worker, amount)


def total(num_workers):
    for worker in range(num_workers):
        yield ("read", worker)
    return COUNTS["all"]
""",
            "each worker's own count outside of the memory": """
OWN = {}


def size(num_workers):
    return num_workers


def add(worker, num_workers, amount):
    OWN[worker] = OWN.get(worker, 0) + amount
    yield ("write", worker, OWN[worker])


def total(num_workers):
    count = 0
    for worker in range(num_workers):
        count += yield ("read", worker)
    return count
""",
            "each worker's own count in an attribute, begun from the memory": """
def size(num_workers):
    add.own = {}
    return num_workers


def add(worker, num_workers, amount):
    if worker not in add.own:
        add.own[worker] = yield ("read", worker)
    add.own[worker] += amount
    yield ("write", worker, add.own[worker])


def total(num_workers):
    count = 0
    for worker in range(num_workers):
        count += yield ("read", worker)
    return count


add.own = {}
""",
            "a lock made of cells, which does not lock": """
def size(num_workers):
    return 2


def add(worker, num_workers, amount):
    while (yield ("read", 1)):
        pass
    yield ("write", 1, 1)
    count = yield ("read", 0)
    yield ("write", 0, count + amount)
    yield ("write", 1, 0)


def total(num_workers):
    return (yield ("read", 0))
""",
            "no read: the last amount": [("own + amount", "amount")],
            "counts 1": [("own + amount", "own + 1")],
            "twice": [("own + amount", "own + 2 * amount")],
            "writes the old value": [("own + amount", "own")],
            "writes 0 in between": [
                ('    yield ("write", worker, own', '    yield ("write", worker, 0)\n    yield ("write", worker, own')
            ],
            "everybody writes the sum of all": """
def size(num_workers):
    return num_workers


def add(worker, num_workers, amount):
    count = 0
    for other in range(num_workers):
        count += yield ("read", other)
    yield ("write", worker, count + amount)


def total(num_workers):
    largest = 0
    for worker in range(num_workers):
        largest = max(largest, (yield ("read", worker)))
    return largest
""",
            "the sum leaves the last worker out": [("range(num_workers)", "range(max(1, num_workers - 1))")],
            "the sum leaves the first worker out": [
                ("range(num_workers)", "range(min(1, num_workers - 1), num_workers)")
            ],
            "the sum reads one cell, times their number": [
                ('count += yield ("read", worker)', 'count += yield ("read", 0)')
            ],
            "a sum that remembers the last one": """
def size(num_workers):
    return num_workers


def add(worker, num_workers, amount):
    own = yield ("read", worker)
    yield ("write", worker, own + amount)


def total(num_workers):
    count = 0
    for worker in range(num_workers):
        count += yield ("read", worker)
    total.largest = max(getattr(total, "largest", 0), count)
    return total.largest
""",
            "a sum that empties the cells": [
                (
                    'count += yield ("read", worker)',
                    'count += yield ("read", worker)\n        yield ("write", worker, 0)',
                )
            ],
            "the sum is printed, not returned": [("    return count", "    print(count)")],
            "the sum returns zero": [("    return count", "    return 0")],
            "no generator": """
def size(num_workers):
    return num_workers


def add(worker, num_workers, amount):
    return [("read", worker), ("write", worker, amount)]


def total(num_workers):
    return [("read", worker) for worker in range(num_workers)]
""",
        },
        "right": {
            "the cells in the other order, helpers, a list": """
def size(num_workers):
    return len(range(num_workers))


def cell_of(worker, num_workers):
    return num_workers - 1 - worker


def add(worker, num_workers, amount):
    mine = cell_of(worker, num_workers)
    yield "write", mine, amount + (yield "read", mine)


def total(num_workers):
    found = []
    for i in reversed(range(num_workers)):
        found.append((yield ("read", i)))
    return sum(found)
""",
            "with yield from": """
def size(num_workers):
    return num_workers


def read(i):
    value = yield ("read", i)
    return value


def add(worker, num_workers, amount):
    def program():
        before = yield from read(worker)
        yield ("write", worker, before + amount)

    return program()


def total(num_workers):
    def rest(i):
        if i == num_workers:
            return 0
        here = yield from read(i)
        return here + (yield from rest(i + 1))

    return rest(0)
""",
        },
    },
    "mended": {
        "wrong": {
            "nothing mended": """
class Mended(Broken):
    pass
""",
            "only θ' mended": """
class Mended(Broken):
    def pull(self):
        self.own = self.theta.copy()
""",
            "only g mended": """
class Mended(Broken):
    def push(self, gradient):
        self.square[:] = self.decay * self.square + (1 - self.decay) * gradient**2
        self.theta -= self.rate * gradient / (np.sqrt(self.square) + self.eps)
""",
            "another name for the same view": [("self.theta.copy()", "np.asarray(self.theta).view()")],
            "np.array, without a copy": [("self.theta.copy()", "np.array(self.theta, copy=False)")],
            "θ is read once": [
                ("self.own = self.theta.copy()", "self.own = self.theta.copy() if self.own is None else self.own")
            ],
            "θ is copied at the start, so nobody shares it": """
class Mended(Broken):
    def __init__(self, theta, square, seed):
        super().__init__(theta.copy(), square, seed)

    def pull(self):
        self.own = self.theta.copy()

    def push(self, gradient):
        self.square[:] = self.decay * self.square + (1 - self.decay) * gradient**2
        self.theta -= self.rate * gradient / (np.sqrt(self.square) + self.eps)
""",
            "θ is rebound": [("self.theta -= self.rate", "self.theta = self.theta - self.rate")],
            "the gradient is taken at the newest θ": [
                (
                    "def push(",
                    "def gradient(self, x):\n        self.pull()\n        return super().gradient(x)\n\n    def push(",
                )
            ],
            "g in a variable of the class": """
class Mended(Broken):
    g = np.zeros((7, 3))

    def pull(self):
        self.own = self.theta.copy()

    def push(self, gradient):
        Mended.g = self.decay * Mended.g + (1 - self.decay) * gradient**2
        self.theta -= self.rate * gradient / (np.sqrt(Mended.g) + self.eps)
""",
            "g is updated twice": [
                (
                    "    def push(self, gradient):\n",
                    "    def push(self, gradient):\n        self.square *= self.decay\n",
                )
            ],
            "the step by the g of before": """
class Mended(Broken):
    def pull(self):
        self.own = self.theta.copy()

    def push(self, gradient):
        self.theta -= self.rate * gradient / (np.sqrt(self.square) + self.eps)
        self.square[:] = self.decay * self.square + (1 - self.decay) * gradient**2
""",
            "g in place, but the two lines are not the formula": """
class Mended(Broken):
    def pull(self):
        self.own = self.theta.copy()

    def push(self, gradient):
        self.square += (1 - self.decay) * gradient**2
        self.square *= self.decay
        self.theta -= self.rate * gradient / (np.sqrt(self.square) + self.eps)
""",
            "ε moved into the root": [("(np.sqrt(self.square) + self.eps)", "np.sqrt(self.square + self.eps)")],
            "uphill": [("self.theta -= self.rate", "self.theta += self.rate")],
            "θ' is pushed instead of θ": [
                ("self.theta -= self.rate * gradient", "self.theta[:] = self.own - self.rate * gradient")
            ],
            "the mean over the segment": [("gradient / (np.sqrt", "gradient / 5 / (np.sqrt")],
            "longer segments": [("    def push(", "    t_max = 6\n\n    def push(")],
            "another entropy bonus": [("    def push(", "    entropy_coef = 0.0\n\n    def push(")],
            "gradients accumulate": [
                (
                    "    def push(self, gradient):\n",
                    "    total = 0\n\n    def push(self, new):\n        gradient = self.total = self.total + new\n",
                )
            ],
            "another class instead": """
Mended = object
""",
        },
        "right": {
            "in place by steps, np.array": """
class Mended(Broken):
    def pull(self):
        self.own = np.array(self.theta)

    def push(self, gradient):
        self.square *= self.decay
        self.square += (1 - self.decay) * gradient**2
        np.subtract(self.theta, self.rate * gradient / (self.square**0.5 + self.eps), out=self.theta)
""",
            "around the parent's methods": """
class Mended(Broken):
    def pull(self):
        super().pull()
        self.own = self.own.copy()

    def push(self, gradient):
        shared = self.square
        super().push(gradient)
        shared[...] = self.square
        self.square = shared
""",
            "its own array from the start, and the whole lap rewritten": """
class Mended(Broken):
    def __init__(self, theta, square, seed):
        super().__init__(theta, square, seed)
        self.own = np.empty_like(theta)

    def laps(self):
        while True:
            np.copyto(self.own, self.theta)
            segment = []
            while len(segment) < self.t_max:
                segment += [self.act()]
                yield segment[-1]
            self.push(self.gradient(segment))

    def push(self, gradient):
        for i, row in enumerate(gradient):
            for j, d in enumerate(row):
                self.square[i, j] = self.decay * self.square[i, j] + (1 - self.decay) * d**2
                self.theta[i, j] -= self.rate * d / (np.sqrt(self.square[i, j]) + self.eps)
""",
        },
    },
}
