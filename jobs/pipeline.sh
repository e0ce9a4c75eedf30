#!/usr/bin/env bash
# A whole run as five jobs, each starting when the one before it is done: supernet, collect, predictor, search, finetune.
#   [APQ_SITE=NAME] jobs/pipeline.sh [SBATCH OPTION]... CONFIG [APQ OPTION]...
#   e.g. jobs/pipeline.sh --nodes=4 --ntasks-per-node=16 configs/quickstart.yaml --out results/mine
# The resources of a stage are the #SBATCH lines of its script; SBATCH OPTIONs override them for all stages but the
# predictor's, which is one rank. All stages work in one run folder (results/<config name> or --out). A stage that fails
# says so at the end of its output and stops the chain: Slurm cancels the jobs after it. Submitted again, the chain
# continues: what is done is left alone.
set -euo pipefail

APQ_JOBS=$(dirname "$(readlink -f "$0")")
# shellcheck source=jobs/job.sh
source "$APQ_JOBS/job.sh"

read_site
read_command_line "$@"
read_job_arguments "$config" "${apq_options[@]}"
cd "$APQ_ROOT"
[[ ! $from ]] || usage_error "--from has no meaning here (every stage reads what the one before it wrote)"

previous=
for stage in supernet collect predictor search finetune; do
  own=("${sbatch_options[@]}") inputs=()
  [[ $stage != predictor ]] || own+=(--nodes=1 --ntasks-per-node=1)
  [[ $stage != search ]] || inputs=(--from "$run")  # by this search.sbatch knows that only the search is wanted
  [[ ! $previous ]] || own+=(--dependency="afterok:$previous" --kill-on-invalid-dep=yes)
  id=$(sbatch --parsable "${own[@]}" --job-name="apq-$stage" --output="apq-$stage.%j.out" "$APQ_JOBS/$stage.sbatch" "$config" \
    --out "$run" "${inputs[@]}" "${options[@]}")
  previous=${id%%;*}
  echo "$stage: job $previous, output $APQ_ROOT/apq-$stage.$previous.out"
done
echo "run folder: $run; a stage that fails says so in its output, and the jobs after it are cancelled"
