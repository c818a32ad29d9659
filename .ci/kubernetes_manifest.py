"""Writes deploy/kubernetes.yaml, the chart as rendered by default; with --check it only says whether it is current.

So people who do not use Helm have the same deployment. Where the helm program is not installed, nothing is checked.
"""

import subprocess
import sys
from pathlib import Path

from written import ROOT, write_or_check

MANIFEST = ROOT / "deploy" / "kubernetes.yaml"
HELM = Path(sys.executable).with_name("helm")
HEAD = """\
# The service for Kubernetes: two replicas on one PostgreSQL. The commands in README.md create the Secret "telemetry".
# Written by `make docs` from the chart in helm/, without Helm's own labels; change it there.
"""


def manifest() -> str:
    """Return the chart rendered with the License Server's URL in the Secret."""
    arguments = ("template", "telemetry", str(ROOT / "deploy" / "helm"), "--set", "secretFiles.licenseServerUrl=true")
    rendered = subprocess.run([HELM, *arguments], check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours
    lines = [line for line in rendered.splitlines() if not line.strip().startswith(("helm.sh/chart:", "# Source:"))]
    return HEAD + "\n".join(lines).replace("managed-by: Helm", "managed-by: kubectl") + "\n"


def main() -> int:
    """Write the file, or with ``--check`` return 1 where it is not current."""
    if not HELM.exists():
        print("helm is not installed for this platform: deploy/kubernetes.yaml is left as it is.", file=sys.stderr)
        return 0
    return write_or_check({MANIFEST: manifest()})


if __name__ == "__main__":
    sys.exit(main())
