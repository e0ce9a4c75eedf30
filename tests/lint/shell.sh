#!/usr/bin/env bash
# All scripts, job files and site files are clean for shellcheck, and commands can be executed.
set -euo pipefail

cd "${APQ_SOURCE_DIR:-$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")}"
command -v shellcheck >/dev/null || { echo "shell: shellcheck is missing (jobs/install-packages.sh --tests)"; exit 1; }

mapfile -t scripts < <(find jobs tests .ci -type f \( -name '*.sh' -o -name '*.sbatch' -o -name '*.env' -o -path .ci/run \) | sort)
[[ ${#scripts[@]} != 0 ]] || { echo "shell: no script found"; exit 1; }
for script in jobs/*.sh jobs/*.sbatch tests/*.sh .ci/run; do
  [[ -x $script ]] || { echo "shell: $script is a command and cannot be executed (chmod +x)"; exit 1; }
done
shellcheck --shell=bash --external-sources --source-path=. "${scripts[@]}"
echo "shell: all ${#scripts[@]} scripts are clean"
