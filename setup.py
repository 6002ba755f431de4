"""Put the dbt project, the suites and the deployments into the wheel, below `rollcall/files`."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
FILES = ("dbt_project.yml", "profiles.yml", "prefect.yaml", "automations.yaml")
FOLDERS = ("analyses", "expectations", "flows", "macros", "models", "presets", "seeds", "tests/dbt")


class BuildWithProject(build_py):
    """Copy the top-level folders; an editable installation reads them where they are."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "rollcall" / "files"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in FILES:
            shutil.copyfile(ROOT / name, target / name)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithProject})
