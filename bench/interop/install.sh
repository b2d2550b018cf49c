#!/usr/bin/env bash
# Installs the clients that make interop runs with, by their ordinary installers, into $INTEROP_HOME. Running it again
# installs only what is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${INTEROP_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/rookery-interop}
mkdir -p "$home"

missing=()
want() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
want kcat kcat
want javac default-jdk-headless
want mvn maven
want npm npm
want strace strace
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

stale() { ! cmp -s "$1" "$2"; }
"$here/jars.sh" >/dev/null
if stale "$here/js/package.json" "$home/js/.installed"; then
  mkdir -p "$home/js"
  cp "$here/js/package.json" "$home/js/package.json"
  npm install --prefix "$home/js" --no-audit --no-fund --silent
  cp "$here/js/package.json" "$home/js/.installed"
fi
if stale "$here/python/requirements.txt" "$home/python/requirements.txt"; then
  rm -rf "$home/python"
  python3 -m venv "$home/python"
  "$home/python/bin/pip" install -q --disable-pip-version-check -r "$here/python/requirements.txt"
  cp "$here/python/requirements.txt" "$home/python/requirements.txt"
fi
mkdir -p "$home/go"
(cd "$here/go" && go build -o "$home/go/clients" . && go test -c -o "$home/go/kgo.test" github.com/twmb/franz-go/pkg/kgo)
echo "$home"
