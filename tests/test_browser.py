"""The lectures in a browser: they open, cells run, every kind of panel obeys pointer and keys, no process is left.

The screenshots are in build/screenshots afterwards.
"""

import psutil
import pytest
from conftest import PATIENCE
from matplotlib.colors import to_rgb

from rlkit.plotting import BLUE, GREEN, ORANGE

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install -e '.[browser]'")
from lab import BROWSERS, DEADLINE, Chapter, Lab, browser_path, failures, write_notebook  # noqa: E402

pytestmark = pytest.mark.skipif(
    browser_path() is None,
    reason=f"none of the commands {', '.join(BROWSERS)} was found: on Debian `sudo apt install chromium` brings one",
)
sync_api.expect.set_options(timeout=1_000 * DEADLINE)
CHAPTERS = ("01_overview", "02_dqn", "03_ppo", "04_a3c")
RUN_ALL = ("02_dqn", "03_ppo")  # those with the most panels: nbval runs every cell of all four, and a browser is slow
RUN_SOME = {
    "04_a3c": ("from rlkit import", "explore.worker_model()", 'explore.ask("no_velocity"', "race = explore.workers(")
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    assert lab.close() == []


@pytest.fixture(scope="module")
def browser():
    with (
        sync_api.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser_path()) as browser,
    ):
        yield browser


# What is on the page --------------------------------------------------------------------------------------------------


def words(cell):
    """The text under the picture."""
    return cell.locator("[role=status]").last.inner_text()


def images(cell):
    """The pictures of a panel, one below the other, without the moving environment."""
    return cell.locator(".rlkit-pictures .rlkit-image")


def drawn(cell):
    """The picture that follows the controls, as its address: each drawing has a new one."""
    return images(cell).last.get_attribute("src")


def redrawn(cell, before):
    """Wait until that picture is a new one."""
    sync_api.expect(images(cell).last).not_to_have_attribute("src", before)


def state(cell):
    """What a live run says it is doing."""
    return cell.locator(".rlkit-state")


def press(cell, name):
    cell.get_by_role("button", name=name, exact=True).click()


def unlock(cell):
    """Make the controls work: skip the question, and hold ε, which otherwise follows its schedule."""
    cell.locator(".rlkit-ask, .rlkit-view img").first.wait_for()
    for skip in cell.get_by_role("button", name="Skip", exact=True).all():
        skip.click()
    images(cell).last.wait_for()
    for hold in cell.get_by_label("hold ε by hand").all():
        before = drawn(cell)
        hold.check()
        redrawn(cell, before)


def drag(page, control):
    """Drag the handle of a slider to the other half of its track, with the mouse."""
    handle = control.locator(".noUi-handle")
    handle.scroll_into_view_if_needed()
    box, track = handle.bounding_box(), control.locator(".noUi-base").bounding_box()
    middle = box["y"] + box["height"] / 2
    far = 0.25 if box["x"] > track["x"] + track["width"] / 2 else 0.75
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] * far, middle, steps=5)
    page.mouse.up()


# The chapters ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chapters(lab, browser):
    """All four, with Run All started in some. Their kernels share the machine, as those of a class do."""
    opened = {}
    for name in CHAPTERS:
        opened[name] = chapter = Chapter(browser, lab, name)
        chapter.screenshot("1-opened")
        if name in RUN_ALL:
            chapter.do("notebook:clear-all-cell-outputs")  # so that all outputs found later are new
            chapter.begin("notebook:run-all-cells")
    return opened


@pytest.fixture(scope="module")
def ended():
    """The chapters that have run to their end."""
    return set()


@pytest.fixture
def ran(chapters, ended):
    """A chapter, by name, after its cells have run. Its live runs, which go on for ever, have been stopped."""

    def get(name):
        chapter = chapters[name]
        chapter.page.bring_to_front()
        if name not in ended:
            if name in RUN_ALL:
                chapter.end(seconds=PATIENCE)
            for source in RUN_SOME.get(name, ()):
                chapter.cell(source)
                chapter.do("notebook:run-cell")
            stop = "from rlkit.plotting.live import at_work\nfor panel in list(at_work):\n    panel.stop()\nat_work"
            assert chapter.run(stop) == "set()"
            ended.add(name)
        return chapter

    return get


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_opens_and_its_cells_run(ran, name):
    chapter = ran(name)
    assert failures(chapter.code_cells()) == []
    assert chapter.script_errors == []
    assert not chapter.page.get_by_text("Jupyter news").count()  # JupyterLab asks no question in front of a class
    chapter.screenshot("2-ran")


SLIDERS = {
    "beta": ("03_ppo", "explore.beta()", "β, price of KL"),
    "clip-eps": ("03_ppo", "explore.clip_epsilon(", "ε, clip eps"),
    "workers": ("04_a3c", "explore.worker_model()", "W, workers"),
}


@pytest.mark.parametrize("slider", SLIDERS)
def test_a_slider_follows_mouse_and_keyboard(ran, slider):
    name, source, label = SLIDERS[slider]
    chapter = ran(name)
    cell = chapter.cell(source)
    unlock(cell)
    control = cell.locator(".widget-slider", has_text=label)
    said = cell.locator("[role=status]").last
    for move in (lambda: control.locator(".noUi-handle").press("ArrowRight"), lambda: drag(chapter.page, control)):
        before = drawn(cell), words(cell)
        move()
        redrawn(cell, before[0])
        sync_api.expect(said).not_to_have_text(before[1])
    chapter.screenshot("3-" + slider)


@pytest.mark.parametrize("source", ["explore.clip_epsilon(", "explore.museum("])  # together: every kind of control
def test_every_control_is_reached_by_the_tab_key(ran, source):
    chapter = ran("03_ppo")
    cell = chapter.cell(source)
    unlock(cell)
    controls = cell.locator(".rlkit-controls").locator(".noUi-handle, select, input, .widget-button")
    assert controls.count() >= 3
    controls.first.focus()
    for number in range(controls.count()):
        sync_api.expect(controls.nth(number)).to_be_focused()
        for _ in range(2):  # the number of a slider is a field that Tab stops at
            chapter.page.keyboard.press("Tab")
            if not cell.locator(".widget-readout:focus").count():
                break


def test_a_question_covers_its_panel_until_an_option_is_chosen(ran):
    cell = ran("02_dqn").cell('explore.ask("two_states"')
    sync_api.expect(cell.get_by_text("The picture and its controls appear")).to_be_visible()
    assert cell.locator(".jp-OutputArea").locator("img, .noUi-handle, details").count() == 0
    assert "infinity" not in cell.locator(".rlkit-ask-reply").inner_text()
    press(cell, "to 0")
    sync_api.expect(cell.locator(".rlkit-ask-reply")).to_contain_text("No: you chose “to 0”.")
    cell.locator(".rlkit-view img").wait_for()


def test_a_number_is_guessed_with_the_keys_alone(ran):
    chapter = ran("03_ppo")
    cell = chapter.cell('explore.ask("wrong_sign"')
    guess = cell.get_by_role("slider", name="your guess")
    guess.focus()
    for key in ("PageUp", "PageUp", "ArrowRight", "ArrowLeft", "ArrowRight"):
        chapter.page.keyboard.press(key)
    sync_api.expect(guess).to_have_attribute("aria-valuetext", "21\xa0%")
    sync_api.expect(guess).to_be_focused()
    chapter.page.keyboard.press("Tab")
    chapter.page.keyboard.press("Enter")
    sync_api.expect(cell.locator(".rlkit-ask-reply")).to_contain_text("Not close enough: you guessed 21\xa0%.")
    sync_api.expect(cell.locator(".rlkit-ask-reply")).to_be_focused()


def test_a_curve_is_drawn_with_the_pointer_and_the_truth_laid_over(ran):
    chapter = ran("02_dqn")
    cell = chapter.cell('explore.ask("alias"')
    sync_api.expect(cell.get_by_role("button", name="This is my curve")).to_be_disabled()
    box = cell.locator(".rlkit-ask-picture").bounding_box()
    chapter.page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.7 * box["height"])
    chapter.page.mouse.down()
    chapter.page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.4 * box["height"], steps=20)
    chapter.page.mouse.up()
    heights = [int(point.get_attribute("aria-valuenow")) for point in cell.get_by_role("slider").all()]
    assert heights == sorted(heights) and len(set(heights)) == len(heights)
    assert cell.locator("path.truth").count() == 0
    press(cell, "This is my curve")
    sync_api.expect(cell.locator(".rlkit-ask-picture path.truth")).to_have_count(1)
    chapter.screenshot("4-curve")


def test_a_class_raises_hands(ran):
    cell = ran("03_ppo").cell('explore.ask("kl_factor"')
    press(cell, "Count hands (for a class)")
    press(cell, "one more hand: 5 to 20")
    cell.get_by_role("spinbutton", name="hands: 1 to 2", exact=True).fill("3")
    press(cell, "Show the answer")
    sync_api.expect(cell.locator(".rlkit-ask-reply")).to_contain_text("1 hand of 4 was right.")


LIVE = {  # explorer: its chapter, its cell, its slider, and the colours of the curves below the return
    "clip": ("03_ppo", "clipped = explore.clip_live()", "ε, clip eps", (BLUE, ORANGE)),
    "beta": ("03_ppo", "penalised = explore.beta_live()", "β, price of KL", (BLUE, GREEN)),
    "epsilon": ("02_dqn", "live = explore.epsilon(", "ε, random actions", (BLUE,)),
}


def steps(cell):
    return int(words(cell).split()[0].replace(",", ""))


@pytest.mark.parametrize("explorer", LIVE)
def test_a_run_goes_on_beside_other_cells_and_under_its_slider_until_stop(ran, explorer):
    chapter, source, label, colours = ran(LIVE[explorer][0]), *LIVE[explorer][1:]
    cell = chapter.cell(source)
    sync_api.expect(state(cell)).to_contain_text("Stopped")
    unlock(cell)
    before = steps(cell)
    press(cell, "Continue")
    sync_api.expect(state(cell)).to_contain_text("Learning")
    assert chapter.run("6 * 7") == "42"

    cell = chapter.cell(source)
    slider, curve = cell.locator(".widget-slider", has_text=label), images(cell).first
    for key in ("ArrowRight", "ArrowLeft", "ArrowRight"):  # drawn over and over, by the run and by the slider
        old = curve.get_attribute("src"), drawn(cell)
        for _ in range(4):
            slider.locator(".noUi-handle").press(key)
        sync_api.expect(curve).not_to_have_attribute("src", old[0])
        redrawn(cell, old[1])
    drag(chapter.page, slider)
    assert "Learning" in state(cell).inner_text()
    chapter.screenshot(f"4-{explorer}-moved")

    press(cell, "Stop")
    sync_api.expect(state(cell)).to_contain_text("Stopped")
    assert steps(cell) > before
    curve, below = images(cell).all()
    assert coloured(curve, BLUE) > 20 and all(coloured(below, colour) > 20 for colour in colours)


def coloured(image, colour):
    """How many pixels of a picture on the page have a colour."""
    rgb = [255 * part for part in to_rgb(colour)]
    return image.evaluate("(image, colour) => lab.coloured(image, colour)", rgb)


def test_an_interrupted_wait_leaves_the_run_to_its_buttons(ran):
    chapter = ran("03_ppo")
    chapter.write("waited = explore.clip_live(num_envs=2)\ndisplay(waited)\nwaited.wait()")
    chapter.begin("notebook:run-cell")
    cell = chapter.page.locator(".jp-Cell.jp-mod-active")
    status = cell.locator("[role=status]").last
    status.wait_for()
    said = status.inner_text()
    sync_api.expect(status).not_to_have_text(said)  # it is drawn although the cell has not ended
    chapter.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:interrupt-kernel') }")
    chapter.end()
    assert failures([chapter.code_cells()[-1]]) == [
        "KeyboardInterrupt: "
        "The work goes on in the background; press its button Stop, or call its method stop(), to end it."
    ]
    cell = chapter.cell("waited = explore.clip_live(num_envs=2)")
    for button, word in (("Stop", "Stopped"), ("Continue", "Learning"), ("Stop", "Stopped")):
        press(cell, button)
        sync_api.expect(state(cell)).to_contain_text(word)
    chapter.page.evaluate("lab.selectLast()")
    chapter.do("notebook:delete-cell")  # its error is meant, and is no failure of the chapter


def test_an_interrupt_does_not_end_the_run(ran):
    chapter = ran("02_dqn")
    chapter.write("result = train(agent, 10**9)\nresult.stopped, agent.step > 50_000")
    chapter.begin("notebook:run-cell")
    live = chapter.page.locator(".jp-Cell.jp-mod-active .jp-OutputArea img").first
    live.wait_for()
    shown = live.get_attribute("src")
    sync_api.expect(live).not_to_have_attribute("src", shown)  # the run has started
    chapter.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:interrupt-kernel') }")
    chapter.end()
    cell = chapter.code_cells()[-1]
    assert failures([cell]) == []
    assert cell["outputs"][-1]["data"]["text/plain"] == "('interrupted', True)"


def test_restarting_a_kernel_ends_its_workers(ran):
    chapter = ran("04_a3c")
    kernel = psutil.Process(int(chapter.run("import os\nos.getpid()")))
    cell = chapter.cell("race = explore.workers(")
    unlock(cell)
    question = chapter.cell('explore.ask("no_velocity"')
    sync_api.expect(question.get_by_role("button", name="Skip", exact=True)).to_be_enabled()
    cell = chapter.cell("race = explore.workers(")
    status, before = cell.locator("[role=status]").last, words(cell)
    press(cell, "Start")
    sync_api.expect(status).not_to_have_text(before)
    sync_api.expect(status).to_contain_text("steps per second")
    workers = kernel.children(recursive=True)
    assert len(workers) >= 2
    chapter.screenshot("4-workers")
    chapter.begin("notebook:restart-kernel")
    chapter.page.locator(".jp-Dialog .jp-mod-accept").click()
    chapter.end()
    _, left = psutil.wait_procs(workers, timeout=DEADLINE)
    assert left == []
    sync_api.expect(cell.locator(".rlkit-pictures .rlkit-note")).to_contain_text("Run the cell again.")
    sync_api.expect(state(cell)).to_be_hidden()  # it no longer starts or learns
    cell.locator(".rlkit-panel").press("x")  # a panel asks whether the kernel answers
    chapter.page.wait_for_timeout(2_000)
    sync_api.expect(cell.locator(".rlkit-pictures .rlkit-note")).to_contain_text("Run the cell again.")
    question = chapter.cell('explore.ask("no_velocity"')
    sync_api.expect(question.locator(".rlkit-ask-reply")).to_contain_text("Run the cell again.")
    sync_api.expect(question.get_by_role("button", name="Skip", exact=True)).to_be_disabled()
    assert chapter.run("1 + 1") == "2"


def test_no_table_is_read_by_scrolling_sideways(ran):
    """Tried in a narrow window alone: a table that fits there has more room in any other."""
    for name in CHAPTERS:
        chapter = ran(name)
        chapter.page.set_viewport_size({"width": 768, "height": 800})
        chapter.do("application:toggle-left-area")  # closes the file browser
        try:
            numbers = chapter.page.evaluate("lab.cellsWithTables()")
            assert numbers
            for number in numbers:
                assert_tables_fit(chapter, number)
        finally:
            chapter.page.set_viewport_size({"width": 1280, "height": 800})
            chapter.do("application:toggle-left-area")


def assert_tables_fit(chapter, number):
    chapter.page.evaluate("number => lab.showCell(number)", number)
    tables = chapter.page.wait_for_function("number => lab.tables(number)", arg=number).json_value()
    for table, room in tables:
        assert 0 < table <= room, f"cell {number} of {chapter.name}"


# All kinds of panels, in a notebook of their own ----------------------------------------------------------------------

LOCKED = "panel = explore.importance_sampling()\npanel.controls['seed'].disabled = True\npanel"
KEYS = ["# One", f"from rlkit import explore\n{LOCKED}", "## Two\n\ntext", 'explore.ask("wrong_sign")', "## Three"]
PANELS = {  # of each kind those with the most controls, words or pictures
    "importance sampling": LOCKED,
    "beta": "explore.beta()",
    "entropy bonus": "explore.entropy_bonus()",
    "ranks": "explore.atari57()",
    "worker model": "explore.worker_model()",
    "museum": "explore.museum(3)",
    "live": "live = explore.clip_live(num_envs=2)\nlive",
    "race": "explore.workers()",
    "covered": 'explore.ask("kl_factor", then=explore.trust_region())',
}
SIZES = {"1280 x 800": (1280, 800), "projector": (1280, 720), "125 %": (1093, 614), "narrow": (768, 1024)}
KEPT = (
    *("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown", "Enter"),
    *" abdddmyjkx1",
)


@pytest.fixture(scope="module")
def panels(lab, browser):
    """A notebook of JupyterLab with a cell for each kind of panel, all run, and the live run stopped."""
    others = [source for source in PANELS.values() if source != LOCKED]
    write_notebook(lab.folder / "lectures" / "panels.ipynb", *KEYS, *others)
    chapter = Chapter(browser, lab, "panels")
    chapter.begin("notebook:run-all-cells")
    chapter.end(seconds=PATIENCE)
    unlock(chapter.cell(PANELS["covered"]))
    press(chapter.cell(PANELS["live"]), "Stop")
    assert failures(chapter.code_cells()) == []
    yield chapter
    assert chapter.script_errors == []


@pytest.mark.parametrize("size", SIZES)
def test_picture_controls_and_words_fit_on_one_screen(panels, size):
    width, height = SIZES[size]
    panels.page.bring_to_front()
    panels.page.set_viewport_size({"width": width, "height": height})
    for name, source in PANELS.items():
        cell = panels.cell(source)
        panel = cell.locator(".rlkit-panel[data-layout]")
        panel.wait_for()
        panels.page.wait_for_function("lab.settled('.jp-Cell.jp-mod-active .rlkit-panel')")
        panel.evaluate("panel => panel.scrollIntoView()")
        panels.screenshot(f"{name}-{width}-{height}".replace(" ", "-"))
        screen = panels.page.locator(".jp-WindowedPanel-outer").bounding_box()
        box = panel.bounding_box()
        assert box["height"] <= screen["height"], name
        for part in (".rlkit-controls", ".rlkit-image >> visible=true", ".rlkit-words"):
            inside = panel.locator(part).first.bounding_box()
            assert inside["x"] >= box["x"] - 1 and inside["x"] + inside["width"] <= box["x"] + box["width"] + 1, name
            assert inside["y"] + inside["height"] <= box["y"] + box["height"] + 1, name
            assert inside["height"] > 30 or (name, part) == ("race", ".rlkit-words"), name  # it has run nothing yet
        picture = images(panel).first.bounding_box()
        assert picture["width"] >= min(320, 0.6 * box["width"]), name
        assert_nothing_is_cut_off(panels, panel, width)


def assert_nothing_is_cut_off(chapter, panel, width):
    assert chapter.page.evaluate("lab.cutOff()") == []
    for slider in panel.locator(".widget-slider").all():
        box, track = slider.bounding_box(), slider.locator(".noUi-base").bounding_box()
        assert box["x"] + box["width"] <= width and track["width"] > 100


def test_in_a_very_narrow_window_nothing_is_cut_off(panels):
    panels.page.bring_to_front()
    panels.page.set_viewport_size({"width": 640, "height": 800})
    panels.do("application:toggle-left-area")  # closes the file browser
    try:
        for source in PANELS.values():
            panel = panels.cell(source).locator(".rlkit-panel[data-layout]")
            panels.page.wait_for_function("lab.settled('.jp-Cell.jp-mod-active .rlkit-panel')")
            assert_nothing_is_cut_off(panels, panel, 640)
    finally:
        panels.page.set_viewport_size({"width": 1280, "height": 800})
        panels.do("application:toggle-left-area")


TEXTS = "[role=status], .rlkit-state *, .widget-label, .widget-readout, .widget-button, .rlkit-ask *"


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_text_has_contrast_in_both_themes(panels, theme):
    panels.page.bring_to_front()
    panels.do("apputils:change-theme", theme=theme)
    panels.page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
    for name, source in PANELS.items():
        cell = panels.cell(source)
        images(cell).last.wait_for()
        panels.screenshot(f"{name}-{theme.split()[-1].lower()}".replace(" ", "-"))
        assert panels.page.evaluate("texts => lab.pale(texts)", TEXTS) == []


def test_every_control_has_a_role_a_name_and_a_value(panels):
    panels.page.bring_to_front()
    for name, source in PANELS.items():
        panel = panels.cell(source).locator(".rlkit-panel")
        for slider in panel.locator(".noUi-handle").all():
            sync_api.expect(slider).to_have_role("slider")
            assert slider.get_attribute("aria-label") and slider.get_attribute("aria-valuetext"), name
        fields = panel.locator("select, input:not(.noUi-handle)").all()
        assert all(field.evaluate("field => field.labels.length > 0") for field in fields), name
        for button in panel.get_by_role("button").all():
            sync_api.expect(button).not_to_be_empty()
        assert all(image.get_attribute("alt") for image in images(panel).all()), name
    panel = panels.cell(LOCKED).locator(".rlkit-panel")
    for button in ("Play", "Reset", "Copy this state", "Save the picture"):
        assert panel.get_by_role("button", name=button, exact=True).count() == 1


# Keys and pointer, in JupyterLab and in Notebook 7 --------------------------------------------------------------------


@pytest.fixture(scope="module")
def notebook(lab, browser):
    """An explorer with a locked slider and a question between headings, in Notebook 7, both run."""
    write_notebook(lab.folder / "lectures" / "keys.ipynb", *KEYS)
    chapter = Chapter(browser, lab, "keys", "notebook")
    chapter.begin("notebook:run-all-cells")
    chapter.end(seconds=PATIENCE)
    assert failures(chapter.code_cells()) == []
    return chapter


@pytest.fixture(params=["panels", "notebook"])
def opened(request):
    """The explorer and the question of KEYS in JupyterLab or in Notebook 7 -> Chapter, with `panel` and `question`."""
    chapter = request.getfixturevalue(request.param)
    chapter.page.bring_to_front()
    chapter.page.set_viewport_size({"width": 1280, "height": 800})
    chapter.cell(LOCKED)
    chapter.panel = chapter.page.locator('.jp-Cell[data-windowed-list-index="1"] .rlkit-panel[data-layout]')
    chapter.question = chapter.page.locator('.jp-Cell[data-windowed-list-index="3"] .rlkit-ask')
    chapter.panel.wait_for()
    return chapter


def test_a_key_on_a_panel_does_nothing_to_the_notebook(opened):
    page, panel = opened.page, opened.panel
    locked = panel.locator(".noUi-target[disabled]")
    sync_api.expect(locked).to_have_count(1)
    for focus in (
        panel.locator(".noUi-handle").first.focus,
        panel.get_by_role("button", name="Copy this state").focus,
        panel.get_by_role("combobox").focus,
        lambda: images(panel).click(position={"x": 2, "y": 2}),
        lambda: locked.click(force=True),
        opened.question.get_by_role("slider").focus,
        opened.question.focus,
    ):
        page.wait_for_function("lab.settled('.jp-Cell[data-windowed-list-index=\"1\"] .rlkit-panel')")
        focus()
        sync_api.expect(page.locator(".rlkit-panel:focus-within, .rlkit-ask:focus-within")).to_have_count(1)
        before = opened.outline()
        for key in KEPT:
            page.keyboard.press(key)
        assert opened.outline() == before
    slider = panel.locator(".noUi-handle").first
    slider.focus()
    value = slider.get_attribute("aria-valuenow")
    page.keyboard.press("ArrowRight")
    sync_api.expect(slider).not_to_have_attribute("aria-valuenow", value)
    page.keyboard.press("Tab")  # to the number of this slider
    sync_api.expect(slider).not_to_be_focused()
    slider.focus()
    runs = opened.code_cells()[0]["count"]
    page.keyboard.press("Shift+Enter")  # runs the cell
    page.wait_for_function("runs => lab.codeCells()[0].count > runs", arg=runs)
    images(panel).wait_for()


def test_a_pointer_drags_and_hovers_in_the_picture(opened):
    page, panel = opened.page, opened.panel
    press(panel, "Reset")
    panel.locator(".rlkit-area").first.scroll_into_view_if_needed()
    box, said = panel.locator(".rlkit-area").first.bounding_box(), words(panel)
    x = lambda share: box["x"] + share * box["width"]
    page.mouse.move(x(0.5), box["y"] + box["height"] / 2)
    sync_api.expect(panel.locator(".rlkit-hint")).to_contain_text("p: ")
    page.mouse.down()
    page.mouse.move(x(0.7), box["y"] + box["height"] / 2, steps=10)
    page.mouse.up()
    sync_api.expect(panel.locator("[role=status]").last).not_to_have_text(said)
    page.mouse.move(0, 0)
    sync_api.expect(panel.locator(".rlkit-hint")).to_have_text("")
    press(panel, "Reset")
    sync_api.expect(panel.locator("[role=status]").last).to_have_text(said)


def test_at_rest_a_picture_has_twice_the_pixels_and_new_words_for_those_who_do_not_see_it(opened):
    image = images(opened.panel)
    sharp = "image => image.naturalWidth >= 1600 && image.alt"
    alt = opened.page.wait_for_function(sharp, arg=image.element_handle()).json_value()
    handle = opened.panel.locator(".noUi-handle").first
    handle.press("Home" if handle.get_attribute("aria-valuenow") != handle.get_attribute("aria-valuemin") else "End")
    sync_api.expect(image).not_to_have_attribute("alt", alt)
    opened.page.wait_for_function(sharp, arg=image.element_handle())


def test_the_state_is_copied_or_shown_to_be_copied(opened):
    opened.panel.locator(".noUi-handle").first.press("End")
    press(opened.panel, "Copy this state")
    sync_api.expect(opened.panel.locator(".rlkit-note")).to_contain_text("explore.importance_sampling(")
