"""The questions of the chapters, by name: what is asked, and what is said when the answer is shown.

This file holds words only. The numbers in {places} and the answers themselves are computed, in `rlkit.explore.truths`,
from what the explorers and the figures show. Texts are HTML, except options, which are names of buttons.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Axis:
    """A line of numbers: its label, its ends, and the numbers printed along it. `form` is how one of them is said."""

    low: float
    high: float
    label: str = ""
    log: bool = False
    ticks: tuple = ()
    form: str = "{value:g}"


@dataclass(frozen=True)
class Options:
    """One of several options is right. `options` maps each to what is said to someone who chose it in error."""

    chapter: int
    question: str
    options: dict[str, str]
    answer: str
    because: str


@dataclass(frozen=True)
class Number:
    """The reader guesses a number on a line. A guess counts as right within `near`: a distance, or a factor if `log`.

    `marks` are numbers that are known beforehand and stand on the line, with their names.
    """

    chapter: int
    question: str
    line: Axis
    near: float
    answer: str
    because: str
    marks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Curve:
    """The reader draws a curve through `points` places along x. It counts as right if it is `near` on average.

    `near` is a share of the height of the picture. `truth` and `given` are the names of the right curve and of one that
    is shown from the beginning.
    """

    chapter: int
    question: str
    x: Axis
    y: Axis
    truth: str
    given: str
    answer: str
    because: str
    points: int = 9
    near: float = 0.1


def part(question, because):
    """What a part of DQN changes, by the growing figure of chapter 2."""
    return Options(
        chapter=2,
        question=question,
        options={"It rises.": "", "They cannot be told apart with ten seeds.": "", "It falls.": ""},
        answer="At the shared setting the score was {before:.0f} and is {after:.0f}. The 95 % interval of the "
        "difference is {low:.0f} to {high:.0f}.",
        because=because,
    )


def patient(letter, remarks, answer, because):
    """What a patient of the clinic of chapter 3 suffers from. `remarks` are said to who chose that disease in error."""
    diseases = (
        "wrong sign of the objective",
        "no normalisation",
        "collapsed entropy",
        "exploding KL",
        "dead value function",
        "truncation taken as termination",
    )
    return Options(
        chapter=3,
        question=f"What does patient {letter} suffer from?",
        options={disease: remarks.get(disease, "") for disease in diseases},
        answer=answer,
        because=because,
    )


SHARE = Axis(0, 1, ticks=(0, 0.2, 0.4, 0.6, 0.8, 1), form="{value:.0%}")

QUESTIONS = {
    # Chapter 1 --------------------------------------------------------------------------------------------------------
    "rows": Number(
        chapter=1,
        question="The number of rows of the Pong player’s table is about a 1 with how many zeros?",
        line=Axis(1, 100_000, "zeros", log=True, ticks=(1, 10, 100, 1_000, 10_000, 100_000), form="{value:,.0f}"),
        marks={"atoms": "atoms in the universe"},
        near=3,
        answer="It has about {value:,.0f} zeros: 256 values for each of {pixels:,} bytes.",
        because="Most of these pictures never occur. But nobody can say beforehand which ones do.",
    ),
    "median": Options(
        chapter=1,
        question="A3C with an LSTM is first by the mean. Which place does it take by the median?",
        options={
            "the first": "The median does not see how enormous its largest scores are.",
            "the second": "",
            "the fourth": "",
            "the last": "It is good in many games, and enormous in a few.",
        },
        answer="By the median it takes place {place} of {methods}.",
        because="Ahead of it are {ahead}. A few enormous scores carry its mean.",
    ),
    "acer": Options(
        chapter=1,
        question="By games won, ACER is far ahead of PPO. Who is ahead by the median over the same games?",
        options={
            "A2C": "It wins a single game, and its median is by far the lowest.",
            "PPO": "",
            "ACER, but only just": "",
            "ACER, by a similar margin": "A game that is won by one point counts as a whole game.",
        },
        answer="PPO is ahead by the median, {ppo:.0f} % to {acer:.0f} %.",
        because="The interquartile mean agrees. Which of the two has the higher mean depends on one game, VideoPinball."
        " Its random player beats the human, so its score has to be treated somehow.",
    ),
    "unseen": Curve(
        chapter=1,
        question="Draw the mean return on the beginnings that the network has never seen.",
        x=Axis(1, 48, "beginnings that it learned from, of 64", log=True, ticks=(1, 2, 4, 8, 16, 32, 48)),
        y=Axis(-1, 1, "mean return", ticks=(-1, -0.5, 0, 0.5, 1), form="{value:.2g}"),
        truth="on unseen beginnings: five seeds, and their median",
        given="a paddle that pays no attention",
        answer="After four beginnings it gets {four:.2f}. After 32 it still loses {lost:.0%} of the unseen games.",
        because="Four games can be won by four sequences of buttons. Little in them says that the ball matters.",
        points=7,
    ),
    "balls": Options(
        chapter=1,
        question="The board grows from 6 × 6 to 10 × 10. Which learners need more than twice as many balls?",
        options={
            "only the table": "",
            "only the network on pixels": "",
            "the table and the network": "",
            "all three": "Features made by hand mean the same on every board.",
        },
        answer="The table and the network. The table goes from {table_small:,.0f} balls to {table_large:,.0f}, and the "
        "network from {network_small:,.0f} to {network_large:,.0f}.",
        because="These are medians of five seeds, and the seeds are far apart: which of the two grows more cannot be "
        "told. With features by hand the number does not grow.",
    ),
    # Chapter 2 --------------------------------------------------------------------------------------------------------
    "mc_td": Options(
        chapter=2,
        question="Both learn with α = 0.316, from v̂ = 0, for forty walks. Whose error <i>J</i>(<i>w</i>) is lower?",
        options={
            "TD’s, all the way": "TD is biased as long as v̂ is wrong.",
            "MC’s at first, then TD’s": "",
            "TD’s at first, then MC’s": "It is the other way round.",
            "MC’s, all the way": "MC is ahead at first. But its noise stays.",
        },
        answer="MC’s is lower at first, and TD’s in the end: {td:.3f} to {mc:.3f} over the last ten walks.",
        because="MC has no bias to get rid of, but its noise never ends. TD must first carry the reward back, state by "
        "state.",
    ),
    "two_states": Options(
        chapter=2,
        question="With γ = 0.9 and α = 0.1, where does <i>w</i> go from 1?",
        options={
            "to infinity": "",
            "to 0": "It would be right there, and yet the updates lead away from it. Divergence needs no noise.",
            "to a number between 0 and 1": "The only place where it could rest is 0.",
            "it stays at 1": "The error is not 0 there, so <i>w</i> moves.",
        },
        answer="<i>w</i> goes to infinity. After {updates} updates it is {end:.2g}.",
        because="Each update multiplies <i>w</i> by {factor:.2f}. The target is 1.8 <i>w</i>: it runs away faster than "
        "<i>w</i> can follow.",
    ),
    "horizon": Number(
        chapter=2,
        question="DQN trains for 30,000 steps of CartPole, which are 912 updates. It copies its network to the target "
        "network every 64 updates. What is the mean Q of its last minibatch?",
        line=Axis(0.1, 1_000, "mean Q", log=True, ticks=(0.1, 1, 10, 100, 1_000), form="{value:.3g}"),
        marks={"most": "no true value is higher"},
        near=1.3,
        answer="It is {value:.1f}: ten runs end between {low:.1f} and {high:.1f}.",
        because="{updates} updates make {copies} copies. The first target network says about 0, so the first targets "
        "are about 1. Each copy lets them see one reward further. After {copies} copies exact backups reach "
        "1 + 0.99 + … + 0.99<sup>{copies}</sup> = {ceiling:.2f}.",
    ),
    "alias": Curve(
        chapter=2,
        question="The grey line is DQN with a real copy, renewed every 4 updates. Draw the greedy score with the bug "
        "<code>target = network</code>.",
        x=Axis(0, 912, "updates", ticks=(0, 200, 400, 600, 800)),
        y=Axis(0, 500, "greedy score", ticks=(0, 100, 200, 300, 400, 500), form="{value:.0f}"),
        truth="with the bug: ten seeds, and their interquartile mean",
        given="without the bug, interquartile mean",
        answer="It learns, but less. In the last five checks it gets {late:.0f}, with a real copy {sound_late:.0f}. "
        "The 95 % interval of the difference is {low:.0f} to {high:.0f}.",
        because="The bug makes C = 1. With C = 4 the score shows it, if you run ten seeds. With C = 16 the score would "
        "not show it.",
    ),
    "largest": Number(
        chapter=2,
        question="Ten estimates are right on average, with errors of standard deviation 1. All truths are 0. How large "
        "is the largest estimate, on average?",
        line=Axis(-1, 3, ticks=(-1, 0, 1, 2, 3), form="{value:.3g}"),
        near=0.25,
        answer="It is {value:.2f}.",
        because="Each estimate is honest, but the choice is not. The maximum picks the luckiest one.",
    ),
    "memory_size": Number(
        chapter=2,
        question="Agents have learned CartPole for 20,000 steps. A batch of 32 of their gradients is to be worth 24 "
        "independent ones. How many transitions must the memory hold?",
        line=Axis(32, 20_000, "transitions", log=True, ticks=(32, 100, 1_000, 10_000), form="{value:,.0f}"),
        near=2,
        answer="It must hold about {value:,.0f}, by the median of ten agents.",
        because="What counts is how many independent stretches of play the memory spans. A memory of 32 shuffles the "
        "same 32 neighbours, and a batch from it is worth {smallest:.1f}.",
    ),
    "n_steps": Curve(
        chapter=2,
        question="Three actions in ten are random. The grey line is what is left of the guess’s error after ten "
        "copies, by n. Draw the error that the random actions bring.",
        x=Axis(1, 64, "n, real rewards in a target", log=True, ticks=(1, 2, 4, 8, 16, 32, 64), form="{value:.0f}"),
        y=Axis(0, 2, "error of a value", ticks=(0, 0.5, 1, 1.5, 2), form="{value:g}"),
        truth="from random actions",
        given="what is left of the guess’s error",
        answer="It is 0 at n = 1, {five:.2f} at n = 5, and {most:.2f} at n = 64.",
        because="With n = 1 the only reward belongs to the action whose value is learned. Every further reward belongs "
        "to an action that may have been random. Copies take the guess’s error away, but not this one.",
        points=7,
    ),
    "streams": Number(
        chapter=2,
        question="A state has ten actions, and dueling learns from one transition. How far does it move the values of "
        "the nine other actions, as a share of what it moves the value of the action that was taken?",
        line=SHARE,
        near=0.08,
        answer="By {value:.0%}.",
        because="V is a part of all ten values, so each update moves them all. The value of the action that was taken "
        "moves further, because its own A moves as well.",
    ),
    "priority": Options(
        chapter=2,
        question="With α = β = 1, which minibatches of 32 estimate the mean of δ with less spread?",
        options={
            "those drawn uniformly": "Both are right on average. But uniform draws often miss the few large errors.",
            "those drawn by priority": "",
            "neither: the weights undo the priorities": "The weights undo the bias, not the gain in precision.",
        },
        answer="Those drawn by priority. Over {memories} memories, they spread {low:.2f} to {high:.2f} times as much "
        "as uniform ones.",
        because="The few large errors decide the spread. Prioritized batches contain them more often, each with a "
        "smaller weight.",
    ),
    "part_replay": part(
        "Batches now come from the last 4,000 transitions instead of the last 128. What becomes of the score at the "
        "shared setting?",
        "On this small task, and without a target network, a memory brought nothing that ten seeds could show.",
    ),
    "part_copy": part(
        "The target now comes from a copy, 16 updates old at most. What becomes of the score at the shared setting?",
        "This is one period of many.",
    ),
    "part_period": part(
        "The copy is renewed every 4 updates, not every 16. What becomes of the score at the shared setting?",
        "Nothing else was changed. A shorter period also means more copies.",
    ),
    "part_double": part(
        "Double DQN’s target now judges with a network that is 4 updates old at most. What becomes of the score at the "
        "shared setting?",
        "This compares scores. Whether the values are better is another question.",
    ),
    "part_n_steps": part(
        "Each copy now looks five steps further ahead instead of one. What becomes of the score at the shared setting?",
        "With ten seeds that spread so widely, a difference of this size does not show.",
    ),
    "part_dueling": part(
        "The network is now a dueling one, and the task has two actions. What becomes of the score at the shared "
        "setting?",
        "The middle picture shows both agents at their best setting.",
    ),
    "part_priorities": part(
        "Batches are now drawn by priority. What becomes of the score at the shared setting?",
        "The middle picture shows both agents at their best setting.",
    ),
    "claims": Options(
        chapter=2,
        question="Two buttons or ten, DQN or Double DQN: whose claims are highest in the end?",
        options={
            "Double DQN’s with ten actions": "A second opinion judges the action that the first one chose.",
            "Double DQN’s with two actions": "A second opinion judges the action that the first one chose.",
            "DQN’s with two actions": "Each of its outputs learns from five times as many samples, so it errs less.",
            "DQN’s with ten actions": "",
        },
        answer="DQN’s with ten actions. It claims {claimed:.0f} and gets {got:.0f}.",
        because="The task is the same, but each of the ten outputs sees a fifth of the data, and the maximum picks "
        "those that err upwards. Double DQN claims {double:.0f} there, and gets {double_got:.0f}.",
    ),
    "time_limit": Options(
        chapter=2,
        question="The agent takes a stop after 100 steps for a fall. What becomes of Q?",
        options={
            "it is too low": "",
            "it is right: the agent still learns": "The bug changes the target of every step that was stopped.",
            "it is too high": "A target without its bootstrap is smaller, not larger.",
            "it diverges": "The bug cuts targets short, so they cannot run away.",
        },
        answer="It is too low: {broken:.0f}, and {sound:.0f} without the bug.",
        because="The target at the stop leaves out all that would have come later, and earlier states learn from it. "
        "The return still reaches {broken_return:.0f}: a greedy policy needs the order of the values, not their size.",
    ),
    # Chapter 3 --------------------------------------------------------------------------------------------------------
    "baseline": Number(
        chapter=3,
        question="The gradient of one episode has a variance. How much of it is left with the learned value?",
        line=SHARE,
        near=0.07,
        answer="{value:.0%} is left in the median of {seeds} seeds, and with the mean return {mean:.0%}.",
        because="The mean does not know the state. The learned value knows how long the pole can be expected to stay "
        "up from here.",
    ),
    "gae": Number(
        chapter=3,
        question="V is wrong by 0.5, and 100 estimates are averaged. At which λ is their error least?",
        line=Axis(0, 1, "λ", ticks=(0, 0.2, 0.4, 0.6, 0.8, 1), form="{value:.2f}"),
        near=0.12,
        answer="It is least at λ = {value:.2f}: {least:.3f}. At λ = 0 it is {zero:.3f}, and at λ = 1 it is {one:.3f}.",
        because="At λ = 0 most of the error is bias, which no average takes away. At λ = 1 all of it is noise.",
    ),
    "cliff": Curve(
        chapter=3,
        question="The surrogate promises the given curve. Draw the true gain J(θ) − J(θ′).",
        x=Axis(0, 6, "length of the step along the gradient", ticks=(0, 1, 2, 3, 4, 5, 6), form="{value:.1f}"),
        y=Axis(-20, 10, "gain", ticks=(-20, -10, 0, 10)),
        truth="true gain",
        given="promise of the surrogate",
        answer="The true gain is highest at a step of {best:.2f}: {highest:+.2f}. At a step of 6 the promise is "
        "{promise:+.1f}, and the truth is {end:+.1f}.",
        because="The surrogate weighs the places as the old policy visits them, and the old policy is hardly ever at "
        "the edge. The new one goes on there too, because all places share one weight.",
        points=7,
    ),
    "reuse": Options(
        chapter=3,
        question="The batch is used 64 times. With which of the three does nearly every seed end above its beginning?",
        options={
            "none of them": "One of them hardly leaves the policy that made the batch.",
            "all three": "What the batch promises is not what the policy gets.",
            "the two with the correction": "The correction is right on average, and very noisy far from the old "
            "policy.",
            "only the one with the correction and the limit": "",
        },
        answer="Only the one with the limit. It ends above its beginning in {clipped} of {seeds} seeds, the corrected "
        "one in {ratio}, and the one without a correction in {no_ratio}.",
        because="The limit keeps the policy near the one that made the batch.",
    ),
    "epochs": Options(
        chapter=3,
        question="In a whole run each rollout is used K times, and each K has its best learning rate. Who gains from "
        "more uses?",
        options={
            "both": "Without the clip nothing keeps the policy near the one that played.",
            "only the ratio with the clip": "",
            "only the ratio without the clip": "A ratio alone does not keep the policy near.",
            "neither": "One batch gave the clip nothing after its first use. A run has many batches.",
        },
        answer="Only the clip: from one use to twenty its score over the whole run goes from {clip_one:.0f} to "
        "{clip:.0f}, and without the clip from {ratio_one:.0f} to {ratio:.0f}.",
        because="These are interquartile means of ten seeds. The second difference cannot be told from 0.",
    ),
    "wrong_sign": Number(
        chapter=3,
        question="Ten samples of <i>q</i>: in how many of 500 repeats does the weighted estimate have the wrong sign?",
        line=SHARE,
        near=0.1,
        answer="In {value:.0%} of them.",
        because="Importance sampling is unbiased: it is right on average. But a few batches with a huge weight carry "
        "this average, and most batches contain no such sample.",
    ),
    "kl_factor": Number(
        chapter=3,
        question="The logits are (3, 0, 0), and the last one is held. By which factor can the KLs of two steps of "
        "length 1 differ?",
        line=Axis(1, 1_000, "factor", log=True, ticks=(1, 2, 5, 20, 100, 1_000), form="{value:,.2g}"),
        near=2,
        answer="By a factor of {value:.0f}: the KL goes from {least:.4f} to {largest:.4f}.",
        because="Making a rare action rarer changes little. Making one more common, at the expense of the frequent "
        "one, changes a lot.",
    ),
    "line_search": Number(
        chapter=3,
        question="TRPO with ten times the budget, an eighth of the samples and little damping. In which share of its "
        "updates is the full step refused?",
        line=SHARE,
        near=0.12,
        answer="In {value:.0%} of the updates of ten runs.",
        because="The full step fills the budget of the quadratic model. The KL itself was beyond the budget in "
        "{beyond:.0%} of the updates, and in {worse:.0%} the surrogate did not improve.",
    ),
    "maximiser": Options(
        chapter=3,
        question="The batch is small, and the price β is almost zero. Where is <i>J</i> − β KL largest?",
        options={
            "near 0, short of the best step": "Almost nothing holds the step back.",
            "near the best step": "The batch does not know the truth. It bets on what was lucky in it.",
            "far beyond the best step": "",
        },
        answer="Far beyond the best step: at {found:.1f}, where {best:.1f} would be best.",
        because="A batch’s own best policy bets on what was lucky in it. Here the batch promises {promised:.2f}, and "
        "the truth is {true:.2f}: worse than not moving at all.",
    ),
    "no_wall": Number(
        chapter=3,
        question="ε = 0.2. An update with clipping is over. Which share of its ratios lies outside 1 ± ε?",
        line=SHARE,
        near=0.06,
        answer="{value:.0%} of them, the mean of ten runs, and {most:.0%} in the worst update.",
        because="{wrong:.0%} of the ratios are outside on the side that their advantage does not ask for. The "
        "weights are shared, so a step for some samples moves the others too.",
    ),
    "without_min": Number(
        chapter=3,
        question="With the min, {with_min:.0%} of the samples have no gradient. How many have none without it?",
        line=SHARE,
        marks={"with_min": "with the min"},
        near=0.08,
        answer="Without the min {value:.0%} have none.",
        because="{stuck:.0%} of the samples have moved the wrong way, and now they have no gradient that pulls them "
        "back.",
    ),
    "broadcast": Options(
        chapter=3,
        question="Values [B] are compared with returns [B, 1]. What becomes of V?",
        options={
            "it is as good as without the bug": "The errors of all pairs are added up, and most pairs do not belong "
            "together.",
            "it is noisy, but right on average": "The wrong pairs do not average out.",
            "it diverges": "V is fitted to returns, which stay finite.",
            "it is the same in every state": "",
        },
        answer="V is the same in every state.",
        because="The number with the least squared error to all returns at once is their mean. The policy learns all "
        "the same, to a return of {broken_return:.0f}, and of {sound_return:.0f} without the bug: advantages with a "
        "flat V are still advantages.",
    ),
    "details": Options(
        chapter=3,
        question="PPO learns Pendulum with all of these, and then each one is taken away alone. Which three cost the "
        "most return over the whole run?",
        options={
            "scaled observations, scaled rewards, normalised advantages": "One of the three is among them. Taking the "
            "scaled observations away even helped here.",
            "orthogonal weights, clipped gradients, the annealed learning rate": "The effects of the first two cannot "
            "be told from 0 here.",
            "the clip, two networks, GAE": "The first is. One network did no worse than two here.",
            "the clip, the four epochs, scaled rewards": "",
        },
        answer="The clip, worth {clip:.0f}, the four epochs, {epochs:.0f}, and scaled rewards, {rewards:.0f}.",
        because="The first two are the algorithm itself: several epochs on a rollout, and what keeps them harmless. "
        "Of the twelve details only the scaled rewards have an effect that helps and passes the test.",
    ),
    "gamed": Options(
        chapter=3,
        question="The price β of the KL falls from 20 towards 0, and the best policy is paid more and more. What "
        "becomes of the share of <i>it is good !</i>, the sentence that was wanted?",
        options={
            "it rises": "It does at first. But the reward does not know which sentence was wanted.",
            "it falls": "It does in the end. But at first the reward and the wish agree.",
            "it rises, and then it falls": "",
            "it stays as it is": "The reward prefers this sentence to the one with <i>bad</i>.",
        },
        answer="It rises from {reference:.0%} to {most:.0%}, at β = {beta:g}, and falls to {last:.0%}.",
        because="At first the cheapest way to be paid is to say <i>good</i> instead of <i>bad</i>. Once that is done, "
        "more <i>good</i>s pay more. No number that the training sees tells where the one ends and the other begins.",
    ),
    "ppo_against_a2c": Number(
        chapter=3,
        question="By the paper’s final scores PPO is above ACER in {acer} of 49 games. In how many is it above A2C?",
        line=Axis(0, 49, "games", ticks=(0, 9, 18, 27, 36, 49), form="{value:.0f}"),
        marks={"acer": "above ACER"},
        near=4,
        answer="In {value:.0f}; in {lost} it is below, and {tied} is a tie.",
        because="So PPO beats A2C far beyond chance, and ACER at the end not at all: {acer} games won and {acer_lost} "
        "lost are what a coin gives.",
    ),
    "place_on_cartpole": Options(
        chapter=3,
        question="Five methods learn CartPole, with the same steps. Which place does PPO with clipping take by the "
        "mean return over the whole run?",
        options={
            "the first of five": "So one would think, by its fame.",
            "the second": "",
            "the third": "",
            "the last": "",
        },
        answer="The last: the interquartile mean of its five seeds is {clip:.0f}, and that of {first} {most:.0f}.",
        because="Two of its five seeds learn the task, lose it again and recover, and the other three are slow. In the "
        "end all five methods stand at 500.",
    ),
    "clipped_mean": Number(
        chapter=3,
        question="Actions are drawn with μ = 0.8 and σ = 0.5, and clipped to ±1. What is the mean of ∂ ln π / ∂μ over "
        "the clipped actions? Over the drawn ones it is 0.",
        line=Axis(-1, 1, ticks=(-0.75, -0.25, 0.25, 0.75), form="{value:.2f}"),
        near=0.15,
        answer="It is {value:.2f}.",
        because="Clipping takes {share:.0%} of the actions back to 1, and each of them counts as nearer to μ than it "
        "was. So the mean action seems to be too high, whatever was paid for it.",
    ),
    "seeds_of_pong": Number(
        chapter=3,
        question="Ten runs of Pong differ in nothing but the seed. How many of them have a mean of 18 in their last 20 "
        "games before 450,000 steps?",
        line=Axis(0, 10, "runs", ticks=(0, 2, 4, 6, 8, 10), form="{value:.0f}"),
        near=1,
        answer="{value:.0f} of ten. The fastest needs {fastest:,.0f} steps, the run in the middle {middle:,.0f}.",
        because="The slowest of the ten stands at {last:.1f} after {longest:,.0f} steps, when it is ended. One curve "
        "could have shown any of them.",
    ),
    "patient_a": patient(
        "A",
        {
            "wrong sign of the objective": "That would leave V as it is. Look at the explained variance.",
            "truncation taken as termination": "V would still explain a part of the returns.",
        },
        answer="A dead value function: the loss has no term for V.",
        because="The explained variance gives it away: {telling:.2f}, where healthy runs have {telling_well:.2f}. A "
        "constant would have 0. The KL misleads: {misleading:.4f}, where healthy runs have {misleading_well:.4f}. "
        "It looks like a learning rate that is too small.",
    ),
    "patient_b": patient(
        "B",
        {"wrong sign of the objective": "With the clip, a wrong sign leaves the KL small."},
        answer="Its KL explodes: the objective has no clip.",
        because="The KL gives it away: {telling:.1f} nats after an update, where healthy runs have {telling_well:.3f}. "
        "The explained variance misleads: {misleading:.2f}, and {misleading_well:.2f} in healthy runs. V is fine. It "
        "is the policy that is lost.",
    ),
    "patient_c": patient(
        "C",
        {
            "exploding KL": "Its KL is no larger than that of a healthy run.",
            "dead value function": "V explains a part of the returns.",
        },
        answer="The sign of the objective is wrong: its advantages are V − G.",
        because="Only the return gives it away: it falls to {telling:,.0f}, below that of the first episodes, and "
        "healthy runs get {telling_well:,.0f}. The KL misleads: {misleading:.4f}, where healthy runs have "
        "{misleading_well:.4f}. An update can be as careful as you like in the wrong direction.",
    ),
    "patient_d": patient(
        "D",
        {
            "dead value function": "V explains a part of the returns, which a dead one would not.",
            "no normalisation": "Its gradients are shorter than those of a healthy run.",
        },
        answer="It takes the time limit for the end of the task.",
        because="The explained variance is the nearest to a sign: {telling:.2f}, where healthy runs have "
        "{telling_well:.2f}. V cannot know when the clock will strike, and now the clock decides what a state is worth."
        " The entropy says nothing: {misleading:.2f}, and {misleading_well:.2f} in healthy runs.",
    ),
    "patient_e": patient(
        "E",
        {
            "exploding KL": "Its KL is less than twice that of a healthy run, not hundreds of times.",
            "no normalisation": "Its gradient is about twice as long as a healthy one, not hundreds of times.",
        },
        answer="Its entropy collapses: the entropy bonus is subtracted.",
        because="The entropy gives it away: {telling:.2f}, where healthy runs have {telling_well:.2f}. The explained "
        "variance misleads: {misleading:.2f}, where healthy runs have {misleading_well:.2f}.",
    ),
    "patient_f": patient(
        "F",
        {
            "exploding KL": "Its KL is about that of a healthy run, not hundreds of times.",
            "dead value function": "V is late, but in the end it explains as much as a healthy one.",
        },
        answer="Nothing is normalised: rewards, observations and advantages are used as they come.",
        because="The length of the gradient gives it away: {telling:,.0f}, where healthy runs have {telling_well:.1f}. "
        "The explained variance says nothing: {misleading:.2f}, and {misleading_well:.2f} in healthy runs.",
    ),
    # Chapter 4 --------------------------------------------------------------------------------------------------------
    "segment": Number(
        chapter=4,
        question="How many steps does the best segment have?",
        line=Axis(1, 200, "steps", log=True, ticks=(1, 2, 5, 20, 50, 200), form="{value:.0f}"),
        near=1.6,
        answer="It has about {value:.0f} steps.",
        because="Each step more takes some bias away and adds noise. Beyond this length it adds more than it takes.",
    ),
    "too_sure": Number(
        chapter=4,
        question="How many of the forty learners end up sure of a wrong action?",
        line=Axis(0, 40, "learners", ticks=(0, 10, 20, 30, 40), form="{value:.0f}"),
        near=4,
        answer="{value:.0f} of them do.",
        because="The gradient is right on average. But these learners tried the first action about ten times, and it "
        "never paid. By then they were nearly sure of the second one.",
    ),
    "staleness": Options(
        chapter=4,
        question="With two workers, what will the mean staleness be?",
        options={
            "about 0: they hardly ever collide": "Staleness needs no collision.",
            "about 1": "",
            "about 10": "",
            "it depends on the length of a segment": "A longer segment makes both workers slower alike.",
        },
        answer="It is about {mean:.1f}.",
        because="Between two pushes of one worker the other one pushes once, on average.",
    ),
    "sixteen": Number(
        chapter=4,
        question="Sixteen workers, with gradients fifteen updates old on average. How many times as fast as one do "
        "they solve CartPole?",
        line=Axis(0, 20, "times as fast", ticks=(0, 4, 8, 12, 16, 20), form="{value:.2g}"),
        near=1.5,
        answer="They are {value:.1f} times as fast, in the median of {seeds} seeds.",
        because="They make sixteen times as many steps per second. But they need {more:.1f} times as many steps, and "
        "{failed} of the {seeds} seeds did not get there.",
    ),
    "waiting": Curve(
        chapter=4,
        question="One worker makes about {one:.0f} steps per second, and the machine has two cores. Draw what more "
        "workers make.",
        x=Axis(1, 16, "W, workers", log=True, ticks=(1, 2, 4, 8, 16)),
        y=Axis(0, 6_000, "steps per second", ticks=(0, 2_000, 4_000, 6_000), form="{value:,.0f}"),
        truth="measured",
        given="in proportion to W",
        answer="Sixteen workers make {rate:,.0f} steps per second, {times:.1f} times as many as one.",
        because="A worker that waits needs no core: meanwhile another one computes. With sixteen, {cpus:.1f} of the "
        "two cores are busy, so there is little more to gain.",
        points=5,
    ),
    "out_of_hand": Options(
        chapter=4,
        question="In which of these settings do weights get out of hand?",
        options={
            "in one: torch’s Adam, shared without a lock": "",
            "in both Adams that are shared without a lock": "In the five runs of the other one it did not happen.",
            "in all three that are shared without a lock": "RMSProp has a single statistic, so two cannot disagree.",
            "in none: collisions are rare": "Rare is not never, and one is enough.",
        },
        answer="In one: torch’s Adam, shared without a lock. Its largest weight is {largest:,.0f}, and in all other "
        "rows none is above {others:.1f}.",
        because="With a lock around the same lines it did not happen. Without one, a worker can read an <i>m</i> that "
        "is new and a <i>v</i> that is not.",
    ),
    "no_velocity": Options(
        chapter=4,
        question="Can a policy that sees only the present, and no velocities, balance the pole at all?",
        options={
            "yes: 500 steps, as with velocities": "",
            "half of the time: about 250 steps": "",
            "a little: about 50 steps": "",
            "no: about 20 steps, like random play": "To push towards the side where the pole leans is better than "
            "nothing.",
        },
        answer="A little: the five runs end between {low:.0f} and {high:.0f} steps.",
        because="A policy without a memory can push towards the side where the pole leans. This rule lasts about 40 "
        "steps, and each swing is wider than the one before.",
    ),
    "five_games": Number(
        chapter=4,
        question="Add up the scores of A3C with an LSTM over the 57 games. What share comes from its five best games?",
        line=SHARE,
        near=0.1,
        answer="Its five best games make up {value:.0%} of the sum.",
        because="The best one alone, {game}, gives {score:,.0f} %. The median does not see how large these scores are.",
    ),
    "clock": Options(
        chapter=4,
        question="Who leads after 150 seconds of CrazyClimber?",
        options={
            "PPO": "",
            "A3C with an LSTM": "It leads the table by the mean, after four days on 16 cores.",
            "Prioritized DQN": "It leads the table by the median, after eight days on a GPU.",
            "DQN": "",
        },
        answer="PPO leads, with {best:,.0f} points in the games of the last 60 seconds.",
        because="The next one is {second}, with {score:,.0f}. With another game, other settings or more time it may be "
        "different.",
    ),
    "one_step": Options(
        chapter=4,
        question="On which tasks does A2C end furthest behind PPO with clipping?",
        options={
            "on CartPole and Acrobot": "",
            "on LunarLander and Pendulum": "",
            "on HalfCheetah": "A2C ends below PPO there, but above TRPO.",
            "on all five tasks alike": "",
        },
        answer="On LunarLander and Pendulum. A2C ends at {lander:.0f} and {pendulum:,.0f}, and PPO at {ppo_lander:.0f} "
        "and {ppo_pendulum:,.0f}.",
        because="On CartPole and Acrobot A2C keeps up. A2C takes one step on each rollout and PPO dozens. But they "
        "differ in more than that, so these curves do not say why.",
    ),
    "far_away": Number(
        chapter=4,
        question="Sixteen workers push to one server over a network: a θ of 1.7 million weights, 10 ms of work for a "
        "gradient, 10 Gbit/s. How many times as many gradients per second as one worker do they make?",
        line=Axis(0, 16, "times as many", ticks=(0, 4, 8, 12, 16), form="{value:.2g}"),
        near=1.0,
        answer="In the model they make {value:.1f} times as many.",
        because="Each push keeps the server busy for {server:.0f} ms, so it takes {rate:.0f} of them per second and no "
        "more, whatever the number of workers.",
    ),
    "shared_network": Options(
        chapter=4,
        question="Workers act on the shared network. After 30,000 steps, what does the return say about this bug?",
        options={
            "nothing: with and without it, the seeds lie among each other": "",
            "it is lower by a half or more": "",
            "it is lower, but by less than a half": "",
            "it stays near 20": "All five runs with the bug learn.",
        },
        answer="Nothing: the five returns end between {low:.0f} and {high:.0f}, and without the bug between "
        "{sound_low:.0f} and {sound_high:.0f}.",
        because="Only the policy that acted gives the bug away. It differs from the one whose gradient is taken by "
        "{kl:.2f} nats on average, and should not differ at all.",
    ),
}
