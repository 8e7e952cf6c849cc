"""The chapters in a browser: every cell runs, sliders follow mouse and keyboard, Stop stops, no process is left.

The screenshots are in build/screenshots afterwards.
"""

import psutil
import pytest
from matplotlib.colors import to_rgb

from rlkit.plotting import BLUE, GREEN, ORANGE

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install -e '.[browser]'")
from lab import BROWSERS, Chapter, Lab, Page, browser_path, failures, write_notebook  # noqa: E402

pytestmark = pytest.mark.skipif(
    browser_path() is None,
    reason=f"none of the commands {', '.join(BROWSERS)} was found: on Debian `sudo apt install chromium` brings one",
)
sync_api.expect.set_options(timeout=60_000)
CHAPTERS = ("01_overview", "02_dqn", "03_ppo", "04_a3c")


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


@pytest.fixture(scope="module")
def chapters(lab, browser):
    """All four, with Run All started in each. Their kernels share the machine, as those of a class do."""
    opened = {}
    for name in CHAPTERS:
        opened[name] = chapter = Chapter(browser, lab, name)
        chapter.screenshot("1-opened")
        chapter.do("notebook:clear-all-cell-outputs")  # so that all outputs found later are new
        chapter.begin("notebook:run-all-cells")
    return opened


@pytest.fixture
def ran(chapters):
    """A chapter, by name, after Run All."""

    def get(name):
        chapter = chapters[name]
        chapter.page.bring_to_front()
        chapter.end(seconds=330)
        return chapter

    return get


def words(cell):
    """The text under the picture."""
    return cell.locator("[role=status]").last.inner_text()


def picture(cell):
    return cell.locator(".rlkit-pictures .rlkit-image").last.get_attribute("src")


def changed(cell, before):
    """Wait until the picture and its text have changed -> the new ones."""
    sync_api.expect(cell.locator(".rlkit-pictures .rlkit-image").last).not_to_have_attribute("src", before[0])
    sync_api.expect(cell.locator("[role=status]").last).not_to_have_text(before[1])
    return picture(cell), words(cell)


def unlock(cell):
    """Make the sliders work: skip the question, and hold ε, which otherwise follows its schedule."""
    cell.locator(".rlkit-ask, .rlkit-view img").first.wait_for()
    for skip in cell.get_by_role("button", name="Skip", exact=True).all():
        skip.click()
    cell.locator(".rlkit-view img").last.wait_for()
    for hold in cell.get_by_label("hold ε by hand").all():
        before = picture(cell)
        hold.check()
        sync_api.expect(cell.locator(".rlkit-pictures .rlkit-image").last).not_to_have_attribute("src", before)


@pytest.mark.parametrize("name", CHAPTERS)
def test_run_all(ran, name):
    chapter = ran(name)
    assert failures(chapter.code_cells()) == []
    assert chapter.script_errors == []
    assert not chapter.page.get_by_text("Jupyter news").count()  # JupyterLab asks no question in front of a class
    chapter.screenshot("2-ran")


SLIDERS = {
    "epsilon": ("02_dqn", "explore.epsilon(", "ε, random actions"),
    "beta": ("03_ppo", "explore.beta()", "β, price of KL"),
    "clip-eps": ("03_ppo", "explore.clip_epsilon()", "ε, clip eps"),
    "workers": ("04_a3c", "explore.worker_model()", "W, workers"),
}


@pytest.mark.parametrize("slider", SLIDERS)
def test_a_slider_follows_mouse_and_keyboard(ran, slider):
    name, source, label = SLIDERS[slider]
    chapter = ran(name)
    cell = chapter.cell(source)
    unlock(cell)
    control = cell.locator(".widget-slider", has_text=label)
    handle = control.locator(".noUi-handle")
    before = picture(cell), words(cell)

    handle.focus()
    chapter.page.keyboard.press("ArrowRight")
    before = changed(cell, before)

    handle.scroll_into_view_if_needed()
    box, track = handle.bounding_box(), control.locator(".noUi-base").bounding_box()
    middle = box["y"] + box["height"] / 2
    far = 0.25 if box["x"] > track["x"] + track["width"] / 2 else 0.75
    chapter.page.mouse.move(box["x"] + box["width"] / 2, middle)
    chapter.page.mouse.down()
    chapter.page.mouse.move(track["x"] + track["width"] * far, middle, steps=5)
    chapter.page.mouse.up()
    changed(cell, before)
    chapter.screenshot("3-" + slider)


@pytest.mark.parametrize("source", ["explore.clip_epsilon()", "explore.museum("])  # together: every kind of control
def test_every_control_is_reached_by_the_tab_key(ran, source):
    chapter = ran("03_ppo")
    cell = chapter.cell(source)
    unlock(cell)
    controls = cell.locator(".widget-vbox .widget-vbox").locator(".noUi-handle, select, input, .widget-button")
    assert controls.count() >= 3
    controls.first.focus()
    for number in range(controls.count()):
        sync_api.expect(controls.nth(number)).to_be_focused()
        for _ in range(2):  # the number of a slider is a field that Tab stops at
            chapter.page.keyboard.press("Tab")
            if not cell.locator(".widget-readout:focus").count():
                break


def state(cell):
    """What a live run says it is doing."""
    return cell.locator(".rlkit-state")


def test_a_question_covers_its_panel_until_an_option_is_chosen(ran):
    cell = ran("02_dqn").cell('explore.ask("two_states"')
    sync_api.expect(cell.get_by_text("The picture and its controls appear")).to_be_visible()
    assert cell.locator(".jp-OutputArea").locator("img, .noUi-handle, details").count() == 0
    assert "infinity" not in cell.locator(".rlkit-ask-reply").inner_text()
    cell.get_by_role("button", name="to 0", exact=True).click()
    sync_api.expect(cell.locator(".rlkit-ask-reply")).to_contain_text("Not quite: you chose “to 0”.")
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
    sync_api.expect(cell.locator(".rlkit-ask-reply")).to_contain_text("Not quite: you guessed 21\xa0%.")
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
    cell.get_by_role("button", name="This is my curve").click()
    sync_api.expect(cell.locator(".rlkit-ask-picture path.truth")).to_have_count(1)
    chapter.screenshot("4-curve")


def test_a_class_raises_hands(ran):
    cell = ran("03_ppo").cell('explore.ask("kl_factor"')
    cell.get_by_role("button", name="Count hands").click()
    cell.get_by_role("button", name="one more hand: 5 to 20").click()
    cell.get_by_role("spinbutton", name="hands: 1 to 2", exact=True).fill("3")
    cell.get_by_role("button", name="Show the answer").click()
    sync_api.expect(cell.locator(".rlkit-ask-reply")).to_contain_text("1 hand of 4 was right.")


def steps(cell):
    return int(words(cell).split()[0].replace(",", ""))


def test_a_run_continues_beside_other_cells_until_stop(ran):
    chapter = ran("03_ppo")
    cell = chapter.cell("clipped = explore.clip_live()")
    sync_api.expect(state(cell)).to_contain_text("Stopped")
    before, old = steps(cell), picture(cell)
    cell.get_by_role("button", name="Continue", exact=True).click()
    sync_api.expect(state(cell)).to_contain_text("Learning")
    sync_api.expect(cell.locator(".rlkit-pictures .rlkit-image").last).not_to_have_attribute("src", old)

    assert chapter.run("6 * 7") == "42"
    cell = chapter.cell("clipped = explore.clip_live()")
    assert "Learning" in state(cell).inner_text()
    chapter.screenshot("4-running")

    cell.get_by_role("button", name="Stop", exact=True).click()
    sync_api.expect(state(cell)).to_contain_text("Stopped")
    assert steps(cell) > before


LIVE = {  # explorer: chapter, call, its slider, and the colours of the curves below
    "clip": ("03_ppo", "explore.clip_live(num_envs=2)", "ε, clip eps", (BLUE, ORANGE)),
    "beta": ("03_ppo", "explore.beta_live(num_envs=2)", "β, price of KL", (BLUE, GREEN)),
    "epsilon": ("02_dqn", "explore.epsilon(total_steps=10**7)", "ε, random actions", (BLUE,)),
}


@pytest.mark.parametrize("explorer", LIVE)
def test_a_slider_that_moves_during_a_run_loses_no_curve(ran, explorer):
    chapter, call, label, colours = ran(LIVE[explorer][0]), *LIVE[explorer][1:]
    chapter.write(f"moved = {call}\nmoved")
    chapter.do("notebook:run-cell")
    cell = chapter.cell(f"moved = {call}")
    unlock(cell)
    handle = cell.locator(".widget-slider", has_text=label).locator(".noUi-handle")
    before = picture(cell)
    handle.focus()
    for number in range(24):  # drawn over and over, by the run and by the slider
        chapter.page.keyboard.press("ArrowRight" if number % 8 < 4 else "ArrowLeft")
        chapter.page.wait_for_timeout(100)
    sync_api.expect(cell.locator(".rlkit-pictures .rlkit-image").last).not_to_have_attribute("src", before)
    cell.get_by_role("button", name="Stop", exact=True).click()
    sync_api.expect(state(cell)).to_contain_text("Stopped")
    chapter.screenshot(f"4-{explorer}-moved")
    curve, below = cell.locator(".rlkit-pictures .rlkit-image").all()
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
    cell.get_by_role("button", name="Stop", exact=True).click()
    sync_api.expect(state(cell)).to_contain_text("Stopped")
    cell.get_by_role("button", name="Continue", exact=True).click()
    sync_api.expect(state(cell)).to_contain_text("Learning")
    cell.get_by_role("button", name="Stop", exact=True).click()
    sync_api.expect(state(cell)).to_contain_text("Stopped")
    chapter.page.evaluate("lab.selectLast()")
    chapter.do("notebook:delete-cell")  # its error is meant, and is no failure of the chapter


def test_an_interrupt_does_not_end_the_run(ran):
    chapter = ran("02_dqn")
    chapter.write("result = train(agent, 10**9)\nresult.stopped, agent.step > 50_000")
    chapter.begin("notebook:run-cell")
    live = chapter.page.locator(".jp-Cell.jp-mod-active .jp-OutputArea img").first
    live.wait_for()
    drawn = live.get_attribute("src")
    sync_api.expect(live).not_to_have_attribute("src", drawn)  # the run has started
    chapter.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:interrupt-kernel') }")
    chapter.end()
    cell = chapter.code_cells()[-1]
    assert failures([cell]) == []
    assert cell["outputs"][-1]["data"]["text/plain"] == "('interrupted', True)"


def test_restarting_a_kernel_ends_its_workers(ran):
    chapter = ran("04_a3c")
    kernel = psutil.Process(int(chapter.run("import os\nos.getpid()")))
    cell = chapter.cell("race = explore.workers(")
    status, before = cell.locator("[role=status]").last, words(cell)
    cell.get_by_role("button", name="Start", exact=True).click()
    sync_api.expect(status).not_to_have_text(before)
    sync_api.expect(status).to_contain_text("steps per second")
    workers = kernel.children(recursive=True)
    assert len(workers) >= 2
    chapter.screenshot("4-workers")
    chapter.begin("notebook:restart-kernel")
    chapter.page.locator(".jp-Dialog .jp-mod-accept").click()
    chapter.end()
    _, left = psutil.wait_procs(workers, timeout=30)
    assert left == []
    sync_api.expect(cell.locator(".rlkit-pictures .rlkit-note")).to_contain_text("Run the cell again.")
    sync_api.expect(state(cell)).to_be_hidden()  # it no longer starts or learns
    assert chapter.run("1 + 1") == "2"


@pytest.mark.parametrize("width", [640, 1024])
def test_in_a_narrow_window_nothing_is_cut_off(ran, width):
    chapter = ran("03_ppo")
    chapter.page.set_viewport_size({"width": width, "height": 800})
    try:
        chapter.do("application:toggle-left-area")  # closes the file browser
        cell = chapter.cell("explore.beta()")
        unlock(cell)
        chapter.screenshot(f"5-{width}-wide")
        assert chapter.page.evaluate("lab.cutOff()") == []
        for slider in cell.locator(".widget-slider").all():
            box, track = slider.bounding_box(), slider.locator(".noUi-base").bounding_box()
            assert box["x"] + box["width"] <= width and track["width"] > 100
    finally:
        chapter.page.set_viewport_size({"width": 1280, "height": 800})
        chapter.do("application:toggle-left-area")


def test_no_table_is_read_by_scrolling_sideways(ran):
    for width in (1280, 768):
        for name in CHAPTERS:
            chapter = ran(name)
            chapter.page.set_viewport_size({"width": width, "height": 800})
            if width == 768:
                chapter.do("application:toggle-left-area")
            try:
                numbers = chapter.page.evaluate("lab.cellsWithTables()")
                assert numbers
                for number in numbers:
                    assert_tables_fit(chapter, number)
            finally:
                chapter.page.set_viewport_size({"width": 1280, "height": 800})
                if width == 768:
                    chapter.do("application:toggle-left-area")


def assert_tables_fit(chapter, number):
    chapter.page.evaluate("number => lab.showCell(number)", number)
    tables = chapter.page.wait_for_function("number => lab.tables(number)", arg=number).json_value()
    for table, room in tables:
        assert 0 < table <= room, f"cell {number} of {chapter.name}"


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_text_and_labels_have_contrast_in_both_themes(ran, theme):
    chapter = ran("03_ppo")
    chapter.do("apputils:change-theme", theme=theme)
    chapter.page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
    cell = chapter.cell("explore.clip_epsilon()")
    unlock(cell)
    chapter.screenshot("6-" + theme.split()[-1].lower())
    for element in cell.locator("[role=status], .widget-label, .widget-readout, .widget-button").all():
        if element.is_visible():
            assert element.evaluate("element => lab.contrast(element)") >= 4.5, element.inner_text()


# All kinds of panels, in a notebook of their own ----------------------------------------------------------------------

PANELS = {  # the explorers with the most controls, words or pictures
    "beta": "explore.beta()",
    "importance sampling": "explore.importance_sampling()",
    "entropy bonus": "explore.entropy_bonus()",
    "ranks": "explore.atari57()",
    "worker model": "explore.worker_model()",
    "museum": "explore.museum(3)",
    "live": "live = explore.clip_live(num_envs=2)\nlive",
}

SIZES = {"1280 x 800": (1280, 800), "projector": (1280, 720), "125 %": (1093, 614), "narrow": (768, 1024)}
KEPT = (
    "ArrowRight",
    "ArrowLeft",
    "ArrowUp",
    "ArrowDown",
    "Home",
    "End",
    "PageUp",
    "PageDown",
    "Enter",
    *" abdddmyjkx1",
)


@pytest.fixture(scope="module")
def panels(lab, browser):
    """A notebook with a cell for each kind of panel, all run."""
    cells = [f"from rlkit import explore\n{source}" for source in PANELS.values()]
    write_notebook(lab.folder / "lectures" / "panels.ipynb", *cells)
    chapter = Chapter(browser, lab, "panels")
    chapter.do("notebook:run-all-cells")
    assert failures(chapter.code_cells()) == []
    yield chapter
    assert chapter.script_errors == []


@pytest.mark.parametrize("size", SIZES)
def test_picture_controls_and_words_fit_on_one_screen(panels, size):
    width, height = SIZES[size]
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
            assert inside["height"] > 30 and inside["y"] + inside["height"] <= box["y"] + box["height"] + 1, name
        picture = panel.locator(".rlkit-pictures .rlkit-image").first.bounding_box()
        assert picture["width"] >= min(320, 0.6 * box["width"]), name


@pytest.fixture(scope="module", params=["lab", "notebook"])
def keyboard(request, lab, browser):
    """An explorer with a locked slider between two headings, in JupyterLab or in Notebook -> its Page."""
    name = f"keys-{request.param}"
    source = (
        "from rlkit import explore\npanel = explore.importance_sampling()\npanel.controls['seed'].disabled = True\n"
    )
    write_notebook(lab.folder / "lectures" / f"{name}.ipynb", "# One", source + "panel", "## Two\n\ntext", "## Three")
    page = Page(browser, lab, request.param, name)
    page.run_first_cell()
    yield page
    page.close()


def test_a_key_on_a_panel_does_nothing_to_the_notebook(keyboard):
    page, panel = keyboard.page, keyboard.panel
    locked = panel.locator(".noUi-target[disabled]")
    sync_api.expect(locked).to_have_count(1)
    before = keyboard.outline()
    for focus in (
        lambda: panel.locator(".noUi-handle").first.focus(),
        lambda: panel.get_by_role("button", name="Copy this state").focus(),
        lambda: panel.get_by_role("combobox").focus(),
        lambda: panel.locator(".rlkit-image").click(position={"x": 2, "y": 2}),
        lambda: locked.click(force=True),
    ):
        focus()
        for key in KEPT:
            page.keyboard.press(key)
        page.wait_for_timeout(100)
        assert keyboard.outline() == before
    slider = panel.locator(".noUi-handle").first
    slider.focus()
    value = slider.get_attribute("aria-valuenow")
    page.keyboard.press("ArrowRight")
    sync_api.expect(slider).not_to_have_attribute("aria-valuenow", value)
    page.keyboard.press("Tab")  # to the number of this slider
    sync_api.expect(slider).not_to_be_focused()
    slider.focus()
    page.keyboard.press("Shift+Enter")  # runs the cell
    sync_api.expect(page.locator(".jp-InputPrompt", has_text="[2]:")).to_have_count(1)
    panel.locator(".rlkit-image").wait_for()


def test_a_pointer_drags_and_hovers_in_the_picture(keyboard):
    page, panel = keyboard.page, keyboard.panel
    panel.get_by_role("button", name="Reset").click()
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
    panel.get_by_role("button", name="Reset").click()
    sync_api.expect(panel.locator("[role=status]").last).to_have_text(said)


def test_at_rest_a_picture_has_twice_the_pixels_and_new_words_for_those_who_do_not_see_it(keyboard):
    image = keyboard.panel.locator(".rlkit-image")
    sharp = "image => image.naturalWidth >= 1600 && image.alt"
    alt = keyboard.page.wait_for_function(sharp, arg=image.element_handle()).json_value()
    keyboard.panel.locator(".noUi-handle").first.focus()
    keyboard.page.keyboard.press("Home")
    sync_api.expect(image).not_to_have_attribute("alt", alt)
    keyboard.page.wait_for_function(sharp, arg=image.element_handle())


def test_every_control_has_a_role_a_name_and_a_value(keyboard):
    panel = keyboard.panel
    for slider in panel.get_by_role("slider").all():
        assert slider.get_attribute("aria-label") and slider.get_attribute("aria-valuetext")
    for name in ("Play", "Reset", "Copy this state", "Save the picture"):
        assert panel.get_by_role("button", name=name, exact=True).count() == 1
    assert panel.get_by_role("combobox").get_attribute("id") and panel.get_by_role("img").get_attribute("alt")


def test_the_state_is_copied_or_shown_to_be_copied(keyboard):
    panel = keyboard.panel
    panel.locator(".noUi-handle").first.focus()
    keyboard.page.keyboard.press("End")
    panel.get_by_role("button", name="Copy this state").click()
    sync_api.expect(panel.locator(".rlkit-note")).to_contain_text("explore.importance_sampling(")
