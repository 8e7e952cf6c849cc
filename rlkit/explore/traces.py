"""A run in the background with a second picture below its curve: some numbers of every iteration."""

from rlkit.plotting import Moving
from rlkit.plotting.live import Run, describe, frame


class TracedRun(Run):
    """`read(progress)` gives one number for each of `lines`; their axes follow the steps of the curve above.

    `words()` adds to the line of text. (`result` keeps metrics ten times a second only.)
    """

    def __init__(self, agent, total_steps, figure, lines, read, words, controls):
        self.lines, self.read, self.words = lines, read, words
        self.steps, self.rows = [], []
        for line in lines:
            line.axes.locator_params(axis="x", nbins=4)  # steps are long numbers
        figure.get_layout_engine().set(w_pad=0.3)  # and one may stand at the edge
        self.second = Moving(figure)
        self.second_image = frame()
        super().__init__(agent, total_steps, self.trace, controls=controls)
        self.children = [*self.children, self.second_image]

    def trace(self, progress, result):
        """A watcher, called after each iteration."""
        self.steps.append(progress.step)
        self.rows.append([float(value) for value in self.read(progress)])

    def draw(self):
        super().draw()
        count = len(self.rows)  # the last to be appended to
        for line, values in zip(self.lines, zip(*self.rows[:count])):
            line.set_data(self.steps[:count], values)
            line.axes.set_xlim(self.curve.ax.get_xlim())
        self.second_image.value = self.second.png()
        self.say(describe(self.result) + self.words(self.rows[:count]))
