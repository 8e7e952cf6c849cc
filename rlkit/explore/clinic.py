"""Six sick runs of PPO, shown by their metrics alone, over healthy runs in grey. What they suffer from is not said."""

import numpy as np

from rlkit.experiments.clinic import HEALTHY, LOGARITHMIC, METRICS, PATIENTS, TOTAL, late
from rlkit.experiments.statistics import difference_interval
from rlkit.experiments.stored import stored
from rlkit.explore.controls import choice, shown
from rlkit.explore.panel import Explorer
from rlkit.language import number, say
from rlkit.plotting import GREY, RED, picture
from rlkit.plotting.clinic import middle
from rlkit.running.messages import brief
from rlkit.running.settings import nearest

TITLES = {
    "return": "return, last 20 episodes",
    "kl": "KL after an update",
    "clip_fraction": "share of ratios beyond 1 ± ε",
    "entropy": "entropy",
    "explained_variance": "explained variance of V",
    "grad_norm": "length of the gradient",
}
LOWEST = -1.5  # of the axis of the explained variance, which has no lower bound
BAND = "0.85"  # a pale grey


# Picture --------------------------------------------------------------------------------------------------------------


class ClinicPicture:
    """A panel for each metric: the healthy runs as a grey band and their median, a patient's runs in red over it."""

    def __init__(self, runs):
        self.figure, axes = picture(3, 2, width=12, height=5.4, sharex=True)
        self.axes = dict(zip(METRICS, axes.flat))
        seeds, self.lines = len(runs[HEALTHY]), {}
        for metric, ax in self.axes.items():
            if metric in LOGARITHMIC:
                ax.set_yscale("log")
            steps, healthy = along(runs[HEALTHY], metric)
            band = ax.fill_between(steps, healthy.min(0), healthy.max(0), color=BAND, linewidth=0, zorder=0)
            (grey,) = ax.plot(steps, np.median(healthy, 0), color=GREY, linewidth=2.4)
            thin = [ax.plot([], [], color=RED, linewidth=0.8, alpha=0.6)[0] for _ in range(seeds)]
            (thick,) = ax.plot([], [], color=RED, linewidth=3)
            self.lines[metric] = thin, thick
            ax.set_title(TITLES[metric], fontsize=12)
            ax.set(xlim=(0, TOTAL / 1_000), ylim=limits(runs, metric))
        for ax in axes[-1]:
            ax.set_xlabel("agent steps, thousands")
        names = ["patient, median", "patient, each seed", "healthy, median", "healthy, all seeds"]
        self.figure.legend([thick, thin[0], grey, band], names, loc="outside upper left", ncols=4)

    def draw(self, runs):
        """Move the red lines to the runs of a patient, one for each seed."""
        for metric, (thin, thick) in self.lines.items():
            steps, values = along(runs, metric)
            for line, of_a_seed in zip(thin, values):
                line.set_data(steps, of_a_seed)
            thick.set_data(steps, np.median(values, 0))


def along(runs, metric):
    """The points of a metric: steps in thousands `[P]`, and values `[seeds, P]`, as far down as the axis reaches."""
    values = np.array([run[metric] for run in runs])
    return np.array(runs[0]["steps"]) / 1_000, values.clip(LOWEST) if metric == "explained_variance" else values


def limits(runs, metric):
    """The limits of a y axis that all patients share."""
    values = np.concatenate([along(seeds, metric)[1] for seeds in runs.values()])
    low, high = values.min(), values.max()
    if metric in LOGARITHMIC:
        return low / 1.5, high * 1.5
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


# Explorer -------------------------------------------------------------------------------------------------------------


def clinic(**settings):
    """Six sick runs of PPO on Pendulum, by their metrics, over healthy ones -> Explorer. Its control is the patient."""
    runs, _ = stored("clinic")
    picture = ClinicPicture(runs)

    def draw(patient):
        picture.draw(runs[patient])
        return words(patient, runs)

    return Explorer(
        "clinic",
        settings,
        picture.figure,
        draw,
        patient=choice("patient", "A", list(PATIENTS)),
    )


def words(patient, runs):
    """The line of text: each metric after the first third of the runs, and of the healthy ones."""
    numbers = {
        f"{who}_{metric}": middle(late(runs[name], metric), metric)
        for who, name in (("sick", patient), ("well", HEALTHY))
        for metric in METRICS
    }
    return say(
        "<b>Patient {patient}</b>. After the first third of the run, and in healthy runs: return {sick_return:.3g}, "
        "{well_return:.3g}; KL {sick_kl:.2g}, {well_kl:.2g}; share beyond 1 ± ε {sick_clip_fraction:.2f}, "
        "{well_clip_fraction:.2f}; entropy {sick_entropy:.2f}, {well_entropy:.2f}; explained variance "
        "{sick_explained_variance:.2f}, {well_explained_variance:.2f}; gradient {sick_grad_norm:.2g}, "
        "{well_grad_norm:.2g}. Interquartile means of {n} seeds.",
        patient=shown(patient), n=len(runs[patient]), **numbers,
    )  # fmt: skip


# After the answer -----------------------------------------------------------------------------------------------------


def card(patient):
    """What is known of a patient, once it has been diagnosed -> text: the disease, its line, and the metrics.

    Raises ValueError if there is no such patient.
    """
    if patient not in [*PATIENTS]:
        raise ValueError(f"There is no patient {brief(patient)}; {nearest(patient, PATIENTS)}")
    runs, known = stored("clinic")[0], PATIENTS[patient]
    lines = [
        say("Patient {patient}: {disease}", patient=patient, disease=shown(known.disease)),
        say("the line as it is:    {wrong}", wrong=known.wrong),
        say("as it must be:        {right}", right=known.right),
        say("interquartile means of {n} seeds   patient   healthy  95 % interval", n=len(runs[patient])),
    ]
    for metric in METRICS:
        sick, well, low, high = departure(runs, patient, metric)
        values = {name: number(value, ".3g") for name, value in (("sick", sick), ("well", well))}
        sign = "" if metric in LOGARITHMIC else "+"
        values |= {name: number(value, f"{sign}.3g") for name, value in (("low", low), ("high", high))}
        row = say(
            "{metric:31} {sick:>9} {well:>9}  of the ratio: {low} to {high}"
            if metric in LOGARITHMIC
            else "{metric:31} {sick:>9} {well:>9}  of the difference: {low} to {high}",
            metric=shown(TITLES[metric]), **values,
        )  # fmt: skip
        lines.append(row)
    return "\n".join(lines)


def departure(runs, patient, metric):
    """How far a patient's metric is from the healthy runs' after the first third -> (patient's, healthy, low, high).

    Both are interquartile means over the seeds. low and high are the ends of the 95 % interval of their difference; of
    LOGARITHMIC metrics, of their ratio.
    """
    sick, well = (late(runs[name], metric) for name in (patient, HEALTHY))
    if metric in LOGARITHMIC:
        low, high = np.exp(difference_interval(np.log(sick), np.log(well)))
    else:
        low, high = difference_interval(sick, well)
    return middle(sick, metric), middle(well, metric), float(low), float(high)
