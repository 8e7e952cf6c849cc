"""How fast the explorers answer in a real JupyterLab: from a key on a slider, or a drag, to the picture on the page.

Every slider of every explorer is moved by its keys, with rests between, and the first one is dragged to and fro with
the mouse; where the picture itself can be dragged, that too. The last part makes many moves and watches the memory of
the page and of the kernel. Times are in milliseconds, until the browser has decoded the picture. A busy machine makes
them longer: `load` is how many processes wanted a core; the CPU time of a move changes less. Prints JSON.

python tests/bench/sliders.py --explorers beta clip_epsilon --moves 2000
"""

import argparse
import json
import os
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lab import Chapter, Lab, browser_path, write_notebook  # noqa: E402

EXPLORERS = {name: f"explore.{name}()" for name in (
    "value_estimation", "two_states", "target_network", "max_bias", "replay", "n_step", "dueling", "overestimation",
    "priority", "atari57", "atari49", "gae", "importance_sampling", "cliff", "trust_region", "beta", "clip_epsilon",
    "t_max", "entropy_bonus", "worker_model", "messages", "reward_hacking",
)} | {"museum": "explore.museum(bug='acting on the shared network')"}  # fmt: skip
ON_THE_PAGE = """
window.bench = {
    start() {
        // The last picture follows the controls, as in test_browser.
        bench.image = [...document.querySelectorAll(".jp-Cell.jp-mod-active .rlkit-pictures .rlkit-image")].at(-1);
        bench.single = bench.image.naturalWidth / (bench.image.naturalWidth > 1200 ? 2 : 1);
        bench.loads = [];
        bench.image.addEventListener("load", () => {
            if (bench.image.naturalWidth <= bench.single) bench.loads.push(performance.now());
        });
    },
    // Press a key on the slider of this number -> milliseconds until the picture; null if the slider did not move.
    async press(number, key) {
        const slider = document.querySelectorAll(".jp-Cell.jp-mod-active .rlkit-panel .noUi-handle")[number];
        const value = slider.getAttribute("aria-valuenow"), before = bench.loads.length, start = performance.now();
        slider.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
        while (performance.now() < start + 3000) {
            await new Promise(resolve => setTimeout(resolve, 2));
            if (bench.loads.length > before) return bench.loads[before] - start;
            if (performance.now() > start + 100 && slider.getAttribute("aria-valuenow") === value) return null;
        }
        return 3000;
    },
};
"""


def processes(lab):
    """The kernel and its server, and the processes of the pages."""
    ours = psutil.Process().children(recursive=True)
    return {"kernel": lab.processes(), "page": [p for p in ours if "--type=renderer" in p.cmdline()]}


def seconds(lab):
    """CPU seconds so far -> {"kernel", "page"}."""
    return {name: sum(sum(p.cpu_times()[:2]) for p in family) for name, family in processes(lab).items()}


def keys(chapter, rng, presses):
    """Move every slider of the visible panel by its keys -> the times in milliseconds."""
    times = []
    for number in range(chapter.page.locator(".jp-Cell.jp-mod-active .rlkit-panel .noUi-handle").count()):
        for press in range(presses):
            key = "ArrowRight" if press < presses / 2 else "ArrowLeft"
            times.append(chapter.page.evaluate("([number, key]) => bench.press(number, key)", [number, key]))
            chapter.page.wait_for_timeout(rng.choice([0, 30, 100, 300, 450]))
    return [time for time in times if time is not None]


def drag(chapter, target, length=3):
    """Drag to and fro over an element -> pictures a second, and the longest gap in milliseconds."""
    target.scroll_into_view_if_needed()
    box, mouse = target.bounding_box(), chapter.page.mouse
    handle = target.locator(".noUi-handle")
    start = handle.bounding_box() if handle.count() else box
    chapter.page.wait_for_timeout(600)
    mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    mouse.down()
    chapter.page.evaluate("bench.loads.length = 0; bench.began = performance.now()")
    step = 0
    while chapter.page.evaluate("performance.now() - bench.began") < 1_000 * length:
        step += 1
        share = 0.5 + 0.45 * np.sin(step / 5)
        mouse.move(box["x"] + box["width"] * share, start["y"] + start["height"] / 2)
        chapter.page.wait_for_timeout(10)
    loads = chapter.page.evaluate("bench.loads")
    mouse.up()
    chapter.page.wait_for_timeout(400)
    return {"pictures_per_second": len(loads) / length, "longest_gap": max(np.diff(loads), default=1_000 * length)}


def memory(chapter, lab, moves):
    """Megabytes of the page's heap and of the kernel, before and after so many moves of the first slider."""

    def now():
        heap = chapter.page.evaluate("(window.gc && gc(), performance.memory.usedJSHeapSize)")
        kernel = max(p.memory_info().rss for p in lab.processes())
        return {"page": heap / 1e6, "kernel": kernel / 1e6}

    seen = [now()]
    for _ in range(10):
        for move in range(moves // 10):
            key = "ArrowRight" if move % 6 < 3 else "ArrowLeft"
            chapter.page.evaluate("key => bench.press(0, key)", key)
        seen.append(now())
    return seen


def summary(times):
    if not times:
        return {"n": 0}
    return {"n": len(times), "median": np.median(times), "95 %": np.quantile(times, 0.95), "worst": max(times)}


def measure(explorers, presses, moves):
    """Measure in one JupyterLab with one kernel -> dict."""
    rng, result, every, cost = random.Random(0), {}, [], {"kernel": 0.0, "page": 0.0}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        write_notebook(Path(folder) / "lectures" / "bench.ipynb")
        options = ["--js-flags=--expose-gc", "--enable-precise-memory-info"]
        browser = playwright.chromium.launch(executable_path=browser_path(), args=options)
        try:
            chapter = Chapter(browser, lab, "bench")
            chapter.page.evaluate(ON_THE_PAGE)
            for name in explorers:
                chapter.write(f"from rlkit import explore\n{EXPLORERS[name]}")
                chapter.do("notebook:run-cell")
                cell = chapter.cell(EXPLORERS[name])
                cell.locator(".rlkit-panel[data-layout]").wait_for()
                chapter.page.wait_for_timeout(1_000)
                chapter.page.evaluate("bench.start()")
                before = seconds(lab)
                times = keys(chapter, rng, presses)
                every += times
                cost = {name: cost[name] + spent - before[name] for name, spent in seconds(lab).items()}
                result[name] = {"keys": summary(times)}
                if cell.locator(".noUi-target").count():
                    result[name]["slider"] = drag(chapter, cell.locator(".noUi-target").first)
                if cell.locator(".rlkit-area").count():
                    result[name]["picture"] = drag(chapter, cell.locator(".rlkit-area").first)
                print(name, json.dumps(result[name], default=float), file=sys.stderr, flush=True)
            drags = [each[kind]["pictures_per_second"] for each in result.values() for kind in each if kind != "keys"]
            result["all"] = {
                **summary(every),
                "over 150": sum(time > 150 for time in every),
                "pictures_per_second": {"median": np.median(drags), "least": min(drags)},
                "cpu_per_move": {name: 1_000 * spent / len(every) for name, spent in cost.items()},
                "load": os.getloadavg()[1],
            }
            if moves:
                result["memory"] = memory(chapter, lab, moves)
        finally:
            browser.close()
            lab.close()
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--explorers", nargs="+", default=list(EXPLORERS), choices=list(EXPLORERS))
    parser.add_argument("--presses", type=int, default=10, help="keys pressed on each slider")
    parser.add_argument("--moves", type=int, default=0, help="moves while the memory is watched")
    arguments = parser.parse_args()
    found = measure(arguments.explorers, arguments.presses, arguments.moves)
    print(json.dumps(found, indent=1, default=lambda value: round(float(value), 1)))
