"""Drives the real program in a real window: a virtual display, keys and pointer, pictures of what is on the screen.

Needs Xvfb, xdotool, ImageMagick's `import`, and Mesa's software OpenGL. Knows no screen of the program.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

PROGRAMS = ("Xvfb", "xdotool", "import")


def missing():
    """The programs that are needed and not there."""
    return [program for program in PROGRAMS if not shutil.which(program)]


class Display:
    """A virtual display, gone when the block ends."""

    def __init__(self, width, height):
        self.size = (width, height)

    def __enter__(self):
        read, write = os.pipe()
        width, height = self.size
        # Without -noreset the display begins anew when its last window is gone, and turns the next one away meanwhile.
        command = ["Xvfb", "-noreset", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
        self.process = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            self.name = ":" + pipe.readline().strip()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Window:
    """The program on a display, over places of its own."""

    def __init__(self, program, display, folder, scale=1.0, arguments=(), environment=None):
        self.display, self.folder = display, pathlib.Path(folder)
        self.environment = dict(os.environ, DISPLAY=display.name, LIBGL_ALWAYS_SOFTWARE="1")
        self.environment.pop("WAYLAND_DISPLAY", None)
        self.environment.update(
            LAMPLIGHT_STORE=str(self.folder / "lamplight.db"),
            LAMPLIGHT_MODELS=str(self.folder / "models"),
            LAMPLIGHT_CACHE_DIR=str(self.folder / "cache"),
            LAMPLIGHT_EMBEDDINGS=str(self.folder / "embeddings"),
            LAMPLIGHT_WINDOW_DIR=str(self.folder / "window"),
            WINIT_X11_SCALE_FACTOR=str(scale),
            **(environment or {}),
        )
        self.log = open(self.folder / "program.log", "ab")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [program, "window", *arguments], env=self.environment, stdout=self.log, stderr=self.log
        )
        self.id = self._find()
        self.shown = time.monotonic()
        width, height = display.size
        self._xdotool("windowmove", self.id, 0, 0)
        self._xdotool("windowsize", self.id, width, height)
        self._xdotool("windowfocus", self.id)
        time.sleep(0.7)

    def _xdotool(self, *words):
        words = ["xdotool", *map(str, words)]
        return subprocess.run(words, env=self.environment, check=True, capture_output=True, text=True).stdout

    def _find(self):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.process.poll() is not None:
                said = pathlib.Path(self.log.name).read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the program ended with {self.process.returncode}:\n{said}")
            found = subprocess.run(
                ["xdotool", "search", "--onlyvisible", "--name", "^Lamplight"],
                env=self.environment, capture_output=True, text=True,
            )
            if found.stdout.strip():
                return found.stdout.split()[0]
            time.sleep(0.05)
        raise RuntimeError("no window came up")

    def key(self, *keys, wait=0.3):
        """Presses keys, as xdotool names them: `ctrl+k`, `Return`."""
        self._xdotool("key", "--clearmodifiers", *keys)
        time.sleep(wait)

    def type(self, text, wait=0.3):
        """Types a text where the keys go."""
        self._xdotool("type", "--clearmodifiers", "--delay", 8, text)
        time.sleep(wait)

    def click(self, x, y, wait=0.4):
        """Moves the pointer, waits as a hand does, and clicks."""
        self._xdotool("mousemove", x, y)
        time.sleep(0.5)
        self._xdotool("click", 1)
        time.sleep(wait)

    def move(self, x, y, wait=0.6):
        """Moves the pointer and lets it rest."""
        self._xdotool("mousemove", x, y)
        time.sleep(wait)

    def command(self, words, wait=0.8):
        """Runs a command of the palette by its words."""
        self.key("ctrl+k", wait=0.4)
        self.type(words)
        self.key("Return", wait=wait)

    def picture(self, path):
        """Writes what the display shows."""
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["import", "-window", "root", str(path)], env=self.environment, check=True)

    def kill(self):
        """Ends the program without a word, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        """Closes the window as a person does, and gives the exit code."""
        self.key("ctrl+q")
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def scratch():
    """A folder of its own, gone when the block ends."""
    return tempfile.TemporaryDirectory(prefix="lamplight-window-")
