#!/usr/bin/env python3
"""Photographs web pages in a headless Chromium, over the WebDriver protocol. Used by dev/pictures.

dev/screenshots.py page URL FILE    the demonstration page after a few requests
dev/screenshots.py report URL FILE  the first screen of a load test's report
FILE ends in .png or .webp.
"""

import base64
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

WIDTH, HEIGHT = 1200, 800
# The longest wait for a page; the slow operation of the demonstration takes 3 s.
TIMEOUT = 60


class Browser:
    """A Chromium with its own chromedriver; both stop at the end of the `with` block."""

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.session = None
        port = next(
            found[1]
            for line in self.driver.stdout
            if (found := re.search(r"started successfully on port (\d+)", line))
        )
        self.address = f"http://127.0.0.1:{port}/session"
        arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--accept-lang=en-US",
            f"--user-data-dir={self.profile.name}",
        ]
        chromium = {"goog:chromeOptions": {"args": arguments}}
        value = self.send("POST", "", {"capabilities": {"alwaysMatch": chromium}})
        self.session = value["sessionId"]
        self.address += f"/{self.session}"
        self.resize(WIDTH, HEIGHT)
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self.send("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.profile.cleanup()

    def send(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.address + path, data, method=method)
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            sys.exit(f"screenshots: chromedriver: {json.load(error)['value']['message']}")

    def cdp(self, command, **parameters):
        return self.send("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def js(self, script):
        return self.send("POST", "/execute/sync", {"script": script, "args": []})

    def resize(self, width, height):
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def open(self, url):
        self.send("POST", "/url", {"url": url})

    def until(self, condition):
        end = time.monotonic() + TIMEOUT
        while not self.js(f"return Boolean({condition})"):
            if time.monotonic() > end:
                sys.exit(f"screenshots: not within {TIMEOUT} s: {condition}")
            time.sleep(0.05)

    def save(self, file):
        # Until the animations that show a new card have ended.
        time.sleep(1)
        file = pathlib.Path(file)
        quality = {".png": {"format": "png"}, ".webp": {"format": "webp", "quality": 90}}
        picture = self.cdp("Page.captureScreenshot", **quality[file.suffix])
        file.write_bytes(base64.b64decode(picture["data"]))


def run(browser, form):
    """Submits a form, and waits for its answer."""
    answer = f"document.querySelector('#{form} + .answer')"
    browser.js(f"{answer}.replaceChildren()")
    browser.js(f"document.querySelector('#{form} [type=submit]').click()")
    browser.until(f"!document.querySelector('#{form}.busy') && {answer}.querySelector('.card')")


def page(browser, url):
    browser.open(url)
    for form in ["heavy", "heavy", "user", "user", "row", "heavy"]:
        run(browser, form)
    browser.js("scrollTo(0, 0)")
    bottom = browser.js("return document.querySelector('.live').getBoundingClientRect().bottom")
    browser.resize(WIDTH, round(bottom) + 24)


def report(browser, url):
    browser.open(url)


def main():
    match sys.argv[1:]:
        case ["page" | "report" as subject, url, file]:
            with Browser() as browser:
                {"page": page, "report": report}[subject](browser, url)
                browser.save(file)
        case _:
            sys.exit(__doc__)


main()
