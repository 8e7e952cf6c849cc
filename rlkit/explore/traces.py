"""Runs in the background with a second picture below their curve."""

from rlkit.language import say
from rlkit.plotting import Moving, compact, stacked
from rlkit.plotting.alt_text import axes_in_words
from rlkit.plotting.curve import POINTS
from rlkit.plotting.live import Run
from rlkit.plotting.painter import painted
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
        self.draw_second()

    def draw_second(self):
        """Show the second figure as it is now."""
        self.move()
        self.put(self.second_image, self.second)

    def still(self):
        """The curve and the second figure below it, for a page without a kernel -> PNG bytes."""
        if self.shows_the_environment_alone() or not self.second_image.value:
            return super().still()
        return stacked(super().still(), compact(self.second_image.value, self.second.figure))

    @painted
    def alt(self):
        """Both pictures in words -> str."""
        above = super().alt()
        if self.shows_the_environment_alone() or not self.second_image.value:
            return above
        return say("{above} Below: {below}", above=above, below=axes_in_words(self.second.figure))

    @painted
    def answer(self):
        """Show what a control has changed: the second figure and the words, but not the curve, which saves time."""
        self.draw_second()
        self.tell()

    def since_when(self):
        """When a control that has moved begins to act -> str."""
        if self.working():
            return say("from the next iteration on")
        return say("from the next “{button}” on", button=self.next_start())


class TracedRun(RunWithPicture):
    """A run whose second figure shows some numbers of every iteration. (`result` keeps them only ten times a second.)

    A subclass has `read(progress)`, which gives one number for each of `lines`, and more if its words need them. The
    axes of the lines follow the steps of the curve above. `numbers` is what was read last, or None. `rows` holds the
    iterations so far, each as [step, *numbers]. When there are more than twice as many as can be drawn, every second
    one is dropped, so that a long run needs no more memory.
    """

    def __init__(self, agent, total_steps, figure, lines, controls):
        self.lines = lines
        self.forget()
        for line in lines:
            line.axes.locator_params(axis="x", nbins=4)  # the labels are long: numbers of steps
        figure.get_layout_engine().set(w_pad=0.3)  # the last label may reach over the edge of its axes
        super().__init__(agent, total_steps, figure, self.trace, controls=controls)

    def forget(self):
        """No iterations so far."""
        self.rows, self.numbers, self.every, self.iterations = [], None, 1, 0

    def begin_again(self):
        super().begin_again()
        self.forget()

    def trace(self, progress, result):
        """The watcher that reads the numbers after each iteration in which something was learned."""
        if not progress.metrics:  # all its steps were resets
            return
        self.numbers = [float(value) for value in self.read(progress)]
        if self.iterations % self.every == 0:
            self.rows.append([progress.step, *self.numbers])
        self.iterations += 1
        if len(self.rows) > 2 * POINTS:
            self.rows, self.every = self.rows[::2], 2 * self.every

    def move(self):
        if rows := self.rows.copy():  # the thread appends to them
            steps, *columns = zip(*rows)
            for line, values in zip(self.lines, columns):
                line.set_data(steps, values)
        for line in self.lines:
            line.axes.set_xlim(self.curve.ax.get_xlim())
