"""How the workers of A3C and of Gorila reach θ. Here it lies in memory that all processes of one machine share.

A worker joins, and then does three things again and again: `pull` the weights, `count` its steps (A3C), `push` its
gradient. Between two rounds A3C's reads T. Anything that offers these can replace shared memory: a worker uses nothing
else. On a cluster `rlkit.running.parameters` does.
"""

import os
import time
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch

from rlkit.running.memory import require_shared_memory

PAGE = 4096  # bytes: a tensor takes whole pages of shared memory


class SharedMemory(NamedTuple):
    """θ, the optimiser's statistics and two counts, in memory that every worker reads and writes."""

    optimizer: Any  # of `rlkit.optimizers`: holds θ
    steps: torch.Tensor  # [W]: each worker counts its own, so that no count is lost; T is their sum
    updates: torch.Tensor  # [W]: each worker counts its own; the version of θ is their sum
    lock: Any = None  # held during an update; None: nobody waits
    own_statistics: bool = False  # each worker has its own optimiser statistics
    gradients_per_push: int = 1  # a worker averages so many before it changes θ

    now = staticmethod(time.monotonic)  # the same for all processes of one machine

    @classmethod
    def hold(cls, optimizer, num_workers, shared=True):
        """Move the optimiser's θ and statistics into shared memory -> SharedMemory, in which nothing is counted yet.

        With `shared=False` they stay where they are: a cluster needs only this process's copy. Raises ValueError if
        they do not fit into shared memory.
        """
        steps, updates = (torch.zeros(num_workers, dtype=torch.long) for _ in range(2))
        held = cls(optimizer, steps, updates)
        if shared:
            share(held.tensors())
        return held

    def part(self, where):
        """A slice of θ and of its statistics, as views, with the same counts."""
        part = self.optimizer.with_tensors(lambda tensor: tensor[where] if tensor.dim() else tensor)
        return self._replace(optimizer=part, lock=None)

    def copied(self):
        """The same in tensors of its own."""
        optimizer = self.optimizer.with_tensors(torch.clone)
        return SharedMemory(optimizer, self.steps.clone(), self.updates.clone())

    def for_workers(self, locked, own_statistics, gradients_per_push=1):
        """The same, as the workers of one run get it. `locked`: one update at a time, so each run has a new lock."""
        lock = get_context("spawn").Lock() if locked else None
        return self._replace(lock=lock, own_statistics=own_statistics, gradients_per_push=gradients_per_push)

    @property
    def theta(self):
        return self.optimizer.theta

    @property
    def T(self):
        """The steps of all workers together."""
        return int(self.steps.sum())

    def set_T(self, total):
        """T ← total, and counting continues from there."""
        self.steps.zero_()
        self.steps[0] = total

    @property
    def version(self):
        """How many updates θ has had."""
        return int(self.updates.sum())

    def tensors(self):
        """All that is shared."""
        return [self.theta, *self.optimizer.statistics(), self.steps, self.updates]

    def join(self):
        """What a worker calls first, in its own process."""
        if self.own_statistics:
            for tensor in self.optimizer.statistics():
                tensor.set_(tensor.clone())  # no longer in shared memory

    def pull(self, theta):
        """Copy the shared θ into `theta`, while others may be writing it -> its version.

        The version is read first. So `theta` may already contain later updates, but never lacks one that the version
        counts.
        """
        version = self.version
        theta.copy_(self.theta)
        return version

    def count(self, rank, steps):
        """Add to the steps of worker `rank` -> T."""
        self.steps[rank] += steps
        return self.T

    def push(self, rank, gradient, version_read, learning_rate):
        """Update θ with a gradient that worker `rank` computed at `version_read` -> the version that it was added to.

        The difference between the two versions is the gradient's staleness. Here every gradient is applied, however
        stale; another transport may drop it.
        """
        with self.lock or nullcontext():
            version_written = self.version
            self.optimizer.step(gradient, learning_rate)
            self.updates[rank] += 1
        return version_written

    def release(self):
        """Release the lock if a worker was killed while it held it. Living ones hold it for less than a millisecond."""
        if self.lock is not None:
            self.lock.acquire(timeout=1.0)
            self.lock.release()


class Published(NamedTuple):
    """What Gorila's server publishes, in memory that all processes read and only the server writes."""

    theta: torch.Tensor  # θ: all weights w in one flat tensor
    theta_target: torch.Tensor  # θ⁻: those of the target network
    num_updates: torch.Tensor  # the version of θ
    step: torch.Tensor  # steps of all workers

    @classmethod
    def hold(cls, num_weights):
        """Shared memory for this many weights -> Published. Raises ValueError if they do not fit there."""
        published = cls(*(torch.zeros(num_weights) for _ in range(2)), torch.tensor(0), torch.tensor(0))
        share(published)
        return published

    def join(self):
        """What a worker calls first, in its own process."""

    def push(self, gradient, send):
        """Give a gradient to the server. Here it reads what the workers send."""
        send(gradient)

    def pull(self, theta, theta_target):
        """θ' ← θ and θ'⁻ ← θ⁻ -> the version of θ, and the steps of all workers.

        The server may write while we read. Then some weights are from before its step and some from after it. No single
        number is torn, a step is small, and asynchronous learning copes with worse (Hogwild, Niu et al. 2011). So there
        is no lock. The version is read first and written last, so a gradient is never older than its version says.
        """
        version = int(self.num_updates)
        theta.copy_(self.theta)
        theta_target.copy_(self.theta_target)
        return version, int(self.step)

    def publish(self, theta, theta_target, version, step):
        """θ ← `theta` and θ⁻ ← `theta_target`, and their version last: see `pull`."""
        self.theta.copy_(theta)
        self.theta_target.copy_(theta_target)
        self.num_updates.fill_(version)
        self.publish_step(step)

    def publish_step(self, step):
        """Tell the workers how many steps they have taken together."""
        self.step.fill_(step)


def share(tensors):
    """Move tensors into shared memory. Raises ValueError if they do not fit there; then nothing of them stays there."""
    pages = [-(-tensor.nbytes // PAGE) * PAGE for tensor in tensors]
    require_shared_memory(sum(pages))
    try:
        for tensor in tensors:
            tensor.share_memory_()
    except RuntimeError as error:  # another process took the memory after we had looked
        for left in Path("/dev/shm").glob(f"torch_{os.getpid()}_*"):  # torch leaves the file that it could not fill
            left.unlink(missing_ok=True)
        raise ValueError(f"The workers' shared memory cannot be had: {error}; free some, and try again.") from None
