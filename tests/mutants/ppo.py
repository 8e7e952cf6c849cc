"""Wrong solutions of the PPO assignment, which must lose points, and right ones, which must not."""

PAIRS = "zip(order.split(minibatch_size), torch.arange(len(obs)).split(minibatch_size)):"  # the shuffled positions, with the unshuffled ones

TASKS = {
    "importance-estimate": {
        "wrong": {
            "zeros": """def importance_estimate(f, log_p, log_q):
    return 0.0, 0.0, 0.0
""",
            "an input": """def importance_estimate(f, log_p, log_q):
    return f, log_p, log_q
""",
            "weights upside down": [
                ("np.asarray(log_p, dtype=float) - np.asarray(log_q, dtype=float)", "log_q - log_p")
            ],
            "self-normalised": [("return terms.mean()", "return terms.sum() / np.exp(log_w).sum()")],
            "no weights": [("np.exp(log_w) * f", "1.0 * f")],
            "a quotient of probabilities": [
                (
                    "log_w = np.asarray(log_p, dtype=float) - np.asarray(log_q, dtype=float)",
                    "log_w = np.log(np.exp(log_p) / np.exp(log_q))",
                )
            ],
            "n in the denominator": [("ddof=1", "ddof=0")],
            "deviation of one term": [(" / np.sqrt(len(terms))", "")],
            "variance of the mean": [("terms.std(ddof=1) / np.sqrt(len(terms))", "terms.var(ddof=1) / len(terms)")],
            "error of the plain mean": [("terms.std(ddof=1)", "f.std(ddof=1)")],
            "ess from underflown weights": [("np.exp(log_w - log_w.max())", "np.exp(log_w)")],
            "ess of the terms": [("scaled = np.exp(log_w - log_w.max())", "scaled = terms")],
            "ess upside down": [("scaled.sum() ** 2 / (scaled**2).sum()", "(scaled**2).sum() / scaled.sum() ** 2")],
            "ess is n": [("scaled.sum() ** 2 / (scaled**2).sum()", "len(terms)")],
            "weights limited at e^20": [("terms = np.exp(log_w) * f", "terms = np.exp(log_w.clip(max=20)) * f")],
            "estimate from scaled weights": [
                ("return terms.mean()", "return (np.exp(log_w - log_w.max()) * f).mean()")
            ],
            "changes log_p": """def importance_estimate(f, log_p, log_q):
    log_p -= log_q
    terms = np.exp(log_p) * f
    scaled = np.exp(log_p - log_p.max())
    return terms.mean(), terms.std(ddof=1) / np.sqrt(len(terms)), scaled.sum() ** 2 / (scaled**2).sum()
""",
            "rlkit's functions as they are": """def importance_estimate(f, log_p, log_q):
    w = F.ratio(torch.tensor(log_p), torch.tensor(log_q)).numpy()
    return (w * f).mean(), (w * f).std(ddof=1) / np.sqrt(len(f)), F.effective_sample_size(w)
""",
        },
        "right": {
            "plain Python": """import math
def importance_estimate(f, log_p, log_q):
    differences = [a - b for a, b in zip(log_p, log_q)]
    n, top = len(differences), max(differences)
    terms = [math.exp(d) * y for d, y in zip(differences, f)]
    mean = sum(terms) / n
    error = math.sqrt(sum((t - mean) ** 2 for t in terms) / (n - 1) / n)
    share = [math.exp(d - top) for d in differences]
    return mean, error, sum(share) ** 2 / sum(x * x for x in share)
""",
            "torch": """def importance_estimate(f, log_p, log_q):
    f, log_p, log_q = (torch.as_tensor(x, dtype=torch.float64) for x in (f, log_p, log_q))
    log_w = log_p - log_q
    terms = f * log_w.exp()
    ess = 1 / log_w.softmax(0).square().sum()
    return [terms.mean(), terms.std() / len(f) ** 0.5, ess]
""",
        },
    },
    "kl": {
        "wrong": {
            "zeros": """def kl(old_logits, logits):
    return np.zeros(len(logits))
""",
            "an input": """def kl(old_logits, logits):
    return old_logits[:, 0]
""",
            "new first": [("for z in (old_logits, logits))", "for z in (logits, old_logits))")],
            "negative": [("return (np.exp(old)", "return -(np.exp(old)")],
            "mean over actions": [(".sum(axis=1)", ".mean(axis=1)")],
            "both directions": """def kl(old_logits, logits):
    old, new = (torch.tensor(z) for z in (old_logits, logits))
    return (F.kl_divergence(old, new) + F.kl_divergence(new, old)) / 2
""",
            "softmax, then logarithm": """def kl(old_logits, logits):
    p, q = (np.exp(z) / np.exp(z).sum(1, keepdims=True) for z in (old_logits, logits))
    return np.where(p > 0, p * np.log(p / q), 0).sum(1)
""",
            "shifted softmax, then logarithm": """def kl(old_logits, logits):
    p, q = (np.exp(z - z.max(1, keepdims=True)) for z in (old_logits, logits))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    return np.where(p > 0, p * np.log(p / q), 0).sum(1)
""",
            "small number against ln 0": """def kl(old_logits, logits):
    p, q = (np.exp(z - z.max(1, keepdims=True)) for z in (old_logits, logits))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    return (p * np.log((p + 1e-8) / (q + 1e-8))).sum(1)
""",
            "rlkit's as it is": """def kl(old_logits, logits):
    return F.kl_divergence(torch.tensor(old_logits), torch.tensor(logits)).numpy()
""",
            "nan becomes 0 and inf a large number": """def kl(old_logits, logits):
    old, new = (torch.tensor(z).log_softmax(1) for z in (old_logits, logits))
    return torch.nan_to_num(old.exp() * (old - new)).sum(1)
""",
            "what the new policy forbids is left out too": [
                ("possible = np.exp(old) > 0", "possible = (np.exp(old) > 0) & (new > -np.inf)")
            ],
            "not normalised": [
                ("(z - np.logaddexp.reduce(z, axis=1, keepdims=True) for z in", "(np.asarray(z) for z in")
            ],
            "cross-entropy": [("np.where(possible, old, 0.0) - ", "-")],
            "changes the logits": """def kl(old_logits, logits):
    for z in (old_logits, logits):
        z -= np.logaddexp.reduce(z, axis=1, keepdims=True)
    possible = old_logits > -np.inf
    return (np.exp(old_logits) * (np.where(possible, old_logits, 0) - np.where(possible, logits, 0))).sum(1)
""",
        },
        "right": {
            "torch": """def kl(old_logits, logits):
    old, new = (torch.as_tensor(z, dtype=torch.float64).log_softmax(-1) for z in (old_logits, logits))
    p = old.exp()
    return torch.where(torch.isinf(old), torch.zeros_like(p), p * (old - new)).sum(-1)
""",
            "a loop": """import math
def kl(old_logits, logits):
    def logs(row):
        top = max(row)
        return [x - top - math.log(sum(math.exp(y - top) for y in row)) for x in row]
    result = []
    for before, after in zip(old_logits, logits):
        result.append(sum(math.exp(a) * (a - b) for a, b in zip(logs(before), logs(after)) if math.exp(a) > 0))
    return result
""",
        },
    },
    "hold-kl": {
        "wrong": {
            "zeros": """def hold_kl(step_kl, beta, kl_min, kl_max, iterations, factor=2.0):
    return np.zeros(iterations), np.zeros(iterations)
""",
            "the price is never moved": """def hold_kl(step_kl, beta, kl_min, kl_max, iterations, factor=2.0):
    return np.full(iterations, beta), np.array([step_kl(beta) for _ in range(iterations)])
""",
            "the wrong way round": [
                ("beta = beta * factor", "beta = beta / factor"),
                ("beta = beta / factor\n    return", "beta = beta * factor\n    return"),
            ],
            "never lowered": [("        elif distance < kl_min:\n            beta = beta / factor\n", "")],
            "never raised": [("if distance > kl_max", "if False")],
            "edges count as outside, above": [("distance > kl_max", "distance >= kl_max")],
            "edges count as outside, below": [("distance < kl_min", "distance <= kl_min")],
            "prices after the change": [
                ("        betas.append(beta)\n", ""),
                (
                    "            beta = beta / factor\n",
                    "            beta = beta / factor\n        betas.append(beta)\n",
                ),
            ],
            "two updates a round": [("kls.append(distance)", "kls.append(step_kl(beta))")],
            "factor is always 2": [("beta * factor", "beta * 2"), ("beta / factor", "beta / 2")],
            "whole numbers stay whole": """def hold_kl(step_kl, beta, kl_min, kl_max, iterations, factor=2.0):
    betas, kls = np.full(iterations, beta), np.zeros(iterations)
    for k in range(iterations):
        kls[k] = step_kl(betas[k])
        if k + 1 < iterations:
            betas[k + 1] = F.adapt_kl_coef(betas[k], kls[k], kl_min, kl_max, factor)
    return betas, kls
""",
            "stops when it is within the band": [
                (
                    "        if distance > kl_max:",
                    "        if kl_min <= distance <= kl_max:\n            break\n        if distance > kl_max:",
                )
            ],
            "always from the first price": [("beta = beta * factor", "beta = betas[0] * factor")],
        },
        "right": {
            "rlkit's rule": """def hold_kl(step_kl, beta, kl_min, kl_max, iterations, factor=2.0):
    betas, kls = np.zeros(iterations), np.zeros(iterations)
    for k in range(iterations):
        betas[k], kls[k] = beta, step_kl(beta)
        beta = F.adapt_kl_coef(beta, kls[k], kl_min, kl_max, factor)
    return betas, kls
""",
            "powers of the factor": """def hold_kl(step_kl, beta, kl_min, kl_max, iterations, factor=2.0):
    powers, kls = [0], []
    for _ in range(iterations):
        kls.append(step_kl(beta * factor ** powers[-1]))
        powers.append(powers[-1] + (kls[-1] > kl_max) - (kls[-1] < kl_min))
    return [beta * float(factor) ** k for k in powers[:-1]], kls
""",
        },
    },
    "clipped-objective": {
        "wrong": {
            "zeros": """def clipped_objective(log_probs, old_log_probs, advantages, clip_coef):
    return 0 * log_probs
""",
            "an input": """def clipped_objective(log_probs, old_log_probs, advantages, clip_coef):
    return log_probs
""",
            "no min": [
                (
                    "torch.minimum(r * a, r.clip(1 - clip_coef, 1 + clip_coef) * a)",
                    "r.clip(1 - clip_coef, 1 + clip_coef) * a",
                )
            ],
            "max": [("torch.minimum", "torch.maximum")],
            "no clip": [("r.clip(1 - clip_coef, 1 + clip_coef) * a", "r * a")],
            "ratio upside down": [("log_probs - old_log_probs.detach()", "old_log_probs.detach() - log_probs")],
            "a loss": [("return torch.minimum", "return -torch.minimum")],
            "clip of r A": [
                ("r.clip(1 - clip_coef, 1 + clip_coef) * a)", "(r * a).clip(1 - clip_coef, 1 + clip_coef))")
            ],
            "min before the advantage": [
                (
                    "torch.minimum(r * a, r.clip(1 - clip_coef, 1 + clip_coef) * a)",
                    "torch.minimum(r, r.clip(1 - clip_coef, 1 + clip_coef)) * a",
                )
            ],
            "clip above only": [("r.clip(1 - clip_coef, 1 + clip_coef)", "r.clip(max=1 + clip_coef)")],
            "band from 1/(1 + ε)": [("1 - clip_coef", "1 / (1 + clip_coef)")],
            "band of ε in the logarithm": [
                (
                    "r.clip(1 - clip_coef, 1 + clip_coef)",
                    "(log_probs - old_log_probs.detach()).clip(-clip_coef, clip_coef).exp()",
                )
            ],
            "difference for ratio": [
                ("torch.exp(log_probs - old_log_probs.detach())", "log_probs.exp() - old_log_probs.detach().exp()")
            ],
            "a mean": [("* a)\n", "* a).mean()\n")],
            "gradient into the old": [("old_log_probs.detach()", "old_log_probs")],
            "gradient into the advantages": [("advantages.detach()", "advantages")],
            "no gradient": [("torch.exp(log_probs -", "torch.exp(log_probs.detach() -")],
            "gradient of the clip lets through": [
                (
                    "r.clip(1 - clip_coef, 1 + clip_coef) * a)",
                    "(r + (r.clip(1 - clip_coef, 1 + clip_coef) - r).detach()) * a)",
                )
            ],
            "ε is always 0.2": [("1 - clip_coef, 1 + clip_coef", "0.8, 1.2")],
            "rlkit's as it is": """def clipped_objective(log_probs, old_log_probs, advantages, clip_coef):
    return F.clipped_surrogate(F.ratio(log_probs, old_log_probs), advantages, clip_coef)
""",
        },
        "right": {
            "cases": """def clipped_objective(log_probs, old_log_probs, advantages, clip_coef):
    a, r = advantages.detach(), (log_probs - old_log_probs.detach()).exp()
    limit = torch.where(a > 0, torch.full_like(a, 1 + clip_coef), torch.full_like(a, 1 - clip_coef))
    return torch.where(a > 0, torch.minimum(r, limit), torch.maximum(r, limit)) * a
""",
            "rlkit's, detached": """def clipped_objective(log_probs, old_log_probs, advantages, clip_coef):
    return F.clipped_surrogate(F.ratio(log_probs, old_log_probs.detach()), advantages.detach(), clip_coef)
""",
            "the paper's g(ε, A)": """def clipped_objective(log_probs, old_log_probs, advantages, clip_coef):
    with torch.no_grad():
        a = advantages.clone()
        g = a + clip_coef * a.abs()
        old = old_log_probs.exp()
    return torch.minimum(log_probs.exp() / old * a, g)
""",
        },
    },
    "is-dead": {
        "wrong": {
            "zeros": """def is_dead(ratio, advantages, clip_coef):
    return np.zeros(ratio.shape, bool)
""",
            "an input": """def is_dead(ratio, advantages, clip_coef):
    return advantages
""",
            "symmetric band": """def is_dead(ratio, advantages, clip_coef):
    return abs(ratio - 1) > clip_coef
""",
            "symmetric band, and A = 0": """def is_dead(ratio, advantages, clip_coef):
    return (abs(ratio - 1) > clip_coef) | (advantages == 0)
""",
            "A = 0 forgotten": [(" | (advantages == 0)", "")],
            "the ones with a gradient": [
                ("return enough_up", "return ~(enough_up"),
                ("(advantages == 0)", "(advantages == 0))"),
            ],
            "sides exchanged": [
                ("ratio > 1 + clip_coef", "ratio < 1 - clip_coef"),
                ("(advantages < 0) & (ratio < 1 - clip_coef)", "(advantages < 0) & (ratio > 1 + clip_coef)"),
            ],
            "A < 0 forgotten": [("enough_up | enough_down |", "enough_up |")],
            "A > 0 forgotten": [("enough_up | enough_down |", "enough_down |")],
            "band in the logarithm": [("ratio < 1 - clip_coef", "np.log(ratio) < -clip_coef")],
            "A = 0 only outside": [("(advantages == 0)", "(advantages == 0) & (abs(ratio - 1) > clip_coef)")],
            "ε is always 0.2": [("1 + clip_coef", "1.2"), ("1 - clip_coef", "0.8")],
            "flattened": [
                (
                    "return enough_up | enough_down | (advantages == 0)",
                    "return (enough_up | enough_down | (advantages == 0)).ravel()",
                )
            ],
            "changes the ratio": """def is_dead(ratio, advantages, clip_coef):
    ratio -= 1
    return ((advantages > 0) & (ratio > clip_coef)) | ((advantages < 0) & (ratio < -clip_coef)) | (advantages == 0)
""",
        },
        "right": {
            "signs": """def is_dead(ratio, advantages, clip_coef):
    return (np.sign(advantages) * (ratio - 1) > clip_coef) | (advantages == 0)
""",
            "a loop": """def is_dead(ratio, advantages, clip_coef):
    def dead(r, a):
        if a > 0:
            return r > 1 + clip_coef
        return a == 0 or r < 1 - clip_coef
    flat = [dead(r, a) for r, a in zip(ratio.ravel(), advantages.ravel())]
    return np.array(flat).reshape(ratio.shape)
""",
        },
    },
    "improve": {
        "wrong": {
            "zeros": """\
def improve(theta, obs, actions, advantages, clip_coef, learning_rate, epochs, minibatch_size, rng):
    return np.zeros(theta.shape)
""",
            "an input": """\
def improve(theta, obs, actions, advantages, clip_coef, learning_rate, epochs, minibatch_size, rng):
    return theta
""",
            "old log-probs recomputed in each minibatch": [
                ("log_probs, old_log_probs[chosen]", "log_probs, log_probs")
            ],
            "old log-probs recomputed in each epoch": [
                (
                    "        order = torch",
                    "        old_log_probs = F.log_prob(obs @ theta.detach(), actions)\n        order = torch",
                )
            ],
            "descent": [("theta.detach() + learning_rate", "theta.detach() - learning_rate")],
            "gradients accumulate": [
                ("    for _ in range(epochs):", "    gradient = 0\n    for _ in range(epochs):"),
                (
                    "gradient = torch.autograd.grad(objective, theta)[0]",
                    "gradient = gradient + torch.autograd.grad(objective, theta)[0]",
                ),
            ],
            "gradients accumulate within an epoch": [
                ("        order = torch", "        gradient = 0\n        order = torch"),
                (
                    "gradient = torch.autograd.grad(objective, theta)[0]",
                    "gradient = gradient + torch.autograd.grad(objective, theta)[0]",
                ),
            ],
            "advantages not shuffled": [
                ("for chosen in order.split(minibatch_size):", "for chosen, cut in " + PAIRS),
                ("advantages[chosen]", "advantages[cut]"),
            ],
            "old log-probs not shuffled": [
                ("for chosen in order.split(minibatch_size):", "for chosen, cut in " + PAIRS),
                ("old_log_probs[chosen]", "old_log_probs[cut]"),
            ],
            "actions not shuffled": [
                (
                    "F.log_prob(obs[chosen] @ theta, actions[chosen])",
                    "F.log_prob(obs[chosen] @ theta, actions[: len(chosen)])",
                )
            ],
            "last minibatch dropped": [
                (
                    "            theta.requires_grad_()",
                    """            if len(chosen) < min(minibatch_size, len(obs)):
                continue
            theta.requires_grad_()""",
                )
            ],
            "last minibatch divided by M": [("clip_coef).mean()", "clip_coef).sum() / min(minibatch_size, len(obs))")],
            "sum": [("clip_coef).mean()", "clip_coef).sum()")],
            "no shuffling": [("torch.from_numpy(rng.permutation(len(obs)))", "torch.arange(len(obs))")],
            "shuffled once": [
                (
                    "    for _ in range(epochs):\n        order = torch.from_numpy(rng.permutation(len(obs)))\n",
                    "    order = torch.from_numpy(rng.permutation(len(obs)))\n    for _ in range(epochs):\n",
                )
            ],
            "drawn with replacement": [("rng.permutation(len(obs))", "rng.integers(len(obs), size=len(obs))")],
            "one epoch": [("range(epochs)", "range(1)")],
            "one minibatch an epoch": [("in order.split(minibatch_size):", "in order.split(minibatch_size)[:1]:")],
            "no clip": [
                (
                    "clipped_objective(log_probs, old_log_probs[chosen], advantages[chosen], clip_coef)",
                    "((log_probs - old_log_probs[chosen]).exp() * advantages[chosen])",
                )
            ],
            "no min": [
                (
                    "clipped_objective(log_probs, old_log_probs[chosen], advantages[chosen], clip_coef)",
                    "F.surrogate(F.ratio(log_probs, old_log_probs[chosen])"
                    ".clip(1 - clip_coef, 1 + clip_coef), advantages[chosen])",
                )
            ],
            "no ratio": [
                (
                    "clipped_objective(log_probs, old_log_probs[chosen], advantages[chosen], clip_coef)",
                    "(log_probs * advantages[chosen])",
                )
            ],
            "no ratio, stops where it should": """\
def improve(theta, obs, actions, advantages, clip_coef, learning_rate, epochs, minibatch_size, rng):
    rows, theta = np.arange(len(obs)), theta.copy()
    pi = lambda: np.exp(obs @ theta) / np.exp(obs @ theta).sum(1, keepdims=True)
    old = pi()[rows, actions]
    for _ in range(epochs):
        order = rng.permutation(len(obs))
        for i in range(0, len(obs), minibatch_size):
            j = order[i : i + minibatch_size]
            now = pi()
            alive = ~is_dead((now[rows, actions] / old), advantages, clip_coef)
            score = (alive * advantages)[j, None] * (np.eye(theta.shape[1])[actions] - now)[j]
            theta += learning_rate * obs[j].T @ score / len(j)
    return theta
""",
            "advantages normalised": [
                (
                    "torch.tensor(advantages, dtype=torch.float64)",
                    "F.normalize(torch.tensor(advantages, dtype=torch.float64))",
                )
            ],
            "advantages normalised by minibatch": [
                ("advantages[chosen], clip_coef", "F.normalize(advantages[chosen]), clip_coef")
            ],
            "theta changed in place": [
                (
                    "theta = torch.tensor(actions), torch.tensor(theta,",
                    "theta, given = torch.tensor(actions), torch.tensor(theta,",
                ),
                ("theta, dtype=torch.float64)  #", "theta, dtype=torch.float64), theta  #"),
                ("    return theta.detach().numpy()", "    given[:] = theta.detach().numpy()\n    return given"),
            ],
            "advantages changed in place": [
                (
                    "torch.tensor(advantages, dtype=torch.float64)",
                    "torch.from_numpy(advantages).mul_(1.0 + 1e-12)",
                ),
            ],
            "the rollout shuffled in place": [
                ("torch.tensor(obs, dtype=torch.float64)", "torch.from_numpy(obs)"),
                ("torch.tensor(actions)", "torch.from_numpy(actions)"),
                ("torch.tensor(advantages, dtype=torch.float64)", "torch.from_numpy(advantages)"),
                (
                    "        for chosen in",
                    """        for column in (obs, actions, advantages, old_log_probs):
            column.copy_(column[order].clone())
        order = torch.arange(len(obs))
        for chosen in""",
                ),
            ],
            "all steps at once at the end of an epoch": [
                ("        for chosen in", "        total = 0\n        for chosen in"),
                (
                    "            theta = theta.detach() + learning_rate * gradient\n",
                    "            total = total + gradient\n        theta = theta.detach() + learning_rate * total\n",
                ),
            ],
            "Adam": """\
def improve(theta, obs, actions, advantages, clip_coef, learning_rate, epochs, minibatch_size, rng):
    obs, actions, advantages = torch.tensor(obs), torch.tensor(actions), torch.tensor(advantages)
    theta = torch.tensor(theta, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=learning_rate)
    old = F.log_prob(obs @ theta, actions).detach()
    for _ in range(epochs):
        for j in torch.from_numpy(rng.permutation(len(obs))).split(minibatch_size):
            loss = -clipped_objective(F.log_prob(obs[j] @ theta, actions[j]), old[j], advantages[j], clip_coef).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return theta.detach().numpy()
""",
        },
        "right": {
            "NumPy, the gradient by hand": """\
def improve(theta, obs, actions, advantages, clip_coef, learning_rate, epochs, minibatch_size, rng):
    def log_pi(weights):
        z = obs @ weights
        return z - np.logaddexp.reduce(z, axis=1, keepdims=True)

    n = len(obs)
    old = log_pi(theta)[np.arange(n), actions]
    for _ in range(epochs):
        order = rng.permutation(n)
        for start in range(0, n, minibatch_size):
            j = order[start : start + minibatch_size]
            log_probs = log_pi(theta)
            ratio = np.exp(log_probs[np.arange(n), actions] - old)
            weight = np.where(is_dead(ratio, advantages, clip_coef), 0, ratio * advantages)
            score = np.eye(theta.shape[1])[actions] - np.exp(log_probs)
            theta = theta + learning_rate * obs[j].T @ (weight[:, None] * score)[j] / len(j)
    return theta
""",
            "torch, SGD": """\
def improve(theta, obs, actions, advantages, clip_coef, learning_rate, epochs, minibatch_size, rng):
    data = [torch.tensor(x) for x in (obs, actions, advantages)]
    weights = torch.nn.Parameter(torch.tensor(theta))
    optimizer = torch.optim.SGD([weights], lr=learning_rate)
    with torch.no_grad():
        data.append((data[0] @ weights).log_softmax(1)[torch.arange(len(obs)), data[1]])
    for _ in range(epochs):
        shuffled = [x[rng_order] for rng_order in [torch.tensor(rng.permutation(len(obs)))] for x in data]
        for o, a, adv, old in zip(*(x.split(minibatch_size) for x in shuffled)):
            ratio = F.ratio(F.log_prob(o @ weights, a), old)
            optimizer.zero_grad()
            (-F.clipped_surrogate(ratio, adv, clip_coef).mean()).backward()
            optimizer.step()
    return weights.detach()
""",
        },
    },
    "mended": {
        "wrong": {
            "nothing overridden": """class Mended(Broken):
    pass
""",
            "another name": "Mended = Broken\n",
            "zeros": """class Mended(Broken):
    def advantages(self, rollout):
        return np.zeros(rollout["states"].shape)

    def prepare(self, rollout):
        return np.zeros(rollout["states"].shape), np.zeros(rollout["states"].shape)
""",
            "the trace alone": [
                (
                    """    def prepare(self, rollout):
        advantages = self.advantages(rollout)
        targets = advantages + self.V[rollout["states"]]
        return (advantages - advantages.mean()) / (advantages.std() + 1e-8), targets
""",
                    "",
                )
            ],
            "the targets alone": """class Mended(Broken):
    def prepare(self, rollout):
        advantages = self.advantages(rollout)
        targets = advantages + self.V[rollout["states"]]
        return (advantages - advantages.mean()) / (advantages.std() + 1e-8), targets
""",
            "a truncation ends the bootstrap too": [('* ~rollout["terminated"]\n', "* ~ended\n")],
            "a truncation ends the trace, a termination does not": [
                ('ended = rollout["terminated"] | rollout["truncated"]', 'ended = rollout["truncated"]')
            ],
            "the trace is cut a step late": [("* ~ended", "* ~np.roll(ended, 1, axis=0)")],
            "no trace": [("carry_on = self.gamma * self.gae_lambda * ~ended", "carry_on = 0.0 * ended")],
            "no bootstrap": [('self.V[rollout["next_states"]] *', "0.0 *")],
            "bootstrap from the next row": [
                ('self.V[rollout["next_states"]] *', 'self.V[np.roll(rollout["states"], -1, axis=0)] *')
            ],
            "no λ": [("self.gamma * self.gae_lambda * ~ended", "self.gamma * ~ended")],
            "not normalised": [
                (
                    "return (advantages - advantages.mean()) / (advantages.std() + 1e-8), targets",
                    "return advantages, targets",
                )
            ],
            "not centred": [("(advantages - advantages.mean()) /", "advantages /")],
            "normalised for each walker": [
                ("advantages.mean())", "advantages.mean(0))"),
                ("advantages.std()", "advantages.std(0)"),
            ],
            "targets without V": [('advantages + self.V[rollout["states"]]\n', "1.0 * advantages\n")],
            "targets that change with the advantages": [
                (
                    """        targets = advantages + self.V[rollout["states"]]
        return (advantages - advantages.mean()) / (advantages.std() + 1e-8), targets
""",
                    """        targets = advantages
        advantages -= advantages.mean()
        advantages /= advantages.std() + 1e-8
        return advantages, targets + self.V[rollout["states"]]
""",
                )
            ],
            "entropy driven down": [("    ### END SOLUTION", "    entropy_coef = -0.01\n    ### END SOLUTION")],
            "another γ": [("    ### END SOLUTION", "    gamma = 0.99\n    ### END SOLUTION")],
            "half the epochs": [("    ### END SOLUTION", "    epochs = 4\n    ### END SOLUTION")],
            "a time limit that never comes": [("    ### END SOLUTION", "    time_limit = 10**6\n    ### END SOLUTION")],
            "no clip": [("    ### END SOLUTION", "    clip_coef = 1e9\n    ### END SOLUTION")],
            "old log-probs recomputed in each epoch": [
                (
                    "    ### END SOLUTION",
                    """    def gradient(self, rollout, old_log_probs, advantages):
        now = self.log_pi()[rollout["states"], rollout["actions"]]
        return super().gradient(rollout, now, advantages)
    ### END SOLUTION""",
                )
            ],
            "prepares in each epoch": [
                (
                    "    ### END SOLUTION",
                    """    def update(self, rollout):
        for self.epochs in [1] * 8:
            super().update(rollout)
    ### END SOLUTION""",
                )
            ],
            "collect without truncations": [
                (
                    "    ### END SOLUTION",
                    """    def collect(self):
        rollout = super().collect()
        rollout["truncated"][:] = False
        return rollout
    ### END SOLUTION""",
                )
            ],
            "the bootstrap in collect": [
                (
                    "    ### END SOLUTION",
                    """    def collect(self):
        rollout = super().collect()
        rollout["next_states"] = np.roll(rollout["states"], -1, axis=0)
        return rollout
    ### END SOLUTION""",
                )
            ],
        },
        "right": {
            "sums written out": """class Mended(Broken):
    def advantages(self, rollout):
        s, n, r, term, trunc = (rollout[k] for k in ("states", "next_states", "rewards", "terminated", "truncated"))
        delta = r + self.gamma * np.where(term, 0, self.V[n]) - self.V[s]
        result = np.zeros(s.shape)
        for t, i in np.ndindex(s.shape):
            weight = 1.0
            for k in range(t, len(s)):
                result[t, i] += weight * delta[k, i]
                if term[k, i] or trunc[k, i]:
                    break
                weight *= self.gamma * self.gae_lambda
        return result

    def prepare(self, rollout):
        raw = self.advantages(rollout)
        scaled, _ = super().prepare(rollout)
        return scaled, raw + self.V[rollout["states"]]
""",
            "rlkit's gae": """class Mended(Broken):
    def advantages(self, rollout):
        values, next_values = self.V[rollout["states"]], self.V[rollout["next_states"]]
        ends = rollout["terminated"], rollout["truncated"]
        return F.gae(rollout["rewards"], values, next_values, *ends, self.gamma, self.gae_lambda)

    def prepare(self, rollout):
        advantages = self.advantages(rollout)
        return (advantages - np.mean(advantages)) / (np.std(advantages) + 1e-8), advantages + self.V[rollout["states"]]
""",
            "everything rewritten": """class Mended(Broken):
    def log_pi(self):
        return torch.tensor(self.theta).log_softmax(1).numpy()

    def collect(self):
        keys = "states actions rewards next_states terminated truncated".split()
        rollout = {k: np.zeros((self.num_steps, self.num_envs), int) for k in keys}
        for t in range(self.num_steps):
            right = np.exp(self.log_pi())[:, 1]
            for i in range(self.num_envs):
                s = self.place[i]
                a = int(self.rng.random() < right[s])
                self.time[i] += 1
                out = s == self.places - 1 and a == 1
                late = not out and self.time[i] == self.time_limit
                n = min(max(s - 1 + 2 * a, 0), self.places - 1)
                for k, x in zip(keys, (s, a, out, n, out, late)):
                    rollout[k][t, i] = x
                self.place[i] = n
                if out or late:
                    self.place[i], self.time[i] = self.rng.integers(self.places), 0
        for k, kind in (("rewards", float), ("terminated", bool), ("truncated", bool)):
            rollout[k] = rollout[k].astype(kind)
        return rollout

    def advantages(self, rollout):
        A = rollout["rewards"] + self.gamma * self.V[rollout["next_states"]] * (1 - rollout["terminated"])
        A = A - self.V[rollout["states"]]
        for t in range(len(A) - 2, -1, -1):
            goes_on = 1 - (rollout["terminated"][t] | rollout["truncated"][t])
            A[t] += self.gamma * self.gae_lambda * goes_on * A[t + 1]
        return A

    def prepare(self, rollout):
        A = self.advantages(rollout)
        return (A - A.mean()) / (A.std() + 1e-8), self.V[rollout["states"]] + A

    def gradient(self, rollout, old_log_probs, advantages):
        theta = torch.tensor(self.theta, requires_grad=True)
        s, a = torch.tensor(rollout["states"]).flatten(), torch.tensor(rollout["actions"]).flatten()
        old, adv = torch.tensor(old_log_probs).flatten(), torch.tensor(advantages).flatten()
        logits = theta[s]
        objective = F.clipped_surrogate(F.ratio(F.log_prob(logits, a), old), adv, self.clip_coef)
        total = (objective + self.entropy_coef * F.entropy(logits)).mean()
        return torch.autograd.grad(total, theta)[0].numpy()

    def update(self, rollout):
        A, targets = self.prepare(rollout)
        s = rollout["states"]
        old = self.log_pi()[s, rollout["actions"]]
        for _ in range(self.epochs):
            self.theta = self.theta + self.learning_rate * self.gradient(rollout, old, A)
            errors = np.array([(targets - self.V[s])[s == x].sum() for x in range(8)])
            self.V = self.V + self.value_rate * errors / s.size
""",
        },
    },
}
