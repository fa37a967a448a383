#!/bin/sh
# Runs `liebench gate` in a CI job, with everything that varies taken from the environment, and ends with its code:
# 0 fine, 1 proved regression, 2 usage, 3 inconclusive, 4 not comparable, 70 a defect of liebench, 130 interrupted.
#
# LIEBENCH_MODE          rerun (the default: both sides are measured now), history, fleet or trend
# LIEBENCH_BASELINE      rerun: the command of the baseline; else the file or folder of the baseline; required
# LIEBENCH_CANDIDATE     rerun: the command of the candidate, required; else a run file, or empty: measure now
# LIEBENCH_PROBES        probes or layers, separated by blanks or line ends; all where it is empty; none for commands
# LIEBENCH_JSON          where the object of --json goes (liebench-gate.json)
# LIEBENCH_JUNIT, LIEBENCH_MARKDOWN, LIEBENCH_OPENMETRICS    files of these reports; none where empty
# LIEBENCH_GITHUB        1: annotations, the job's summary, and outputs of the step
# LIEBENCH_INCONCLUSIVE  fail (code 3) or pass (code 0 in its place)
set -u
set -f # names of probes are no patterns for files

die() {
    printf 'gate.sh: %s\n' "$1" >&2
    exit 2
}

case ${LIEBENCH_INCONCLUSIVE:-fail} in
fail | pass) ;;
*) die "LIEBENCH_INCONCLUSIVE takes fail or pass, not '$LIEBENCH_INCONCLUSIVE'" ;;
esac
mode=${LIEBENCH_MODE:-rerun}
[ -n "${LIEBENCH_BASELINE:-}" ] || die "LIEBENCH_BASELINE says what to compare with; it is empty"
[ "$mode" != rerun ] || [ -n "${LIEBENCH_CANDIDATE:-}" ] ||
    die "LIEBENCH_CANDIDATE is the command to compare with LIEBENCH_BASELINE; it is empty"

set --
for probe in ${LIEBENCH_PROBES:-}; do
    case $probe in
    -*) die "'$probe' in LIEBENCH_PROBES is an option; name probes or layers" ;;
    esac
    set -- "$@" "$probe"
done
# An option and its value are one word, so that a value which begins with a dash stays a value.
set -- "$@" "--mode=$mode" "--baseline=$LIEBENCH_BASELINE" --json
[ -z "${LIEBENCH_CANDIDATE:-}" ] || set -- "$@" "--candidate=$LIEBENCH_CANDIDATE"
[ -z "${LIEBENCH_JUNIT:-}" ] || set -- "$@" "--junit=$LIEBENCH_JUNIT"
[ -z "${LIEBENCH_MARKDOWN:-}" ] || set -- "$@" "--markdown=$LIEBENCH_MARKDOWN"
[ -z "${LIEBENCH_OPENMETRICS:-}" ] || set -- "$@" "--openmetrics=$LIEBENCH_OPENMETRICS"
[ "${LIEBENCH_GITHUB:-}" != 1 ] || set -- "$@" --github

json=${LIEBENCH_JSON:-liebench-gate.json}
# A redirection that fails ends with 1 in some shells, which would read as a regression.
(: >"$json") || die "'$json' cannot be written; LIEBENCH_JSON names another file"
if [ "${LIEBENCH_GITHUB:-}" = 1 ]; then
    # Annotations are lines on standard output and must reach the log; the object goes to its file.
    said=$(mktemp) || die "there is no room for temporary files"
    trap 'rm -f -- "$said"' EXIT
    liebench gate "$@" >"$said"
    code=$?
    grep '^::' "$said"
    grep -v '^::' "$said" >"$json"
else
    liebench gate "$@" >"$json"
    code=$?
fi

case $code in
0) said_of="nothing got worse" ;;
1) said_of="a regression was proved" ;;
2) said_of="the command was not understood" ;;
3) said_of="the machine was too noisy to tell, or the time too short" ;;
4) said_of="the two sides cannot be compared" ;;
127) said_of="liebench is not installed" ;;
130 | 143) said_of="it was interrupted" ;;
*) said_of="this is no verdict but a defect; please report it" ;;
esac
printf 'liebench gate ended with %s: %s\n' "$code" "$said_of" >&2
if [ "$code" = 3 ] && [ "${LIEBENCH_INCONCLUSIVE:-fail}" = pass ]; then
    exit 0
fi
exit "$code"
