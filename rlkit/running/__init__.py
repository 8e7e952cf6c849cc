"""What a run needs, and a reader of the algorithms does not.

settings, kinds             are these settings possible?
contract, answers           is this an environment, and are its answers what Gymnasium asks for?
importable                  can this process, or a worker, import what makes the environment?
memory, cores               does it fit into the memory that is left, and how many processes fit side by side?
messages                    pieces of the sentences in which the modules above say no
learning                    one learner at a time, and what follows an iteration that was broken off
result                      what an agent reports while it learns, and what is kept of it
checkpoint, content, disk   agents in files: save and load, what is inside, whole or not at all
state, resume, fit, copies  the state of an agent, that of its episodes, whether a file fits, copies without a file
workers, transport, laps    worker processes, how they reach θ, how long each of their steps takes
cluster, quick              the way onto a Ray cluster: one that runs, or one that is started here and ended after a run
emulated                    a cluster of several nodes on one machine, to try things
parameters, remote          parameter actors and how workers reach them; workers on the nodes of a cluster
nodes                       what the nodes of a Ray cluster have, and what is missing there
arguments                   the words of `python -m rlkit`, and what may have been meant by one that means nothing
terminal, report            what `python -m rlkit train` shows, and the JSON file that it writes
"""
