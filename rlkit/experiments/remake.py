"""Keep the stored experiments up to date: which are older than their code, and how to run them again.

    python -m rlkit.experiments.remake                  lists them: how long each took, and what has changed since
    python -m rlkit.experiments.remake all              runs all again; after an interruption it continues
    python -m rlkit.experiments.remake stale            runs those again whose code has changed
    python -m rlkit.experiments.remake spine memory     runs these again
    python -m rlkit.experiments.remake all --cluster auto    the same on a Ray cluster, the runs of each side by side
    python -m rlkit.experiments.remake stale --confirm "renamed only; same numbers with seed 0"

Often a change cannot change results, or a test has shown that it did not. Then `--confirm` keeps the results, and
notes the reason and the date in their files. The experiments of chapter 4 measure time: leave the machine alone
while they run. Trained agents are listed with their commands. They are not trained again here, because an agent that
plays well is not wrong when the code that trained it has changed.
"""

import argparse
import datetime
import json
import shlex
import subprocess
import sys

from rlkit.experiments.fingerprint import code_of
from rlkit.experiments.stored import DATA, stored
from rlkit.experiments.sweeps import CLUSTER_HELP, SWEEPS
from rlkit.running.cluster import check_address
from rlkit.running.terminal import run

DONE = DATA / "done.txt"  # what a call with `all` has finished so far


def made(name):
    """How a stored experiment was made, or an empty dict if its file is missing or damaged."""
    try:
        return dict(stored(name)[1])
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def changed(name):
    """The modules that a stored experiment depends on and that have changed since it was made or confirmed."""
    before, now = made(name).get("code", {}), code_of(SWEEPS[name])
    return sorted(module for module in before.keys() | now.keys() if before.get(module) != now.get(module))


def stale():
    """The names of the stored experiments that are older than their code."""
    return [name for name in SWEEPS if changed(name)]


def confirm(names, reason):
    """Note that these experiments would still give the stored results, and why."""
    for name in names:
        runs, how = stored(name)
        note = {"date": datetime.date.today().isoformat(), "because": reason, "changed": changed(name)}
        if note["changed"]:
            how |= {"code": code_of(SWEEPS[name]), "confirmed": [*how.get("confirmed", []), note]}
            (DATA / f"{name}.json").write_text(json.dumps({"how": how, "runs": runs}))
            print(f"{name}: confirmed for {', '.join(note['changed'])}")


def table(names):
    """Lines of text: each experiment's minutes, its date and what has changed since, then the hours of all."""
    seconds = 0
    for name in names:
        how, modules = made(name), ", ".join(module.removeprefix("rlkit.") for module in changed(name))
        if not how:
            yield f"{name:18}    ? min  rlkit/data/{name}.json is missing or damaged"
            continue
        seconds += how["seconds"]
        state = f"changed since: {modules}" if modules else "up to date"
        yield f"{name:18}{how['seconds'] / 60:5.0f} min  {how['date']}  {state}"
    yield f"{'together':18}{seconds / 3600:5.1f} hours, one after the other"


def agents():
    """Lines of text: each trained agent that comes with the package, and the command that made it."""
    for path in sorted((DATA / "agents").glob("*.json")):
        yield f"agents/{path.stem}: {json.loads(path.read_text(encoding='utf-8'))['command']}"


def remade(name, options):
    """Run an experiment's own command in another process -> whether it succeeded. An interrupt waits for its end."""
    words = ["-m", "rlkit.experiments.sweeps", name, *options]
    print(f"\n$ {shlex.join(['python', *words])}", flush=True)
    process = subprocess.Popen([sys.executable, *words])
    try:
        return process.wait() == 0
    except KeyboardInterrupt:
        process.wait()  # the interrupt went to both: it ends what it has started on a cluster
        raise


def remake(names, options=()):
    """Run these again, all even if one fails -> the names that failed. `options`: more words of their commands."""
    print(*table(names), sep="\n")
    return [name for name in names if not remade(name, options)]


def remake_all(options=()):
    """Run all again, except what an interrupted call has already finished -> the names that failed."""
    done = DONE.read_text().split() if DONE.exists() else []
    if done:
        print(f"continuing after {', '.join(done)}; to start from the beginning, delete {DONE}")
    left = [name for name in SWEEPS if name not in done]
    print(*table(left), sep="\n")
    for name in left:
        if remade(name, options):
            done.append(name)
            DONE.write_text("\n".join(done))
    failed = [name for name in SWEEPS if name not in done]
    if not failed:
        DONE.unlink()
    return failed


def main(arguments=None):
    """Do what the command line asks for -> an exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="names of experiments, or `all`, or `stale`")
    parser.add_argument("--confirm", metavar="REASON", help="keep the results, and note why they are still right")
    parser.add_argument("--cluster", metavar="ADDRESS", help=CLUSTER_HELP)
    given = parser.parse_args(arguments)
    everything = given.names == ["all"]
    names = list(SWEEPS) if everything else stale() if given.names == ["stale"] else list(dict.fromkeys(given.names))
    for name in names:
        if name in ("all", "stale"):
            parser.error(f"`{name}` stands alone: leave out the other names.")
        if name not in SWEEPS:
            parser.error(f"there is no experiment {name!r}: name one of {', '.join(SWEEPS)}, or `all`, or `stale`.")
    if given.confirm is not None:
        if not (given.names and given.confirm.strip()):
            parser.error("--confirm needs names, `all` or `stale` before it, and a reason after it.")
        if damaged := [name for name in names if not made(name)]:
            parser.error(f"rlkit/data/{damaged[0]}.json is missing or damaged: compute it again.")
    if given.cluster is not None:
        if not given.names or given.confirm is not None:
            parser.error("--cluster needs names, `all` or `stale` before it, and goes without --confirm.")
        try:
            check_address(given.cluster)
        except ValueError as error:
            parser.error(str(error))
    failed, options = [], ["--cluster", given.cluster] if given.cluster else []
    if not given.names:
        print(*table(SWEEPS), "", *agents(), sep="\n")
    elif given.confirm:
        confirm(names, given.confirm)
    else:
        try:
            failed = remake_all(options) if everything else remake(names, options)
        except KeyboardInterrupt:
            print("\nInterrupted. With `all` or `stale` the same command continues from here.", file=sys.stderr)
            return 130
    if failed:
        print(f"\nThese failed; the lines above say why: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    run(main)
