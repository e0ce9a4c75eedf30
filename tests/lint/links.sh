#!/usr/bin/env bash
# Every relative link of a Markdown file leads to something that git knows: what .gitignore hides is not delivered.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)

# Where there is no git checkout, what lies in the folder was delivered.
known() { git -C "$1" ls-files --cached --others --exclude-standard 2>/dev/null || (cd "$1" && find . -type f | sed 's|^\./||'); }

# broken FOLDER: "file: link" for every link that leads nowhere.
broken() {
  known "$1" | awk -v root="$1" '
    { name = $0; known[name]; while (sub(/\/[^\/]*$/, "", name)) known[name] }
    /\.md$/ { pages[++count] = $0 }
    END {
      for (i = 1; i <= count; ++i) {
        folder = pages[i]; if (!sub(/[^\/]*$/, "", folder)) folder = ""
        while ((getline line < (root "/" pages[i])) > 0)
          while (match(line, /\]\([^)# ]+/)) {
            link = substr(line, RSTART + 2, RLENGTH - 2); line = substr(line, RSTART + RLENGTH)
            if (link ~ /^[a-z]+:/) continue
            target = folder link
            while (sub(/[^\/]+\/\.\.\//, "", target)) {}
            sub(/\/$/, "", target)
            if (!(target in known)) print pages[i] ": " link
          }
      }
    }'
}

self_check() {
  local copy found
  copy=$(mktemp -d)
  mkdir -p "$copy/a/b"
  touch "$copy/a/here.csv"
  echo '[x](here.csv) [y](../a/here.csv#part) [z](https://a.b/c) [no](gone.csv) ![no](b/../gone.png)' >"$copy/a/page.md"
  found=$(broken "$copy")
  rm -rf "$copy"
  [[ $found == $'a/page.md: gone.csv\na/page.md: b/../gone.png' ]] || { echo "self-check: found '$found'"; return 1; }
}

self_check
found=$(broken "$root")
if [[ $found ]]; then
  echo "$found"
  echo "links: $(wc -l <<<"$found") lead to nothing that git knows"
  exit 1
fi
echo "links: all lead somewhere"
