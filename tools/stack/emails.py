"""The emails of a running stack, renewed when their files change."""

import io
import shutil
import zipfile
from pathlib import Path

from emails_build import package
from emails_build.problems import BuildFailed
from tools.preview.drafts import Folder, relative
from tools.stack import deployment
from tools.stack.deployment import Stack
from tools.tenant import Tenant

LAYER = "EmailsLayer"


class RunningEmails:
    """The emails that a stack sends. `problems` say why the files' current state is not among them.

    `tenant` are the brands as they are deployed.
    """

    def __init__(self, stack: Stack, folder: Path | None = None) -> None:
        self._stack, self._folder = stack, Folder(folder)
        self._stamp = ""
        self._first = {name: self._layers(name) for name in stack.functions}
        self._count = 0
        self.tenant = stack.tenant
        self.problems: tuple[str, ...] = ()

    def renew(self) -> None:
        """Deploy the files if they have changed; the functions' next calls are cold starts."""
        stamp = self._folder.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            files = package.compile_package(self._folder.source)
        except BuildFailed as failed:
            self.problems = tuple(
                str(relative(each, self._folder.source)) for each in failed.problems
            )
            return
        self.problems = ()
        self._count += 1
        layer = self._stack.emulator.folder / f"emails-{self._count}"
        package.write(files, layer / "python")
        tenant = Tenant.of(layer)
        deployment.show_designs(tenant.package)
        if content(tenant.package) == content(self.tenant.package):
            shutil.rmtree(layer)
            return
        self._deploy(layer)
        self.tenant = tenant
        deployment.admit(self._stack.emulator, self._stack.outputs["SecretName"], tenant)

    def put_back(self) -> None:
        """Return to the emails that the stack was deployed with."""
        if self.tenant != self._stack.tenant:
            self._set_layers(self._first)

    def _deploy(self, layer: Path) -> None:
        client = self._stack.emulator.client("lambda")
        version = client.publish_layer_version(LayerName=LAYER, Content={"ZipFile": zipped(layer)})[
            "LayerVersionArn"
        ]
        self._set_layers(
            {
                name: [version if f":{LAYER}:" in arn else arn for arn in layers]
                for name, layers in self._first.items()
            }
        )

    def _layers(self, name: str) -> list[str]:
        found = self._stack.emulator.client("lambda").get_function_configuration(
            FunctionName=self._stack.functions[name]
        )
        return [layer["Arn"] for layer in found["Layers"]]

    def _set_layers(self, layers: dict[str, list[str]]) -> None:
        for name, arns in layers.items():
            self._stack.emulator.client("lambda").update_function_configuration(
                FunctionName=self._stack.functions[name], Layers=arns
            )


def content(folder: Path) -> dict[str, bytes]:
    """What a built package holds, by path; compiled modules are left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def zipped(folder: Path) -> bytes:
    """A folder as an archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return archive.getvalue()
