"""Runs the scripts of the packed packages against a service that it starts.

    check.py PROGRAM FOLDER

PROGRAM is the service. FOLDER contains `packages`, and the compiled tests of the packages.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path

from losing_proxy import LosingProxy

program, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_service(directory: Path, port: int) -> subprocess.Popen[bytes]:
    """Starts the service with sample data. Its output is below the directory."""
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "LOG_LEVEL": "warn"}
    with (directory / "stdout").open("wb") as stdout, (directory / "stderr").open("wb") as stderr:
        process = subprocess.Popen([program, "dev"], cwd=directory, env=environment, stdout=stdout, stderr=stderr)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1).close()
            return process
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    process.kill()
    sys.exit(f"the service did not become ready: {(directory / 'stderr').read_text()}")


def service_token(output: Path) -> str:
    """Returns the token in the output of the service, which prints it a moment after it is ready."""
    for _ in range(100):
        for line in output.read_text().splitlines(keepends=True):
            if line.startswith("service token:") and line.endswith("\n"):
                return line.split()[-1]
        time.sleep(0.1)
    sys.exit("the service printed no token")


def install_packages() -> Path:
    """Unpacks both packages beside each other, as an installation does."""
    installed = folder / "installed"
    shutil.rmtree(installed, ignore_errors=True)
    (installed / "node_modules").mkdir(parents=True)
    (wheel,), (archive,) = (folder / "packages").glob("*.whl"), (folder / "packages").glob("*.tgz")
    zipfile.ZipFile(wheel).extractall(installed)
    subprocess.run(["tar", "-xzf", archive, "-C", installed / "node_modules"], check=True)
    (installed / "node_modules/package").rename(installed / "node_modules/user-client")
    for compiled in (folder / "typescript/test-dist").iterdir():
        shutil.copy(compiled, installed)
    (installed / "package.json").write_text('{"type": "module"}')
    for script in (folder / "python/tests").glob("*.py"):
        shutil.copy(script, installed)
    return installed


def main() -> None:
    installed = install_packages()
    with tempfile.TemporaryDirectory() as name:
        directory, port = Path(name), free_port()
        process = start_service(directory, port)
        try:
            proxy = LosingProxy(port, loss=0.2)
            token = service_token(directory / "stdout")
            environment = {
                "PATH": os.environ["PATH"],
                "USERS_URL": f"http://127.0.0.1:{port}",
                "USERS_LOSSY_URL": f"http://127.0.0.1:{proxy.server_port}",
                "USERS_TOKEN": token,
            }
            for command in (["node", "steps.js"], [sys.executable, "steps.py"]):
                lost = proxy.lost
                if subprocess.run(command, cwd=installed, env=environment).returncode != 0:
                    sys.exit(f"{command[1]} failed")
                print(f"{command[1]}: {proxy.lost - lost} responses were lost")
                assert proxy.lost - lost > 100, "the proxy lost almost nothing"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


main()
