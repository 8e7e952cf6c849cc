"""Runs in the background with a second picture below their curve."""

from rlkit.plotting import Moving
from rlkit.plotting.curve import describe
from rlkit.plotting.live import Run
from rlkit.plotting.view import View


class RunWithPicture(Run):
    """A run with a second figure below its curve. A subclass moves the artists of that figure in `move()`."""

    def __init__(self, agent, total_steps, figure, *watchers, controls=()):
        self.second = Moving(figure)
        self.second_image = View()
        super().__init__(agent, total_steps, *watchers, controls=controls)
        self.picture_box.children = [*self.picture_box.children, self.second_image]

    def draw(self):
        super().draw()
        self.move()
        self.second_image.value = self.second.png()


class TracedRun(RunWithPicture):
    """A run whose second figure shows some numbers of every iteration. (`result` keeps them only ten times a second.)

    `read(progress)` gives one number for each of `lines`. Their axes follow the steps of the curve above. `tell(rows)`
    gives what is added to the line of text; `rows` holds what was read, one list for each iteration so far.
    """

    def __init__(self, agent, total_steps, figure, lines, read, tell, controls):
        self.lines, self.read, self.tell = lines, read, tell
        self.steps, self.rows = [], []
        for line in lines:
            line.axes.locator_params(axis="x", nbins=4)  # the labels are long: numbers of steps
        figure.get_layout_engine().set(w_pad=0.3)  # the last label may reach over the edge of its axes
        super().__init__(agent, total_steps, figure, self.trace, controls=controls)

    def trace(self, progress, result):
        """The watcher that reads the numbers after each iteration."""
        self.steps.append(progress.step)
        self.rows.append([float(value) for value in self.read(progress)])

    def move(self):
        count = len(self.rows)  # appended to after `steps`, so there are as many of those
        for line, values in zip(self.lines, zip(*self.rows[:count])):
            line.set_data(self.steps[:count], values)
            line.axes.set_xlim(self.curve.ax.get_xlim())

    def words(self):
        return describe(self.result) + self.tell(self.rows)
