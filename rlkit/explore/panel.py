"""What every explorer is made of: controls, a picture whose artists move, and the numbers in words."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from rlkit.explore.controls import accepted, allowed, nearest, typed
from rlkit.language import say
from rlkit.plotting.alt_text import plain
from rlkit.plotting.figures import Moving
from rlkit.plotting.painter import later, never, painted, repeat
from rlkit.plotting.panel import Panel
from rlkit.plotting.view import REST
from rlkit.running.messages import similar

PLAY = 1 / 8  # seconds between the steps of a control that plays


def still_legend(ax, **options):
    """A legend drawn once, beneath the data, because text costs time. It needs a place that no data crosses."""
    ax.add_artist(Legend(ax, *ax.get_legend_handles_labels(), **options))


@dataclass
class Grip:
    """Axes that the reader can drag in. The pointer's x, its y or both become the value of the control of that name.

    `at(x, y)` is for anything else: it turns a point in data units into {name of a control: number}. If several grips
    share their axes, the pointer takes the one whose `line` is nearest to where it goes down.
    """

    ax: Axes
    x: str = ""
    y: str = ""
    at: Callable | None = None
    line: Line2D | None = None

    def values(self, x, y):
        """The numbers that a point asks for -> {name of a control: number}."""
        moved = {name: value for name, value in ((self.x, x), (self.y, y)) if name}
        return moved | (self.at(x, y) if self.at else {})

    def area(self):
        """Where the axes lie: [left, bottom, right, top] as shares of the figure."""
        return area(self.ax)

    def distance(self, x, y):
        """How far a point in data units is from the line, in pixels; 0 without a line."""
        if self.line is None:
            return 0.0
        corners = self.line.get_transform().transform(np.column_stack(self.line.get_data(orig=False)))
        return distance(self.ax.transData.transform((x, y)), corners)


class Explorer(Panel):
    """Controls that redraw one figure, and a button that resets them.

    `name` is the explorer's function in `rlkit.explore`, and `settings` are the reader's initial values. `controls` are
    widgets by name. `draw(**values)` gets the value of each under its name, moves the artists of `figure` and returns
    the numbers in words, as HTML. `grips` are the axes that can be dragged in. `ghosts` are lines: after a move, a pale
    shadow shows where they were. `plays` is the name of a control that a button steps through.
    """

    arguments = ()  # what else the reader gave, as it is typed: "chapter=2"

    def __init__(self, name, settings, figure, draw, /, grips=(), ghosts=(), plays="", **controls):
        self.name, self.figure, self.draw, self.grips, self.controls = name, figure, draw, grips, controls
        self.usual = {name: control.value for name, control in controls.items()}
        for setting, value in checked(name, settings, controls).items():
            controls[setting].value = value
        self.initial = self.values()
        self.resetting, self.held = False, None
        self.plays, self.playing, self.next_step, self.resting = plays, False, 0.0, True
        self.reset_button = button(say("Reset"), say("Put all controls back"), self.reset)
        self.copy_button = button(say("Copy this state"), say("Copy the call that opens this state"), self.copy_state)
        self.save_button = button(say("Save the picture"), say("Save the picture as a PNG file"), self.save_picture)
        tools = widgets.HBox([self.reset_button, self.copy_button, self.save_button])
        if plays:
            self.play_button = button(say("Play"), say("Step through all values of this control"), self.play)
            tools.children = [self.play_button, *tools.children]
        tools.add_class("rlkit-tools")
        text = self.draw(**self.initial)
        self.moving = Moving(figure, ghosts)
        super().__init__(self.moving.png(), [*controls.values(), tools], text)
        self.image.areas = [area(ax) for ax in dict.fromkeys(grip.ax for grip in grips)]
        self.image.pointed = self.pointed
        later(REST, self.image, self.rest)
        for control in controls.values():
            control.observe(lambda change: self.refresh(), "value")

    def values(self):
        """The present values of the controls, by name."""
        return {name: control.value for name, control in self.controls.items()}

    @painted
    def refresh(self):
        """Draw the figure and the words for the present values of the controls."""
        if self.resetting:
            return
        if self.resting:
            self.moving.remember()
            self.resting = False
        text = self.draw(**self.values())
        self.show(text)

    def show(self, text):
        """Show the figure as it is now, and the words."""
        self.image.show(self.moving)
        self.say(text)
        later(REST, self.image, self.rest)

    def rest(self):
        """Nothing has moved for a while: there is time to draw at double resolution and to say what is seen."""
        self.resting = True
        self.image.sharpen(self.moving)
        self.image.alt = self.alt()

    @painted
    def move(self, **values):
        """Give controls new values, and redraw once. Raises ValueError, before any moves, for what is not allowed."""
        self.require_picture()
        values = checked(self.name, values, self.controls)
        self.resetting = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self.resetting = False
        self.refresh()

    def require_picture(self):
        """Raise ValueError if the panel has left the page."""
        if self.moving is None:
            raise ValueError(
                say("This panel has left the page, because its cell was run again; {state} opens it anew.",
                    state=self.state())
            )  # fmt: skip

    @painted
    def reset(self):
        """Put all controls back to where they were at first, and redraw once."""
        self.playing = False
        self.move(**self.initial)
        self.unghost()

    def unghost(self):
        """Take the shadows of the setting before off the picture. Only the painter calls this."""
        if self.moving.past:
            self.moving.forget()
            self.image.show(self.moving)
            later(REST, self.image, self.rest)

    # A control that plays ---------------------------------------------------------------------------------------------

    @painted
    def play(self):
        """Step through the values of the control that `plays`, from where it is; at its end, from its start.

        If that goes on already, it pauses. The painter does this, because a click within a step would be lost.
        """
        self.playing = not self.playing
        if not self.playing:
            return
        values = allowed(self.controls[self.plays])
        if self.controls[self.plays].value == values[-1]:
            self.controls[self.plays].value = values[0]
        self.play_button.description, self.next_step = say("Pause"), time.monotonic() + PLAY
        repeat(self.step)

    def step(self):
        """One step of a control that plays, if it is time -> whether there are more. The painter calls this often."""
        control = self.controls[self.plays]
        values = allowed(control)
        if self.playing and time.monotonic() >= self.next_step:
            place = values.index(nearest(control, control.value)) + 1
            control.value = values[min(place, len(values) - 1)]
            self.playing, self.next_step = place + 1 < len(values), time.monotonic() + PLAY
        if not self.playing:
            self.play_button.description = say("Play")
        return self.playing

    @painted
    def leave(self):
        """Leave the page for good, and let go of the picture: IPython's `Out` may keep the explorer itself."""
        super().leave()
        never(self.image)
        self.playing, self.grips, self.draw, self.moving, self.figure = False, (), None, None, None
        self.image.value = self.image.sharp = b""

    def state(self):
        """The call that opens this explorer in its present state -> str: "explore.beta(kl_coef=3, seed=4)"."""
        moved = {name: value for name, value in self.values().items() if value != self.usual[name]}
        settings = [f"{name}={typed(self.controls[name], value)}" for name, value in moved.items()]
        return f"explore.{self.name}({', '.join([*self.arguments, *settings])})"

    def copy_state(self):
        """Put the call that opens this state on the reader's clipboard."""
        self.image.copy(self.state())

    @painted
    def save_picture(self):
        """Let the reader's browser save the picture, at double resolution."""
        self.require_picture()
        self.image.save(f"{self.name}.png", self.moving.png(scale=2))

    # The pointer on the picture ---------------------------------------------------------------------------------------

    @painted
    def pointed(self, x, y, phase):
        """The pointer is at a place of the picture: shares of its width and height, from the lower left corner."""
        ax = next((ax for ax in self.figure.axes if ax.get_visible() and within(area(ax), x, y)), None)
        self.image.hint = self.reading(ax, *data_point(ax, x, y)) if ax is not None and phase == "hover" else ""
        if phase == "down":
            ax = next((grip.ax for grip in self.grips if within(grip.area(), x, y)), None)
            self.held = self.taken(ax, *data_point(ax, x, y)) if ax else None
        if self.held is not None and phase in ("down", "move"):
            self.drag(self.held, *data_point(self.held.ax, x, y))
        if phase == "up":
            self.held = None

    def reading(self, ax, x, y):
        """What is shown beside a pointer at a point of `ax`, in data units: the labelled lines there -> str."""
        return "\n".join(filter(None, (reading_of(line, x) for line in ax.lines)))

    def point(self, ax, x, y):
        """Do what a pointer does at a point of `ax`, in data units: move the controls that can be dragged there."""
        self.drag(self.taken(ax, x, y), x, y)

    def taken(self, ax, x, y):
        """The grip that a pointer takes which goes down at a point of `ax`, in data units."""
        return min((grip for grip in self.grips if grip.ax is ax), key=lambda grip: grip.distance(x, y))

    def drag(self, grip, x, y):
        """Move the controls of a grip to where a point in data units puts them, if they are not there already."""
        values = {name: nearest(self.controls[name], value) for name, value in grip.values(x, y).items()}
        if any(self.controls[name].value != value for name, value in values.items()):
            self.move(**values)


def area(ax):
    """Where axes lie: [left, bottom, right, top] as shares of the figure."""
    return [float(edge) for edge in ax.get_position().extents]


def reading_of(line, x):
    """The label of a line and its value at `x`, as the line is drawn -> str; "" if there is nothing to be read."""
    label, (at, values) = line.get_label(), line.get_data(orig=False)
    known = np.isfinite(at) & np.isfinite(values)
    at, values = at[known], values[known]
    upright = line.get_transform() != line.axes.transData  # a line across all of the axes has one value
    if label.startswith("_") or not line.get_visible() or upright or len(at) < 2 or (np.diff(at) < 0).any():
        return ""
    if not at[0] <= x <= at[-1] or at[0] == at[-1]:
        return ""
    if line.get_linestyle() == "None":  # dots: the nearest one
        return say("{label}: {value:.3g}", label=plain(label), value=values[np.abs(at - x).argmin()])
    to_page, to_data = line.axes.transScale, line.axes.transScale.inverted()
    points = to_page.transform(np.column_stack([at, values]))
    here = to_page.transform([x, values[0]])[0]
    value = to_data.transform([here, np.interp(here, *points.T)])[1]
    return say("{label}: {value:.3g}", label=plain(label), value=value)


def button(text, tooltip, pressed):
    """A button that calls `pressed()`."""
    made = widgets.Button(description=text, tooltip=tooltip, layout={"width": "auto"})
    made.on_click(lambda _: pressed())
    return made


def within(area, x, y):
    """Is a point inside [left, bottom, right, top]?"""
    left, bottom, right, top = area
    return left <= x <= right and bottom <= y <= top


def data_point(ax, x, y):
    """A place of the figure, in shares, in the data units of `ax`, and not outside of it -> x, y."""
    left, bottom, right, top = ax.get_position().extents
    inside = min(max(x, left), right), min(max(y, bottom), top)
    return ax.transData.inverted().transform(ax.figure.transFigure.transform(inside))


def distance(point, corners):
    """How far a point `[2]` is from a line through `corners` `[N, 2]`, all in pixels -> a number."""
    start = corners[:-1] if len(corners) > 1 else corners
    piece = np.diff(corners, axis=0) if len(corners) > 1 else np.zeros_like(corners)
    along = ((point - start) * piece).sum(-1) / np.maximum((piece**2).sum(-1), 1e-12)
    return np.nanmin(np.hypot(*(point - start - along.clip(0, 1)[:, None] * piece).T))


def checked(name, settings, controls):
    """A reader's initial values for the controls of the explorer called `name`. Raises a ValueError of one sentence."""
    for setting in settings:
        if setting not in controls:
            close = similar(setting, controls)
            meant = say(" Did you mean {close}?", close=close) if close else ""
            raise ValueError(
                say("explore.{name} has no setting {setting!r}.{meant} Its settings are {known}.",
                    name=name, setting=setting, meant=meant, known=", ".join(controls))
            )  # fmt: skip
    return {setting: accepted(setting, controls[setting], value) for setting, value in settings.items()}
