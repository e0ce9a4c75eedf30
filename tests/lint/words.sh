#!/usr/bin/env bash
# No file of the project holds a path of one person's machine or a mark of unfinished work.
set -euo pipefail

root=${APQ_SOURCE_DIR:-$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")}

# Brackets keep these patterns from matching themselves.
pattern='\b(TO[D]O|FIXM[E]|XX[X]|HAC[K])\b|(^|[^[:alnum:]._~-])/(wor[k]|hom[e]|User[s]|roo[t])/'

# Files git knows or would add; all files where there is no git checkout.
files() {
  git -C "$1" ls-files -z --cached --others --exclude-standard 2>/dev/null ||
    (cd "$1" && find . \( -path ./build -o -path ./.git \) -prune -o -type f -print0)
}

found_in() { (cd "$1" && files . | xargs -0 grep -snIE "$pattern" --) || true; }

self_check() {
  local copy line
  copy=$(mktemp -d)
  for line in 'int a;  // TO''DO b' '# FIXM''E' 'path: /hom''e/someone/data' 'cd "/wor''k/x"'; do
    echo "$line" >"$copy/planted.txt"
    [[ $(found_in "$copy") ]] || { echo "self-check: '$line' was not found"; rm -rf "$copy"; return 1; }
  done
  rm -rf "$copy"
}

found=$(found_in "$root")
if [[ $found ]]; then
  echo "$found"
  echo "words: $(wc -l <<<"$found") lines with machine paths or marks of unfinished work"
  exit 1
fi
self_check
echo "words: nothing found"
