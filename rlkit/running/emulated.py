"""A cluster of several nodes on one machine, to try what a run on a cluster does.

Each node is a set of processes. They share this machine's cores, and know each other by addresses only, as nodes on
different machines do. Ray's own tests use the same class.
"""

import logging
from contextlib import contextmanager, suppress
from pathlib import Path

from rlkit.running.cluster import CARRIED, TRIES, janitor, require_ray, too_slow
from rlkit.running.quick import fewer_processes, import_ray, without_grammar

STORE = 80 * 2**20  # bytes in which a node keeps messages that are too large for a call


@contextmanager
def emulated(*cores):
    """A cluster with a node for each of these numbers of cores -> `ray.cluster_utils.Cluster`, which has an `address`.

    The cores are a word: nobody counts whether this machine has as many. As in every cluster that Ray starts by itself,
    who wants to join needs a token of this user. Nothing is left in the end, however this process ends.

    Raises ValueError if Ray is missing.
    """
    require_ray()
    import_ray()
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.ERROR)
    ask_for_a_token()
    make_folder()
    cluster = Cluster()
    with janitor() as folder:
        try:
            with fewer_processes(), without_grammar(folder):
                options = dict(include_dashboard=False, temp_dir=folder, _system_config=CARRIED)
                for number in cores:
                    add_node(cluster, num_cpus=number, object_store_memory=STORE, **options)
                    options = {}
            yield cluster
        finally:
            cluster.shutdown()


def add_node(cluster, **options):
    """Start one more node -> the node, for `cluster.remove_node`."""
    for left in reversed(range(TRIES)):
        try:
            return cluster.add_node(**options)
        except Exception as error:
            if not left or not too_slow(error):
                raise


def make_folder():
    """Ray's class writes the address of its cluster into Ray's usual folder, which a fresh machine does not have."""
    with suppress(ImportError, AttributeError):  # private to Ray
        from ray._private.utils import get_ray_address_file

        Path(get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)


def ask_for_a_token():
    """Whoever can reach a port of Ray can run any program here. `ray.init` does the same for a cluster it starts."""
    with suppress(ImportError, AttributeError):  # private to Ray
        from ray._private.authentication import authentication_token_setup as authentication

        if authentication.enable_token_auth_by_default():
            authentication.ensure_token_if_auth_enabled()
