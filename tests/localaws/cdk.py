"""Synthesises the real templates of `infra` and deploys them: with the CDK's own command line, or without it.

The command line comes from npm and is pinned in infra/package.json. Where it is not installed, `deploy_templates` sends
the same templates and assets through CloudFormation and S3 itself, which shows the same resources, but neither the
bootstrap nor the change sets of `cdk deploy`.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.localaws import address
from tests.localaws.processes import ROOT

CDK: Final = ROOT / "infra" / "node_modules" / ".bin" / "cdk"
CONTEXT: Final = {"env": "dev", "bundle": "sources", "account": address.ACCOUNT}
_SYNTH_S: Final = 300
_DEPLOY_S: Final = 600
_BOOTSTRAP_VERSION: Final = "/cdk-bootstrap/hnb659fds/version"
Say = Callable[[str], None]


class DeploymentError(RuntimeError):
    """A template did not become a stack; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A deployed stack: its name and what it gives out."""

    name: str
    outputs: dict[str, str]


def synthesize(folder: Path) -> Path:
    """Write the cloud assembly into `folder`; only Python and node are needed. Raises DeploymentError."""
    code = (
        "import json, sys; from infra.app import build; build(sys.argv[1], **json.loads(sys.argv[2])).synth()"
    )
    _run([sys.executable, "-c", code, str(folder), json.dumps(CONTEXT)], {}, _SYNTH_S)
    return folder


def deploy(assembly: Path, url: str, say: Say) -> list[Stack]:
    """Deploy every stack of the assembly, by the CDK's command line where it is installed."""
    if CDK.exists():
        return _deploy_by_command(assembly, url, say)
    say("the CDK's command line is not installed (npm ci in infra/): sending the templates ourselves")
    return deploy_templates(assembly, url, say)


def _deploy_by_command(assembly: Path, url: str, say: Say) -> list[Stack]:
    outputs = assembly / "outputs.json"
    where = f"aws://{address.ACCOUNT}/{address.REGION}"
    said = address.environment(url) | {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1", "CI": "1"}
    # The assembly is already there: a second synthesis would only cost time.
    common = ["--app", str(assembly), "--no-notices", "--no-version-reporting"]
    say("cdk bootstrap")
    _run([str(CDK), "bootstrap", where, *common], said, _DEPLOY_S)
    say("cdk deploy --all")
    options = ["--all", "--require-approval", "never", "--outputs-file", str(outputs)]
    _run([str(CDK), "deploy", *options, *common], said, _DEPLOY_S)
    written = json.loads(outputs.read_text())
    return [Stack(name=name, outputs=written.get(name, {})) for name in stack_names(assembly)]


def deploy_templates(assembly: Path, url: str, say: Say) -> list[Stack]:
    """The same without the command line, in the assembly's order of dependencies."""
    parameter = {"Name": _BOOTSTRAP_VERSION, "Value": "99", "Type": "String", "Overwrite": True}
    address.client("ssm", url).put_parameter(**parameter)
    return [_deploy_template(assembly, name, url, say) for name in stack_names(assembly)]


def _deploy_template(assembly: Path, name: str, url: str, say: Say) -> Stack:
    _upload_assets(assembly, name, url)
    template = json.loads((assembly / f"{name}.template.json").read_text())
    template.pop("Rules", None)
    cloudformation = address.client("cloudformation", url)
    try:
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    except Exception as error:
        raise DeploymentError(f"{name}: {error}") from error
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    if stack["StackStatus"] != "CREATE_COMPLETE":
        raise DeploymentError(f"{name}: {stack['StackStatus']}")
    say(f"{name}: {len(template['Resources'])} resources")
    return Stack(
        name=name, outputs={one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    )


def stack_names(assembly: Path) -> list[str]:
    """Every stack's name, each after those it needs."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    stacks = {k: v for k, v in artifacts.items() if v["type"] == "aws:cloudformation:stack"}
    ordered: list[str] = []

    def add(name: str) -> None:
        if name in ordered or name not in stacks:
            return
        for needed in stacks[name].get("dependencies", []):
            add(needed)
        ordered.append(name)

    for name in stacks:
        add(name)
    return ordered


def _upload_assets(assembly: Path, name: str, url: str) -> None:
    s3 = address.client("s3", url)
    manifest = assembly / f"{name}.assets.json"
    for asset in json.loads(manifest.read_text())["files"].values() if manifest.exists() else []:
        body = _body(assembly / asset["source"]["path"], asset["source"]["packaging"])
        for where in asset["destinations"].values():
            bucket = _filled(where["bucketName"])
            if bucket not in {known["Name"] for known in s3.list_buckets()["Buckets"]}:
                region = {"LocationConstraint": address.REGION}
                s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
            s3.put_object(Bucket=bucket, Key=where["objectKey"], Body=body)


def _body(path: Path, packaging: str) -> bytes:
    if packaging != "zip":
        return path.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(path.rglob("*")):
            archive.write(file, file.relative_to(path))
    return packed.getvalue()


def _filled(text: str) -> str:
    return text.replace("${AWS::AccountId}", address.ACCOUNT).replace("${AWS::Region}", address.REGION)


def _run(command: list[str], variables: dict[str, str], limit_s: float) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TIERWISE_"))}
    done: Any = subprocess.run(
        command, cwd=ROOT, env=kept | variables, capture_output=True, text=True, timeout=limit_s, check=False
    )
    if done.returncode != 0:
        raise DeploymentError(f"{' '.join(command[:4])}\n{(done.stdout + done.stderr)[-4_000:]}")
