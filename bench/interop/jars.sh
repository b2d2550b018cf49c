#!/usr/bin/env bash
# Fetches the jars of java/pom.xml, Kafka's clients, tools and broker, where they are missing, and prints their folder: for interop,
# differential and bench-peer.
set -euo pipefail
pom=$(cd "$(dirname "$0")" && pwd)/java/pom.xml
folder=${INTEROP_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/rookery-interop}/java
if ! cmp -s "$pom" "$folder/pom.xml"; then
  command -v java mvn >/dev/null || { echo "java and mvn are needed: bench/interop/install.sh installs them" >&2; exit 1; }
  rm -rf "$folder"
  mvn -q -B -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$folder" >&2
  cp "$pom" "$folder/pom.xml"
fi
echo "$folder"
