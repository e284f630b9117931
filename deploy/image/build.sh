#!/bin/bash
# Build netdusk's image into .cache/image/netdusk.tar (an OCI archive) with buildah: no daemon, and no registry needed.
#
#   BASE=IMAGE@sha256:…   build on this image; without it: on Debian, from debootstrap (once, in .cache/image/base)
#   SUITE=bookworm        which Debian
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$PWD/.cache/image
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
store=(--root "$cache/store" --runroot "$cache/run" --storage-driver vfs)

for tool in buildah ${BASE:-debootstrap}; do
  [[ $tool == "${BASE:-}" ]] || command -v "$tool" >/dev/null || {
    echo "$tool is missing: apt-get install buildah debootstrap" >&2
    exit 1
  }
done
mkdir -p "$cache"

if [[ -z ${BASE:-} ]]; then
  BASE=localhost/netdusk-base
  if ! buildah "${store[@]}" images --quiet "$BASE" >/dev/null 2>&1; then
    [[ $(id -u) == 0 ]] || { echo "debootstrap needs root; or name an image: BASE=…@sha256:… make image" >&2; exit 1; }
    rm -rf "$cache/base"
    mirror=$(apt-get indextargets --format '$(SITE)' | head -n 1)
    debootstrap --variant=minbase --include=python3-minimal,python3-venv,ca-certificates \
      "${SUITE:-bookworm}" "$cache/base" "${mirror:-https://deb.debian.org/debian}" >"$cache/debootstrap.log"
    rm -rf "$cache"/base/var/cache/apt/* "$cache"/base/var/lib/apt/lists/* "$cache"/base/var/log/* \
      "$cache"/base/usr/share/{doc,man,locale}/*
    printf 'FROM scratch\nADD base/ /\n' >"$cache/base.Dockerfile"
    buildah "${store[@]}" bud --quiet --tag "$BASE" --file "$cache/base.Dockerfile" "$cache" >/dev/null
    rm -rf "$cache/base"
  fi
fi

# A machine that reaches its packages in a way of its own (pip.conf, a proxy's authority) lends it to the build; the image
# does not keep it.
private=()
for file in /etc/pip.conf "$(sed -n 's/^cert *= *//p' /etc/pip.conf 2>/dev/null)"; do
  [[ ! -f $file ]] || private+=(--volume "$file:$file:ro")
done
# So are Kafka's jars lent where this machine has them already; else the build fetches them.
jars="${NETDUSK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/netdusk}/kafka-4.4.0"
[[ ! -d $jars ]] || private+=(--volume "$jars:/kafka-jars:ro")

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
buildah "${store[@]}" bud --format oci --layers=false --tag "localhost/netdusk:$version" \
  --build-arg "BASE=$BASE" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
  "${private[@]}" --file Dockerfile .
rm -f "$cache/netdusk.tar"
buildah "${store[@]}" push --quiet "localhost/netdusk:$version" "oci-archive:$cache/netdusk.tar:netdusk:$version"
echo "$cache/netdusk.tar: $(du -m "$cache/netdusk.tar" | cut -f1) MB, packed"
