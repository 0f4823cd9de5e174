"""Chromium without a screen, spoken to by the DevTools protocol over a pipe: no port, no driver, no package."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time

#: Names that Debian, others and Chrome itself have for it.
NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


def find():
    """Return the path of the browser, None where it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One page of one browser; what it logs, throws and asks of a network is kept."""

    def __init__(self, send, events):
        self._send, self._events = send, events
        self.faults = []
        self.asked = []

    def call(self, method, **params):
        """Call a method of the protocol and return its result."""
        result = self._send(method, params)
        self._look()
        return result

    def open(self, path, width, height=900, dark=False, scale=1):
        """Show a file at a width, light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + 60
        while self.ask("document.readyState") != "complete":
            assert time.monotonic() < deadline, "the page was not complete"

    def ask(self, expression):
        """Return the value of JavaScript in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key, code=0):
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    def screenshot(self, file, whole=True):
        """Write the page, all of it or what is in sight, as PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _look(self):
        while self._events:
            event = self._events.pop(0)
            method, params = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                self.faults.append(str(params["exceptionDetails"].get("exception", params)))
            elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                self.faults.append(params["entry"]["text"])
            elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                self.faults.append(str(params["args"]))
            elif method == "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])


@contextlib.contextmanager
def started(program, home):
    """Start the browser with an empty profile and yield its page."""
    command_read, command_write = os.pipe()
    answer_read, answer_write = os.pipe()
    # The protocol's pipe is at the numbers 3 and 4, whatever they are here.
    script = f'exec "$0" "$@" 3<&{command_read} 4>&{answer_write}'
    arguments = [program, *_QUIET, "--remote-debugging-pipe", f"--user-data-dir={home}", "about:blank"]
    with (home / "browser.log").open("w") as log:
        process = subprocess.Popen(
            ["bash", "-c", script, *arguments],
            stdout=log, stderr=log, pass_fds=(command_read, answer_write), start_new_session=True,
        )  # fmt: skip
    os.close(command_read)
    os.close(answer_write)
    try:
        yield _page(command_write, answer_read)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(command_write)
        os.close(answer_read)


def _page(write_to, read_from):
    waiting, events, last = b"", [], 0

    def message():
        nonlocal waiting
        while b"\0" not in waiting:
            assert select.select([read_from], [], [], 60)[0], "the browser does not answer"
            found = os.read(read_from, 1 << 20)
            assert found, "the browser ended"
            waiting += found
        text, _, waiting = waiting.partition(b"\0")
        return json.loads(text)

    def send(method, params, session=None):
        nonlocal last
        last += 1
        asked = {"id": last, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(write_to, json.dumps(asked).encode() + b"\0")
        while (answer := message()).get("id") != last:
            if "method" in answer:
                events.append(answer)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    (target,) = [one for one in send("Target.getTargets", {})["targetInfos"] if one["type"] == "page"]
    session = send("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})["sessionId"]
    page = Page(lambda method, params: send(method, params, session), events)
    for domain in ("Page", "Runtime", "Log", "Network"):
        page.call(f"{domain}.enable")
    return page
