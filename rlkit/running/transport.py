"""How the workers of A3C reach θ. Here it lies in memory that all processes of one machine share.

A worker joins, and then does three things again and again: `pull` the weights, `count` its steps, `push` its gradient.
Between two rounds it reads T. Anything that offers these can replace shared memory: a worker uses nothing else.
"""

from contextlib import nullcontext
from multiprocessing import get_context
from typing import Any, NamedTuple

import torch

from rlkit.running.memory import require_shared_memory


class SharedMemory(NamedTuple):
    """θ, the optimiser's statistics and two counts, in memory that every worker reads and writes."""

    optimizer: Any  # of `rlkit.optimizers`: holds θ
    steps: torch.Tensor  # [W]: each worker counts its own, so that no count is lost; T is their sum
    updates: torch.Tensor  # [W]: each worker counts its own; the version of θ is their sum
    lock: Any = None  # held during an update; None: nobody waits
    own_statistics: bool = False  # each worker has its own optimiser statistics

    @classmethod
    def hold(cls, optimizer, num_workers):
        """Move the optimiser's θ and statistics into shared memory -> SharedMemory, in which nothing is counted yet.

        Raises ValueError if they do not fit there.
        """
        steps, updates = (torch.zeros(num_workers, dtype=torch.long) for _ in range(2))
        shared = cls(optimizer, steps, updates)
        require_shared_memory(sum(tensor.nbytes for tensor in shared.tensors()))
        for tensor in shared.tensors():
            tensor.share_memory_()
        return shared

    def for_workers(self, locked, own_statistics):
        """The same, as the workers of one run get it. `locked`: one update at a time, so each run has a new lock."""
        return self._replace(lock=get_context("spawn").Lock() if locked else None, own_statistics=own_statistics)

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
